//! Files that are there whole or not at all, and stay after the power fails.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Opens for reading and writing a file that only its owner may read, made where missing.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A new file with these bytes, for its owner alone, not yet durable.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = open_private(path)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// Replaces `path` by a file with these bytes, for its owner alone, durably.
pub(crate) fn write_durable(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_beside(path, bytes, File::sync_all)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// The same where a loss does no harm: nobody sees half of it, but power loss may undo it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_beside(path, bytes, |_| Ok(()))
}

fn write_beside(
    path: &Path,
    bytes: &[u8],
    sync: impl Fn(&File) -> io::Result<()>,
) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let written = (|| {
        let mut file = open_private(Path::new(&beside))?;
        file.set_len(0)?;
        file.write_all(bytes)?;
        sync(&file)?;
        drop(file);
        std::fs::rename(&beside, path)
    })();
    if written.is_err() {
        // Left over on a full disk it would only take room.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

/// Makes names that were added to or removed from a folder durable.
#[cfg(unix)]
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Windows writes a folder's names with the files'.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes sure that the first `length` bytes of a file can be written later, even on a disk that
/// will be full. Answers whether that could be promised; where a file system cannot, nothing is.
#[cfg(target_os = "linux")]
pub(crate) fn allocate(file: &File, length: u64) -> io::Result<bool> {
    use rustix::fs::{FallocateFlags, fallocate};
    match fallocate(file, FallocateFlags::empty(), 0, length) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// NTFS gives a file its room when its length is set.
#[cfg(not(target_os = "linux"))]
pub(crate) fn allocate(file: &File, length: u64) -> io::Result<bool> {
    if file.metadata()?.len() < length {
        file.set_len(length)?;
    }
    Ok(true)
}

/// Whether an error says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
