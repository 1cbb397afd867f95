//! The log of events: who did what, what was refused and why.

use axum::Json;
use axum::extract::{Query, State};
use model::{DeploymentId, RunId, Timestamp};
use serde::Deserialize;
use store::{EventFilter, Page};
use utoipa::IntoParams;

use super::problem::{Answer, Code, Failure};
use super::{PAGE_ROWS, PAGE_ROWS_MAX, Shared, fleet};
use crate::views;

#[derive(Debug, Deserialize, IntoParams)]
pub struct Wanted {
    kind: Option<String>,
    /// By name or id.
    computer: Option<String>,
    deployment: Option<String>,
    run: Option<String>,
    /// At or after, in milliseconds since 1970 UTC.
    from: Option<i64>,
    /// Before.
    until: Option<i64>,
    /// Only what stands behind this number; without it the page is the latest.
    after: Option<u64>,
    limit: Option<u32>,
}

/// Oldest first.
#[utoipa::path(
    get, path = "/api/events", params(Wanted),
    responses((status = 200, body = api::Listing<api::Event>))
)]
pub async fn list(
    State(hall): Shared,
    Query(wanted): Query<Wanted>,
) -> Answer<Json<api::Listing<api::Event>>> {
    let limit = wanted.limit.unwrap_or(PAGE_ROWS).clamp(1, PAGE_ROWS_MAX);
    let computer = match &wanted.computer {
        Some(name) => Some(fleet::find(&hall, name).await?.computer.id),
        None => None,
    };
    let wrong = |what: &str| Failure::new(Code::Request, format!("`{what}` is not an id"), "");
    let deployment: Option<DeploymentId> =
        wanted.deployment.map(|id| id.parse().map_err(|_| wrong(&id))).transpose()?;
    let run: Option<RunId> = wanted.run.map(|id| id.parse().map_err(|_| wrong(&id))).transpose()?;
    let filter = EventFilter {
        kind: wanted.kind,
        computer,
        deployment,
        run,
        from: wanted.from.map(Timestamp::from_millis),
        until: wanted.until.map(Timestamp::from_millis),
        behind: wanted.after,
    };
    let page = if wanted.after.is_some() { Page::all() } else { Page::first(limit) };
    let mut rows = hall.store.events(filter, page).await?;
    rows.reverse();
    let is_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| is_more).map(|row| row.seq.to_string());
    Ok(Json(api::Listing { items: rows.iter().map(views::event).collect(), next }))
}
