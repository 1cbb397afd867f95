//! What is being done, durable before it is done: by it the next start finishes or undoes what
//! was cut off.
//!
//! The changes themselves are noted by their transaction. This note has what is around them: the
//! record that comes of it, and packages that were being installed.

use std::io;
use std::path::{Path, PathBuf};

use application::keeper::Restart;
use application::{Installed, Kept, NotKept, Plan, Prior};
use model::codec::{CodecError, Reader, Writer};

use super::packages::PackageStep;
use super::records::{Package, Record};
use super::restarts;
use crate::state::{sync_folder, write_durable};

/// Before 2 nothing was said of restarts.
const VERSION: u8 = 2;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Doing {
    pub(super) what: What,
    /// Of what is distributed, as it will be; of what is uninstalled, as it was.
    pub(super) record: Record,
    /// Places in the record's list of what was there before, and the change that says it.
    open: Vec<(usize, usize)>,
    /// What the machine needs once this is done.
    pub(super) restart: Option<Restart>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Distribute,
    Uninstall,
}

#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    #[error("the note {} of what is being done cannot be read", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the note {} of what is being done cannot be written", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the note {} of what was being done is damaged", .path.display())]
    Damaged { path: PathBuf, source: CodecError },
}

impl NoteError {
    /// Of `docs/errors`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull => "DH-U002",
            Self::Write { .. } => "DH-U004",
            Self::Read { .. } | Self::Damaged { .. } => "DH-U005",
        }
    }
}

impl Doing {
    /// Of a plan that is about to be carried out; the record's own list is the plan's.
    pub(super) fn distribute(plan: &Plan, mut record: Record) -> Self {
        record.installed.owns.clone_from(&plan.owns);
        let mut open = Vec::new();
        for (at, owned) in record.installed.owns.iter_mut().enumerate() {
            if let Some(prior) = owned.thing.prior_mut()
                && let Prior::Change(change) = *prior
            {
                open.push((at, change));
                *prior = Prior::Absent;
            }
        }
        Self { what: What::Distribute, record, open, restart: None }
    }

    pub(super) fn uninstall(record: Record) -> Self {
        Self { what: What::Uninstall, record, open: Vec::new(), restart: None }
    }

    /// Packages that will be installed, and are taken back should this be cut off.
    pub(super) fn add_packages(&mut self, steps: &[PackageStep]) {
        if self.what == What::Distribute {
            let known = &mut self.record.packages;
            for mut package in steps.iter().filter_map(PackageStep::installs) {
                let is_it = |other: &Package| {
                    (other.installer, &other.name) == (package.installer, &package.name)
                };
                // What an earlier version of the application brought was not here before it.
                if let Some(at) = known.iter().position(is_it) {
                    package.was_there = known.remove(at).was_there;
                }
                known.push(package);
            }
        }
    }

    /// The record, now that it is known what the changes replaced.
    pub(super) fn record(&self, kept: &[(usize, Kept)]) -> Result<Record, NotKept> {
        let mut record = self.record.clone();
        let Installed { owns, .. } = &mut record.installed;
        for (at, change) in &self.open {
            let kept = kept.iter().find(|(number, _)| number == change);
            let (_, kept) = kept.ok_or(NotKept(*change))?;
            let owned = owns.get_mut(*at).ok_or(NotKept(*change))?;
            let prior = owned.thing.prior_mut().ok_or(NotKept(*change))?;
            *prior = Prior::Kept(kept.clone());
        }
        Ok(record)
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), NoteError> {
        let mut out = Writer::new();
        out.u8(VERSION).switch(self.what == What::Uninstall);
        self.record.put(&mut out);
        out.list(&self.open, |out, (at, change)| {
            out.len(*at).len(*change);
        });
        out.option(self.restart.as_ref(), |out, restart| restarts::put(out, *restart));
        let failed = |source| NoteError::Write { path: path.to_owned(), source };
        write_durable(path, &out.finish()).map_err(failed)
    }

    /// Nothing where nothing was being done.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, NoteError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(NoteError::Read { path: path.to_owned(), source }),
        };
        let damaged = |source| NoteError::Damaged { path: path.to_owned(), source };
        decode(&bytes).map(Some).map_err(damaged)
    }

    pub(super) fn remove(path: &Path) -> Result<(), NoteError> {
        let removed = match std::fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| path.parent().map_or(Ok(()), sync_folder)),
        };
        removed.map_err(|source| NoteError::Write { path: path.to_owned(), source })
    }
}

fn decode(bytes: &[u8]) -> Result<Doing, CodecError> {
    let mut from = Reader::new(bytes);
    let version = from.u8()?;
    if !(1..=VERSION).contains(&version) {
        return Err(CodecError("it is of another version of this program"));
    }
    let what = if from.switch()? { What::Uninstall } else { What::Distribute };
    let record = Record::take(&mut from)?;
    let open =
        from.list(|from| Ok::<_, CodecError>((from.u32()? as usize, from.u32()? as usize)))?;
    let restart = if version >= 2 { from.option(restarts::take)? } else { None };
    from.end()?;
    Ok(Doing { what, record, open, restart })
}
