//! Whether an agent that greets may come in, and what is learned of it.

use std::time::Duration;

use model::{ComputerId, Facts};
use store::rows::{Agent, AgentState};
use store::{ReadError, Write, rows};
use tokio::sync::{mpsc, oneshot};
use wire::{FromServer, Hello, Protocols};

use super::Peer;
use super::link::Refused;
use crate::clock::now;
use crate::hall::{About, Hall};
use crate::links::{Ending, ToLink};
use crate::reach::order;

/// How long the first of two agents with one key has to show that it lives.
const PONG_WITHIN: Duration = Duration::from_secs(3);
const FACTS_MAX: usize = 64;
const FACT_CHARS_MAX: usize = 1_024;
const NAMES_MAX: usize = 128;

/// An agent that is let in, entered among the links.
pub struct Admitted {
    pub computer: ComputerId,
    pub session: u64,
    pub welcome: FromServer,
}

pub async fn admit(
    hall: &Hall,
    hello: Hello,
    peer: Peer,
    queue: &mpsc::Sender<ToLink>,
) -> Result<Admitted, Refused> {
    let known = hall.store.agent_by_key(*peer.key.as_bytes()).await.map_err(|e| unreadable(&e))?;
    let Some(known) = known else {
        let text = format!("unknown agent from {}: key {}", peer.address, peer.key.id());
        hall.log("refused", About::NOTHING, &peer.address.to_string(), text);
        return Err(Refused::new("unknown agent", "this key is not enrolled here"));
    };
    let about = About::computer(known.computer);
    let Some(protocol) = Protocols::OURS.agree(hello.protocols) else {
        let text = "no version of the protocol is spoken by both; update the older of the two";
        hall.log("refused", about, "agent", text);
        return Err(Refused::new("protocol", text));
    };
    match known.state {
        AgentState::Enrolled => {}
        AgentState::Pending => {
            return Err(Refused::new("pending", "a person has yet to approve this agent"));
        }
        AgentState::Revoked => {
            hall.log("refused", about, "agent", "a revoked agent tried to connect");
            return Err(Refused::new("revoked", "this agent was revoked"));
        }
    }
    let (computer, session) = (known.computer, hall.links.next_session());
    enter(hall, &known, session, queue, peer).await?;
    if hello.capabilities.iter().any(|name| name == wire::wake::CAPABILITY) {
        hall.links.can_wake(computer, session);
    }
    if hello.capabilities.iter().any(|name| name == wire::wanted::CAPABILITY) {
        hall.links.keeps_applications(computer, session);
    }
    if let Err(refused) = learn(hall, known, &hello, protocol, peer).await {
        hall.links.leave(computer, session);
        return Err(refused);
    }
    let trust = hall.identity.trust_after(hello.trust_number);
    let welcome = FromServer::Welcome { protocol, server: hall.row().name, trust };
    Ok(Admitted { computer, session, welcome })
}

/// Enters the link; of two with the same key only one that lives stays, the first.
async fn enter(
    hall: &Hall,
    known: &Agent,
    session: u64,
    queue: &mpsc::Sender<ToLink>,
    peer: Peer,
) -> Result<(), Refused> {
    let computer = known.computer;
    while let Err((_, first)) = hall.links.enter(computer, session, queue) {
        let (alive, is_alive) = oneshot::channel();
        let asked = first.try_send(ToLink::Probe(alive)).is_ok();
        let answered =
            asked && matches!(tokio::time::timeout(PONG_WITHIN, is_alive).await, Ok(Ok(())));
        if answered {
            let text = format!(
                "the key of this agent was presented from {} while the agent is connected: a copy of \
                 its disk? Revoke it and enrol both machines anew",
                peer.address
            );
            hall.log("clone", About::computer(computer), "agent", text);
            let reason = "another machine with the same key is connected: a copied disk?";
            return Err(Refused::new("clone", reason));
        }
        tracing::info!(%computer, "a dead link gives way to a new one");
        hall.links.close(computer, Ending::Replaced);
    }
    Ok(())
}

/// Writes down what the greeting told.
async fn learn(
    hall: &Hall,
    known: Agent,
    hello: &Hello,
    protocol: u32,
    peer: Peer,
) -> Result<(), Refused> {
    let (computer, about) = (known.computer, About::computer(known.computer));
    let (mut writes, mut has_news) = (Vec::new(), false);
    if hello.counter <= known.counter && known.counter > 0 {
        let text = format!(
            "the counter of connections went back from {} to {}: copied or rolled-back disk?",
            known.counter, hello.counter
        );
        writes.push(hall.event("counter", about, "agent", text));
    }
    let capabilities: Vec<String> =
        hello.capabilities.iter().take(NAMES_MAX).map(|name| cleaned(name)).collect();
    let counter = hello.counter.min(i64::MAX.cast_unsigned());
    let (last_seen, address) = (now(), peer.address.to_string());
    let version = cleaned(&hello.agent_version);
    if hello.trust_number > hall.identity.trust_number() {
        let text = format!(
            "the agent holds trust document {}, newer than any here: was the database restored?",
            hello.trust_number
        );
        writes.push(hall.event("trust", about, "agent", text));
    }
    if known.trust_number != hello.trust_number {
        let number = hello.trust_number.min(i64::MAX.cast_unsigned());
        writes.push(Write::AgentTrust { computer, number });
    }
    let is_same = (&known.version, known.protocol, &known.capabilities)
        == (&version, protocol, &capabilities);
    writes.push(if is_same {
        Write::TouchAgent { computer, last_seen, counter, address }
    } else {
        let trust_number = hello.trust_number.min(i64::MAX.cast_unsigned());
        let news = Agent { version, protocol, capabilities, last_seen, counter, address, ..known };
        Write::PutAgent(Agent { trust_number, ..news })
    });
    if let Some(row) = hall.store.computer(computer).await.map_err(|e| unreadable(&e))?
        && let Some(news) = updated(&row, &hello.facts)
    {
        hall.reach.learn(&news.computer);
        writes.push(Write::PutComputer(news));
        has_news = true;
    }
    tracing::info!(%computer, address = %peer.address, "agent connected");
    // Nothing rests on these rows being durable already.
    drop(hall.writer.submit(writes));
    if has_news {
        hall.wanted.look_again();
    }
    Ok(())
}

/// The row with the facts that the agent told, if they are news.
fn updated(row: &rows::Computer, facts: &Facts) -> Option<rows::Computer> {
    let told = sane(facts);
    let mut news = row.clone();
    if let Some(host_name) = told.get("host_name") {
        news.computer.host_name.clone_from(host_name);
    }
    if let Some(os) = told.get("os") {
        news.computer.os.clone_from(os);
    }
    for place in [order::AGENT_HOST, order::AGENT_PORT_FACT] {
        // An agent that does not tell where it listens does not listen any more.
        news.computer.facts.remove(place);
    }
    news.computer.facts.extend(told);
    (news != *row).then_some(news)
}

/// Facts as they may be kept: not too many, not too long, printable. Names of record are not for an
/// agent to say.
pub fn sane(facts: &Facts) -> Facts {
    let of_record = ["id", "name", "parent", "group"];
    let is_kept = |name: &str| !of_record.contains(&name) && !order::is_of_people(name);
    let kept = facts.iter().filter(|(name, _)| is_kept(name));
    kept.take(FACTS_MAX).map(|(name, value)| (cleaned(name), cleaned(value))).collect()
}

/// A text without control characters and of some length only.
pub fn cleaned(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(FACT_CHARS_MAX).collect()
}

pub fn unreadable(error: &ReadError) -> Refused {
    tracing::error!(error = %crate::core::chain(error), "an agent could not be looked up");
    Refused::new("busy", "the server cannot read its database; try again")
}
