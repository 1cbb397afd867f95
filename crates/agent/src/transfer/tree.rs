//! What applications are made of: a document, and the tree that it draws from, as a folder here.

use std::io;
use std::path::{Path, PathBuf};

use content::{DepotPath, FetchError, FetchOptions, FetchPlan, HashCache};
use machine::{Filter, Spot};
use model::Digest;
use wire::content::{ContentRequest, Right};

use super::client::ContentError;
use super::upload::{Source, UploadError, is_passing_cut};
use super::{Patience, Transfers, is_passing};
use crate::clock::now;
use crate::effect::sentence;

/// Why a document or a tree could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TreeError {
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error(transparent)]
    Upload(#[from] UploadError),
    #[error("what came from the server is not what was signed")]
    Altered,
    #[error("{} cannot be used", .path.display())]
    Folder { path: PathBuf, source: io::Error },
}

impl Transfers {
    /// The document of an application that this machine is to have. Waits for the server.
    pub(crate) async fn document(&self, digest: Digest) -> Result<Vec<u8>, TreeError> {
        let _busy = self.client.busy();
        let request = ContentRequest::Document { digest };
        let mut patience = Patience::new(self);
        let bytes = loop {
            match patience.while_linked(self.client.ask(&request, Vec::new())).await {
                Some(Err(error)) if is_passing(&error) => {
                    patience.wait("reading a document", sentence(&error)).await;
                }
                Some(answer) => break answer?,
                None => tracing::debug!("reading a document waits for the server"),
            }
        };
        if Digest::from_bytes(*blake3::hash(&bytes).as_bytes()) != digest {
            return Err(TreeError::Altered);
        }
        Ok(bytes.to_vec())
    }

    /// Everything of a tree below `from`, in the folder `to` and nothing else there. Waits for the
    /// server, and goes on with what an earlier attempt has brought.
    pub(crate) async fn tree(
        &self,
        (right, root): (Right, Digest),
        from: &DepotPath,
        to: &Path,
    ) -> Result<(), TreeError> {
        let _busy = self.client.busy();
        let mut patience = Patience::new(self);
        let source = Source { client: &self.client, right, root };
        let listing = source.list(from, true, &mut patience).await?;
        let failed = |source| TreeError::Folder { path: to.to_owned(), source };
        std::fs::create_dir_all(to).map_err(failed)?;
        if listing.entries().is_empty() {
            return Ok(());
        }
        let spot = Spot::absolute(&to.to_string_lossy(), None);
        let spot = spot.map_err(|error| failed(io::Error::other(error)))?;
        let planned = tokio::task::spawn_blocking(move || {
            let mut cache = HashCache::default();
            let plan = FetchPlan::of(&listing, &spot, &whole_tree(), &mut cache, now());
            (plan, cache)
        });
        let (plan, mut cache) = planned.await.map_err(UploadError::from)?;
        let mut plan = plan.map_err(UploadError::from)?;
        loop {
            match patience.while_linked(plan.carry_out(&source, &mut cache, now())).await {
                Some(Err(error)) if is_passing_cut(&error) => {
                    patience.wait("fetching an application", sentence(&error)).await;
                }
                Some(done) => {
                    done.map_err(|error: FetchError| UploadError::from(error))?;
                    return Ok(());
                }
                None => tracing::debug!("fetching an application waits for the server"),
            }
        }
    }
}

fn whole_tree() -> FetchOptions {
    FetchOptions {
        filter: Filter::all(),
        recursive: true,
        replace: true,
        force: true,
        resume: true,
        from_targets: false,
    }
}
