//! Output of commands on its way to the server: sent below everything else, kept while it cannot
//! be.
//!
//! What the link cannot take at once goes to a file for each output and is sent from there later.
//! Pieces carry their offsets, so their order does not matter and one that is sent twice does no
//! harm. Owns the folder `logs`; its size is bounded, and what goes beyond is dropped and said so.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::RunId;
use tokio::sync::Notify;
use wire::{Log, Stream};
use workflow::{EffectId, Visit};

/// Output in memory, at most.
const QUEUE_BYTES_MAX: usize = 512 << 10;
/// Output on disk, at most.
const KEPT_BYTES_MAX: u64 = 64 << 20;
const PIECE_BYTES_MAX: usize = 1 << 20;
const HEAD: usize = 12;

pub(crate) struct Logs {
    folder: PathBuf,
    inner: Mutex<Inner>,
    news: Notify,
}

#[derive(Default)]
struct Inner {
    is_linked: bool,
    queue: VecDeque<Log>,
    queue_bytes: usize,
    /// Files with something to be sent.
    files: BTreeSet<PathBuf>,
    kept_bytes: u64,
    /// The file being sent and how far it is.
    sending: Option<(PathBuf, u64)>,
    has_dropped: bool,
}

impl Logs {
    /// Finds what an earlier agent could not send.
    pub(crate) fn open(folder: PathBuf) -> Self {
        let mut inner = Inner::default();
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            inner.kept_bytes += entry.metadata().map_or(0, |meta| meta.len());
            inner.files.insert(entry.path());
        }
        Self { folder, inner: Mutex::new(inner), news: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a piece of output. Never waits and never fails: at worst it is dropped.
    pub(crate) fn push(&self, log: Log) {
        let mut inner = self.lock();
        if inner.is_linked && inner.queue_bytes + log.bytes.len() <= QUEUE_BYTES_MAX {
            inner.queue_bytes += log.bytes.len();
            inner.queue.push_back(log);
            drop(inner);
            self.news.notify_one();
            return;
        }
        self.keep(&mut inner, &log);
        if inner.is_linked {
            self.news.notify_one();
        }
    }

    pub(crate) fn linked(&self) {
        self.lock().is_linked = true;
        self.news.notify_one();
    }

    /// What was not sent goes to files.
    pub(crate) fn unlinked(&self) {
        let mut inner = self.lock();
        inner.is_linked = false;
        inner.sending = None;
        inner.queue_bytes = 0;
        for log in std::mem::take(&mut inner.queue) {
            self.keep(&mut inner, &log);
        }
    }

    /// The next piece to be sent, whenever there is one.
    pub(crate) async fn next(&self) -> Log {
        loop {
            let waiting = self.news.notified();
            if let Some(log) = self.take() {
                return log;
            }
            waiting.await;
        }
    }

    fn take(&self) -> Option<Log> {
        let mut inner = self.lock();
        if let Some(log) = inner.queue.pop_front() {
            inner.queue_bytes -= log.bytes.len();
            return Some(log);
        }
        loop {
            let (path, offset) = match inner.sending.take() {
                Some(sending) => sending,
                None => (inner.files.first()?.clone(), 0),
            };
            match read_piece(&path, offset) {
                Ok(Some((log, next))) => {
                    inner.sending = Some((path, next));
                    return Some(log);
                }
                // All of it was sent, or it makes no sense; either way it is of no more use.
                Ok(None) | Err(_) => {
                    let length = std::fs::metadata(&path).map_or(0, |meta| meta.len());
                    inner.kept_bytes = inner.kept_bytes.saturating_sub(length);
                    let _ = std::fs::remove_file(&path);
                    inner.files.remove(&path);
                }
            }
        }
    }

    fn keep(&self, inner: &mut Inner, log: &Log) {
        let path = self.folder.join(file_name(log.effect, log.stream));
        let kept = if inner.kept_bytes >= KEPT_BYTES_MAX {
            Err(io::ErrorKind::QuotaExceeded.into())
        } else {
            append(&self.folder, &path, log)
        };
        match kept {
            Ok(length) => {
                inner.kept_bytes += length;
                inner.files.insert(path);
            }
            Err(error) if !inner.has_dropped => {
                inner.has_dropped = true;
                let folder = self.folder.display();
                tracing::warn!(
                    "output of commands is lost, it cannot be kept in {folder}: {error}"
                );
            }
            Err(_) => {}
        }
    }
}

fn append(folder: &Path, path: &Path, log: &Log) -> io::Result<u64> {
    std::fs::create_dir_all(folder)?;
    let mut file = File::options().append(true).create(true).open(path)?;
    let before = file.metadata()?.len();
    let mut piece = log.offset.to_le_bytes().to_vec();
    piece.extend(u32::try_from(log.bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    piece.extend(&log.bytes);
    if let Err(error) = file.write_all(&piece) {
        // Half a piece would hide those after it.
        file.set_len(before)?;
        return Err(error);
    }
    Ok(piece.len() as u64)
}

fn read_piece(path: &Path, offset: u64) -> io::Result<Option<(Log, u64)>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (effect, stream) = parse_name(&name).ok_or(io::ErrorKind::InvalidData)?;
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut head = [0; HEAD];
    match file.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let (at, length) = head.split_at(8);
    let at = u64::from_le_bytes(at.try_into().unwrap_or_default());
    let length = u32::from_le_bytes(length.try_into().unwrap_or_default()) as usize;
    if length > PIECE_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    let next = offset + (HEAD + length) as u64;
    Ok(Some((Log { effect, stream, offset: at, bytes }, next)))
}

fn file_name(effect: EffectId, stream: Stream) -> String {
    let stream = if stream == Stream::Err { "err" } else { "out" };
    format!("{effect}.{stream}")
}

fn parse_name(name: &str) -> Option<(EffectId, Stream)> {
    let (rest, stream) = name.rsplit_once('.')?;
    let (rest, visit) = rest.rsplit_once('.')?;
    let (run, attempt) = rest.rsplit_once('.')?;
    let run: RunId = run.parse().ok()?;
    let effect = EffectId::new(run, attempt.parse().ok()?, Visit(visit.parse().ok()?));
    match stream {
        "out" => Some((effect, Stream::Out)),
        "err" => Some((effect, Stream::Err)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(offset: u64, bytes: &[u8]) -> Log {
        let effect = EffectId::new(RunId::from_bytes([3; 16]), 2, Visit(7));
        Log { effect, stream: Stream::Err, offset, bytes: bytes.to_vec() }
    }

    #[test]
    fn what_could_not_be_sent_is_sent_later() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::open(folder.path().join("logs"));
        logs.push(log(0, b"away"));
        assert!(logs.lock().queue.is_empty());
        logs.linked();
        logs.push(log(4, b"here"));
        logs.unlinked();
        drop(logs);

        let logs = Logs::open(folder.path().join("logs"));
        logs.linked();
        logs.push(log(8, b"now"));
        let sent: Vec<Log> = std::iter::from_fn(|| logs.take()).collect();
        assert_eq!(sent, [log(8, b"now"), log(0, b"away"), log(4, b"here")]);
        assert!(std::fs::read_dir(folder.path().join("logs")).unwrap().next().is_none());
    }

    #[test]
    fn a_link_that_is_cut_costs_a_repetition_and_no_piece() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::open(folder.path().to_owned());
        logs.push(log(0, b"one"));
        logs.push(log(3, b"two"));
        logs.linked();
        assert_eq!(logs.take(), Some(log(0, b"one")));
        logs.unlinked();
        logs.linked();
        assert_eq!(logs.take(), Some(log(0, b"one")));
        assert_eq!(logs.take(), Some(log(3, b"two")));
        assert_eq!(logs.take(), None);
    }
}
