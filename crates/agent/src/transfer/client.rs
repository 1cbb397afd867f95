//! Asking for content over HTTPS: connections that are kept while there is work, and no longer.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wire::content::ContentRequest;

use crate::dial::{DialError, Way};

/// Requests in flight.
const REQUESTS_MAX: usize = 4;
/// How long connections are kept without a transfer.
const IDLE: Duration = Duration::from_secs(10);
/// Longest wait for the next bytes of an answer.
const STALLED: Duration = Duration::from_secs(60);
/// Answers that are read whole are no larger.
const ANSWER_BYTES_MAX: usize = 256 << 20;

pub(super) type RequestBody = BoxBody<Bytes, io::Error>;

/// Why an answer could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContentError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the connection to the server was lost: {0}")]
    Link(#[source] io::Error),
    #[error("the server refused: {text}")]
    Refused { status: u16, text: String },
}

pub(super) struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    way: Way,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<SendRequest<RequestBody>>>,
    transfers: AtomicUsize,
    /// Counts transfers begun, so that an idle time can tell whether it was one.
    begun: AtomicUsize,
}

/// While one exists, connections are kept.
pub(super) struct Busy(Arc<Shared>);

impl Client {
    pub(super) fn new(way: Way) -> Self {
        let shared = Shared {
            way,
            permits: Arc::new(Semaphore::new(REQUESTS_MAX)),
            idle: Mutex::default(),
            transfers: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(super) fn busy(&self) -> Busy {
        self.shared.transfers.fetch_add(1, Ordering::Relaxed);
        self.shared.begun.fetch_add(1, Ordering::Relaxed);
        Busy(self.shared.clone())
    }

    /// Sends a request and waits for the head of a good answer.
    pub(super) async fn send(
        &self,
        request: &ContentRequest,
        offset: u64,
        body: RequestBody,
        length: u64,
    ) -> Result<Answer, ContentError> {
        let permit = self.shared.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|error| ContentError::Link(io::Error::other(error)))?;
        let mut sender = self.shared.connection().await?;
        let mut message = Request::builder()
            .method(request.method())
            .uri(request.uri())
            .header(header::HOST, wire::tls::SERVER_NAME);
        if length > 0 {
            message = message.header(header::CONTENT_LENGTH, length);
        }
        if offset > 0 {
            message = message.header(header::RANGE, format!("bytes={offset}-"));
        }
        let message = message.body(body).map_err(|error| ContentError::Link(other(error)))?;
        let response = sender.send_request(message).await.map_err(link)?;
        let answer = Answer { response, lease: Some((self.shared.clone(), sender, permit)) };
        answer.check(offset).await
    }

    /// The whole answer to a request with a body of bytes.
    pub(super) async fn ask(
        &self,
        request: &ContentRequest,
        body: Vec<u8>,
    ) -> Result<Bytes, ContentError> {
        let length = body.len() as u64;
        self.send(request, 0, whole(body), length).await?.whole(ANSWER_BYTES_MAX).await
    }
}

pub(super) fn whole(body: Vec<u8>) -> RequestBody {
    Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed()
}

impl Shared {
    async fn connection(&self) -> Result<SendRequest<RequestBody>, ContentError> {
        while let Some(mut sender) = self.take_idle() {
            if sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
        let connection = self.way.connect().await?;
        let (sender, connection) = handshake(TokioIo::new(connection)).await.map_err(link)?;
        // It ends with the sender, or tells the sender of its end.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn take_idle(&self) -> Option<SendRequest<RequestBody>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.transfers.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        let (shared, begun) = (self.0.clone(), self.0.begun.load(Ordering::Relaxed));
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            tokio::time::sleep(IDLE).await;
            if shared.begun.load(Ordering::Relaxed) == begun {
                shared.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
            }
        });
    }
}

type Lease = (Arc<Shared>, SendRequest<RequestBody>, OwnedSemaphorePermit);

/// An answer whose bytes are still coming. Once all have come its connection is used again.
pub(super) struct Answer {
    response: Response<Incoming>,
    lease: Option<Lease>,
}

impl Answer {
    async fn check(self, offset: u64) -> Result<Self, ContentError> {
        let status = self.response.status();
        let expected = if offset > 0 { status == StatusCode::PARTIAL_CONTENT } else { true };
        if status.is_success() && expected {
            return Ok(self);
        }
        let text = self.whole(4 << 10).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        let text = if text.is_empty() { status.to_string() } else { text };
        Err(ContentError::Refused { status: status.as_u16(), text })
    }

    /// The next bytes; none at the end.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let frame = timeout(STALLED, self.response.body_mut().frame());
            let frame = frame.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
            match frame {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
                Some(Err(error)) => return Err(other(error)),
                None => {
                    if let Some((shared, sender, _)) = self.lease.take() {
                        let mut idle = shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
                        idle.push(sender);
                    }
                    return Ok(None);
                }
            }
        }
    }

    pub(super) async fn whole(mut self, bytes_max: usize) -> Result<Bytes, ContentError> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next().await.map_err(ContentError::Link)? {
            if all.len() + bytes.len() > bytes_max {
                return Err(ContentError::Link(io::ErrorKind::FileTooLarge.into()));
            }
            all.extend(bytes);
        }
        Ok(all.into())
    }
}

fn link(error: hyper::Error) -> ContentError {
    ContentError::Link(other(error))
}

fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::other(error)
}
