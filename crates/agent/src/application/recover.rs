//! After a death: what was cut off is undone, or brought to its end where its changes stay.

use application::Part;
use machine::change::{self, UndoError};
use tokio_util::sync::CancellationToken;

use super::carry_out::{FailureKind, Hands};
use super::doing::{Doing, NoteError, What};
use super::driver::{Driver, SurveyPartError};
use super::event::Event;
use super::packages::{self, PackageError};

/// What became of what was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    pub application: String,
    pub part: Part,
    pub uninstalling: bool,
    /// The changes stay and are on record; else everything is as before.
    pub is_done: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error(transparent)]
    Part(#[from] SurveyPartError),
    #[error("the state folder cannot be used")]
    State(#[from] std::io::Error),
    #[error(transparent)]
    Undo(#[from] UndoError),
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error(transparent)]
    Finish(#[from] Box<FailureKind>),
}

impl Driver {
    /// Puts right what was cut off, if anything was. May be cut off itself.
    pub fn recover(
        &mut self,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Option<Recovered>, RecoverError> {
        let doing = Doing::read(&self.place.doing())?;
        if doing.is_none() && change::pending(&self.place.change())?.is_none() {
            return Ok(None);
        }
        let part =
            doing.as_ref().map_or(Part::Machine, |doing| doing.record.installed.part.clone());
        let ground = self.ground(&part)?;
        let recovered = {
            let mut registry = self.registry(&part)?;
            change::recover(&self.place.change(), &ground, &mut *registry)?
        };
        let Some(doing) = doing else {
            change::forget(&self.place.change())?;
            return Ok(None);
        };
        let is_done = match recovered {
            Some(change::Recovered::Done { done, .. }) => {
                self.finish(&doing, &done.kept).map_err(Box::new)?;
                true
            }
            Some(change::Recovered::Undone { .. }) | None => {
                self.undo_packages(&doing, tell)?;
                Doing::remove(&self.place.doing())?;
                false
            }
        };
        self.sweep();
        Ok(Some(Recovered {
            application: doing.record.installed.name.clone(),
            part,
            uninstalling: doing.what == What::Uninstall,
            is_done,
        }))
    }

    /// Packages that were not here before and were being installed.
    fn undo_packages(
        &self,
        doing: &Doing,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), RecoverError> {
        if doing.what == What::Uninstall {
            return Ok(());
        }
        let before = self.record(doing.record.id(), &doing.record.installed.part);
        let known = before.map(|record| record.packages.as_slice()).unwrap_or_default();
        let cancel = CancellationToken::new();
        for package in doing.record.packages.iter().filter(|package| !known.contains(package)) {
            let mut hands = Hands { tell: &mut *tell, cancel: &cancel };
            self.runtime.block_on(packages::take_back(package, self.place.root(), &mut hands))?;
        }
        Ok(())
    }
}
