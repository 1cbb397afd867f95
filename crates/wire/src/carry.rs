//! Many byte streams over one: what a server that dials, or a pipe, is made of.
//!
//! A connection to a server is always opened by the agent, which is the TLS client and checks the
//! pinned keys. Where the agent cannot dial - it listens, or it was started over SSH - there is one
//! byte stream only, brought by the server. A carrier lets the agent open as many over it as it
//! would have dialled. Nothing is secret or proved here; that is for TLS in each of the streams.
//!
//! Framing and windows are yamux. Invariants: the other side cannot make this one keep more than
//! [`STREAMS_MAX`] streams of 256 KiB that nobody has read; a carrier that ends ends its streams;
//! a carrier of which nobody holds an end or a stream opened here says goodbye and ends.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, BufStream, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};
use yamux::{Connection, Mode};

/// Streams that one carrier has at once, whoever opened them.
pub const STREAMS_MAX: usize = 24;
/// Of these, those that this side opens; more wait. The rest is room for ends being told.
const OPENED_MAX: usize = 8;
/// Each stream has a window of 256 KiB that does not grow.
const WINDOWS_BYTES_MAX: usize = STREAMS_MAX * (256 << 10);
/// Payload of one frame: small, so that a link's words are not held up by bulk beside them.
const FRAME_BYTES: usize = 16 << 10;
const READ_BUFFER_BYTES: usize = 4 << 10;
/// A frame with its header goes out in one piece.
const WRITE_BUFFER_BYTES: usize = FRAME_BYTES + 64;
/// How long a goodbye may take when the other side does not read.
const GOODBYE_WITHIN: Duration = Duration::from_secs(3);

/// Which end of a carrier this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Agent,
    Server,
}

/// The carrier is gone, and all its streams with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the carrier has ended")]
pub struct Ended;

/// Opens streams; clones open on the same carrier.
#[derive(Debug, Clone)]
pub struct Opener {
    ask: mpsc::Sender<Asked>,
    permits: Arc<Semaphore>,
}

/// The streams that the other side opens.
#[derive(Debug)]
pub struct Accepted {
    streams: mpsc::Receiver<yamux::Stream>,
    /// Holds the carrier open.
    _ask: mpsc::Sender<Asked>,
}

/// One stream of a carrier. An end without a word of the protocol inside is a cut.
#[derive(Debug)]
pub struct Stream {
    inner: Compat<yamux::Stream>,
    /// Of one that was opened here: its place among the streams, and the carrier kept open.
    _held: Option<(OwnedSemaphorePermit, mpsc::Sender<Asked>)>,
}

type Asked = oneshot::Sender<yamux::Stream>;

/// Makes a carrier of a byte stream. It lives in a task of its own until the other side ends it or
/// the opener, its clones, the streams it opened and the accepted ones are all dropped.
pub fn carry<S>(stream: S, side: Side) -> (Opener, Accepted)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut config = yamux::Config::default();
    config
        .set_max_num_streams(STREAMS_MAX)
        .set_max_connection_receive_window(Some(WINDOWS_BYTES_MAX))
        .set_split_send_size(FRAME_BYTES);
    let mode = match side {
        Side::Agent => Mode::Client,
        Side::Server => Mode::Server,
    };
    let buffered = BufStream::with_capacity(READ_BUFFER_BYTES, WRITE_BUFFER_BYTES, stream);
    let connection = Connection::new(buffered.compat(), config, mode);
    let (ask, asked) = mpsc::channel(OPENED_MAX);
    // Never full: what waits here counts among the streams there are.
    let (accepted, streams) = mpsc::channel(STREAMS_MAX);
    tokio::spawn(drive(Carrier { connection, asked, accepted }));
    let opener = Opener { ask: ask.clone(), permits: Arc::new(Semaphore::new(OPENED_MAX)) };
    (opener, Accepted { streams, _ask: ask })
}

impl Opener {
    /// Opens a stream; waits while this side has as many as it may. The other side hears of it with
    /// the first bytes.
    pub async fn open(&self) -> Result<Stream, Ended> {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| Ended)?;
        let (ask, opened) = oneshot::channel();
        self.ask.send(ask).await.map_err(|_| Ended)?;
        let stream = opened.await.map_err(|_| Ended)?;
        Ok(Stream { inner: stream.compat(), _held: Some((permit, self.ask.clone())) })
    }

    /// Whether the carrier has ended.
    pub fn is_ended(&self) -> bool {
        self.ask.is_closed()
    }

    /// Ready once the carrier has ended.
    pub async fn ended(&self) {
        self.ask.closed().await;
    }

    /// Whether both open on the same carrier.
    pub fn is_same(&self, other: &Self) -> bool {
        self.ask.same_channel(&other.ask)
    }
}

impl Accepted {
    /// The next stream; none once the carrier has ended.
    pub async fn next(&mut self) -> Option<Stream> {
        let stream = self.streams.recv().await?;
        Some(Stream { inner: stream.compat(), _held: None })
    }
}

struct Carrier<S> {
    connection: Connection<Compat<BufStream<S>>>,
    asked: mpsc::Receiver<Asked>,
    accepted: mpsc::Sender<yamux::Stream>,
}

async fn drive<S: AsyncRead + AsyncWrite + Unpin>(mut carrier: Carrier<S>) {
    if let Some(why) = std::future::poll_fn(|context| carrier.poll(context)).await {
        tracing::debug!("a carrier ended: {why}");
        return;
    }
    let closing = std::future::poll_fn(|context| carrier.connection.poll_close(context));
    // Whoever does not hear it will see that the stream has ended.
    let _not_heard = tokio::time::timeout(GOODBYE_WITHIN, closing).await;
}

impl<S: AsyncRead + AsyncWrite + Unpin> Carrier<S> {
    /// Ready with why it ended, or with nothing once nobody here holds it.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<String>> {
        loop {
            match self.connection.poll_next_inbound(context) {
                Poll::Ready(Some(Ok(stream))) => {
                    // Dropped where nobody takes streams: the other side sees it reset.
                    let _not_taken = self.accepted.try_send(stream);
                    continue;
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(error.to_string())),
                Poll::Ready(None) => return Poll::Ready(Some("the other side left".to_owned())),
                Poll::Pending => {}
            }
            match self.asked.poll_recv(context) {
                Poll::Ready(Some(answer)) => match self.connection.poll_new_outbound(context) {
                    Poll::Ready(Ok(stream)) => {
                        let _asks_no_more = answer.send(stream);
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Some(error.to_string())),
                    // Only at 256 streams that were not acknowledged; there are not so many.
                    Poll::Pending => {}
                },
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
