//! Workflows.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Deserialize;
use store::rows;
use utoipa::IntoParams;

use super::Shared;
use super::problem::{Answer, Body, Code, Failure};
use crate::hall::{ADMIN, Hall};
use crate::views;
use crate::workflows::{self, ApplyError, SOURCE_BYTES_MAX};

fn check_length(source: &str) -> Answer<()> {
    if source.len() <= SOURCE_BYTES_MAX {
        return Ok(());
    }
    Err(Failure::new(Code::Request, "the workflow file is longer than any can be", ""))
}

/// What is wrong with a workflow file; nothing is kept.
#[utoipa::path(
    post, path = "/api/workflows/check", request_body = api::NewWorkflow,
    responses((status = 200, body = api::WorkflowChecked))
)]
pub async fn check(Body(asked): Body<api::NewWorkflow>) -> Answer<Json<api::WorkflowChecked>> {
    check_length(&asked.source)?;
    let findings = workflows::check(&asked.source).findings;
    Ok(Json(api::WorkflowChecked { workflow: None, findings }))
}

/// Keeps a workflow as a new revision, unless nothing changed or something is wrong with it.
#[utoipa::path(
    post, path = "/api/workflows", request_body = api::NewWorkflow,
    responses((status = 200, body = api::WorkflowChecked))
)]
pub async fn apply(
    State(hall): Shared,
    Body(asked): Body<api::NewWorkflow>,
) -> Answer<Json<api::WorkflowChecked>> {
    check_length(&asked.source)?;
    let checked = match workflows::apply(&hall, &asked.source, ADMIN).await {
        Ok((row, _, findings)) => {
            let workflow = Some(views::workflow(&row, String::new()));
            api::WorkflowChecked { workflow, findings }
        }
        Err(ApplyError::Wrong(findings)) => api::WorkflowChecked { workflow: None, findings },
        Err(error) => return Err(error.into()),
    };
    Ok(Json(checked))
}

#[utoipa::path(
    get, path = "/api/workflows", responses((status = 200, body = api::Listing<api::Workflow>))
)]
pub async fn list(State(hall): Shared) -> Answer<Json<api::Listing<api::Workflow>>> {
    let rows = hall.store.workflows().await?;
    let items = rows.iter().map(|row| views::workflow(row, String::new())).collect();
    Ok(Json(api::Listing { items, next: None }))
}

#[derive(Debug, Deserialize, IntoParams)]
pub struct Which {
    /// The latest, when not given.
    revision: Option<u64>,
}

#[utoipa::path(
    get, path = "/api/workflows/{name}", params(("name",), Which),
    responses((status = 200, body = api::Workflow))
)]
pub async fn show(
    State(hall): Shared,
    Path(name): Path<String>,
    Query(which): Query<Which>,
) -> Answer<Json<api::Workflow>> {
    let row = find(&hall, &name, &which).await?;
    Ok(Json(views::workflow(&row, row.source.clone())))
}

/// The file as it was applied.
#[utoipa::path(
    get, path = "/api/workflows/{name}/source", params(("name",), Which),
    responses((status = 200, body = String, content_type = "application/yaml"))
)]
pub async fn export(
    State(hall): Shared,
    Path(name): Path<String>,
    Query(which): Query<Which>,
) -> Answer<impl IntoResponse> {
    let row = find(&hall, &name, &which).await?;
    Ok(([(CONTENT_TYPE, "application/yaml")], row.source))
}

async fn find(hall: &Hall, name: &str, which: &Which) -> Answer<rows::Workflow> {
    let row = hall.store.workflow(name, which.revision).await?;
    row.ok_or_else(|| match which.revision {
        Some(revision) => {
            Failure::not_found("such revision of workflow", &format!("{name}, {revision}"))
        }
        None => Failure::not_found("workflow", name),
    })
}
