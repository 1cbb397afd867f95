//! An open folder, and what can be done with the names directly in it.
//!
//! Every operation takes one name, never a path, and never follows a link at that name: a walk
//! from folder to folder can therefore not leave the tree it began in, whatever others change
//! meanwhile. On Linux each folder is a descriptor and the promise holds against races; on Windows
//! it is a path whose links are looked for before each step.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

use crate::files::FileError;

#[cfg(target_os = "linux")]
#[path = "folder/linux.rs"]
mod system;
#[cfg(windows)]
#[path = "folder/windows.rs"]
mod system;

pub use system::Folder;
#[cfg(windows)]
pub(crate) use system::{nanos, wide};

/// Names of files that are still being written begin so; they belong to no activity's files.
pub const PART_PREFIX: &str = ".deskhand-part-";

pub fn is_part(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(PART_PREFIX.as_bytes())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    File,
    Folder,
    /// A symbolic link or, on Windows, a junction.
    Link,
    /// A device, a socket, a pipe.
    Other,
}

/// What is known of a name without following it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    pub kind: Kind,
    pub size: u64,
    /// Nanoseconds since 1970; negative before.
    pub mtime_ns: i64,
    /// When the entry itself last changed (Linux) or was created (Windows), in nanoseconds.
    pub ctime_ns: i64,
    /// Permission bits as on Linux; on Windows 0o644 or 0o444.
    pub mode: u32,
    /// Nobody may write: no write bit on Linux, the attribute on Windows.
    pub read_only: bool,
    /// 0 where the system does not tell.
    pub inode: u64,
    pub owner: u32,
    pub group: u32,
    /// On Windows a link says which it leads to; removing and making it differs.
    pub link_to_folder: bool,
}

/// What to do when the new name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Replace,
    /// Fails with [`io::ErrorKind::AlreadyExists`], without a moment in which it could be lost.
    Keep,
}

/// One entry below a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Names of the folders between the listed folder and this entry.
    pub folder: Vec<OsString>,
    pub name: OsString,
    pub meta: Meta,
}

impl Folder {
    /// The folder below by these names, none of which may be a link.
    pub fn open_below<N: AsRef<OsStr>>(&self, names: &[N]) -> io::Result<Folder> {
        names.iter().try_fold(self.again()?, |folder, name| folder.open_folder(name.as_ref()))
    }

    /// The folder below by these names, made where missing.
    pub fn create_below<N: AsRef<OsStr>>(&self, names: &[N]) -> io::Result<Folder> {
        names.iter().try_fold(self.again()?, |folder, name| folder.create_folder(name.as_ref()))
    }
}

/// Everything in `base`, sorted by name, a folder before what is in it; with `recursive` also what
/// is in the folders below. Unfinished parts are left out and links are not followed.
pub fn list(base: &Folder, recursive: bool) -> Result<Vec<Found>, FileError> {
    let mut all = list_with_parts(base, recursive)?;
    all.retain(|found| !is_part(&found.name));
    Ok(all)
}

/// The same with unfinished parts, for what removes folders whole.
pub(crate) fn list_with_parts(base: &Folder, recursive: bool) -> Result<Vec<Found>, FileError> {
    let mut all = Vec::new();
    let mut pending: Vec<Vec<OsString>> = vec![Vec::new()];
    while let Some(names) = pending.pop() {
        let place = || names.iter().fold(base.path().to_path_buf(), |path, name| path.join(name));
        let folder = match base.open_below(&names) {
            Ok(folder) => folder,
            // Gone since its parent was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !names.is_empty() => continue,
            Err(error) => return Err(FileError::of(error, &place(), "read the folder")),
        };
        let mut found =
            folder.entries().map_err(|error| FileError::of(error, &place(), "read the folder"))?;
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let first = pending.len();
        for (name, meta) in found {
            if recursive && meta.kind == Kind::Folder {
                let mut below = names.clone();
                below.push(name.clone());
                pending.push(below);
            }
            all.push(Found { folder: names.clone(), name, meta });
        }
        pending[first..].reverse();
    }
    Ok(all)
}

/// Goes from folder to folder below a base and keeps the last one open, as lists name them in turn.
#[derive(Debug)]
pub struct Cursor {
    base: Folder,
    at: Option<(Vec<OsString>, Folder)>,
}

impl Cursor {
    pub fn new(base: Folder) -> Self {
        Self { base, at: None }
    }

    pub fn base(&self) -> &Folder {
        &self.base
    }

    /// The path of a name below, for messages.
    pub fn path(&self, names: &[OsString], name: &OsStr) -> PathBuf {
        let folder = names.iter().fold(self.base.path().to_path_buf(), |path, n| path.join(n));
        folder.join(name)
    }

    /// The folder below by these names, none of which may be a link.
    pub fn open(&mut self, names: &[OsString]) -> io::Result<&Folder> {
        self.go(names, |base| base.open_below(names))
    }

    /// The same, made where missing.
    pub fn create(&mut self, names: &[OsString]) -> io::Result<&Folder> {
        self.go(names, |base| base.create_below(names))
    }

    fn go(
        &mut self,
        names: &[OsString],
        open: impl FnOnce(&Folder) -> io::Result<Folder>,
    ) -> io::Result<&Folder> {
        if self.at.as_ref().is_none_or(|(at, _)| at != names) {
            self.at = None;
            let folder = open(&self.base)?;
            return Ok(&self.at.insert((names.to_vec(), folder)).1);
        }
        match &self.at {
            Some((_, folder)) => Ok(folder),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}
