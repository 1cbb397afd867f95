//! Applications: published, looked at, withdrawn; and how they stand on machines.

use std::collections::{BTreeSet, HashMap};

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use model::{ApplicationId, ComputerId};
use serde::Deserialize;
use store::{Page, StateFilter, StateKey, Write, rows};
use trust::{WantedApplication, WantedSet};
use utoipa::IntoParams;

use super::problem::{Answer, Body, Code, Failure};
use super::{DONE, PAGE_ROWS, PAGE_ROWS_MAX, Shared, associations, fleet};
use crate::applications::{self, PublishError, Published};
use crate::hall::{ADMIN, About, Hall};

/// Refused where another text or source is published with the same version.
#[utoipa::path(
    post, path = "/api/applications", request_body = api::NewApplication,
    responses((status = 201, body = api::Published), (status = 422, body = api::Problem))
)]
pub async fn publish(
    State(hall): Shared,
    Body(asked): Body<api::NewApplication>,
) -> Answer<(StatusCode, Json<api::Published>)> {
    let Published { row, findings, is_new } =
        applications::publish(&hall, &asked.text, ADMIN).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let published = api::Published { application: view(&row), is_new, findings };
    Ok((status, Json(published)))
}

#[utoipa::path(
    get, path = "/api/applications",
    responses((status = 200, body = api::Listing<api::Application>))
)]
pub async fn list(State(hall): Shared) -> Answer<Json<api::Listing<api::Application>>> {
    let rows = hall.store.applications().await?;
    Ok(Json(api::Listing { items: rows.iter().map(view).collect(), next: None }))
}

#[derive(Debug, Deserialize, IntoParams)]
pub struct Which {
    /// The latest when none.
    revision: Option<u64>,
}

#[utoipa::path(
    get, path = "/api/applications/{name}",
    params(("name", description = "Name or id"), Which),
    responses((status = 200, body = api::ApplicationDetail))
)]
pub async fn show(
    State(hall): Shared,
    Path(name): Path<String>,
    Query(which): Query<Which>,
) -> Answer<Json<api::ApplicationDetail>> {
    let latest = find(&hall, &name).await?;
    let revisions = hall.store.application_revisions(latest.id).await?;
    let wanted = which.revision.unwrap_or(latest.revision);
    let row = revisions.iter().find(|row| row.revision == wanted);
    let missing = || Failure::not_found("revision", &format!("{wanted} of {}", latest.name));
    let row = row.ok_or_else(missing)?;
    let associations = associations::of(&hall, Some(latest.id)).await?;
    Ok(Json(api::ApplicationDetail {
        application: view(row),
        text: row.text.clone(),
        revisions: revisions.iter().map(view).collect(),
        associations,
    }))
}

/// Refused while it is associated.
#[utoipa::path(
    delete, path = "/api/applications/{name}", params(("name", description = "Name or id")),
    responses((status = 204))
)]
pub async fn withdraw(State(hall): Shared, Path(name): Path<String>) -> Answer<StatusCode> {
    let row = find(&hall, &name).await?;
    let text = format!("{} is not published any more", row.name);
    let event = hall.event("application", About::NOTHING, ADMIN, text);
    hall.writer.submit(vec![Write::RemoveApplication(row.id), event]).await.map_err(|error| {
        let hint = "`deskhand association remove` takes its associations away";
        Failure::from(error).hinted(Code::Refused, hint)
    })?;
    hall.wanted.look_again();
    Ok(DONE)
}

#[derive(Debug, Deserialize, IntoParams)]
pub struct Asked {
    /// Of this computer, by name or id.
    computer: Option<String>,
    /// Of this application, by name or id.
    application: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    limit: Option<u32>,
}

/// How applications stand on machines, as their agents told last.
#[utoipa::path(
    get, path = "/api/application-states", params(Asked),
    responses((status = 200, body = api::Listing<api::ApplicationState>))
)]
pub async fn states(
    State(hall): Shared,
    Query(asked): Query<Asked>,
) -> Answer<Json<api::Listing<api::ApplicationState>>> {
    let computer = match &asked.computer {
        Some(name) => Some(fleet::find(&hall, name).await?.computer.id),
        None => None,
    };
    let application = match &asked.application {
        Some(name) => Some(find(&hall, name).await?.id),
        None => None,
    };
    let limit = asked.limit.unwrap_or(PAGE_ROWS).clamp(1, PAGE_ROWS_MAX);
    let after = asked.after.as_deref().map(read_key).transpose()?;
    let filter = StateFilter { computer, application };
    let rows = hall.store.application_states(filter, Page { after, limit }).await?;
    let is_last = rows.len() < limit as usize;
    let next = rows.last().filter(|_| !is_last).map(write_key);
    let named: BTreeSet<ComputerId> = rows.iter().map(|row| row.computer).collect();
    let mut waiting = HashMap::new();
    for computer in named {
        let told = hall.store.wanted_set(computer).await?;
        let told = told.filter(|told| hall.wanted.is_waiting(&hall, told));
        if let Some(set) = told.and_then(|told| WantedSet::decode(&told.set).ok()) {
            waiting.insert(computer, set);
        }
    }
    let computers: Vec<ComputerId> = rows.iter().map(|row| row.computer).collect();
    let mut items = state_views(&hall, rows).await?;
    for (state, computer) in items.iter_mut().zip(computers) {
        if let Some(set) = waiting.get(&computer) {
            withheld(state, set);
        }
    }
    Ok(Json(api::Listing { items, next }))
}

fn write_key(row: &rows::ApplicationState) -> String {
    format!("{}/{}/{}", row.computer, row.application, row.user)
}

fn read_key(text: &str) -> Answer<StateKey> {
    let read = || {
        let mut parts = text.splitn(3, '/');
        let (computer, application) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some((computer, application, parts.next()?.to_owned()))
    };
    let wrong = || Failure::new(Code::Request, "`after` is not from a page before", "");
    read().ok_or_else(wrong)
}

/// What a machine is to have, and how that stands.
#[utoipa::path(
    get, path = "/api/computers/{name}/applications",
    params(("name", description = "Name or id")),
    responses((status = 200, body = api::ComputerApplications))
)]
pub async fn of_computer(
    State(hall): Shared,
    Path(name): Path<String>,
) -> Answer<Json<api::ComputerApplications>> {
    let computer = fleet::find(&hall, &name).await?.computer;
    let told = hall.store.wanted_set(computer.id).await?;
    let set = told.as_ref().and_then(|told| WantedSet::decode(&told.set).ok()).unwrap_or_default();
    let filter = StateFilter { computer: Some(computer.id), application: None };
    let rows = hall.store.application_states(filter, Page::all()).await?;
    let mut states = state_views(&hall, rows).await?;
    let untold = set.applications.iter().filter(|wanted| {
        let id = wanted.application.to_string();
        !states.iter().any(|state| state.application_id == id)
    });
    let untold: Vec<_> =
        untold.map(|wanted| untold_view(computer.id, &computer.name, wanted)).collect();
    states.extend(untold);
    if told.as_ref().is_some_and(|told| hall.wanted.is_waiting(&hall, told)) {
        states.iter_mut().for_each(|state| withheld(state, &set));
    }
    Ok(Json(api::ComputerApplications {
        computer: computer.name,
        serial: told.as_ref().map(|told| told.serial),
        is_taken: told.as_ref().is_some_and(|told| told.taken >= told.serial),
        told_at: told.map(|told| told.made_at.as_millis()),
        applications: set.applications.iter().map(wanted_view).collect(),
        states,
    }))
}

/// How an application stands whose machine is not told of it before an operator signs that.
fn withheld(state: &mut api::ApplicationState, set: &WantedSet) {
    let is_it =
        |wanted: &&WantedApplication| wanted.application.to_string() == state.application_id;
    let wanted = set.applications.iter().find(is_it).map(|wanted| wanted.version);
    if state.wanted == wanted && state.state != "untold" {
        return;
    }
    state.wanted = wanted;
    state.state = "pending".to_owned();
    state.pending = Some("an operator's signature".to_owned());
}

/// Wanted, and nothing was heard of it.
fn untold_view(
    id: ComputerId,
    computer: &str,
    wanted: &WantedApplication,
) -> api::ApplicationState {
    api::ApplicationState {
        computer: computer.to_owned(),
        computer_id: id.to_string(),
        application: wanted.name.clone(),
        application_id: wanted.application.to_string(),
        user: None,
        wanted: Some(wanted.version),
        installed: None,
        state: "untold".to_owned(),
        drift: 0,
        error: None,
        pending: Some("a word of its agent".to_owned()),
        next_attempt: None,
        told_at: None,
    }
}

fn wanted_view(wanted: &WantedApplication) -> api::WantedApplication {
    api::WantedApplication {
        application: wanted.name.clone(),
        application_id: wanted.application.to_string(),
        version: wanted.version,
        users: wanted.users.clone(),
        uninstall: wanted.uninstall,
        verify_every_s: wanted.verify_every.map_or(0, |every| every.as_millis() / 1_000),
        repair: wanted.repair,
    }
}

async fn state_views(
    hall: &Hall,
    rows: Vec<rows::ApplicationState>,
) -> Answer<Vec<api::ApplicationState>> {
    let mut names: HashMap<ComputerId, String> = HashMap::new();
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        let computer = match names.get(&row.computer) {
            Some(name) => name.clone(),
            None => {
                let known = hall.store.computer(row.computer).await?;
                let name = known.map_or_else(String::new, |known| known.computer.name);
                names.insert(row.computer, name.clone());
                name
            }
        };
        let told = |text: String| Some(text).filter(|text| !text.is_empty());
        views.push(api::ApplicationState {
            computer,
            computer_id: row.computer.to_string(),
            application: row.name,
            application_id: row.application.to_string(),
            user: told(row.user),
            wanted: row.wanted,
            installed: row.installed,
            state: row.state,
            drift: row.drift,
            error: told(row.error),
            pending: told(row.pending),
            next_attempt: row.next_attempt.map(model::Timestamp::as_millis),
            told_at: Some(row.at.as_millis()),
        });
    }
    Ok(views)
}

pub async fn find(hall: &Hall, name: &str) -> Answer<rows::Application> {
    applications::find(hall, name).await?.ok_or_else(|| {
        let hint = "`deskhand app published` lists all, `deskhand app publish FILE` adds one";
        Failure::not_found("published application", name).hinted(Code::NotFound, hint)
    })
}

/// The name of an application, or its id where there is none of that id.
pub async fn name_of(hall: &Hall, id: ApplicationId) -> Answer<String> {
    let row = hall.store.application(id, None).await?;
    Ok(row.map_or_else(|| id.to_string(), |row| row.name))
}

fn view(row: &rows::Application) -> api::Application {
    api::Application {
        id: row.id.to_string(),
        name: row.name.clone(),
        version: row.version,
        revision: row.revision,
        digest: row.digest.to_string(),
        source: row.source.map(|tree| tree.to_string()),
        source_files: row.source_files,
        source_bytes: row.source_bytes,
        published_by: row.published_by.clone(),
        published_at: row.published_at.as_millis(),
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        let text = crate::core::chain(&error);
        match error {
            PublishError::Wrong(findings) => {
                let errors = findings.iter().filter(|found| found.severity == "error");
                let text = format!("the application has {} errors", errors.count());
                let hint = "`deskhand app check FILE` shows each in its place";
                Self::new(Code::Application, text, hint).with(findings)
            }
            PublishError::SameVersion { .. } => {
                let hint = "machines that have that version would not take another content of it";
                Self::new(Code::Version, text, hint)
            }
            PublishError::SourceMacros(_)
            | PublishError::SourcePath { .. }
            | PublishError::NoSource(_)
            | PublishError::Lookup(_) => {
                let hint = "`source:` names a folder of the depot, such as deploy/viewer";
                Self::new(Code::Depot, text, hint)
            }
            PublishError::Pin(_) => Self::new(Code::Depot, text, ""),
            PublishError::Read(error) => error.into(),
            PublishError::Commit(error) => error.into(),
            PublishError::Gone(error) => error.into(),
        }
    }
}
