//! What an application answers for once it is there: enough to verify it, and to put back what was
//! there before it.

use model::Digest;
use model::registry::{Data, Key};

use super::Group;

/// One thing that an application answers for.
#[derive(Debug, Clone, PartialEq)]
pub struct Owned {
    /// The group of the item that wanted it; what becomes of it when the application goes is chosen
    /// by group.
    pub group: Group,
    pub thing: Thing,
}

/// What it was before the application, and what it is by the application.
#[derive(Debug, Clone, PartialEq)]
pub enum Thing {
    File {
        path: String,
        prior: Prior,
        ours: Digest,
        shared: bool,
    },
    /// Removed by the application.
    Removed {
        path: String,
        prior: Prior,
    },
    /// Made by the application.
    Folder {
        path: String,
    },
    RemovedFolder {
        path: String,
    },
    /// Made by the application.
    Key {
        key: Key,
    },
    RemovedKey {
        key: Key,
    },
    Value {
        key: Key,
        name: String,
        prior: Option<Data>,
        /// None: removed by the application.
        ours: Option<Data>,
    },
    /// All values of that name in that section, in order.
    Ini {
        path: String,
        section: String,
        name: String,
        prior: Vec<String>,
        ours: Vec<String>,
        /// Of one that was taken away, lines that stood above it in its section, the nearest first.
        above: Option<Vec<String>>,
    },
    /// A section that the application made: goes once nothing is in it.
    IniSection {
        path: String,
        section: String,
    },
    /// An INI file as a whole. It comes back whole as long as it is `ours`; where somebody else
    /// changed it, its values come back one by one.
    IniFile {
        path: String,
        prior: Prior,
        ours: Digest,
    },
    /// A text file as a whole, and what was done in it. It comes back whole as long as it is
    /// `ours`; where somebody else changed it, the lines of the application are taken out.
    Text {
        path: String,
        prior: Prior,
        ours: Digest,
        done: Vec<TextDone>,
    },
}

/// A change of a text file that has been made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextDone {
    /// The change in one line, with macros expanded: the same change is told by it.
    pub edit: String,
    /// Lines that are there by it.
    pub added: Vec<String>,
}

/// What stood at a path before the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prior {
    Absent,
    /// The very content: it stays when the application goes.
    Same,
    /// What the change with this number replaced; after it was carried out, [`Self::Kept`].
    Change(usize),
    Kept(Kept),
}

/// The content and whatever belongs to a file, kept by `machine`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub digest: Digest,
    pub size: u64,
    pub mode: u32,
    pub mtime_ns: i64,
    /// A link, whose target the content is.
    pub is_link: bool,
    /// Whose it was and who might do what with it, as a number that `machine` makes: of files with
    /// the same content each gets back its own.
    pub rights: u64,
}
