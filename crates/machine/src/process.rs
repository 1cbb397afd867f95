//! Carrying out a command, and ending what it started.
//!
//! An execution ends with its own exit, and at most a second of reading what is still on its way;
//! what it left running on purpose goes on. Timeout and cancelling end the whole tree: everything
//! that the command started, wherever it went. Nothing here decides what is run.

mod command_line;
#[cfg(target_os = "linux")]
#[path = "process/linux.rs"]
mod system;
#[cfg(windows)]
#[path = "process/windows.rs"]
mod system;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::identity::Identity;

#[cfg(windows)]
pub(crate) use system::STARTING;
pub use system::end_marked;
#[cfg(target_os = "linux")]
pub(crate) use system::{Stat, ancestors, processes, read_stat, signal};

/// The environment variable that marks whatever an execution starts.
pub(crate) const MARK: &str = "DESKHAND_EFFECT";

/// How long a process may take over its end before it is killed; Windows knows no polite end.
#[cfg(target_os = "linux")]
const GRACE: Duration = Duration::from_secs(2);

/// How long output is read on after the exit while somebody else still holds the pipe.
const DRAIN: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// For the system's shell: `/bin/sh -c` or `cmd /d /s /c`.
    Shell(String),
    /// Program and arguments; never meets a shell.
    List(Vec<String>),
    /// A program that takes its arguments apart in a way of its own (Windows): what follows its
    /// name is handed over as it stands. On Linux the shell takes it apart.
    Line { program: String, arguments: String },
}

/// What Windows shows of a program; ignored on Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Visibility {
    #[default]
    Default,
    Shown,
    Hidden,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Waiting {
    /// Until the program has ended.
    #[default]
    ForTheEnd,
    /// Until it has started; its output is dropped and it outlives the run.
    ForTheStart,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecuteSpec {
    pub command: Command,
    /// Where it runs; the agent's own folder otherwise.
    pub folder: Option<PathBuf>,
    /// Added to the agent's own environment.
    pub environment: BTreeMap<String, String>,
    pub visibility: Visibility,
    pub waiting: Waiting,
    pub timeout: Option<Duration>,
    /// The effect's id, by which [`end_marked`] finds what an interrupted execution left.
    pub effect: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecuteEnd {
    /// It runs; nobody waits for it.
    Started,
    /// By itself. On Linux death by a signal is 128 and its number.
    Exited { code: u32 },
    /// Ended with everything it had started.
    TimedOut,
    /// Ended with everything it had started.
    Cancelled,
}

#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    #[error("the command is empty")]
    Empty,
    #[error("`{program}` was not found{}", looked_on_path(.program))]
    NotFound { program: String },
    #[error("`{program}` may not be executed; check its permissions")]
    NotExecutable { program: String },
    #[error(
        "`{program}` is no program for this system; a script needs a first line such as `#!/bin/sh`"
    )]
    NoProgram { program: String },
    #[error("the folder `{}` to run in does not exist", .folder.display())]
    FolderMissing { folder: PathBuf },
    #[error("`{}`, named as the folder to run in, is not a folder", .folder.display())]
    NotAFolder { folder: PathBuf },
    #[error(
        "`{name}` cannot be an environment variable: neither name nor value may hold a zero, the name no `=`"
    )]
    Environment { name: String },
    #[error(
        "{what} cannot be passed to a batch file safely; call a program instead, or pass it in `environment`"
    )]
    BatchArgument { what: String },
    #[error("the command contains a zero character")]
    Zero,
    #[error("`{program}` could not be started")]
    Start { program: String, source: io::Error },
    #[error("what became of `{program}` could not be learned")]
    Wait { program: String, source: io::Error },
}

fn looked_on_path(program: &str) -> &'static str {
    if program.contains(['/', '\\']) { "" } else { " in any folder of PATH" }
}

impl Command {
    /// The program as people know it, for messages.
    pub fn program(&self) -> &str {
        match self {
            Self::Shell(_) if cfg!(windows) => "cmd.exe",
            Self::Shell(_) => "/bin/sh",
            Self::List(words) => words.first().map_or("", String::as_str),
            Self::Line { program, .. } => program,
        }
    }
}

/// Carries a command out. `output` gets what it writes, as it comes; `cancel` ends it when ready.
///
/// Dropping the future kills the process and its group, without the politeness of a cancel.
pub async fn execute(
    spec: &ExecuteSpec,
    cancel: impl Future<Output = ()>,
    output: impl FnMut(Stream, &[u8]),
) -> Result<ExecuteEnd, ExecuteError> {
    execute_as(spec, None, cancel, output).await
}

/// The same as a user, with that user's rights, environment and, where no folder is named, home.
/// The environment of `spec` comes on top of the user's; nothing of the agent's does.
pub async fn execute_as(
    spec: &ExecuteSpec,
    identity: Option<&Identity>,
    cancel: impl Future<Output = ()>,
    mut output: impl FnMut(Stream, &[u8]),
) -> Result<ExecuteEnd, ExecuteError> {
    check(spec)?;
    if spec.waiting == Waiting::ForTheStart {
        system::start_apart(spec, identity).await?;
        return Ok(ExecuteEnd::Started);
    }
    let (mut process, stdout, stderr) = system::start(spec, identity).await?;
    let mut pipes = Pipes { stdout: Some(stdout), stderr: Some(stderr) };
    let timeout = async {
        match spec.timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    let ended = pipes
        .read_until(&mut output, async {
            tokio::select! {
                code = process.wait() => code.map(|code| ExecuteEnd::Exited { code }),
                () = timeout => Ok(ExecuteEnd::TimedOut),
                () = cancel => Ok(ExecuteEnd::Cancelled),
            }
        })
        .await
        .map_err(|source| ExecuteError::Wait {
            program: spec.command.program().to_owned(),
            source,
        })?;
    match ended {
        ExecuteEnd::TimedOut | ExecuteEnd::Cancelled => {
            pipes.read_until(&mut output, process.end()).await;
        }
        ExecuteEnd::Exited { .. } | ExecuteEnd::Started => process.let_go(),
    }
    pipes.drain(&mut output).await;
    Ok(ended)
}

fn check(spec: &ExecuteSpec) -> Result<(), ExecuteError> {
    match &spec.command {
        Command::Shell(text) if text.contains('\0') => return Err(ExecuteError::Zero),
        Command::Line { arguments: text, .. } if text.contains('\0') => {
            return Err(ExecuteError::Zero);
        }
        Command::Shell(text) | Command::Line { program: text, .. } if text.trim().is_empty() => {
            return Err(ExecuteError::Empty);
        }
        Command::List(words) if words.first().is_none_or(String::is_empty) => {
            return Err(ExecuteError::Empty);
        }
        Command::List(words) if words.iter().any(|word| word.contains('\0')) => {
            return Err(ExecuteError::Zero);
        }
        _ => {}
    }
    for (name, value) in &spec.environment {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(ExecuteError::Environment { name: name.clone() });
        }
    }
    match &spec.folder {
        Some(folder) if !folder.exists() => {
            Err(ExecuteError::FolderMissing { folder: folder.clone() })
        }
        Some(folder) if !folder.is_dir() => {
            Err(ExecuteError::NotAFolder { folder: folder.clone() })
        }
        _ => Ok(()),
    }
}

struct Pipes<O, E> {
    stdout: Option<O>,
    stderr: Option<E>,
}

impl<O: AsyncRead + Unpin, E: AsyncRead + Unpin> Pipes<O, E> {
    /// Passes output on until `until` is ready, so that a full pipe never holds a process up.
    async fn read_until<T>(
        &mut self,
        output: &mut impl FnMut(Stream, &[u8]),
        until: impl Future<Output = T>,
    ) -> T {
        let mut until = pin!(until);
        let mut room = (vec![0; 32 * 1024], vec![0; 32 * 1024]);
        loop {
            tokio::select! {
                done = &mut until => return done,
                read = read(&mut self.stdout, &mut room.0), if self.stdout.is_some() => {
                    pass(&mut self.stdout, &read, &room.0, |bytes| output(Stream::Stdout, bytes));
                }
                read = read(&mut self.stderr, &mut room.1), if self.stderr.is_some() => {
                    pass(&mut self.stderr, &read, &room.1, |bytes| output(Stream::Stderr, bytes));
                }
            }
        }
    }

    /// Passes on what is still on its way.
    async fn drain(&mut self, output: &mut impl FnMut(Stream, &[u8])) {
        let mut enough = pin!(tokio::time::sleep(DRAIN));
        let mut room = (vec![0; 32 * 1024], vec![0; 32 * 1024]);
        while self.stdout.is_some() || self.stderr.is_some() {
            tokio::select! {
                read = read(&mut self.stdout, &mut room.0), if self.stdout.is_some() => {
                    pass(&mut self.stdout, &read, &room.0, |bytes| output(Stream::Stdout, bytes));
                }
                read = read(&mut self.stderr, &mut room.1), if self.stderr.is_some() => {
                    pass(&mut self.stderr, &read, &room.1, |bytes| output(Stream::Stderr, bytes));
                }
                () = &mut enough => return,
            }
        }
    }
}

async fn read<R: AsyncRead + Unpin>(pipe: &mut Option<R>, room: &mut [u8]) -> io::Result<usize> {
    match pipe {
        Some(pipe) => pipe.read(room).await,
        None => Ok(0),
    }
}

/// A pipe that has ended, or can no longer be read, is let go.
fn pass<R>(
    pipe: &mut Option<R>,
    read: &io::Result<usize>,
    room: &[u8],
    mut output: impl FnMut(&[u8]),
) {
    match read {
        Ok(count) if *count > 0 => output(&room[..*count]),
        _ => *pipe = None,
    }
}
