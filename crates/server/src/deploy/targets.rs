//! Who a deployment is for: names, groups, what a query chooses, everybody, or those of an earlier
//! deployment. It is decided when the deployment is made.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{Computer, ComputerId, DeploymentId, Outcome};
use store::{ComputerFilter, Page, ReadError};
use travel::Reach;
use trust::Leaf;

use super::reach::Reaches;
use crate::fleet;
use crate::hall::Hall;
use crate::ssh::WayError;

/// From so many names on, all computers are read at once.
const NAMES_FEW: usize = 100;

/// Why the targets are not clear.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("there is no {}", .0.join(", no "))]
    Unknown(Vec<String>),
    #[error("`{0}` is a computer, not a group")]
    NoGroup(String),
    #[error("`{0}` is not a set of targets (failed, not_begun, all, or an outcome)")]
    NoSet(String),
    #[error("there is no deployment {0}")]
    UnknownDeployment(String),
    #[error("the query, {0}")]
    Query(format::QueryError),
    #[error("no computer on record meets the query")]
    NoMatch,
    #[error("nobody is named: give computers, groups, a query or everybody")]
    Nobody,
    #[error("no target of that deployment is {}", .0.join(" or "))]
    NoneSuch(Vec<String>),
    #[error(transparent)]
    Way(#[from] WayError),
    #[error("none of the targets has an enrolled agent or a way over SSH{}", listed(.0))]
    NoneEnrolled(Vec<String>),
    #[error("the computers could not be read")]
    Read(#[from] ReadError),
}

fn listed(left_out: &[String]) -> String {
    let first: Vec<&str> = left_out.iter().take(5).map(String::as_str).collect();
    if first.is_empty() { String::new() } else { format!(": {}", first.join("; ")) }
}

/// The targets in the order of their ids, and who was left out and why.
#[derive(Debug)]
pub struct Found {
    pub leaves: Vec<(Leaf, Reach)>,
    pub left_out: Vec<String>,
}

pub async fn find(hall: &Hall, asked: &api::Targets) -> Result<Found, TargetError> {
    let is_named = !asked.computers.is_empty() || !asked.groups.is_empty();
    let is_chosen = asked.everybody || asked.retry_of.is_some() || asked.query.is_some();
    if !is_named && !is_chosen {
        return Err(TargetError::Nobody);
    }
    let mut finder = Finder { hall, wanted: BTreeMap::new(), unknown: Vec::new() };
    finder.computers(&asked.computers).await?;
    finder.groups(&asked.groups).await?;
    if let Some(query) = &asked.query {
        finder.query(query).await?;
    }
    if let Some(deployment) = &asked.retry_of {
        finder.retry(deployment, &asked.retry_which).await?;
    }
    let (mut wanted, unknown) = (finder.wanted, finder.unknown);
    if !unknown.is_empty() {
        return Err(TargetError::Unknown(unknown));
    }
    let agents = hall.store.agents(Page::all()).await?;
    let reaches = Reaches::read(hall, agents, asked.over_ssh).await?;
    if asked.everybody {
        wanted.extend(everybody(hall, &reaches).await?);
    }
    let mut found = Found { leaves: Vec::with_capacity(wanted.len()), left_out: Vec::new() };
    for computer in wanted.into_values() {
        match reaches.leaf(&computer) {
            Ok(leaf) => found.leaves.push(leaf),
            Err(why) => found.left_out.push(format!("{}: {why}", computer.name)),
        }
    }
    if found.leaves.is_empty() {
        if found.left_out.is_empty() && asked.retry_of.is_some() {
            let sets = Some(asked.retry_which.clone()).filter(|sets| !sets.is_empty());
            return Err(TargetError::NoneSuch(sets.unwrap_or_else(|| vec!["failed".to_owned()])));
        }
        if found.left_out.is_empty() && asked.query.is_some() {
            return Err(TargetError::NoMatch);
        }
        return Err(TargetError::NoneEnrolled(found.left_out));
    }
    Ok(found)
}

/// Whether the targets can be understood, though perhaps none of them has an agent now.
pub async fn check(hall: &Hall, asked: &api::Targets) -> Result<(), TargetError> {
    match find(hall, asked).await {
        Ok(_) | Err(TargetError::NoMatch | TargetError::NoneEnrolled(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The leaves of these computers as they are on record now.
pub async fn of(hall: &Hall, computers: BTreeSet<ComputerId>) -> Result<Found, TargetError> {
    let mut found = Found { leaves: Vec::with_capacity(computers.len()), left_out: Vec::new() };
    let rows = hall.store.computers(ComputerFilter::default(), Page::all()).await?;
    let mut rows: BTreeMap<ComputerId, Computer> =
        rows.into_iter().map(|row| (row.computer.id, row.computer)).collect();
    let agents = hall.store.agents(Page::all()).await?;
    let reaches = Reaches::read(hall, agents, false).await?;
    for id in computers {
        let Some(computer) = rows.remove(&id) else {
            found.left_out.push(format!("{id}: it is not on record any more"));
            continue;
        };
        match reaches.leaf(&computer) {
            Ok(leaf) => found.leaves.push(leaf),
            Err(why) => found.left_out.push(format!("{}: {why}", computer.name)),
        }
    }
    if found.leaves.is_empty() {
        return Err(TargetError::NoneEnrolled(found.left_out));
    }
    Ok(found)
}

/// All computers that there is a way to.
async fn everybody(
    hall: &Hall,
    reaches: &Reaches,
) -> Result<BTreeMap<ComputerId, Computer>, TargetError> {
    let reachable: BTreeSet<ComputerId> = reaches.reachable().collect();
    let filter = ComputerFilter { is_group: Some(false), ..ComputerFilter::default() };
    let rows = hall.store.computers(filter, Page::all()).await?;
    let chosen = rows.into_iter().filter(|row| reachable.contains(&row.computer.id));
    Ok(chosen.map(|row| (row.computer.id, row.computer)).collect())
}

struct Finder<'a> {
    hall: &'a Hall,
    wanted: BTreeMap<ComputerId, Computer>,
    unknown: Vec<String>,
}

impl Finder<'_> {
    fn take(&mut self, computer: Computer) {
        self.wanted.insert(computer.id, computer);
    }

    async fn computers(&mut self, names: &[String]) -> Result<(), TargetError> {
        let all = if names.len() > NAMES_FEW {
            let rows = self.hall.store.computers(ComputerFilter::default(), Page::all()).await?;
            Some(Index::of(rows.into_iter().map(|row| row.computer)))
        } else {
            None
        };
        for name in names {
            let found = match &all {
                Some(all) => all.get(name),
                None => computer(self.hall, name).await?,
            };
            match found {
                Some(group) if group.is_group => self.members(group.id).await?,
                Some(computer) => self.take(computer),
                None => self.unknown.push(format!("computer `{name}`")),
            }
        }
        Ok(())
    }

    async fn groups(&mut self, names: &[String]) -> Result<(), TargetError> {
        for name in names {
            match computer(self.hall, name).await? {
                Some(group) if group.is_group => self.members(group.id).await?,
                Some(computer) => return Err(TargetError::NoGroup(computer.name)),
                None => self.unknown.push(format!("group `{name}`")),
            }
        }
        Ok(())
    }

    async fn members(&mut self, group: ComputerId) -> Result<(), TargetError> {
        for row in self.hall.store.computers_in(group).await? {
            if !row.computer.is_group {
                self.take(row.computer);
            }
        }
        Ok(())
    }

    async fn query(&mut self, text: &str) -> Result<(), TargetError> {
        let condition = format::parse_query(text).map_err(TargetError::Query)?;
        for row in fleet::choose(self.hall, &condition).await? {
            self.take(row.computer);
        }
        Ok(())
    }

    async fn retry(&mut self, deployment: &str, which: &[String]) -> Result<(), TargetError> {
        let unknown = || TargetError::UnknownDeployment(deployment.to_owned());
        let id: DeploymentId = deployment.parse().map_err(|_| unknown())?;
        self.hall.store.deployment(id).await?.ok_or_else(unknown)?;
        let chosen = outcomes(which)?;
        for run in self.hall.store.runs_of(id).await? {
            let is_chosen = run.outcome.is_some_and(|outcome| chosen.contains(&outcome));
            if run.is_replaced || !is_chosen {
                continue;
            }
            if let Some(row) = self.hall.store.computer(run.computer).await? {
                self.take(row.computer);
            }
        }
        Ok(())
    }
}

/// The outcomes that sets of targets name; failed ones when none is named.
pub fn outcomes(which: &[String]) -> Result<BTreeSet<Outcome>, TargetError> {
    let failed = [Outcome::Failure, Outcome::Refused, Outcome::Lost, Outcome::Aborted];
    if which.is_empty() {
        return Ok(failed.into());
    }
    let mut chosen = BTreeSet::new();
    for name in which {
        match name.as_str() {
            "failed" => chosen.extend(failed),
            "all" => chosen.extend(Outcome::ALL),
            one => {
                let outcome = one.parse().map_err(|()| TargetError::NoSet(one.to_owned()))?;
                chosen.insert(outcome);
            }
        }
    }
    Ok(chosen)
}

/// A computer by id or name.
pub async fn computer(hall: &Hall, name: &str) -> Result<Option<Computer>, ReadError> {
    if let Ok(id) = name.parse::<ComputerId>()
        && let Some(row) = hall.store.computer(id).await?
    {
        return Ok(Some(row.computer));
    }
    Ok(hall.store.computer_by_name(name).await?.map(|row| row.computer))
}

/// All computers by id and by name.
struct Index {
    by_id: HashMap<ComputerId, Computer>,
    by_name: HashMap<String, ComputerId>,
}

impl Index {
    fn of(all: impl Iterator<Item = Computer>) -> Self {
        let by_id: HashMap<_, _> = all.map(|computer| (computer.id, computer)).collect();
        let by_name = by_id.values().map(|c| (c.name.to_lowercase(), c.id)).collect();
        Self { by_id, by_name }
    }

    fn get(&self, name: &str) -> Option<Computer> {
        let by_name = || self.by_name.get(&name.to_lowercase()).copied();
        let by_id = name.parse().ok().filter(|id| self.by_id.contains_key(id));
        self.by_id.get(&by_id.or_else(by_name)?).cloned()
    }
}
