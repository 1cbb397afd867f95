//! The fleet as queries see it: which computers one chooses now.

use std::collections::{BTreeMap, HashMap};

use model::ComputerId;
use model::query::{Agent, Condition, Subject};
use store::{ComputerFilter, Page, ReadError, rows};

use crate::clock::now;
use crate::hall::Hall;

/// Groups in one another are followed so far; the database holds no rings.
const GROUPS_DEEP: usize = 64;

/// The computers, without groups, that a condition holds for, by name.
pub async fn choose(hall: &Hall, condition: &Condition) -> Result<Vec<rows::Computer>, ReadError> {
    let rows = hall.store.computers(ComputerFilter::default(), Page::all()).await?;
    let agents = hall.store.agents(Page::all()).await?;
    let agents: HashMap<ComputerId, &rows::Agent> =
        agents.iter().map(|agent| (agent.computer, agent)).collect();
    let groups: BTreeMap<ComputerId, (&str, Option<ComputerId>)> = rows
        .iter()
        .filter(|row| row.computer.is_group)
        .map(|row| (row.computer.id, (row.computer.name.as_str(), row.computer.parent)))
        .collect();
    let instant = now();
    let is_meant = |row: &&rows::Computer| {
        let agent = agents.get(&row.computer.id).map(|agent| Agent {
            state: agent.state.as_str(),
            version: &agent.version,
            address: &agent.address,
            is_connected: hall.links.is_online(agent.computer),
            first_seen: agent.first_seen,
            last_seen: agent.last_seen,
        });
        let subject = Subject {
            computer: &row.computer,
            groups: above(&groups, row.computer.parent),
            agent,
            created_by: &row.created_by,
            created_at: row.created_at,
        };
        condition.holds(&subject, instant)
    };
    let machines = rows.iter().filter(|row| !row.computer.is_group);
    Ok(machines.filter(is_meant).cloned().collect())
}

/// The names of the groups above, the nearest first.
fn above<'a>(
    groups: &BTreeMap<ComputerId, (&'a str, Option<ComputerId>)>,
    parent: Option<ComputerId>,
) -> Vec<&'a str> {
    let mut names = Vec::new();
    let mut next = parent.and_then(|parent| groups.get(&parent));
    while let Some((name, parent)) = next
        && names.len() < GROUPS_DEEP
    {
        names.push(*name);
        next = parent.and_then(|parent| groups.get(&parent));
    }
    names
}
