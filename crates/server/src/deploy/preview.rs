//! What a deployment would be, without making it: its targets, what each of them waits for, what is
//! drawn from the depot. Nothing is kept, nothing begins, no target is told anything.

use std::sync::Arc;

use model::RunId;
use travel::Reach;
use workflow::Workflow;

use super::leaves::Target;
use super::{DeployError, check_secrets, check_variables, dates, foresee, notes, pins, targets};
use crate::clock::{Fresh, now};
use crate::hall::Hall;
use crate::workflows::{self, ApplyError};

/// The same checks as when it is made.
pub async fn preview(
    hall: &Arc<Hall>,
    asked: &api::NewDeployment,
) -> Result<api::DeploymentPlan, DeployError> {
    let (revision, workflow, mut findings) = choose(hall, asked).await?;
    check_variables(&workflow, &asked.variables)?;
    check_secrets(hall, &workflow).await?;
    foresee::check_loops(hall, &workflow).await?;
    findings.extend(foresee::warnings(hall, &workflow).await?);
    let instant = now();
    let (start, _) = dates(asked, instant)?;
    let found = targets::find(hall, &asked.targets).await?;
    let mut all = Vec::with_capacity(found.leaves.len());
    for (leaf, reach) in &found.leaves {
        all.push(Target::new(RunId::fresh(instant)?, leaf, *reach));
    }
    let pinned = pins::pin(hall, &workflow, &asked.variables, instant).await?;
    let is_later = start.is_some_and(|start| start > instant);
    let mut planned: Vec<api::PlannedTarget> =
        all.iter().map(|target| planned(hall, &workflow, target, is_later)).collect();
    planned.sort_by(|a, b| a.computer.cmp(&b.computer));
    Ok(api::DeploymentPlan {
        notes: notes(hall, &workflow, &all, &found.left_out),
        workflow: workflow.name,
        revision,
        targets: planned,
        left_out: found.left_out,
        findings,
        files: pinned.as_ref().map_or(0, |pinned| pinned.files),
        bytes: pinned.as_ref().map_or(0, |pinned| pinned.bytes),
    })
}

/// A file is only read: it becomes no revision.
async fn choose(
    hall: &Hall,
    asked: &api::NewDeployment,
) -> Result<(Option<u64>, Workflow, Vec<api::Finding>), DeployError> {
    let (revision, source) = match (&asked.source, &asked.workflow) {
        (Some(source), _) => (None, source.clone()),
        (None, Some(name)) => {
            let row = super::row_of(hall, name, asked.revision).await?;
            (Some(row.revision), row.source)
        }
        (None, None) => return Err(DeployError::NoWorkflow),
    };
    let checked = workflows::check(&source);
    match checked.workflow {
        Some(workflow) => Ok((revision, workflow, checked.findings)),
        None => Err(ApplyError::Wrong(checked.findings).into()),
    }
}

fn planned(
    hall: &Hall,
    workflow: &Workflow,
    target: &Target,
    is_later: bool,
) -> api::PlannedTarget {
    let is_ssh = target.reach == Reach::Ssh;
    let is_connected = !is_ssh && hall.links.is_online(target.computer);
    let mut waits = Vec::new();
    if is_later {
        waits.push("the start date".to_owned());
    }
    if !is_ssh && !is_connected {
        waits.push("its agent, which is not connected".to_owned());
    }
    if !is_ssh && workflow.start_on_presence {
        waits.push("its signal of presence".to_owned());
    }
    let way = if is_ssh { "ssh" } else { "agent" }.to_owned();
    api::PlannedTarget { computer: target.name.clone(), way, is_connected, waits_for: waits }
}
