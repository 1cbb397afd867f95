//! Messages that the server keeps, and the channels of those that it sends.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use model::Digest;
use serde::Deserialize;
use store::rows::{KeptMessage, Reading};
use store::{Page, Write};
use utoipa::IntoParams;
use workflow::Channel;

use super::problem::{Answer, Body, Code, Failure};
use super::{DONE, PAGE_ROWS, PAGE_ROWS_MAX, Shared};
use crate::channels::{self, ChannelError};
use crate::clock::{now, random};
use crate::delivery::{self, Outgoing, Patience};
use crate::hall::{ADMIN, About, Hall};
use crate::views;

#[derive(Debug, Deserialize, IntoParams)]
pub struct Wanted {
    /// Only those that nobody has read.
    #[serde(default)]
    unread: bool,
    /// Only those before this number.
    after: Option<u64>,
    limit: Option<u32>,
}

/// Latest first.
#[utoipa::path(
    get, path = "/api/messages", params(Wanted),
    responses((status = 200, body = api::Listing<api::Message>))
)]
pub async fn list(
    State(hall): Shared,
    Query(wanted): Query<Wanted>,
) -> Answer<Json<api::Listing<api::Message>>> {
    let limit = wanted.limit.unwrap_or(PAGE_ROWS).clamp(1, PAGE_ROWS_MAX);
    let rows = hall.store.messages(wanted.unread, Page { after: wanted.after, limit }).await?;
    let is_full = rows.len() == limit as usize;
    let next = rows.last().filter(|_| is_full).map(|row| row.seq.to_string());
    Ok(Json(api::Listing { items: rows.iter().map(views::message).collect(), next }))
}

#[utoipa::path(
    get, path = "/api/messages/{number}", params(("number",)),
    responses((status = 200, body = api::Message))
)]
pub async fn show(State(hall): Shared, Path(number): Path<String>) -> Answer<Json<api::Message>> {
    Ok(Json(views::message(&find(&hall, &number).await?)))
}

/// Marks a message as read; the first reading counts.
#[utoipa::path(
    put, path = "/api/messages/{number}/read", params(("number",)),
    responses((status = 200, body = api::Message))
)]
pub async fn read(State(hall): Shared, Path(number): Path<String>) -> Answer<Json<api::Message>> {
    let row = find(&hall, &number).await?;
    if row.read.is_none() {
        let reading = Reading { by: ADMIN.to_owned(), at: now() };
        hall.writer.submit(vec![Write::ReadMessage { seq: row.seq, reading }]).await?;
    }
    let message = views::message(&find(&hall, &number).await?);
    let change = api::Change::Message { message: message.clone() };
    hall.changes.tell(row.message.deployment, change);
    Ok(Json(message))
}

async fn find(hall: &Hall, number: &str) -> Answer<KeptMessage> {
    let missing = || Failure::not_found("message", number);
    let seq: u64 = number.parse().map_err(|_| missing())?;
    hall.store.message(seq).await?.ok_or_else(missing)
}

#[utoipa::path(
    get, path = "/api/channels",
    responses((status = 200, body = api::Listing<api::NamedChannel>))
)]
pub async fn list_channels(State(hall): Shared) -> Answer<Json<api::Listing<api::NamedChannel>>> {
    Ok(Json(api::Listing { items: channels::list(&hall).await?, next: None }))
}

/// Sets up the mail server (`mail`) or a webhook; one of that name is replaced.
#[utoipa::path(
    put, path = "/api/channels/{name}", params(("name",)), request_body = api::Channel,
    responses((status = 204))
)]
pub async fn set_channel(
    State(hall): Shared,
    Path(name): Path<String>,
    Body(channel): Body<api::Channel>,
) -> Answer<StatusCode> {
    channels::set(&hall, &name, &channel, ADMIN).await?;
    Ok(DONE)
}

#[utoipa::path(
    delete, path = "/api/channels/{name}", params(("name",)), responses((status = 204))
)]
pub async fn remove_channel(State(hall): Shared, Path(name): Path<String>) -> Answer<StatusCode> {
    channels::remove(&hall, &name, ADMIN).await?;
    Ok(DONE)
}

/// Sends a message through a channel, once.
#[utoipa::path(
    post, path = "/api/channels/{name}/test", params(("name",)), request_body = api::ChannelTest,
    responses((status = 200, body = api::Delivered))
)]
pub async fn test_channel(
    State(hall): Shared,
    Path(name): Path<String>,
    Body(asked): Body<api::ChannelTest>,
) -> Answer<Json<api::Delivered>> {
    let (channel, to) = match channels::find(&hall, &name).await? {
        api::Channel::Mail(_) => (Channel::Mail, asked.to),
        api::Channel::Webhook(_) => (Channel::Webhook, vec![name.clone()]),
    };
    if to.is_empty() {
        let hint = "give an address: `--to NAME@EXAMPLE.ORG`";
        return Err(Failure::new(Code::Request, "whom shall the mail go to?", hint));
    }
    let out = Outgoing {
        key: Digest::from_bytes(random()?),
        channel,
        to,
        subject: format!("A test from the deployment server {}", hall.row().name),
        text: format!("This message was sent to try the channel `{name}`.\n"),
        about: About::NOTHING,
    };
    let delivered = delivery::deliver(&hall, &out, &Patience::once()).await;
    let id = delivered.map_err(|why| Failure::new(Code::NotDelivered, why, ""))?;
    Ok(Json(api::Delivered { id }))
}

impl From<ChannelError> for Failure {
    fn from(error: ChannelError) -> Self {
        let text = crate::core::chain(&error);
        match error {
            ChannelError::Unknown(_) => {
                Self::new(Code::NotFound, text, "`deskhand channel list` shows all")
            }
            ChannelError::Wrong { .. } | ChannelError::Damaged { .. } => {
                Self::new(Code::Channel, text, "")
            }
            ChannelError::NoSecret(_) => {
                let hint = "`deskhand secret set NAME` keeps one, `deskhand secret list` shows all";
                Self::new(Code::UnknownSecret, text, hint)
            }
            ChannelError::Read(error) => error.into(),
            ChannelError::Commit(error) => error.into(),
        }
    }
}
