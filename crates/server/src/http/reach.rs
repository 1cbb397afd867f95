//! Calling agents that listen, and waking machines.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use model::Address;
use model::address::AGENT_PORT;
use tokio_util::sync::CancellationToken;
use workflow::WakeThrough;

use super::problem::{Answer, Body, Code, Failure};
use super::{Shared, fleet};
use crate::deploy;
use crate::hall::{ADMIN, About};
use crate::reach::wake::{self, Wish};
use crate::reach::{CallError, call, call_address};

const WITHIN_S_MAX: u64 = 24 * 60 * 60;

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

/// Wakes a computer, and answers once it has shown itself or the time is over.
#[utoipa::path(
    post, path = "/api/computers/{name}/wake", params(("name", description = "Name or id")),
    request_body = api::Wake,
    responses((status = 200, body = api::Woken), (status = 409, body = api::Problem))
)]
pub async fn wake_up(
    State(hall): Shared,
    Path(name): Path<String>,
    Body(asked): Body<api::Wake>,
) -> Answer<Json<api::Woken>> {
    let row = fleet::find(&hall, &name).await?;
    let through = match asked.through.as_deref() {
        None | Some("any") => WakeThrough::Any,
        Some("server") => WakeThrough::Server,
        Some("neighbour") => WakeThrough::Neighbour,
        Some(other) => {
            let text = format!("`{other}` is no way to wake a computer");
            return Err(Failure::new(Code::Request, text, "any, server or neighbour"));
        }
    };
    let within = asked.within_s.map(|seconds| Duration::from_secs(seconds.min(WITHIN_S_MAX)));
    let wish = Wish {
        computer: row.computer.id,
        address: asked.address,
        through,
        port: asked.port.unwrap_or(wire::wake::WAKE_PORT),
        within: within.unwrap_or(wake::WITHIN),
    };
    let about = About::computer(row.computer.id);
    let name = &row.computer.name;
    match wake::wake(&hall, &wish, &CancellationToken::new()).await {
        Ok(woken) => {
            if !woken.was_awake {
                let text = format!("{name} was woken and showed itself after {} s", woken.seconds);
                drop(hall.writer.submit(vec![hall.event("wake", about, ADMIN, text)]));
            }
            Ok(Json(api::Woken { was_awake: woken.was_awake, seconds: woken.seconds }))
        }
        Err(error) => Err(Failure::new(Code::NotAwake, crate::core::chain(&error), "")),
    }
}
