//! Named actions: kept, shown, started by people.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use model::{ComputerId, Digest};
use tokio_util::sync::CancellationToken;
use workflow::{Context, Does, Report};

use super::problem::{Answer, Body, Code, Failure};
use super::{DONE, Shared, fleet};
use crate::actions::{self, ActionError, Call, Kept};
use crate::clock::random;
use crate::hall::{ADMIN, About, Hall};

#[utoipa::path(
    get, path = "/api/actions", responses((status = 200, body = api::Listing<api::Action>))
)]
pub async fn list(State(hall): Shared) -> Answer<Json<api::Listing<api::Action>>> {
    let kept = actions::list(&hall).await?;
    let items = kept.iter().map(|kept| view(kept, String::new())).collect();
    Ok(Json(api::Listing { items, next: None }))
}

/// Keeps an action file; an action of that name is replaced.
#[utoipa::path(
    post, path = "/api/actions", request_body = api::NewAction,
    responses((status = 200, body = api::Action))
)]
pub async fn set(
    State(hall): Shared,
    Body(asked): Body<api::NewAction>,
) -> Answer<Json<api::Action>> {
    let kept = actions::set(&hall, &asked.source, ADMIN).await?;
    Ok(Json(view(&kept, asked.source)))
}

#[utoipa::path(
    get, path = "/api/actions/{name}", params(("name",)),
    responses((status = 200, body = api::Action))
)]
pub async fn show(State(hall): Shared, Path(name): Path<String>) -> Answer<Json<api::Action>> {
    let kept = actions::find(&hall, &name).await?;
    let source = String::from_utf8_lossy(&kept.row.body).into_owned();
    Ok(Json(view(&kept, source)))
}

#[utoipa::path(
    delete, path = "/api/actions/{name}", params(("name",)), responses((status = 204))
)]
pub async fn remove(State(hall): Shared, Path(name): Path<String>) -> Answer<StatusCode> {
    actions::remove(&hall, &name, ADMIN).await?;
    Ok(DONE)
}

/// Starts an action, for each computer named, and tells how each start ended. An action that starts
/// a workflow is started once, for all of them.
#[utoipa::path(
    post, path = "/api/actions/{name}/run", params(("name",)), request_body = api::ActionRun,
    responses((status = 200, body = api::Listing<api::ActionResult>))
)]
pub async fn run(
    State(hall): Shared,
    Path(name): Path<String>,
    Body(asked): Body<api::ActionRun>,
) -> Answer<Json<api::Listing<api::ActionResult>>> {
    let kept = actions::find(&hall, &name).await?;
    // What is wrong with the parameters is told before anything is done.
    let given = asked.parameters.clone();
    kept.action.context(&Context::default(), given).map_err(ActionError::from)?;
    let mut computers = Vec::with_capacity(asked.computers.len());
    for name in &asked.computers {
        computers.push(fleet::find(&hall, name).await?.computer);
    }
    if let Some(query) = &asked.query {
        let chosen = crate::fleet::choose(&hall, &format::parse_query(query)?).await?;
        let is_new = |id| computers.iter().all(|known| known.id != id);
        let more: Vec<_> =
            chosen.into_iter().map(|row| row.computer).filter(|found| is_new(found.id)).collect();
        computers.extend(more);
        if computers.is_empty() {
            let hint = "`deskhand computer list --where QUERY` shows whom it chooses";
            let text = "no computer on record meets the query".to_owned();
            return Err(Failure::new(Code::Request, text, hint));
        }
    }
    let text = format!("action {} was started", kept.action.name);
    hall.writer.submit(vec![hall.event("action", About::NOTHING, ADMIN, text)]).await?;
    let is_one = matches!(kept.action.does, Does::Deployment(_)) || computers.is_empty();
    let mut items = Vec::new();
    if is_one {
        let targets = computers.iter().map(|computer| computer.id).collect();
        let call = call(&kept, &asked, Context::default(), targets)?;
        items.push(result(None, run_one(&hall, call).await));
    } else {
        for computer in computers {
            let of = Context { computer: told(&computer), ..Context::default() };
            let mut call = call(&kept, &asked, of, vec![computer.id])?;
            call.about = About::computer(computer.id);
            items.push(result(Some(computer.name), run_one(&hall, call).await));
        }
    }
    Ok(Json(api::Listing { items, next: None }))
}

/// Goes on when whoever asked does not wait for it.
async fn run_one(hall: &Arc<Hall>, call: Call) -> Report {
    let hall = hall.clone();
    let doing = tokio::spawn(async move { actions::call(&hall, &call).await });
    doing.await.unwrap_or_else(|error| Report::error(format!("the server's own fault: {error}")))
}

fn call(
    kept: &Kept,
    asked: &api::ActionRun,
    of: Context,
    targets: Vec<ComputerId>,
) -> Answer<Call> {
    Ok(Call {
        name: kept.action.name.clone(),
        parameters: asked.parameters.clone(),
        wait: asked.wait,
        of,
        targets,
        about: About::NOTHING,
        key: Digest::from_bytes(random()?),
        origin: None,
        again: false,
        timeout: None,
        cancel: CancellationToken::new(),
        by: ADMIN.to_owned(),
    })
}

/// What templates are told of a computer that people named.
fn told(computer: &model::Computer) -> std::collections::BTreeMap<String, String> {
    let mut told = computer.facts.clone();
    told.insert("id".to_owned(), computer.id.to_string());
    told.insert("name".to_owned(), computer.name.clone());
    told.insert("host_name".to_owned(), computer.host_name.clone());
    told.insert("os".to_owned(), computer.os.clone());
    told
}

fn result(computer: Option<String>, report: Report) -> api::ActionResult {
    let outputs = report.outputs.into_iter().collect();
    api::ActionResult { computer, event: report.event.to_string(), note: report.note, outputs }
}

fn view(kept: &Kept, source: String) -> api::Action {
    let Kept { action, row } = kept;
    api::Action {
        name: action.name.clone(),
        kind: action.kind().to_owned(),
        description: action.description.clone(),
        parameters: action.parameters.clone(),
        source,
        updated_by: row.updated_by.clone(),
        updated_at: row.updated_at.as_millis(),
    }
}

impl From<ActionError> for Failure {
    fn from(error: ActionError) -> Self {
        let text = crate::core::chain(&error);
        match error {
            ActionError::Unknown(_) => {
                Self::new(Code::NotFound, text, "`deskhand action list` shows all")
            }
            ActionError::Wrong(findings) => {
                let first = findings.first();
                let text = first.map_or(text, |found| {
                    format!(
                        "the action has an error at {}:{}: {}",
                        found.line, found.column, found.message
                    )
                });
                Self::new(Code::Action, text, "").with(findings)
            }
            ActionError::Damaged(_) | ActionError::StartsNothing(_) | ActionError::Start(_) => {
                Self::new(Code::Action, text, "")
            }
            ActionError::Parameters(_) => {
                Self::new(Code::Action, text, "`deskhand action show NAME` lists its parameters")
            }
            ActionError::NoSecret(_) => {
                let hint = "`deskhand secret set NAME` keeps one, `deskhand secret list` shows all";
                Self::new(Code::UnknownSecret, text, hint)
            }
            ActionError::Read(error) => error.into(),
            ActionError::Commit(error) => error.into(),
        }
    }
}
