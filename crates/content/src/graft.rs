//! A pinned root with something beside: what no folder of the depot has, under a name of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use model::Digest;

use crate::folder::{Entry, Folder, What};
use crate::pin::Pinned;
use crate::store::{ObjectStore, StoreError, fail, lock};

/// What is put beside.
#[derive(Debug, Clone)]
pub enum Graft {
    Bytes(Vec<u8>),
    /// A tree that is in the store.
    Tree(Digest),
    Folder(BTreeMap<String, Graft>),
}

impl ObjectStore {
    /// The tree of `pinned`, or an empty one, with `graft` in its root as `name`, in the place of
    /// what had that name.
    pub fn graft(
        &self,
        pinned: Option<Pinned>,
        name: &str,
        graft: &Graft,
    ) -> Result<Pinned, StoreError> {
        let _adding = self.sweeping.read().unwrap_or_else(PoisonError::into_inner);
        let mut entries = match &pinned {
            Some(pinned) => self.folder(&pinned.root)?.entries().to_vec(),
            None => Vec::new(),
        };
        entries.retain(|entry| entry.name != name);
        let what = self.put_graft(graft)?;
        entries.push(Entry { name: name.to_owned(), from_target: false, what });
        let root = self.put_entries(entries)?;
        let (files, bytes) = pinned.map_or((0, 0), |pinned| (pinned.files, pinned.bytes));
        *lock(&self.held).entry(root).or_default() += 1;
        Ok(Pinned { root, files, bytes, held: Arc::clone(&self.held) })
    }

    fn put_graft(&self, graft: &Graft) -> Result<What, StoreError> {
        Ok(match graft {
            Graft::Bytes(bytes) => {
                let (size, digest) = (bytes.len() as u64, self.put_bytes(bytes)?);
                What::File { size, mode: 0o644, mtime_ms: 0, digest }
            }
            Graft::Tree(digest) => What::Folder { mode: 0o755, digest: *digest },
            Graft::Folder(below) => {
                let mut entries = Vec::with_capacity(below.len());
                for (name, graft) in below {
                    let what = self.put_graft(graft)?;
                    entries.push(Entry { name: name.clone(), from_target: false, what });
                }
                What::Folder { mode: 0o755, digest: self.put_entries(entries)? }
            }
        })
    }

    fn put_entries(&self, entries: Vec<Entry>) -> Result<Digest, StoreError> {
        let folder = Folder::new(entries)
            .map_err(|error| fail(std::io::Error::other(error), Path::new("graft"), "describe"))?;
        self.put_bytes(&folder.encode())
    }
}
