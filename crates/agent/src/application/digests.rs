//! Hashes of files that have not changed, remembered between plans.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use content::HashCache;
use machine::Meta;
use machine::survey::Digests;
use model::Digest;

use crate::clock::now;

/// Losing them costs reading files again.
#[derive(Debug)]
pub struct KnownDigests {
    cache: Mutex<HashCache>,
    file: PathBuf,
}

impl KnownDigests {
    pub(super) fn load(file: &Path) -> Self {
        Self { cache: Mutex::new(HashCache::load(file)), file: file.to_owned() }
    }

    /// Where they cannot be written they are forgotten.
    pub(super) fn save(&self) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = cache.save(&self.file, now()) {
            tracing::debug!("{} is not written: {error}", self.file.display());
        }
    }
}

impl Digests for KnownDigests {
    fn get(&self, path: &str, meta: &Meta) -> Option<Digest> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(path, meta, now())
    }

    fn put(&self, path: &str, meta: &Meta, digest: Digest) {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).put(path, meta, digest, now());
    }
}
