//! One agent's link: messages in, messages out, and a look now and then whether it is alive.
//!
//! Reads nothing further while the core is behind, so that a flood stays with whoever sends it.
//! Invariant: what is handed to the core carries the session that the core was told of.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use store::Write;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use travel::{GiverInput, Holding, ToServer};
use wire::{FromAgent, FromServer, MESSAGE_BYTES_MAX};

use super::hello::{self, Admitted};
use super::{Peer, enroll};
use crate::hall::{About, Hall};
use crate::links::{Ending, QUEUE_MAX, ToLink};
use crate::logs::LogReader;

const BUFFER_BYTES: usize = 512;
/// Greetings and enrolments are small; more is read only from agents that are known.
const FIRST_BYTES_MAX: usize = 256 << 10;
const FIRST_TIMEOUT: Duration = Duration::from_secs(20);
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
const LOOK_AFTER: Duration = Duration::from_secs(30);
/// Spread over the fleet, so that not all links are looked at together.
const LOOK_SPREAD_MS: u64 = 30_000;
/// No agent has so much to say in a second.
const MESSAGES_A_SECOND_MAX: u32 = 20_000;

pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Why a link ends, as its agent and the log are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// For machines.
    pub code: &'static str,
    pub reason: String,
}

impl Refused {
    pub fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

pub async fn serve(hall: Arc<Hall>, io: TokioIo<Upgraded>, peer: Peer) {
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MESSAGE_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    // What is rare stands apart, so that a link that idles does not keep room for it.
    let ended = match Box::pin(greet(&hall, &mut socket, peer)).await {
        Ok(Some(greeted)) => live(&hall, &mut socket, greeted).await,
        Ok(None) => Ok(()),
        Err(refused) => Err(refused),
    };
    if let Err(refused) = ended {
        Box::pin(turn_away(&mut socket, refused)).await;
    }
}

async fn turn_away(socket: &mut Socket, refused: Refused) {
    let Refused { code, reason } = refused;
    let rejected = FromServer::Rejected { code: code.into(), reason: reason.clone() };
    // The agent may have gone; the log knows already.
    let _agent_gone = send(socket, rejected.encode()).await;
    close(socket, CloseCode::Policy, &reason).await;
}

/// An agent that was let in and welcomed.
struct Greeted {
    computer: model::ComputerId,
    session: u64,
    holdings: Vec<Holding>,
    trust_held: u64,
    queued: mpsc::Receiver<ToLink>,
}

/// The first words: an enrolment or a greeting. An agent that was just enrolled may go on at once.
async fn greet(
    hall: &Arc<Hall>,
    socket: &mut Socket,
    peer: Peer,
) -> Result<Option<Greeted>, Refused> {
    let mut said = first(socket).await?;
    if let Some(FromAgent::Enroll(asked)) = said {
        let enrolled = enroll::enroll(hall, asked, peer).await?;
        if send(socket, enrolled.encode()).await.is_err() {
            return Ok(None);
        }
        said = first(socket).await?;
    }
    let hello = match said {
        None => return Ok(None),
        Some(FromAgent::Hello(hello)) => hello,
        Some(_) => return Err(unexpected(hall, peer)),
    };
    // Only the registry keeps the queue; when it lets go, the link ends.
    let (queue, queued) = mpsc::channel(QUEUE_MAX);
    let (holdings, trust_held) = (hello.holdings.clone(), hello.trust_number);
    let Admitted { computer, session, welcome } = hello::admit(hall, hello, peer, &queue).await?;
    if send(socket, welcome.encode()).await.is_err() {
        hall.links.leave(computer, session);
        return Ok(None);
    }
    Ok(Some(Greeted { computer, session, holdings, trust_held, queued }))
}

fn unexpected(hall: &Hall, peer: Peer) -> Refused {
    let refused = Refused::new("message", "a link begins with a greeting");
    hall.log("refused", About::NOTHING, &peer.address.to_string(), &refused.reason);
    refused
}

/// The next message, if one comes in time.
async fn first(socket: &mut Socket) -> Result<Option<FromAgent>, Refused> {
    let waiting = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Binary(bytes))) => return Some(bytes),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return None,
            }
        }
    };
    let Ok(Some(bytes)) = tokio::time::timeout(FIRST_TIMEOUT, waiting).await else {
        return Ok(None);
    };
    if bytes.len() > FIRST_BYTES_MAX {
        return Err(Refused::new("message", "the greeting is too long"));
    }
    let read = FromAgent::decode(&bytes);
    read.map(Some).map_err(|error| Refused::new("message", error.to_string()))
}

async fn live(hall: &Arc<Hall>, socket: &mut Socket, greeted: Greeted) -> Result<(), Refused> {
    let Greeted { computer, session, holdings, trust_held, queued } = greeted;
    let logs = LogReader::new(hall.clone(), computer);
    let (probes, heard, second) = (Vec::new(), true, (Instant::now(), 0));
    let mut link =
        Link { hall, socket, computer, session, trust_held, queued, probes, heard, second, logs };
    // The keys may have been changed since the welcome, before this link was among those told.
    if hall.identity.trust_number() > trust_held {
        link.tell_trust().await;
    }
    let mut ended = Ok(());
    if hall.core.input(GiverInput::Connected { computer, session, holdings }).await.is_ok() {
        if let Some(update) = hall.updates.greet(computer).await {
            hall.links.offer(computer, update);
        }
        if let Some(wanted) = hall.wanted.greet(hall, computer).await {
            hall.links.want(computer, wanted);
        }
        ended = link.run().await;
        // A core that is gone knows no links either.
        let _core_gone = hall.core.input(GiverInput::Disconnected { computer, session }).await;
    }
    hall.links.leave(computer, session);
    hall.reach.hears_no_more(computer);
    tracing::info!(%computer, session, "agent disconnected");
    ended
}

struct Link<'a> {
    hall: &'a Arc<Hall>,
    socket: &'a mut Socket,
    computer: model::ComputerId,
    session: u64,
    /// The number of the trust document that the agent has, as far as it told.
    trust_held: u64,
    queued: mpsc::Receiver<ToLink>,
    probes: Vec<oneshot::Sender<()>>,
    /// Whether anything came since the last look.
    heard: bool,
    second: (Instant, u32),
    logs: LogReader,
}

impl Link<'_> {
    async fn run(&mut self) -> Result<(), Refused> {
        let spread = Duration::from_millis(self.session.wrapping_mul(7_919) % LOOK_SPREAD_MS);
        let mut look = tokio::time::interval(LOOK_AFTER + spread);
        look.reset();
        loop {
            tokio::select! {
                message = self.socket.next() => match message {
                    Some(Ok(message)) => {
                        if !Box::pin(self.hear(message)).await? {
                            return Ok(());
                        }
                    }
                    Some(Err(error)) => return self.broken(&error),
                    None => return Ok(()),
                },
                asked = self.queued.recv() => match asked {
                    Some(asked) => {
                        if !Box::pin(self.say(asked)).await {
                            return Ok(());
                        }
                    }
                    None => return Ok(()),
                },
                _ = look.tick() => {
                    let is_alive = std::mem::take(&mut self.heard);
                    if !is_alive || self.ping().await.is_err() {
                        tracing::info!(computer = %self.computer, "an agent is not there any more");
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Takes one message; `false` when the agent says goodbye.
    async fn hear(&mut self, message: Message) -> Result<bool, Refused> {
        self.heard = true;
        match message {
            Message::Binary(bytes) => {
                self.count()?;
                let message = FromAgent::decode(&bytes)
                    .map_err(|error| self.refused(&format!("it sent no message: {error}")))?;
                self.take(message).await
            }
            Message::Pong(_) => {
                for probe in self.probes.drain(..) {
                    let _waits_no_more = probe.send(());
                }
                Ok(true)
            }
            Message::Ping(_) => Ok(true),
            Message::Close(_) => Ok(false),
            Message::Text(_) | Message::Frame(_) => Err(self.refused("it sent text")),
        }
    }

    async fn take(&mut self, message: FromAgent) -> Result<bool, Refused> {
        match message {
            FromAgent::Run(message) => {
                if let ToServer::Frames { run, .. } = &message {
                    self.logs.run_changed(*run);
                }
                let (computer, session) = (self.computer, self.session);
                let input = GiverInput::Message { computer, session, message };
                Ok(self.hall.core.input(input).await.is_ok())
            }
            FromAgent::Log(log) => {
                if let Err(why) = Box::pin(self.logs.take(log)).await {
                    return Err(self.refused(&why));
                }
                Ok(true)
            }
            FromAgent::TrustHeld(number) => {
                self.trust_held = number;
                let number = number.min(i64::MAX.cast_unsigned());
                let held = Write::AgentTrust { computer: self.computer, number };
                // Told again with the next greeting, if this is lost.
                drop(self.hall.writer.submit(vec![held]));
                Ok(true)
            }
            FromAgent::Update(news) => {
                self.hall.updates.hear(self.hall, self.computer, news).await;
                Ok(true)
            }
            FromAgent::Wanted(news) => {
                Box::pin(self.hall.wanted.hear(self.hall, self.computer, news)).await;
                Ok(true)
            }
            FromAgent::Standings(told) => {
                let heard = crate::wanted::hear_standings(self.hall, self.computer, told);
                if let Err(error) = Box::pin(heard).await {
                    tracing::error!(error = %crate::core::chain(&error), "standings were not kept");
                    return Ok(false);
                }
                Ok(true)
            }
            FromAgent::Neighbours(mut neighbours) => {
                neighbours.sort_unstable();
                self.hall.reach.hears(self.computer, neighbours);
                Ok(true)
            }
            FromAgent::Hello(_) | FromAgent::Enroll(_) => {
                Err(self.refused("it greeted a second time"))
            }
        }
    }

    fn count(&mut self) -> Result<(), Refused> {
        let (since, count) = &mut self.second;
        if since.elapsed() >= Duration::from_secs(1) {
            (*since, *count) = (Instant::now(), 0);
        }
        *count += 1;
        if *count > MESSAGES_A_SECOND_MAX {
            return Err(self.refused("it sent more messages than anybody has to"));
        }
        Ok(())
    }

    /// Ends the link because of what the agent did.
    fn refused(&self, why: &str) -> Refused {
        let text = format!("the link was closed: {why}");
        self.hall.log("refused", About::computer(self.computer), "agent", text);
        Refused::new("message", why)
    }

    fn broken(&self, error: &Error) -> Result<(), Refused> {
        match error {
            Error::Capacity(_) | Error::Protocol(_) | Error::Utf8(_) if !is_cut(error) => {
                Err(self.refused(&error.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Sends what is queued, all of it before the socket is flushed; `false` when the link is over.
    async fn say(&mut self, first: ToLink) -> bool {
        let mut next = Some(first);
        let mut sent = 0u32;
        while let Some(asked) = next {
            match asked {
                ToLink::Send(message) => {
                    let bytes = FromServer::Run(*message).encode();
                    if feed(self.socket, bytes).await.is_err() {
                        return false;
                    }
                    sent += 1;
                }
                ToLink::Offer(update) => {
                    let bytes = FromServer::Update(*update).encode();
                    if feed(self.socket, bytes).await.is_err() {
                        return false;
                    }
                    sent += 1;
                }
                ToLink::Want(wanted) => {
                    // It may be signed with a key that the agent does not know yet.
                    if !self.tell_trust().await {
                        return false;
                    }
                    let bytes = FromServer::Wanted(*wanted).encode();
                    if feed(self.socket, bytes).await.is_err() {
                        return false;
                    }
                    sent += 1;
                }
                ToLink::Wake { mac, port } => {
                    let bytes = FromServer::Wake { mac, port }.encode();
                    if feed(self.socket, bytes).await.is_err() {
                        return false;
                    }
                    sent += 1;
                }
                ToLink::Probe(answer) => {
                    self.probes.push(answer);
                    if self.ping().await.is_err() {
                        return false;
                    }
                }
                ToLink::TellTrust => {
                    if !self.tell_trust().await {
                        return false;
                    }
                }
                ToLink::Close(ending) => {
                    let code = match ending {
                        Ending::Stopping | Ending::Reopened => CloseCode::Restart,
                        Ending::Revoked | Ending::Replaced => CloseCode::Policy,
                    };
                    close(self.socket, code, ending.as_str()).await;
                    return false;
                }
            }
            next = if sent < 256 { self.queued.try_recv().ok() } else { None };
        }
        matches!(tokio::time::timeout(SEND_TIMEOUT, self.socket.flush()).await, Ok(Ok(())))
    }

    /// Sends the trust documents that the agent lacks; `false` when the link is over.
    async fn tell_trust(&mut self) -> bool {
        let documents = self.hall.identity.trust_after(self.trust_held);
        documents.is_empty()
            || feed(self.socket, FromServer::Trust(documents).encode()).await.is_ok()
    }

    async fn ping(&mut self) -> Result<(), ()> {
        let ping = self.socket.send(Message::Ping(Bytes::new()));
        tokio::time::timeout(SEND_TIMEOUT, ping).await.map_err(drop)?.map_err(drop)
    }
}

/// The agent went without a word, which is nothing to be told.
fn is_cut(error: &Error) -> bool {
    use tokio_tungstenite::tungstenite::error::ProtocolError;
    matches!(error, Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))
}

async fn send(socket: &mut Socket, bytes: Vec<u8>) -> Result<(), ()> {
    let sending = socket.send(Message::Binary(bytes.into()));
    tokio::time::timeout(SEND_TIMEOUT, sending).await.map_err(drop)?.map_err(drop)
}

async fn feed(socket: &mut Socket, bytes: Vec<u8>) -> Result<(), ()> {
    let feeding = socket.feed(Message::Binary(bytes.into()));
    tokio::time::timeout(SEND_TIMEOUT, feeding).await.map_err(drop)?.map_err(drop)
}

async fn close(socket: &mut Socket, code: CloseCode, reason: &str) {
    // A close frame holds 123 bytes of reason.
    let reason: String = reason.chars().take(40).collect();
    let frame = CloseFrame { code, reason: reason.into() };
    // The agent may have gone first.
    let _agent_gone = tokio::time::timeout(SEND_TIMEOUT, socket.close(Some(frame))).await;
}
