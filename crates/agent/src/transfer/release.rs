//! A program of a release: fetched whole, verified by its hash, put in place as something to run.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use trust::ReleaseFile;
use wire::content::ContentRequest;

use super::client::{Client, whole};
use super::{as_io, is_passing};
use crate::backoff::Backoff;
use crate::dial::{Dialer, Way};

/// Cuts in a row without a single byte in between, before it is given up.
const ATTEMPTS_MAX: u32 = 20;

/// Fetches the program to `to`. What is there of an earlier attempt is gone on with.
pub(crate) async fn fetch_release(
    dialer: Arc<Dialer>,
    file: ReleaseFile,
    to: &Path,
) -> io::Result<()> {
    let part = to.with_extension("part");
    let client = Client::new(Way::Dialled(dialer));
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(15));
    let mut attempts = 0;
    loop {
        let before = length(&part);
        match fetch(&client, file, &part).await {
            Ok(()) => break,
            Err(error) if !passes(&error) => return Err(error),
            Err(error) => {
                attempts = if length(&part) > before { 1 } else { attempts + 1 };
                if attempts >= ATTEMPTS_MAX {
                    return Err(error);
                }
                tokio::time::sleep(backoff.step()).await;
            }
        }
    }
    let (part, to) = (part.clone(), to.to_owned());
    tokio::task::spawn_blocking(move || put_in_place(&part, &to, file))
        .await
        .map_err(io::Error::other)?
}

/// Whether asking again may help.
fn passes(error: &io::Error) -> bool {
    let refused = error.get_ref().and_then(|inner| inner.downcast_ref());
    refused.is_some_and(is_passing)
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}

async fn fetch(client: &Client, file: ReleaseFile, part: &Path) -> io::Result<()> {
    let mut offset = length(part);
    if offset > file.size {
        tokio::fs::remove_file(part).await?;
        offset = 0;
    }
    if offset == file.size {
        return Ok(());
    }
    let mut options = tokio::fs::OpenOptions::new();
    let mut out = options.create(true).append(true).open(part).await?;
    let request = ContentRequest::Release { digest: file.digest };
    let mut answer = client.send(&request, offset, whole(Vec::new()), 0).await.map_err(as_io)?;
    while offset < file.size {
        let next = answer.next().await;
        let next = next.map_err(|error| as_io(super::ContentError::Link(error)))?;
        let Some(bytes) = next else {
            let cut = io::ErrorKind::UnexpectedEof.into();
            return Err(as_io(super::ContentError::Link(cut)));
        };
        offset += bytes.len() as u64;
        out.write_all(&bytes).await?;
    }
    out.flush().await?;
    out.sync_all().await
}

fn put_in_place(part: &Path, to: &Path, wanted: ReleaseFile) -> io::Result<()> {
    let mut hasher = blake3::Hasher::new();
    let file = std::fs::File::open(part)?;
    hasher.update_reader(file.take(wanted.size.saturating_add(1)))?;
    if hasher.finalize().as_bytes() != wanted.digest.as_bytes() {
        std::fs::remove_file(part)?;
        let text = "the program is not the one that was signed; it was removed";
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    #[cfg(unix)]
    std::fs::set_permissions(part, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    std::fs::rename(part, to)?;
    to.parent().map_or(Ok(()), crate::state::sync_folder)
}
