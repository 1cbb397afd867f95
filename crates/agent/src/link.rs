//! The link to a server: dialled, kept, dialled again for ever.
//!
//! Owns the WebSocket and its times: back-off between attempts, an answer in time, silence that
//! means a dead connection. Says nothing on its own account; what is said comes from the driver and
//! from [`Logs`], and what is heard goes to the driver.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use wire::{FromAgent, FromServer, Hello, MESSAGE_BYTES_MAX, MessageError};

use crate::backoff::Backoff;
use crate::dial::{Carrier, Connection, DialError, Dialer};
use crate::driver::Input;
use crate::logs::Logs;
use crate::note::LinkNote;
use crate::presence::Neighbours;
use crate::waking::Waker;

/// No traffic for so long, pings of the server included: the connection is dead.
const SILENCE: Duration = Duration::from_secs(90);
/// Longest wait for the answer to a hello or an enrolment.
const ANSWER: Duration = Duration::from_secs(30);
/// A connection that lasted so long is a good one: the next is tried at once.
const STABLE: Duration = Duration::from_secs(10);
const WAIT_MIN: Duration = Duration::from_millis(200);
const WAIT_MAX: Duration = Duration::from_secs(60);
/// A server that lets this agent in and is gone again at once is asked that soon at the latest.
const WAIT_WELCOME: Duration = Duration::from_secs(3);
/// Messages that are written before the connection is flushed.
const WRITTEN_AT_ONCE: usize = 64;

/// Tells of servers that come here.
type Comings = watch::Receiver<Option<Carrier>>;

pub(crate) type Socket = WebSocketStream<Connection>;

/// Why there is no connection any more.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the key by which the server proved itself was revoked")]
    Revoked,
    #[error("the server does not open its channel: {0}")]
    Open(#[source] Box<tungstenite::Error>),
    #[error("the connection was lost: {0}")]
    Lost(#[source] Box<tungstenite::Error>),
    #[error("the server closed the connection")]
    Closed,
    #[error("the server was silent for {} s", SILENCE.as_secs())]
    Silent,
    #[error("the server did not answer within {} s", ANSWER.as_secs())]
    NoAnswer,
    #[error("the server sent something that is no message: {0}")]
    Message(#[from] MessageError),
    #[error("the server answered with something else than was asked for")]
    Unexpected,
    #[error("the server rejects this agent ({code}): {reason}")]
    Rejected { code: String, reason: String },
    #[error("this agent cannot say who it is: {0}")]
    Hello(String),
    #[error("this agent begins anew")]
    Anew,
    #[error("a server has come here")]
    Visited,
}

/// Opens the channel over a connection.
pub(crate) async fn open(connection: Connection) -> Result<Socket, LinkError> {
    let config = WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(4 << 10)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let uri = format!("ws://{}/agent", wire::tls::SERVER_NAME);
    let opening = client_async_with_config(uri, connection, Some(config));
    let opened = timeout(ANSWER, opening).await.map_err(|_| LinkError::NoAnswer)?;
    opened.map(|(socket, _)| socket).map_err(|error| LinkError::Open(Box::new(error)))
}

/// Says one thing and waits for the first answer.
pub(crate) async fn ask(socket: &mut Socket, what: FromAgent) -> Result<FromServer, LinkError> {
    let asked = async {
        socket.send(Message::Binary(what.encode().into())).await.map_err(lost)?;
        hear(socket).await
    };
    timeout(ANSWER, asked).await.map_err(|_| LinkError::NoAnswer)?
}

fn lost(error: tungstenite::Error) -> LinkError {
    match error {
        tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => {
            LinkError::Closed
        }
        tungstenite::Error::Io(error) if is_end(&error) => LinkError::Closed,
        error => LinkError::Lost(Box::new(error)),
    }
}

/// A server that dies says no farewell.
fn is_end(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}

/// The next message; pings are answered below.
async fn hear<S>(socket: &mut S) -> Result<FromServer, LinkError>
where
    S: Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
{
    loop {
        let next = timeout(SILENCE, socket.next()).await.map_err(|_| LinkError::Silent)?;
        match next {
            Some(Ok(Message::Binary(bytes))) => return Ok(FromServer::decode(&bytes)?),
            Some(Ok(Message::Close(_))) | None => return Err(LinkError::Closed),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(lost(error)),
        }
    }
}

/// What keeps the link.
pub(crate) struct Link {
    pub dialer: Arc<Dialer>,
    pub inputs: mpsc::Sender<Input>,
    pub logs: Arc<Logs>,
    /// For whoever waits for a link.
    pub linked: watch::Sender<bool>,
    pub note: std::path::PathBuf,
    /// Whose signals are heard.
    pub neighbours: watch::Receiver<Neighbours>,
}

impl Link {
    /// Keeps the link for ever; ends when the driver is gone.
    pub(crate) async fn keep(self) {
        let mut backoff = Backoff::new(WAIT_MIN, WAIT_MAX);
        let mut server = None;
        let mut comings = self.dialer.comings();
        LinkNote::away(None, "not yet tried".to_owned()).write(&self.note);
        while !self.inputs.is_closed() {
            let mut welcomed = None;
            let Err(error) = self.once(&mut server, &mut welcomed, &mut comings).await;
            if matches!(error, LinkError::Visited) {
                tracing::info!("a server has come here; the link goes its way from now on");
                backoff.reset();
                continue;
            }
            match welcomed.map(|at: Instant| at.elapsed()) {
                Some(lasted) if lasted >= STABLE => backoff.reset(),
                Some(_) => backoff.ease(WAIT_WELCOME),
                None => {}
            }
            let wait = backoff.step();
            tracing::warn!("no connection: {error}; tried again in {} ms", wait.as_millis());
            LinkNote::away(server.clone(), error.to_string()).write(&self.note);
            // Whoever comes here meanwhile is not kept waiting.
            let _came_or_not = timeout(wait, comings.changed()).await;
        }
    }

    async fn once(
        &self,
        server: &mut Option<String>,
        welcomed: &mut Option<Instant>,
        comings: &mut Comings,
    ) -> Result<std::convert::Infallible, LinkError> {
        let (address, connection) = tokio::select! {
            dialled = self.dialer.dial() => dialled?,
            Ok(()) = comings.changed() => return Err(LinkError::Visited),
        };
        let revoked = self.dialer.revoked(&connection);
        let mut socket = open(connection).await?;
        let (hello, generation) = self.hello().await?;
        let (protocol, trust) = match ask(&mut socket, FromAgent::Hello(hello)).await? {
            FromServer::Welcome { protocol, server, trust } => {
                tracing::debug!("server {server} speaks protocol {protocol}");
                (protocol, trust)
            }
            FromServer::Rejected { code, reason } => {
                return Err(LinkError::Rejected { code, reason });
            }
            FromServer::Enrolled { .. }
            | FromServer::Run(_)
            | FromServer::Trust(_)
            | FromServer::Wake { .. }
            | FromServer::Update(_)
            | FromServer::Wanted(_) => {
                return Err(LinkError::Unexpected);
            }
        };
        tracing::info!("connected to {address}, protocol {protocol}");
        LinkNote::connected(address.clone()).write(&self.note);
        *server = Some(address);
        *welcomed = Some(Instant::now());
        let (outbox, said) = mpsc::unbounded_channel();
        self.tell(Input::Linked { generation, outbox, trust }).await?;
        self.logs.linked();
        self.linked.send_replace(true);
        let error = tokio::select! {
            Err(error) = self.serve(socket, said, comings) => error,
            () = revoked => LinkError::Revoked,
        };
        self.linked.send_replace(false);
        self.logs.unlinked();
        self.tell(Input::Unlinked).await?;
        Err(error)
    }

    async fn tell(&self, input: Input) -> Result<(), LinkError> {
        self.inputs.send(input).await.map_err(|_| LinkError::Anew)
    }

    async fn hello(&self) -> Result<(Hello, u64), LinkError> {
        let (answer, hello) = oneshot::channel();
        self.tell(Input::Hello(answer)).await?;
        match hello.await {
            Ok(Ok((hello, generation))) => Ok((*hello, generation)),
            Ok(Err(why)) => Err(LinkError::Hello(why)),
            Err(_) => Err(LinkError::Anew),
        }
    }

    async fn serve(
        &self,
        socket: Socket,
        said: mpsc::UnboundedReceiver<FromAgent>,
        comings: &mut Comings,
    ) -> Result<std::convert::Infallible, LinkError> {
        let (sink, stream) = socket.split();
        tokio::select! {
            Err(error) = self.listen(stream) => Err(error),
            Err(error) = self.speak(sink, said) => Err(error),
            Ok(()) = comings.changed() => Err(LinkError::Visited),
        }
    }

    async fn listen<S>(&self, mut stream: S) -> Result<std::convert::Infallible, LinkError>
    where
        S: Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
    {
        let mut waker = Waker::default();
        loop {
            match hear(&mut stream).await? {
                FromServer::Wake { mac, port } => waker.wake(mac, port),
                FromServer::Run(message) => self.tell(Input::Message(message)).await?,
                FromServer::Trust(documents) => self.tell(Input::Trust(documents, None)).await?,
                FromServer::Update(offer) => self.tell(Input::Offered(offer)).await?,
                FromServer::Wanted(presented) => {
                    self.tell(Input::Wanted(Box::new(presented))).await?;
                }
                FromServer::Rejected { code, reason } => {
                    return Err(LinkError::Rejected { code, reason });
                }
                FromServer::Welcome { .. } | FromServer::Enrolled { .. } => {
                    return Err(LinkError::Unexpected);
                }
            }
        }
    }

    /// Runs' messages first, output of commands when there are none.
    async fn speak<S>(
        &self,
        mut sink: S,
        mut said: mpsc::UnboundedReceiver<FromAgent>,
    ) -> Result<std::convert::Infallible, LinkError>
    where
        S: Sink<Message, Error = tungstenite::Error> + Unpin,
    {
        let mut neighbours = self.neighbours.clone();
        if !neighbours.borrow().is_empty() {
            neighbours.mark_changed();
        }
        loop {
            let first = tokio::select! {
                biased;
                message = said.recv() => message.ok_or(LinkError::Anew)?,
                Ok(()) = neighbours.changed() => {
                    FromAgent::Neighbours(neighbours.borrow_and_update().clone())
                }
                log = self.logs.next() => FromAgent::Log(log),
            };
            sink.feed(Message::Binary(first.encode().into())).await.map_err(lost)?;
            for _ in 0..WRITTEN_AT_ONCE {
                let Ok(message) = said.try_recv() else { break };
                sink.feed(Message::Binary(message.encode().into())).await.map_err(lost)?;
            }
            sink.flush().await.map_err(lost)?;
        }
    }
}
