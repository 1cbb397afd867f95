//! What a plan asks of the machine and of what the application brings. Reading only.

use std::fmt;

use model::Digest;
use model::registry::{Data, Key};

/// Texts and INI files are edited in memory up to this size.
pub const EDITED_BYTES_MAX: u64 = 16 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Linux,
    Windows,
}

/// What stands at a path; links are not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    File(FileNode),
    Folder,
    Link {
        target: String,
    },
    /// Device, pipe, socket.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileNode {
    pub size: u64,
    /// Nanoseconds since 1970, UTC.
    pub mtime_ns: i64,
    /// Permission bits on Linux, file attributes on Windows.
    pub mode: u32,
}

/// A disk as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// The same for all paths of one disk.
    pub id: u64,
    /// Bytes that may still be written.
    pub free: u64,
}

/// Why something could not be looked at: where, and what the system said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{place}`: {why}")]
pub struct SurveyError {
    pub place: String,
    pub why: String,
}

impl SurveyError {
    pub fn new(place: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self { place: place.to_string(), why: why.to_string() }
    }
}

/// The machine as it is now, as one user or as the machine. Paths are absolute and written as the
/// machine writes them; whatever root stands in front of them is the implementation's business.
/// `HKEY_CURRENT_USER` is the user's hive, logged on or not.
pub trait Survey {
    fn family(&self) -> Family;

    /// A fact by its name: `os.name`, `os.version`, `memory_mb`.
    fn fact(&self, name: &str) -> Option<String>;

    fn environment(&self, name: &str) -> Option<String>;

    /// Of a special Windows macro without its asterisk, in any case: `WinDir` (REFERENCE 1.1). None
    /// where this system has no such folder.
    fn special_folder(&self, name: &str) -> Option<String>;

    fn node(&self, path: &str) -> Result<Option<Node>, SurveyError>;

    /// In a folder, sorted.
    fn names(&self, folder: &str) -> Result<Vec<String>, SurveyError>;

    /// BLAKE3 of a file's bytes; what was hashed before and has the same size and times is not read
    /// again.
    fn digest(&self, path: &str) -> Result<Digest, SurveyError>;

    /// A whole file of up to [`EDITED_BYTES_MAX`].
    fn read(&self, path: &str) -> Result<Vec<u8>, SurveyError>;

    /// At most `length` bytes from `offset`.
    fn read_part(&self, path: &str, offset: u64, length: usize) -> Result<Vec<u8>, SurveyError>;

    /// The disk that the path is on, or would be.
    fn disk(&self, path: &str) -> Result<Disk, SurveyError>;

    fn has_registry(&self) -> bool;

    fn key_exists(&self, key: &Key) -> Result<bool, SurveyError>;

    fn value(&self, key: &Key, name: &str) -> Result<Option<Data>, SurveyError>;

    /// Names of the keys directly below.
    fn keys(&self, key: &Key) -> Result<Vec<String>, SurveyError>;

    fn values(&self, key: &Key) -> Result<Vec<(String, Data)>, SurveyError>;
}

/// What the application brings: a folder beside its file, or its tree of the depot. Paths are below
/// it, with `/`.
pub trait Source {
    fn node(&self, path: &str) -> Result<Option<Node>, SurveyError>;

    fn names(&self, folder: &str) -> Result<Vec<String>, SurveyError>;

    fn digest(&self, path: &str) -> Result<Digest, SurveyError>;

    fn read_part(&self, path: &str, offset: u64, length: usize) -> Result<Vec<u8>, SurveyError>;
}
