//! `deskhand deployment log`: what the commands of a run said, and what they say now.

use anyhow::Result;
use api::{Change, Log, Run};
use client::Client;

use super::show;
use crate::output;

pub async fn run(
    client: &Client,
    id: &str,
    computers: &[String],
    follow: bool,
    json: bool,
) -> Result<()> {
    // Before the log is read, so that nothing falls between.
    let changes = if follow { Some(client.changes(Some(id)).await?) } else { None };
    let mut runs = show::chosen(client.deployment(id).await?.runs, computers)?;
    let with_names = runs.len() > 1;
    let mut all = Vec::new();
    for run in &runs {
        let logs = client.run_log(&run.id).await?;
        if !json {
            logs.iter().try_for_each(|log| print(log, with_names))?;
        }
        all.extend(logs);
    }
    if json {
        return output::json(&all);
    }
    let Some(mut changes) = changes else { return Ok(()) };
    while runs.iter().any(|run| run.outcome.is_none()) {
        let Some(change) = changes.next().await? else { break };
        take(change, &mut runs, with_names)?;
    }
    Ok(())
}

fn take(change: Change, runs: &mut [Run], with_names: bool) -> Result<()> {
    match change {
        Change::Run { run } => {
            if let Some(known) = runs.iter_mut().find(|known| known.id == run.id) {
                *known = run;
            }
        }
        Change::Output { run, computer, activity, text, .. } => {
            if runs.iter().any(|known| known.id == run) {
                lines(&computer, &activity, &text, with_names)?;
            }
        }
        Change::Missed => output::note("too much at once: some output is not shown here"),
        Change::Deployment { .. } | Change::Schedule { .. } | Change::Message { .. } => {}
    }
    Ok(())
}

fn print(log: &Log, with_names: bool) -> Result<()> {
    lines(&log.computer, &log.activity, &log.text, with_names)?;
    if log.left_out > 0 {
        output::note(format!(
            "{}, {}: {} bytes in the middle were not kept",
            output::clean(&log.computer),
            output::clean(&log.activity),
            log.left_out
        ));
    }
    Ok(())
}

/// Every line says where it comes from when there are several computers.
fn lines(computer: &str, activity: &str, text: &str, with_names: bool) -> Result<()> {
    let (computer, activity) = (output::clean(computer), output::clean(activity));
    for line in text.lines() {
        let line = output::clean_lines(line.trim_end_matches('\r'));
        match with_names {
            true => output::line(format!("{computer} | {activity} | {line}"))?,
            false => output::line(format!("{activity} | {line}"))?,
        }
    }
    Ok(())
}
