//! Downloads, as the server sees them: what a target offers is taken into the depot (AC-14).
//!
//! The target is a stranger. Everything is confined to the destination, received into a staging
//! area up to its announced size, verified by BLAKE3 and only then renamed into the depot. What it
//! writes is marked with its computer before it is in place. Links that lead out of the offered
//! folder are left out, as is a link where `replace` is not given and something stands.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use machine::{Cursor, FileError, Kind, Meta, Options, PART_PREFIX, put_in_place};
use model::{ComputerId, Digest, Timestamp};

use crate::hashing::{digest_of_bytes, hash_file};
use crate::offer::{Offer, Offered, OfferedWhat};
use crate::origins::Mark;
use crate::path::{DepotPath, DepotPathError};
use crate::store::{ObjectStore, StoreError, fail, lock};

mod incoming;

pub use incoming::Incoming;

#[derive(Debug, Clone)]
pub struct DepositOptions {
    /// Where in the depot.
    pub to: DepotPath,
    pub by: ComputerId,
    pub replace: bool,
    pub force: bool,
    pub resume: bool,
}

/// A download under way: which files are still to come.
#[derive(Debug)]
pub struct Deposit {
    store: Arc<ObjectStore>,
    depot: PathBuf,
    options: DepositOptions,
    offer: Offer,
    missing: Vec<Missing>,
    skipped: u64,
    now: Timestamp,
    /// Entries with the bytes of another one, which is among the missing.
    copies: Vec<(usize, usize)>,
    /// Entries that are links to be made.
    links: Vec<usize>,
    received: Mutex<BTreeSet<usize>>,
    received_bytes: AtomicU64,
}

/// A file to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Index among the offer's entries.
    pub index: usize,
    /// What was received of it before.
    pub offset: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DepositCounts {
    /// In the depot now, with their sizes together: the activity's outputs.
    pub files: u64,
    pub bytes: u64,
    pub skipped: u64,
    /// What had to be sent this time.
    pub received_files: u64,
    pub received_bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum DepositError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("what is offered lies too deep in the depot")]
    Path(#[from] DepotPathError),
    #[error(
        "{needed} bytes are to come and only {free} are free on the disk of the depot; make room"
    )]
    NoRoom { needed: u64, free: u64 },
    #[error("{received} of {expected} missing files have come")]
    Incomplete { received: usize, expected: usize },
    #[error("entry {index} is not among what was asked for")]
    NotAsked { index: usize },
    #[error("`{path}` is being received already")]
    Busy { path: DepotPath },
    #[error("more bytes came for `{path}` than were announced")]
    TooLong { path: DepotPath },
    #[error("`{path}` did not come whole; what has come is kept for the next attempt")]
    Short { path: DepotPath },
    #[error(
        "what came as `{path}` is not what was offered; it was changed meanwhile or damaged on the way"
    )]
    Damaged { path: DepotPath },
}

enum Verdict {
    Take,
    /// There already.
    Done,
    /// Left alone or left out.
    Skip,
}

impl ObjectStore {
    /// Compares an offer with the depot. Blocks, and reads files of the depot whose hashes are not
    /// known.
    pub fn deposit(
        self: &Arc<Self>,
        depot: &Path,
        offer: Offer,
        options: DepositOptions,
        now: Timestamp,
    ) -> Result<Deposit, DepositError> {
        let mut deposit = Deposit {
            store: Arc::clone(self),
            depot: depot.to_owned(),
            options,
            offer,
            missing: Vec::new(),
            skipped: 0,
            now,
            copies: Vec::new(),
            links: Vec::new(),
            received: Mutex::default(),
            received_bytes: AtomicU64::new(0),
        };
        deposit.compare()?;
        self.save_cache(now)?;
        let needed = deposit.missing.iter().fold(0u64, |sum, missing| {
            let size = deposit.size(missing.index).saturating_sub(missing.offset);
            sum.saturating_add(size)
        });
        let free = machine::disk_free(depot);
        let free = free.map_err(|error| FileError::of(error, depot, "learn the free space of"))?;
        if needed > free {
            return Err(DepositError::NoRoom { needed, free });
        }
        deposit.mark()?;
        Ok(deposit)
    }
}

impl Deposit {
    /// The files that are to be sent, each from its offset to its offered size.
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    fn size(&self, index: usize) -> u64 {
        match self.offer.entries().get(index).map(|entry| &entry.what) {
            Some(OfferedWhat::File { size, .. }) => *size,
            _ => 0,
        }
    }

    fn compare(&mut self) -> Result<(), DepositError> {
        let to = self.options.to.under(&self.depot);
        let mut there = match to.open() {
            Ok(folder) => Some(Cursor::new(folder)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(FileError::of(error, &to.path(), "open the folder").into()),
        };
        let (mut missing, mut copies, mut links) = (Vec::new(), Vec::new(), Vec::new());
        let mut skipped = 0;
        let mut firsts: BTreeMap<Digest, usize> = BTreeMap::new();
        for (index, entry) in self.offer.entries().iter().enumerate() {
            match (self.verdict(entry, there.as_mut())?, &entry.what) {
                (Verdict::Skip, _) => skipped += 1,
                (Verdict::Take, OfferedWhat::File { size, digest, .. }) => {
                    if let Some(first) = firsts.get(digest) {
                        copies.push((index, *first));
                        continue;
                    }
                    firsts.insert(*digest, index);
                    let staged = fs::metadata(self.staged(digest)).map_or(0, |meta| meta.len());
                    let kept = self.options.resume && staged <= *size;
                    missing.push(Missing { index, offset: if kept { staged } else { 0 } });
                }
                (Verdict::Take, OfferedWhat::Link { .. }) => links.push(index),
                (Verdict::Take | Verdict::Done, _) => {}
            }
        }
        (self.missing, self.copies, self.links) = (missing, copies, links);
        self.skipped = skipped;
        Ok(())
    }

    fn verdict(
        &self,
        entry: &Offered,
        mut there: Option<&mut Cursor>,
    ) -> Result<Verdict, DepositError> {
        let path = self.options.to.join_path(&entry.path)?;
        let at = path.under(&self.depot).path();
        let (above, name) = split(&entry.path);
        let taken = match &mut there {
            None => None,
            Some(there) => match there.open(&above).and_then(|folder| folder.look(&name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                looked => looked.map_err(|error| FileError::of(error, &at, "look at"))?,
            },
        };
        let is_folder = taken.is_some_and(|meta| meta.kind == Kind::Folder);
        match &entry.what {
            OfferedWhat::Folder { .. } if taken.is_none() || is_folder => Ok(Verdict::Done),
            OfferedWhat::Folder { .. } => Err(FileError::NotAFolder { path: at }.into()),
            _ if is_folder => Err(FileError::FolderInTheWay { path: at }.into()),
            _ if taken.is_some() && !self.options.replace => Ok(Verdict::Skip),
            OfferedWhat::Link { target } if leads_out(&entry.path, target) => Ok(Verdict::Skip),
            OfferedWhat::Link { .. } => Ok(Verdict::Take),
            OfferedWhat::File { size, digest, .. } => {
                if let (Some(meta), Some(there)) = (taken, there) {
                    let alike = meta.size == *size
                        && self.digest(there, &path, &entry.path, &meta)? == Some(*digest);
                    if alike {
                        return Ok(Verdict::Done);
                    }
                    if meta.kind == Kind::File && meta.read_only && !self.options.force {
                        return Err(FileError::ReadOnly { path: at }.into());
                    }
                }
                Ok(Verdict::Take)
            }
        }
    }

    fn digest(
        &self,
        there: &mut Cursor,
        path: &DepotPath,
        below: &DepotPath,
        meta: &Meta,
    ) -> Result<Option<Digest>, FileError> {
        if meta.kind != Kind::File {
            return Ok(None);
        }
        if let Some(digest) = lock(&self.store.cache).get(path.as_str(), meta, self.now) {
            return Ok(Some(digest));
        }
        let (above, name) = split(below);
        let at = there.path(&above, &name);
        let hashed = there
            .open(&above)
            .and_then(|folder| folder.read(&name))
            .and_then(|mut file| hash_file(&mut file, u64::MAX));
        let (digest, _) = hashed.map_err(|error| FileError::of(error, &at, "read"))?;
        lock(&self.store.cache).put(path.as_str(), meta, digest, self.now);
        Ok(Some(digest))
    }

    /// Before anything is in place, so that nothing is ever there unmarked.
    fn mark(&self) -> Result<(), DepositError> {
        let by = self.options.by;
        let copies = self.copies.iter().map(|(index, _)| *index);
        let links = self.links.iter().copied();
        let taken = self.missing.iter().map(|missing| missing.index).chain(copies).chain(links);
        let files = taken.filter_map(|index| self.offer.entries().get(index));
        let marks = files.filter_map(|entry| {
            let digest = match &entry.what {
                OfferedWhat::File { digest, .. } => *digest,
                OfferedWhat::Link { target } => digest_of_bytes(target.as_bytes()),
                OfferedWhat::Folder { .. } => return None,
            };
            let path = self.options.to.join_path(&entry.path).ok()?;
            Some((path, Mark { computer: by, digest }))
        });
        let marked = lock(&self.store.origins).mark(marks.collect());
        Ok(marked.map_err(|error| fail(error, Path::new("origins"), "write"))?)
    }

    /// Each computer has parts of its own: nobody can spoil another's.
    fn staged(&self, digest: &Digest) -> PathBuf {
        self.store.staging().join(format!("{}-{digest}", self.options.by))
    }

    /// Makes folders and links. To be called once everything missing was received; the counts are
    /// those of the whole download.
    pub fn finish(&self) -> Result<DepositCounts, DepositError> {
        let received = lock(&self.received).len();
        if received < self.missing.len() {
            let (received, expected) = (received, self.missing.len());
            return Err(DepositError::Incomplete { received, expected });
        }
        let mut cursor = self.destination()?;
        for (index, first) in &self.copies {
            self.copy(&mut cursor, *index, *first)?;
        }
        let mut counts = DepositCounts {
            skipped: self.skipped,
            received_files: self.missing.len() as u64,
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
            ..DepositCounts::default()
        };
        let mut modes = BTreeMap::new();
        let mut files = 0;
        for (index, entry) in self.offer.entries().iter().enumerate() {
            let (above, name) = split(&entry.path);
            let at = cursor.path(&above, &name);
            let fail = |error| FileError::of(error, &at, "create");
            match &entry.what {
                OfferedWhat::File { size, .. } => {
                    files += 1;
                    counts.bytes += size;
                }
                OfferedWhat::Folder { mode } => {
                    let folder = cursor.create(&above).map_err(fail)?;
                    folder.create_folder(&name).map_err(fail)?;
                    modes.insert(entry.path.clone(), *mode);
                }
                OfferedWhat::Link { target } => {
                    files += 1;
                    if self.links.binary_search(&index).is_ok() {
                        let folder = cursor.create(&above).map_err(fail)?;
                        self.make_link(folder, &name, target)?;
                    }
                }
            }
        }
        counts.files = u64::saturating_sub(files, self.skipped);
        for (path, mode) in modes.iter().rev() {
            let (above, name) = split(path);
            let at = cursor.path(&above, &name);
            // The depot's owner can always look into it and add to it.
            let set = cursor.open(&above).and_then(|f| f.set_folder_mode(&name, mode | 0o700));
            set.map_err(|error| FileError::of(error, &at, "set the permissions of"))?;
        }
        Ok(counts)
    }

    /// A file whose bytes another one brought.
    fn copy(&self, cursor: &mut Cursor, index: usize, first: usize) -> Result<(), DepositError> {
        let entries = self.offer.entries();
        let (Some(entry), Some(first)) = (entries.get(index), entries.get(first)) else {
            return Err(DepositError::NotAsked { index });
        };
        let OfferedWhat::File { mode, mtime_ms, digest, .. } = entry.what else {
            return Err(DepositError::NotAsked { index });
        };
        let ((from_above, from_name), (above, name)) = (split(&first.path), split(&entry.path));
        let at = cursor.path(&above, &name);
        let wrong = |error| FileError::of(error, &at, "write");
        let from = cursor.base().open_below(&from_above).map_err(wrong)?;
        let part = self.part(&digest);
        let folder = cursor.create(&above).map_err(wrong)?;
        discard(folder, &part);
        from.copy_to(&from_name, folder, &part, &mut || Ok(()))
            .and_then(|()| folder.adjust(&part, mode | 0o400, mtime_ms.saturating_mul(1_000_000)))
            .map_err(wrong)?;
        let placed = put_in_place(folder, &part, &name, self.placing());
        if !matches!(placed, Ok(true)) {
            discard(folder, &part);
        }
        Ok(placed.map(drop)?)
    }

    fn part(&self, digest: &Digest) -> OsString {
        OsString::from(format!("{PART_PREFIX}{}-{digest}", self.options.by))
    }

    fn make_link(
        &self,
        folder: &machine::Folder,
        name: &OsString,
        target: &str,
    ) -> Result<(), FileError> {
        let at = folder.path().join(name);
        let fail = |error| FileError::of(error, &at, "make the link");
        let taken = folder.look(name).map_err(fail)?;
        if taken.is_some() && !self.options.replace {
            return Ok(());
        }
        let part = OsString::from(format!("{PART_PREFIX}link-{}", self.options.by));
        discard(folder, &part);
        folder.make_link(&part, target.as_ref(), false).map_err(fail)?;
        put_in_place(folder, &part, name, self.placing()).map(drop)
    }

    fn placing(&self) -> Options {
        Options { recursive: false, replace: self.options.replace, force: self.options.force }
    }

    fn destination(&self) -> Result<Cursor, FileError> {
        let to = self.options.to.under(&self.depot);
        let folder = to.create();
        Ok(Cursor::new(
            folder.map_err(|error| FileError::of(error, &to.path(), "create the folder"))?,
        ))
    }
}

/// A part of no use, often not there. That it cannot be removed shows when it is made anew.
fn discard(folder: &machine::Folder, part: &OsStr) {
    let _ = folder.remove(part);
}

/// Whether a link in `path` leads out of the offered folder, judged by its text alone.
fn leads_out(path: &DepotPath, target: &str) -> bool {
    if target.starts_with('/') || target.contains(['\\', ':']) {
        return true;
    }
    let mut depth = path.names().count() - 1;
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

fn split(path: &DepotPath) -> (Vec<OsString>, OsString) {
    let mut names: Vec<OsString> = path.names().map(OsString::from).collect();
    let name = names.pop().unwrap_or_default();
    (names, name)
}
