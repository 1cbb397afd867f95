//! One large file: network and disk at the same time, and what has arrived is never fetched twice.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::Arc;

use machine::{FileError, Folder};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use super::place::{Placed, discard, finish, fresh_part, part_name};
use super::plan::split;
use super::{Fetch, FetchError, PlannedFile, Rules, Wanted};
use crate::hashing::{digest_of, read_chunks};

const CHUNK: usize = 256 * 1024;
/// Chunks between network and disk.
const AHEAD: usize = 8;

/// A part with what is in it so far.
struct Part {
    folder: Folder,
    name: OsString,
    file: File,
    hasher: blake3::Hasher,
    len: u64,
}

/// Fetches, verifies and places one file. Answers the bytes that had to be fetched, too.
pub(super) async fn fetch_large<F: Fetch>(
    fetch: &F,
    base: &Arc<Folder>,
    index: usize,
    file: &PlannedFile,
    wanted: Wanted,
    rules: Rules,
) -> Result<(Placed, u64), FetchError> {
    let mut resume = rules.resume;
    let mut fetched = 0;
    loop {
        let part = blocking(base, file, move |base, file| open_part(base, file, resume)).await?;
        let resumed = part.len > 0;
        let (part, arrived) = receive(fetch, part, &wanted, file).await?;
        fetched += arrived;
        let right = digest_of(&part.hasher) == file.digest;
        if right {
            let placed = blocking(base, file, move |_, file| place(&part, index, file, rules));
            return Ok((placed.await?, fetched));
        }
        discard(&part.folder, &part.name);
        if !resumed {
            return Err(FetchError::Damaged { path: file.path.clone() });
        }
        // What was kept was damaged: once more, from the beginning.
        resume = false;
    }
}

async fn blocking<T: Send + 'static>(
    base: &Arc<Folder>,
    file: &PlannedFile,
    work: impl FnOnce(&Folder, &PlannedFile) -> Result<T, FetchError> + Send + 'static,
) -> Result<T, FetchError> {
    let (base, file) = (Arc::clone(base), file.clone());
    let joined = tokio::task::spawn_blocking(move || work(&base, &file)).await;
    joined.map_err(|_| FetchError::Stopped)?
}

fn open_part(base: &Folder, file: &PlannedFile, resume: bool) -> Result<Part, FetchError> {
    let (above, name) = split(&file.path);
    let path = above.iter().chain([&name]).fold(base.path().to_owned(), |path, n| path.join(n));
    let fail = |error| FetchError::from(FileError::of(error, &path, "write"));
    let folder = base.create_below(&above).map_err(fail)?;
    let name = part_name(file);
    let mut hasher = blake3::Hasher::new();
    let kept = if resume { folder.reopen(&name).ok() } else { None };
    if let Some(mut kept) = kept {
        let len = read_chunks(&mut kept, u64::MAX, |bytes| {
            hasher.update(bytes);
            Ok(())
        });
        if let Ok(len @ 1..) = len
            && len <= file.size
        {
            kept.seek(SeekFrom::Start(len)).map_err(fail)?;
            return Ok(Part { folder, name, file: kept, hasher, len });
        }
        hasher.reset();
    }
    let file = fresh_part(&folder, &name).map_err(fail)?;
    Ok(Part { folder, name, file, hasher, len: 0 })
}

/// Until the part has all its bytes. A thread writes and hashes what this task reads.
async fn receive<F: Fetch>(
    fetch: &F,
    mut part: Part,
    wanted: &Wanted,
    file: &PlannedFile,
) -> Result<(Part, u64), FetchError> {
    let missing = file.size - part.len;
    if missing == 0 {
        return Ok((part, 0));
    }
    let cut = |source| FetchError::Cut { path: file.path.clone(), source };
    let mut body = fetch.fetch(std::slice::from_ref(wanted), part.len).await.map_err(cut)?;
    let (to_disk, mut chunks) = mpsc::channel::<Vec<u8>>(AHEAD);
    let writing = tokio::task::spawn_blocking(move || {
        while let Some(chunk) = chunks.blocking_recv() {
            if let Err(error) = part.file.write_all(&chunk) {
                return (part, Err(error));
            }
            part.hasher.update(&chunk);
        }
        (part, Ok(()))
    });
    let mut left = missing;
    let mut network = Ok(());
    while left > 0 {
        let room = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let mut chunk = vec![0; room];
        let count = match body.read(&mut chunk).await {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            read => read,
        };
        match count {
            Ok(count) => {
                chunk.truncate(count);
                left -= count as u64;
                if to_disk.send(chunk).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                network = Err(error);
                break;
            }
        }
    }
    drop(to_disk);
    let (part, written) = writing.await.map_err(|_| FetchError::Stopped)?;
    if let Err(error) = written {
        // On a full disk the room is needed.
        discard(&part.folder, &part.name);
        let (_, name) = split(&file.path);
        return Err(FileError::of(error, &part.folder.path().join(name), "write").into());
    }
    network.map_err(cut)?;
    Ok((part, missing))
}

fn place(
    part: &Part,
    index: usize,
    file: &PlannedFile,
    rules: Rules,
) -> Result<Placed, FetchError> {
    let (_, name) = split(&file.path);
    let path = part.folder.path().join(&name);
    let written = part
        .folder
        .finish(&part.file, file.mode, file.mtime_ms.saturating_mul(1_000_000))
        .map_err(|error| FileError::of(error, &path, "write"));
    finish(&part.folder, index, file, written, rules)
}
