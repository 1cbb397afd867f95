//! A process of this program's own that works for it and has nothing else: two pipes, no
//! environment, no descriptors, and limits that the system keeps.
//!
//! It carries the mark of what it works for, so that [`crate::end_marked`] finds it after a death,
//! and ends when this program lets go of it.

#[cfg(target_os = "linux")]
#[path = "worker/linux.rs"]
mod system;
#[cfg(windows)]
#[path = "worker/windows.rs"]
mod system;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::{Child, Command};

/// What a worker may keep beside what it is asked to work with.
const OWN_BYTES: u64 = 96 << 20;

/// A worker to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSpec {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// What its work may need of memory.
    pub memory_bytes: u64,
    /// What it works for, by which it is found after a death.
    pub effect: String,
}

/// What a worker takes from itself before it looks at its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confinement {
    pub memory_bytes: u64,
    /// Of the processor; the system ends it then.
    pub processor_seconds: u64,
}

/// A worker at work. Dropping it ends it.
pub struct Worker {
    child: Child,
    /// What holds it, until it has ended.
    _hold: system::Hold,
}

pub type WorkerInput = Box<dyn AsyncWrite + Send + Unpin>;
pub type WorkerOutput = Box<dyn AsyncRead + Send + Unpin>;

/// A worker's standard input, output and error output.
pub struct WorkerPipes {
    pub input: WorkerInput,
    pub output: WorkerOutput,
    pub errors: WorkerOutput,
}

/// Starts a worker. It is held before it is told anything.
pub fn start_worker(spec: &WorkerSpec) -> io::Result<(Worker, WorkerPipes)> {
    let mut command = Command::new(&spec.program);
    command
        .args(&spec.arguments)
        .env_clear()
        .env(crate::process::MARK, &spec.effect)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true);
    for name in system::NEEDED {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    let (mut child, hold) = system::start(&mut command, spec.memory_bytes + OWN_BYTES)?;
    let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
    let pipes = WorkerPipes {
        input: Box::new(child.stdin.take().ok_or_else(missing)?),
        output: Box::new(child.stdout.take().ok_or_else(missing)?),
        errors: Box::new(child.stderr.take().ok_or_else(missing)?),
    };
    Ok((Worker { child, _hold: hold }, pipes))
}

impl Worker {
    /// Its exit code once it has ended by itself; on Linux death by a signal is 128 and its number.
    /// One that goes on for longer than `patience` is ended.
    pub async fn finish(mut self, patience: Duration) -> io::Result<u32> {
        if let Ok(status) = tokio::time::timeout(patience, self.child.wait()).await {
            return status.map(system::code);
        }
        self.child.start_kill()?;
        self.child.wait().await.map(system::code)
    }
}

/// Takes from this process what a worker has no use for: from here on it opens no file, socket or
/// process, and the system ends it when it takes more than it may.
pub fn confine(confinement: &Confinement) -> io::Result<()> {
    system::confine(confinement, OWN_BYTES)
}
