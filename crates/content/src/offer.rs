//! What a target offers to send: a list of its files with their hashes (AC-14).
//!
//! Made on the target, read by the server as the word of a stranger: every name, size and count is
//! checked against limits before anything is done with it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;

use machine::{FileError, Filter, Found, Kind, Spot, list};
use model::{Digest, Timestamp};

use crate::bytes::{BytesError, Input, Output, wrong};
use crate::cache::HashCache;
use crate::folder::is_link_target;
use crate::hashing::{for_each, hash_file};
use crate::path::{DepotPath, DepotPathError};

const VERSION: u8 = 1;

/// The files of a folder, a folder before what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offer {
    entries: Vec<Offered>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Below the offered folder.
    pub path: DepotPath,
    pub what: OfferedWhat,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfferedWhat {
    File { size: u64, mode: u32, mtime_ms: i64, digest: Digest },
    Folder { mode: u32 },
    Link { target: String },
}

/// What a server takes from one download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub entries: usize,
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 500_000, bytes: 1 << 40 }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(
        "`{}` has a name that the depot cannot hold; leave it out with `filter` or rename it",
        .path.display()
    )]
    Name { path: PathBuf, source: DepotPathError },
    #[error(
        "`{}`: its name or the link's target is not UTF-8; leave it out with `filter` or rename it",
        .path.display()
    )]
    NotText { path: PathBuf },
    #[error("the list of files cannot be read")]
    Bytes(#[from] BytesError),
    #[error(
        "{found} files and folders are offered, at most {} are taken; choose fewer with `filter`",
        .limit
    )]
    TooMany { found: usize, limit: usize },
    #[error(
        "{found} bytes are offered, at most {limit} are taken; choose fewer files with `filter`"
    )]
    TooLarge { found: u64, limit: u64 },
}

impl OfferError {
    /// Whether the activity ends with `no_file`.
    pub fn is_no_file(&self) -> bool {
        matches!(self, Self::File(error) if error.is_no_file())
    }
}

impl Offer {
    /// The chosen files of the folder `from`. Blocks, and reads files whose hashes are not known.
    ///
    /// Of a file that grows meanwhile, such as a log, what it held at first is offered.
    pub fn of(
        from: &Spot,
        filter: &Filter,
        recursive: bool,
        cache: &mut HashCache,
        now: Timestamp,
    ) -> Result<Self, OfferError> {
        let place = from.path();
        let folder = from.open().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => FileError::SourceMissing { path: place.clone() },
            _ => FileError::of(error, &place, "open the folder"),
        })?;
        let mut found = list(&folder, recursive)?;
        found.retain(|found| match found.meta.kind {
            Kind::Folder => recursive && filter.is_all(),
            Kind::Other => false,
            Kind::File | Kind::Link => filter.matches(&found.name),
        });
        if found.is_empty() {
            let filter = if filter.is_all() { "*" } else { filter.as_str() };
            return Err(FileError::NoFile { folder: place, filter: filter.to_owned() }.into());
        }
        let key = |found: &Found| path_of(&place, found).to_string_lossy().into_owned();
        let files = found.iter().filter(|found| found.meta.kind == Kind::File);
        let (known, unknown): (Vec<_>, Vec<_>) = files
            .map(|found| (found, cache.get(&key(found), &found.meta, now)))
            .partition(|(_, digest)| digest.is_some());
        let read = for_each(&unknown, |(found, _)| hash(&folder, found))?;
        for ((found, _), (digest, size)) in unknown.iter().zip(&read) {
            if *size == found.meta.size {
                cache.put(&key(found), &found.meta, *digest, now);
            }
        }
        let read = unknown.iter().zip(read).map(|((found, _), read)| (key(found), read));
        let mut digests: std::collections::BTreeMap<String, (Digest, u64)> = read.collect();
        digests.extend(
            known
                .into_iter()
                .filter_map(|(found, digest)| Some((key(found), (digest?, found.meta.size)))),
        );
        let entries = found.iter().map(|found| offered(&folder, found, digests.get(&key(found))));
        Ok(Self { entries: entries.collect::<Result<_, _>>()? })
    }

    pub fn entries(&self) -> &[Offered] {
        &self.entries
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Output::default();
        out.byte(VERSION);
        out.count(self.entries.len());
        for entry in &self.entries {
            out.text(entry.path.as_str());
            match &entry.what {
                OfferedWhat::File { size, mode, mtime_ms, digest } => {
                    out.byte(0);
                    out.u64(*size);
                    out.u32(*mode);
                    out.i64(*mtime_ms);
                    out.digest(digest);
                }
                OfferedWhat::Folder { mode } => {
                    out.byte(1);
                    out.u32(*mode);
                }
                OfferedWhat::Link { target } => {
                    out.byte(2);
                    out.text(target);
                }
            }
        }
        out.0
    }

    /// Reads what a target sent.
    pub fn from_bytes(bytes: &[u8], limits: &Limits) -> Result<Self, OfferError> {
        let mut input = Input(bytes);
        input.version(VERSION)?;
        let count = usize::try_from(input.u32()?).unwrap_or(usize::MAX);
        if count > limits.entries {
            return Err(OfferError::TooMany { found: count, limit: limits.entries });
        }
        let mut entries: Vec<Offered> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut bytes = 0u64;
        for _ in 0..count {
            let entry = read_entry(&mut input)?;
            if entry.path.is_root() || !seen.insert(entry.path.clone()) {
                return Err(wrong("a path stands there twice or is empty").into());
            }
            if let OfferedWhat::File { size, .. } = entry.what {
                bytes = bytes.saturating_add(size);
            }
            entries.push(entry);
        }
        input.end()?;
        if bytes > limits.bytes {
            return Err(OfferError::TooLarge { found: bytes, limit: limits.bytes });
        }
        Ok(Self { entries })
    }
}

fn read_entry(input: &mut Input<'_>) -> Result<Offered, BytesError> {
    let path = input.path()?;
    let what = match input.byte()? {
        0 => OfferedWhat::File {
            size: input.u64()?,
            mode: input.u32()?,
            mtime_ms: input.i64()?,
            digest: input.digest()?,
        },
        1 => OfferedWhat::Folder { mode: input.u32()? },
        2 => OfferedWhat::Link { target: input.text()?.to_owned() },
        _ => return Err(wrong("an entry of an unknown kind")),
    };
    let right = match &what {
        OfferedWhat::File { mode, .. } | OfferedWhat::Folder { mode } => *mode <= 0o777,
        OfferedWhat::Link { target } => is_link_target(target),
    };
    if right { Ok(Offered { path, what }) } else { Err(wrong("an entry beyond its limits")) }
}

/// An offered file from `offset` on. No more than its offered size is to be sent.
pub fn open_offered(from: &Spot, path: &DepotPath, offset: u64) -> Result<File, FileError> {
    let at = path.names().fold(from.path(), |at, name| at.join(name));
    let names: Vec<&str> = path.names().collect();
    let opened = match names.split_last() {
        None => Err(io::ErrorKind::InvalidInput.into()),
        Some((name, above)) => from
            .open()
            .and_then(|folder| folder.open_below(above)?.read(OsStr::new(name)))
            .and_then(|mut file| file.seek(SeekFrom::Start(offset)).map(|_| file)),
    };
    opened.map_err(|error| FileError::of(error, &at, "read"))
}

fn path_of(place: &std::path::Path, found: &Found) -> PathBuf {
    found.folder.iter().fold(place.to_owned(), |at, name| at.join(name)).join(&found.name)
}

fn hash(folder: &machine::Folder, found: &Found) -> Result<(Digest, u64), FileError> {
    let opened = folder.open_below(&found.folder).and_then(|below| below.read(&found.name));
    let hashed = opened.and_then(|mut file| hash_file(&mut file, found.meta.size));
    hashed.map_err(|error| FileError::of(error, &path_of(folder.path(), found), "read"))
}

fn offered(
    folder: &machine::Folder,
    found: &Found,
    digest: Option<&(Digest, u64)>,
) -> Result<Offered, OfferError> {
    let at = path_of(folder.path(), found);
    let mut path = DepotPath::root();
    for name in found.folder.iter().chain([&found.name]) {
        let name = name.to_str().ok_or_else(|| OfferError::NotText { path: at.clone() })?;
        let joined = path.join(name);
        path = joined.map_err(|source| OfferError::Name { path: at.clone(), source })?;
    }
    let mode = found.meta.mode & 0o777;
    let what = match (found.meta.kind, digest) {
        (Kind::File, Some((digest, size))) => {
            let mtime_ms = found.meta.mtime_ns.div_euclid(1_000_000);
            OfferedWhat::File { size: *size, mode, mtime_ms, digest: *digest }
        }
        (Kind::Folder, _) => OfferedWhat::Folder { mode },
        _ => {
            let target = folder
                .open_below(&found.folder)
                .and_then(|below| below.read_link(&found.name))
                .map_err(|error| FileError::of(error, &at, "read the link"))?;
            let target = target.into_string().ok().filter(|target| is_link_target(target));
            OfferedWhat::Link { target: target.ok_or(OfferError::NotText { path: at })? }
        }
    };
    Ok(Offered { path, what })
}
