//! From associations to sets. Reads nothing and decides everything: who is meant by a group or a
//! query is asked of the [`Fleet`] as it was read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use application::{Application, Unassociated};
use model::{ApplicationId, ComputerId, Span};
use store::rows::{self, Assigned, Association};
use trust::{WantedApplication, WantedSet};

use crate::fleet::Fleet;

/// An application in its latest revision.
#[derive(Debug, Clone)]
pub struct Publication {
    pub row: rows::Application,
    /// None where this version cannot read it any more; it stays wanted as it was published.
    pub document: Option<Arc<Application>>,
}

impl Publication {
    fn dependencies(&self) -> impl Iterator<Item = ApplicationId> {
        let needed = self.document.iter().flat_map(|document| &document.dependencies);
        needed.map(|needed| needed.application)
    }
}

/// How one machine is to have one application.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    priority: u32,
    /// Of whoever logs on when none.
    users: Option<BTreeSet<String>>,
    uninstall: Option<bool>,
    verify_every: Option<Span>,
    repair: bool,
}

impl Claim {
    fn of(association: &Association) -> Self {
        let users = match &association.to {
            Assigned::User(name) => Some(BTreeSet::from([name.clone()])),
            _ => None,
        };
        Self {
            priority: association.priority,
            users,
            uninstall: association.uninstall,
            verify_every: association.verify_every,
            repair: association.repair,
        }
    }

    /// Both are meant: the one that comes first says how, and whoever either is for is meant.
    fn with(self, other: Self) -> Self {
        let users = match (&self.users, &other.users) {
            (Some(some), Some(others)) => Some(some.union(others).cloned().collect()),
            _ => None,
        };
        let first = if other.priority < self.priority { other } else { self };
        Self { users, ..first }
    }

    /// What this one needs is wanted as it is; whether it goes is for its own document to say.
    fn of_dependency(&self) -> Self {
        Self { uninstall: None, ..self.clone() }
    }
}

type Claims = BTreeMap<ApplicationId, Claim>;

/// What machines are to have; those that are to have nothing are not among them.
pub fn sets(
    fleet: &Fleet,
    associations: &[Association],
    publications: &BTreeMap<ApplicationId, Publication>,
) -> BTreeMap<ComputerId, WantedSet> {
    let mut claims: BTreeMap<ComputerId, Claims> = BTreeMap::new();
    for association in associations {
        if !publications.contains_key(&association.application) {
            continue;
        }
        for computer in meant(fleet, &association.to) {
            let claims = claims.entry(computer).or_default();
            add(claims, association.application, Claim::of(association));
        }
    }
    let sets = claims.into_iter().map(|(computer, mut claims)| {
        add_dependencies(&mut claims, publications);
        (computer, set(claims, publications))
    });
    sets.collect()
}

/// A query that makes no sense any more chooses nobody.
fn meant(fleet: &Fleet, to: &Assigned) -> Vec<ComputerId> {
    match to {
        Assigned::Computer(id) => vec![*id],
        Assigned::Group(id) => fleet.in_group(*id),
        Assigned::Query(text) => match format::parse_query(text) {
            Ok(condition) => fleet.choose(&condition).map(|row| row.computer.id).collect(),
            Err(_) => Vec::new(),
        },
        Assigned::User(_) => fleet.agents().map(|agent| agent.computer).collect(),
    }
}

fn add(claims: &mut Claims, application: ApplicationId, claim: Claim) {
    let claim = match claims.remove(&application) {
        Some(other) => other.with(claim),
        None => claim,
    };
    claims.insert(application, claim);
}

fn add_dependencies(claims: &mut Claims, publications: &BTreeMap<ApplicationId, Publication>) {
    let mut pending: Vec<ApplicationId> = claims.keys().copied().collect();
    while let Some(id) = pending.pop() {
        let Some((publication, claim)) = publications.get(&id).zip(claims.get(&id).cloned()) else {
            continue;
        };
        for needed in publication.dependencies() {
            if !publications.contains_key(&needed) {
                continue;
            }
            let before = claims.get(&needed).cloned();
            add(claims, needed, claim.of_dependency());
            // It grows in users and rises in order only, so this comes to an end.
            if claims.get(&needed) != before.as_ref() {
                pending.push(needed);
            }
        }
    }
}

fn set(claims: Claims, publications: &BTreeMap<ApplicationId, Publication>) -> WantedSet {
    let mut wanted: Vec<(u32, WantedApplication)> = claims
        .into_iter()
        .filter_map(|(id, claim)| {
            let Publication { row, document } = publications.get(&id)?;
            let goes = document.as_ref().is_some_and(|document| {
                document.uninstall.when_unassociated == Unassociated::Uninstall
            });
            let wanted = WantedApplication {
                application: id,
                name: row.name.clone(),
                revision: row.revision,
                version: row.version,
                document: row.digest,
                source: row.source,
                users: claim.users.map(|users| users.into_iter().collect()),
                uninstall: claim.uninstall.unwrap_or(goes),
                verify_every: claim.verify_every,
                repair: claim.repair,
            };
            Some((claim.priority, wanted))
        })
        .collect();
    wanted.sort_by(|(a, one), (b, other)| (a, &one.name).cmp(&(b, &other.name)));
    WantedSet { applications: wanted.into_iter().map(|(_, wanted)| wanted).collect() }
}

#[cfg(test)]
mod tests;
