//! Server records, and the server's own upkeep: how it is, its log, its settings (DS-01, DS-03,
//! DS-04).

use std::path::Path as FilePath;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use deployment::Status;
use store::rows::{self, AgentState};
use store::{Page, Write};
use travel::GiverInput;

use super::Shared;
use super::problem::{Answer, Body, Code, Failure};
use crate::clock::now;
use crate::hall::{ADMIN, About, Hall};
use crate::reload::{self, ReloadError};

#[utoipa::path(
    get, path = "/api/servers", responses((status = 200, body = api::Listing<api::ServerRecord>))
)]
pub async fn list(State(hall): Shared) -> Answer<Json<api::Listing<api::ServerRecord>>> {
    let mut items = Vec::new();
    for row in hall.store.servers().await? {
        items.push(record(&hall, row).await?);
    }
    Ok(Json(api::Listing { items, next: None }))
}

#[utoipa::path(
    get, path = "/api/servers/{name}", params(("name", description = "Name or id")),
    responses((status = 200, body = api::ServerRecord))
)]
pub async fn show(
    State(hall): Shared,
    Path(name): Path<String>,
) -> Answer<Json<api::ServerRecord>> {
    let row = find(&hall, &name).await?;
    Ok(Json(record(&hall, row).await?))
}

/// By name or id.
pub async fn find(hall: &Hall, name: &str) -> Answer<rows::Server> {
    let all = hall.store.servers().await?;
    let is_it = |row: &rows::Server| {
        row.name.to_lowercase() == name.to_lowercase() || row.id.to_string() == name
    };
    all.into_iter().find(is_it).ok_or_else(|| Failure::not_found("server", name))
}

async fn record(hall: &Hall, row: rows::Server) -> Answer<api::ServerRecord> {
    // What this one has in memory is newer than what it has written.
    let is_this = row.id == hall.server;
    let row = if is_this { hall.row() } else { row };
    let computer = match row.computer {
        Some(id) => hall.store.computer(id).await?.map(|row| row.computer.name),
        None => None,
    };
    Ok(api::ServerRecord {
        id: row.id.to_string(),
        name: row.name,
        computer,
        depot: row.depot,
        presence: row.presence,
        agent_listen: row.agent_listen,
        api_listen: row.api_listen,
        max_targets: row.max_targets,
        is_default: row.is_default,
        is_this,
        is_running: row.lease_until > now(),
        created_at: row.created_at.as_millis(),
    })
}

#[utoipa::path(
    patch, path = "/api/servers/{name}", params(("name", description = "Name or id")),
    request_body = api::ServerChange, responses((status = 200, body = api::ServerRecord))
)]
pub async fn change(
    State(hall): Shared,
    Path(name): Path<String>,
    Body(asked): Body<api::ServerChange>,
) -> Answer<Json<api::ServerRecord>> {
    let mut row = find(&hall, &name).await?;
    let is_this = row.id == hall.server;
    if is_this {
        row = hall.row();
    }
    let told = apply(&hall, &mut row, &asked).await?;
    let mut writes = vec![Write::PutServer(row.clone())];
    if is_this && asked.presence.is_some() {
        writes.push(crate::start::keep_presence(&row.presence));
    }
    if asked.is_default == Some(true) {
        for other in hall.store.servers().await? {
            if other.id != row.id && other.is_default {
                writes.push(Write::PutServer(rows::Server { is_default: false, ..other }));
            }
        }
    }
    let text = format!("{}: {}", row.name, told.join(", "));
    writes.push(hall.event("server", About::NOTHING, ADMIN, text));
    hall.writer.submit(writes).await?;
    if is_this {
        let max = row.max_targets as usize;
        hall.change_row(|kept| {
            *kept = rows::Server { lease_until: kept.lease_until, ..row.clone() };
        });
        hall.core.input(GiverInput::SetMaxTargets(max)).await?;
        hall.core.settle().await?;
    } else if asked.is_default == Some(true) {
        hall.change_row(|kept| kept.is_default = false);
    }
    Ok(Json(record(&hall, row).await?))
}

/// Changes the row; what was changed, in words.
async fn apply(
    hall: &Hall,
    row: &mut rows::Server,
    asked: &api::ServerChange,
) -> Answer<Vec<String>> {
    let wrong = |text: &str, hint: &str| Failure::new(Code::Request, text, hint);
    let mut told = Vec::new();
    if let Some(name) = &asked.name {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > 64 || name.contains(char::is_control) {
            return Err(wrong("this cannot be a server's name", "1 to 64 printable characters"));
        }
        told.push(format!("was {}", row.name));
        name.clone_into(&mut row.name);
    }
    if let Some(presence) = &asked.presence {
        if presence.is_empty() || presence.iter().any(|address| !is_address(address)) {
            let hint = "write `host:port`, several parted by `;`";
            return Err(wrong("this is no list of addresses under which agents reach it", hint));
        }
        row.presence.clone_from(presence);
        told.push(format!("agents are told {}", presence.join("; ")));
    }
    if let Some(max) = asked.max_targets {
        if max == 0 {
            let hint = "suspend deployments instead";
            return Err(wrong("at least one run must be allowed at once", hint));
        }
        row.max_targets = max;
        told.push(format!("at most {max} runs at once"));
    }
    if let Some(depot) = &asked.depot {
        if row.id == hall.server {
            let hint = "`deskhand server configure depot=DIR`, then `deskhand server restart`";
            return Err(wrong("the depot of a running server is not exchanged", hint));
        }
        row.depot.clone_from(depot);
        told.push(format!("depot {depot}"));
    }
    match asked.is_default {
        Some(true) => {
            row.is_default = true;
            told.push("is the default".to_owned());
        }
        Some(false) if row.is_default => {
            let hint = "make another server the default";
            return Err(wrong("one server must be the default", hint));
        }
        _ => {}
    }
    if told.is_empty() {
        return Err(wrong("nothing was given to be changed", ""));
    }
    Ok(told)
}

fn is_address(text: &str) -> bool {
    let parts = text.rsplit_once(':');
    parts.is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(|c: char| c.is_whitespace() || c.is_control())
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

#[utoipa::path(
    get, path = "/api/server/status", responses((status = 200, body = api::ServerStatus))
)]
pub async fn status(State(hall): Shared) -> Answer<Json<api::ServerStatus>> {
    let (slots_used, slots) = hall.core.ask(|giver, _| giver.slots()).await?;
    let agents = hall.store.agents(Page::all()).await?;
    let enrolled = agents.iter().filter(|agent| agent.state == AgentState::Enrolled).count();
    let (mut open, mut counts) = (0, std::collections::BTreeMap::<String, u64>::new());
    for row in hall.store.deployments(Page::all()).await? {
        if row.status == Status::Ended.as_str() {
            continue;
        }
        open += 1;
        let runs =
            store::RunFilter { deployment: Some(row.id), is_open: Some(true), computer: None };
        for run in hall.store.runs(runs, Page::all()).await? {
            *counts.entry(run.phase).or_default() += 1;
        }
    }
    let waiting = counts.get("pending").copied().unwrap_or_default();
    let in_progress = counts.values().sum::<u64>() - waiting;
    let (data, depot) = (hall.data.path().to_owned(), hall.depot.path.clone());
    let objects = hall.data.objects();
    let measured = tokio::task::spawn_blocking(move || {
        let database = ["deskhand.db", "deskhand.db-wal"].map(|name| file_size(&data.join(name)));
        (
            database.iter().sum(),
            tree(&depot),
            tree(&objects),
            memory(),
            machine::disk_free(&data).ok(),
        )
    });
    let (database_bytes, depot, objects, memory_bytes, disk_free) =
        measured.await.map_err(|_| crate::core::Gone)?;
    let gauges = &hall.gauges;
    let (commit_ms, commit_ms_max) = gauges.commit_ms();
    let errors =
        gauges.errors().into_iter().map(|(at, text)| api::LoggedError { at: at.as_millis(), text });
    Ok(Json(api::ServerStatus {
        name: hall.row().name,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started_at: hall.started_at.as_millis(),
        uptime_s: now().since(hall.started_at).as_millis() / 1_000,
        detection: hall.reach.detection.borrow().to_string(),
        signals: super::server::signals(hall.reach.signals.counts()),
        agents_connected: hall.links.count(),
        agents_enrolled: enrolled,
        runs_in_progress: in_progress,
        runs_waiting: waiting,
        slots_used,
        slots,
        deployments_open: open,
        database_bytes,
        commits: gauges.commits(),
        commit_ms,
        commit_ms_max,
        records: gauges.records(),
        records_per_second: gauges.records_per_second(),
        depot_files: depot.0,
        depot_bytes: depot.1,
        objects: objects.0,
        objects_bytes: objects.1,
        disk_free_bytes: disk_free,
        memory_bytes,
        connections: gauges.connections() + hall.links.count(),
        handshakes_refused: gauges.handshakes_refused_count(),
        trust_document: hall.identity.trust_number(),
        log_filter: hall.log_filter.as_ref().map(reload::LogFilter::text),
        errors: errors.collect(),
    }))
}

fn file_size(path: &FilePath) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}

/// Files below a folder and their bytes. Links are not followed.
fn tree(folder: &FilePath) -> (u64, u64) {
    let (mut files, mut bytes) = (0, 0);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => folders.push(entry.path()),
                Ok(meta) if meta.is_file() => (files, bytes) = (files + 1, bytes + meta.len()),
                _ => {}
            }
        }
    }
    (files, bytes)
}

/// What of this process lies in memory, where the system tells.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1_024)
}

#[utoipa::path(post, path = "/api/server/reload", responses((status = 200, body = api::Reloaded)))]
pub async fn reload(State(hall): Shared) -> Answer<Json<api::Reloaded>> {
    Ok(Json(reload::reload(&hall, ADMIN).await?))
}

#[utoipa::path(
    post, path = "/api/server/refresh", responses((status = 200, body = api::Refreshed))
)]
pub async fn refresh(State(hall): Shared) -> Answer<Json<api::Refreshed>> {
    let hall: Arc<Hall> = hall;
    Ok(Json(api::Refreshed { done: reload::refresh(&hall, ADMIN).await? }))
}

#[utoipa::path(
    put, path = "/api/server/log", request_body = api::LogSettings,
    responses((status = 200, body = api::LogSettings))
)]
pub async fn set_log(
    State(hall): Shared,
    Body(asked): Body<api::LogSettings>,
) -> Answer<Json<api::LogSettings>> {
    let Some(log) = &hall.log_filter else {
        let text = "what this server logs cannot be changed: it was not started by `server run`";
        return Err(Failure::new(Code::Refused, text, ""));
    };
    let wrong = |why: String| {
        let text = format!("`{}` is no log filter: {why}", asked.filter);
        Failure::new(Code::Request, text, "such as `info` or `warn,server::gateway=debug`")
    };
    log.set(&asked.filter).map_err(wrong)?;
    let text = format!("logged from now on: {}", asked.filter);
    tracing::info!("{text}");
    hall.writer.submit(vec![hall.event("server", About::NOTHING, ADMIN, text)]).await?;
    Ok(Json(api::LogSettings { filter: log.text() }))
}

impl From<ReloadError> for Failure {
    fn from(error: ReloadError) -> Self {
        let text = crate::core::chain(&error);
        match error {
            ReloadError::NoFile => {
                let hint =
                    "start it with `--config FILE`, or put `server.toml` into its data folder";
                Self::new(Code::Settings, text, hint)
            }
            ReloadError::Settings(_) | ReloadError::Filter { .. } => Self::new(
                Code::Settings,
                text,
                "nothing was changed; mend the file and reload again",
            ),
            ReloadError::Commit(error) => error.into(),
            ReloadError::Gone(gone) => gone.into(),
        }
    }
}
