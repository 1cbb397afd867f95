//! What can be told before a deployment begins: that something its activities need is not set up,
//! and that workflows would start each other without end.

use workflow::{Does, Kind, NamedAction, Start, Template, Workflow};

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
            other => {
                for action in plain_actions(other) {
                    let Err(error) = actions::find(hall, action).await else { continue };
                    let hint = "`deskhand action list` shows all; until then the activity ends in \
                                `error`";
                    findings.push(warning(format!("`{name}` starts an action, but {error}"), hint));
                }
            }
        }
    }
    Ok(findings)
}

/// The actions that an activity starts, or its script may, as far as they are named without a
/// template.
fn plain_actions(kind: &Kind) -> Vec<&str> {
    let named = match kind {
        Kind::Action(action) => std::slice::from_ref(&action.name),
        Kind::Script(script) => &script.actions,
        _ => &[],
    };
    named.iter().filter(|name| name.is_plain()).map(Template::source).collect()
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
        for name in plain_actions(&activity.kind) {
            match actions::find(hall, name).await {
                Ok(kept) => names.extend(started(&kept.action)),
                Err(ActionError::Read(error)) => return Err(error.into()),
                Err(_) => {}
            }
        }
    }
    Ok(names)
}

fn started(action: &NamedAction) -> Option<String> {
    let Does::Deployment(Start { workflow, .. }) = &action.does else { return None };
    workflow.is_plain().then(|| Template::source(workflow).to_owned())
}
