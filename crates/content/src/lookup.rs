//! Finding things within a pinned root, and only there.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::Digest;

use crate::bytes::Output;
use crate::folder::{Entry, Folder, What};
use crate::path::DepotPath;
use crate::store::{ObjectStore, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    #[error("`{path}` is not part of what was pinned for this deployment")]
    NotPinned { path: DepotPath },
    #[error("`{path}` did not exist in the depot when the deployment was made")]
    Absent { path: DepotPath },
    #[error(
        "`{path}` in the depot is not a folder; name the folder and choose files with `filter`"
    )]
    NotAFolder { path: DepotPath },
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(crate) const BUNDLE_VERSION: u8 = 1;

impl ObjectStore {
    /// What `path` is within `root`. The root itself is a folder without a name.
    pub fn lookup(&self, root: &Digest, path: &DepotPath) -> Result<Entry, LookupError> {
        let what = What::Folder { mode: 0o755, digest: *root };
        let mut at = Entry { name: String::new(), from_target: false, what };
        for name in path.names() {
            let What::Folder { digest, .. } = at.what else {
                return Err(not_there(&at.what, path));
            };
            let folder = self.folder(&digest)?;
            let entry = folder.get(name);
            at = entry.ok_or_else(|| LookupError::NotPinned { path: path.clone() })?.clone();
        }
        Ok(at)
    }

    /// The folder objects an agent needs to know what is in `path`: those on the way from the root,
    /// by which it can check them against the root alone, and with `recursive` those below.
    pub fn bundle(
        &self,
        root: &Digest,
        path: &DepotPath,
        recursive: bool,
    ) -> Result<Vec<u8>, LookupError> {
        let mut out = Bundle::default();
        let mut folder = self.folder(root)?;
        out.add(root, &folder);
        for name in path.names() {
            let entry = folder.get(name);
            let entry = entry.ok_or_else(|| LookupError::NotPinned { path: path.clone() })?;
            let What::Folder { digest, .. } = entry.what else {
                return Err(not_there(&entry.what, path));
            };
            folder = self.folder(&digest)?;
            out.add(&digest, &folder);
        }
        let mut pending = if recursive { vec![folder] } else { Vec::new() };
        while let Some(folder) = pending.pop() {
            for entry in folder.entries() {
                let What::Folder { digest, .. } = entry.what else { continue };
                let below = self.folder(&digest)?;
                if out.add(&digest, &below) {
                    pending.push(below);
                }
            }
        }
        Ok(out.bytes)
    }
}

fn not_there(what: &What, path: &DepotPath) -> LookupError {
    match what {
        What::Absent => LookupError::Absent { path: path.clone() },
        _ => LookupError::NotAFolder { path: path.clone() },
    }
}

struct Bundle {
    bytes: Vec<u8>,
    contained: BTreeSet<Digest>,
}

impl Default for Bundle {
    fn default() -> Self {
        Self { bytes: vec![BUNDLE_VERSION], contained: BTreeSet::new() }
    }
}

impl Bundle {
    /// Whether it was not in there before.
    fn add(&mut self, digest: &Digest, folder: &Arc<Folder>) -> bool {
        let new = self.contained.insert(*digest);
        if new {
            let mut out = Output(std::mem::take(&mut self.bytes));
            out.blob(&folder.encode());
            self.bytes = out.0;
        }
        new
    }
}
