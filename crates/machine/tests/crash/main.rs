//! A transaction is killed at every system call, every system call fails, and power is lost at
//! every moment: on real files the machine is as before or as after, byte for byte.
//!
//! The program starts itself as a child that carries out one transaction with changes of every
//! kind, and traces it. It has a harness of its own so that the child has one thread. Calls that
//! only look are skipped by a stride, unless `DESKHAND_CRASH_FULL` is set.

#![allow(clippy::unwrap_used)] // A test that cannot set its scene up fails there.

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("system calls are traced on Linux alone");
}

#[cfg(all(target_os = "linux", not(target_arch = "x86_64")))]
fn main() -> std::process::ExitCode {
    eprintln!("say in tests/crash/trace.rs where this processor keeps a system call's number");
    std::process::ExitCode::FAILURE
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "../changes/scene.rs"]
#[allow(dead_code)] // The conformance tests use more of it.
mod scene;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod child;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod file_registry;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod power;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod runs;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod trace;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() {
    use machine::change::AfterDeath;

    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [word, base] if word == child::APPLY => child::apply(base.as_ref()),
        [word, base] if word == child::RECOVER => {
            child::recover_there(base.as_ref(), AfterDeath::Undo);
        }
        [word, base] if word == child::FINISH => {
            child::recover_there(base.as_ref(), AfterDeath::Finish);
        }
        words => runs::run(words),
    }
}
