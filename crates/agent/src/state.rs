//! The agent's own folder: who it is, whom it trusts, the runs it holds.
//!
//! ```text
//! agent.lock      held while an agent runs here
//! signing.key     Ed25519, the key it proves itself by
//! sealing.key     X25519, for secrets sealed to this machine
//! agent.conf      how it reaches and is reached; written by people and by installing
//! identity.json   computer id, name, server addresses
//! trust           the signed trust document
//! counter         connections so far
//! starts          starts of the agent so far
//! spent           warrants used on this machine, append-only
//! wanted          the set of applications that this machine is to have
//! keeper.json     when each of them was looked at, and which go with their association
//! stock/          their documents and files, by hash
//! status.json     connected or not, for `status`
//! runs/<run>/     package, journal, plans of file activities, parts of transfers
//! logs/           output of commands that could not be sent yet
//! ```
//!
//! Owns these files and their durability. Never decides anything about a run. Invariants: a file is
//! replaced by renaming a synced one over it; only its owner (Windows: SYSTEM and administrators)
//! reads the folder; one agent at a time uses it.

mod counter;
mod durable;
mod identity;
mod journal;
mod runs;
mod spent;
#[cfg(test)]
mod tests;

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use counter::Counter;
pub(crate) use durable::{sync_folder, write_durable, write_whole};
pub use identity::{Identity, IdentityError, StoreIdentityError};
pub(crate) use identity::{Keys, load_or_make_keys, store_trust};
pub use runs::LoadError;
pub(crate) use runs::{CommitError, Loaded, Runs, read_runs};

/// The folder as it lies on disk.
#[derive(Debug, Clone)]
pub struct StateFolder {
    path: PathBuf,
}

/// Why a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("the state folder {} cannot be made: {source}", .path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("the state folder {} cannot be kept from others: {source}", .path.display())]
    Protect { path: PathBuf, source: io::Error },
    #[error("another agent is running with the state folder {}: end that one first, or name another \
             folder with `--state`", .path.display())]
    InUse { path: PathBuf },
    #[error("the state folder {} cannot be locked: {source}", .path.display())]
    Lock { path: PathBuf, source: io::Error },
}

/// Held as long as this agent uses its folder.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, never read")] File);

impl StateFolder {
    /// Names the folder; touches nothing.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where an agent keeps its state unless told otherwise.
    pub fn standard() -> PathBuf {
        if cfg!(windows) {
            let base = std::env::var_os("ProgramData").unwrap_or_else(|| r"C:\ProgramData".into());
            PathBuf::from(base).join("Deskhand").join("agent")
        } else {
            PathBuf::from("/var/lib/deskhand-agent")
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes the folder where missing, and its owner's alone.
    pub fn create(&self) -> Result<(), FolderError> {
        let path = || self.path.clone();
        std::fs::create_dir_all(&self.path)
            .map_err(|source| FolderError::Create { path: path(), source })?;
        machine::protect_folder(&self.path)
            .map_err(|source| FolderError::Protect { path: path(), source })
    }

    /// Keeps every other agent out.
    pub fn lock(&self) -> Result<Lock, FolderError> {
        let path = || self.path.clone();
        let failed = |source| FolderError::Lock { path: path(), source };
        let file = durable::open_private(&self.file("agent.lock")).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(TryLockError::WouldBlock) => Err(FolderError::InUse { path: path() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Whether an agent runs with this folder now.
    pub(crate) fn is_in_use(&self) -> bool {
        let opened = File::options().read(true).write(true).open(self.file("agent.lock"));
        opened.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }
}
