//! Changes that happen whole or not at all (AP-13, BX-03).
//!
//! A [`Transaction`] carries out the changes of an [`application::Plan`]: files, folders and links
//! below the machine's root, keys and values of its registry. Each begins from what is there, and
//! it is an error when that is not what the plan saw. Links at the last name of a path are acted on
//! as links; folders above it are taken as the machine takes them.
//!
//! 1. [`Transaction::prepare`] looks at everything, checks what can be checked (room on the
//!    disks, the limit of what is kept), and makes a journal durable. Then it builds what is new
//!    beside its place, under names that [`crate::is_part`] knows, and makes that durable.
//! 2. [`Transaction::apply`] puts everything into its place by renaming. What was there stands
//!    aside under such a name, with all that belongs to it.
//! 3. [`Transaction::commit`] makes that durable, notes it as done, and moves what stands aside
//!    into the [`KeptStore`]; or [`Transaction::undo`] renames everything back.
//! 4. [`forget`], once whoever asked has recorded what was done.
//!
//! The journal never says how far it went: each act can be recognised at the names it left. So
//! [`recover`] may be called, and cut off, as often as need be, and the machine is as before or as
//! after. Times of folders in which names changed are not put back.
//!
//! Never decides what to change, never waits for a network: a [`Supply`] gives contents.

mod act;
mod attributes;
mod error;
mod hive;
mod journal;
mod kept;
mod layout;
mod reach;
mod recover;
mod settle;
mod stage;
mod supply;
mod undo;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use application::{Change, Kept};

pub(crate) use attributes::disk;
pub use error::{ChangeError, UndoError};
pub use kept::{KeptStore, Swept};
pub use recover::{Recovered, forget, pending, recover};
pub use supply::{Supplied, Supply};

use crate::registry::Registry;
use journal::{Journal, Staged};

/// Where and how changes are made.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Paths of the changes are below it.
    pub root: Option<PathBuf>,
    pub kept: KeptStore,
    /// How long to wait for a file that another program holds (Windows).
    pub patience: Duration,
    pub after_death: AfterDeath,
    /// The user whose part this is, where somebody else makes the changes.
    pub owner: Option<Owner>,
}

/// A user by their numbers (Linux), and what is theirs: all below their home. What is new there is
/// theirs too, and no link in it leads a change out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub user: u32,
    pub group: u32,
    /// As paths of changes are written.
    pub home: String,
}

impl Owner {
    fn has(&self, path: &str) -> bool {
        Path::new(path).starts_with(&self.home)
    }
}

/// What [`recover`] does with a transaction that was cut off while it was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AfterDeath {
    #[default]
    Undo,
    /// Goes on where everything was built; undoes where that is impossible.
    Finish,
}

/// What was put into place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// Why the machine has to be restarted, each with its path.
    pub reboot: Vec<String>,
}

/// What was done, for the record of whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// By the number of the change, what it replaced or removed.
    pub kept: Vec<(usize, Kept)>,
    /// As in [`Applied`].
    pub reboot: Vec<String>,
    /// Folders to be removed into which somebody put something meanwhile; they stay.
    pub left: Vec<String>,
}

/// What was put back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Undone {
    /// Folders and keys that were made and stay, for somebody put something into them.
    pub left: Vec<String>,
    /// Why it was not gone on with, where that was tried.
    pub why: Option<String>,
}

/// A set of changes under way, in a folder of its own that no other one uses meanwhile.
#[derive(Debug)]
pub struct Transaction {
    folder: PathBuf,
    ground: Ground,
    journal: Journal,
    staged: Staged,
    /// Steps that wait for the machine's next start.
    delayed: Vec<usize>,
    reboot: Vec<String>,
    /// Locked as long as somebody works on it.
    _lock: File,
}

impl Transaction {
    /// Checks, makes the journal durable, builds what is new. Nothing is in its place yet; on an
    /// error everything is as it was. `note` is given back by [`recover`].
    pub fn prepare(
        folder: &Path,
        changes: &[Change],
        note: &[u8],
        ground: &Ground,
        registry: &mut dyn Registry,
        supply: &dyn Supply,
    ) -> Result<Self, ChangeError> {
        let lock = recover::claim(folder).map_err(ChangeError::of_state)?;
        if journal::is_there(folder) {
            return Err(ChangeError::Unfinished { folder: folder.to_owned() });
        }
        recover::clear(folder).map_err(ChangeError::of_state)?;
        let journal = layout::lay_out(changes, note, ground, registry)?;
        if let Err(error) = journal.write(folder) {
            // It was not begun, whether or not this succeeds.
            let _ = recover::close(folder);
            return Err(error);
        }
        match stage::stage(&journal, changes, ground, supply)
            .and_then(|staged| staged.write(folder).map(|()| staged))
        {
            Ok(staged) => Ok(Self {
                folder: folder.to_owned(),
                ground: ground.clone(),
                journal,
                staged,
                delayed: Vec::new(),
                reboot: Vec::new(),
                _lock: lock,
            }),
            Err(error) => {
                let undone = undo::undo(&journal, None, ground, registry)
                    .and_then(|_| recover::close(folder));
                match undone {
                    Ok(()) => Err(error),
                    Err(undo) => Err(error.and_not_undone(undo)),
                }
            }
        }
    }

    /// Puts everything into place, in order. On an error it is for the caller to
    /// [`undo`](Self::undo).
    pub fn apply(&mut self, registry: &mut dyn Registry) -> Result<Applied, ChangeError> {
        let acted = act::act(&self.journal, &self.staged, &self.ground, registry)?;
        self.delayed = acted.delayed;
        self.reboot = acted.reboot;
        Ok(Applied { reboot: self.reboot.clone() })
    }

    /// Puts everything back as it was, from wherever it was. On an error [`recover`] can try again.
    pub fn undo(self, registry: &mut dyn Registry) -> Result<Undone, UndoError> {
        recover::drop_record(&self.folder, journal::DONE)?;
        let undone = undo::undo(&self.journal, Some(&self.staged), &self.ground, registry)?;
        recover::close(&self.folder)?;
        Ok(undone)
    }

    /// Makes what was applied last and keeps what was there before. [`ChangeError::Unsettled`] says
    /// that the changes stay and [`recover`] has to tidy up; after any other error it is for the
    /// caller to undo.
    pub fn commit(&mut self, registry: &mut dyn Registry) -> Result<Done, ChangeError> {
        let (delayed, reboot) = (&self.delayed, &self.reboot);
        let settled = settle::decide(&self.journal, delayed, reboot, &self.ground, registry)?;
        settled.write(&self.folder)?;
        settle::settle(&self.journal, &settled, &self.ground)
            .map_err(|source| ChangeError::Unsettled { source })
    }

    /// Ends it, once what [`commit`](Self::commit) told is recorded.
    pub fn forget(self) -> Result<(), UndoError> {
        recover::close(&self.folder)
    }

    /// The changes that were prepared, by their number, whose paths wait for the next start.
    pub fn delayed(&self) -> Vec<usize> {
        self.delayed.iter().map(|at| self.journal.steps[*at].change).collect()
    }
}
