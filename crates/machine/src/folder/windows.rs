//! Folders as paths: links and junctions are looked for before each step.

#![allow(unsafe_code)] // MoveFileExW without replacing has no counterpart in the standard library.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_OPEN_REPARSE_POINT, FILE_WRITE_ATTRIBUTES, MoveFileExW,
};

use super::{Existing, Kind, Meta};

/// A folder that was there when it was opened.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Opens a folder by its path, following links on the way as anybody would.
    pub fn open(path: &Path) -> io::Result<Self> {
        if fs::metadata(path)?.is_dir() {
            Ok(Self { path: path.to_owned() })
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    /// Where it was when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A second handle to the same folder.
    pub fn again(&self) -> io::Result<Self> {
        Ok(Self { path: self.path.clone() })
    }

    pub fn open_folder(&self, name: &OsStr) -> io::Result<Self> {
        match self.look(name)? {
            Some(meta) if meta.kind == Kind::Folder => Ok(Self { path: self.path.join(name) }),
            Some(_) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Makes the folder `name`; one that is there already is opened.
    pub fn create_folder(&self, name: &OsStr) -> io::Result<Self> {
        match fs::create_dir(self.at(name)?) {
            Ok(()) => self.open_folder(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.open_folder(name),
            Err(error) => Err(error),
        }
    }

    /// All names with what is known of them, in no order.
    pub fn entries(&self) -> io::Result<Vec<(OsString, Meta)>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            all.push((entry.file_name(), meta(&entry.metadata()?)));
        }
        Ok(all)
    }

    pub fn look(&self, name: &OsStr) -> io::Result<Option<Meta>> {
        match fs::symlink_metadata(self.at(name)?) {
            Ok(found) => Ok(Some(meta(&found))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether this is `outer` or lies below it now, whatever links led here.
    pub fn is_within(&self, outer: &Folder) -> io::Result<bool> {
        Ok(fs::canonicalize(&self.path)?.starts_with(fs::canonicalize(&outer.path)?))
    }

    /// What is known of the folder itself.
    pub fn look_here(&self) -> io::Result<Meta> {
        Ok(meta(&fs::metadata(&self.path)?))
    }

    /// Opens a regular file for reading.
    pub fn read(&self, name: &OsStr) -> io::Result<File> {
        self.open_file(name, OpenOptions::new().read(true))
    }

    /// Makes a new file.
    pub fn create(&self, name: &OsStr) -> io::Result<File> {
        self.open_file(name, OpenOptions::new().read(true).write(true).create_new(true))
    }

    /// Opens a file that is there for reading and writing.
    pub fn reopen(&self, name: &OsStr) -> io::Result<File> {
        self.open_file(name, OpenOptions::new().read(true).write(true))
    }

    fn open_file(&self, name: &OsStr, options: &mut OpenOptions) -> io::Result<File> {
        let file = options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(self.at(name)?)?;
        if meta(&file.metadata()?).kind == Kind::File {
            Ok(file)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
        }
    }

    /// Gives a file that has been written its time; permissions are Windows' own.
    pub fn finish(&self, file: &File, _mode: u32, mtime_ns: i64) -> io::Result<()> {
        file.set_modified(instant(mtime_ns)?)
    }

    /// Gives a file that is already in place another time.
    pub fn adjust(&self, name: &OsStr, _mode: u32, mtime_ns: i64) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let file = self.open_file(name, options.access_mode(FILE_WRITE_ATTRIBUTES))?;
        file.set_modified(instant(mtime_ns)?)
    }

    /// Folders have no mode on Windows.
    pub fn set_folder_mode(&self, _name: &OsStr, _mode: u32) -> io::Result<()> {
        Ok(())
    }

    /// Copies a file with its streams, attributes and time into a new one.
    pub fn copy_to(
        &self,
        name: &OsStr,
        to: &Folder,
        new: &OsStr,
        goes_on: &mut dyn FnMut() -> io::Result<()>,
    ) -> io::Result<()> {
        goes_on()?;
        // Refuses links and what is no file.
        drop(self.read(name)?);
        fs::copy(self.at(name)?, to.at(new)?).map(drop)
    }

    /// Owners are not carried over.
    pub fn give(&self, _new: &OsStr, _meta: &Meta) -> io::Result<()> {
        Ok(())
    }

    pub fn rename(
        &self,
        name: &OsStr,
        to: &Folder,
        new: &OsStr,
        existing: Existing,
    ) -> io::Result<()> {
        let (from, into) = (self.at(name)?, to.at(new)?);
        if existing == Existing::Replace {
            return fs::rename(from, into);
        }
        let (from, into) = (wide(&from), wide(&into));
        // SAFETY: both are texts that end with a zero and outlive the call.
        if unsafe { MoveFileExW(from.as_ptr(), into.as_ptr(), 0) } == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Removes anything but a folder; a link, never what it leads to.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        let path = self.at(name)?;
        match self.look(name)? {
            Some(meta) if meta.link_to_folder => fs::remove_dir(path),
            _ => fs::remove_file(path),
        }
    }

    /// Removes an empty folder.
    pub fn remove_folder(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_dir(self.at(name)?)
    }

    /// Takes the attribute away that stops a file from being replaced or removed.
    pub fn clear_read_only(&self, name: &OsStr) -> io::Result<()> {
        let path = self.at(name)?;
        let found = fs::symlink_metadata(&path)?;
        let mut permissions = found.permissions();
        if found.file_type().is_symlink() || !permissions.readonly() {
            return Ok(());
        }
        #[allow(clippy::permissions_set_readonly_false)] // An attribute on Windows, no mode bits.
        permissions.set_readonly(false);
        fs::set_permissions(&path, permissions)
    }

    pub fn read_link(&self, name: &OsStr) -> io::Result<OsString> {
        Ok(fs::read_link(self.at(name)?)?.into_os_string())
    }

    /// Makes a link. The target is text: nothing is looked up.
    pub fn make_link(&self, name: &OsStr, target: &OsStr, to_folder: bool) -> io::Result<()> {
        let path = self.at(name)?;
        if to_folder {
            std::os::windows::fs::symlink_dir(target, path)
        } else {
            std::os::windows::fs::symlink_file(target, path)
        }
    }

    /// The path of one name and nothing but one name.
    fn at(&self, name: &OsStr) -> io::Result<PathBuf> {
        let text = name.to_string_lossy();
        let wrong = matches!(&*text, "" | "." | "..") || text.contains(['/', '\\', ':', '\0']);
        if wrong {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not the name of an entry"));
        }
        Ok(self.path.join(name))
    }
}

fn meta(found: &Metadata) -> Meta {
    let kind = found.file_type();
    let read_only = found.permissions().readonly();
    Meta {
        kind: if kind.is_symlink() {
            Kind::Link
        } else if kind.is_dir() {
            Kind::Folder
        } else {
            Kind::File
        },
        size: if kind.is_file() { found.file_size() } else { 0 },
        mtime_ns: nanos(found.last_write_time()),
        ctime_ns: nanos(found.creation_time()),
        mode: if kind.is_dir() {
            0o755
        } else if read_only {
            0o444
        } else {
            0o644
        },
        // On folders the attribute means something else.
        read_only: read_only && kind.is_file(),
        inode: 0,
        owner: 0,
        group: 0,
        link_to_folder: kind.is_symlink_dir(),
    }
}

/// From 100 ns since 1601 to 1 ns since 1970.
pub(crate) fn nanos(file_time: u64) -> i64 {
    const EPOCH: i64 = 116_444_736_000_000_000;
    i64::try_from(file_time).unwrap_or(i64::MAX).saturating_sub(EPOCH).saturating_mul(100)
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

/// For Win32, in the form that has no limit of 260 characters.
pub(crate) fn wide(path: &Path) -> Vec<u16> {
    let text = path.as_os_str();
    let plain = text.to_string_lossy();
    let long = if plain.starts_with(r"\\?\") || !path.is_absolute() {
        text.to_owned()
    } else if let Some(share) = plain.strip_prefix(r"\\") {
        OsString::from(format!(r"\\?\UNC\{share}"))
    } else {
        OsString::from(format!(r"\\?\{}", plain.replace('/', r"\")))
    };
    long.encode_wide().chain([0]).collect()
}
