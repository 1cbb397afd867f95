//! Carrying a plan out: small files in batches, several things in flight.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use machine::{Cursor, FileError, Folder, Spot};
use model::{Digest, Timestamp};
use tokio::io::AsyncReadExt;

use super::large::fetch_large;
use super::place::{self, Placed};
use super::plan::{There, open, split};
use super::{Fetch, FetchError, FetchPlan, Fetched, PlannedFile, Rules, Todo, Wanted};
use crate::cache::HashCache;

/// Larger files are fetched alone and resumed.
const SMALL_MAX: u64 = 1 << 20;
const BATCH_BYTES: u64 = 1 << 20;
const BATCH_FILES: usize = 256;
const IN_FLIGHT: usize = 8;

/// Indices among the plan's files.
enum Job {
    Batch(Vec<usize>),
    Large(usize),
}

struct Done {
    placed: Vec<Placed>,
    bytes: u64,
}

impl FetchPlan {
    /// Does what is left to do. After [`FetchError::Cut`] it may be called again and goes on; so
    /// may a plan that was read back from its bytes.
    ///
    /// Dropping the future stops it between two files; what is in place stays.
    pub async fn carry_out<F: Fetch>(
        &mut self,
        fetch: &F,
        cache: &mut HashCache,
        now: Timestamp,
    ) -> Result<Fetched, FetchError> {
        if !std::mem::replace(&mut self.fresh, false) {
            self.compare_again(cache, now).await?;
        }
        let base = self.to.create();
        let base =
            base.map_err(|error| FileError::of(error, &self.to.path(), "create the folder"))?;
        let base = Arc::new(base);
        let mut cursor = self.prepare(&base)?;
        let mut result = Fetched { skipped: self.skipped, ..Fetched::default() };
        let mut taken = 0;
        let (jobs, copies) = self.jobs();
        let mut waiting = jobs.into_iter();
        let mut running: FuturesUnordered<_> =
            waiting.by_ref().take(IN_FLIGHT).map(|job| run(self, fetch, &base, job)).collect();
        let mut placed = Vec::new();
        let mut failed = None;
        while let Some(done) = running.next().await {
            match done {
                Ok(done) => {
                    result.fetched_files += done.placed.len() as u64;
                    result.fetched_bytes += done.bytes;
                    placed.extend(done.placed);
                    if failed.is_none()
                        && let Some(job) = waiting.next()
                    {
                        running.push(run(self, fetch, &base, job));
                    }
                }
                // What is in flight ends in its own time, so that it can be kept.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        drop(running);
        if failed.is_none() && !copies.is_empty() {
            match self.copy(&base, copies).await {
                Ok(done) => placed.extend(done),
                Err(error) => failed = Some(error),
            }
        }
        for done in &placed {
            let file = &self.files[done.file];
            match &done.meta {
                Some(meta) => {
                    let (above, name) = split(&file.path);
                    let key = cursor.path(&above, &name);
                    cache.put_written(&key.to_string_lossy(), meta, file.digest, now);
                }
                None => taken += 1,
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        taken += self.settle(&mut cursor)?;
        let bytes: u64 = self.files.iter().map(|file| file.size).sum();
        result.files = (self.files.len() + self.links.len()) as u64 - taken;
        result.bytes = bytes;
        result.skipped += taken;
        Ok(result)
    }

    /// Files that an earlier attempt has put in place need not be fetched again. May have to read
    /// them, so a thread of its own does.
    async fn compare_again(
        &mut self,
        cache: &mut HashCache,
        now: Timestamp,
    ) -> Result<(), FetchError> {
        let (mut files, to) = (std::mem::take(&mut self.files), self.to.clone());
        let mut known = std::mem::take(cache);
        let compared = tokio::task::spawn_blocking(move || {
            let done = compare(&mut files, &to, &mut known, now);
            (files, known, done)
        });
        let (files, known, done) = compared.await.map_err(|_| FetchError::Stopped)?;
        (self.files, *cache) = (files, known);
        Ok(done?)
    }

    fn prepare(&self, base: &Folder) -> Result<Cursor, FetchError> {
        let mut cursor = cursor(base)?;
        for folder in &self.folders {
            let (above, name) = split(&folder.path);
            let path = cursor.path(&above, &name);
            let made = cursor.create(&above).and_then(|above| above.create_folder(&name));
            made.map_err(|error| FileError::of(error, &path, "create the folder"))?;
        }
        Ok(cursor)
    }

    /// What is to be fetched, each content once, and which files are copies of which.
    fn jobs(&self) -> (Vec<Job>, Vec<(usize, usize)>) {
        let mut first: BTreeMap<Digest, usize> = BTreeMap::new();
        let (mut jobs, mut copies) = (Vec::new(), Vec::new());
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for (index, file) in self.files.iter().enumerate() {
            if file.todo != Todo::Fetch {
                continue;
            }
            if let Some(first) = first.get(&file.digest) {
                copies.push((index, *first));
                continue;
            }
            first.insert(file.digest, index);
            if file.size > SMALL_MAX {
                jobs.push(Job::Large(index));
                continue;
            }
            if batch.len() == BATCH_FILES || bytes + file.size > BATCH_BYTES && !batch.is_empty() {
                jobs.push(Job::Batch(std::mem::take(&mut batch)));
                bytes = 0;
            }
            batch.push(index);
            bytes += file.size;
        }
        if !batch.is_empty() {
            jobs.push(Job::Batch(batch));
        }
        (jobs, copies)
    }

    /// Files whose bytes another one brought.
    async fn copy(
        &self,
        base: &Arc<Folder>,
        copies: Vec<(usize, usize)>,
    ) -> Result<Vec<Placed>, FetchError> {
        let file = |index: usize| self.files[index].clone();
        let copies: Vec<_> =
            copies.into_iter().map(|(index, first)| (index, file(index), file(first))).collect();
        let (base, rules) = (Arc::clone(base), self.rules);
        let copied = tokio::task::spawn_blocking(move || {
            let mut cursor = cursor(&base)?;
            let copy = |(index, file, first): &(usize, PlannedFile, PlannedFile)| {
                place::same_bytes(&mut cursor, *index, file, first, rules)
            };
            copies.iter().map(copy).collect()
        });
        copied.await.map_err(|_| FetchError::Stopped)?
    }

    fn wanted(&self, index: usize) -> Result<Wanted, FetchError> {
        let file = &self.files[index];
        let path = self.from.join_path(&file.path);
        let path = path.map_err(|_| FetchError::Name { path: file.path.clone() })?;
        Ok(Wanted { path, digest: file.digest, size: file.size })
    }

    /// What needs no fetching: links, permissions and times; folders last, as theirs may forbid
    /// writing. Answers how many names were taken.
    fn settle(&self, cursor: &mut Cursor) -> Result<u64, FetchError> {
        let mut taken = 0;
        for link in &self.links {
            taken += u64::from(!place::link(cursor, link, self.rules)?);
        }
        for file in self.files.iter().filter(|file| file.todo == Todo::Adjust) {
            let (above, name) = split(&file.path);
            let path = cursor.path(&above, &name);
            let mtime_ns = file.mtime_ms.saturating_mul(1_000_000);
            cursor
                .open(&above)
                .and_then(|folder| folder.adjust(&name, file.mode, mtime_ns))
                .map_err(|error| FileError::of(error, &path, "set the permissions and time of"))?;
        }
        for folder in self.folders.iter().rev() {
            let (above, name) = split(&folder.path);
            let path = cursor.path(&above, &name);
            cursor
                .open(&above)
                .and_then(|above| above.set_folder_mode(&name, folder.mode))
                .map_err(|error| FileError::of(error, &path, "set the permissions of"))?;
        }
        Ok(taken)
    }
}

fn compare(
    files: &mut [PlannedFile],
    to: &Spot,
    cache: &mut HashCache,
    now: Timestamp,
) -> Result<(), FileError> {
    let mut there = There { cursor: open(to)?, cache, now };
    for file in files {
        file.todo = match there.look(&file.path)? {
            Some(meta) => there.compare(file, &meta)?,
            None => Todo::Fetch,
        };
    }
    Ok(())
}

fn cursor(base: &Folder) -> Result<Cursor, FileError> {
    let again = base.again();
    let again = again.map_err(|error| FileError::of(error, base.path(), "open the folder"))?;
    Ok(Cursor::new(again))
}

async fn run<F: Fetch>(
    plan: &FetchPlan,
    fetch: &F,
    base: &Arc<Folder>,
    job: Job,
) -> Result<Done, FetchError> {
    match job {
        Job::Batch(batch) => fetch_batch(plan, fetch, base, &batch).await,
        Job::Large(index) => {
            let (file, wanted) = (&plan.files[index], plan.wanted(index)?);
            let (placed, bytes) = fetch_large(fetch, base, index, file, wanted, plan.rules).await?;
            Ok(Done { placed: vec![placed], bytes })
        }
    }
}

/// One request for many small files. Those that arrived whole before a cut are kept.
async fn fetch_batch<F: Fetch>(
    plan: &FetchPlan,
    fetch: &F,
    base: &Arc<Folder>,
    batch: &[usize],
) -> Result<Done, FetchError> {
    let wanted = batch.iter().map(|index| plan.wanted(*index)).collect::<Result<Vec<_>, _>>()?;
    let files: Vec<(usize, PlannedFile)> =
        batch.iter().map(|index| (*index, plan.files[*index].clone())).collect();
    let mut arrived = Vec::with_capacity(files.len());
    let mut cut = None;
    match fetch.fetch(&wanted, 0).await {
        Err(error) => cut = Some((0, error)),
        Ok(mut body) => {
            for (at, (_, file)) in files.iter().enumerate() {
                let mut bytes = vec![0; usize::try_from(file.size).unwrap_or(0)];
                if let Err(error) = body.read_exact(&mut bytes).await {
                    cut = Some((at, error));
                    break;
                }
                arrived.push(bytes);
            }
        }
    }
    let (base, rules) = (Arc::clone(base), plan.rules);
    let written = tokio::task::spawn_blocking(move || write_batch(&base, &files, &arrived, rules));
    let done = written.await.map_err(|_| FetchError::Stopped)??;
    match cut {
        None => Ok(done),
        Some((at, source)) => {
            let path = plan.files[batch[at]].path.clone();
            Err(FetchError::Cut { path, source })
        }
    }
}

fn write_batch(
    base: &Folder,
    files: &[(usize, PlannedFile)],
    arrived: &[Vec<u8>],
    rules: Rules,
) -> Result<Done, FetchError> {
    let mut cursor = cursor(base)?;
    let mut done = Done { placed: Vec::with_capacity(arrived.len()), bytes: 0 };
    for ((index, file), bytes) in files.iter().zip(arrived) {
        done.placed.push(place::small(&mut cursor, *index, file, bytes, rules)?);
        done.bytes += file.size;
    }
    Ok(done)
}
