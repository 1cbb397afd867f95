//! The object store: bytes by their hash, in a folder of the server's own.
//!
//! ```text
//! objects/ab/cdef…   one file each, named by the BLAKE3 of its bytes; never changed
//! staging/           what targets are still sending
//! tmp/               what is being written; emptied when the store is opened
//! cache, origins     see `cache`, `origins`
//! ```
//! Objects are written beside and renamed, without waiting for the disk: one that a power cut left
//! too short is told by its size and written again by the next pin. Objects go only in
//! [`ObjectStore::sweep`], which spares what is pinned but not yet known to its caller as live.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use model::{Digest, Timestamp};

use crate::cache::HashCache;
use crate::folder::{Folder, FolderError, What};
use crate::hashing::{digest_of, digest_of_bytes, hash_file, read_chunks};
use crate::origins::Origins;

#[derive(Debug)]
pub struct ObjectStore {
    root: PathBuf,
    next: AtomicU64,
    folders: Mutex<BTreeMap<Digest, Arc<Folder>>>,
    pub(crate) cache: Mutex<HashCache>,
    pub(crate) origins: Mutex<Origins>,
    /// What is being received, so that no two write the same file.
    pub(crate) receiving: Mutex<BTreeSet<PathBuf>>,
    /// Read by whoever adds objects, written by the sweep.
    pub(crate) sweeping: RwLock<()>,
    pub(crate) held: Arc<Mutex<BTreeMap<Digest, usize>>>,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the object store could not {doing} `{}`", .path.display())]
    Io { path: PathBuf, doing: &'static str, source: io::Error },
    #[error(
        "no space left on the disk of the object store (`{}`); free some and try again",
        .path.display()
    )]
    DiskFull { path: PathBuf },
    #[error("object {digest} is not in the store")]
    Missing { digest: Digest },
    #[error("object {digest} is damaged; deploy again to have it written anew")]
    Damaged { digest: Digest, source: FolderError },
    #[error(
        "object {digest} is damaged: it has {found} bytes instead of {expected}; deploy again to have it written anew"
    )]
    WrongSize { digest: Digest, expected: u64, found: u64 },
}

/// What a sweep removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    pub objects: u64,
    pub bytes: u64,
}

/// Folders kept decoded: enough for the deployments that are under way.
const FOLDERS_KEPT: usize = 512;

impl ObjectStore {
    /// Opens the store in `root`, made where missing. One process may have it open.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let temporary = root.join("tmp");
        match fs::remove_dir_all(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(fail(error, &temporary, "empty"));
            }
            _ => {}
        }
        for folder in ["tmp", "objects", "staging"].map(|name| root.join(name)) {
            fs::create_dir_all(&folder).map_err(|error| fail(error, &folder, "make"))?;
        }
        let origins = root.join("origins");
        let origins = Origins::open(&origins).map_err(|error| fail(error, &origins, "read"))?;
        Ok(Self {
            root: root.to_owned(),
            next: AtomicU64::new(0),
            folders: Mutex::default(),
            cache: Mutex::new(HashCache::load(&root.join("cache"))),
            origins: Mutex::new(origins),
            receiving: Mutex::default(),
            sweeping: RwLock::default(),
            held: Arc::default(),
        })
    }

    /// The bytes of an object from `offset` on, and how many these are. `size` is what its entry
    /// says; an object of another size is damaged.
    pub fn open_range(
        &self,
        digest: &Digest,
        size: u64,
        offset: u64,
    ) -> Result<(File, u64), StoreError> {
        let path = self.path(digest);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Missing { digest: *digest });
            }
            opened => opened.map_err(|error| fail(error, &path, "open"))?,
        };
        let found = file.metadata().map_err(|error| fail(error, &path, "look at"))?.len();
        if found != size {
            return Err(StoreError::WrongSize { digest: *digest, expected: size, found });
        }
        let offset = offset.min(size);
        file.seek(SeekFrom::Start(offset)).map_err(|error| fail(error, &path, "read"))?;
        Ok((file, size - offset))
    }

    /// A folder object, decoded.
    pub fn folder(&self, digest: &Digest) -> Result<Arc<Folder>, StoreError> {
        if let Some(folder) = lock(&self.folders).get(digest) {
            return Ok(Arc::clone(folder));
        }
        let bytes = self.bytes(digest)?;
        let decoded = Folder::decode(&bytes);
        let folder =
            Arc::new(decoded.map_err(|source| StoreError::Damaged { digest: *digest, source })?);
        let mut folders = lock(&self.folders);
        if folders.len() >= FOLDERS_KEPT {
            folders.clear();
        }
        folders.insert(*digest, Arc::clone(&folder));
        Ok(folder)
    }

    /// All bytes of a small object.
    pub(crate) fn bytes(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.path(digest);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::Missing { digest: *digest })
            }
            read => read.map_err(|error| fail(error, &path, "read")),
        }
    }

    pub(crate) fn has(&self, digest: &Digest, size: u64) -> bool {
        fs::metadata(self.path(digest)).is_ok_and(|meta| meta.len() == size)
    }

    pub(crate) fn put_bytes(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = digest_of_bytes(bytes);
        if !self.has(&digest, bytes.len() as u64) {
            let (path, mut file) = self.temporary()?;
            file.write_all(bytes).map_err(|error| spoiled(error, &path))?;
            self.place(&path, &digest)?;
        }
        Ok(digest)
    }

    /// Takes a file in as it is now: shares its blocks where the file system can, else copies them.
    /// Answers its digest and size.
    pub(crate) fn put_file(&self, from: &mut File) -> Result<(Digest, u64), StoreError> {
        let (path, mut file) = self.temporary()?;
        let taken = if share_blocks(from, &file) {
            hash_file(&mut file, u64::MAX)
        } else {
            let mut hasher = blake3::Hasher::new();
            let copied = read_chunks(from, u64::MAX, |bytes| {
                hasher.update(bytes);
                file.write_all(bytes)
            });
            copied.map(|size| (digest_of(&hasher), size))
        };
        let (digest, size) = taken.map_err(|error| spoiled(error, &path))?;
        if self.has(&digest, size) {
            fs::remove_file(&path).map_err(|error| fail(error, &path, "remove"))?;
        } else {
            self.place(&path, &digest)?;
        }
        Ok((digest, size))
    }

    fn temporary(&self) -> Result<(PathBuf, File), StoreError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join("tmp").join(number.to_string());
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|error| fail(error, &path, "make"))?;
        Ok((path, file))
    }

    fn place(&self, temporary: &Path, digest: &Digest) -> Result<(), StoreError> {
        let path = self.path(digest);
        let placed = match fs::rename(temporary, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = path.parent().unwrap_or(&self.root);
                fs::create_dir_all(folder).and_then(|()| fs::rename(temporary, &path))
            }
            placed => placed,
        };
        placed.map_err(|error| fail(error, &path, "place"))
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        let (fan, rest) = name.split_at(2);
        self.root.join("objects").join(fan).join(rest)
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    pub(crate) fn save_cache(&self, now: Timestamp) -> Result<(), StoreError> {
        let path = self.root.join("cache");
        lock(&self.cache).save(&path, now).map_err(|error| fail(error, &path, "write"))
    }

    /// Removes every object that no root of `live` leads to. What is pinned and still held
    /// ([`crate::Pinned`]) stays.
    pub fn sweep(&self, live: impl IntoIterator<Item = Digest>) -> Result<Swept, StoreError> {
        let _alone = self.sweeping.write().unwrap_or_else(PoisonError::into_inner);
        let mut reached = BTreeSet::new();
        let mut pending: Vec<Digest> = live.into_iter().collect();
        pending.extend(lock(&self.held).keys());
        while let Some(digest) = pending.pop() {
            if !reached.insert(digest) {
                continue;
            }
            let folder = match self.folder(&digest) {
                Err(StoreError::Missing { .. }) => continue,
                folder => folder?,
            };
            for entry in folder.entries() {
                match &entry.what {
                    What::File { digest, .. } => drop(reached.insert(*digest)),
                    What::Folder { digest, .. } => pending.push(*digest),
                    What::Link { .. } | What::Absent => {}
                }
            }
        }
        lock(&self.folders).clear();
        self.remove_others(&reached)
    }

    fn remove_others(&self, reached: &BTreeSet<Digest>) -> Result<Swept, StoreError> {
        let objects = self.root.join("objects");
        let mut swept = Swept::default();
        for fan in entries(&objects)? {
            for object in entries(&fan.path())? {
                let name =
                    [fan.file_name(), object.file_name()].map(std::ffi::OsString::into_string);
                let [Ok(fan), Ok(rest)] = name else { continue };
                let digest = format!("{fan}{rest}").parse::<Digest>();
                if digest.is_ok_and(|digest| !reached.contains(&digest)) {
                    let path = object.path();
                    swept.objects += 1;
                    swept.bytes += object.metadata().map_or(0, |meta| meta.len());
                    fs::remove_file(&path).map_err(|error| fail(error, &path, "remove"))?;
                }
            }
        }
        Ok(swept)
    }

    /// Forgets which files of the depot have which hash, so that each is read again. How many there
    /// were.
    pub fn forget_caches(&self) -> usize {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.clear()
    }

    /// Removes what targets began to send and have not gone on with since `before`.
    pub fn sweep_staging(&self, before: Timestamp) -> Result<(), StoreError> {
        let receiving = lock(&self.receiving);
        for part in entries(&self.staging())? {
            let path = part.path();
            let written = part.metadata().and_then(|meta| meta.modified());
            let age = written.map(|time| time.duration_since(std::time::UNIX_EPOCH));
            let millis =
                age.ok().and_then(Result::ok).and_then(|age| i64::try_from(age.as_millis()).ok());
            let old = millis.is_some_and(|millis| millis < before.as_millis());
            if old && !receiving.contains(&path) {
                fs::remove_file(&path).map_err(|error| fail(error, &path, "remove"))?;
            }
        }
        Ok(())
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these guard is valid after each single step, so also after a panic between two.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn fail(error: io::Error, path: &Path, doing: &'static str) -> StoreError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull { path },
        _ => StoreError::Io { path, doing, source: error },
    }
}

/// For what was being written: on a full disk its room is needed.
fn spoiled(error: io::Error, path: &Path) -> StoreError {
    // The write failed already; a rest that cannot be removed goes at the next start.
    let _ = fs::remove_file(path);
    fail(error, path, "write")
}

fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, StoreError> {
    let read = fs::read_dir(folder).and_then(Iterator::collect);
    read.map_err(|error| fail(error, folder, "read"))
}

#[cfg(target_os = "linux")]
fn share_blocks(from: &File, to: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn share_blocks(_from: &File, _to: &File) -> bool {
    false
}
