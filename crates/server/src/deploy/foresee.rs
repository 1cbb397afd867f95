//! What can be told before a deployment begins: that something its activities need is not set up,
//! and that workflows would start each other without end.

use workflow::{Action, Does, Kind, NamedAction, Start, Template, Workflow};

use super::DeployError;
use crate::actions::{self, ActionError};
use crate::delivery;
use crate::effects::message::plain_receivers;
use crate::hall::Hall;

/// Workflows that are looked into; more are not foreseen, but refused when it comes to it.
const WORKFLOWS_MAX: usize = 64;

/// Warnings, each for an activity.
pub async fn warnings(hall: &Hall, workflow: &Workflow) -> Result<Vec<api::Finding>, DeployError> {
    let mut findings = Vec::new();
    for (name, activity) in &workflow.activities {
        match &activity.kind {
            Kind::Message(message) => {
                let to = plain_receivers(message.channel, &message.to);
                for missing in delivery::missing(hall, message.channel, &to).await? {
                    let hint = "`deskhand channel set` sets one up; until then the activity ends \
                                in `error`";
                    findings
                        .push(warning(format!("`{name}` sends a message, but {missing}"), hint));
                }
            }
            Kind::Action(action) if action.name.is_plain() => {
                if let Err(error) = actions::find(hall, action.name.source()).await {
                    let hint = "`deskhand action list` shows all; until then the activity ends in \
                                `error`";
                    findings.push(warning(format!("`{name}` starts an action, but {error}"), hint));
                }
            }
            _ => {}
        }
    }
    Ok(findings)
}

fn warning(message: String, hint: &str) -> api::Finding {
    api::Finding {
        severity: "warning".to_owned(),
        code: "DH-A034".to_owned(),
        line: 1,
        column: 1,
        message,
        hint: hint.to_owned(),
    }
}

/// Refuses a workflow that leads back to itself, or to another that does, as far as names are
/// written out.
pub async fn check_loops(hall: &Hall, workflow: &Workflow) -> Result<(), DeployError> {
    let mut seen = vec![workflow.name.to_lowercase()];
    // Ways that are still to be followed, each with the names on it.
    let mut ways = vec![(vec![workflow.name.clone()], workflow.clone())];
    while let Some((way, workflow)) = ways.pop() {
        for name in next(hall, &workflow).await? {
            let is_on_way = way.iter().any(|before| before.to_lowercase() == name.to_lowercase());
            let way = [way.as_slice(), std::slice::from_ref(&name)].concat();
            if is_on_way {
                return Err(DeployError::Loop(way));
            }
            // One that was reached another way is followed again: the loop may be on this one.
            let known = seen.iter().filter(|seen| **seen == name.to_lowercase()).count();
            if known >= WORKFLOWS_MAX || seen.len() >= WORKFLOWS_MAX * WORKFLOWS_MAX {
                continue;
            }
            seen.push(name.to_lowercase());
            if let Some(row) = hall.store.workflow(&name, None).await?
                && let Some(workflow) = crate::workflows::check(&row.source).workflow
            {
                ways.push((way, workflow));
            }
        }
    }
    Ok(())
}

/// The workflows that a workflow starts, as far as they are named without templates.
async fn next(hall: &Hall, workflow: &Workflow) -> Result<Vec<String>, DeployError> {
    let mut names = Vec::new();
    for activity in workflow.activities.values() {
        let Kind::Action(Action { name, .. }) = &activity.kind else { continue };
        if !name.is_plain() {
            continue;
        }
        match actions::find(hall, name.source()).await {
            Ok(kept) => names.extend(started(&kept.action)),
            Err(ActionError::Read(error)) => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(names)
}

fn started(action: &NamedAction) -> Option<String> {
    let Does::Deployment(Start { workflow, .. }) = &action.does else { return None };
    workflow.is_plain().then(|| Template::source(workflow).to_owned())
}
