//! A depot with its store, and a target's folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use content::{
    DepotPath, Fetch, FetchError, FetchOptions, FetchPlan, Fetched, HashCache, Listing,
    ObjectStore, Part, Pinned, Wanted, What,
};
use machine::{CaseRule, Filter, Spot};
use model::{Digest, Timestamp};
use tokio::io::AsyncRead;

pub struct Scene {
    folder: tempfile::TempDir,
    pub store: Arc<ObjectStore>,
    /// Late enough for the files that were just made to count as settled.
    pub now: Timestamp,
}

impl Scene {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["depot", "target"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let made = fs::metadata(folder.path()).unwrap().modified().unwrap();
        let millis = made.duration_since(UNIX_EPOCH).unwrap().as_millis();
        let now = Timestamp::from_millis(i64::try_from(millis).unwrap() + 3_600_000);
        let store = Arc::new(ObjectStore::open(&folder.path().join("store")).unwrap());
        Self { folder, store, now }
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub fn put(&self, file: &str, content: impl AsRef<[u8]>) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    pub fn spot(&self, file: &str) -> Spot {
        Spot::absolute(self.path(file).to_str().unwrap(), None).unwrap()
    }

    pub fn pin(&self, parts: &[(&str, bool)]) -> Pinned {
        let parts: Vec<Part> = parts
            .iter()
            .map(|(text, from_targets)| Part { path: path(text), from_targets: *from_targets })
            .collect();
        self.store.pin(&self.path("depot"), &parts, self.now).unwrap()
    }

    /// Files below, unfinished parts told apart.
    pub fn tree(&self, below: &str) -> Vec<String> {
        fn walk(folder: &Path, name: &str, all: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let name = format!("{name}{}", entry.file_name().to_str().unwrap());
                if entry.file_type().unwrap().is_dir() {
                    walk(&entry.path(), &format!("{name}/"), all);
                } else {
                    all.push(name);
                }
            }
        }
        let mut all = Vec::new();
        walk(&self.path(below), "", &mut all);
        all.sort();
        all
    }

    pub fn wire(&self, root: Digest) -> Wire {
        let (store, sent) = (Arc::clone(&self.store), AtomicU64::new(0));
        Wire { store, root, sent, cut_after: AtomicU64::new(u64::MAX), spoil: false }
    }

    pub fn plan(
        &self,
        root: Digest,
        from: &str,
        to: &str,
        options: &FetchOptions,
        cache: &mut HashCache,
    ) -> Result<FetchPlan, FetchError> {
        let bundle = self.store.bundle(&root, &path(from), options.recursive).unwrap();
        let listing = Listing::open(&bundle, &root, &path(from), options.recursive).unwrap();
        FetchPlan::of(&listing, &self.spot(to), options, cache, self.now)
    }

    pub async fn upload(
        &self,
        wire: &Wire,
        from: &str,
        options: &FetchOptions,
        cache: &mut HashCache,
    ) -> Result<Fetched, FetchError> {
        let mut plan = self.plan(wire.root, from, "target", options, cache)?;
        plan.carry_out(wire, cache, self.now).await
    }
}

pub fn path(text: &str) -> DepotPath {
    text.parse().unwrap()
}

pub fn options(filter: &str) -> FetchOptions {
    FetchOptions {
        filter: Filter::parse(filter, CaseRule::OWN).unwrap(),
        recursive: true,
        replace: true,
        force: false,
        resume: true,
        from_targets: false,
    }
}

/// The network: reads from the store, counts, cuts, spoils.
pub struct Wire {
    store: Arc<ObjectStore>,
    pub root: Digest,
    pub sent: AtomicU64,
    pub cut_after: AtomicU64,
    pub spoil: bool,
}

impl Wire {
    pub fn sent(&self) -> u64 {
        self.sent.swap(0, Ordering::Relaxed)
    }
}

impl Fetch for Wire {
    type Body = Box<dyn AsyncRead + Unpin + Send>;

    async fn fetch(&self, wanted: &[Wanted], offset: u64) -> io::Result<Self::Body> {
        let mut body = Vec::new();
        for wanted in wanted {
            let entry = self.store.lookup(&self.root, &wanted.path).unwrap();
            let What::File { size, digest, .. } = entry.what else { panic!("no file") };
            assert_eq!((size, digest), (wanted.size, wanted.digest));
            let (mut file, _) = self.store.open_range(&digest, size, offset).unwrap();
            io::Read::read_to_end(&mut file, &mut body).unwrap();
        }
        if self.spoil {
            body.iter_mut().for_each(|byte| *byte ^= 1);
        }
        let left = self.cut_after.load(Ordering::Relaxed);
        body.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        self.sent.fetch_add(body.len() as u64, Ordering::Relaxed);
        Ok(Box::new(io::Cursor::new(body)))
    }
}
