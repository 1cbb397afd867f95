//! Computers and groups of record.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use model::ComputerId;
use serde::Deserialize;
use store::{ComputerFilter, Page, Write, rows};
use utoipa::IntoParams;

use super::problem::{Answer, Body, Code, Failure};
use super::{DONE, PAGE_ROWS, PAGE_ROWS_MAX, Shared};
use crate::clock::{Fresh, now};
use crate::hall::{ADMIN, About, Hall};
use crate::links::Ending;
use crate::{deploy, views};

const NAME_CHARS_MAX: usize = 128;

#[derive(Debug, Deserialize, IntoParams)]
pub struct Wanted {
    /// Part of the name or host name.
    q: Option<String>,
    /// Members of this group, by name or id.
    parent: Option<String>,
    /// Only groups, or only machines.
    is_group: Option<bool>,
    /// Those that a query chooses: the condition of an SQL `WHERE`. Groups are not among them.
    #[serde(rename = "where")]
    query: Option<String>,
    /// The name after which the page begins.
    after: Option<String>,
    limit: Option<u32>,
}

#[utoipa::path(
    get, path = "/api/computers", params(Wanted),
    responses((status = 200, body = api::Listing<api::Computer>))
)]
pub async fn list(
    State(hall): Shared,
    Query(wanted): Query<Wanted>,
) -> Answer<Json<api::Listing<api::Computer>>> {
    if let Some(query) = &wanted.query {
        return chosen(&hall, query, &wanted).await;
    }
    let limit = wanted.limit.unwrap_or(PAGE_ROWS).clamp(1, PAGE_ROWS_MAX);
    let parent = match &wanted.parent {
        Some(name) => Some(find(&hall, name).await?.computer.id),
        None => None,
    };
    let filter = ComputerFilter { search: wanted.q, parent, is_group: wanted.is_group };
    let page = Page { after: wanted.after, limit };
    let rows = hall.store.computers(filter, page).await?;
    page_of(&hall, &rows, limit).await
}

/// A page of those that a query chooses. The whole fleet is asked for each page, so pages are long
/// unless asked to be short.
async fn chosen(
    hall: &Hall,
    query: &str,
    wanted: &Wanted,
) -> Answer<Json<api::Listing<api::Computer>>> {
    let others = [wanted.q.is_some(), wanted.parent.is_some(), wanted.is_group.is_some()];
    if others.contains(&true) {
        let hint = "ask for names and groups in the query: name LIKE '%x%' AND group = 'y'";
        return Err(Failure::new(Code::Request, "`where` stands alone", hint));
    }
    let limit = wanted.limit.unwrap_or(PAGE_ROWS_MAX).clamp(1, PAGE_ROWS_MAX);
    let mut rows = crate::fleet::choose(hall, &format::parse_query(query)?).await?;
    if let Some(after) = wanted.after.as_ref().map(|after| after.to_lowercase()) {
        rows.retain(|row| row.computer.name.to_lowercase() > after);
    }
    rows.truncate(limit as usize);
    page_of(hall, &rows, limit).await
}

async fn page_of(
    hall: &Hall,
    rows: &[rows::Computer],
    limit: u32,
) -> Answer<Json<api::Listing<api::Computer>>> {
    let is_full = rows.len() == limit as usize;
    let next = rows.last().filter(|_| is_full).map(|row| row.computer.name.clone());
    let mut names = HashMap::new();
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        items.push(view(hall, row, &mut names).await?);
    }
    Ok(Json(api::Listing { items, next }))
}

#[utoipa::path(
    get, path = "/api/computers/{name}", params(("name", description = "Name or id")),
    responses((status = 200, body = api::Computer))
)]
pub async fn show(State(hall): Shared, Path(name): Path<String>) -> Answer<Json<api::Computer>> {
    let row = find(&hall, &name).await?;
    Ok(Json(view(&hall, &row, &mut HashMap::new()).await?))
}

#[utoipa::path(
    post, path = "/api/computers", request_body = api::NewComputer,
    responses((status = 201, body = api::Computer))
)]
pub async fn add(
    State(hall): Shared,
    Body(asked): Body<api::NewComputer>,
) -> Answer<(StatusCode, Json<api::Computer>)> {
    let id = ComputerId::fresh(now())?;
    let row = rows::Computer {
        computer: computer(&hall, id, asked).await?,
        created_by: ADMIN.to_owned(),
        created_at: now(),
    };
    put(&hall, &row, "was added").await?;
    Ok((StatusCode::CREATED, Json(view(&hall, &row, &mut HashMap::new()).await?)))
}

#[utoipa::path(
    put, path = "/api/computers/{name}", params(("name", description = "Name or id")),
    request_body = api::NewComputer, responses((status = 200, body = api::Computer))
)]
pub async fn set(
    State(hall): Shared,
    Path(name): Path<String>,
    Body(asked): Body<api::NewComputer>,
) -> Answer<Json<api::Computer>> {
    let known = find(&hall, &name).await?;
    let keeps_facts = asked.facts.is_empty();
    let mut news = computer(&hall, known.computer.id, asked).await?;
    news.os.clone_from(&known.computer.os);
    if news.host_name.is_empty() {
        news.host_name.clone_from(&known.computer.host_name);
    }
    if keeps_facts {
        news.facts.clone_from(&known.computer.facts);
    }
    let row = rows::Computer { computer: news, ..known };
    put(&hall, &row, "was changed").await?;
    Ok(Json(view(&hall, &row, &mut HashMap::new()).await?))
}

#[utoipa::path(
    delete, path = "/api/computers/{name}", params(("name", description = "Name or id")),
    responses((status = 204))
)]
pub async fn remove(State(hall): Shared, Path(name): Path<String>) -> Answer<StatusCode> {
    let row = find(&hall, &name).await?;
    let id = row.computer.id;
    let text = format!("{} was removed", row.computer.name);
    let event = hall.event("computer", About::computer(id), ADMIN, text);
    hall.writer.submit(vec![Write::RemoveComputer(id), event]).await?;
    hall.links.close(id, Ending::Revoked);
    hall.wanted.look_again();
    Ok(DONE)
}

async fn computer(hall: &Hall, id: ComputerId, asked: api::NewComputer) -> Answer<model::Computer> {
    let name = asked.name.trim().to_owned();
    let is_name = !name.is_empty()
        && name.chars().count() <= NAME_CHARS_MAX
        && !name.contains(char::is_control);
    if !is_name {
        let text = format!("`{name}` cannot be a computer's name");
        let hint = "1 to 128 characters, none of them a control character";
        return Err(Failure::new(Code::Request, text, hint));
    }
    let parent = match asked.parent.as_deref().filter(|parent| !parent.is_empty()) {
        Some(parent) => Some(find(hall, parent).await?.computer.id),
        None => None,
    };
    Ok(model::Computer {
        id,
        name,
        host_name: asked.host_name,
        os: String::new(),
        parent,
        is_group: asked.is_group,
        facts: asked.facts.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
    })
}

async fn put(hall: &Hall, row: &rows::Computer, what: &str) -> Answer<()> {
    let text = format!("{} {what}", row.computer.name);
    let event = hall.event("computer", About::computer(row.computer.id), ADMIN, text);
    hall.writer.submit(vec![Write::PutComputer(row.clone()), event]).await?;
    hall.reach.learn(&row.computer);
    hall.wanted.look_again();
    Ok(())
}

/// A computer by name or id.
pub async fn find(hall: &Hall, name: &str) -> Answer<rows::Computer> {
    let found = deploy::computer(hall, name).await?;
    let missing = || Failure::not_found("computer", name);
    let id = found.ok_or_else(missing)?.id;
    hall.store.computer(id).await?.ok_or_else(missing)
}

async fn view(
    hall: &Hall,
    row: &rows::Computer,
    names: &mut HashMap<ComputerId, String>,
) -> Answer<api::Computer> {
    let parent = match row.computer.parent {
        None => None,
        Some(parent) => {
            if !names.contains_key(&parent)
                && let Some(group) = hall.store.computer(parent).await?
            {
                names.insert(parent, group.computer.name);
            }
            names.get(&parent).cloned()
        }
    };
    let agent = hall.store.agent(row.computer.id).await?.map(|agent| {
        views::agent(&agent, &row.computer.name, hall.links.is_online(agent.computer))
    });
    Ok(views::computer(row, parent, agent))
}
