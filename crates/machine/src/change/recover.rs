//! After a death: what was cut off is undone or brought to its end.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use super::journal::{self, DONE, JOURNAL, Journal, STAGED, Settled, Staged};
use super::{AfterDeath, Done, Ground, UndoError, Undone, act, attributes, settle, undo};
use crate::registry::Registry;

const LOCK: &str = "lock";

/// What became of a transaction that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovered {
    /// The machine is as before.
    Undone { note: Vec<u8>, undone: Undone },
    /// The machine is as after. Told again each time until it is forgotten.
    Done { note: Vec<u8>, done: Done },
}

/// The note of a transaction that was cut off, if there is one.
pub fn pending(folder: &Path) -> Result<Option<Vec<u8>>, UndoError> {
    Ok(Journal::read(folder)?.map(|journal| journal.note))
}

/// Undoes what was cut off, or brings it to its end where it had been decided that it stays, or
/// where the ground's policy says so. Nothing where nothing was under way. May be cut off itself.
pub fn recover(
    folder: &Path,
    ground: &Ground,
    registry: &mut dyn Registry,
) -> Result<Option<Recovered>, UndoError> {
    if !folder.exists() {
        return Ok(None);
    }
    let _lock = claim(folder)?;
    let Some(journal) = Journal::read(folder)? else {
        clear(folder)?;
        return Ok(None);
    };
    let note = journal.note.clone();
    if let Some(settled) = Settled::read(folder, &journal)? {
        let done = settle::settle(&journal, &settled, ground)?;
        return Ok(Some(Recovered::Done { note, done }));
    }
    let staged = Staged::read(folder, &journal)?;
    let mut why = None;
    if let (AfterDeath::Finish, Some(staged)) = (ground.after_death, &staged) {
        match finish(folder, &journal, staged, ground, registry) {
            Ok(settled) => {
                let done = settle::settle(&journal, &settled, ground)?;
                return Ok(Some(Recovered::Done { note, done }));
            }
            Err(error) => why = Some(error),
        }
    }
    drop_record(folder, DONE)?;
    let undone = undo::undo(&journal, staged.as_ref(), ground, registry)?;
    close(folder)?;
    let why = why.map(|error| super::error::said(&error));
    Ok(Some(Recovered::Undone { note, undone: Undone { why, ..undone } }))
}

fn finish(
    folder: &Path,
    journal: &Journal,
    staged: &Staged,
    ground: &Ground,
    registry: &mut dyn Registry,
) -> Result<Settled, super::ChangeError> {
    let acted = act::act(journal, staged, ground, registry)?;
    let settled = settle::decide(journal, &acted.delayed, &acted.reboot, ground, registry)?;
    settled.write(folder)?;
    Ok(settled)
}

/// Ends a transaction whose changes stay, once whoever asked has recorded them.
pub fn forget(folder: &Path) -> Result<(), UndoError> {
    let _lock = claim(folder)?;
    if journal::is_there(folder) && !folder.join(DONE).exists() {
        let source = io::Error::other("it is not done yet");
        return Err(UndoError::State { path: folder.to_owned(), what: "forgotten", source });
    }
    close(folder)
}

/// Makes the folder where missing, and lets nobody else work in it meanwhile.
pub(super) fn claim(folder: &Path) -> Result<File, UndoError> {
    let failed = |source| UndoError::State { path: folder.to_owned(), what: "used", source };
    if !folder.exists() {
        fs::create_dir_all(folder).map_err(failed)?;
        crate::protect_folder(folder).map_err(failed)?;
        attributes::sync_folder(folder.parent().unwrap_or(folder)).map_err(failed)?;
    }
    let lock = File::create(folder.join(LOCK)).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(UndoError::Busy),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Removes the journal, and only then what belongs to it.
pub(super) fn close(folder: &Path) -> Result<(), UndoError> {
    drop_record(folder, JOURNAL)?;
    clear(folder)
}

/// Removes one record for good.
pub(super) fn drop_record(folder: &Path, name: &str) -> Result<(), UndoError> {
    remove(folder, name)
        .and_then(|()| attributes::sync_folder(folder))
        .map_err(|source| UndoError::State { path: folder.to_owned(), what: "emptied", source })
}

/// Removes records to which no journal belongs.
pub(super) fn clear(folder: &Path) -> Result<(), UndoError> {
    for name in [STAGED, DONE] {
        remove(folder, name).map_err(|source| UndoError::State {
            path: folder.to_owned(),
            what: "emptied",
            source,
        })?;
    }
    Ok(())
}

fn remove(folder: &Path, name: &str) -> io::Result<()> {
    match fs::remove_file(folder.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
