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
        Some(view) => views::live_run(view, name(&view.computer)),
        None => {
            let is_online = hall.links.is_online(kept.computer);
            views::kept_run(kept, name(&kept.computer), is_online)
        }
    };
    let runs: Vec<api::Run> = hall.store.runs_of(deployment_id).await?.iter().map(run).collect();
    // Read anew, so that it is not older than its runs.
    let row = find(&hall, &text).await?;
    let deployment = view(&hall, &row).await?;
    Ok(Json(api::DeploymentDetail { deployment, variables: row.variables, runs }))
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

/// Moves the stop date; what has begun goes on. It can only become earlier: that is what the
/// warrant permits.
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
    if limit.is_some_and(|limit| at.is_none_or(|at| at > limit)) && row.stop.is_some() {
        let text = "the stop date of a deployment can only become earlier, as its warrant says when \
                    runs may begin";
        let hint = "deploy again to the targets that have not begun";
        return Err(Failure::new(Code::Dates, text, hint));
    }
    let input = GiverInput::StopMoved { deployment: row.id, at, by: ADMIN.to_owned() };
    tell(&hall, row.id, input, "the stop date was moved").await
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
