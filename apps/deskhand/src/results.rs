//! What a deployment came to: for scripts, and as the table that people read.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;
use api::Run;
use client::Client;
use serde::Serialize;

use crate::output::{self, Cell, Table};
use crate::trouble::FAILED;

/// `deploy --follow --json` and `demo --json`.
#[derive(Debug, Serialize)]
pub struct Results {
    pub deployment: String,
    pub targets: usize,
    pub succeeded: usize,
    pub failed: usize,
    pub other: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    pub runs: Vec<RunResult>,
}

#[derive(Debug, Serialize)]
pub struct RunResult {
    pub computer: String,
    /// Null while the run goes on.
    pub outcome: Option<String>,
    pub reason: Option<String>,
    pub path: Vec<StepResult>,
}

/// Times are milliseconds since 1970 UTC.
#[derive(Debug, Serialize)]
pub struct StepResult {
    pub activity: String,
    pub event: Option<String>,
    pub begin: i64,
    pub end: Option<i64>,
}

/// Reads the paths of all runs.
pub async fn collect(client: &Client, deployment: &str, runs: &[Run]) -> Result<Results> {
    let told = client.paths(deployment).await?;
    let mut paths: BTreeMap<String, Vec<api::Step>> =
        told.into_iter().map(|told| (told.run, told.path)).collect();
    let results = runs.iter().map(|run| RunResult {
        computer: run.computer.clone(),
        outcome: run.outcome.clone(),
        reason: run.reason.clone(),
        path: paths.remove(&run.id).unwrap_or_default().into_iter().map(step).collect(),
    });
    let with = |outcome| runs.iter().filter(|run| run.outcome.as_deref() == Some(outcome)).count();
    let (succeeded, failed) = (with("success"), with("failure"));
    Ok(Results {
        deployment: deployment.to_owned(),
        targets: runs.len(),
        succeeded,
        failed,
        other: runs.len() - succeeded - failed,
        seconds: None,
        runs: results.collect(),
    })
}

fn step(step: api::Step) -> StepResult {
    let api::Step { activity, event, begin, end, .. } = step;
    StepResult { activity, event, begin, end }
}

/// 0 when every run succeeded.
pub fn exit_code(runs: &[Run]) -> ExitCode {
    let is_success = |run: &Run| run.outcome.as_deref() == Some("success");
    if runs.iter().all(is_success) { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

/// One line for each target, in the order of their names.
pub fn table<'a>(runs: impl IntoIterator<Item = &'a Run>, now: i64) -> Table {
    let mut table = Table::new(&["COMPUTER", "STATE", "ACTIVITY", "TIME", "WHY"]);
    for run in runs {
        table.row([
            run.computer.as_str().into(),
            Cell::state(state(run)),
            run.activities.join(", ").into(),
            output::took(run.began_at, run.ended_at, now).into(),
            why(run, now).into(),
        ]);
    }
    table
}

/// The outcome, or the phase of a run that goes on.
pub fn state(run: &Run) -> &str {
    run.outcome.as_deref().unwrap_or(&run.phase)
}

/// Why it ended so, or why it does not go on and when it is tried next.
pub fn why(run: &Run, now: i64) -> String {
    if let Some(reason) = run.reason.as_deref().filter(|reason| !reason.is_empty()) {
        return reason.to_owned();
    }
    if run.outcome.is_some() {
        return String::new();
    }
    match &run.waiting {
        Some(api::Waiting { text, next: Some(next), .. }) => {
            let time = output::stamp(*next);
            format!("{text}; next try {} ({time})", output::ago_or_ahead(*next, now))
        }
        Some(waiting) => waiting.text.clone(),
        None if run.phase != "pending" && !run.is_connected => "not connected".to_owned(),
        None => String::new(),
    }
}

/// `4 targets: 3 success, 1 running`.
pub fn counted_in_all(runs: &[Run]) -> String {
    format!("{}: {}", targets(runs.len() as u64), counted(runs))
}

pub fn targets(count: u64) -> String {
    if count == 1 { "1 target".to_owned() } else { format!("{count} targets") }
}

/// `3 success, 1 running`.
pub fn counted<'a>(runs: impl IntoIterator<Item = &'a Run>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for run in runs {
        *counts.entry(state(run)).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(word, count)| (*word != "success", Reverse(*count)));
    let counts = counts.iter().map(|(word, count)| format!("{count} {}", word.replace('_', " ")));
    counts.collect::<Vec<_>>().join(", ")
}
