//! Deployments: making, listing, showing, ordering.

use std::collections::{BTreeSet, HashMap};

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use deployment::{Scope, Status};
use model::{ComputerId, DeploymentId, Timestamp};
use serde::Deserialize;
use store::{Page, rows};
use travel::{GiverInput, RunView};
use utoipa::IntoParams;
use workflow::Control;

use super::problem::{Answer, Body, Code, Failure};
use super::{DONE, PAGE_ROWS, PAGE_ROWS_MAX, Shared, fleet};
use crate::deploy::leaves;
use crate::hall::{ADMIN, About, Hall};
use crate::workflows::ApplyError;
use crate::{deploy as making, views};

/// Makes a deployment; errors in its workflow come with the problem.
#[utoipa::path(
    post, path = "/api/deployments", request_body = api::NewDeployment,
    responses((status = 201, body = api::Deployed), (status = 422, body = api::Problem))
)]
pub async fn deploy(
    State(hall): Shared,
    Body(asked): Body<api::NewDeployment>,
) -> Answer<(StatusCode, Json<api::Deployed>)> {
    let deployed = making::deploy(&hall, asked, ADMIN).await?;
    Ok((StatusCode::CREATED, Json(deployed)))
}

/// What a deployment would be; makes none.
#[utoipa::path(
    post, path = "/api/deployments/plan", request_body = api::NewDeployment,
    responses((status = 200, body = api::DeploymentPlan), (status = 422, body = api::Problem))
)]
pub async fn plan(
    State(hall): Shared,
    Body(asked): Body<api::NewDeployment>,
) -> Answer<Json<api::DeploymentPlan>> {
    Ok(Json(making::preview(&hall, &asked).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
pub struct PageOf {
    /// The id after which the page begins.
    after: Option<String>,
    limit: Option<u32>,
}

/// Latest first.
#[utoipa::path(
    get, path = "/api/deployments", params(PageOf),
    responses((status = 200, body = api::Listing<api::Deployment>))
)]
pub async fn list(
    State(hall): Shared,
    Query(page): Query<PageOf>,
) -> Answer<Json<api::Listing<api::Deployment>>> {
    let limit = page.limit.unwrap_or(PAGE_ROWS).clamp(1, PAGE_ROWS_MAX);
    let after = page.after.as_deref().map(id).transpose()?;
    let rows = hall.store.deployments(Page { after, limit }).await?;
    let is_full = rows.len() == limit as usize;
    let next = rows.last().filter(|_| is_full).map(|row| row.id.to_string());
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        items.push(view(&hall, row).await?);
    }
    Ok(Json(api::Listing { items, next }))
}

/// With every run, and why each is not further.
#[utoipa::path(
    get, path = "/api/deployments/{id}", params(("id",)),
    responses((status = 200, body = api::DeploymentDetail))
)]
pub async fn show(
    State(hall): Shared,
    Path(text): Path<String>,
) -> Answer<Json<api::DeploymentDetail>> {
    let row = find(&hall, &text).await?;
    let deployment_id = row.id;
    let live = hall.core.ask(move |giver, now| giver.views(deployment_id, now)).await?;
    let live: HashMap<_, RunView> = live.into_iter().map(|view| (view.run, view)).collect();
    let names = names(&hall, deployment_id).await?;
    let name = |computer: &ComputerId| names.get(computer).map_or("", String::as_str);
    let run = |kept: &rows::Run| match live.get(&kept.run) {
        Some(view) => {
            let mut run = views::live_run(view, name(&view.computer));
            views::add_reach(&mut run, view, &hall.reach);
            run
        }
        None => {
            let is_online = hall.links.is_online(kept.computer);
            views::kept_run(kept, name(&kept.computer), is_online)
        }
    };
    let all = hall.store.runs_of(deployment_id).await?;
    let (earlier, current): (Vec<_>, Vec<_>) = all.iter().partition(|kept| kept.is_replaced);
    let runs = current.into_iter().map(&run).collect();
    let earlier_runs = earlier.into_iter().map(run).collect();
    // Read anew, so that it is not older than its runs.
    let row = find(&hall, &text).await?;
    let deployment = view(&hall, &row).await?;
    let copies = copies(&hall, &row).await?;
    let variables = row.variables;
    Ok(Json(api::DeploymentDetail { deployment, variables, runs, earlier_runs, copies }))
}

/// Orders for runs that go on: `suspend`, `resume`, `abort`, `close`.
#[utoipa::path(
    post, path = "/api/deployments/{id}/control", params(("id",)),
    request_body = api::ControlRequest, responses((status = 204))
)]
pub async fn control(
    State(hall): Shared,
    Path(text): Path<String>,
    Body(asked): Body<api::ControlRequest>,
) -> Answer<StatusCode> {
    let row = find_open(&hall, &text).await?;
    let deployment = row.id;
    let scope = scope(&hall, &asked.computers, deployment).await?;
    let by = ADMIN.to_owned();
    let control = match asked.control.as_str() {
        "suspend" => Some(Control::Suspend),
        "resume" => Some(Control::Resume),
        "abort" => Some(Control::Abort),
        "close" => None,
        other => {
            let text = format!("`{other}` is not an order");
            return Err(Failure::new(Code::Request, text, "suspend, resume, abort or close"));
        }
    };
    let input = match control {
        Some(control) => GiverInput::Control { deployment, scope, control, by },
        None => GiverInput::CloseLost { deployment, scope, by },
    };
    tell(&hall, deployment, input, &format!("{} was ordered", asked.control)).await
}

/// Moves the stop date; what has begun goes on. To a later one than the warrants of targets that
/// have not begun permit, these get another.
#[utoipa::path(
    put, path = "/api/deployments/{id}/stop", params(("id",)), request_body = Option<i64>,
    responses((status = 204))
)]
pub async fn stop(
    State(hall): Shared,
    Path(text): Path<String>,
    Body(asked): Body<Option<i64>>,
) -> Answer<StatusCode> {
    let row = find_open(&hall, &text).await?;
    let at = asked.map(Timestamp::from_millis);
    let limit = warranted_until(&hall, row.id).await?;
    if limit.is_some_and(|limit| at.is_none_or(|at| at > limit)) {
        if at.is_some_and(|at| at <= crate::clock::now()) {
            return Err(making::DeployError::Stopped.into());
        }
        making::prolong(&hall, &row, at, ADMIN).await?;
        return Ok(DONE);
    }
    let input = GiverInput::StopMoved { deployment: row.id, at, by: ADMIN.to_owned() };
    tell(&hall, row.id, input, "the stop date was moved").await
}

/// Begins targets anew inside the deployment, with its newest copy of the workflow.
#[utoipa::path(
    post, path = "/api/deployments/{id}/restart", params(("id",)), request_body = api::Restart,
    responses((status = 200, body = api::Restarted))
)]
pub async fn restart(
    State(hall): Shared,
    Path(text): Path<String>,
    Body(asked): Body<api::Restart>,
) -> Answer<Json<api::Restarted>> {
    let row = find(&hall, &text).await?;
    let scope = scope(&hall, &asked.computers, row.id).await?;
    Ok(Json(making::restart(&hall, row, &asked, &scope, ADMIN).await?))
}

/// Keeps another copy of the deployment's workflow, which counts from its next restart.
#[utoipa::path(
    put, path = "/api/deployments/{id}/source", params(("id",)), request_body = api::NewWorkflow,
    responses((status = 200, body = api::DeploymentEdited))
)]
pub async fn edit(
    State(hall): Shared,
    Path(text): Path<String>,
    Body(asked): Body<api::NewWorkflow>,
) -> Answer<Json<api::DeploymentEdited>> {
    let row = find(&hall, &text).await?;
    match making::edit(&hall, &row, &asked.source, ADMIN).await {
        Ok(edited) => Ok(Json(edited)),
        Err(making::DeployError::Workflow(ApplyError::Wrong(findings))) => {
            Ok(Json(api::DeploymentEdited { copy: None, findings }))
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
pub struct WhichCopy {
    /// The newest, when not given.
    copy: Option<u64>,
}

/// A deployment's own copy of its workflow, with the file.
#[utoipa::path(
    get, path = "/api/deployments/{id}/source", params(("id",), WhichCopy),
    responses((status = 200, body = api::DeploymentCopy))
)]
pub async fn export(
    State(hall): Shared,
    Path(text): Path<String>,
    Query(which): Query<WhichCopy>,
) -> Answer<Json<api::DeploymentCopy>> {
    let row = find(&hall, &text).await?;
    let mut found = copies(&hall, &row).await?;
    let number = which.copy.unwrap_or(found.len() as u64);
    let place = found.iter().position(|copy| copy.number == number);
    let Some(place) = place else {
        return Err(making::DeployError::UnknownCopy(number).into());
    };
    let definition = match number {
        1 => row.definition,
        _ => {
            let mut edited = hall.store.deployment_copies(row.id).await?;
            edited.swap_remove(place - 1).definition
        }
    };
    let source = wire::definition::source(&definition)
        .map_err(|error| making::DeployError::Damaged(error.to_string()))?;
    Ok(Json(api::DeploymentCopy { source, ..found.swap_remove(place) }))
}

/// All copies, without their files; the first is what was deployed.
async fn copies(hall: &Hall, row: &rows::Deployment) -> Answer<Vec<api::DeploymentCopy>> {
    let first = api::DeploymentCopy {
        number: 1,
        created_by: row.created_by.clone(),
        created_at: row.created_at.as_millis(),
        source: String::new(),
    };
    let edited = hall.store.deployment_copies(row.id).await?;
    let edited = edited.iter().map(|copy| views::deployment_copy(copy, String::new()));
    Ok(std::iter::once(first).chain(edited).collect())
}

async fn tell(
    hall: &Hall,
    deployment: DeploymentId,
    input: GiverInput,
    text: &str,
) -> Answer<StatusCode> {
    let about = About { deployment: Some(deployment), ..About::NOTHING };
    let event = hall.event("deployment", about, ADMIN, text);
    hall.core.input(input).await?;
    hall.core.settle().await?;
    hall.writer.submit(vec![event]).await?;
    Ok(DONE)
}

async fn warranted_until(hall: &Hall, id: DeploymentId) -> Answer<Option<Timestamp>> {
    let warrants = hall.store.warrants(id).await?;
    let until = |warrant: &rows::Warrant| {
        let signed = trust::Signed::decode(&warrant.envelope).ok()?;
        Some(trust::Warrant::decode(signed.payload()).ok()?.begin_until)
    };
    Ok(warrants.iter().filter_map(until).min())
}

async fn scope(hall: &Hall, names: &[String], deployment: DeploymentId) -> Answer<Scope> {
    if names.is_empty() {
        return Ok(Scope::All);
    }
    let runs = hall.store.runs_of(deployment).await?;
    let targets: BTreeSet<ComputerId> = runs.iter().map(|run| run.computer).collect();
    let mut chosen = BTreeSet::new();
    for name in names {
        let computer = fleet::find(hall, name).await?.computer;
        if computer.is_group {
            let members = hall.store.computers_in(computer.id).await?;
            chosen.extend(members.iter().map(|row| row.computer.id));
        } else if targets.contains(&computer.id) {
            chosen.insert(computer.id);
        } else {
            let text = format!("{} is not a target of this deployment", computer.name);
            return Err(Failure::new(Code::UnknownTargets, text, ""));
        }
    }
    Ok(Scope::Some(chosen))
}

fn id(text: &str) -> Answer<DeploymentId> {
    text.parse().map_err(|_| Failure::not_found("deployment", text))
}

pub async fn find(hall: &Hall, text: &str) -> Answer<rows::Deployment> {
    let row = hall.store.deployment(id(text)?).await?;
    row.ok_or_else(|| Failure::not_found("deployment", text))
}

async fn find_open(hall: &Hall, text: &str) -> Answer<rows::Deployment> {
    let row = find(hall, text).await?;
    if row.status != Status::Ended.as_str() {
        return Ok(row);
    }
    let hint = "deploy again with `deskhand deployment retry`";
    Err(Failure::new(Code::Ended, "this deployment has ended", hint))
}

async fn view(hall: &Hall, row: &rows::Deployment) -> Answer<api::Deployment> {
    let counts = hall.store.run_counts(row.id).await?;
    Ok(views::deployment(row, views::counts(&counts)))
}

/// The names that the targets had when the deployment was made.
pub async fn names(hall: &Hall, deployment: DeploymentId) -> Answer<HashMap<ComputerId, String>> {
    let mut names = HashMap::new();
    for warrant in hall.store.warrants(deployment).await? {
        names.extend(leaves::names(&warrant.leaves).unwrap_or_default());
    }
    Ok(names)
}
