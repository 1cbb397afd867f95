//! What `deskhand-agent status` tells, read from the state folder beside a running agent.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use model::Timestamp;
use serde::Serialize;
use travel::Kept;
use workflow::{Context, Phase, Place, Run, Why};

use crate::note::LinkNote;
use crate::state::{Identity, IdentityError, StateFolder, read_runs};

#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("{} cannot be read: {source}", .path.display())]
    Runs { path: PathBuf, source: io::Error },
}

/// An agent as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    pub computer: String,
    pub name: String,
    pub version: &'static str,
    /// The fingerprint of its signing key.
    pub key: String,
    pub servers: Vec<String>,
    /// Whether an agent runs with this state folder.
    pub running: bool,
    pub connected: bool,
    /// The server spoken to last.
    pub server: Option<String>,
    /// Since when it is connected or not, in milliseconds since 1970.
    pub since_ms: Option<i64>,
    pub error: Option<String>,
    pub runs: Vec<HeldRun>,
}

/// A run that is kept here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldRun {
    pub run: String,
    pub deployment: Option<String>,
    pub workflow: Option<String>,
    /// Names of the activities in progress.
    pub activities: Vec<String>,
    /// What it is doing or waiting for, in a sentence.
    pub why: String,
}

/// Looks at a state folder; changes nothing.
pub fn read(folder: &StateFolder) -> Result<Status, StatusError> {
    let identity = Identity::load(folder)?;
    let running = folder.is_in_use();
    let note = LinkNote::read(&folder.file("status.json"));
    let kept = read_runs(folder.path())
        .map_err(|source| StatusError::Runs { path: folder.path().to_owned(), source })?;
    let runs = kept.into_iter().map(|kept| match kept {
        Ok(kept) => held(kept),
        Err((run, why)) => broken(run.to_string(), &why),
    });
    Ok(Status {
        computer: identity.computer.to_string(),
        name: identity.name,
        version: crate::VERSION,
        key: identity.signing.verifying_key().fingerprint().to_string(),
        servers: identity.servers,
        running,
        connected: running && note.as_ref().is_some_and(|note| note.connected),
        server: note.as_ref().and_then(|note| note.server.clone()),
        since_ms: note.as_ref().map(|note| note.since_ms),
        error: note.and_then(|note| note.error).filter(|_| running),
        runs: runs.collect(),
    })
}

fn broken(run: String, why: &str) -> HeldRun {
    let why = format!("cannot be read: {why}");
    HeldRun { run, deployment: None, workflow: None, activities: Vec::new(), why }
}

fn held(kept: Kept) -> HeldRun {
    let Kept { package, journal } = kept;
    let id = package.run.to_string();
    let workflow = match wire::definition::decode(&package.definition) {
        Ok(workflow) => Arc::new(workflow),
        Err(error) => return broken(id, &error.to_string()),
    };
    let name = workflow.name.clone();
    let opened =
        Run::open(package.run, Place::Target, workflow, Context::default(), journal.records);
    let run = match opened {
        Ok(run) => run,
        Err(error) => return broken(id, &error.to_string()),
    };
    let in_progress = run.state().in_progress().values();
    HeldRun {
        run: id,
        deployment: Some(package.deployment.to_string()),
        workflow: Some(name),
        activities: in_progress.map(|progress| progress.activity.to_string()).collect(),
        why: why(&run),
    }
}

fn why(run: &Run) -> String {
    let state = run.state();
    if let Some((outcome, _)) = state.outcome() {
        return format!("ended ({outcome}); the server has not confirmed it yet");
    }
    if let Phase::Concluding { outcome, .. } = state.phase() {
        return format!("ends ({outcome}) once what is in progress has been ended");
    }
    let working: Vec<String> = state
        .in_progress()
        .values()
        .filter(|progress| progress.until.is_none())
        .map(|progress| format!("{} since {}", progress.activity, instant(progress.began)))
        .collect();
    let mut parts = Vec::new();
    if !working.is_empty() {
        parts.push(format!("in progress: {}", working.join(", ")));
    }
    match run.poll_timeout() {
        Some((at, Why::Wait { activity })) => {
            parts.push(format!("{activity} waits until {}", instant(at)));
        }
        Some((at, Why::Timeout { activity })) => {
            parts.push(format!("{activity} is ended at {}", instant(at)));
        }
        Some((at, Why::Retry)) => parts.push(format!("begins again at {}", instant(at))),
        Some((_, Why::Reopened)) | None => {}
    }
    if state.is_suspended() {
        parts.push("suspended by order".into());
    }
    if parts.is_empty() { "nothing is in progress".into() } else { parts.join("; ") }
}

/// `2026-03-04 05:06:07 UTC`, by the civil calendar (days from 1970, H. Hinnant's algorithm).
pub fn instant(at: Timestamp) -> String {
    let seconds = at.as_millis().div_euclid(1_000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_for_people() {
        for (millis, expect) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400_000, "2000-02-29 00:00:00 UTC"),
            (1_767_225_599_999, "2025-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(instant(Timestamp::from_millis(millis)), expect);
        }
    }
}
