//! Applications: what was published, for whom, what each machine is to have, what it has.

use model::{ApplicationId, ComputerId, Digest, Span, Timestamp};

/// One revision of an application, as it was published. It is never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    pub id: ApplicationId,
    /// Counts publications of this application, from 1 without gaps.
    pub revision: u64,
    /// Compared without case; no two applications have the same in their latest revisions.
    pub name: String,
    /// The document's own.
    pub version: u16,
    /// The document.
    pub text: String,
    /// Plain BLAKE3 of the text.
    pub digest: Digest,
    /// The source folder of the depot as it was then, as a tree.
    pub source: Option<Digest>,
    pub source_files: u64,
    pub source_bytes: u64,
    pub published_by: String,
    pub published_at: Timestamp,
}

/// Whom an application is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assigned {
    Computer(ComputerId),
    /// Everything in the group, whoever is in it at the time.
    Group(ComputerId),
    /// Those that the query chooses at the time.
    Query(String),
    /// By log-on name, on every machine.
    User(String),
}

impl Assigned {
    /// The kind as the database and people write it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Computer(_) => "computer",
            Self::Group(_) => "group",
            Self::Query(_) => "query",
            Self::User(_) => "user",
        }
    }

    /// What is named, as text: an id, a query, a log-on name.
    pub fn name(&self) -> String {
        match self {
            Self::Computer(id) | Self::Group(id) => id.to_string(),
            Self::Query(text) | Self::User(text) => text.clone(),
        }
    }

    /// Reads back what [`Self::kind`] and [`Self::name`] tell.
    pub fn parse(kind: &str, name: &str) -> Option<Self> {
        Some(match kind {
            "computer" => Self::Computer(name.parse().ok()?),
            "group" => Self::Group(name.parse().ok()?),
            "query" => Self::Query(name.to_owned()),
            "user" => Self::User(name.to_owned()),
            _ => return None,
        })
    }
}

/// An application is for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Association {
    pub application: ApplicationId,
    pub to: Assigned,
    /// What comes first: smaller before larger.
    pub priority: u32,
    /// Whether it goes when this association does; as the document says where nothing is said.
    pub uninstall: Option<bool>,
    /// How often machines look whether all is as it was distributed; never when none.
    pub verify_every: Option<Span>,
    /// Whether they put right what differs, or only tell it.
    pub repair: bool,
    pub created_by: String,
    pub created_at: Timestamp,
}

/// What a machine was told to have, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedSet {
    pub computer: ComputerId,
    /// Only ever rises.
    pub serial: u64,
    pub set: Vec<u8>,
    pub envelope: Vec<u8>,
    pub leaf: Vec<u8>,
    pub proof: Vec<u8>,
    pub made_at: Timestamp,
    /// The serial that the machine has taken; 0 for none.
    pub taken: u64,
}

/// Which set a machine was told to have, without what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedHead {
    pub computer: ComputerId,
    pub serial: u64,
    pub leaf: Vec<u8>,
    /// The serial that the machine has taken; 0 for none.
    pub taken: u64,
}

/// How an application stands on a machine, as its agent told last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationState {
    pub computer: ComputerId,
    pub application: ApplicationId,
    /// The user whose part it is; empty for the machine's.
    pub user: String,
    pub name: String,
    /// None when it is not wanted any more.
    pub wanted: Option<u16>,
    pub installed: Option<u16>,
    /// A word: `ok`, `pending`, `working`, `failed`, `drifted`.
    pub state: String,
    /// Things that differ from what was installed.
    pub drift: u64,
    pub error: String,
    pub pending: String,
    pub next_attempt: Option<Timestamp>,
    /// When the server heard it.
    pub at: Timestamp,
}
