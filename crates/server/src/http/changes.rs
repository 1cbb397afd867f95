//! Live changes as server-sent events.
//!
//! Watch first and read then, and nothing is missed: a change is told once it is durable.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, StreamExt};
use model::DeploymentId;
use serde::Deserialize;
use tokio::sync::watch;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use utoipa::IntoParams;

use super::Shared;
use super::problem::{Answer, Failure};

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Ends streams when the server stops.
#[derive(Clone)]
pub struct Stopping(pub watch::Receiver<bool>);

#[derive(Debug, Deserialize, IntoParams)]
pub struct Wanted {
    /// Only changes of this deployment.
    deployment: Option<String>,
}

#[utoipa::path(
    get, path = "/api/changes", params(Wanted),
    responses((status = 200, body = api::Change, content_type = "text/event-stream"))
)]
pub async fn watch(
    State(hall): Shared,
    Query(wanted): Query<Wanted>,
    Extension(Stopping(mut stopping)): Extension<Stopping>,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let only: Option<DeploymentId> = match wanted.deployment {
        Some(text) => Some(text.parse().map_err(|_| Failure::not_found("deployment", &text))?),
        None => None,
    };
    let changes = BroadcastStream::new(hall.changes.watch());
    let told = changes.filter_map(move |told| {
        let event = match told {
            Ok(told) if only.is_none_or(|only| told.deployment == Some(only)) => data(&told.change),
            Ok(_) => None,
            Err(BroadcastStreamRecvError::Lagged(_)) => data(&api::Change::Missed),
        };
        std::future::ready(event.map(Ok))
    });
    let stopped = async move {
        // The sender gone means the same.
        let _stopping = stopping.wait_for(|stopping| *stopping).await;
    };
    let told = told.take_until(stopped);
    Ok(Sse::new(told).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn data(change: &api::Change) -> Option<Event> {
    Event::default().json_data(change).ok()
}
