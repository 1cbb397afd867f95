//! What the agent remembers of each application beside its record: when it looked last, what it
//! found, and whether it goes when it is wanted no longer.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use application::Part;
use model::{ApplicationId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::state::{StateFolder, write_durable};

const FILE: &str = "keeper.json";

#[derive(Debug)]
pub(crate) struct Notes {
    path: PathBuf,
    kept: Kept,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// Applications that go when they are wanted no longer, by id.
    #[serde(default)]
    goes: BTreeSet<String>,
    /// By id, a blank, and the user.
    #[serde(default)]
    looked: BTreeMap<String, Looked>,
    /// Versions that their users were asked about, as `id version`.
    #[serde(default)]
    asked: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Looked {
    at_ms: i64,
    pub(crate) drift: u32,
}

impl Looked {
    pub(crate) fn at(self) -> Timestamp {
        Timestamp::from_millis(self.at_ms)
    }
}

fn key(id: ApplicationId, part: &Part) -> String {
    match part {
        Part::Machine => format!("{id} "),
        Part::User(user) => format!("{id} {user}"),
    }
}

impl Notes {
    /// Damaged ones are begun anew: then everything is looked at once more, and nothing goes until
    /// it is wanted again.
    pub(crate) fn open(folder: &StateFolder) -> Self {
        let path = folder.file(FILE);
        let kept = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::error!("{} is damaged and begun anew: {error}", path.display());
                Kept::default()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(error) => {
                tracing::error!("{} cannot be read: {error}", path.display());
                Kept::default()
            }
        };
        Self { path, kept }
    }

    pub(crate) fn looked(&self, id: ApplicationId, part: &Part) -> Option<Looked> {
        self.kept.looked.get(&key(id, part)).copied()
    }

    pub(crate) fn goes(&self, id: ApplicationId) -> bool {
        self.kept.goes.contains(&id.to_string())
    }

    pub(crate) fn was_asked(&self, id: ApplicationId, version: u16) -> bool {
        self.kept.asked.contains(&format!("{id} {version}"))
    }

    pub(crate) fn note_asked(&mut self, id: ApplicationId, version: u16) {
        self.kept.asked.insert(format!("{id} {version}"));
        self.write();
    }

    pub(crate) fn note_looked(
        &mut self,
        id: ApplicationId,
        part: &Part,
        at: Timestamp,
        drift: u32,
    ) {
        let at_ms = at.as_millis();
        self.kept.looked.insert(key(id, part), Looked { at_ms, drift });
        self.write();
    }

    /// Whether an application that is wanted now goes when it is wanted no longer.
    pub(crate) fn note_goes(&mut self, id: ApplicationId, goes: bool) {
        let id = id.to_string();
        let is_new = if goes { self.kept.goes.insert(id) } else { self.kept.goes.remove(&id) };
        if is_new {
            self.write();
        }
    }

    pub(crate) fn forget(&mut self, id: ApplicationId, part: &Part) {
        self.kept.looked.remove(&key(id, part));
        self.write();
    }

    /// What cannot be kept is learned anew after a restart.
    fn write(&self) {
        let written = serde_json::to_vec_pretty(&self.kept)
            .map_err(io::Error::other)
            .and_then(|bytes| write_durable(&self.path, &bytes));
        if let Err(error) = written {
            tracing::error!("{} cannot be written: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_outlive_the_agent() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = StateFolder::at(temporary.path());
        let (id, user) = (ApplicationId::from_bytes([1; 16]), Part::User("ada".into()));
        let mut notes = Notes::open(&folder);
        notes.note_goes(id, true);
        notes.note_asked(id, 3);
        notes.note_looked(id, &user, Timestamp::from_millis(7), 2);
        notes.note_looked(id, &Part::Machine, Timestamp::from_millis(8), 0);
        notes.forget(id, &Part::Machine);
        let mut notes = Notes::open(&folder);
        let looked = notes.looked(id, &user).unwrap();
        assert_eq!((looked.at(), looked.drift), (Timestamp::from_millis(7), 2));
        assert!(notes.looked(id, &Part::Machine).is_none());
        assert!(notes.goes(id) && notes.was_asked(id, 3) && !notes.was_asked(id, 4));
        notes.note_goes(id, false);
        assert!(!Notes::open(&folder).goes(id));
    }

    #[test]
    fn damaged_notes_are_begun_anew() {
        let temporary = tempfile::tempdir().unwrap();
        std::fs::write(temporary.path().join(FILE), b"{broken").unwrap();
        let notes = Notes::open(&StateFolder::at(temporary.path()));
        assert!(!notes.goes(ApplicationId::from_bytes([1; 16])));
    }
}
