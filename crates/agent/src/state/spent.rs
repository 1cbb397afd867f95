//! The file of used warrants: appended to, never looked up on disk.
//!
//! A run that is held tells its own warrant, so an entry must be durable only before the run's
//! folder goes. Entries have one length, so damage in one loses no other.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use model::{RunId, Timestamp};
use trust::{Spending, Spent};

use super::durable::{open_private, sync_folder, write_durable};

const MARK: &[u8; 4] = b"dhs1";
const HEAD: usize = 4 + 8 + 4;
const CHECK: usize = 4;
const ENTRY: usize = 1 + 32 + 16 + 8 + CHECK;
/// Entries kept before those that can never count again are dropped.
const ENTRIES_MAX: usize = 2_000;

#[derive(Debug)]
pub(crate) struct SpentFile {
    path: PathBuf,
    file: File,
    length: u64,
    is_dirty: bool,
}

impl SpentFile {
    /// Reads the file; says how many entries are damaged and no longer protect.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Spent, usize)> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut damaged = 0;
        let floor = read_floor(&bytes).unwrap_or_else(|| {
            damaged += usize::from(!bytes.is_empty());
            Timestamp::from_millis(i64::MIN)
        });
        let entries = bytes.get(HEAD..).unwrap_or_default().chunks_exact(ENTRY);
        let spendings: Vec<Spending> = entries
            .filter_map(|entry| {
                let read = read_entry(entry);
                damaged += usize::from(read.is_none());
                read
            })
            .collect();
        let spent = Spent::restore(floor, spendings);
        let torn = bytes.len() < HEAD || !(bytes.len() - HEAD).is_multiple_of(ENTRY);
        if torn || damaged > 0 {
            write_durable(path, &encode(&spent))?;
        }
        let file = open_private(path)?;
        let length = file.metadata()?.len();
        // What was read may never have been synced: an agent dies between the two as well.
        let opened = Self { path: path.to_owned(), file, length, is_dirty: true };
        Ok((opened, spent, damaged))
    }

    /// Drops entries that can never count again, once there are many.
    pub(crate) fn tidy(
        &mut self,
        spent: &mut Spent,
        now: Timestamp,
        is_open: impl Fn(RunId) -> bool,
    ) -> io::Result<()> {
        if spent.spendings().count() < ENTRIES_MAX || spent.forget(now, is_open).is_empty() {
            return Ok(());
        }
        write_durable(&self.path, &encode(spent))?;
        self.file = open_private(&self.path)?;
        self.length = self.file.metadata()?.len();
        self.is_dirty = false;
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of whole entries.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Takes back what was pushed behind `length`.
    pub(crate) fn take_back(&mut self, length: u64) {
        self.length = length;
        // An entry that stays is written over by the next.
        let _ = self.file.set_len(length).and_then(|()| self.file.sync_data());
    }

    pub(crate) fn push(&mut self, spending: &Spending) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(&entry(spending))?;
        self.length += ENTRY as u64;
        self.is_dirty = true;
        Ok(())
    }

    /// Makes what was pushed durable.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.is_dirty {
            self.file.sync_data()?;
            sync_folder(self.path.parent().unwrap_or(Path::new(".")))?;
            self.is_dirty = false;
        }
        Ok(())
    }
}

fn encode(spent: &Spent) -> Vec<u8> {
    let mut out = MARK.to_vec();
    out.extend(spent.floor().as_millis().to_le_bytes());
    let check = check(&out);
    out.extend(check);
    spent.spendings().for_each(|spending| out.extend(entry(&spending)));
    out
}

fn entry(spending: &Spending) -> Vec<u8> {
    let mut bytes = spending.encode();
    let check = check(&bytes);
    bytes.extend(check);
    debug_assert_eq!(bytes.len(), ENTRY);
    bytes
}

fn check(bytes: &[u8]) -> [u8; CHECK] {
    let hash = blake3::hash(bytes);
    let bytes = hash.as_bytes();
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}

fn read_floor(bytes: &[u8]) -> Option<Timestamp> {
    let head = bytes.get(..HEAD)?;
    let (content, sum) = head.split_at(HEAD - CHECK);
    let floor = content.strip_prefix(MARK)?.try_into().ok().map(i64::from_le_bytes)?;
    (check(content) == sum).then(|| Timestamp::from_millis(floor))
}

fn read_entry(entry: &[u8]) -> Option<Spending> {
    let (content, sum) = entry.split_at(ENTRY - CHECK);
    if check(content) != sum {
        return None;
    }
    Spending::decode(content).ok()
}
