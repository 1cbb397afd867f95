//! What survives a pretended agent.

use std::collections::{BTreeMap, BTreeSet};

use application::Part;
use application::keeper::{ASK_AGAIN, Held, Keeper, Known, Restart};
use model::{ApplicationId, Digest, Timestamp};
use trust::WantedSet;

pub type Place = (ApplicationId, Part);

#[derive(Debug, Clone, Default)]
pub struct Disk {
    pub set: Option<(u64, WantedSet)>,
    pub records: BTreeMap<Place, u16>,
    pub notes: Notes,
    /// Documents and files that are here.
    pub stock: BTreeSet<Digest>,
    /// What needs a restart, and the start of the machine in which it came to need it.
    pub restarts: (u64, BTreeMap<ApplicationId, Restart>),
    /// Made to last, not yet on record: the next start writes it.
    pub doing: Option<Change>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Notes {
    pub goes: BTreeSet<Place>,
    looked: BTreeMap<Place, (Timestamp, u32)>,
    put_off: Option<Timestamp>,
}

/// What becomes of a part when an order is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub place: Place,
    /// None when it is taken away.
    pub version: Option<u16>,
    pub restart: Option<Restart>,
}

/// How a part stands, as a server hears it.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub place: Place,
    pub wanted: Option<u16>,
    pub installed: Option<u16>,
    pub drift: u32,
    pub is_in_place: bool,
    pub restart_pending: bool,
    pub pending: String,
}

impl Disk {
    pub fn serial(&self) -> u64 {
        self.set.as_ref().map_or(0, |(serial, _)| *serial)
    }

    pub fn record(&mut self, change: Change, boot: u64) {
        let Change { place, version, restart } = change;
        let application = place.0;
        match version {
            Some(version) => drop(self.records.insert(place, version)),
            None => drop(self.records.remove(&place)),
        }
        if let Some(restart) = restart {
            if self.restarts.0 != boot {
                self.restarts = (boot, BTreeMap::new());
            }
            let known = self.restarts.1.entry(application).or_insert(restart);
            *known = restart.max(*known);
        }
    }

    /// Those since this start of the machine.
    pub fn restarts(&self, boot: u64) -> BTreeMap<ApplicationId, Restart> {
        if self.restarts.0 == boot { self.restarts.1.clone() } else { BTreeMap::new() }
    }

    /// What an agent knows that starts now.
    pub fn known(&self, boot: u64, users: BTreeSet<String>, now: Timestamp) -> Known {
        let held = self.records.iter().map(|(place, version)| {
            let looked = self.notes.looked.get(place).copied();
            let (verified_at, drift) = looked.unwrap_or((Timestamp::EPOCH, 0));
            Held {
                application: place.0,
                part: place.1.clone(),
                version: *version,
                verified_at,
                drift,
                uninstall_when_unassociated: self.notes.goes.contains(place),
            }
        });
        let put_off = self.notes.put_off;
        Known {
            held: held.collect(),
            users,
            restarts: self.restarts(boot),
            restart_put_off: put_off.filter(|until| now < *until && *until <= now + ASK_AGAIN),
        }
    }
}

impl Notes {
    pub fn of(engine: &Keeper) -> Self {
        let looked = engine
            .held()
            .map(|held| ((held.application, held.part.clone()), (held.verified_at, held.drift)));
        Self {
            goes: engine.going().map(|(id, part)| (id, part.clone())).collect(),
            looked: looked.collect(),
            put_off: engine.restart_put_off(),
        }
    }
}
