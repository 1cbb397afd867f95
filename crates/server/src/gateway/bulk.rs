//! Bulk content for agents: listings and files of the tree that one of their open runs has pinned,
//! or that an application draws from which they were told to have.
//!
//! Every request is checked anew: an enrolled key, and a run of that agent that has not ended with
//! the root that its deployment pinned, or the set that it was told. Paths are looked up in the
//! pinned tree and nowhere else.

use std::io::{self, Read, Seek};
use std::sync::Arc;

use bytes::Bytes;
use content::{DepotPath, LookupError, What};
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, RANGE};
use hyper::{Request, Response, StatusCode};
use model::{ComputerId, DeploymentId, Digest, RunId};
use store::rows::AgentState;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use trust::{WantedApplication, WantedSet};
use wire::content::{BODY_BYTES_MAX, ContentRequest, PATHS_MAX, Paths, Right};

use super::{Answer, Peer, bytes_body, deposit, refusal};
use crate::core::chain;
use crate::hall::{About, Hall};

/// Bytes handed to a connection at once, and how many of these may wait for it.
const CHUNK_BYTES: usize = 256 << 10;
const CHUNKS_MAX: usize = 4;

/// Who asks for content.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::large_enum_variant, reason = "one for each request, passed on the stack")]
pub enum Caller {
    /// An agent, by the key that its connection proved.
    Agent(Peer),
    /// What this server started on a computer without agent.
    Target(ComputerId),
}

/// Why there is no content, with the status that says so.
#[derive(Debug)]
pub struct Denied {
    pub status: StatusCode,
    pub why: String,
}

impl Denied {
    pub fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, why: why.into() }
    }

    pub fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the server is starting or stopping; try again")
    }
}

impl From<LookupError> for Denied {
    fn from(error: LookupError) -> Self {
        let status = match &error {
            LookupError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::NOT_FOUND,
        };
        Self::new(status, chain(&error))
    }
}

impl From<content::StoreError> for Denied {
    fn from(error: content::StoreError) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, chain(&error))
    }
}

pub async fn answer(
    hall: &Arc<Hall>,
    asked: ContentRequest,
    request: Request<Incoming>,
    caller: Caller,
) -> Answer {
    let answered = match asked {
        ContentRequest::List { right, root, path, recursive } => {
            list(hall, caller, (right, root), &path, recursive).await
        }
        ContentRequest::File { right, root, path } => {
            let range = request.headers().get(RANGE).and_then(|range| range.to_str().ok());
            file(hall, caller, (right, root), &path, range).await
        }
        ContentRequest::Files { right, root } => files(hall, caller, (right, root), request).await,
        ContentRequest::Document { digest } => document(hall, caller, digest).await,
        ContentRequest::Release { digest } => {
            let range = request.headers().get(RANGE).and_then(|range| range.to_str().ok());
            release(hall, caller, digest, range).await
        }
        ContentRequest::Offer { .. }
        | ContentRequest::Pieces { .. }
        | ContentRequest::Bytes { .. }
        | ContentRequest::Finish { .. } => deposit::answer(hall, asked, request, caller).await,
    };
    answered.unwrap_or_else(|denied| {
        if denied.status.is_server_error() {
            tracing::error!(?caller, "{}", denied.why);
        }
        refusal(denied.status, &denied.why)
    })
}

/// The computer whose enrolled agent this is.
pub async fn computer_of(hall: &Hall, caller: Caller) -> Result<ComputerId, Denied> {
    let peer = match caller {
        Caller::Agent(peer) => peer,
        Caller::Target(computer) => return Ok(computer),
    };
    let agent = hall.store.agent_by_key(*peer.key.as_bytes()).await.map_err(|_| Denied::busy())?;
    match agent.filter(|agent| agent.state == AgentState::Enrolled) {
        Some(agent) => Ok(agent.computer),
        None => Err(Denied::new(StatusCode::FORBIDDEN, "this key is not enrolled here")),
    }
}

async fn permit(hall: &Hall, caller: Caller, of: (Right, Digest)) -> Result<(), Denied> {
    let computer = computer_of(hall, caller).await?;
    match of {
        (Right::Run(run), root) => permit_run(hall, computer, run, root).await,
        (Right::Wanted, root) => {
            wanted(hall, computer, |wanted| wanted.source == Some(root)).await.map(drop)
        }
    }
}

/// An application that the computer was told to have.
async fn wanted(
    hall: &Hall,
    computer: ComputerId,
    is_meant: impl Fn(&WantedApplication) -> bool,
) -> Result<WantedApplication, Denied> {
    let row = hall.store.wanted_set(computer).await.map_err(|_| Denied::busy())?;
    let set = row.and_then(|row| WantedSet::decode(&row.set).ok()).unwrap_or_default();
    set.applications.into_iter().find(is_meant).ok_or_else(|| {
        let why = "no application that this computer is to have has that";
        hall.log("refused", About::computer(computer), "agent", format!("content: {why}"));
        Denied::new(StatusCode::FORBIDDEN, why)
    })
}

/// Whether the run is open, this agent's, and has pinned that root.
async fn permit_run(
    hall: &Hall,
    computer: ComputerId,
    run: RunId,
    root: Digest,
) -> Result<(), Denied> {
    let open = move |giver: &travel::Giver| -> Option<(ComputerId, DeploymentId)> {
        giver.run(run)?.state().outcome().is_none().then(|| giver.run_of(run)).flatten()
    };
    let found = hall.core.ask(move |giver, _| open(giver)).await.map_err(|_| Denied::busy())?;
    let not_yours = |why: &str| {
        let about = About { computer: Some(computer), run: Some(run), deployment: None };
        hall.log("refused", about, "agent", format!("content was refused: {why}"));
        Denied::new(StatusCode::FORBIDDEN, why)
    };
    let deployment = match found {
        Some((owner, deployment)) if owner == computer => deployment,
        Some(_) => return Err(not_yours("the run is another agent's")),
        None => return Err(Denied::new(StatusCode::GONE, "no such run is open")),
    };
    let copy = hall.core.ask(move |giver, _| giver.copy_of(run)).await;
    let copy = copy.map_err(|_| Denied::busy())?.unwrap_or(1);
    let pinned = pinned(hall, deployment, copy).await.map_err(|_| Denied::busy())?;
    if pinned != Some(root) {
        return Err(not_yours("its deployment did not pin this tree"));
    }
    Ok(())
}

/// The tree that a copy of a deployment's workflow draws from.
async fn pinned(
    hall: &Hall,
    deployment: DeploymentId,
    copy: u64,
) -> Result<Option<Digest>, store::ReadError> {
    if copy == 1 {
        return Ok(hall.store.deployment(deployment).await?.and_then(|row| row.depot_root));
    }
    let copies = hall.store.deployment_copies(deployment).await?;
    Ok(copies.into_iter().find(|row| row.number == copy).and_then(|row| row.depot_root))
}

fn depot_path(text: &str) -> Result<DepotPath, Denied> {
    text.parse().map_err(|error| Denied::new(StatusCode::BAD_REQUEST, format!("{error}")))
}

/// Runs what blocks beside the connections.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Denied> + Send + 'static,
) -> Result<T, Denied> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Denied::busy())?
}

async fn list(
    hall: &Arc<Hall>,
    caller: Caller,
    of: (Right, Digest),
    path: &str,
    recursive: bool,
) -> Result<Answer, Denied> {
    permit(hall, caller, of).await?;
    let (path, objects, root) = (depot_path(path)?, hall.depot.objects.clone(), of.1);
    let bundle = blocking(move || Ok(objects.bundle(&root, &path, recursive)?)).await?;
    Ok(Response::new(bytes_body(bundle)))
}

async fn file(
    hall: &Arc<Hall>,
    caller: Caller,
    of: (Right, Digest),
    path: &str,
    range: Option<&str>,
) -> Result<Answer, Denied> {
    permit(hall, caller, of).await?;
    let (path, objects, root) = (depot_path(path)?, hall.depot.objects.clone(), of.1);
    let range = range.map(parse_range).transpose()?;
    let (file, length) = blocking(move || {
        let (digest, size) = find(&objects, &root, &path)?;
        let (first, last) = range.unwrap_or((0, None));
        if first > size {
            return Err(Denied::new(StatusCode::RANGE_NOT_SATISFIABLE, "the file is shorter"));
        }
        let (file, left) = objects.open_range(&digest, size, first)?;
        let wanted =
            last.map_or(left, |last| last.saturating_add(1).saturating_sub(first).min(left));
        Ok((file, wanted))
    })
    .await?;
    let body = stream(move |out| copy(&mut file.take(length), out));
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    Ok(streamed(status, length, body))
}

async fn document(hall: &Arc<Hall>, caller: Caller, digest: Digest) -> Result<Answer, Denied> {
    let computer = computer_of(hall, caller).await?;
    let wanted = wanted(hall, computer, |wanted| wanted.document == digest).await?;
    let row = hall.store.application(wanted.application, Some(wanted.revision)).await;
    match row.map_err(|_| Denied::busy())?.filter(|row| row.digest == digest) {
        Some(row) => Ok(Response::new(bytes_body(row.text.into_bytes()))),
        None => Err(Denied::new(StatusCode::GONE, "that application is not published any more")),
    }
}

/// A program of a release, for any agent that is enrolled.
async fn release(
    hall: &Arc<Hall>,
    caller: Caller,
    digest: Digest,
    range: Option<&str>,
) -> Result<Answer, Denied> {
    computer_of(hall, caller).await?;
    let path = hall.programs.path(&digest);
    let range = range.map(parse_range).transpose()?;
    program(path, range).await
}

/// A file as it lies, or what a range asks of it.
pub async fn program(
    path: std::path::PathBuf,
    range: Option<(u64, Option<u64>)>,
) -> Result<Answer, Denied> {
    let (file, length) = blocking(move || {
        let nothing = |_| Denied::new(StatusCode::NOT_FOUND, "there is no such program");
        let mut file = std::fs::File::open(&path).map_err(nothing)?;
        let size = file.metadata().map_err(nothing)?.len();
        let (first, last) = range.unwrap_or((0, None));
        if first > size {
            return Err(Denied::new(StatusCode::RANGE_NOT_SATISFIABLE, "the file is shorter"));
        }
        file.seek(io::SeekFrom::Start(first)).map_err(nothing)?;
        let wanted = last.map_or(size, |last| last.saturating_add(1).min(size)) - first;
        Ok((file, wanted))
    })
    .await?;
    let body = stream(move |out| copy(&mut file.take(length), out));
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    Ok(streamed(status, length, body))
}

async fn files(
    hall: &Arc<Hall>,
    caller: Caller,
    of: (Right, Digest),
    request: Request<Incoming>,
) -> Result<Answer, Denied> {
    permit(hall, caller, of).await?;
    let paths = Paths::decode(&body(request).await?)
        .map_err(|error| Denied::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    if paths.0.len() > PATHS_MAX {
        return Err(Denied::new(StatusCode::PAYLOAD_TOO_LARGE, "too many files at once"));
    }
    let (objects, root) = (hall.depot.objects.clone(), of.1);
    let found = blocking({
        let objects = objects.clone();
        move || {
            let each = paths.0.iter().map(|path| find(&objects, &root, &depot_path(path)?));
            each.collect::<Result<Vec<_>, Denied>>()
        }
    })
    .await?;
    let length = found.iter().map(|(_, size)| size).sum();
    let body = stream(move |out| {
        for (digest, size) in found {
            let (file, _) = objects.open_range(&digest, size, 0).map_err(io::Error::other)?;
            copy(&mut file.take(size), out)?;
        }
        Ok(())
    });
    Ok(streamed(StatusCode::OK, length, body))
}

fn find(
    objects: &content::ObjectStore,
    root: &Digest,
    path: &DepotPath,
) -> Result<(Digest, u64), Denied> {
    match objects.lookup(root, path)?.what {
        What::File { size, digest, .. } => Ok((digest, size)),
        _ => Err(Denied::new(StatusCode::NOT_FOUND, format!("`{path}` is not a file"))),
    }
}

/// `bytes=N-` or `bytes=N-M`.
fn parse_range(text: &str) -> Result<(u64, Option<u64>), Denied> {
    let read = || {
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        let last = if last.is_empty() { None } else { Some(last.parse().ok()?) };
        Some((first.parse().ok()?, last))
    };
    read().ok_or_else(|| Denied::new(StatusCode::BAD_REQUEST, "no such range"))
}

/// A request's body, as far as it may be long.
pub async fn body(request: Request<Incoming>) -> Result<Bytes, Denied> {
    let limited = Limited::new(request.into_body(), BODY_BYTES_MAX);
    let collected = limited.collect().await.map_err(|error| {
        let is_long = error.downcast_ref::<http_body_util::LengthLimitError>().is_some();
        let status = if is_long { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
        Denied::new(status, error.to_string())
    })?;
    Ok(collected.to_bytes())
}

/// Where the bytes of an answer go: chunks, gathered from small files and large.
struct Out {
    chunks: mpsc::Sender<io::Result<Bytes>>,
    gathered: Vec<u8>,
}

impl Out {
    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.gathered, Vec::with_capacity(CHUNK_BYTES));
        let sent = self.chunks.blocking_send(Ok(chunk.into()));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

fn copy(from: &mut impl Read, out: &mut Out) -> io::Result<()> {
    loop {
        let room = CHUNK_BYTES - out.gathered.len();
        let taken = from.by_ref().take(room as u64).read_to_end(&mut out.gathered)?;
        if out.gathered.len() >= CHUNK_BYTES {
            out.flush()?;
        }
        if taken < room {
            return Ok(());
        }
    }
}

/// A body that is made on a thread of its own, no faster than it is read.
fn stream(
    make: impl FnOnce(&mut Out) -> io::Result<()> + Send + 'static,
) -> ReceiverStream<io::Result<Bytes>> {
    let (chunks, received) = mpsc::channel(CHUNKS_MAX);
    tokio::task::spawn_blocking(move || {
        let gathered = Vec::with_capacity(CHUNK_BYTES);
        let mut out = Out { chunks: chunks.clone(), gathered };
        if let Err(error) = make(&mut out).and_then(|()| out.flush()) {
            // The reader may be the one that went away.
            let _reader_gone = chunks.blocking_send(Err(error));
        }
    });
    ReceiverStream::new(received)
}

fn streamed(status: StatusCode, length: u64, chunks: ReceiverStream<io::Result<Bytes>>) -> Answer {
    let body = StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data)));
    let mut response = Response::new(BodyExt::boxed_unsync(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}
