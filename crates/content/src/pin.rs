//! Pinning: parts of the depot taken into the object store, under one root.
//!
//! What is pinned stays what it was, whatever happens to the depot. The root holds only the parts
//! that were asked for and the folders above them. An unchanged file costs a look at its size and
//! times. Links are kept as links; devices, pipes and sockets are left out.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use machine::{FileError, Kind, Meta, is_part};
use model::{ComputerId, Digest, Timestamp};

use crate::folder::{Entry, Folder, FolderError, What, is_link_target};
use crate::hashing::{digest_of_bytes, for_each};
use crate::path::{DepotPath, DepotPathError};
use crate::store::{ObjectStore, StoreError, fail, lock};

/// A path of the depot that a deployment draws from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub path: DepotPath,
    /// Also what targets have written there.
    pub from_targets: bool,
}

/// A pinned root. The sweep spares it for as long as this is held: until the root is on record
/// among the live ones.
#[derive(Debug)]
pub struct Pinned {
    pub root: Digest,
    pub files: u64,
    pub bytes: u64,
    pub(crate) held: Arc<Mutex<BTreeMap<Digest, usize>>>,
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        if let Some(count) = held.get_mut(&self.root) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.root);
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PinError {
    #[error(
        "`{}` in the depot cannot be deployed, as its name does not work on every \
         system; rename it",
        .path.display()
    )]
    Name { path: PathBuf, source: DepotPathError },
    #[error(
        "`{}` in the depot cannot be deployed, as its name or the link's target is \
         not UTF-8; rename it",
        .path.display()
    )]
    NotText { path: PathBuf },
    #[error("`{}` was changed while it was read; try again", .path.display())]
    Changed { path: PathBuf },
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the folder `{}` cannot be described", .path.display())]
    Folder { path: PathBuf, source: FolderError },
}

/// The parts as a tree. What is whole has everything below it.
#[derive(Debug, Default)]
struct Asked {
    whole: Option<bool>,
    below: BTreeMap<String, Asked>,
}

/// What is wanted of one folder or file: by parts at it and below it, and by a part above it.
#[derive(Clone, Copy)]
struct Wish<'a> {
    asked: Option<&'a Asked>,
    /// Everything, with or without what targets wrote.
    whole: Option<bool>,
}

impl<'a> Wish<'a> {
    fn new(asked: Option<&'a Asked>, above: Option<bool>) -> Self {
        let own = asked.and_then(|asked| asked.whole);
        let whole = match (above, own) {
            (Some(a), Some(b)) => Some(a || b),
            (a, b) => a.or(b),
        };
        Self { asked, whole }
    }

    fn below(self, name: &str) -> Self {
        Self::new(self.asked.and_then(|asked| asked.below.get(name)), self.whole)
    }
}

enum Node {
    File { meta: Meta, allowed: bool, file: usize },
    Folder { meta: Meta, entries: BTreeMap<String, Node> },
    Link { target: String, allowed: bool },
    Absent,
}

/// A file to be taken in, or found to be in the store.
struct Content {
    path: DepotPath,
    meta: Meta,
    known: Option<Digest>,
}

struct Gather<'a> {
    store: &'a ObjectStore,
    now: Timestamp,
    files: Vec<Content>,
}

impl ObjectStore {
    /// Takes `parts` of the depot in. A part that is not there is recorded as absent.
    pub fn pin(&self, depot: &Path, parts: &[Part], now: Timestamp) -> Result<Pinned, PinError> {
        let _adding = self.sweeping.read().unwrap_or_else(PoisonError::into_inner);
        let mut asked = Asked::default();
        for part in parts {
            let at = part
                .path
                .names()
                .fold(&mut asked, |at, name| at.below.entry(name.to_owned()).or_default());
            at.whole = Some(at.whole.unwrap_or(false) || part.from_targets);
        }
        let base = machine::Folder::open(depot)
            .map_err(|error| FileError::of(error, depot, "open the depot"))?;
        let mut gather = Gather { store: self, now, files: Vec::new() };
        let entries = gather.folder(&base, &DepotPath::root(), Wish::new(Some(&asked), None))?;
        let contents = self.take_in(depot, &gather.files, now)?;
        let mut build = Build { store: self, contents: &contents, files: 0, bytes: 0 };
        let root = build.folder(&DepotPath::root(), entries)?;
        *lock(&self.held).entry(root).or_default() += 1;
        let held = Arc::clone(&self.held);
        let pinned = Pinned { root, files: build.files, bytes: build.bytes, held };
        self.save_cache(now)?;
        Ok(pinned)
    }

    /// Digest and size of each file; those not known are read, several at a time.
    fn take_in(
        &self,
        depot: &Path,
        files: &[Content],
        now: Timestamp,
    ) -> Result<Vec<(Digest, u64)>, PinError> {
        let base = machine::Folder::open(depot)
            .map_err(|error| FileError::of(error, depot, "open the depot"))?;
        for_each(files, |file| {
            if let Some(digest) = file.known.filter(|digest| self.has(digest, file.meta.size)) {
                return Ok((digest, file.meta.size));
            }
            let path = file.path.under(depot).path();
            let fail = |error| PinError::File(FileError::of(error, &path, "read"));
            let names: Vec<&str> = file.path.names().collect();
            let Some((name, above)) = names.split_last() else {
                return Err(PinError::Changed { path });
            };
            let folder = base.open_below(above).map_err(fail)?;
            let mut from = folder.read(OsStr::new(name)).map_err(fail)?;
            let (digest, size) = self.put_file(&mut from)?;
            let after = folder.look(OsStr::new(name)).map_err(fail)?;
            if after == Some(file.meta) && size == file.meta.size {
                lock(&self.cache).put(file.path.as_str(), &file.meta, digest, now);
            }
            Ok((digest, size))
        })
    }

    /// Lets marks follow what an activity on the server copied or moved from `from` to `to`.
    pub fn marks_follow(&self, from: &DepotPath, to: &DepotPath) -> Result<(), StoreError> {
        let mut origins = lock(&self.origins);
        let marks = origins.below(from).into_iter().filter_map(|(path, mark)| {
            let path = to.join_path(&from.below(&path)?).ok()?;
            Some((path, mark))
        });
        let marks = marks.collect();
        origins.mark(marks).map_err(|error| fail(error, Path::new("origins"), "write"))
    }

    /// The computer that wrote what is at `path` now, if a computer did.
    pub fn written_by(&self, path: &DepotPath, digest: &Digest) -> Option<ComputerId> {
        let origins = lock(&self.origins);
        origins.of(path).filter(|mark| mark.digest == *digest).map(|mark| mark.computer)
    }
}

impl Gather<'_> {
    fn folder(
        &mut self,
        folder: &machine::Folder,
        path: &DepotPath,
        wish: Wish<'_>,
    ) -> Result<BTreeMap<String, Node>, PinError> {
        let mut entries = BTreeMap::new();
        if wish.whole.is_some() {
            let found = folder
                .entries()
                .map_err(|error| FileError::of(error, folder.path(), "read the folder"))?;
            for (name, meta) in found {
                if is_part(&name) {
                    continue;
                }
                let at = folder.path().join(&name);
                let Ok(name) = name.into_string() else {
                    return Err(PinError::NotText { path: at });
                };
                if let Some(node) = self.node(folder, path, &name, meta, wish.below(&name))? {
                    entries.insert(name, node);
                }
            }
        }
        for name in wish.asked.iter().flat_map(|asked| asked.below.keys()) {
            if entries.contains_key(name) {
                continue;
            }
            let at = folder.path().join(name);
            let meta = folder
                .look(OsStr::new(name))
                .map_err(|error| FileError::of(error, &at, "look at"))?;
            let node = match meta {
                Some(meta) => self.node(folder, path, name, meta, wish.below(name))?,
                None => None,
            };
            entries.insert(name.clone(), node.unwrap_or(Node::Absent));
        }
        Ok(entries)
    }

    fn node(
        &mut self,
        folder: &machine::Folder,
        above: &DepotPath,
        name: &str,
        meta: Meta,
        wish: Wish<'_>,
    ) -> Result<Option<Node>, PinError> {
        let at = folder.path().join(name);
        let path =
            above.join(name).map_err(|source| PinError::Name { path: at.clone(), source })?;
        let allowed = wish.whole.unwrap_or(false);
        Ok(Some(match meta.kind {
            Kind::File => {
                let known = lock(&self.store.cache).get(path.as_str(), &meta, self.now);
                self.files.push(Content { path, meta, known });
                Node::File { meta, allowed, file: self.files.len() - 1 }
            }
            Kind::Folder => {
                let below = match folder.open_folder(OsStr::new(name)) {
                    // Gone since its parent was read.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    below => below.map_err(|error| FileError::of(error, &at, "open the folder"))?,
                };
                let entries = self.folder(&below, &path, wish)?;
                Node::Folder { meta, entries }
            }
            Kind::Link => {
                let target = folder
                    .read_link(OsStr::new(name))
                    .map_err(|error| FileError::of(error, &at, "read the link"))?;
                let target = target.into_string().ok().filter(|target| is_link_target(target));
                Node::Link { target: target.ok_or(PinError::NotText { path: at })?, allowed }
            }
            Kind::Other => return Ok(None),
        }))
    }
}

struct Build<'a> {
    store: &'a ObjectStore,
    contents: &'a [(Digest, u64)],
    files: u64,
    bytes: u64,
}

impl Build<'_> {
    fn folder(
        &mut self,
        path: &DepotPath,
        nodes: BTreeMap<String, Node>,
    ) -> Result<Digest, PinError> {
        let mut entries = Vec::with_capacity(nodes.len());
        for (name, node) in nodes {
            let below = path.join(&name);
            let below =
                below.map_err(|source| PinError::Name { path: path.as_str().into(), source })?;
            let (allowed, what) = match node {
                Node::File { meta, allowed, file } => {
                    let (digest, size) = self.contents[file];
                    self.files += 1;
                    self.bytes += size;
                    let mtime_ms = meta.mtime_ns.div_euclid(1_000_000);
                    (allowed, What::File { size, mode: meta.mode & 0o777, mtime_ms, digest })
                }
                Node::Folder { meta, entries } => {
                    let digest = self.folder(&below, entries)?;
                    (true, What::Folder { mode: meta.mode & 0o777, digest })
                }
                Node::Link { target, allowed } => (allowed, What::Link { target }),
                Node::Absent => (true, What::Absent),
            };
            let from_target = self.is_from_target(&below, &what);
            if allowed || !from_target {
                entries.push(Entry { name, from_target, what });
            }
        }
        let folder = Folder::new(entries)
            .map_err(|source| PinError::Folder { path: path.as_str().into(), source })?;
        Ok(self.store.put_bytes(&folder.encode())?)
    }

    fn is_from_target(&self, path: &DepotPath, what: &What) -> bool {
        let digest = match what {
            What::File { digest, .. } => *digest,
            What::Link { target } => digest_of_bytes(target.as_bytes()),
            What::Folder { .. } | What::Absent => return false,
        };
        self.store.written_by(path, &digest).is_some()
    }
}
