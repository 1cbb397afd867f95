//! Agents and the tokens that enrol them.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use model::{ComputerId, Span, TokenId};
use serde::Deserialize;
use store::rows::{self, AgentState};
use store::{ComputerFilter, Page, Write};
use trust::{Token, TokenSecret};
use utoipa::IntoParams;

use super::problem::{Answer, Body, Code, Failure};
use super::{DONE, PAGE_ROWS, PAGE_ROWS_MAX, Shared, fleet};
use crate::clock::{Fresh, now, random};
use crate::hall::{ADMIN, About, Hall};
use crate::links::Ending;
use crate::views;

#[derive(Debug, Deserialize, IntoParams)]
pub struct PageOf {
    /// The id after which the page begins.
    after: Option<String>,
    limit: Option<u32>,
}

#[utoipa::path(
    get, path = "/api/agents", params(PageOf),
    responses((status = 200, body = api::Listing<api::Agent>))
)]
pub async fn agents(
    State(hall): Shared,
    Query(page): Query<PageOf>,
) -> Answer<Json<api::Listing<api::Agent>>> {
    let limit = page.limit.unwrap_or(PAGE_ROWS).clamp(1, PAGE_ROWS_MAX);
    let after = match page.after {
        Some(text) => {
            let wrong = |_| Failure::new(Code::Request, "`after` is not an id of an agent", "");
            Some(text.parse::<ComputerId>().map_err(wrong)?)
        }
        None => None,
    };
    let rows = hall.store.agents(Page { after, limit }).await?;
    let is_full = rows.len() == limit as usize;
    let next = rows.last().filter(|_| is_full).map(|row| row.computer.to_string());
    let names = names(&hall, &rows).await?;
    let view = |row: &rows::Agent| {
        let name = names.get(&row.computer).map_or("", String::as_str);
        views::agent(row, name, hall.links.is_online(row.computer))
    };
    Ok(Json(api::Listing { items: rows.iter().map(view).collect(), next }))
}

async fn names(hall: &Hall, agents: &[rows::Agent]) -> Answer<HashMap<ComputerId, String>> {
    let mut names = HashMap::with_capacity(agents.len());
    if agents.len() > 100 {
        let all = hall.store.computers(ComputerFilter::default(), Page::all()).await?;
        names.extend(all.into_iter().map(|row| (row.computer.id, row.computer.name)));
        return Ok(names);
    }
    for agent in agents {
        if let Some(row) = hall.store.computer(agent.computer).await? {
            names.insert(agent.computer, row.computer.name);
        }
    }
    Ok(names)
}

#[utoipa::path(
    post, path = "/api/agents/{computer}/approve",
    params(("computer", description = "Name or id")), responses((status = 204))
)]
pub async fn approve(State(hall): Shared, Path(computer): Path<String>) -> Answer<StatusCode> {
    set_state(&hall, &computer, AgentState::Enrolled, "was approved").await
}

#[utoipa::path(
    post, path = "/api/agents/{computer}/revoke",
    params(("computer", description = "Name or id")), responses((status = 204))
)]
pub async fn revoke(State(hall): Shared, Path(computer): Path<String>) -> Answer<StatusCode> {
    set_state(&hall, &computer, AgentState::Revoked, "was revoked").await
}

async fn set_state(hall: &Hall, name: &str, state: AgentState, what: &str) -> Answer<StatusCode> {
    let computer = fleet::find(hall, name).await?.computer;
    let agent = hall.store.agent(computer.id).await?;
    let agent = agent.ok_or_else(|| Failure::not_found("agent of", &computer.name))?;
    let text = format!("the agent of {} {what}", computer.name);
    let event = hall.event("agent", About::computer(computer.id), ADMIN, text);
    hall.writer.submit(vec![Write::PutAgent(rows::Agent { state, ..agent }), event]).await?;
    hall.wanted.look_again();
    if state == AgentState::Revoked {
        hall.links.close(computer.id, Ending::Revoked);
    }
    Ok(DONE)
}

#[utoipa::path(
    get, path = "/api/tokens", responses((status = 200, body = api::Listing<api::Token>))
)]
pub async fn tokens(State(hall): Shared) -> Answer<Json<api::Listing<api::Token>>> {
    let rows = hall.store.tokens().await?;
    Ok(Json(api::Listing { items: rows.iter().map(views::token).collect(), next: None }))
}

#[utoipa::path(
    post, path = "/api/tokens", request_body = api::NewToken,
    responses((status = 201, body = api::TokenMade))
)]
pub async fn make_token(
    State(hall): Shared,
    Body(asked): Body<api::NewToken>,
) -> Answer<(StatusCode, Json<api::TokenMade>)> {
    if asked.uses == 0 || asked.valid_s == 0 {
        let text = "a token needs at least one use and some time to be used in";
        return Err(Failure::new(Code::Request, text, ""));
    }
    let instant = now();
    let (id, secret) = (TokenId::fresh(instant)?, TokenSecret::from_bytes(random()?));
    let row = rows::Token {
        id,
        secret_digest: secret.digest(),
        created_by: ADMIN.to_owned(),
        created_at: instant,
        expires_at: instant + Span::from_secs(asked.valid_s),
        uses_left: asked.uses,
        note: asked.note,
        revoked: false,
    };
    let text = format!("token {id} for {} uses was made", asked.uses);
    let event = hall.event("token", About::NOTHING, ADMIN, text);
    hall.writer.submit(vec![Write::PutToken(row.clone()), event]).await?;
    let token = Token {
        servers: hall.row().presence,
        id,
        secret,
        deployment_key: hall.identity.fingerprint(),
    };
    let text = token.to_text().to_string();
    Ok((StatusCode::CREATED, Json(api::TokenMade { token: views::token(&row), text })))
}

#[utoipa::path(delete, path = "/api/tokens/{id}", params(("id",)), responses((status = 204)))]
pub async fn revoke_token(State(hall): Shared, Path(id): Path<String>) -> Answer<StatusCode> {
    let missing = || Failure::not_found("token", &id);
    let token: TokenId = id.parse().map_err(|_| missing())?;
    hall.store.token(token).await?.ok_or_else(missing)?;
    let event = hall.event("token", About::NOTHING, ADMIN, format!("token {token} was revoked"));
    hall.writer.submit(vec![Write::RevokeToken(token), event]).await?;
    Ok(DONE)
}
