//! Hashes of files that have not changed since they were last read.
//!
//! A file counts as unchanged while size, times and inode are what they were. One that was changed
//! less than two seconds before it was read is not kept: its next change might leave the same
//! times. Losing the cache costs reading files again, nothing else; one that cannot be read is
//! empty.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use machine::Meta;
use model::{Digest, Timestamp};

use crate::bytes::{BytesError, Input, Output, wrong};

const VERSION: u8 = 1;
const RACY_MS: i64 = 2_000;
const DAY_MS: i64 = 86_400_000;
/// Entries that nobody asked for in so many days are dropped.
const DAYS_KEPT: u32 = 30;

#[derive(Debug, Default)]
pub struct HashCache {
    known: BTreeMap<String, Known>,
    changed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    size: u64,
    mtime_ns: i64,
    ctime_ns: i64,
    inode: u64,
    digest: Digest,
    /// In days since 1970.
    seen: u32,
}

impl HashCache {
    /// What was saved; empty when there is nothing or nothing readable.
    pub fn load(file: &Path) -> Self {
        let read = std::fs::read(file).ok().and_then(|bytes| decode(&bytes).ok());
        Self { known: read.unwrap_or_default(), changed: false }
    }

    /// Empties it, also where it is saved; how much was in it.
    pub fn clear(&mut self) -> usize {
        self.changed = true;
        std::mem::take(&mut self.known).len()
    }

    /// Writes what has changed since it was loaded.
    pub fn save(&mut self, file: &Path, now: Timestamp) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        let today = day(now);
        self.known.retain(|_, known| known.seen + DAYS_KEPT >= today);
        let beside = file.with_extension("new");
        std::fs::write(&beside, encode(&self.known))?;
        std::fs::rename(beside, file)?;
        self.changed = false;
        Ok(())
    }

    /// The digest of the file `key` if it is still what it was.
    pub fn get(&mut self, key: &str, meta: &Meta, now: Timestamp) -> Option<Digest> {
        let known = self.known.get_mut(key)?;
        let (digest, seen) = (known.digest, day(now));
        if *known != (Known { digest, seen: known.seen, ..Known::of(meta, digest, now) }) {
            return None;
        }
        if known.seen != seen {
            known.seen = seen;
            self.changed = true;
        }
        Some(digest)
    }

    /// Remembers a file that was read at `now` and looked at before.
    pub fn put(&mut self, key: &str, meta: &Meta, digest: Digest, now: Timestamp) {
        if is_racy(meta.mtime_ns, now) || is_racy(meta.ctime_ns, now) {
            return;
        }
        self.put_written(key, meta, digest, now);
    }

    /// Remembers a file that was just written and given a time of its own: whoever changes it
    /// changes that time too.
    pub(crate) fn put_written(&mut self, key: &str, meta: &Meta, digest: Digest, now: Timestamp) {
        if !is_racy(meta.mtime_ns, now) {
            self.known.insert(key.to_owned(), Known::of(meta, digest, now));
            self.changed = true;
        }
    }
}

impl Known {
    fn of(meta: &Meta, digest: Digest, now: Timestamp) -> Self {
        let Meta { size, mtime_ns, ctime_ns, inode, .. } = *meta;
        Self { size, mtime_ns, ctime_ns, inode, digest, seen: day(now) }
    }
}

fn is_racy(time_ns: i64, now: Timestamp) -> bool {
    time_ns / 1_000_000 > now.as_millis() - RACY_MS
}

fn day(now: Timestamp) -> u32 {
    u32::try_from(now.as_millis() / DAY_MS).unwrap_or(0)
}

fn encode(known: &BTreeMap<String, Known>) -> Vec<u8> {
    let mut out = Output::default();
    out.byte(VERSION);
    out.count(known.len());
    for (key, known) in known {
        out.text(key);
        out.u64(known.size);
        out.i64(known.mtime_ns);
        out.i64(known.ctime_ns);
        out.u64(known.inode);
        out.digest(&known.digest);
        out.u32(known.seen);
    }
    let sum = blake3::hash(&out.0);
    out.raw(sum.as_bytes());
    out.0
}

fn decode(bytes: &[u8]) -> Result<BTreeMap<String, Known>, BytesError> {
    let (bytes, sum) = bytes.split_last_chunk::<32>().ok_or(wrong("it ends too early"))?;
    if blake3::hash(bytes).as_bytes() != sum {
        return Err(wrong("its checksum differs"));
    }
    let mut input = Input(bytes);
    input.version(VERSION)?;
    (0..input.u32()?)
        .map(|_| {
            let key = input.text()?.to_owned();
            let known = Known {
                size: input.u64()?,
                mtime_ns: input.i64()?,
                ctime_ns: input.i64()?,
                inode: input.u64()?,
                digest: input.digest()?,
                seen: input.u32()?,
            };
            Ok((key, known))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(mtime_ms: i64) -> Meta {
        let time = mtime_ms * 1_000_000;
        Meta {
            kind: machine::Kind::File,
            size: 5,
            mtime_ns: time,
            ctime_ns: time,
            mode: 0o644,
            read_only: false,
            inode: 7,
            owner: 0,
            group: 0,
            link_to_folder: false,
        }
    }

    #[test]
    fn only_what_is_surely_unchanged_is_known() {
        let digest = Digest::from_bytes([1; 32]);
        let now = Timestamp::from_millis(100_000);
        let mut cache = HashCache::default();
        cache.put("old", &meta(98_000), digest, now);
        cache.put("racy", &meta(98_001), digest, now);
        cache.put("future", &meta(200_000), digest, now);
        assert_eq!(cache.get("old", &meta(98_000), now), Some(digest));
        assert_eq!(cache.get("old", &Meta { size: 6, ..meta(98_000) }, now), None);
        assert_eq!(cache.get("old", &Meta { inode: 8, ..meta(98_000) }, now), None);
        assert_eq!(cache.get("old", &meta(98_001), now), None);
        assert_eq!(cache.get("racy", &meta(98_001), now), None);
        assert_eq!(cache.get("future", &meta(200_000), now), None);
    }

    #[test]
    fn a_cache_is_saved_and_a_damaged_one_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cache");
        let (digest, now) = (Digest::from_bytes([1; 32]), Timestamp::from_millis(100_000));
        let mut cache = HashCache::default();
        cache.put("a", &meta(5), digest, now);
        cache.save(&file, now).unwrap();
        assert_eq!(HashCache::load(&file).get("a", &meta(5), now), Some(digest));
        let later = Timestamp::from_millis(DAY_MS * 31);
        let mut cache = HashCache::load(&file);
        cache.put("b", &meta(5), digest, later);
        cache.save(&file, later).unwrap();
        assert_eq!(HashCache::load(&file).get("a", &meta(5), now), None);
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[9] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(HashCache::load(&file).get("b", &meta(5), now), None);
        assert_eq!(HashCache::load(Path::new("nowhere")).known.len(), 0);
    }
}
