//! What can go wrong with a file activity, said so that it can be put right.

use std::io;
use std::path::{Path, PathBuf};

use crate::name::NameProblem;

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The event `no_file`, not an error of the machine.
    #[error("no file in `{}` matches `{filter}`", .folder.display())]
    NoFile { folder: PathBuf, filter: String },
    #[error("the folder `{}` does not exist", .path.display())]
    SourceMissing { path: PathBuf },
    #[error(
        "`{}` is not a folder; name the folder and choose files with `filter`",
        .path.display()
    )]
    NotAFolder { path: PathBuf },
    #[error("a folder on the way to `{}` is a link, which is not followed", .path.display())]
    Link { path: PathBuf },
    #[error("a folder is in the way at `{}`; remove or rename it first", .path.display())]
    FolderInTheWay { path: PathBuf },
    #[error("`{}` exists; set `replace` to overwrite it", .path.display())]
    Exists { path: PathBuf },
    #[error("`{}` is read-only; set `force` to override that", .path.display())]
    ReadOnly { path: PathBuf },
    #[error("`{}` is in use by another program; close that first", .path.display())]
    InUse { path: PathBuf },
    #[error("`{}` is not empty; set `recursive` to delete it with what is in it", .path.display())]
    NotEmpty { path: PathBuf },
    #[error("`{}` lies within `{}`; its own files cannot go there", .to.display(), .from.display())]
    IntoItself { from: PathBuf, to: PathBuf },
    #[error("`{}` is a root, which is never deleted or emptied", .path.display())]
    Root { path: PathBuf },
    #[error("`{name}` {problem}; give a plain file name")]
    Name { name: String, problem: NameProblem },
    #[error("`{}` was there when the activity began and is gone", .path.display())]
    Vanished { path: PathBuf },
    #[error("no space left on the disk for `{}`; free some and try again", .path.display())]
    DiskFull { path: PathBuf },
    #[error("no permission to {doing} `{}`", .path.display())]
    Denied { path: PathBuf, doing: &'static str },
    #[error("could not {doing} `{}`", .path.display())]
    Io { path: PathBuf, doing: &'static str, source: io::Error },
    /// Asked to stop between two files.
    #[error("stopped before the end")]
    Stopped,
}

impl FileError {
    /// What `error` means for `path`; `doing` completes "could not …".
    pub fn of(error: io::Error, path: &Path, doing: &'static str) -> Self {
        let path = path.to_owned();
        if in_use(&error) {
            return Self::InUse { path };
        }
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::Denied { path, doing }
            }
            io::ErrorKind::AlreadyExists => Self::Exists { path },
            io::ErrorKind::DirectoryNotEmpty => Self::NotEmpty { path },
            io::ErrorKind::IsADirectory => Self::FolderInTheWay { path },
            io::ErrorKind::NotADirectory if is_link(&path) => Self::Link { path },
            io::ErrorKind::NotADirectory => Self::NotAFolder { path },
            io::ErrorKind::Interrupted => Self::Stopped,
            _ => Self::Io { path, doing, source: error },
        }
    }

    /// Whether the activity ends with `no_file`.
    pub fn is_no_file(&self) -> bool {
        matches!(self, Self::NoFile { .. })
    }
}

/// Only words an error: it may be late without harm.
fn is_link(path: &Path) -> bool {
    path.ancestors().any(|path| std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink()))
}

#[cfg(windows)]
fn in_use(error: &io::Error) -> bool {
    use windows_sys::Win32::Foundation as win;
    let code = error.raw_os_error().and_then(|code| u32::try_from(code).ok());
    code.is_some_and(|code| {
        matches!(
            code,
            win::ERROR_SHARING_VIOLATION | win::ERROR_LOCK_VIOLATION | win::ERROR_USER_MAPPED_FILE
        )
    })
}

#[cfg(not(windows))]
fn in_use(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ExecutableFileBusy | io::ErrorKind::ResourceBusy)
}
