//! Linux: owners, modes and extended attributes; names are exchanged in one call.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags,
};
use rustix::io::Errno;

use super::super::reach::Held;
use crate::folder::{Folder, Meta};

/// Up to so many folders are made durable one by one; else their disks as a whole.
const SYNCED_EACH_MAX: usize = 8;

/// The names of a file's extended attributes, and one of them, take no more on Linux.
const ATTRIBUTE_BYTES_MAX: usize = 64 << 10;
const LIKELY_BYTES: usize = 1 << 10;

/// Attributes that speak of the content, not of the file: a hash of it, powers for that program.
const OF_CONTENT: [&[u8]; 3] = [b"security.capability", b"security.ima", b"security.evm"];

pub(in super::super) fn look(held: &Held) -> io::Result<Option<Meta>> {
    held.folder.look(&held.name)
}

/// A new file: for its owner alone, or with what the system gives to new files.
pub(in super::super) fn create(held: &Held, is_private: bool) -> io::Result<File> {
    let mode = Mode::from_raw_mode(if is_private { 0o600 } else { 0o666 });
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(held.folder.as_fd(), held.name.as_os_str(), flags, mode)?.into())
}

/// Gives a new file the owner, mode and extended attributes of an old one.
pub(in super::super) fn keep_rights(old: &File, new: &File, _: &Held) -> io::Result<()> {
    let (from, to) = (old.metadata()?, new.metadata()?);
    if (from.uid(), from.gid()) != (to.uid(), to.gid()) {
        std::os::unix::fs::fchown(new, Some(from.uid()), Some(from.gid()))?;
    }
    for name in names(old)? {
        if !OF_CONTENT.contains(&name.as_bytes()) {
            copy_attribute(old, new, &name)?;
        }
    }
    new.set_permissions(Permissions::from_mode(from.mode() & 0o7777))
}

/// Gives a copy all that belongs to the original.
pub(in super::super) fn keep(old: &File, new: &File) -> io::Result<()> {
    let from = old.metadata()?;
    std::os::unix::fs::fchown(new, Some(from.uid()), Some(from.gid()))?;
    for name in names(old)? {
        copy_attribute(old, new, &name)?;
    }
    new.set_permissions(Permissions::from_mode(from.mode() & 0o7777))?;
    new.set_modified(from.modified()?)
}

/// Of its owner and extended attributes, access lists among them; its mode is told beside.
pub(in super::super) fn rights(file: &File) -> io::Result<u64> {
    let found = file.metadata()?;
    let mut all = Vec::new();
    let mut names = names(file)?;
    names.sort_unstable();
    for name in names {
        if let Some(value) = attribute(file, &name)? {
            all.push((name, value));
        }
    }
    Ok(number_of(found.uid(), found.gid(), &all))
}

pub(in super::super) fn rights_of_link(owner: u32, group: u32) -> u64 {
    number_of(owner, group, &[])
}

fn number_of(owner: u32, group: u32, attributes: &[(CString, Vec<u8>)]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&owner.to_le_bytes()).update(&group.to_le_bytes());
    for part in attributes.iter().flat_map(|(name, value)| [name.as_bytes(), value]) {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    let mut number = [0; 8];
    hasher.finalize_xof().fill(&mut number);
    u64::from_le_bytes(number)
}

fn names(file: &File) -> io::Result<Vec<CString>> {
    let mut room = vec![0; LIKELY_BYTES];
    let length = loop {
        match rustix::fs::flistxattr(file, &mut room[..]) {
            // The file system has none.
            Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
            Err(Errno::RANGE) if room.len() < ATTRIBUTE_BYTES_MAX => {
                room = vec![0; ATTRIBUTE_BYTES_MAX];
            }
            length => break length?,
        }
    };
    let names = room[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.filter_map(|name| CString::new(name).ok()).collect())
}

/// Nothing where it has gone meanwhile.
fn attribute(file: &File, name: &CString) -> io::Result<Option<Vec<u8>>> {
    let mut room = vec![0; ATTRIBUTE_BYTES_MAX];
    match rustix::fs::fgetxattr(file, name.as_c_str(), &mut room[..]) {
        Err(Errno::NODATA) => Ok(None),
        length => {
            room.truncate(length?);
            Ok(Some(room))
        }
    }
}

fn copy_attribute(old: &File, new: &File, name: &CString) -> io::Result<()> {
    let Some(value) = attribute(old, name)? else { return Ok(()) };
    match rustix::fs::fsetxattr(new, name.as_c_str(), &value, XattrFlags::empty()) {
        // Only the system may give these; it has given the new file its own.
        Err(Errno::PERM | Errno::OPNOTSUPP) if !name.as_bytes().starts_with(b"user.") => Ok(()),
        set => Ok(set?),
    }
}

pub(in super::super) fn set_mode(file: &File, mode: u32, _: &Held) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode & 0o7777))
}

pub(in super::super) fn mode(file: &File) -> io::Result<u32> {
    Ok(file.metadata()?.mode() & 0o7777)
}

pub(in super::super) fn set_mtime(file: &File, mtime_ns: i64) -> io::Result<()> {
    Ok(rustix::fs::futimens(file, &times(mtime_ns))?)
}

fn times(mtime_ns: i64) -> Timestamps {
    const SECOND: i64 = 1_000_000_000;
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec {
            tv_sec: mtime_ns.div_euclid(SECOND),
            tv_nsec: mtime_ns.rem_euclid(SECOND),
        },
    }
}

pub(in super::super) fn make_link(held: &Held, target: &str, mtime_ns: i64) -> io::Result<()> {
    held.folder.make_link(&held.name, target.as_ref(), false)?;
    let (folder, name) = (held.folder.as_fd(), held.name.as_os_str());
    Ok(rustix::fs::utimensat(folder, name, &times(mtime_ns), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Gives a link the owner of the file that its target was kept in. In a folder of somebody else
/// its name may stand for something else by now, which is not given away.
pub(in super::super) fn own_link(kept: &File, held: &Held) -> io::Result<()> {
    let from = kept.metadata()?;
    let own = (rustix::process::geteuid(), rustix::process::getegid());
    let (owner, group) = (Uid::from_raw(from.uid()), Gid::from_raw(from.gid()));
    if (owner, group) == own {
        return Ok(());
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let name = held.name.as_os_str();
    let link = rustix::fs::openat(held.folder.as_fd(), name, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&link)?;
    let is_link = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_symlink();
    if !is_link || stat.st_uid != own.0.as_raw() {
        return Err(io::Error::other("something else stands where the link was made"));
    }
    Ok(rustix::fs::chownat(&link, c"", Some(owner), Some(group), AtFlags::EMPTY_PATH)?)
}

pub(in super::super) fn give(file: &File, owner: u32, group: u32) -> io::Result<()> {
    std::os::unix::fs::fchown(file, Some(owner), Some(group))
}

/// Gives a folder away that was just made. In a folder of somebody else its name may have stood for
/// something else by then, which is not given away.
pub(in super::super) fn give_folder(made: &Folder, owner: u32, group: u32) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(made.as_fd(), c".", flags, Mode::empty())?;
    let is_own = rustix::fs::fstat(&folder)?.st_uid == rustix::process::geteuid().as_raw();
    if !is_own || !made.entries()?.is_empty() {
        return Err(io::Error::other("something else stands where the folder was made"));
    }
    let (owner, group) = (Uid::from_raw(owner), Gid::from_raw(group));
    Ok(rustix::fs::fchown(&folder, Some(owner), Some(group))?)
}

/// Makes `to` share the bytes of `from`; not where the file system cannot.
pub(in super::super) fn share(from: &File, to: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

/// Exchanges what two names stand for, or answers that this file system cannot.
pub(in super::super) fn exchange(a: &Held, b: &Held) -> io::Result<bool> {
    let (from, to) = (a.folder.as_fd(), b.folder.as_fd());
    let (name, other) = (a.name.as_os_str(), b.name.as_os_str());
    match rustix::fs::renameat_with(from, name, to, other, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether a file can become one of `folder` by a rename, no other name leads to it, and nobody
/// else may write it.
pub(in super::super) fn can_move(file: &File, folder: &Path) -> io::Result<bool> {
    let found = file.metadata()?;
    let is_own = found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0;
    Ok(is_own && found.nlink() == 1 && found.dev() == fs::metadata(folder)?.dev())
}

/// A running program goes on with what it has opened.
pub(in super::super) fn is_in_use(_: &Held) -> bool {
    false
}

/// Nothing stops a file from being replaced but its folder's rights.
pub(in super::super) fn unprotect(_: &Held) -> io::Result<()> {
    Ok(())
}

pub(in super::super) fn remove_file(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// Only Windows lets a file wait for the next start.
pub(in super::super) fn at_restart(_: &Path, _: Option<&Path>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Linux has no locks that a moment would end.
pub(in super::super) fn with_patience<T>(
    _: Duration,
    mut act: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    act()
}

/// Which disk a folder is on.
pub(crate) fn disk(folder: &Path) -> Option<u64> {
    fs::metadata(folder).ok().map(|found| found.dev())
}

/// Makes a folder's names last.
pub(in super::super) fn sync_folder(folder: &Path) -> io::Result<()> {
    open_folder(folder)?.sync_all()
}

/// A file stands there where it was put back. A pipe is not waited for.
fn open_folder(folder: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(folder, flags, Mode::empty())?.into())
}

/// Makes the names in folders last.
pub(in super::super) fn sync_folders(folders: &BTreeSet<std::path::PathBuf>) -> io::Result<()> {
    if folders.len() > SYNCED_EACH_MAX {
        return sync_disks(folders);
    }
    folders.iter().try_for_each(|folder| sync_folder(folder))
}

/// Makes everything last on the disks that these folders are on.
pub(in super::super) fn sync_disks(folders: &BTreeSet<std::path::PathBuf>) -> io::Result<()> {
    let mut synced = BTreeSet::new();
    for folder in folders {
        let folder = open_folder(folder)?;
        if synced.insert(folder.metadata()?.dev()) {
            rustix::fs::syncfs(&folder)?;
        }
    }
    Ok(())
}
