//! What a temporary agent makes on a machine, and that nothing of it stays.
//!
//! Three ends are thought of. The agent ends in order: it removes everything itself. It is killed:
//! on Linux a watcher, a second process in a process group of its own that hears of the death by
//! the end of a pipe, ends what carries the agent's marks and removes the folders. Both are killed
//! at once, or the machine loses power: what is in the folder for temporary files stays until that
//! is emptied. On Windows a running program cannot be removed: a `cmd` that waits for its end does
//! it; killed there, the folder stays.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use workflow::EffectId;

/// What the folders of the agent are called.
const PREFIX: &str = "deskhand-";
/// Longest line that a watcher takes.
const LINE_BYTES_MAX: usize = 4 << 10;

/// Why the agent has no folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("no temporary folder can be made: {0}")]
    Make(#[source] io::Error),
    #[error("{} is not the folder of this program, so it is not removed at the end", .0.display())]
    NotOurs(PathBuf),
    #[error("{} cannot be used: {source}", .path.display())]
    Use { path: PathBuf, source: io::Error },
}

/// The folders of an agent without configuration.
#[derive(Debug)]
pub struct Folders {
    work: PathBuf,
    /// Removed at the end, the innermost first; none where the folder is kept.
    removed: Vec<PathBuf>,
    watcher: Option<Child>,
}

impl Folders {
    /// A folder that stays: what is known of files there is known the next time.
    pub fn kept(work: PathBuf) -> Result<Self, FolderError> {
        let made = std::fs::create_dir_all(&work);
        made.map_err(|source| FolderError::Use { path: work.clone(), source })?;
        Ok(Self { work, removed: Vec::new(), watcher: None })
    }

    /// A folder of its own that goes with the agent; `program_folder`, which holds this program and
    /// was made for it, goes too.
    pub fn temporary(program_folder: Option<PathBuf>) -> Result<Self, FolderError> {
        let mut removed = Vec::new();
        if let Some(folder) = program_folder {
            removed.push(own_folder(folder)?);
        }
        let work = make_private(&std::env::temp_dir()).map_err(FolderError::Make)?;
        removed.insert(0, work.clone());
        if let Some(folder) = removed.get(1) {
            // Whoever copied the program waits for this before it leaves it to itself.
            let started = folder.join("started");
            std::fs::write(&started, b"")
                .map_err(|source| FolderError::Use { path: started, source })?;
        }
        let watcher = start_watcher(&removed);
        Ok(Self { work, removed, watcher })
    }

    /// Where plans of activities and hashes of files lie.
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// An effect begins: whatever carries its mark ends with the agent.
    pub(super) fn marks(&mut self, effect: EffectId) {
        let pipe = self.watcher.as_mut().and_then(|watcher| watcher.stdin.as_mut());
        if let Some(pipe) = pipe
            && let Err(error) = writeln!(pipe, "{effect}")
        {
            tracing::warn!("the watcher is gone: {error}");
            self.watcher = None;
        }
    }

    /// Removes what was made.
    pub(super) fn remove(self) {
        drop(self);
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        remove_all(&self.removed);
        if let Some(watcher) = self.watcher.take() {
            let mut watcher = watcher;
            // The end of its input is its order to end; it finds nothing left to be done.
            drop(watcher.stdin.take());
            let _ended = watcher.wait();
        }
    }
}

/// The folder, if this program lies in it and nothing says that it is anybody else's.
fn own_folder(folder: PathBuf) -> Result<PathBuf, FolderError> {
    let program = std::env::current_exe().ok().and_then(|program| program.canonicalize().ok());
    let inside = folder.canonicalize().ok();
    let is_named = folder
        .file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with(PREFIX));
    match (program, inside) {
        (Some(program), Some(inside)) if is_named && program.parent() == Some(&inside) => {
            Ok(inside)
        }
        _ => Err(FolderError::NotOurs(folder)),
    }
}

fn make_private(below: &Path) -> io::Result<PathBuf> {
    let name: [u8; 8] = crate::clock::random().map_err(io::Error::other)?;
    let folder = below.join(format!("{PREFIX}{}", hex::encode(name)));
    create_private(&folder)?;
    Ok(folder)
}

/// For its owner alone; on Windows a folder below the user's own is that already.
fn create_private(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
        .create(folder);
    #[cfg(not(unix))]
    std::fs::create_dir(folder)
}

/// Removes the folders; what cannot be is said, and on Windows left to a helper.
fn remove_all(folders: &[PathBuf]) {
    for folder in folders {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                if !remove_later(folder) {
                    tracing::warn!("{} cannot be removed: {error}", folder.display());
                }
            }
            Ok(()) | Err(_) => {}
        }
    }
}

#[cfg(windows)]
fn remove_later(folder: &Path) -> bool {
    use std::os::windows::process::CommandExt;
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    Command::new("cmd")
        .raw_arg(removal(folder))
        .creation_flags(CREATE_NO_WINDOW)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .is_ok()
}

#[cfg(not(windows))]
fn remove_later(_: &Path) -> bool {
    false
}

/// A command line for `cmd` that tries for half a minute to remove a folder.
#[cfg(any(windows, test))]
fn removal(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "/d /c \"for /l %i in (1,1,30) do @(rmdir /s /q \"{folder}\" 2>nul & if not exist \
         \"{folder}\" (exit) else (ping -n 2 127.0.0.1 >nul))\""
    )
}

/// Starts the process that outlives this one, where there is such a thing.
fn start_watcher(folders: &[PathBuf]) -> Option<Child> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let mut command = Command::new("/proc/self/exe");
    command.arg("--log").arg("error").arg("watch-over").args(folders);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    match command.spawn() {
        Ok(child) => Some(child),
        Err(error) => {
            tracing::warn!("nobody watches over this agent: {error}");
            None
        }
    }
}

/// Waits for the end of the agent, which is the end of `told`, then ends what carries its marks and
/// removes `folders`.
pub async fn watch_over(told: impl io::Read, folders: &[PathBuf]) {
    let marks = read_marks(told);
    for folder in folders {
        if folder.exists() {
            for mark in &marks {
                crate::effects::end_marked(mark).await;
            }
            break;
        }
    }
    remove_all(folders);
}

fn read_marks(mut told: impl io::Read) -> Vec<String> {
    let (mut marks, mut line, mut byte) = (Vec::new(), Vec::new(), [0]);
    while matches!(told.read(&mut byte), Ok(1)) {
        match byte[0] {
            b'\n' => {
                marks.push(String::from_utf8_lossy(&line).into_owned());
                line.clear();
            }
            other if line.len() < LINE_BYTES_MAX => line.push(other),
            _ => {}
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_folder_is_private_and_goes() {
        let folder = make_private(&std::env::temp_dir()).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        }
        std::fs::write(folder.join("hashes"), b"x").unwrap();
        remove_all(std::slice::from_ref(&folder));
        assert!(!folder.exists());
    }

    #[test]
    fn a_folder_that_is_not_the_programs_own_is_not_removed() {
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir().unwrap();
        assert!(matches!(own_folder(folder.path().to_owned()), Err(FolderError::NotOurs(_))));
    }

    #[tokio::test]
    async fn a_watcher_removes_what_a_dead_agent_left() {
        let folder = make_private(&std::env::temp_dir()).unwrap();
        watch_over(b"018f-0.1.1\n".as_slice(), std::slice::from_ref(&folder)).await;
        assert!(!folder.exists());
    }

    #[test]
    fn windows_removes_the_program_once_it_has_ended() {
        let line = removal(Path::new("C:\\Temp\\deskhand-1 2"));
        assert!(line.starts_with("/d /c \"for /l %i in (1,1,30)"), "{line}");
        assert!(line.contains("rmdir /s /q \"C:\\Temp\\deskhand-1 2\""), "{line}");
    }
}
