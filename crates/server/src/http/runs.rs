//! One target's part in a deployment: its path, its outputs, what its commands wrote.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use model::RunId;
use store::rows;
use workflow::Run;
use workflow::journal::Chain;

use super::Shared;
use super::problem::{Answer, Code, Failure};
use crate::hall::Hall;
use crate::views;

#[utoipa::path(
    get, path = "/api/runs/{id}", params(("id",)), responses((status = 200, body = api::RunDetail))
)]
pub async fn show(State(hall): Shared, Path(text): Path<String>) -> Answer<Json<api::RunDetail>> {
    let row = find(&hall, &text).await?;
    Ok(Json(detail(&hall, &row).await?))
}

/// What its commands wrote, as far as it was kept; oldest visit first.
#[utoipa::path(
    get, path = "/api/runs/{id}/log", params(("id",)),
    responses((status = 200, body = Vec<api::Log>))
)]
pub async fn log(State(hall): Shared, Path(text): Path<String>) -> Answer<Json<Vec<api::Log>>> {
    let row = find(&hall, &text).await?;
    let detail = detail(&hall, &row).await?;
    let activities: BTreeMap<u32, String> =
        detail.path.into_iter().map(|step| (step.visit, step.activity)).collect();
    let reading = tokio::task::spawn_blocking(move || hall.logs.read(row.deployment, row.run));
    let failed = |error: String| Failure::new(Code::Internal, error, "the server's log says more");
    let kept = reading
        .await
        .map_err(|error| failed(error.to_string()))?
        .map_err(|error| failed(format!("the kept output could not be read: {error}")))?;
    let log = |kept: crate::logs::Kept| api::Log {
        computer: detail.run.computer.clone(),
        activity: activities.get(&kept.visit).cloned().unwrap_or_default(),
        attempt: kept.attempt,
        visit: kept.visit,
        stream: kept.stream.to_owned(),
        text: String::from_utf8_lossy(&kept.bytes).into_owned(),
        left_out: kept.left_out,
    };
    Ok(Json(kept.into_iter().map(log).collect()))
}

/// The ways that all runs of a deployment took, in one answer.
#[utoipa::path(
    get, path = "/api/deployments/{id}/paths", params(("id",)),
    responses((status = 200, body = Vec<api::RunPath>))
)]
pub async fn paths(
    State(hall): Shared,
    Path(text): Path<String>,
) -> Answer<Json<Vec<api::RunPath>>> {
    let deployment = super::deployments::find(&hall, &text).await?;
    let rows = hall.store.runs_of(deployment.id).await?;
    let ids: Vec<RunId> = rows.iter().map(|row| row.run).collect();
    let live = hall.core.ask(move |giver, _| {
        let path = |id: &RunId| giver.run(*id).map(views::path);
        ids.iter().map(path).collect::<Vec<_>>()
    });
    let mut all = Vec::with_capacity(rows.len());
    for (row, path) in rows.iter().zip(live.await?) {
        let path = match path {
            Some(path) => path,
            None => replay(&hall, row).await?.as_ref().map(views::path).unwrap_or_default(),
        };
        all.push(api::RunPath { run: row.run.to_string(), path });
    }
    Ok(Json(all))
}

async fn find(hall: &Hall, text: &str) -> Answer<rows::Run> {
    let missing = || Failure::not_found("run", text);
    let id: RunId = text.parse().map_err(|_| missing())?;
    hall.store.run(id).await?.ok_or_else(missing)
}

async fn detail(hall: &Hall, row: &rows::Run) -> Answer<api::RunDetail> {
    let id = row.run;
    let name = hall.store.computer(row.computer).await?;
    let name = name.map_or(String::new(), |row| row.computer.name);
    let computer = name.clone();
    let live = hall.core.ask(move |giver, now| {
        let view = giver.view(id, now)?;
        let run = giver.run(id);
        Some((views::run_detail(views::live_run(&view, &computer), run), view))
    });
    if let Some((mut detail, view)) = live.await? {
        views::add_reach(&mut detail.run, &view, &hall.reach);
        return Ok(detail);
    }
    let run = views::kept_run(row, &name, hall.links.is_online(row.computer));
    let replayed = replay(hall, row).await?;
    Ok(views::run_detail(run, replayed.as_ref()))
}

/// A run that is not at hand any more, folded from its journal once more; as far as it can be read.
async fn replay(hall: &Hall, row: &rows::Run) -> Answer<Option<Run>> {
    let Some(deployment) = hall.store.deployment(row.deployment).await? else { return Ok(None) };
    let definition = match row.copy {
        1 => Some(deployment.definition),
        number => {
            let copies = hall.store.deployment_copies(row.deployment).await?;
            let copy = copies.into_iter().find(|copy| copy.number == number);
            copy.map(|copy| copy.definition)
        }
    };
    let Some(Ok(workflow)) = definition.map(|bytes| wire::definition::decode(&bytes)) else {
        return Ok(None);
    };
    let mut chain = Chain::new(row.run);
    let mut records = Vec::new();
    for record in hall.store.journal(row.run, 0).await? {
        match chain.read(&record.bytes) {
            Ok((record, _)) => records.push(record),
            Err(_) => break,
        }
    }
    let base = workflow::Context::default();
    let place = workflow::Place::Server;
    Ok(Run::open(row.run, place, Arc::new(workflow), base, records).ok())
}
