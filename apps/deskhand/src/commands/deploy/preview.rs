//! `deskhand deploy WORKFLOW --plan`: its targets, what each waits for, what it draws from the
//! depot. Nothing is deployed and nothing is kept.

use std::process::ExitCode;

use anyhow::Result;
use api::{DeploymentPlan, NewDeployment};
use client::Client;

use crate::commands::workflow;
use crate::output;

/// A target would have to be waited for.
const WAITS: u8 = 3;
/// Warnings, or targets that are left out.
const FINDINGS: u8 = 4;

pub async fn run(client: &Client, name: &str, new: &NewDeployment, json: bool) -> Result<ExitCode> {
    let plan = client.plan(new).await?;
    if json {
        output::json(&plan)?;
    } else {
        workflow::note_findings(name, &plan.findings);
        print(&plan)?;
    }
    Ok(exit_code(&plan))
}

fn print(plan: &DeploymentPlan) -> std::io::Result<()> {
    let paint = output::paint_stdout();
    let revision = plan.revision.map(|revision| format!(" revision {revision}"));
    let name = output::clean(&plan.workflow);
    output::line(format!("{name}{}", revision.unwrap_or_default()))?;
    for target in &plan.targets {
        let state = match target.waits_for.as_slice() {
            [] => "begins at once".to_owned(),
            waits => format!("waits for {}", output::clean(&waits.join(" and "))),
        };
        let way = if target.way == "ssh" { ", over SSH" } else { "" };
        output::line(format!(
            "  {}  {state}{way}",
            paint.strong(&output::clean(&target.computer))
        ))?;
    }
    for left_out in &plan.left_out {
        output::line(format!("  left out: {}", output::clean(left_out)))?;
    }
    plan.notes.iter().for_each(|note| output::note(output::clean(note)));
    let waiting = plan.targets.iter().filter(|target| !target.waits_for.is_empty()).count();
    let drawn = match plan.files {
        0 => "nothing is drawn from the depot".to_owned(),
        files => format!("{files} files from the depot, {}", output::bytes(plan.bytes)),
    };
    output::note(format!(
        "{} targets: {} begin at once, {waiting} wait, {} left out; {drawn}",
        plan.targets.len(),
        plan.targets.len() - waiting,
        plan.left_out.len(),
    ));
    Ok(())
}

fn exit_code(plan: &DeploymentPlan) -> ExitCode {
    if !plan.findings.is_empty() || !plan.left_out.is_empty() {
        return ExitCode::from(FINDINGS);
    }
    let waits = plan.targets.iter().any(|target| !target.waits_for.is_empty());
    if waits { ExitCode::from(WAITS) } else { ExitCode::SUCCESS }
}
