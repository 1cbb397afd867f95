//! A transaction is killed at every system call, and every system call fails: on real files the
//! machine is as before or as after, byte for byte.
//!
//! The program starts itself as a child that carries out one transaction with changes of every
//! kind, and traces it. It has a harness of its own so that the child has one thread. Calls that
//! only look are skipped by a stride, unless `DESKHAND_CRASH_FULL` is set.

#![allow(clippy::unwrap_used)] // A test that cannot set its scene up fails there.

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("system calls are traced on Linux alone");
}

#[cfg(target_os = "linux")]
#[path = "../changes/scene.rs"]
#[allow(dead_code)] // The conformance tests use more of it.
mod scene;

#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod file_registry;
#[cfg(target_os = "linux")]
mod runs;
#[cfg(target_os = "linux")]
mod trace;

#[cfg(target_os = "linux")]
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [word, base] if word == child::APPLY => child::apply(base.as_ref()),
        [word, base] if word == child::RECOVER => child::recover_there(base.as_ref()),
        words => runs::run(words),
    }
}
