//! The deployment's keys: which count, who has heard of it, changing and revoking them (SK-05).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use model::{Span, Timestamp};
use store::rows::AgentState;
use store::{CommitError, Page, Write};
use trust::{Fingerprint, Signed};

use super::Shared;
use super::problem::{Answer, Body, Code, Failure};
use crate::deploy;
use crate::hall::{ADMIN, About, Hall};
use crate::identity::{ChangeError, Changed, Named, reign};

/// Agents that lack the newest document are named, so many of them.
const BEHIND_MAX: usize = 1_000;
/// Ten years: who wants both keys for longer does not want to change them.
const OVERLAP_MAX_S: u64 = 3_653 * 86_400;

#[utoipa::path(get, path = "/api/keys", responses((status = 200, body = api::Keys)))]
pub async fn show(State(hall): Shared) -> Answer<Json<api::Keys>> {
    Ok(Json(view(&hall).await?))
}

async fn view(hall: &Hall) -> Answer<api::Keys> {
    let number = hall.identity.trust_number();
    let (mut held, mut behind) = (BTreeMap::<u64, u64>::new(), Vec::new());
    for agent in hall.store.agents(Page::all()).await? {
        if agent.state == AgentState::Revoked {
            continue;
        }
        *held.entry(agent.trust_number).or_default() += 1;
        if agent.trust_number < number {
            behind.push(agent);
        }
    }
    behind.truncate(BEHIND_MAX);
    let mut names = HashMap::new();
    for agent in &behind {
        if let Some(row) = hall.store.computer(agent.computer).await? {
            names.insert(agent.computer, row.computer.name);
        }
    }
    let lagging = behind.iter().map(|agent| api::LaggingAgent {
        computer: names.remove(&agent.computer).unwrap_or_default(),
        document: agent.trust_number,
        is_online: hall.links.is_online(agent.computer),
        last_seen: agent.last_seen.as_millis(),
    });
    let documents = hall.identity.chain().into_iter().map(|link| api::TrustDocument {
        number: link.number,
        made_at: link.made_at.as_millis(),
        agents: held.get(&link.number).copied().unwrap_or_default(),
        signed: hex::encode(link.bytes),
    });
    Ok(api::Keys {
        document: number,
        keys: hall.identity.named().iter().map(key).collect(),
        documents: documents.collect(),
        behind: lagging.collect(),
    })
}

fn key(named: &Named) -> api::Key {
    api::Key {
        fingerprint: named.key.fingerprint().to_string(),
        id: named.key.id().to_string(),
        roles: named.roles.iter().map(ToString::to_string).collect(),
        until: named.until.map(Timestamp::as_millis),
        is_current: named.is_current,
        is_here: named.is_here,
    }
}

#[utoipa::path(
    post, path = "/api/keys/rotate", request_body = api::KeyRotation,
    responses((status = 200, body = api::KeysChanged))
)]
pub async fn rotate(
    State(hall): Shared,
    Body(asked): Body<api::KeyRotation>,
) -> Answer<Json<api::KeysChanged>> {
    let overlap = overlap(asked.overlap_s)?;
    let text = format!("for {overlap} the former key is good as well");
    let changed = hall.identity.rotate(overlap, async |writes, changed| {
        commit(&hall, writes, changed, &format!("the deployment key was changed; {text}")).await
    });
    let changed = changed.await?;
    tell(&hall, changed).await
}

#[utoipa::path(
    post, path = "/api/keys/revoke", request_body = api::KeyRevocation,
    responses((status = 200, body = api::KeysChanged))
)]
pub async fn revoke(
    State(hall): Shared,
    Body(asked): Body<api::KeyRevocation>,
) -> Answer<Json<api::KeysChanged>> {
    let text = format!("key {} was revoked", asked.key);
    let changed = hall.identity.revoke(asked.key.trim(), async |writes, changed| {
        commit(&hall, writes, changed, &text).await
    });
    let changed = changed.await?;
    tell(&hall, changed).await
}

#[utoipa::path(
    post, path = "/api/keys/prepare", request_body = api::KeyRotation,
    responses((status = 200, body = api::SignedDocument))
)]
pub async fn prepare(
    State(hall): Shared,
    Body(asked): Body<api::KeyRotation>,
) -> Answer<Json<api::SignedDocument>> {
    let overlap = overlap(asked.overlap_s)?;
    let signed =
        hall.identity.prepare(Some(overlap).filter(|overlap| *overlap > Span::ZERO)).await?;
    Ok(Json(api::SignedDocument { signed: hex::encode(signed.encode()) }))
}

#[utoipa::path(
    post, path = "/api/keys/submit", request_body = api::SignedDocument,
    responses((status = 200, body = api::KeysChanged))
)]
pub async fn submit(
    State(hall): Shared,
    Body(asked): Body<api::SignedDocument>,
) -> Answer<Json<api::KeysChanged>> {
    let wrong = |why: &str| {
        let text = format!("this is no signed trust document: {why}");
        Failure::new(Code::Request, text, "`deskhand keys submit FILE` sends one")
    };
    let bytes = hex::decode(asked.signed.trim()).map_err(|error| wrong(&error.to_string()))?;
    let signed = Signed::decode(&bytes).map_err(|error| wrong(&error.to_string()))?;
    let changed = hall.identity.submit(signed, async |writes, changed| {
        let text = format!("trust document {} came in, signed elsewhere", changed.number);
        commit(&hall, writes, changed, &text).await
    });
    let changed = changed.await?;
    tell(&hall, changed).await
}

fn overlap(seconds: u64) -> Answer<Span> {
    if seconds > OVERLAP_MAX_S {
        let text = "the old and the new key cannot be good together for more than ten years";
        return Err(Failure::new(Code::Request, text, "30 days are usual"));
    }
    Ok(Span::from_secs(seconds))
}

/// The documents, what becomes of tokens, and the event, together. A token that pins a key that is
/// good no more would lead a machine to whoever has that key.
async fn commit(
    hall: &Hall,
    mut writes: Vec<Write>,
    changed: &Changed,
    text: &str,
) -> Result<(), CommitError> {
    let lost: Vec<_> =
        changed.gone.iter().filter_map(|key| reign(&hall.identity.chain(), *key)).collect();
    let pinned = |at: Timestamp| {
        lost.iter().any(|(from, until)| *from <= at && until.is_none_or(|until| at <= until))
    };
    // Tokens that cannot be read now are refused later by the agent.
    for token in hall.store.tokens().await.unwrap_or_default() {
        if !token.revoked && pinned(token.created_at) {
            writes.push(Write::RevokeToken(token.id));
        }
    }
    let text = format!("{text}; trust document {} is in force", changed.number);
    tracing::info!("{text}");
    writes.push(hall.event("keys", About::NOTHING, ADMIN, text));
    hall.writer.submit(writes).await
}

async fn tell(hall: &Arc<Hall>, changed: Changed) -> Answer<Json<api::KeysChanged>> {
    let resigned = deploy::resign(hall).await?;
    if resigned > 0 {
        let text = format!("{resigned} runs go on with the key of now");
        hall.log("keys", About::NOTHING, ADMIN, text);
    }
    let gone = changed.gone.iter().map(Fingerprint::to_string).collect();
    let current = changed.current.to_string();
    Ok(Json(api::KeysChanged { document: changed.number, current, gone, keys: view(hall).await? }))
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        let text = crate::core::chain(&error);
        match error {
            ChangeError::Unknown(_) => {
                Self::new(Code::NotFound, text, "`deskhand keys list` shows them all")
            }
            ChangeError::Impossible(_)
            | ChangeError::RootElsewhere(_)
            | ChangeError::Refused(_)
            | ChangeError::NothingLeft => Self::new(Code::Keys, text, ""),
            ChangeError::Commit(error) => error.into(),
            ChangeError::Chance(_) | ChangeError::Identity(_) => {
                Self::new(Code::Internal, text, "nothing was changed; the server's log says more")
            }
        }
    }
}
