//! Windows: attributes and access lists; files that programs hold, and what waits for the next
//! start.

#![allow(unsafe_code)] // Rights, identities and waiting for the next start are Win32's alone.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::{MetadataExt, OpenOptionsExt};
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant, SystemTime};

use windows_sys::Win32::Foundation as win;
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GetFileSecurityW, OBJECT_SECURITY_INFORMATION,
    OWNER_SECURITY_INFORMATION, SetFileSecurityW,
};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_ARCHIVE, FILE_ATTRIBUTE_HIDDEN,
    FILE_ATTRIBUTE_NORMAL, FILE_ATTRIBUTE_READONLY, FILE_ATTRIBUTE_SYSTEM,
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_READ_ATTRIBUTES,
    GetFileInformationByHandle, MOVEFILE_DELAY_UNTIL_REBOOT, MOVEFILE_REPLACE_EXISTING,
    MoveFileExW, SetFileAttributesW,
};

use super::super::reach::Held;
use crate::folder::{Folder, Kind, Meta, wide};

/// Those that somebody sets; others tell how the system stores the file.
const SET_ATTRIBUTES: u32 = FILE_ATTRIBUTE_READONLY
    | FILE_ATTRIBUTE_HIDDEN
    | FILE_ATTRIBUTE_SYSTEM
    | FILE_ATTRIBUTE_ARCHIVE;

/// Between two tries at a file that another program holds; doubled up to the second.
const PAUSE: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// With the file's number on its disk as inode.
pub(in super::super) fn look(held: &Held) -> io::Result<Option<Meta>> {
    let Some(mut meta) = held.folder.look(&held.name)? else { return Ok(None) };
    let flags = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;
    let file = OpenOptions::new()
        .access_mode(FILE_READ_ATTRIBUTES)
        .custom_flags(flags)
        .open(path(held))?;
    let told = information(&file)?;
    meta.inode = u64::from(told.nFileIndexHigh) << 32 | u64::from(told.nFileIndexLow);
    Ok(Some(meta))
}

fn information(file: &File) -> io::Result<BY_HANDLE_FILE_INFORMATION> {
    let mut told = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open, the structure is there to be filled.
    let read = unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut told) };
    if read == 0 { Err(io::Error::last_os_error()) } else { Ok(told) }
}

fn path(held: &Held) -> PathBuf {
    held.folder.path().join(&held.name)
}

/// Rights come from the folder; those of a file that is replaced are given later.
pub(in super::super) fn create(held: &Held, _is_private: bool) -> io::Result<File> {
    held.folder.create(&held.name)
}

/// Gives a new file the owner, access list and attributes of an old one.
pub(in super::super) fn keep_rights(old: &File, new: &File, held: &Held) -> io::Result<()> {
    let attributes = mode(old)?;
    copy_security(&named(old)?, &path(held))?;
    set_mode(new, attributes, held)
}

/// Gives a copy all that belongs to the original, but its attributes.
pub(in super::super) fn keep(old: &File, new: &File) -> io::Result<()> {
    copy_security(&named(old)?, &named(new)?)?;
    new.set_modified(old.metadata()?.modified()?)
}

/// Of its owner and access list.
pub(in super::super) fn rights(file: &File) -> io::Result<u64> {
    let both = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    let mut hasher = blake3::Hasher::new();
    for part in security(&named(file)?, both)? {
        hasher.update(&part.to_le_bytes());
    }
    let mut number = [0; 8];
    hasher.finalize_xof().fill(&mut number);
    Ok(u64::from_le_bytes(number))
}

pub(in super::super) fn rights_of_link(_owner: u32, _group: u32) -> u64 {
    0
}

/// Where an open file is.
fn named(file: &File) -> io::Result<PathBuf> {
    use std::os::windows::ffi::OsStringExt;
    use windows_sys::Win32::Storage::FileSystem::{
        FILE_NAME_NORMALIZED, GetFinalPathNameByHandleW,
    };
    let mut room = vec![0u16; 1 << 15];
    let size = u32::try_from(room.len()).unwrap_or(u32::MAX);
    // SAFETY: the handle is open, the buffer as large as is said.
    let length = unsafe {
        GetFinalPathNameByHandleW(
            file.as_raw_handle(),
            room.as_mut_ptr(),
            size,
            FILE_NAME_NORMALIZED,
        )
    };
    match usize::try_from(length) {
        Ok(length @ 1..) if length < room.len() => {
            room.truncate(length);
            Ok(std::ffi::OsString::from_wide(&room).into())
        }
        _ => Err(io::Error::last_os_error()),
    }
}

/// The owner only where this may be given away.
fn copy_security(from: &Path, to: &Path) -> io::Result<()> {
    let both = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    let descriptor = security(from, both)?;
    set_security(to, both, &descriptor)
        .or_else(|_| set_security(to, DACL_SECURITY_INFORMATION, &descriptor))
}

fn security(path: &Path, what: OBJECT_SECURITY_INFORMATION) -> io::Result<Vec<u64>> {
    let path = wide(path);
    let mut needed = 0;
    // SAFETY: asks only for the size that is needed.
    unsafe { GetFileSecurityW(path.as_ptr(), what, null_mut(), 0, &raw mut needed) };
    // In units of eight bytes, for a descriptor must be aligned.
    let mut room = vec![0u64; usize::try_from(needed).unwrap_or(0).div_ceil(8)];
    let size = u32::try_from(room.len() * 8).unwrap_or(0);
    // SAFETY: the buffer is as large as is said.
    let read = unsafe {
        GetFileSecurityW(path.as_ptr(), what, room.as_mut_ptr().cast(), size, &raw mut needed)
    };
    if read == 0 { Err(io::Error::last_os_error()) } else { Ok(room) }
}

fn set_security(
    path: &Path,
    what: OBJECT_SECURITY_INFORMATION,
    descriptor: &[u64],
) -> io::Result<()> {
    let path = wide(path);
    let descriptor = descriptor.as_ptr().cast_mut().cast();
    // SAFETY: the system gave this descriptor; it is only read.
    let set = unsafe { SetFileSecurityW(path.as_ptr(), what, descriptor) };
    if set == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub(in super::super) fn set_mode(_: &File, mode: u32, held: &Held) -> io::Result<()> {
    let attributes = match mode & SET_ATTRIBUTES {
        0 => FILE_ATTRIBUTE_NORMAL,
        set => set,
    };
    let path = wide(&path(held));
    // SAFETY: the path ends with a zero.
    let set = unsafe { SetFileAttributesW(path.as_ptr(), attributes) };
    if set == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The file's attributes.
pub(in super::super) fn mode(file: &File) -> io::Result<u32> {
    Ok(file.metadata()?.file_attributes() & SET_ATTRIBUTES)
}

pub(in super::super) fn set_mtime(file: &File, mtime_ns: i64) -> io::Result<()> {
    let span = Duration::from_nanos(mtime_ns.unsigned_abs());
    let instant = if mtime_ns < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(span)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(span)
    };
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "no such time");
    file.set_modified(instant.ok_or_else(wrong)?)
}

/// A link's own time is not put back.
pub(in super::super) fn make_link(held: &Held, target: &str, _mtime_ns: i64) -> io::Result<()> {
    let to_folder = held.folder.path().join(target).is_dir();
    held.folder.make_link(&held.name, target.as_ref(), to_folder)
}

pub(in super::super) fn own_link(_: &File, _: &Held) -> io::Result<()> {
    Ok(())
}

pub(in super::super) fn give(_: &File, _owner: u32, _group: u32) -> io::Result<()> {
    Ok(())
}

/// What is made in a user's folder has that folder's rights.
pub(in super::super) fn give_folder(_: &Folder, _owner: u32, _group: u32) -> io::Result<()> {
    Ok(())
}

/// Only some file systems can, by a call that needs room set aside before: not worth it here.
pub(in super::super) fn share(_: &File, _: &File) -> bool {
    false
}

/// Windows has no such call.
pub(in super::super) fn exchange(_: &Held, _: &Held) -> io::Result<bool> {
    Ok(false)
}

/// Whether a file can become one of `folder` by a rename, and no other name leads to it.
pub(in super::super) fn can_move(file: &File, folder: &Path) -> io::Result<bool> {
    let told = information(file)?;
    let same_disk = disk(folder) == Some(u64::from(told.dwVolumeSerialNumber));
    Ok(told.nNumberOfLinks == 1 && same_disk)
}

/// Whether a program has a file open: a running one, or a library.
pub(in super::super) fn is_in_use(held: &Held) -> bool {
    let is_file =
        held.folder.look(&held.name).is_ok_and(|meta| meta.is_some_and(|m| m.kind == Kind::File));
    let alone = || OpenOptions::new().read(true).share_mode(0).open(path(held));
    is_file && alone().is_err_and(|error| is_held(&error))
}

/// Takes the attribute away that would stop a file from being replaced or removed.
pub(in super::super) fn unprotect(held: &Held) -> io::Result<()> {
    match held.folder.clear_read_only(&held.name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

pub(in super::super) fn remove_file(path: &Path) -> io::Result<()> {
    let mut permissions = fs::metadata(path)?.permissions();
    if permissions.readonly() {
        #[allow(clippy::permissions_set_readonly_false)] // An attribute here, no mode bits.
        permissions.set_readonly(false);
        fs::set_permissions(path, permissions)?;
    }
    fs::remove_file(path)
}

/// At the machine's next start, before any program: renames `from`, or removes it.
pub(in super::super) fn at_restart(from: &Path, to: Option<&Path>) -> io::Result<()> {
    let (from, to) = (wide(from), to.map(wide));
    let (to, flags) = match &to {
        Some(to) => (to.as_ptr(), MOVEFILE_DELAY_UNTIL_REBOOT | MOVEFILE_REPLACE_EXISTING),
        None => (null(), MOVEFILE_DELAY_UNTIL_REBOOT),
    };
    // SAFETY: the paths end with a zero and outlive the call; none means removal.
    let noted = unsafe { MoveFileExW(from.as_ptr(), to, flags) };
    if noted == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Tries again while another program holds what is acted on, such as a scanner that looks at every
/// new file.
#[expect(clippy::disallowed_methods, reason = "Windows does not tell when a file is let go of")]
pub(in super::super) fn with_patience<T>(
    patience: Duration,
    mut act: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    let began = Instant::now();
    let mut pause = PAUSE;
    loop {
        match act() {
            Err(error) if is_held(&error) && began.elapsed() < patience => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(PAUSE_MAX);
            }
            done => return done,
        }
    }
}

/// A folder with an open file in it cannot be renamed, and is said to be denied.
fn is_held(error: &io::Error) -> bool {
    let code = error.raw_os_error().and_then(|code| u32::try_from(code).ok());
    code.is_some_and(|code| {
        matches!(
            code,
            win::ERROR_SHARING_VIOLATION
                | win::ERROR_LOCK_VIOLATION
                | win::ERROR_USER_MAPPED_FILE
                | win::ERROR_ACCESS_DENIED
                | win::ERROR_DELETE_PENDING
        )
    })
}

/// Which disk a folder is on.
pub(crate) fn disk(folder: &Path) -> Option<u64> {
    let mut options = OpenOptions::new();
    let folder = options
        .access_mode(FILE_READ_ATTRIBUTES)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
        .open(folder)
        .ok()?;
    information(&folder).ok().map(|told| u64::from(told.dwVolumeSerialNumber))
}

/// The file system's own journal does this.
pub(in super::super) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

pub(in super::super) fn sync_folders(_: &BTreeSet<PathBuf>) -> io::Result<()> {
    Ok(())
}

/// Files are made durable one by one when they are written.
pub(in super::super) fn sync_disks(_: &BTreeSet<PathBuf>) -> io::Result<()> {
    Ok(())
}
