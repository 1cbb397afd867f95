//! Output of commands: kept beside the journals, never instead of them.
//!
//! One file per visit and stream, of chunks with their offsets, so that what was left out in the
//! middle is known and what comes twice is kept once. The beginning and the end are kept, each up
//! to a limit: `…out` holds the head, `…out.1` and `…out.2` take turns for the tail. Only for runs
//! of the agent that speaks. Losing a piece loses a piece and nothing else.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{ComputerId, DeploymentId, RunId};
use wire::{Log, Stream};
use workflow::{EffectId, Visit};

use crate::hall::Hall;

const HEAD_BYTES_MAX: u64 = 1 << 20;
const TAIL_BYTES_MAX: u64 = 512 << 10;
/// Files kept in mind; more are looked at again when needed.
const KNOWN_MAX: usize = 4_096;
const CHUNK_HEAD: usize = 12;
/// Longest piece of output that an agent may send at once.
const PIECE_BYTES_MAX: usize = 1 << 20;

/// The folder of logs.
#[derive(Debug)]
pub struct Logs {
    root: PathBuf,
    known: Mutex<HashMap<PathBuf, Written>>,
}

/// How far a stream has been written.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    /// Offset behind the last byte that came.
    next: u64,
    head: u64,
    tails: [u64; 2],
    turn: usize,
}

/// One stream of one visit, as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub attempt: u32,
    pub visit: u32,
    pub stream: &'static str,
    pub bytes: Vec<u8>,
    pub left_out: u64,
}

impl Logs {
    pub fn new(root: PathBuf) -> Self {
        Self { root, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<PathBuf, Written>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn folder(&self, deployment: DeploymentId, run: RunId) -> PathBuf {
        self.root.join(deployment.to_string()).join(run.to_string())
    }

    /// Appends one piece; blocks. Says how many of its last bytes were news.
    pub fn append(&self, deployment: DeploymentId, log: &Log) -> io::Result<usize> {
        let folder = self.folder(deployment, log.effect.run);
        let path = folder.join(file_name(log.effect, log.stream));
        let kept = self.known().get(&path).copied();
        let mut written = match kept {
            Some(written) => written,
            None => {
                fs::create_dir_all(&folder)?;
                look(&path)?
            }
        };
        let end = log.offset.saturating_add(log.bytes.len() as u64);
        let Some(news) = end.checked_sub(written.next).filter(|news| *news > 0) else {
            return Ok(0);
        };
        let news = usize::try_from(news).unwrap_or(usize::MAX).min(log.bytes.len());
        let bytes = &log.bytes[log.bytes.len() - news..];
        let offset = end - news as u64;
        let size = (CHUNK_HEAD + bytes.len()) as u64;
        if written.head + size <= HEAD_BYTES_MAX && written.tails == [0, 0] {
            write_chunk(&path, offset, bytes, false)?;
            written.head += size;
        } else {
            let is_full = written.tails[written.turn] + size > TAIL_BYTES_MAX;
            if is_full {
                written.turn = 1 - written.turn;
                written.tails[written.turn] = 0;
            }
            write_chunk(&tail_path(&path, written.turn), offset, bytes, is_full)?;
            written.tails[written.turn] += size;
        }
        written.next = end;
        let mut known = self.known();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(path, written);
        Ok(news)
    }

    /// All that was kept of a run, by attempt, visit and stream; blocks.
    pub fn read(&self, deployment: DeploymentId, run: RunId) -> io::Result<Vec<Kept>> {
        let folder = self.folder(deployment, run);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).and_then(parse_name);
            let Some((attempt, visit, stream)) = name else { continue };
            let mut chunks = read_chunks(&path)?;
            for turn in 0..2 {
                chunks.extend(read_chunks(&tail_path(&path, turn))?);
            }
            let (bytes, left_out) = join(chunks);
            all.push(Kept { attempt, visit, stream, bytes, left_out });
        }
        all.sort_by_key(|kept| (kept.attempt, kept.visit, kept.stream));
        Ok(all)
    }
}

fn file_name(effect: EffectId, stream: Stream) -> String {
    let stream = match stream {
        Stream::Out => "out",
        Stream::Err => "err",
    };
    format!("{}.{}.{stream}", effect.attempt, effect.visit)
}

fn parse_name(name: &str) -> Option<(u32, u32, &'static str)> {
    let mut parts = name.split('.');
    let (attempt, visit) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let stream = match parts.next()? {
        "out" => "out",
        "err" => "err",
        _ => return None,
    };
    parts.next().is_none().then_some((attempt, visit, stream))
}

fn tail_path(path: &Path, turn: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", turn + 1));
    PathBuf::from(name)
}

fn write_chunk(path: &Path, offset: u64, bytes: &[u8], is_emptied: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true);
    let mut file =
        if is_emptied { options.write(true).truncate(true) } else { options.append(true) }
            .open(path)?;
    let mut chunk = Vec::with_capacity(CHUNK_HEAD + bytes.len());
    chunk.extend(offset.to_le_bytes());
    chunk.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    chunk.extend(bytes);
    file.write_all(&chunk)
}

type Chunk = (u64, Vec<u8>);

/// Whole chunks of a file; one that was cut at the end is dropped.
fn read_chunks(path: &Path) -> io::Result<Vec<Chunk>> {
    let bytes = match File::open(path) {
        Ok(mut file) => {
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut file, &mut bytes)?;
            bytes
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut from = model::codec::Reader::new(&bytes);
    let mut chunks = Vec::new();
    while let (Ok(offset), Ok(piece)) = (from.u64(), from.bytes()) {
        chunks.push((offset, piece.to_vec()));
    }
    Ok(chunks)
}

/// The bytes in order, and how many are missing between them.
fn join(mut chunks: Vec<Chunk>) -> (Vec<u8>, u64) {
    chunks.sort_by_key(|(offset, _)| *offset);
    let (mut bytes, mut left_out, mut next) = (Vec::new(), 0, 0);
    for (offset, piece) in chunks {
        left_out += offset.saturating_sub(next);
        next = next.max(offset + piece.len() as u64);
        bytes.extend(piece);
    }
    (bytes, left_out)
}

/// What was written of a stream before, as the files tell.
fn look(path: &Path) -> io::Result<Written> {
    let (head, tails) =
        (read_chunks(path)?, [0, 1].map(|turn| read_chunks(&tail_path(path, turn))));
    let [first, second] = tails;
    let tails = [first?, second?];
    let end = |chunks: &[Chunk]| chunks.last().map_or(0, |(at, piece)| at + piece.len() as u64);
    let size = |chunks: &[Chunk]| chunks.iter().map(|(_, p)| (CHUNK_HEAD + p.len()) as u64).sum();
    Ok(Written {
        next: end(&head).max(end(&tails[0])).max(end(&tails[1])),
        head: size(&head),
        tails: [size(&tails[0]), size(&tails[1])],
        turn: usize::from(end(&tails[1]) > end(&tails[0])),
    })
}

/// The output that one agent sends, let through for its own runs only.
pub struct LogReader {
    hall: Arc<Hall>,
    computer: ComputerId,
    /// What is known of visits that spoke before.
    visits: HashMap<EffectId, Known>,
}

#[derive(Debug, Clone)]
struct Known {
    deployment: DeploymentId,
    activity: String,
    name: String,
}

impl LogReader {
    pub fn new(hall: Arc<Hall>, computer: ComputerId) -> Self {
        Self { hall, computer, visits: HashMap::new() }
    }

    /// A run went on: what was known of its visits may be over.
    pub fn run_changed(&mut self, run: RunId) {
        if self.visits.len() > 64 {
            self.visits.retain(|effect, _| effect.run != run);
        }
    }

    /// Takes a piece of output. An error ends the link.
    pub async fn take(&mut self, log: Log) -> Result<(), String> {
        if log.bytes.len() > PIECE_BYTES_MAX {
            return Err("a piece of output is too long".into());
        }
        let known = match self.visits.get(&log.effect) {
            Some(known) => known.clone(),
            None => match self.ask(log.effect).await {
                Some(known) => known,
                // Not its run, or over: nobody wants it.
                None => return Ok(()),
            },
        };
        let (hall, changes) = (self.hall.clone(), self.hall.changes.clone());
        let computer_name = known.name.clone();
        let written = tokio::task::spawn_blocking(move || {
            let news = hall.logs.append(known.deployment, &log)?;
            Ok::<_, io::Error>((news, log))
        });
        match written.await {
            Ok(Ok((news, log))) if news > 0 && changes.is_watched() => {
                let text = &log.bytes[log.bytes.len() - news..];
                let change = api::Change::Output {
                    run: log.effect.run.to_string(),
                    computer: computer_name,
                    activity: known.activity,
                    stream: if log.stream == Stream::Err { "err" } else { "out" }.into(),
                    text: String::from_utf8_lossy(text).into_owned(),
                };
                changes.tell(known.deployment, change);
            }
            Ok(Err(error)) => tracing::error!(%error, "output could not be kept"),
            Ok(Ok(_)) | Err(_) => {}
        }
        Ok(())
    }

    async fn ask(&mut self, effect: EffectId) -> Option<Known> {
        let computer = self.computer;
        let found = self.hall.core.ask(move |giver, _| {
            let (owner, deployment) = giver.run_of(effect.run)?;
            let state = giver.run(effect.run)?.state();
            let activity = activity_of(state.path(), effect.visit)?;
            (owner == computer).then_some((deployment, activity))
        });
        let (deployment, activity) = found.await.ok().flatten()?;
        let row = self.hall.store.computer(computer).await.ok().flatten()?;
        let known = Known { deployment, activity, name: row.computer.name };
        self.visits.insert(effect, known.clone());
        Some(known)
    }
}

fn activity_of(path: &[workflow::Step], visit: Visit) -> Option<String> {
    let index = path.binary_search_by_key(&visit, |step| step.visit).ok()?;
    Some(path[index].activity.to_string())
}

#[cfg(test)]
mod tests;
