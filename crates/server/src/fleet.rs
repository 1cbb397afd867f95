//! The fleet as queries see it: which computers one chooses now.

use std::collections::{BTreeMap, HashMap};

use model::query::{Agent, Condition, Subject};
use model::{ComputerId, Timestamp};
use store::{ComputerFilter, Page, ReadError, rows};

use crate::clock::now;
use crate::hall::Hall;

/// Groups in one another are followed so far; the database holds no rings.
const GROUPS_DEEP: usize = 64;

type Groups = BTreeMap<ComputerId, (String, Option<ComputerId>)>;

/// All computers and agents on record, as they were read at one instant.
pub struct Fleet {
    rows: Vec<rows::Computer>,
    agents: HashMap<ComputerId, (rows::Agent, bool)>,
    /// Names of groups, and the groups that they are in.
    groups: Groups,
    at: Timestamp,
}

impl Fleet {
    pub async fn read(hall: &Hall) -> Result<Self, ReadError> {
        let rows = hall.store.computers(ComputerFilter::default(), Page::all()).await?;
        let agents = hall.store.agents(Page::all()).await?;
        let known = |agent: rows::Agent| {
            let is_connected = hall.links.is_online(agent.computer);
            (agent.computer, (agent, is_connected))
        };
        let (groups, agents) = (groups(&rows), agents.into_iter().map(known).collect());
        Ok(Self { rows, agents, groups, at: now() })
    }

    #[cfg(test)]
    pub fn of(rows: Vec<rows::Computer>, agents: Vec<rows::Agent>) -> Self {
        let agents = agents.into_iter().map(|agent| (agent.computer, (agent, true)));
        let groups = groups(&rows);
        Self { rows, agents: agents.collect(), groups, at: Timestamp::EPOCH }
    }

    pub fn agents(&self) -> impl Iterator<Item = &rows::Agent> {
        self.agents.values().map(|(agent, _)| agent)
    }

    /// The computers, without groups, in a group and all below it.
    pub fn in_group(&self, group: ComputerId) -> Vec<ComputerId> {
        let is_in = |row: &&rows::Computer| {
            let mut parent = row.computer.parent;
            for _ in 0..GROUPS_DEEP {
                match parent {
                    Some(id) if id == group => return true,
                    Some(id) => parent = self.groups.get(&id).and_then(|(_, parent)| *parent),
                    None => return false,
                }
            }
            false
        };
        let machines = self.rows.iter().filter(|row| !row.computer.is_group);
        machines.filter(is_in).map(|row| row.computer.id).collect()
    }

    /// The computers, without groups, that a condition holds for, by name.
    pub fn choose(&self, condition: &Condition) -> impl Iterator<Item = &rows::Computer> {
        let is_meant = move |row: &&rows::Computer| {
            let agent = self.agents.get(&row.computer.id).map(|(agent, is_connected)| Agent {
                state: agent.state.as_str(),
                version: &agent.version,
                address: &agent.address,
                is_connected: *is_connected,
                first_seen: agent.first_seen,
                last_seen: agent.last_seen,
            });
            let subject = Subject {
                computer: &row.computer,
                groups: above(&self.groups, row.computer.parent),
                agent,
                created_by: &row.created_by,
                created_at: row.created_at,
            };
            condition.holds(&subject, self.at)
        };
        let machines = self.rows.iter().filter(|row| !row.computer.is_group);
        machines.filter(is_meant)
    }
}

/// The computers, without groups, that a condition holds for now, by name.
pub async fn choose(hall: &Hall, condition: &Condition) -> Result<Vec<rows::Computer>, ReadError> {
    let fleet = Fleet::read(hall).await?;
    Ok(fleet.choose(condition).cloned().collect())
}

fn groups(rows: &[rows::Computer]) -> Groups {
    let groups = rows.iter().map(|row| &row.computer).filter(|computer| computer.is_group);
    groups.map(|group| (group.id, (group.name.clone(), group.parent))).collect()
}

/// The names of the groups above, the nearest first.
fn above(groups: &Groups, parent: Option<ComputerId>) -> Vec<&str> {
    let mut names = Vec::new();
    let mut next = parent.and_then(|parent| groups.get(&parent));
    while let Some((name, parent)) = next
        && names.len() < GROUPS_DEEP
    {
        names.push(name.as_str());
        next = parent.and_then(|parent| groups.get(&parent));
    }
    names
}
