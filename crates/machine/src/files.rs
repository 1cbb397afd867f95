//! What file activities do with the files of one machine (AC-15..AC-20).
//!
//! An [`Operation`] is planned first: [`FilePlan::of`] looks and lists, changes nothing, and finds
//! whatever can be found wrong. The plan is a value with bytes of its own; once those are durable,
//! [`FilePlan::carry_out`] acts on that list and on nothing else. Carried out again after a crash
//! it ends in the same state with the same counts.
//!
//! Links are acted on as links and never followed below the folders that were named.

mod bytes;
mod carry_out;
mod error;
mod plan;

use std::ffi::OsString;

pub use bytes::PlanBytesError;
pub use carry_out::put_in_place;
pub use error::FileError;

use crate::filter::Filter;
use crate::folder::Kind;
use crate::spot::Spot;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Files in the folders below, too.
    pub recursive: bool,
    /// Overwrite what has the same name; otherwise it is skipped.
    pub replace: bool,
    /// Do not let a read-only file stand in the way.
    pub force: bool,
}

/// The files of one folder go to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    pub from: Spot,
    pub to: Spot,
    pub filter: Filter,
    pub options: Options,
}

/// A file activity with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Permissions and times are kept, owners are not.
    Copy(Transfer),
    /// Into a folder of itself only without `recursive`.
    Move(Transfer),
    /// A file or a folder gets another name where it is.
    Rename { current: Spot, new: String, replace: bool, force: bool },
    /// With `recursive` and without a filter also the folders below.
    DeleteFiles { folder: Spot, filter: Filter, recursive: bool, force: bool },
    /// With those above them; one that is there already is fine.
    CreateFolders { folders: Vec<Spot> },
    /// One that is not there is fine. A link is removed, never what it leads to.
    DeleteFolders { folders: Vec<Spot>, recursive: bool, force: bool },
}

/// What an operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Files and links acted on.
    pub files: u64,
    /// Left alone because their name was taken and `replace` not set.
    pub skipped: u64,
}

/// The list an operation acts on. See the module for how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePlan {
    action: Action,
    /// Found taken when the plan was made.
    skipped: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    Transfer { moves: bool, from: Spot, to: Spot, replace: bool, force: bool, steps: Vec<Step> },
    Rename { folder: Spot, current: OsString, new: OsString, replace: bool, force: bool },
    DeleteFiles { folder: Spot, force: bool, steps: Vec<Step> },
    CreateFolders { folders: Vec<Spot> },
    DeleteFolders { folders: Vec<Spot>, recursive: bool, force: bool },
}

/// One entry below the operation's folder, as it was when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    folder: Vec<OsString>,
    name: OsString,
    kind: Kind,
    size: u64,
    mtime_ns: i64,
    mode: u32,
}

impl FilePlan {
    /// How many files it acts on.
    pub fn files(&self) -> u64 {
        match &self.action {
            Action::Transfer { steps, .. } | Action::DeleteFiles { steps, .. } => {
                steps.iter().filter(|step| step.kind != Kind::Folder).count() as u64
            }
            Action::Rename { .. } => 1,
            Action::CreateFolders { .. } | Action::DeleteFolders { .. } => 0,
        }
    }

    /// How many it leaves alone because their name is taken.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}
