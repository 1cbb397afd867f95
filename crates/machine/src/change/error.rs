//! What can go wrong with a transaction, said so that it can be put right.

use std::io;
use std::path::PathBuf;

use model::registry::Key;

use super::journal::JournalError;
use crate::files::FileError;
use crate::registry::RegistryError;
use crate::spot::SpotError;

/// Why changes were not made. Unless it says otherwise, they can be undone whole.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("`{place}` changed since it was planned: {was} then, {is} now; plan again")]
    Changed { place: String, was: String, is: String },
    #[error("`{place}` is not empty, so it is not removed; look at what is in it")]
    NotEmpty { place: String },
    #[error("the folder `{folder}` for `{path}` does not exist")]
    NoFolder { folder: String, path: String },
    #[error("a path that cannot be used")]
    Path(#[from] SpotError),
    #[error("`{path}` cannot be had from the source")]
    Supply { path: String, source: io::Error },
    #[error("what the source gives for `{path}` is not what was planned; plan again")]
    OtherContent { path: String },
    #[error(
        "{needed} bytes would have to be kept for undoing, {free} more are allowed; raise the limit \
         or uninstall what is not needed"
    )]
    KeptLimit { needed: u64, free: u64 },
    #[error("the disk of `{path}` needs {needed} bytes for this and has {free} free")]
    NoRoom { path: String, needed: u64, free: u64 },
    #[error("nothing is kept of `{place}` any more")]
    NotKept { place: String },
    #[error(transparent)]
    File(#[from] FileError),
    #[error("`{}` cannot be {what}", .path.display())]
    State { path: PathBuf, what: &'static str, source: io::Error },
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("the registry's `{key}` is no key that a plan may change")]
    Root { key: Key },
    #[error("another program is changing this machine just now; try again when it has ended")]
    Busy,
    #[error(
        "earlier changes were cut off and are noted in `{}`; these have to be recovered first",
        .folder.display()
    )]
    Unfinished { folder: PathBuf },
    #[error("the changes are made; what they replaced is not tidied away yet")]
    Unsettled { source: UndoError },
    #[error("{why}; and not everything can be put back")]
    NotUndone { why: String, source: UndoError },
}

impl ChangeError {
    /// Of `docs/errors`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Changed { .. } | Self::NotEmpty { .. } | Self::OtherContent { .. } => "DH-U001",
            Self::KeptLimit { .. } | Self::NoRoom { .. } => "DH-U002",
            Self::File(FileError::DiskFull { .. }) => "DH-U002",
            Self::State { source, .. } if source.kind() == io::ErrorKind::StorageFull => "DH-U002",
            Self::File(FileError::InUse { .. }) | Self::Busy => "DH-U003",
            Self::NotUndone { .. } | Self::Unfinished { .. } | Self::Unsettled { .. } => "DH-U005",
            Self::Journal(error) if error.is_damage() => "DH-U005",
            _ => "DH-U004",
        }
    }

    /// Of a record's folder that cannot be used.
    pub(super) fn of_state(error: UndoError) -> Self {
        match error {
            UndoError::State { path, what, source } => Self::State { path, what, source },
            UndoError::Journal(error) => error.into(),
            UndoError::Busy => Self::Busy,
            source => Self::NotUndone { why: "nothing was begun".to_owned(), source },
        }
    }

    pub(super) fn and_not_undone(&self, source: UndoError) -> Self {
        Self::NotUndone { why: said(self), source }
    }
}

/// Why something could not be put back, or tidied away. It can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    #[error("`{path}` cannot be put back as it was{}", more(*.others))]
    File { path: String, others: usize, source: FileError },
    #[error("`{path}` is where a part of it has to go back; its former content is `{aside}`")]
    InTheWay { path: String, aside: String },
    #[error("a path of the journal cannot be used")]
    Path(#[from] SpotError),
    #[error("`{key}` cannot be put back as it was{}", more(*.others))]
    Registry { key: Key, others: usize, source: RegistryError },
    #[error("`{}` cannot be {what}", .path.display())]
    State { path: PathBuf, what: &'static str, source: io::Error },
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("another program is changing this machine just now; try again when it has ended")]
    Busy,
}

impl UndoError {
    /// Of `docs/errors`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy => "DH-U003",
            _ => "DH-U005",
        }
    }

    /// That so many more failed after this one.
    pub(super) fn with_others(mut self, count: usize) -> Self {
        if let Self::File { others, .. } | Self::Registry { others, .. } = &mut self {
            *others = count;
        }
        self
    }
}

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(", nor can {others} more") }
}

/// An error with its causes in one line.
pub(super) fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
