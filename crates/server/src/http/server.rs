//! The server itself.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use model::Addresses;
use model::address::AGENT_PORT;
use store::Write;
use store::rows::Setting;
use travel::GiverInput;

use super::Shared;
use super::problem::{Answer, Body, Code, Failure};
use crate::hall::{ADMIN, About, Hall};
use crate::reach::DETECTION_SETTING;
use crate::reach::presence::Counts;

#[utoipa::path(get, path = "/api/health", responses((status = 200, body = api::Health)))]
pub async fn health() -> Json<api::Health> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Json(api::Health { status: "ok".into(), version })
}

#[utoipa::path(get, path = "/api/openapi.json", responses((status = 200, body = String)))]
pub async fn document() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], super::openapi())
}

#[utoipa::path(get, path = "/api/server", responses((status = 200, body = api::Server)))]
pub async fn show(State(hall): Shared) -> Answer<Json<api::Server>> {
    Ok(Json(view(&hall).await?))
}

async fn view(hall: &Hall) -> Answer<api::Server> {
    let (slots_used, _) = hall.core.ask(|giver, _| giver.slots()).await?;
    let row = hall.row();
    Ok(api::Server {
        id: row.id.to_string(),
        name: row.name,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        depot: row.depot,
        agent_listen: row.agent_listen,
        api_listen: row.api_listen,
        max_targets: row.max_targets,
        is_default: row.is_default,
        detection: hall.reach.detection.borrow().to_string(),
        signals: signals(hall.reach.signals.counts()),
        agents_connected: hall.links.count(),
        slots_used,
        key_fingerprint: hall.identity.fingerprint().to_string(),
        started_at: hall.started_at.as_millis(),
    })
}

#[utoipa::path(
    patch, path = "/api/server", request_body = api::ServerSettings,
    responses((status = 200, body = api::Server))
)]
pub async fn change(
    State(hall): Shared,
    Body(settings): Body<api::ServerSettings>,
) -> Answer<Json<api::Server>> {
    if settings.max_targets == Some(0) {
        let text = "at least one run must be allowed at once";
        return Err(Failure::new(Code::Request, text, "suspend deployments instead"));
    }
    let detection = settings.detection.as_deref().map(|text| {
        Addresses::parse(text, AGENT_PORT)
            .map_err(|error| Failure::new(Code::Request, error.to_string(), ""))
    });
    let detection = detection.transpose()?;
    let mut row = hall.row();
    row.max_targets = settings.max_targets.unwrap_or(row.max_targets);
    row.name = settings.name.clone().unwrap_or(row.name);
    let text = format!("{}: at most {} runs at once", row.name, row.max_targets);
    let mut writes =
        vec![Write::PutServer(row.clone()), hall.event("server", About::NOTHING, ADMIN, text)];
    if let Some(detection) = &detection {
        let (key, value) = (DETECTION_SETTING.to_owned(), detection.to_string().into_bytes());
        writes.push(Write::PutSetting(Setting { key, value }));
    }
    hall.writer.submit(writes).await?;
    hall.change_row(|kept| (kept.name, kept.max_targets) = (row.name, row.max_targets));
    if let Some(detection) = detection {
        hall.reach.detection.send_replace(detection);
    }
    if let Some(max) = settings.max_targets {
        hall.core.input(GiverInput::SetMaxTargets(max as usize)).await?;
        hall.core.settle().await?;
    }
    Ok(Json(view(&hall).await?))
}

pub fn signals(counts: Counts) -> api::Signals {
    let Counts { believed, unknown, forged, stale, limited } = counts;
    api::Signals { believed, unknown, forged, stale, limited }
}
