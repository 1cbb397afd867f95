//! What an upload may bring: the pinned entries of one folder, checked against the pinned root.
//!
//! The agent knows the root from the warrant. Every folder object in the bundle must have the
//! digest that its parent, and in the end the root, says: a server cannot list what was not pinned.

use std::collections::BTreeMap;

use model::Digest;

use crate::bytes::{BytesError, Input};
use crate::folder::{Entry, Folder, FolderError, What};
use crate::hashing::digest_of_bytes;
use crate::lookup::BUNDLE_VERSION;
use crate::path::{DepotPath, DepotPathError};

/// The entries of a folder, a folder before what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    pub(crate) from: DepotPath,
    pub(crate) entries: Vec<Listed>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Below the listed folder.
    pub path: DepotPath,
    pub entry: Entry,
}

#[derive(Debug, thiserror::Error)]
pub enum ListingError {
    #[error("`{path}` is not part of what was pinned for this deployment")]
    NotPinned { path: DepotPath },
    #[error("`{path}` did not exist in the depot when the deployment was made")]
    Absent { path: DepotPath },
    #[error(
        "`{path}` in the depot is not a folder; name the folder and choose files with `filter`"
    )]
    NotAFolder { path: DepotPath },
    #[error("the server's answer lacks folder {digest} of what was pinned")]
    Lacking { digest: Digest },
    #[error("the server's answer cannot be read")]
    Bytes(#[from] BytesError),
    #[error("folder {digest} of what was pinned cannot be read")]
    Folder { digest: Digest, source: FolderError },
    #[error("a folder of what was pinned lies too deep")]
    Path(#[from] DepotPathError),
}

impl Listing {
    /// Reads a bundle ([`crate::ObjectStore::bundle`]) made for the same root and path.
    pub fn open(
        bundle: &[u8],
        root: &Digest,
        from: &DepotPath,
        recursive: bool,
    ) -> Result<Self, ListingError> {
        let objects = objects(bundle)?;
        let mut at = load(&objects, root)?;
        for name in from.names() {
            at = match at.get(name).map(|entry| &entry.what) {
                Some(What::Folder { digest, .. }) => load(&objects, digest)?,
                Some(What::Absent) => return Err(ListingError::Absent { path: from.clone() }),
                Some(_) => return Err(ListingError::NotAFolder { path: from.clone() }),
                None => return Err(ListingError::NotPinned { path: from.clone() }),
            };
        }
        let mut entries = Vec::new();
        let mut pending = vec![(DepotPath::root(), at)];
        while let Some((folder, object)) = pending.pop() {
            for entry in object.entries() {
                let path = folder.join(&entry.name)?;
                match &entry.what {
                    What::Folder { digest, .. } if recursive => {
                        pending.push((path.clone(), load(&objects, digest)?));
                    }
                    What::Absent => continue,
                    _ => {}
                }
                entries.push(Listed { path, entry: entry.clone() });
            }
        }
        Ok(Self { from: from.clone(), entries })
    }

    /// The listed folder, from the pinned root.
    pub fn from(&self) -> &DepotPath {
        &self.from
    }

    pub fn entries(&self) -> &[Listed] {
        &self.entries
    }
}

fn objects(bundle: &[u8]) -> Result<BTreeMap<Digest, &[u8]>, BytesError> {
    let mut input = Input(bundle);
    input.version(BUNDLE_VERSION)?;
    let mut objects = BTreeMap::new();
    while input.end().is_err() {
        let object = input.blob()?;
        objects.insert(digest_of_bytes(object), object);
    }
    Ok(objects)
}

fn load(objects: &BTreeMap<Digest, &[u8]>, digest: &Digest) -> Result<Folder, ListingError> {
    let bytes = objects.get(digest).ok_or(ListingError::Lacking { digest: *digest })?;
    Folder::decode(bytes).map_err(|source| ListingError::Folder { digest: *digest, source })
}
