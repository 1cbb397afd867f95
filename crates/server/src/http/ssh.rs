//! Ways to computers without agent, keys of hosts, the policy over both.

use std::time::Instant;

use api::{SshPolicy, SshTested, SshTrust, SshTrusted, SshWay};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use model::ComputerId;

use super::problem::{Answer, Body, Code, Failure};
use super::{DONE, Shared};
use crate::core::chain;
use crate::deploy::computer;
use crate::hall::{ADMIN, About, Hall};
use crate::ssh::{
    self, ConnectError, HostError, ReachError, WayError, fingerprint, parse_key, scan,
};

async fn id_of(hall: &Hall, name: &str) -> Answer<ComputerId> {
    let found = computer(hall, name).await?;
    match found {
        Some(computer) if computer.is_group => {
            Err(Failure::new(Code::Request, format!("`{name}` is a group"), ""))
        }
        Some(computer) => Ok(computer.id),
        None => Err(Failure::not_found("computer", name)),
    }
}

/// How a computer is reached over SSH.
#[utoipa::path(
    get, path = "/api/computers/{name}/ssh", params(("name",)),
    responses((status = 200, body = SshWay), (status = 404))
)]
pub async fn show(State(hall): Shared, Path(name): Path<String>) -> Answer<Json<SshWay>> {
    let way = ssh::way(&hall, id_of(&hall, &name).await?).await?;
    way.map(Json).ok_or_else(|| Failure::not_found("way over SSH to", &name))
}

#[utoipa::path(
    put, path = "/api/computers/{name}/ssh", params(("name",)), request_body = SshWay,
    responses((status = 204))
)]
pub async fn set(
    State(hall): Shared,
    Path(name): Path<String>,
    Body(asked): Body<SshWay>,
) -> Answer<StatusCode> {
    ssh::set_way(&hall, id_of(&hall, &name).await?, Some(&asked), ADMIN).await?;
    Ok(DONE)
}

#[utoipa::path(
    delete, path = "/api/computers/{name}/ssh", params(("name",)), responses((status = 204))
)]
pub async fn remove(State(hall): Shared, Path(name): Path<String>) -> Answer<StatusCode> {
    ssh::set_way(&hall, id_of(&hall, &name).await?, None, ADMIN).await?;
    Ok(DONE)
}

/// Logs in, starts an agent there and says what answered.
#[utoipa::path(
    post, path = "/api/computers/{name}/ssh/test", params(("name",)),
    responses((status = 200, body = SshTested))
)]
pub async fn test(State(hall): Shared, Path(name): Path<String>) -> Answer<Json<SshTested>> {
    let (id, begin) = (id_of(&hall, &name).await?, Instant::now());
    let session = hall.ssh.session(&hall, id).await?;
    let (version, facts) = (session.hello.version.clone(), session.hello.facts.clone());
    Ok(Json(SshTested {
        version,
        facts,
        millis: u64::try_from(begin.elapsed().as_millis()).unwrap_or_default(),
    }))
}

#[utoipa::path(get, path = "/api/ssh/policy", responses((status = 200, body = SshPolicy)))]
pub async fn policy(State(hall): Shared) -> Answer<Json<SshPolicy>> {
    Ok(Json(ssh::policy(&hall).await?))
}

#[utoipa::path(
    put, path = "/api/ssh/policy", request_body = SshPolicy, responses((status = 204))
)]
pub async fn set_policy(State(hall): Shared, Body(asked): Body<SshPolicy>) -> Answer<StatusCode> {
    ssh::set_policy(&hall, &asked, ADMIN).await?;
    Ok(DONE)
}

/// Trusts a host's key: the one that is given, else the one that the host shows now.
#[utoipa::path(
    post, path = "/api/ssh/hosts", request_body = SshTrust,
    responses((status = 200, body = SshTrusted))
)]
pub async fn trust(State(hall): Shared, Body(asked): Body<SshTrust>) -> Answer<Json<SshTrusted>> {
    let SshTrust { host, port, key, replace } = asked;
    let key = match key {
        Some(text) => parse_key(&text)?,
        None => scan(&host, port).await.map_err(ReachError::from)?,
    };
    hall.ssh.hosts.trust((&host, port), &key, replace)?;
    let fingerprint = fingerprint(&key);
    let text = format!("the key {fingerprint} of {host}:{port} is trusted");
    hall.log("ssh", About::NOTHING, ADMIN, text);
    let key = key.to_openssh().unwrap_or_default();
    Ok(Json(SshTrusted { host, port, key, fingerprint }))
}

/// Forgets a host's keys. `HOST` or `HOST:PORT`.
#[utoipa::path(
    delete, path = "/api/ssh/hosts/{host}", params(("host",)),
    responses((status = 204), (status = 404))
)]
pub async fn forget(State(hall): Shared, Path(asked): Path<String>) -> Answer<StatusCode> {
    let (host, port) = match asked.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => {
            (host, port.parse().unwrap_or_default())
        }
        _ => (asked.as_str(), 22),
    };
    match hall.ssh.hosts.forget(host, port)? {
        0 => Err(Failure::not_found("trusted key of", &asked)),
        _ => {
            hall.log("ssh", About::NOTHING, ADMIN, format!("the keys of {asked} were forgotten"));
            Ok(DONE)
        }
    }
}

/// What a text like `DH-S003: …` is told as.
fn told(error: &dyn std::error::Error, otherwise: Code) -> Failure {
    let text = chain(error);
    match text.split_once(": ").and_then(|(code, rest)| Some((Code::ssh(code)?, rest))) {
        Some((code, rest)) => Failure::new(code, rest, ""),
        None => Failure::new(otherwise, text, ""),
    }
}

impl From<WayError> for Failure {
    fn from(error: WayError) -> Self {
        match error {
            WayError::Read(error) => error.into(),
            WayError::Commit(error) => error.into(),
            error => told(&error, Code::Request),
        }
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        told(&error, Code::Request)
    }
}

impl From<ReachError> for Failure {
    fn from(error: ReachError) -> Self {
        match error {
            ReachError::Way(error) => error.into(),
            ReachError::Connect(ConnectError::Host(error)) => error.into(),
            error => told(&error, Code::SshReach),
        }
    }
}
