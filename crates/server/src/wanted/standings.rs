//! Where an agent's applications stand, as it tells.
//!
//! What it says is text and nothing else. No agent gets more than `STANDINGS_MAX` rows kept.

use std::collections::BTreeSet;

use model::{ApplicationId, ComputerId};
use store::rows::ApplicationState;
use store::{Page, StateFilter, Write};
use wire::wanted::{STANDINGS_MAX, Standing, Standings};

use super::{TellError, short};
use crate::clock::now;
use crate::gateway::cleaned;
use crate::hall::Hall;

type Key = (ApplicationId, String);

/// Keeps where an agent's applications stand. An error is told again by the agent when it returns.
pub async fn hear_standings(
    hall: &Hall,
    computer: ComputerId,
    told: Standings,
) -> Result<(), TellError> {
    let filter = StateFilter { computer: Some(computer), application: None };
    let held = hall.store.application_states(filter, Page::all()).await?;
    let held = held.into_iter().map(|row| (row.application, row.user)).collect();
    let (writes, dropped) = judged(computer, held, told, STANDINGS_MAX);
    if dropped > 0 {
        tracing::warn!(%computer, dropped, "an agent tells of more applications than are kept");
    }
    if !writes.is_empty() {
        hall.writer.submit(writes).await?;
    }
    Ok(())
}

/// What becomes of the rows that are held, and how many that would be new find no room.
fn judged(
    computer: ComputerId,
    mut held: BTreeSet<Key>,
    told: Standings,
    rows_max: usize,
) -> (Vec<Write>, usize) {
    let mut writes = Vec::with_capacity(told.parts.len());
    let parts: Vec<(Key, Standing)> = told
        .parts
        .into_iter()
        .map(|mut part| {
            let user = cleaned(&part.user.take().unwrap_or_default());
            ((part.application, user), part)
        })
        .collect();
    if told.are_all {
        let named: BTreeSet<&Key> = parts.iter().map(|(key, _)| key).collect();
        held.retain(|key| {
            let is_told = named.contains(key);
            if !is_told {
                let (application, user) = key.clone();
                writes.push(Write::RemoveApplicationState { computer, application, user });
            }
            is_told
        });
    }
    let mut dropped = 0;
    for (key, part) in parts {
        if !held.contains(&key) && held.len() >= rows_max {
            dropped += 1;
            continue;
        }
        writes.push(Write::PutApplicationState(row(computer, key.1.clone(), &part)));
        held.insert(key);
    }
    (writes, dropped)
}

fn row(computer: ComputerId, user: String, part: &Standing) -> ApplicationState {
    ApplicationState {
        computer,
        application: part.application,
        user,
        name: short(&part.name),
        wanted: part.wanted,
        installed: part.installed,
        state: short(&part.state),
        drift: part.drift.min(i64::MAX.cast_unsigned()),
        error: short(&part.error),
        pending: short(&part.pending),
        next_attempt: part.next_attempt,
        at: now(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(are_all: bool, users: &[&str]) -> Standings {
        let part = |user: &&str| Standing {
            application: ApplicationId::from_bytes([1; 16]),
            user: Some((*user).to_owned()),
            name: String::new(),
            wanted: None,
            installed: None,
            state: "ok".into(),
            drift: 0,
            error: String::new(),
            pending: String::new(),
            next_attempt: None,
            at: now(),
        };
        Standings { are_all, parts: users.iter().map(part).collect() }
    }

    fn outcome(held: &[&str], told: Standings) -> (Vec<String>, usize) {
        let key = |user: &&str| (ApplicationId::from_bytes([1; 16]), (*user).to_owned());
        let computer = ComputerId::from_bytes([2; 16]);
        let (writes, dropped) = judged(computer, held.iter().map(key).collect(), told, 3);
        let said = |write: &Write| match write {
            Write::PutApplicationState(row) => format!("+{}", row.user),
            Write::RemoveApplicationState { user, .. } => format!("-{user}"),
            other => panic!("{other:?}"),
        };
        (writes.iter().map(said).collect(), dropped)
    }

    #[test]
    fn there_is_an_end_to_what_an_agent_may_have_kept() {
        for (held, (are_all, users), writes, dropped) in [
            (&["a", "b"][..], (true, &["b", "c"][..]), &["-a", "+b", "+c"][..], 0),
            (&["a", "b"], (false, &["c"]), &["+c"], 0),
            (&["a", "b", "c"], (false, &["d", "a", "e"]), &["+a"], 2),
            (&["a", "b", "c"], (true, &["d", "a"]), &["-b", "-c", "+d", "+a"], 0),
            (&[], (true, &["a", "b", "a", "c", "d"]), &["+a", "+b", "+a", "+c"], 1),
            (&["a"], (true, &[]), &["-a"], 0),
        ] {
            let (got, lost) = outcome(held, told(are_all, users));
            assert_eq!((got, lost), (writes.iter().map(ToString::to_string).collect(), dropped));
        }
    }
}
