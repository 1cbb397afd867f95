//! The agents' listener: TLS, then HTTP/1.1 for the link and for bulk content.
//!
//! Nothing an agent says is believed: the key its connection proves is looked up, and every request
//! is held against what that agent's open runs permit. Owns connections; decides nothing about
//! runs. An idle agent costs its TLS session, a small WebSocket buffer and one sleeping task.

mod bulk;
mod deposit;
mod enroll;
mod hello;
pub mod installer;
mod link;

pub use deposit::Deposits;
pub use hello::cleaned;
use wire::carry::Accepted;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use model::ComputerId;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Mutex, Semaphore, watch};
use tokio_rustls::LazyConfigAcceptor;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use trust::VerifyingKey;
use wire::carry::Stream;
use wire::content::ContentRequest;

use bulk::Caller;

use crate::clock::now;
use crate::hall::{About, Hall};

/// Connections that may wait to be accepted: a whole fleet may come back at once.
const BACKLOG: u32 = 8_192;
const HANDSHAKES_MAX: usize = 512;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
const HEADERS_TIMEOUT: Duration = Duration::from_secs(30);
const HEADERS_BYTES_MAX: usize = 16 << 10;
/// Of handshakes that failed one in so many milliseconds goes to the log of events.
const FAILURE_EVERY_MS: i64 = 1_000;

pub type Body = UnsyncBoxBody<Bytes, io::Error>;
pub type Answer = Response<Body>;

/// An agent's connection, as far as it has proved itself.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    pub key: VerifyingKey,
    pub address: SocketAddr,
}

/// Listens so that many may come at once.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What all ways in share: how many strangers may try at once, how often their failures are told.
pub struct Gate {
    handshakes: Arc<Semaphore>,
    told: AtomicI64,
    /// Enrolments go one after the other, so that no two machines become one computer.
    enrolling: Mutex<()>,
}

impl Default for Gate {
    fn default() -> Self {
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        Self { handshakes, told: AtomicI64::new(0), enrolling: Mutex::new(()) }
    }
}

/// Accepts agents until `stopping`.
pub async fn run(hall: Arc<Hall>, listener: TcpListener, mut stopping: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return,
            accepted = listener.accept() => accepted,
        };
        let (socket, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(%error, "an agent could not be accepted");
                // Out of descriptors: leave some time for others to be given back.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Only costs time where it cannot be set.
        let _ = socket.set_nodelay(true);
        meet(&hall, socket, address).await;
    }
}

/// Takes an agent's streams from a carrier as if each had been accepted, until the carrier ends or
/// the server stops. `address` is where the carrier leads to.
pub async fn run_carrier(
    hall: Arc<Hall>,
    mut accepted: Accepted,
    address: SocketAddr,
    mut stopping: watch::Receiver<bool>,
) {
    loop {
        let stream = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return,
            stream = accepted.next() => stream,
        };
        let Some(stream) = stream else { return };
        meet(&hall, stream, address).await;
    }
}

/// Serves one connection in a task of its own, once there is room for another stranger.
async fn meet<S>(hall: &Arc<Hall>, socket: S, address: SocketAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Ok(permit) = hall.gate.handshakes.clone().acquire_owned().await else { return };
    let hall = hall.clone();
    tokio::spawn(async move {
        let secured = secure(&hall, socket).await;
        drop(permit);
        let _counted = hall.gauges.connected();
        match secured {
            Ok((stream, Some(key))) => serve(hall, stream, Peer { key, address }).await,
            Ok((stream, None)) => installer::serve(hall, stream).await,
            Err(why) => failed(&hall, address, &why),
        }
    });
}

type Secured<S> = tokio_rustls::server::TlsStream<S>;

/// The connection with the key that its agent has proved; none of a client that asked for another
/// name than agents do, which is shown the installer's certificate and given nothing else.
async fn secure<S>(hall: &Hall, socket: S) -> Result<(Secured<S>, Option<VerifyingKey>), String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let handshake = async {
        let start = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
        let is_agent = wire::tls::is_for_agents(start.client_hello().server_name());
        let config = if is_agent { hall.identity.tls() } else { hall.installer.config() };
        Ok::<_, io::Error>((start.into_stream(config).await?, is_agent))
    };
    let (stream, is_agent) = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake)
        .await
        .map_err(|_| "no handshake in time".to_owned())?
        .map_err(|error| error.to_string())?;
    if !is_agent {
        return Ok((stream, None));
    }
    let key = wire::tls::peer_key(stream.get_ref().1).ok_or("it proved no key")?;
    Ok((stream, Some(key)))
}

/// Logs a handshake that failed; strangers must not be able to fill the log.
fn failed(hall: &Hall, address: SocketAddr, why: &str) {
    hall.gauges.handshake_refused();
    let told = &hall.gate.told;
    let (instant, last) = (now().as_millis(), told.load(Ordering::Relaxed));
    let text = format!("the TLS handshake with {address} failed: {why}");
    if instant - last < FAILURE_EVERY_MS {
        tracing::warn!("{text}");
        return;
    }
    told.store(instant, Ordering::Relaxed);
    hall.log("handshake", About::NOTHING, &address.to_string(), text);
}

async fn serve<S>(hall: Arc<Hall>, stream: Secured<S>, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let hall = hall.clone();
        async move { Ok::<_, Infallible>(answer(hall, request, peer).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIMEOUT)
        .max_buf_size(HEADERS_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(address = %peer.address, %error, "an agent's connection ended");
    }
}

/// Serves content to what this server started on a computer without agent, and nothing else.
pub async fn serve_target(hall: Arc<Hall>, stream: Stream, computer: ComputerId) {
    let service = service_fn(move |request: Request<Incoming>| {
        let hall = hall.clone();
        async move {
            let uri = request.uri();
            let (path, query) = (uri.path(), uri.query().unwrap_or_default());
            let asked = ContentRequest::parse(request.method().as_str(), path, query);
            let answer = match asked {
                Some(asked) => bulk::answer(&hall, asked, request, Caller::Target(computer)).await,
                None => refusal(StatusCode::NOT_FOUND, "there is nothing of that name"),
            };
            Ok::<_, Infallible>(answer)
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIMEOUT)
        .max_buf_size(HEADERS_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%computer, %error, "a connection for content ended");
    }
}

async fn answer(hall: Arc<Hall>, request: Request<Incoming>, peer: Peer) -> Answer {
    if request.uri().path() == "/agent" {
        return upgrade(hall, request, peer);
    }
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    if path == wire::TRUST_PATH && request.method() == Method::GET {
        return trust_after(&hall, query);
    }
    match wire::content::ContentRequest::parse(request.method().as_str(), path, query) {
        Some(asked) => bulk::answer(&hall, asked, request, Caller::Agent(peer)).await,
        None => refusal(StatusCode::NOT_FOUND, "there is nothing of that name"),
    }
}

/// The trust documents beyond a number, for anybody: they hold public keys and prove themselves.
fn trust_after(hall: &Hall, query: &str) -> Answer {
    let after = query.strip_prefix("after=").and_then(|number| number.parse().ok());
    let Some(after) = after else {
        return refusal(StatusCode::BAD_REQUEST, "ask with `?after=` and a number");
    };
    let documents = hall.identity.trust_after(after);
    let body = Full::new(Bytes::from(wire::FromServer::Trust(documents).encode()));
    Response::new(body.map_err(|never| match never {}).boxed_unsync())
}

/// Makes the connection a link.
fn upgrade(hall: Arc<Hall>, mut request: Request<Incoming>, peer: Peer) -> Answer {
    let headers = request.headers();
    let is_websocket = headers
        .get(UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let key = headers.get(SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let Some(accept) = key.filter(|_| is_websocket && request.method() == Method::GET) else {
        return refusal(StatusCode::UPGRADE_REQUIRED, "this is for WebSocket connections");
    };
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgraded.await {
            Ok(upgraded) => link::serve(hall, TokioIo::new(upgraded), peer).await,
            Err(error) => {
                tracing::debug!(address = %peer.address, %error, "a link did not come about");
            }
        }
    });
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_ACCEPT, accept)
        .body(bytes_body(Bytes::new()));
    response.unwrap_or_else(|_| refusal(StatusCode::BAD_REQUEST, "no such key"))
}

pub fn bytes_body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub fn refusal(status: StatusCode, why: &str) -> Answer {
    let mut response = Response::new(bytes_body(why.to_owned()));
    *response.status_mut() = status;
    response
}
