//! Schedules: deployments that are made again and again.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use store::rows;
use utoipa::IntoParams;

use super::problem::{Answer, Body, Code, Failure};
use super::{DONE, Shared};
use crate::deploy;
use crate::hall::{ADMIN, Hall};
use crate::schedules::{self, KIND, Plan, ScheduleError, Start, State as Made};

/// How many of the next starts are told.
const NEXT: usize = 5;
const NEXT_MAX: usize = 1_000;
const NAME_CHARS_MAX: usize = 128;

#[utoipa::path(
    get, path = "/api/schedules", responses((status = 200, body = api::Listing<api::Schedule>))
)]
pub async fn list(State(hall): Shared) -> Answer<Json<api::Listing<api::Schedule>>> {
    let mut items = Vec::new();
    for document in hall.store.documents(KIND).await? {
        let plan = schedules::plan(&hall, &document).await?;
        items.push(view(&hall, document, &plan, NEXT).await?);
    }
    Ok(Json(api::Listing { items, next: None }))
}

#[derive(Debug, Deserialize, IntoParams)]
pub struct HowMany {
    /// How many of the next starts.
    next: Option<usize>,
}

#[utoipa::path(
    get, path = "/api/schedules/{name}", params(("name",), HowMany),
    responses((status = 200, body = api::Schedule))
)]
pub async fn show(
    State(hall): Shared,
    Path(name): Path<String>,
    Query(many): Query<HowMany>,
) -> Answer<Json<api::Schedule>> {
    let (document, plan) = find(&hall, &name).await?;
    let next = many.next.unwrap_or(NEXT).min(NEXT_MAX);
    Ok(Json(view(&hall, document, &plan, next).await?))
}

/// Refused where there is one of that name.
#[utoipa::path(
    post, path = "/api/schedules", request_body = api::NewSchedule,
    responses((status = 201, body = api::Schedule), (status = 422, body = api::Problem))
)]
pub async fn add(
    State(hall): Shared,
    Body(asked): Body<api::NewSchedule>,
) -> Answer<(StatusCode, Json<api::Schedule>)> {
    if hall.store.document(KIND, asked.name.trim()).await?.is_some() {
        let text = format!("there is a schedule `{}` already", asked.name.trim());
        return Err(Failure::new(Code::Refused, text, "`deskhand schedule remove` takes it away"));
    }
    Ok((StatusCode::CREATED, Json(put(&hall, asked).await?)))
}

/// Puts another in the place of the one with that name, whose history it goes on with.
#[utoipa::path(
    put, path = "/api/schedules/{name}", params(("name",)), request_body = api::NewSchedule,
    responses((status = 200, body = api::Schedule), (status = 422, body = api::Problem))
)]
pub async fn set(
    State(hall): Shared,
    Path(name): Path<String>,
    Body(asked): Body<api::NewSchedule>,
) -> Answer<Json<api::Schedule>> {
    let (document, _) = find(&hall, &name).await?;
    Ok(Json(put(&hall, api::NewSchedule { name: document.name, ..asked }).await?))
}

#[utoipa::path(
    delete, path = "/api/schedules/{name}", params(("name",)), responses((status = 204))
)]
pub async fn remove(State(hall): Shared, Path(name): Path<String>) -> Answer<StatusCode> {
    let (document, _) = find(&hall, &name).await?;
    schedules::remove(&hall, &document.name, ADMIN).await?;
    Ok(DONE)
}

/// `pause`, `resume`, or `run`, which makes a deployment now.
#[utoipa::path(
    post, path = "/api/schedules/{name}/{order}", params(("name",), ("order",)),
    responses((status = 200, body = api::Schedule))
)]
pub async fn order(
    State(hall): Shared,
    Path((name, order)): Path<(String, String)>,
) -> Answer<Json<api::Schedule>> {
    let (document, plan) = find(&hall, &name).await?;
    match order.as_str() {
        "pause" | "resume" => {
            let spec = api::NewSchedule { is_paused: order == "pause", ..plan.spec };
            return Ok(Json(put(&hall, spec).await?));
        }
        "run" => {
            let start = schedules::run_now(&hall, &plan, ADMIN).await?;
            if start.deployment.is_none() {
                let hint = "`deskhand schedule show NAME` tells what it is made of";
                return Err(Failure::new(Code::NoTargets, start.note, hint));
            }
        }
        other => {
            let text = format!("`{other}` is not an order");
            return Err(Failure::new(Code::Request, text, "pause, resume or run"));
        }
    }
    Ok(Json(view(&hall, document, &plan, NEXT).await?))
}

async fn put(hall: &Hall, asked: api::NewSchedule) -> Answer<api::Schedule> {
    let name = asked.name.trim().to_owned();
    let is_name = !name.is_empty()
        && name.chars().count() <= NAME_CHARS_MAX
        && !name.contains(|letter: char| letter.is_control() || letter == '/');
    if !is_name {
        let text = format!("`{name}` cannot be a schedule's name");
        let hint = "1 to 128 characters, no `/` and no control characters";
        return Err(Failure::new(Code::Request, text, hint));
    }
    if asked.action.is_some() != asked.workflow.is_empty() {
        let text = "a schedule names a workflow or an action".to_owned();
        return Err(Failure::new(Code::Request, text, "name one of them"));
    }
    let wish = schedules::wish(hall, &asked).await?;
    let workflow = wish.workflow.unwrap_or_default();
    if hall.store.workflow(&workflow, None).await?.is_none() {
        let hint = "`deskhand workflow apply FILE` keeps one, `deskhand workflow list` shows all";
        let text = format!("there is no workflow `{workflow}`");
        return Err(Failure::new(Code::NotFound, text, hint));
    }
    deploy::check_targets(hall, &wish.targets).await?;
    schedules::put(hall, asked, ADMIN).await?;
    let (document, plan) = find(hall, &name).await?;
    view(hall, document, &plan, NEXT).await
}

async fn find(hall: &Hall, name: &str) -> Answer<(rows::Document, Plan)> {
    schedules::find(hall, name).await?.ok_or_else(|| Failure::not_found("schedule", name))
}

async fn view(
    hall: &Hall,
    document: rows::Document,
    plan: &Plan,
    next: usize,
) -> Answer<api::Schedule> {
    let state = Made::of(hall, &document.name).await?;
    let mut history = Vec::with_capacity(state.history().len());
    for start in state.history() {
        history.push(start_view(hall, start).await?);
    }
    Ok(api::Schedule {
        schedule: plan.spec.clone(),
        changed_by: document.updated_by,
        changed_at: document.updated_at.as_millis(),
        next: plan.upcoming(&state, next).iter().map(|at| at.as_millis()).collect(),
        queued: state.queued().to_vec(),
        history,
    })
}

async fn start_view(hall: &Hall, start: &Start) -> Answer<api::ScheduleStart> {
    let status = match start.deployment.as_ref().and_then(|id| id.parse().ok()) {
        Some(id) => hall.store.deployment(id).await?.map(|row| row.status),
        None => None,
    };
    Ok(api::ScheduleStart {
        due: start.due,
        at: start.at,
        deployment: start.deployment.clone(),
        status,
        note: start.note.clone(),
    })
}

impl From<ScheduleError> for Failure {
    fn from(error: ScheduleError) -> Self {
        let text = crate::core::chain(&error);
        let hint = match error {
            ScheduleError::Read(error) => return error.into(),
            ScheduleError::Commit(error) => return error.into(),
            ScheduleError::Chance(error) => return error.into(),
            ScheduleError::Damaged(_) => return Self::new(Code::Internal, text, ""),
            ScheduleError::NoTime => "--cron \"0 3 * * 1-5\" or --every 6h",
            ScheduleError::Zone(_) => "an IANA name such as Europe/Warsaw, or UTC",
            ScheduleError::Recurrence(_) => {
                "minute hour day month weekday, such as \"0 3 * * 1-5\"; `deskhand explain DH-A041`"
            }
            ScheduleError::Span(_) => "",
            ScheduleError::Overlap(_) => "skip, queue or parallel",
            ScheduleError::Missed(_) => "skip, once or all",
            ScheduleError::Never => "give a later end, or another expression",
        };
        Self::new(Code::Schedule, text, hint)
    }
}
