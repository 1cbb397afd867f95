//! Uploads, as the target sees them: what is missing is fetched, verified and put in place (AC-13).
//!
//! A plan lists every file with what has to be done to it and can be stored; carried out again, it
//! does what is left and ends with the same counts. Files are written beside their place and
//! renamed into it once their BLAKE3 is right. The part of a large file keeps its bytes for the
//! next attempt.

mod bytes;
mod carry_out;
mod large;
mod place;
mod plan;

use std::io;

use machine::{FileError, Filter, Spot};
use model::Digest;
use tokio::io::AsyncRead;

use crate::path::DepotPath;

/// Where the bytes come from.
pub trait Fetch: Sync {
    type Body: AsyncRead + Unpin + Send;

    /// The bytes of `wanted`, one after the other in that order, without anything between. A single
    /// one begins at `offset`, several always at their beginnings.
    fn fetch(
        &self,
        wanted: &[Wanted],
        offset: u64,
    ) -> impl Future<Output = io::Result<Self::Body>> + Send;
}

/// A file to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// From the pinned root.
    pub path: DepotPath,
    pub digest: Digest,
    pub size: u64,
}

#[derive(Debug, Clone)]
pub struct FetchOptions {
    pub filter: Filter,
    pub recursive: bool,
    /// Overwrite what has the same name; otherwise it is skipped.
    pub replace: bool,
    /// Do not let a read-only file stand in the way.
    pub force: bool,
    /// Go on with what an earlier attempt has fetched of a large file.
    pub resume: bool,
    /// Also what targets have written into the depot.
    pub from_targets: bool,
}

/// What an upload does, file by file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchPlan {
    from: DepotPath,
    to: Spot,
    rules: Rules,
    folders: Vec<PlannedFolder>,
    links: Vec<PlannedLink>,
    files: Vec<PlannedFile>,
    skipped: u64,
    /// Nothing has been done since it was made.
    fresh: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rules {
    replace: bool,
    force: bool,
    resume: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct PlannedFolder {
    path: DepotPath,
    mode: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct PlannedLink {
    path: DepotPath,
    target: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct PlannedFile {
    /// Below the upload's folder.
    path: DepotPath,
    size: u64,
    mode: u32,
    mtime_ms: i64,
    digest: Digest,
    todo: Todo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Todo {
    Fetch,
    /// The bytes are right, permissions or time are not.
    Adjust,
    Nothing,
}

/// How an upload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fetched {
    /// In place now, with their sizes together: the activity's outputs.
    pub files: u64,
    pub bytes: u64,
    /// Left alone because their name was taken and `replace` not set.
    pub skipped: u64,
    /// What had to be fetched this time.
    pub fetched_files: u64,
    pub fetched_bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("`{path}` has a name that this system cannot hold")]
    Name { path: DepotPath },
    #[error("`{path}` and `{other}` are one name on this system; rename one of them in the depot")]
    SameName { path: DepotPath, other: DepotPath },
    #[error("fetching `{path}` was cut off; what has arrived is kept for the next attempt")]
    Cut { path: DepotPath, source: io::Error },
    #[error(
        "what arrived as `{path}` is not what was pinned; the server or something on the way damaged it"
    )]
    Damaged { path: DepotPath },
    /// The work was given up from outside, or a thread of it panicked.
    #[error("the upload was stopped")]
    Stopped,
}

impl FetchError {
    /// Whether the activity ends with `no_file`.
    pub fn is_no_file(&self) -> bool {
        matches!(self, Self::File(error) if error.is_no_file())
    }

    /// Whether carrying the plan out again may go on where it was cut.
    pub fn is_cut(&self) -> bool {
        matches!(self, Self::Cut { .. })
    }
}

impl FetchPlan {
    /// What will have to be fetched, not counting what is there already: files and bytes.
    pub fn to_fetch(&self) -> (u64, u64) {
        let wanted = self.files.iter().filter(|file| file.todo == Todo::Fetch);
        wanted.fold((0, 0), |(files, bytes), file| (files + 1, bytes + file.size))
    }

    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}
