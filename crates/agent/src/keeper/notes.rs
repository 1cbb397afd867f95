//! What the agent remembers of each application beside its record: when it looked last, what it
//! found, whether it goes when it is wanted no longer, and what its users said when asked.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use application::Part;
use application::keeper::ASK_AGAIN;
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
    /// What users let be installed, as `id version`.
    #[serde(default)]
    agreed: BTreeSet<String>,
    /// What they declined, and when.
    #[serde(default)]
    declined: BTreeMap<String, i64>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Looked {
    at_ms: i64,
    pub(crate) drift: u32,
}

/// What users say when they are asked whether an application may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Yes,
    No,
    Nothing,
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

fn said_key(id: ApplicationId, version: u16) -> String {
    format!("{id} {version}")
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

    /// What was said when it was asked for, as far as that still counts.
    pub(crate) fn said(&self, id: ApplicationId, version: u16, now: Timestamp) -> Said {
        let key = said_key(id, version);
        if self.kept.agreed.contains(&key) {
            return Said::Yes;
        }
        let declined = self.kept.declined.get(&key).map(|at_ms| Timestamp::from_millis(*at_ms));
        if declined.is_some_and(|at| at <= now && now < at + ASK_AGAIN) {
            return Said::No;
        }
        Said::Nothing
    }

    pub(crate) fn note_said(&mut self, id: ApplicationId, version: u16, said: Said, at: Timestamp) {
        let key = said_key(id, version);
        self.kept.declined.remove(&key);
        match said {
            Said::Yes => drop(self.kept.agreed.insert(key)),
            Said::No => drop(self.kept.declined.insert(key, at.as_millis())),
            Said::Nothing => {}
        }
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
        let at = Timestamp::from_millis(1_000);
        notes.note_said(id, 3, Said::No, at);
        notes.note_said(id, 4, Said::Yes, at);
        notes.note_looked(id, &user, Timestamp::from_millis(7), 2);
        notes.note_looked(id, &Part::Machine, Timestamp::from_millis(8), 0);
        notes.forget(id, &Part::Machine);
        let mut notes = Notes::open(&folder);
        let looked = notes.looked(id, &user).unwrap();
        assert_eq!((looked.at(), looked.drift), (Timestamp::from_millis(7), 2));
        assert!(notes.looked(id, &Part::Machine).is_none());
        assert!(notes.goes(id));
        let said = [(3, at), (3, at + ASK_AGAIN), (4, at + ASK_AGAIN), (5, at)];
        let said = said.map(|(version, now)| notes.said(id, version, now));
        assert_eq!(said, [Said::No, Said::Nothing, Said::Yes, Said::Nothing]);
        notes.note_said(id, 3, Said::Yes, at);
        assert_eq!(notes.said(id, 3, at), Said::Yes);
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
