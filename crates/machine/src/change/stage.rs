//! Building what is new, beside its place.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use application::{Change, Content, Kept, Meta};
use model::Digest;

use super::journal::{Act, Built, Journal, Prior, PriorKind, Staged};
use super::kept::digest_of;
use super::reach::{Held, Reach, look, real, split};
use super::{ChangeError, Ground, Owner, Supplied, Supply, attributes};
use crate::files::FileError;

/// Up to so many files are made durable one by one; more at once.
const SYNCED_EACH_MAX: usize = 8;

/// From so many on, several are written at a time.
const TOGETHER_MIN: usize = 64;

/// Bytes at a time; as many zeros become a hole.
const CHUNK: usize = 128 << 10;

/// Below this a shared copy is not worth its call.
const CLONE_MIN: u64 = 1 << 20;

static ZEROS: [u8; CHUNK] = [0; CHUNK];

/// A file to be built.
struct Job<'a> {
    step: usize,
    part: &'a str,
    /// What it replaces, and where that is.
    replaces: Option<(&'a str, &'a Prior)>,
    content: &'a Content,
    meta: Meta,
}

/// Builds everything and makes it durable.
pub(super) fn stage(
    journal: &Journal,
    changes: &[Change],
    ground: &Ground,
    supply: &dyn Supply,
) -> Result<Staged, ChangeError> {
    let mut inodes = vec![0; journal.steps.len()];
    let mut reach = Reach::new(ground)?;
    let mut jobs = Vec::new();
    let mut folders = BTreeSet::new();
    for (step, at) in journal.steps.iter().enumerate() {
        let (built, part, replaces) = match &at.act {
            Act::Place { built, part, path, prior, .. } => {
                (built, part, prior.as_ref().map(|prior| (path.as_str(), prior)))
            }
            Act::Within { built, part, .. } => (built, part, None),
            Act::Remove { .. } | Act::Hive(_) => continue,
        };
        folders.insert(split(part).0);
        match (built, changes.get(at.change)) {
            (Built::File, Some(Change::WriteFile { content, meta, .. })) => {
                jobs.push(Job { step, part, replaces, content, meta: *meta });
            }
            _ => inodes[step] = build_folder(&mut reach, part, ground.owner.as_ref())?,
        }
    }
    let yard = Yard { ground, supply, sync_each: jobs.len() <= SYNCED_EACH_MAX };
    for (step, inode) in yard.build_all(&jobs)? {
        inodes[step] = inode;
    }
    let folders = folders.iter().map(|folder| real(folder, ground.root.as_deref()));
    let synced = folders.collect::<io::Result<BTreeSet<PathBuf>>>().and_then(|folders| {
        if yard.sync_each {
            attributes::sync_folders(&folders)
        } else {
            attributes::sync_disks(&folders)
        }
    });
    synced.map_err(|error| FileError::of(error, Path::new(disk_of(&jobs)), "make durable"))?;
    Ok(Staged { inodes })
}

fn disk_of<'a>(jobs: &[Job<'a>]) -> &'a str {
    jobs.first().map_or("", |job| job.part)
}

fn build_folder(
    reach: &mut Reach<'_>,
    part: &str,
    owner: Option<&Owner>,
) -> Result<u64, ChangeError> {
    let made = reach.hold(part).and_then(|held| {
        let made = held.folder.create_folder(&held.name)?;
        if let Some(owner) = owner.filter(|owner| owner.has(part)) {
            attributes::give_folder(&made, owner.user, owner.group)?;
        }
        inode(&held)
    });
    Ok(made.map_err(|error| FileError::of(error, Path::new(part), "create the folder"))?)
}

fn inode(held: &Held) -> io::Result<u64> {
    Ok(look(held)?.map_or(0, |meta| meta.inode))
}

/// Where files are built.
struct Yard<'a> {
    ground: &'a Ground,
    supply: &'a dyn Supply,
    sync_each: bool,
}

impl Yard<'_> {
    /// Answers steps and inodes. After the first error no more are begun.
    fn build_all(&self, jobs: &[Job<'_>]) -> Result<Vec<(usize, u64)>, ChangeError> {
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(None);
        let work = || {
            let mut built = Vec::new();
            let done = Reach::new(self.ground).map_err(ChangeError::from).and_then(|mut reach| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    built.push((job.step, self.build(&mut reach, job)?));
                }
                Ok(())
            });
            if let Err(error) = done {
                next.store(jobs.len(), Ordering::Relaxed);
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
            built
        };
        let built = if jobs.len() < TOGETHER_MIN {
            work()
        } else {
            let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
            std::thread::scope(|scope| {
                let started: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
                let mut built = work();
                // One that did not come to its end has told of fewer inodes.
                started.into_iter().for_each(|one| built.extend(one.join().unwrap_or_default()));
                built
            })
        };
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None if built.len() < jobs.len() => {
                let source = io::Error::other("a thread ended early");
                Err(FileError::of(source, Path::new(disk_of(jobs)), "write").into())
            }
            None => Ok(built),
        }
    }

    fn build(&self, reach: &mut Reach<'_>, job: &Job<'_>) -> Result<u64, ChangeError> {
        let failed = |error| FileError::of(error, Path::new(job.part), "write");
        let held = reach.hold(job.part).map_err(failed)?;
        if let Content::Kept(kept) = job.content {
            self.build_kept(&held, kept, job.part)?;
        } else {
            self.build_file(reach, &held, job)?;
        }
        Ok(inode(&held).map_err(failed)?)
    }

    fn build_file(
        &self,
        reach: &mut Reach<'_>,
        held: &Held,
        job: &Job<'_>,
    ) -> Result<(), ChangeError> {
        let failed = |error| FileError::of(error, Path::new(job.part), "write");
        let replaced = job.replaces.filter(|(_, prior)| prior.kind == PriorKind::File);
        // What the content is must not be read by others before its rights are set.
        let is_private = replaced.is_some() || job.meta.mode.is_some();
        let mut file = attributes::create(held, is_private).map_err(failed)?;
        match job.content {
            Content::Bytes(bytes) => file.write_all(bytes).map_err(failed)?,
            Content::Source { path, digest, size } => {
                let supplied = self.supply.open(path, digest);
                pour(supplied, &mut file, (path, digest, *size), job.part)?;
            }
            Content::Machine { path, digest, size } => {
                let held = reach.hold(path);
                let open = held.and_then(|held| held.folder.read(&held.name));
                let supplied = open.map(Supplied::File);
                pour(supplied, &mut file, (path, digest, *size), job.part)?;
            }
            Content::Kept(_) => {}
        }
        if let Some((path, _)) = replaced {
            let patience = self.ground.patience;
            let old = reach.hold(path).and_then(|held| {
                attributes::with_patience(patience, || held.folder.read(&held.name))
            });
            let old = old.map_err(|error| FileError::of(error, Path::new(path), "read"))?;
            attributes::keep_rights(&old, &file, held).map_err(failed)?;
        } else if let Some(owner) = self.ground.owner.as_ref().filter(|one| one.has(job.part)) {
            attributes::give(&file, owner.user, owner.group).map_err(failed)?;
        }
        let finish = || {
            if let Some(mtime_ns) = job.meta.mtime_ns {
                attributes::set_mtime(&file, mtime_ns)?;
            }
            if let Some(mode) = job.meta.mode {
                attributes::set_mode(&file, mode, held)?;
            }
            if self.sync_each || cfg!(windows) { file.sync_all() } else { Ok(()) }
        };
        Ok(finish().map_err(failed)?)
    }

    fn build_kept(&self, held: &Held, kept: &Kept, part: &str) -> Result<(), ChangeError> {
        let failed = |error| FileError::of(error, Path::new(part), "write");
        let place = || ChangeError::NotKept { place: part.to_owned() };
        let mut old = self.ground.kept.read(kept).map_err(|_| place())?;
        if kept.is_link {
            let mut target = String::new();
            old.read_to_string(&mut target).map_err(failed)?;
            let made = attributes::make_link(held, &target, kept.mtime_ns);
            return Ok(made.and_then(|()| attributes::own_link(&old, held)).map_err(failed)?);
        }
        let again = old.try_clone().map_err(failed)?;
        let mut file = attributes::create(held, true).map_err(failed)?;
        pour(Ok(Supplied::File(again)), &mut file, ("", &kept.digest, kept.size), part)?;
        let finish = || {
            attributes::keep(&old, &file)?;
            attributes::set_mtime(&file, kept.mtime_ns)?;
            attributes::set_mode(&file, kept.mode, held)?;
            if self.sync_each || cfg!(windows) { file.sync_all() } else { Ok(()) }
        };
        Ok(finish().map_err(failed)?)
    }
}

/// Writes a content whose path, digest and size are given, and makes sure that it is that one.
fn pour(
    supplied: io::Result<Supplied>,
    to: &mut File,
    (path, digest, size): (&str, &Digest, u64),
    part: &str,
) -> Result<(), ChangeError> {
    let supply = |source| ChangeError::Supply { path: path.to_owned(), source };
    let write = |error| FileError::of(error, Path::new(part), "write");
    let poured = match supplied.map_err(supply)? {
        Supplied::File(from) if size >= CLONE_MIN && attributes::share(&from, to) => {
            to.rewind().and_then(|()| digest_of(to)).map_err(write)?
        }
        Supplied::File(mut from) => copy(&mut from, to, size).map_err(|error| match error {
            CopyError::Read(error) => supply(error),
            CopyError::Write(error) => write(error).into(),
        })?,
        Supplied::Stream(mut from) => copy(&mut from, to, size).map_err(|error| match error {
            CopyError::Read(error) => supply(error),
            CopyError::Write(error) => write(error).into(),
        })?,
    };
    if poured == (*digest, size) {
        Ok(())
    } else {
        Err(ChangeError::OtherContent { path: path.to_owned() })
    }
}

enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

/// Copies until the end, or until more came than there should be; zeros become holes.
fn copy(from: &mut dyn Read, to: &mut File, size: u64) -> Result<(Digest, u64), CopyError> {
    let mut hasher = blake3::Hasher::new();
    let mut room = vec![0; usize::try_from(size).unwrap_or(CHUNK).clamp(1, CHUNK)];
    let (mut total, mut ends_in_hole) = (0u64, false);
    while total <= size {
        let count = match from.read(&mut room) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(CopyError::Read(error)),
        };
        let chunk = &room[..count];
        hasher.update(chunk);
        total += count as u64;
        ends_in_hole = chunk == &ZEROS[..count];
        let written = if ends_in_hole {
            to.seek(SeekFrom::Start(total)).map(drop)
        } else {
            to.write_all(chunk)
        };
        written.map_err(CopyError::Write)?;
    }
    if ends_in_hole {
        to.set_len(total).map_err(CopyError::Write)?;
    }
    Ok((Digest::from_bytes(*hasher.finalize().as_bytes()), total))
}
