//! One file on its way from a target: staged, counted, verified, placed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use machine::{Existing, FileError, put_in_place};
use model::Digest;

use super::{Deposit, DepositError, discard, split};
use crate::hashing::{digest_of, read_chunks};
use crate::offer::{Offered, OfferedWhat};
use crate::store::{fail, lock};

impl Deposit {
    /// Begins to receive one of the missing files.
    pub fn receive(&self, index: usize) -> Result<Incoming<'_>, DepositError> {
        let asked = self.missing.binary_search_by_key(&index, |missing| missing.index).is_ok();
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
        Ok(Incoming { claim, index, entry, size, mode, mtime_ms, digest, file, hasher, len })
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
        lock(receiving).remove(&self.path);
    }
}

/// A file that is being received. Dropped before its end, what has come is kept.
#[derive(Debug)]
pub struct Incoming<'a> {
    claim: Claim<'a>,
    index: usize,
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
        let part = deposit.part(&self.digest);
        carry_over(&self.claim.path, folder, &part, mtime_ns).map_err(wrong)?;
        let placed = put_in_place(folder, &part, &name, deposit.placing());
        if !matches!(placed, Ok(true)) {
            discard(folder, &part);
        }
        if placed? {
            let meta = folder.look(&name).map_err(wrong)?;
            let path = deposit.options.to.join_path(&self.entry.path)?;
            if let Some(meta) = meta {
                let mut cache = lock(&deposit.store.cache);
                cache.put_written(path.as_str(), &meta, self.digest, deposit.now);
            }
        }
        lock(&deposit.received).insert(self.index);
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
