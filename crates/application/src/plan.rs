//! The plan: what is, what will be, what is left alone and why (BX-01).
//!
//! Its changes are a list of simple acts in their order, one for each thing that is changed,
//! however many items had a part in it. `machine` carries out all of them or none.

mod files;
pub(crate) mod ground;
mod ini;
#[cfg(test)]
mod laws;
pub(crate) mod make;
mod owned;
pub(crate) mod place;
pub(crate) mod registry;
mod room;
pub(crate) mod settle;
mod shared;
mod shortcuts;
#[cfg(test)]
pub(crate) mod tests;
mod text;
pub(crate) mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use make::plan;
pub use owned::{Kept, Owned, Prior, TextDone, Thing};

use model::registry::{Data, Key};
use model::{ApplicationId, Digest};

use crate::encoding::Convention;
use crate::{Application, Installed};

/// Whose part of an application: what belongs to the machine, or what belongs to one user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Machine,
    /// By the name the system knows them by.
    User(String),
}

/// What an application wants of one machine, or of one user of it.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'w> {
    pub application: &'w Application,
    pub part: &'w Part,
    pub occasion: Occasion,
    /// This application's record of this part.
    pub installed: Option<&'w Installed>,
    /// All other records of the machine, of every part.
    pub others: &'w [Installed],
    pub given: &'w Given,
}

/// What neither the document nor the machine knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// To prompted macros, by their names.
    pub answers: BTreeMap<String, String>,
    /// To [`crate::FileRule::RequestConfirmation`], by target paths.
    pub confirmed: BTreeMap<String, bool>,
    /// What becomes of files that nobody has confirmed or refused.
    pub unconfirmed: Unconfirmed,
    /// Attributes of a directory (REFERENCE 1.1): `CN` of the user, `*;DN` of this application,
    /// `.printer.site;Location` of another object.
    pub attributes: BTreeMap<String, String>,
    /// Where the machine finds the folder of the source (`%SOURCE_PATH%`); none where it has no
    /// path there.
    pub source_path: Option<String>,
    /// By the machine's own clock.
    pub now: jiff::civil::DateTime,
    /// Of INI and text files that say nothing about themselves.
    pub convention: Convention,
    /// What launches applications of this machine for its users: a program, and words before the
    /// application's id; none where nothing stays that could.
    pub launcher: Option<Vec<String>>,
    /// Of prior contents that are kept for undoing.
    pub kept_bytes_max: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unconfirmed {
    Skip,
    Copy,
}

/// To be answered by somebody; planned again with the answer in [`Given`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The default was taken.
    Macro {
        name: String,
        prompt: String,
        default: String,
        length_max: Option<u32>,
    },
    Confirm {
        path: String,
        before: String,
        after: String,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub application: ApplicationId,
    pub version: u16,
    pub part: Part,
    /// In the order of the document.
    pub items: Vec<Planned>,
    /// In the order they are carried out.
    pub changes: Vec<Change>,
    pub findings: Vec<Finding>,
    pub questions: Vec<Question>,
    /// Of prompted macros: what they are taken for, by name.
    pub answers: Vec<(String, String)>,
    /// Why a restart is needed afterwards, as far as can be told before.
    pub reboot: Vec<String>,
    /// What this application will answer for once the changes are made.
    pub owns: Vec<Owned>,
}

impl Plan {
    /// Bytes that come from the source.
    pub fn bytes(&self) -> u64 {
        self.changes.iter().map(Change::bytes_from_source).sum()
    }

    /// What is not as the application wants it: of a plan for [`Occasion::Verify`], the drift
    /// (BX-02), which its changes repair.
    pub fn drift(&self) -> impl Iterator<Item = &Planned> {
        self.items.iter().filter(|item| matches!(item.outcome, Outcome::Changed { .. }))
    }

    /// Something in it forbids that it is carried out.
    pub fn is_refused(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    Shortcuts,
    Registry,
    Files,
    Ini,
    Text,
}

/// Of an item, in the document's list, from 0; of what is in a file or a folder, that and its own.
pub type ItemPlace = (usize, Option<usize>);

/// One item and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    pub group: Group,
    pub place: ItemPlace,
    /// With macros expanded: a path, a key and value, a file with section and name.
    pub target: String,
    /// The rule's word, as the document writes it.
    pub rule: &'static str,
    pub outcome: Outcome,
    /// Of [`Plan::changes`], those that serve this item.
    pub changes: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is as it should be.
    InPlace,
    /// In words for people, each of one line.
    Changed { before: String, after: String },
    /// Left alone, and why.
    Skipped { why: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    Error,
}

/// What somebody should know before it is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// A code of `docs/errors`.
    pub code: &'static str,
    pub group: Option<Group>,
    pub place: Option<ItemPlace>,
    pub message: String,
}

/// One simple act. What a path was before is compared before it is touched: an act never
/// overwrites what the plan did not see.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Made or replaced whole; a link is replaced, not followed.
    WriteFile {
        path: String,
        before: Before,
        content: Content,
        meta: Meta,
    },
    /// A file or a link.
    RemoveFile {
        path: String,
        before: Before,
    },
    /// Its parent is there by then.
    CreateFolder {
        path: String,
    },
    /// Empty by then.
    RemoveFolder {
        path: String,
    },
    /// Its parent is there by then.
    CreateKey {
        key: Key,
    },
    /// With no key below it by then; values go with it.
    DeleteKey {
        key: Key,
    },
    SetValue {
        key: Key,
        name: String,
        before: Option<Data>,
        data: Data,
    },
    DeleteValue {
        key: Key,
        name: String,
        before: Data,
    },
}

impl Change {
    fn bytes_from_source(&self) -> u64 {
        match self {
            Self::WriteFile { content: Content::Source { size, .. }, .. } => *size,
            _ => 0,
        }
    }
}

/// What stood there when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    Absent,
    File { size: u64, mtime_ns: i64 },
    Link { target: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Bytes(Arc<[u8]>),
    /// A file of the [`crate::Source`].
    Source {
        path: String,
        digest: Digest,
        size: u64,
    },
    /// A file of the machine itself: on one of its drives, on a share that it reaches.
    Machine {
        path: String,
        digest: Digest,
        size: u64,
    },
    /// What stood there before the application, link or file, with all that belonged to it.
    Kept(Kept),
}

impl Content {
    /// In bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Source { size, .. } | Self::Machine { size, .. } => *size,
            Self::Kept(kept) => kept.size,
        }
    }
}

/// Of a file that is written. Owner and rights are kept from the file it replaces; a new file gets
/// what the system gives to new files. A mode that is given wins over both; without a time the file
/// has that of its writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meta {
    pub mode: Option<u32>,
    pub mtime_ns: Option<i64>,
}

/// Which of the items of a document are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// All: for the first time, a larger version, another id, or by order.
    Distribute,
    /// Those that are distributed each time.
    Again,
    /// All that are on record, to be told or repaired where they differ (BX-02).
    Verify,
}
