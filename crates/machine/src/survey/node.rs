//! What stands at a path, and what is in it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use application::{FileNode, Node};
use model::Digest;

use super::{Digests, is_part};
use crate::folder::{Folder, Kind, Meta};
use crate::spot::Spot;

/// Nothing where the path is not there, or a part of it is no folder.
pub(super) fn look(path: &Path) -> io::Result<Option<Node>> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let kind = found.file_type();
    Ok(Some(if kind.is_symlink() {
        let target = fs::read_link(path)?;
        let target = target.into_os_string().into_string();
        Node::Link {
            target: target.map_err(|_| io::Error::other("a link whose target is no text"))?,
        }
    } else if kind.is_dir() {
        Node::Folder
    } else if kind.is_file() {
        Node::File(file_node(&found))
    } else {
        Node::Other
    }))
}

#[cfg(target_os = "linux")]
fn file_node(found: &fs::Metadata) -> FileNode {
    use std::os::unix::fs::MetadataExt;
    let mtime_ns = found.mtime().saturating_mul(1_000_000_000).saturating_add(found.mtime_nsec());
    FileNode { size: found.len(), mtime_ns, mode: found.mode() & 0o7777 }
}

#[cfg(windows)]
fn file_node(found: &fs::Metadata) -> FileNode {
    use std::os::windows::fs::MetadataExt;
    let mtime_ns = crate::folder::nanos(found.last_write_time());
    FileNode { size: found.len(), mtime_ns, mode: found.file_attributes() }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Sorted, without what is still being written; nothing in a folder that is not there.
pub(super) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        if is_part(&name) {
            continue;
        }
        let text = name.into_string();
        names.push(text.map_err(|name| io::Error::other(format!("the name {name:?} is no text")))?);
    }
    names.sort();
    Ok(names)
}

/// A name in an open folder. It is not followed where it is a link.
pub(super) struct File {
    pub(super) folder: Folder,
    pub(super) name: OsString,
}

impl File {
    pub(super) fn of(spot: &Spot) -> io::Result<Self> {
        let (parent, name) = spot.parent().ok_or(io::ErrorKind::IsADirectory)?;
        Ok(Self { folder: parent.open()?, name })
    }

    /// Of a regular file; what changes while it is read is read again, twice at most.
    pub(super) fn digest(&self, digests: &dyn Digests) -> io::Result<Digest> {
        let (folder, name) = (&self.folder, &self.name);
        let key = folder.path().join(name);
        let key = key.to_string_lossy();
        for _ in 0..3 {
            let before = folder.look(name)?.ok_or(io::ErrorKind::NotFound)?;
            if let Some(digest) = digests.get(&key, &before) {
                return Ok(digest);
            }
            let digest = hash(folder.read(name)?)?;
            if folder.look(name)?.is_some_and(|after| is_same(&before, &after)) {
                digests.put(&key, &before, digest);
                return Ok(digest);
            }
        }
        Err(io::Error::other("it keeps changing while it is read"))
    }

    pub(super) fn read_whole(&self, bytes_max: u64) -> io::Result<Vec<u8>> {
        let file = self.open()?;
        let size = file.metadata()?.len();
        let too_long = |size: u64| {
            io::Error::other(format!(
                "it has {size} bytes; a file is edited up to {} MB",
                bytes_max >> 20
            ))
        };
        if size > bytes_max {
            return Err(too_long(size));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        file.take(bytes_max + 1).read_to_end(&mut bytes)?;
        let read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if read > bytes_max { Err(too_long(read)) } else { Ok(bytes) }
    }

    pub(super) fn read_part(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut file = self.open()?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::with_capacity(length.min(1 << 20));
        file.take(u64::try_from(length).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// A regular file.
    pub(super) fn open(&self) -> io::Result<fs::File> {
        self.folder.read(&self.name)
    }
}

fn is_same(before: &Meta, after: &Meta) -> bool {
    before == after && before.kind == Kind::File
}

fn hash(file: fs::File) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
}
