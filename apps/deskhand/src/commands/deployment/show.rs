//! `deskhand deployment show`: targets, and of chosen ones the way through the workflow.

use std::collections::BTreeMap;

use anyhow::Result;
use api::{Deployment, DeploymentDetail, Run, RunDetail};
use client::Client;

use super::short;
use crate::live::natural;
use crate::output::{self, Cell, Table};
use crate::results;
use crate::trouble::Trouble;

pub async fn run(client: &Client, id: &str, computers: &[String], json: bool) -> Result<()> {
    let mut detail = client.deployment(id).await?;
    detail.runs = chosen(detail.runs, computers)?;
    if computers.is_empty() {
        return if json { output::json(&detail) } else { show(&detail) };
    }
    let mut details = Vec::new();
    for run in &detail.runs {
        details.push(client.run(&run.id).await?);
    }
    if json {
        return output::json(&details);
    }
    show(&detail)?;
    details.iter().try_for_each(path)?;
    let of_those = |run: &&Run| detail.runs.iter().any(|now| now.computer_id == run.computer_id);
    for run in detail.earlier_runs.iter().filter(of_those) {
        path(&client.run(&run.id).await?)?;
    }
    Ok(())
}

/// The runs of those computers, all when none is named, in the order of their names.
pub fn chosen(runs: Vec<Run>, computers: &[String]) -> Result<Vec<Run>> {
    let is = |run: &Run, name: &String| {
        run.computer.to_lowercase() == name.to_lowercase() || run.computer_id == *name
    };
    if let Some(other) = computers.iter().find(|name| !runs.iter().any(|run| is(run, name))) {
        let what = format!("`{other}` is no target of this deployment");
        let hint = "`deskhand deployment show ID` lists its targets";
        return Err(Trouble::new("DH-C013", what, hint).into());
    }
    let mut runs = runs;
    runs.retain(|run| computers.is_empty() || computers.iter().any(|name| is(run, name)));
    runs.sort_by_cached_key(|run| natural(&run.computer));
    Ok(runs)
}

fn show(detail: &DeploymentDetail) -> Result<()> {
    head(&detail.deployment)?;
    for copy in detail.copies.iter().skip(1) {
        let (number, by) = (copy.number, output::clean(&copy.created_by));
        let runs = detail.runs.iter().filter(|run| run.copy == number).count() as u64;
        let at = output::stamp(copy.created_at);
        let used = results::targets(runs);
        output::line(format!("copy {number} of its workflow, edited {at} by {by}: {used}"))?;
    }
    output::line(format!("{}\n", results::counted_in_all(&detail.runs)))?;
    Ok(results::table(&detail.runs, output::now()).print()?)
}

fn head(deployment: &Deployment) -> Result<()> {
    let paint = output::paint_stdout();
    let Deployment { id, name, workflow, revision, status, created_by, .. } = deployment;
    let state = paint.state(status, &output::clean(status));
    output::line(format!("{}  {}  {state}", short(id), paint.strong(&output::clean(name))))?;
    output::line(format!("id {id}, workflow {}, revision {revision}", output::clean(workflow)))?;
    let mut dates = format!("made {}", output::stamp(deployment.created_at));
    dates.push_str(&format!(" by {}", output::clean(created_by)));
    for (word, at) in [("start", deployment.start), ("stop", deployment.stop)] {
        if let Some(at) = at {
            dates.push_str(&format!(", {word} {}", output::stamp(at)));
        }
    }
    Ok(output::line(dates)?)
}

/// One run's way, step by step.
fn path(detail: &RunDetail) -> Result<()> {
    let earlier = if detail.run.is_replaced { ", an earlier run" } else { "" };
    let copy = match detail.run.copy {
        1 => String::new(),
        number => format!(", by copy {number}"),
    };
    output::line(format!("\n{}{copy}{earlier}", output::clean(&detail.run.computer)))?;
    let now = output::now();
    let mut table = Table::new(&["BEGAN", "ACTIVITY", "EVENT", "TIME", "NOTE"]);
    let mut visits: BTreeMap<(u32, &str), u32> = BTreeMap::new();
    for step in &detail.path {
        let visits = visits.entry((step.attempt, &step.activity)).or_insert(0);
        *visits += 1;
        let visit = match (step.attempt, *visits) {
            (0 | 1, 1) => String::new(),
            (0 | 1, visit) => format!(" (visit {visit})"),
            (attempt, 1) => format!(" (attempt {attempt})"),
            (attempt, visit) => format!(" (attempt {attempt}, visit {visit})"),
        };
        let event = step.event.clone().unwrap_or_else(|| "in progress".to_owned());
        table.row([
            output::stamp(step.begin).into(),
            format!("{}{visit}", step.activity).into(),
            Cell::state(&event),
            output::took(Some(step.begin), step.end, now).into(),
            step.note.as_deref().unwrap_or_default().into(),
        ]);
    }
    table.print()?;
    if !detail.unhandled.is_empty() {
        output::line(format!("errors without a transition: {}", detail.unhandled.join(", ")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str) -> Run {
        Run {
            id: String::new(),
            deployment: String::new(),
            computer_id: format!("id-{name}"),
            computer: name.into(),
            copy: 1,
            is_replaced: false,
            phase: "pending".into(),
            owner: String::new(),
            is_connected: false,
            outcome: None,
            reason: None,
            activities: Vec::new(),
            began_at: None,
            ended_at: None,
            waiting: None,
        }
    }

    #[test]
    fn targets_are_chosen_by_name_or_id() {
        let all = || vec![run("pc-10"), run("pc-2"), run("PC-1")];
        let names = |chosen: &[&str]| {
            let names: Vec<String> = chosen.iter().map(|name| (*name).to_owned()).collect();
            super::chosen(all(), &names)
                .map(|runs| runs.into_iter().map(|run| run.computer).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap(), ["PC-1", "pc-2", "pc-10"]);
        assert_eq!(names(&["pc-1", "id-pc-10"]).unwrap(), ["PC-1", "pc-10"]);
        assert!(names(&["pc-3"]).unwrap_err().to_string().contains("pc-3"));
    }
}
