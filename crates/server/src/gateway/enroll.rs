//! Enrolment: a machine that holds a token becomes a computer with an agent.
//!
//! The key is the one its connection proves. The use of the token, the computer and the agent are
//! written together or not at all.

use model::{Computer, ComputerId, Facts};
use store::rows::{Agent, AgentState, Token};
use store::{CommitError, Refusal, Write, rows};
use trust::TokenSecret;
use wire::{Enroll, FromServer, Protocols};

use super::Peer;
use super::hello::{cleaned, sane, unreadable};
use super::link::Refused;
use crate::clock::{Fresh, now};
use crate::hall::{About, Hall};

const NAME_CHARS_MAX: usize = 64;
/// Names with a number behind them that are tried.
const SUFFIX_MAX: u32 = 10_000;

pub async fn enroll(hall: &Hall, asked: Enroll, peer: Peer) -> Result<FromServer, Refused> {
    if Protocols::OURS.agree(asked.protocols).is_none() {
        return Err(Refused::new("protocol", "no version of the protocol is spoken by both"));
    }
    let token = check_token(hall, &asked, peer).await?;
    let _alone = hall.gate.enrolling.lock().await;
    let key = *peer.key.as_bytes();
    let known = hall.store.agent_by_key(key).await.map_err(|e| unreadable(&e))?;
    if let Some(agent) = known {
        return again(hall, &agent).await;
    }
    let mut number = 1;
    loop {
        let (name, record) = match expected(hall, &asked, number).await? {
            Some(record) => (record.computer.name.clone(), Some(record)),
            None => (free_name(hall, &asked, &mut number).await?, None),
        };
        let (computer, writes) = rows_of(hall, &asked, &token, (&name, record), peer)?;
        match hall.writer.submit(writes).await {
            Ok(()) => {
                if let Ok(Some(row)) = hall.store.computer(computer).await {
                    hall.reach.learn(&row.computer);
                }
                tracing::info!(%computer, name, address = %peer.address, "enrolled");
                let trust = hall.identity.trust_after(0);
                return Ok(FromServer::Enrolled { computer, name, trust });
            }
            // Somebody else took the name meanwhile.
            Err(CommitError::Refused { refusal: Refusal::NameTaken { .. }, .. }) => {}
            Err(CommitError::Refused { refusal, .. }) => {
                return Err(refused(hall, peer, &refusal.to_string()));
            }
            Err(error) => {
                tracing::error!(error = %crate::core::chain(&error), "an enrolment was not kept");
                return Err(Refused::new("busy", "the server cannot write; try again"));
            }
        }
    }
}

async fn check_token(hall: &Hall, asked: &Enroll, peer: Peer) -> Result<Token, Refused> {
    let secret = TokenSecret::from_bytes(asked.secret);
    let token = hall.store.token(asked.token).await.map_err(|e| unreadable(&e))?;
    match token {
        Some(token) if secret.matches(&token.secret_digest) => {
            if token.revoked {
                return Err(refused(hall, peer, "the token was revoked"));
            }
            if now() >= token.expires_at {
                return Err(refused(hall, peer, "the token has expired"));
            }
            Ok(token)
        }
        // The same words for both, so that ids of tokens cannot be found out.
        _ => Err(refused(hall, peer, "the token is not known here")),
    }
}

fn refused(hall: &Hall, peer: Peer, why: &str) -> Refused {
    let text = format!("enrolment from {} refused: {why}", peer.address);
    hall.log("refused", About::NOTHING, &peer.address.to_string(), text);
    Refused::new("token", why)
}

/// The same key asks again: its first answer was lost. Costs no use of the token.
async fn again(hall: &Hall, agent: &Agent) -> Result<FromServer, Refused> {
    if agent.state == AgentState::Revoked {
        return Err(Refused::new("revoked", "this agent was revoked"));
    }
    let row = hall.store.computer(agent.computer).await.map_err(|e| unreadable(&e))?;
    let name = row.map_or(String::new(), |row| row.computer.name);
    let trust = hall.identity.trust_after(0);
    Ok(FromServer::Enrolled { computer: agent.computer, name, trust })
}

/// The computer on record that was asked for by name and has no agent yet; it is that one's.
async fn expected(
    hall: &Hall,
    asked: &Enroll,
    number: u32,
) -> Result<Option<rows::Computer>, Refused> {
    let name = cleaned(asked.name.trim());
    if name.is_empty() || number > 1 {
        return Ok(None);
    }
    let found = hall.store.computer_by_name(&name).await.map_err(|e| unreadable(&e))?;
    let Some(record) = found.filter(|record| !record.computer.is_group) else { return Ok(None) };
    let agent = hall.store.agent(record.computer.id).await.map_err(|e| unreadable(&e))?;
    Ok(if agent.is_none() { Some(record) } else { None })
}

/// The name it asks for, its host's name, or one of these with a number.
async fn free_name(hall: &Hall, asked: &Enroll, number: &mut u32) -> Result<String, Refused> {
    let host = asked.facts.get("host_name").map_or("computer", String::as_str);
    let wished = if asked.name.trim().is_empty() { host } else { asked.name.trim() };
    let wished: String = cleaned(wished).chars().take(NAME_CHARS_MAX).collect();
    let wished = if wished.is_empty() { "computer".to_owned() } else { wished };
    while *number < SUFFIX_MAX {
        let name = if *number == 1 { wished.clone() } else { format!("{wished}-{number}") };
        *number += 1;
        let taken = hall.store.computer_by_name(&name).await.map_err(|e| unreadable(&e))?;
        if taken.is_none() {
            return Ok(name);
        }
    }
    Err(Refused::new("name", "too many computers have this name; give another with `--name`"))
}

fn rows_of(
    hall: &Hall,
    asked: &Enroll,
    token: &Token,
    (name, record): (&str, Option<rows::Computer>),
    peer: Peer,
) -> Result<(ComputerId, Vec<Write>), Refused> {
    let instant = now();
    let id = match &record {
        Some(record) => record.computer.id,
        None => ComputerId::fresh(instant).map_err(|e| Refused::new("busy", e.to_string()))?,
    };
    let facts: Facts = sane(&asked.facts);
    let fact = |name: &str| facts.get(name).cloned().unwrap_or_default();
    let mut computer = Computer {
        id,
        name: name.to_owned(),
        host_name: fact("host_name"),
        os: fact("os"),
        parent: record.as_ref().and_then(|record| record.computer.parent),
        is_group: false,
        facts: record.as_ref().map_or_else(Facts::new, |record| record.computer.facts.clone()),
    };
    computer.facts.extend(facts);
    let created_by = format!("token {}", token.id);
    let (made_by, made_at) = match record {
        Some(record) => (record.created_by, record.created_at),
        None => (created_by.clone(), instant),
    };
    let agent = Agent {
        computer: id,
        signing_key: *peer.key.as_bytes(),
        sealing_key: asked.sealing_key,
        version: cleaned(&asked.agent_version),
        protocol: Protocols::OURS.max,
        capabilities: Vec::new(),
        first_seen: instant,
        last_seen: instant,
        counter: 0,
        address: peer.address.to_string(),
        state: AgentState::Enrolled,
        trust_number: 0,
    };
    let wished = cleaned(asked.name.trim());
    let other = if wished.is_empty() || wished.to_lowercase() == name.to_lowercase() {
        String::new()
    } else {
        format!("; it asked for the name {wished}, which another computer has")
    };
    let text = format!("{name} was enrolled from {}{other}", peer.address);
    let writes = vec![
        Write::UseToken { id: token.id, at: instant },
        Write::PutComputer(rows::Computer { computer, created_by: made_by, created_at: made_at }),
        Write::PutAgent(agent),
        hall.event("enrolled", About::computer(id), &created_by, text),
    ];
    Ok((id, writes))
}
