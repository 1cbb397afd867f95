//! What the agent remembers of each application beside its record: when it looked last, what it
//! found, whether it goes when it is wanted no longer, and what its users said when asked.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use application::Part;
use application::keeper::{ASK_AGAIN, Keeper};
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
    /// Parts that go when they are wanted no longer, by id, a blank, and the user.
    #[serde(default)]
    goes: BTreeSet<String>,
    /// By id, a blank, and the user.
    #[serde(default)]
    looked: BTreeMap<String, Looked>,
    /// Until when nobody is asked for a restart.
    #[serde(default)]
    restart_put_off: Option<i64>,
    /// What users let be installed, as `id version`.
    #[serde(default)]
    agreed: BTreeSet<String>,
    /// What they declined, and when.
    #[serde(default)]
    declined: BTreeMap<String, i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

    pub(crate) fn goes(&self, id: ApplicationId, part: &Part) -> bool {
        self.kept.goes.contains(&key(id, part))
    }

    /// Never longer than it was put off for, whatever becomes of the clock.
    pub(crate) fn restart_put_off(&self, now: Timestamp) -> Option<Timestamp> {
        let until = self.kept.restart_put_off.map(Timestamp::from_millis)?;
        (now < until && until <= now + ASK_AGAIN).then_some(until)
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

    /// When what is here was looked at, what goes when it is wanted no longer, and until when a
    /// restart is put off.
    pub(crate) fn note(&mut self, engine: &Keeper) {
        let goes: BTreeSet<String> = engine.going().map(|(id, part)| key(id, part)).collect();
        let looked = engine.held().map(|held| {
            let seen = Looked { at_ms: held.verified_at.as_millis(), drift: held.drift };
            (key(held.application, &held.part), seen)
        });
        let looked: BTreeMap<String, Looked> = looked.collect();
        let put_off = engine.restart_put_off().map(Timestamp::as_millis);
        let Kept { goes: known, looked: seen, restart_put_off, .. } = &mut self.kept;
        if (&goes, &looked, put_off) != (&*known, &*seen, *restart_put_off) {
            (*known, *seen, *restart_put_off) = (goes, looked, put_off);
            self.write();
        }
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
    use application::keeper::{Held, Known, Restart};
    use jiff::tz::TimeZone;
    use model::ComputerId;

    use super::*;

    #[test]
    fn notes_outlive_the_agent() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = StateFolder::at(temporary.path());
        let (id, user) = (ApplicationId::from_bytes([1; 16]), Part::User("ada".into()));
        let mut notes = Notes::open(&folder);
        let held = |part: Part, at_ms, drift| Held {
            application: id,
            uninstall_when_unassociated: part != Part::Machine,
            part,
            version: 1,
            verified_at: Timestamp::from_millis(at_ms),
            drift,
        };
        let at = Timestamp::from_millis(1_000);
        notes.note_said(id, 3, Said::No, at);
        notes.note_said(id, 4, Said::Yes, at);
        let (of_user, of_machine) = (held(user.clone(), 7, 2), held(Part::Machine, 8, 0));
        let engine = |held: &[&Held], restart_put_off| {
            let held = held.iter().map(|held| (*held).clone()).collect();
            let restarts = [(id, Restart::Awaited)].into();
            let known = Known { held, restarts, restart_put_off, ..Known::default() };
            Keeper::open(ComputerId::from_bytes([9; 16]), TimeZone::UTC, known)
        };
        notes.note(&engine(&[&of_user, &of_machine], Some(at + ASK_AGAIN)));
        let mut notes = Notes::open(&folder);
        let looked = notes.looked(id, &user).unwrap();
        assert_eq!((looked.at(), looked.drift), (Timestamp::from_millis(7), 2));
        assert_eq!(notes.looked(id, &Part::Machine).unwrap().drift, 0);
        assert!(notes.goes(id, &user) && !notes.goes(id, &Part::Machine));
        assert_eq!(notes.restart_put_off(at), Some(at + ASK_AGAIN));
        assert_eq!(notes.restart_put_off(at + ASK_AGAIN), None, "that is over");
        assert_eq!(notes.restart_put_off(Timestamp::EPOCH), None, "the clock went back");
        let said = [(3, at), (3, at + ASK_AGAIN), (4, at + ASK_AGAIN), (5, at)];
        let said = said.map(|(version, now)| notes.said(id, version, now));
        assert_eq!(said, [Said::No, Said::Nothing, Said::Yes, Said::Nothing]);
        notes.note_said(id, 3, Said::Yes, at);
        assert_eq!(notes.said(id, 3, at), Said::Yes);
        notes.note(&engine(&[&of_machine], None));
        let notes = Notes::open(&folder);
        assert!(!notes.goes(id, &user) && notes.looked(id, &user).is_none());
    }

    #[test]
    fn damaged_notes_are_begun_anew() {
        let temporary = tempfile::tempdir().unwrap();
        std::fs::write(temporary.path().join(FILE), b"{broken").unwrap();
        let notes = Notes::open(&StateFolder::at(temporary.path()));
        assert!(!notes.goes(ApplicationId::from_bytes([1; 16]), &Part::Machine));
    }
}
