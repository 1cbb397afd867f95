//! One file of the depot as a text, for a script: listed and checked as an upload's files are.

use content::{DepotPath, What};
use model::{Digest, RunId};
use wire::content::{ContentRequest, Right};

use super::client::ContentError;
use super::upload::{Source, UploadError};
use super::{Patience, Transfers, is_passing};
use crate::effect::sentence;

/// What a script reads is kept in memory twice.
const TEXT_BYTES_MAX: u64 = 4 << 20;

#[derive(Debug, thiserror::Error)]
pub(crate) enum TextError {
    #[error("this script draws nothing from the depot; name what it reads in its `depot`")]
    NoDepot,
    #[error(transparent)]
    Path(#[from] content::DepotPathError),
    #[error(transparent)]
    List(#[from] UploadError),
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error("`{path}` is not in the depot as it was when the deployment was made")]
    Absent { path: DepotPath },
    #[error("`{path}` in the depot is no file")]
    NoFile { path: DepotPath },
    #[error("`{path}` has {size} bytes; a script reads up to {TEXT_BYTES_MAX}")]
    TooLarge { path: DepotPath, size: u64 },
    #[error("`{path}` came from the server with other bytes than were deployed")]
    Changed { path: DepotPath },
    #[error("`{path}` is no text in UTF-8")]
    NoText { path: DepotPath },
}

pub(super) async fn read(
    transfers: &Transfers,
    run: RunId,
    root: Option<Digest>,
    path: &str,
) -> Result<String, TextError> {
    let root = root.ok_or(TextError::NoDepot)?;
    let path: DepotPath = path.parse()?;
    let Some((folder, name)) = path.parent() else { return Err(TextError::NoFile { path }) };
    let mut patience = Patience::new(transfers);
    let source = Source { client: &transfers.client, right: Right::Run(run), root };
    let listing = source.list(&folder, false, &mut patience).await?;
    let entry = listing.entries().iter().find(|listed| listed.path.as_str() == name);
    let (size, digest) = match entry.map(|listed| &listed.entry.what) {
        Some(What::File { size, digest, .. }) => (*size, *digest),
        Some(What::Absent) | None => return Err(TextError::Absent { path }),
        Some(_) => return Err(TextError::NoFile { path }),
    };
    if size > TEXT_BYTES_MAX {
        return Err(TextError::TooLarge { path, size });
    }
    let request =
        ContentRequest::File { right: Right::Run(run), root, path: path.as_str().to_owned() };
    let bytes = loop {
        match patience.while_linked(transfers.client.ask(&request, Vec::new())).await {
            Some(Err(error)) if is_passing(&error) => {
                patience.wait("reading from the depot", sentence(&error)).await;
            }
            Some(answer) => break answer?,
            None => tracing::info!("reading from the depot waits for the server"),
        }
    };
    if Digest::from_bytes(*blake3::hash(&bytes).as_bytes()) != digest {
        return Err(TextError::Changed { path });
    }
    String::from_utf8(bytes.into()).map_err(|_| TextError::NoText { path })
}
