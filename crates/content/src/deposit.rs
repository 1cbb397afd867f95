//! Downloads, as the server sees them: what a target offers is taken into the depot (AC-14).
//!
//! The target is a stranger. Everything is confined to the destination, received into a staging
//! area up to its announced size, verified by BLAKE3 and only then renamed into the depot. What it
//! writes is marked with its computer before it is in place. Links that lead out of the offered
//! folder are left out, as is a link where `replace` is not given and something stands.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use machine::{Cursor, Existing, FileError, Kind, Meta, Options, PART_PREFIX, put_in_place};
use model::{ComputerId, Digest, Timestamp};

use crate::hashing::{digest_of, digest_of_bytes, hash_file, read_chunks};
use crate::offer::{Offer, Offered, OfferedWhat};
use crate::origins::Mark;
use crate::path::{DepotPath, DepotPathError};
use crate::store::{ObjectStore, StoreError, fail, lock};

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
    received_files: AtomicU64,
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
            received_files: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
        };
        deposit.compare(now)?;
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

    fn compare(&mut self, now: Timestamp) -> Result<(), DepositError> {
        let to = self.options.to.under(&self.depot);
        let mut there = match to.open() {
            Ok(folder) => Some(Cursor::new(folder)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(FileError::of(error, &to.path(), "open the folder").into()),
        };
        let mut missing = Vec::new();
        for (index, entry) in self.offer.entries().iter().enumerate() {
            let path = self.options.to.join_path(&entry.path)?;
            let (above, name) = split(&entry.path);
            let at = path.under(&self.depot).path();
            let taken = match &mut there {
                None => None,
                Some(there) => match there.open(&above).and_then(|folder| folder.look(&name)) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                    looked => looked.map_err(|error| FileError::of(error, &at, "look at"))?,
                },
            };
            match (&entry.what, taken) {
                (OfferedWhat::Folder { .. }, None) => {}
                (OfferedWhat::Folder { .. }, Some(meta)) if meta.kind == Kind::Folder => {}
                (OfferedWhat::Folder { .. }, Some(_)) => {
                    return Err(FileError::NotAFolder { path: at }.into());
                }
                (_, Some(meta)) if meta.kind == Kind::Folder => {
                    return Err(FileError::FolderInTheWay { path: at }.into());
                }
                (_, Some(_)) if !self.options.replace => self.skipped += 1,
                (OfferedWhat::Link { target }, _) if leads_out(&entry.path, target) => {
                    self.skipped += 1;
                }
                (OfferedWhat::Link { .. }, _) => {}
                (OfferedWhat::File { size, digest, .. }, taken) => {
                    let unchanged = match (taken, &mut there) {
                        (Some(meta), Some(there)) if meta.size == *size => {
                            let found = self.digest(there, &path, &entry.path, &meta, now)?;
                            found == Some(*digest)
                        }
                        _ => false,
                    };
                    if unchanged {
                        continue;
                    }
                    let protected =
                        taken.is_some_and(|meta| meta.kind == Kind::File && meta.read_only);
                    if protected && !self.options.force {
                        return Err(FileError::ReadOnly { path: at }.into());
                    }
                    let staged = fs::metadata(self.staged(digest)).map_or(0, |meta| meta.len());
                    let kept = self.options.resume && staged <= *size;
                    missing.push(Missing { index, offset: if kept { staged } else { 0 } });
                }
            }
        }
        self.missing = missing;
        Ok(())
    }

    fn digest(
        &self,
        there: &mut Cursor,
        path: &DepotPath,
        below: &DepotPath,
        meta: &Meta,
        now: Timestamp,
    ) -> Result<Option<Digest>, FileError> {
        if meta.kind != Kind::File {
            return Ok(None);
        }
        if let Some(digest) = lock(&self.store.cache).get(path.as_str(), meta, now) {
            return Ok(Some(digest));
        }
        let (above, name) = split(below);
        let at = there.path(&above, &name);
        let hashed = there
            .open(&above)
            .and_then(|folder| folder.read(&name))
            .and_then(|mut file| hash_file(&mut file, u64::MAX));
        let (digest, _) = hashed.map_err(|error| FileError::of(error, &at, "read"))?;
        lock(&self.store.cache).put(path.as_str(), meta, digest, now);
        Ok(Some(digest))
    }

    /// Before anything is in place, so that nothing is ever there unmarked.
    fn mark(&self) -> Result<(), DepositError> {
        let by = self.options.by;
        let files =
            self.missing.iter().filter_map(|missing| self.offer.entries().get(missing.index));
        let links = self
            .offer
            .entries()
            .iter()
            .filter(|entry| matches!(entry.what, OfferedWhat::Link { .. }));
        let marks = files.chain(links).filter_map(|entry| {
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

    /// Begins to receive one of the missing files.
    pub fn receive(&self, index: usize) -> Result<Incoming<'_>, DepositError> {
        let asked = self.missing.iter().any(|missing| missing.index == index);
        let entry = self.offer.entries().get(index).filter(|_| asked);
        let Some(entry) = entry else { return Err(DepositError::NotAsked { index }) };
        let OfferedWhat::File { size, mode, mtime_ms, digest } = entry.what else {
            return Err(DepositError::NotAsked { index });
        };
        let path = self.staged(&digest);
        if !lock(&self.store.receiving).insert(path.clone()) {
            return Err(DepositError::Busy { path: entry.path.clone() });
        }
        // From here on dropping it ends the claim.
        let claim = Claim { deposit: self, path };
        let opened = open_staged(&claim.path, size, self.options.resume);
        let (file, hasher, len) = opened.map_err(|error| fail(error, &claim.path, "write"))?;
        Ok(Incoming { claim, entry, size, mode, mtime_ms, digest, file, hasher, len })
    }

    /// Each computer has parts of its own: nobody can spoil another's.
    fn staged(&self, digest: &Digest) -> PathBuf {
        self.store.staging().join(format!("{}-{digest}", self.options.by))
    }

    /// Makes folders and links. To be called once everything missing was received; the counts are
    /// those of the whole download.
    pub fn finish(&self) -> Result<DepositCounts, DepositError> {
        let mut cursor = self.destination()?;
        let mut counts = DepositCounts {
            skipped: self.skipped,
            received_files: self.received_files.load(Ordering::Relaxed),
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
            ..DepositCounts::default()
        };
        let mut modes = BTreeMap::new();
        let mut files = 0;
        for entry in self.offer.entries() {
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
                    if !leads_out(&entry.path, target) {
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
        // Left by an attempt that was cut.
        let _ = folder.remove(&part);
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

/// What is being received, so that nobody else writes the same part.
#[derive(Debug)]
struct Claim<'a> {
    deposit: &'a Deposit,
    path: PathBuf,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let receiving = &self.deposit.store.receiving;
        receiving.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
    }
}

/// A file that is being received. Dropped before its end, what has come is kept.
#[derive(Debug)]
pub struct Incoming<'a> {
    claim: Claim<'a>,
    entry: &'a Offered,
    size: u64,
    mode: u32,
    mtime_ms: i64,
    digest: Digest,
    file: File,
    hasher: blake3::Hasher,
    len: u64,
}

impl Incoming<'_> {
    /// Where the next byte belongs.
    pub fn offset(&self) -> u64 {
        self.len
    }

    /// How many bytes are still to come.
    pub fn left(&self) -> u64 {
        self.size - self.len
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), DepositError> {
        if bytes.len() as u64 > self.left() {
            return Err(DepositError::TooLong { path: self.entry.path.clone() });
        }
        if let Err(error) = self.file.write_all(bytes) {
            // On a full disk the room is needed; otherwise it is unknown what was written.
            let _ = fs::remove_file(&self.claim.path);
            return Err(fail(error, &self.claim.path, "write").into());
        }
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        self.claim.deposit.received_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Verifies what has come and puts it into the depot.
    pub fn finish(self) -> Result<(), DepositError> {
        if self.len < self.size {
            return Err(DepositError::Short { path: self.entry.path.clone() });
        }
        if digest_of(&self.hasher) != self.digest {
            // Worth nothing; should it stay, the next attempt finds out again.
            let _ = fs::remove_file(&self.claim.path);
            return Err(DepositError::Damaged { path: self.entry.path.clone() });
        }
        let deposit = self.claim.deposit;
        let mut cursor = deposit.destination()?;
        let (above, name) = split(&self.entry.path);
        let at = cursor.path(&above, &name);
        let wrong = |error| FileError::of(error, &at, "write");
        let folder = cursor.create(&above).map_err(wrong)?;
        let mtime_ns = self.mtime_ms.saturating_mul(1_000_000);
        // The depot's owner can always read it.
        folder.finish(&self.file, self.mode | 0o400, mtime_ns).map_err(wrong)?;
        let part = OsString::from(format!("{PART_PREFIX}{}-{}", deposit.options.by, self.digest));
        carry_over(&self.claim.path, folder, &part, mtime_ns).map_err(wrong)?;
        let placed = put_in_place(folder, &part, &name, deposit.placing());
        if !matches!(placed, Ok(true)) {
            // Not placed, so of no use; the error below, if any, says more.
            let _ = folder.remove(&part);
        }
        placed?;
        deposit.received_files.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// From the staging area beside its place in the depot, whatever disks these are on.
fn carry_over(
    staged: &Path,
    folder: &machine::Folder,
    part: &OsString,
    mtime_ns: i64,
) -> io::Result<()> {
    let parent = staged.parent().ok_or(io::ErrorKind::NotFound)?;
    let name = staged.file_name().ok_or(io::ErrorKind::NotFound)?;
    let staging = machine::Folder::open(parent)?;
    match staging.rename(name, folder, part, Existing::Replace) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
        renamed => return renamed,
    }
    match folder.remove(part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    staging.copy_to(name, folder, part, &mut || Ok(()))?;
    folder.adjust(part, staging.look(name)?.map_or(0o600, |meta| meta.mode), mtime_ns)?;
    staging.remove(name)
}

fn open_staged(path: &Path, size: u64, resume: bool) -> io::Result<(File, blake3::Hasher, u64)> {
    let mut file =
        File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    let mut hasher = blake3::Hasher::new();
    let found = file.metadata()?.len();
    if !resume || found > size {
        file.set_len(0)?;
        return Ok((file, hasher, 0));
    }
    let len = read_chunks(&mut file, size, |bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    file.seek(SeekFrom::Start(len))?;
    Ok((file, hasher, len))
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
