//! Folders as descriptors: every call is relative to one, so no path is resolved twice.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::{Existing, Kind, Meta};

/// An open folder. The descriptor decides where calls go; the path is for messages.
#[derive(Debug)]
pub struct Folder {
    descriptor: OwnedFd,
    path: PathBuf,
}

const PLACE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Folder {
    /// Opens a folder by its path, following links on the way as anybody would.
    pub fn open(path: &Path) -> io::Result<Self> {
        let descriptor = rustix::fs::open(path, PLACE, Mode::empty())?;
        Ok(Self { descriptor, path: path.to_owned() })
    }

    /// Where it was when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A second handle to the same folder.
    pub fn again(&self) -> io::Result<Self> {
        Ok(Self { descriptor: self.descriptor.try_clone()?, path: self.path.clone() })
    }

    pub fn open_folder(&self, name: &OsStr) -> io::Result<Self> {
        let flags = PLACE | OFlags::NOFOLLOW;
        let descriptor = rustix::fs::openat(&self.descriptor, one(name)?, flags, Mode::empty())?;
        Ok(Self { descriptor, path: self.path.join(name) })
    }

    /// Makes the folder `name`; one that is there already is opened.
    pub fn create_folder(&self, name: &OsStr) -> io::Result<Self> {
        match rustix::fs::mkdirat(&self.descriptor, one(name)?, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => self.open_folder(name),
            Err(errno) => Err(errno.into()),
        }
    }

    /// All names with what is known of them, in no order.
    pub fn entries(&self) -> io::Result<Vec<(OsString, Meta)>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let readable = rustix::fs::openat(&self.descriptor, c".", flags, Mode::empty())?;
        let mut all = Vec::new();
        for entry in Dir::new(readable)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let name = OsString::from_vec(name.to_vec());
            if let Some(meta) = self.look(&name)? {
                all.push((name, meta));
            }
        }
        Ok(all)
    }

    pub fn look(&self, name: &OsStr) -> io::Result<Option<Meta>> {
        match rustix::fs::statat(&self.descriptor, one(name)?, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(meta(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether this is `outer` or lies below it now, whatever links led here.
    pub fn is_within(&self, outer: &Folder) -> io::Result<bool> {
        let identity = |folder: &Folder| {
            let stat = rustix::fs::fstat(&folder.descriptor)?;
            io::Result::Ok((stat.st_dev, stat.st_ino))
        };
        let sought = identity(outer)?;
        let mut at = self.again()?;
        loop {
            let here = identity(&at)?;
            if here == sought {
                return Ok(true);
            }
            let above = rustix::fs::openat(&at.descriptor, c"..", PLACE, Mode::empty())?;
            at.descriptor = above;
            if identity(&at)? == here {
                return Ok(false);
            }
        }
    }

    /// What is known of the folder itself.
    pub fn look_here(&self) -> io::Result<Meta> {
        Ok(meta(&rustix::fs::fstat(&self.descriptor)?))
    }

    /// Opens a regular file for reading.
    pub fn read(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        self.open_file(name, flags, Mode::empty())
    }

    /// Makes a new file, for its owner alone until [`finish`](Self::finish) says otherwise.
    pub fn create(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        self.open_file(name, flags, Mode::from_raw_mode(0o600))
    }

    /// Opens a file that is there for reading and writing.
    pub fn reopen(&self, name: &OsStr) -> io::Result<File> {
        self.open_file(name, OFlags::RDWR | OFlags::NONBLOCK, Mode::empty())
    }

    fn open_file(&self, name: &OsStr, flags: OFlags, mode: Mode) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.descriptor, one(name)?, flags, mode)?);
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
        }
    }

    /// Gives a file that has been written its permissions and time.
    pub fn finish(&self, file: &File, mode: u32, mtime_ns: i64) -> io::Result<()> {
        file.set_permissions(Permissions::from_mode(mode))?;
        file.set_modified(instant(mtime_ns)?)
    }

    /// Gives a file that is already in place other permissions and another time.
    pub fn adjust(&self, name: &OsStr, mode: u32, mtime_ns: i64) -> io::Result<()> {
        self.finish(&self.read(name)?, mode, mtime_ns)
    }

    /// Gives the folder `name` other permissions.
    pub fn set_folder_mode(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(&self.descriptor, one(name)?, flags, Mode::empty())?;
        Ok(rustix::fs::fchmod(folder, Mode::from_raw_mode(mode & 0o7777))?)
    }

    /// Copies content, permissions and time of a file into a new one; owners are not copied, and
    /// with them neither the bits that lend an owner's rights.
    pub fn copy_to(
        &self,
        name: &OsStr,
        to: &Folder,
        new: &OsStr,
        goes_on: &mut dyn FnMut() -> io::Result<()>,
    ) -> io::Result<()> {
        let mut from = self.read(name)?;
        let meta = meta(&rustix::fs::fstat(&from)?);
        let mut copy = to.create(new)?;
        if rustix::fs::ioctl_ficlone(&copy, &from).is_err() {
            const SLICE: u64 = 32 << 20;
            loop {
                goes_on()?;
                let taken = io::copy(&mut io::Read::take(&mut from, SLICE), &mut copy)?;
                if taken < SLICE {
                    break;
                }
            }
        }
        to.finish(&copy, meta.mode & 0o777, meta.mtime_ns)
    }

    /// Makes `new` in this folder belong to whom `meta` says, with all its mode bits, where
    /// this process may do so.
    pub fn give(&self, new: &OsStr, meta: &Meta) -> io::Result<()> {
        let (owner, group) =
            (rustix::fs::Uid::from_raw(meta.owner), rustix::fs::Gid::from_raw(meta.group));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let given =
            rustix::fs::chownat(&self.descriptor, one(new)?, Some(owner), Some(group), flags);
        match given {
            Ok(()) if meta.kind == Kind::File => self.adjust(new, meta.mode, meta.mtime_ns),
            Ok(()) | Err(Errno::PERM) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    pub fn rename(
        &self,
        name: &OsStr,
        to: &Folder,
        new: &OsStr,
        existing: Existing,
    ) -> io::Result<()> {
        let (from, into) = (&self.descriptor, &to.descriptor);
        if existing == Existing::Replace {
            return Ok(rustix::fs::renameat(from, one(name)?, into, one(new)?)?);
        }
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(from, one(name)?, into, one(new)?, flags) {
            // File systems without the flag (some network ones): look, then rename.
            Err(Errno::INVAL | Errno::NOSYS) if to.look(new)?.is_none() => {
                Ok(rustix::fs::renameat(from, one(name)?, into, one(new)?)?)
            }
            Err(Errno::INVAL | Errno::NOSYS) => Err(Errno::EXIST.into()),
            other => Ok(other?),
        }
    }

    /// Removes anything but a folder; a link, never what it leads to.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.descriptor, one(name)?, AtFlags::empty())?)
    }

    /// Removes an empty folder.
    pub fn remove_folder(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.descriptor, one(name)?, AtFlags::REMOVEDIR)?)
    }

    /// Takes the protection away that stops a file from being replaced or removed. On Linux that
    /// depends on its folder alone.
    pub fn clear_read_only(&self, _name: &OsStr) -> io::Result<()> {
        Ok(())
    }

    pub fn read_link(&self, name: &OsStr) -> io::Result<OsString> {
        let target = rustix::fs::readlinkat(&self.descriptor, one(name)?, Vec::new())?;
        Ok(OsString::from_vec(target.into_bytes()))
    }

    /// Makes a link. The target is text: nothing is looked up.
    pub fn make_link(&self, name: &OsStr, target: &OsStr, _to_folder: bool) -> io::Result<()> {
        let target = CString::new(target.as_bytes())?;
        Ok(rustix::fs::symlinkat(target.as_c_str(), &self.descriptor, one(name)?)?)
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// One name and nothing but one name.
fn one(name: &OsStr) -> io::Result<&OsStr> {
    let bytes = name.as_bytes();
    let wrong = bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/');
    if wrong {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not the name of an entry"));
    }
    Ok(name)
}

fn meta(stat: &Stat) -> Meta {
    let mode = stat.st_mode & 0o7777;
    let nanos = |secs: i64, nanos| secs.saturating_mul(1_000_000_000).saturating_add(nanos);
    Meta {
        kind: match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Link,
            _ => Kind::Other,
        },
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mtime_ns: nanos(stat.st_mtime, stat.st_mtime_nsec.try_into().unwrap_or(0)),
        ctime_ns: nanos(stat.st_ctime, stat.st_ctime_nsec.try_into().unwrap_or(0)),
        mode,
        read_only: mode & 0o222 == 0,
        inode: stat.st_ino,
        owner: stat.st_uid,
        group: stat.st_gid,
        link_to_folder: false,
    }
}

fn instant(mtime_ns: i64) -> io::Result<SystemTime> {
    let span = Duration::from_nanos(mtime_ns.unsigned_abs());
    let instant = if mtime_ns < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(span)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(span)
    };
    instant.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no such time"))
}
