//! Actions that start a workflow, and wait for its end.
//!
//! A start belongs to the activity that asks for it, and the deployment says so in its row: asked
//! for again, after a crash, it is found there and not made twice. Workflows that would start each
//! other without end are refused by the chain of those rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{DeploymentId, Outcome};
use store::ReadError;
use store::rows::Deployment;
use workflow::{Context, Does, Event, Report, Start, Template};

use super::{ActionError, Call, find, report};
use crate::core::chain;
use crate::deploy::{self, Beside};
use crate::effects::text;
use crate::hall::Hall;

/// How many workflows may have started one another.
const DEPTH_MAX: usize = 8;

pub async fn run(hall: &Arc<Hall>, call: &Call, start: &Start, context: &Context) -> Report {
    let id = match begun(hall, call, start, context).await {
        Ok(id) => id,
        Err(why) => return Report::error(why),
    };
    let told = id.to_string();
    if !call.wait && !start.wait {
        return report(Event::Ok, [("deployment", told)], None);
    }
    tokio::select! {
        outcome = ended(hall, id) => match outcome {
            Ok(Outcome::Success) => {
                let outcome = Outcome::Success.as_str().to_owned();
                report(Event::Ok, [("deployment", told), ("outcome", outcome)], None)
            }
            Ok(outcome) => {
                let note = Some(format!("deployment {id} ended with {outcome}"));
                let outcome = outcome.as_str().to_owned();
                report(Event::Error, [("deployment", told), ("outcome", outcome)], note)
            }
            Err(error) => Report::error(chain(&error)),
        },
        () = call.cancel.cancelled() => {
            let note = Some(format!("deployment {id} goes on"));
            report(Event::Interrupted, [("deployment", told)], note)
        }
    }
}

/// The deployment of this start, made unless it is there.
async fn begun(
    hall: &Arc<Hall>,
    call: &Call,
    start: &Start,
    context: &Context,
) -> Result<DeploymentId, String> {
    if let Some(origin) = call.origin {
        let made = hall.store.deployment_by_origin(origin).await.map_err(|e| chain(&e))?;
        if let Some(row) = made {
            return Ok(row.id);
        }
    }
    let workflow = text(&start.workflow, context)?;
    if let Some(parent) = call.about.deployment {
        let chain = ancestry(hall, parent).await.map_err(|error| chain(&error))?;
        check_chain(&chain, &workflow)?;
    }
    let asked = asked(start, context, targets(call, start, context)?)?;
    let beside = Beside { origin: call.origin, ..Beside::default() };
    let made = deploy::deploy_beside(hall, asked, &call.by, beside)
        .await
        .map_err(|error| chain(&error))?;
    made.deployment.id.parse().map_err(|_| "the deployment has no id".to_owned())
}

/// What a schedule begins when it names an action instead of a workflow.
pub async fn by_schedule(
    hall: &Hall,
    name: &str,
    parameters: &BTreeMap<String, String>,
    targets: &api::Targets,
) -> Result<api::NewDeployment, ActionError> {
    let kept = find(hall, name).await?;
    let Does::Deployment(start) = &kept.action.does else {
        return Err(ActionError::StartsNothing(kept.action.name));
    };
    let context = kept.action.context(&Context::default(), parameters.clone())?;
    let named = match targets == &api::Targets::default() {
        true => own_targets(start, &context).map_err(ActionError::Start)?,
        false => targets.clone(),
    };
    asked(start, &context, named).map_err(ActionError::Start)
}

fn asked(
    start: &Start,
    context: &Context,
    targets: api::Targets,
) -> Result<api::NewDeployment, String> {
    let variables = start.variables.iter();
    let variables = variables.map(|(name, value)| Ok((name.clone(), text(value, context)?)));
    Ok(api::NewDeployment {
        workflow: Some(text(&start.workflow, context)?),
        targets,
        variables: variables.collect::<Result<_, String>>()?,
        revision: None,
        source: None,
        start: None,
        stop: None,
    })
}

fn targets(call: &Call, start: &Start, context: &Context) -> Result<api::Targets, String> {
    let mut targets = own_targets(start, context)?;
    if targets == api::Targets::default() {
        targets.computers = call.targets.iter().map(ToString::to_string).collect();
    }
    Ok(targets)
}

/// Whom the action itself names.
fn own_targets(start: &Start, context: &Context) -> Result<api::Targets, String> {
    let names = |templates: &[Template]| {
        let names = templates.iter().map(|name| text(name, context));
        names.collect::<Result<Vec<_>, _>>()
    };
    Ok(api::Targets {
        computers: names(&start.computers)?,
        groups: names(&start.groups)?,
        everybody: start.everybody,
        query: start.query.as_ref().map(|query| text(query, context)).transpose()?,
        ..api::Targets::default()
    })
}

/// The names of the workflows that led to this deployment, its own last.
async fn ancestry(hall: &Hall, of: DeploymentId) -> Result<Vec<String>, ReadError> {
    let (mut names, mut next) = (Vec::new(), Some(of));
    while let Some(id) = next.take()
        && names.len() <= DEPTH_MAX
        && let Some(Deployment { workflow, origin, .. }) = hall.store.deployment(id).await?
    {
        names.push(workflow);
        if let Some(origin) = origin {
            next = hall.store.run(origin.run).await?.map(|run| run.deployment);
        }
    }
    names.reverse();
    Ok(names)
}

fn check_chain(chain: &[String], next: &str) -> Result<(), String> {
    let is_there = chain.iter().any(|name| name.to_lowercase() == next.to_lowercase());
    let way = || [chain, &[next.to_owned()]].concat().join(" > ");
    if is_there {
        return Err(format!("DH-A036: workflows would start each other without end: {}", way()));
    }
    if chain.len() >= DEPTH_MAX {
        let way = way();
        return Err(format!("DH-A036: more than {DEPTH_MAX} workflows started each other: {way}"));
    }
    Ok(())
}

/// Waits for the end; success only when every target succeeded.
async fn ended(hall: &Hall, id: DeploymentId) -> Result<Outcome, ReadError> {
    let told = hall.ends.wait(id);
    let row = hall.store.deployment(id).await?;
    if row.is_some_and(|row| row.status != deployment::Status::Ended.as_str()) {
        // Dropped with the server only, which then asks for all of this again.
        let _told = told.await;
    }
    let counts = hall.store.run_counts(id).await?;
    let worst = counts.iter().filter_map(|count| count.outcome).find(|o| *o != Outcome::Success);
    Ok(match worst {
        None => Outcome::Success,
        Some(outcome) if counts.len() == 1 => outcome,
        Some(_) => Outcome::Failure,
    })
}
