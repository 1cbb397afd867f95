//! Calling agents that listen.

use axum::Json;
use axum::extract::State;
use model::Address;
use model::address::AGENT_PORT;

use super::problem::{Answer, Body, Code, Failure};
use super::{Shared, fleet};
use crate::deploy;
use crate::hall::{ADMIN, About};
use crate::reach::{CallError, call, call_address};

/// Connects to the agent of a computer, or to whoever waits at an address.
#[utoipa::path(
    post, path = "/api/agents/connect", request_body = api::Call,
    responses((status = 200, body = api::Called), (status = 409, body = api::Problem))
)]
pub async fn connect(
    State(hall): Shared,
    Body(asked): Body<api::Call>,
) -> Answer<Json<api::Called>> {
    let whom = asked.whom.trim();
    let known = deploy::computer(&hall, whom).await?;
    let has_address = whom.contains(':');
    let (about, called) = if known.is_none() && has_address {
        let address = Address::parse(whom, AGENT_PORT).ok().filter(|one| one.host().is_some());
        let address = address.ok_or_else(|| {
            let text = format!("`{whom}` is neither a computer nor an address");
            Failure::new(Code::Request, text, "the name of a computer, or `INET:host:port`")
        })?;
        let called = call_address(&hall, &address).await;
        (About::NOTHING, called.map(|()| Some(address)))
    } else {
        let row = fleet::find(&hall, whom).await?;
        let called = call(&hall, row.computer.id, None).await;
        (About::computer(row.computer.id), called.map(|called| called.address))
    };
    let address = called.map_err(|error| unreached(whom, &error))?;
    let address = address.map(|address| address.socket());
    if let Some(address) = &address {
        let text = format!("{whom} was called at {address}");
        drop(hall.writer.submit(vec![hall.event("call", about, ADMIN, text)]));
    }
    Ok(Json(api::Called { address }))
}

fn unreached(whom: &str, error: &CallError) -> Failure {
    let text = format!("{whom} was not reached: {}", crate::core::chain(error));
    let hint = "does its agent run with `--listen`, and does the network let the server through? \
                Where it is found is told by the agent, or by the computer's host name and facts \
                (`deskhand computer set`)";
    Failure::new(Code::Unreached, text, hint)
}
