//! The pretended server: what people associate, what that means for each machine, and the statement
//! that is signed over it.
//!
//! What is committed survives its death; a rolled-back database is one of some time ago.

use std::collections::{BTreeMap, BTreeSet};

use model::{ApplicationId, ComputerId, Span, Timestamp};
use trust::{
    KeyId, SigningKey, TargetTree, VerifyingKey, Wanted, WantedApplication, WantedLeaf,
    WantedPresented, WantedSet,
};

use super::catalogue::{Catalogue, id};
use super::disk::Told;

/// Whom an association is to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assigned {
    Machine(usize),
    User(&'static str),
}

#[derive(Debug, Clone)]
pub struct Association {
    /// None: as the document says.
    pub uninstall: Option<bool>,
    pub verify_every: Option<Span>,
    pub repair: bool,
}

/// What is committed.
#[derive(Debug, Clone, Default)]
pub struct Database {
    /// The latest version that is published.
    pub published: BTreeMap<ApplicationId, u16>,
    pub associations: BTreeMap<(ApplicationId, Assigned), Association>,
    pub rows: BTreeMap<usize, Row>,
    pub standings: BTreeMap<usize, Vec<Told>>,
}

/// What a machine was told last.
#[derive(Debug, Clone)]
pub struct Row {
    pub serial: u64,
    pub set: WantedSet,
    pub presented: WantedPresented,
    /// The machine said that it goes by it.
    pub is_taken: bool,
}

pub struct Server {
    pub database: Database,
    /// Of some time ago.
    pub backup: Database,
    pub is_up: bool,
    /// The links it believes in.
    pub sessions: BTreeMap<usize, u64>,
    /// What machines said that they go by, since its start.
    pub heard: BTreeMap<usize, u64>,
    key: SigningKey,
}

/// A machine as the server knows it.
pub type Address = (ComputerId, VerifyingKey);

impl Server {
    pub fn new(key: SigningKey) -> Self {
        Self {
            database: Database::default(),
            backup: Database::default(),
            is_up: true,
            sessions: BTreeMap::new(),
            heard: BTreeMap::new(),
            key,
        }
    }

    /// What a machine is to have by now.
    pub fn set(&self, catalogue: Catalogue, machine: usize) -> WantedSet {
        let Database { published, associations, .. } = &self.database;
        let mut claims: BTreeMap<ApplicationId, Claim> = BTreeMap::new();
        for ((application, to), association) in associations {
            let users = match to {
                Assigned::Machine(of) if *of == machine => None,
                Assigned::Machine(_) => continue,
                Assigned::User(name) => Some(BTreeSet::from([(*name).to_owned()])),
            };
            let claim = Claim { users, association: association.clone() };
            add(&mut claims, *application, claim);
        }
        // Those that need something stand behind it in number.
        for n in (1..=super::catalogue::APPLICATIONS).rev() {
            let Some((claim, version)) = claims.get(&id(n)).cloned().zip(published.get(&id(n)))
            else {
                continue;
            };
            for need in catalogue.document(id(n), *version).needs {
                let association = Association { uninstall: None, ..claim.association.clone() };
                add(&mut claims, need.application, Claim { association, ..claim.clone() });
            }
        }
        let wanted = claims.into_iter().filter_map(|(application, claim)| {
            let version = *published.get(&application)?;
            let document = catalogue.document(application, version);
            let Association { uninstall, verify_every, repair } = claim.association;
            Some(WantedApplication {
                application,
                name: format!("Application {}", application.as_bytes()[0]),
                revision: version.into(),
                version,
                document: Catalogue::digest(application, version),
                source: None,
                users: claim.users.map(|users| users.into_iter().collect()),
                uninstall: uninstall.unwrap_or(document.uninstall),
                verify_every,
                repair,
            })
        });
        WantedSet { applications: wanted.collect() }
    }

    /// Commits a statement over all machines for which something changed; answers which these are.
    pub fn tell(&mut self, catalogue: Catalogue, fleet: &[Address], now: Timestamp) -> Vec<usize> {
        let mut changed = Vec::new();
        for (machine, (computer, key)) in fleet.iter().enumerate() {
            let set = self.set(catalogue, machine);
            let heard = self.heard.get(&machine).copied().unwrap_or(0);
            let is_same = match self.database.rows.get(&machine) {
                Some(row) => row.set == set && row.serial >= heard,
                None => set.applications.is_empty() && heard == 0,
            };
            if !is_same {
                let leaf = WantedLeaf { computer: *computer, key: *key, set: set.digest() };
                changed.push((machine, leaf, set));
            }
        }
        let digests = changed.iter().map(|(_, leaf, _)| leaf.digest()).collect();
        let Ok(tree) = TargetTree::new(digests) else { return Vec::new() };
        let last = self.database.rows.values().map(|row| row.serial);
        let last = last.chain(self.heard.values().copied()).max().unwrap_or(0);
        let serial = now.as_millis().cast_unsigned().max(last + 1);
        let statement = Wanted {
            serial,
            issued_at: now,
            targets_root: tree.root(),
            targets_count: tree.count(),
            key: KeyId::from_bytes([0; 16]),
        };
        let envelope = statement.sign(&self.key).encode();
        let mut told = Vec::new();
        for (index, (machine, leaf, set)) in (0_u32..).zip(changed) {
            let proof = tree.proof(index).map(|proof| proof.encode()).unwrap_or_default();
            let presented = WantedPresented {
                envelope: envelope.clone(),
                leaf: leaf.encode(),
                proof,
                set: set.encode(),
            };
            self.database.rows.insert(machine, Row { serial, set, presented, is_taken: false });
            told.push(machine);
        }
        told
    }
}

#[derive(Debug, Clone)]
struct Claim {
    users: Option<BTreeSet<String>>,
    association: Association,
}

/// The first says how; whoever either is for is meant.
fn add(claims: &mut BTreeMap<ApplicationId, Claim>, application: ApplicationId, claim: Claim) {
    let Some(known) = claims.get_mut(&application) else {
        return drop(claims.insert(application, claim));
    };
    known.users = match (known.users.take(), claim.users) {
        (Some(some), Some(others)) => Some(some.union(&others).cloned().collect()),
        _ => None,
    };
}
