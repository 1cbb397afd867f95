//! The server's own folder: who may read what, and that only one server uses it.
//!
//! Owns the names of the files in it. Files that hold a secret are made with mode 0600 and never
//! change while half written. Invariant: until a [`DataDir`] is dropped or released, no other
//! server opens the same folder.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub const KEY_PRIVATE: &str = "keypriv.key";
pub const KEY_PUBLIC: &str = "keypub.key";
const TOKEN: &str = "admin.token";
const RUNTIME: &str = "server.json";
const LOCK: &str = "server.lock";

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("cannot {doing} `{}`", .path.display())]
    Io { path: PathBuf, doing: &'static str, source: io::Error },
    #[error(
        "another deskhand server uses `{}`; stop that one first, or name another folder with \
         `--data`",
        .path.display()
    )]
    InUse { path: PathBuf },
}

impl DataDirError {
    fn io(path: &Path, doing: &'static str, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), doing, source }
    }
}

/// What a running server tells programs of its owner: where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    pub api: String,
    pub agents: String,
    pub pid: u32,
}

/// The folder, locked.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    lock: File,
}

impl DataDir {
    /// Makes the folder where missing, for its owner alone, and locks it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        make_private_folder(path)?;
        let lock_path = path.join(LOCK);
        let lock = private_file(&lock_path, false)
            .map_err(|error| DataDirError::io(&lock_path, "open", error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(DataDirError::io(&lock_path, "lock", error)),
        }
    }

    /// Lets another server use the folder, though parts of this one that are ending know of it.
    pub fn release(&self) {
        // The end of the process does it as well.
        let _unlocked = self.lock.unlock();
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn database(&self) -> PathBuf {
        self.path.join("deskhand.db")
    }

    pub fn objects(&self) -> PathBuf {
        self.path.join("objects")
    }

    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// The text of a file, if there is one.
    pub fn read(&self, name: &str) -> Result<Option<String>, DataDirError> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DataDirError::io(&path, "read", error)),
        }
    }

    /// Writes a file that its owner alone may read, whole or not at all.
    pub fn write(&self, name: &str, text: &str) -> Result<(), DataDirError> {
        let path = self.path.join(name);
        write_private(&path, text).map_err(|error| DataDirError::io(&path, "write", error))
    }

    /// A folder in it, for its owner alone.
    pub fn make_folder(&self, name: &str) -> Result<(), DataDirError> {
        make_private_folder(&self.path.join(name))
    }

    /// The names of what is in a folder of it; none if there is no such folder.
    pub fn names_in(&self, name: &str) -> Result<Vec<String>, DataDirError> {
        let path = self.path.join(name);
        let listed = match fs::read_dir(&path) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(DataDirError::io(&path, "read", error)),
        };
        let names = listed.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let names: io::Result<Vec<String>> = names.collect();
        names.map_err(|error| DataDirError::io(&path, "read", error))
    }

    /// Removes a file of it, if it is there.
    pub fn remove(&self, name: &str) -> Result<(), DataDirError> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(DataDirError::io(&path, "remove", error))
            }
            _ => Ok(()),
        }
    }

    /// The administrator's token, made at the first start. Whoever can read the file is one.
    pub fn admin_token(
        &self,
        fresh: impl FnOnce() -> String,
    ) -> Result<zeroize::Zeroizing<String>, DataDirError> {
        if let Some(text) = self.read(TOKEN)? {
            let text = text.trim();
            if !text.is_empty() {
                return Ok(text.to_owned().into());
            }
        }
        let token = zeroize::Zeroizing::new(fresh());
        self.write(TOKEN, &format!("{}\n", *token))?;
        Ok(token)
    }

    pub fn tell(&self, api: SocketAddr, agents: SocketAddr) -> Result<(), DataDirError> {
        let (api, agents) = (format!("http://{api}"), agents.to_string());
        let runtime = Runtime { api, agents, pid: std::process::id() };
        let text = serde_json::to_string_pretty(&runtime).unwrap_or_default();
        self.write(RUNTIME, &text)
    }

    /// The server has stopped; nobody should look for it.
    pub fn tell_stopped(&self) {
        if let Err(error) = fs::remove_file(self.path.join(RUNTIME)) {
            tracing::debug!(%error, "the runtime file could not be removed");
        }
    }
}

/// What the server of this folder told last, for programs of its owner.
pub fn runtime(data_dir: &Path) -> Option<Runtime> {
    serde_json::from_slice(&fs::read(data_dir.join(RUNTIME)).ok()?).ok()
}

/// The administrator's token of this folder, if this user may read it.
pub fn read_admin_token(data_dir: &Path) -> io::Result<String> {
    fs::read_to_string(data_dir.join(TOKEN)).map(|text| text.trim().to_owned())
}

/// `/var/lib/deskhand` for root, else a folder of the user's own.
pub fn default_data_dir() -> PathBuf {
    let state = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if is_root() {
        return PathBuf::from("/var/lib/deskhand");
    }
    match (state("XDG_DATA_HOME"), state("HOME")) {
        (Some(data), _) => PathBuf::from(data).join("deskhand"),
        (None, Some(home)) => PathBuf::from(home).join(".local/share/deskhand"),
        (None, None) => PathBuf::from("deskhand"),
    }
}

/// Whether the effective user is root, as the kernel tells of this process.
fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    uids.split_whitespace().nth(1) == Some("0")
}

/// Whether a server uses this folder now.
pub fn is_in_use(data_dir: &Path) -> bool {
    let opened = OpenOptions::new().read(true).write(true).open(data_dir.join(LOCK));
    opened.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Makes a folder for its owner alone, where it is missing.
pub fn make_private_folder(path: &Path) -> Result<(), DataDirError> {
    let is_new = !path.exists();
    fs::create_dir_all(path).map_err(|error| DataDirError::io(path, "make", error))?;
    #[cfg(unix)]
    if is_new {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(path, mode)
            .map_err(|error| DataDirError::io(path, "protect", error))?;
    }
    Ok(())
}

fn private_file(path: &Path, is_emptied: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(is_emptied);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let mut file = private_file(&beside, true)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
