//! Download: what is here is offered, and what the depot lacks of it is sent.

use std::fs::File;
use std::io::{self, Read};

use bytes::Bytes;
use content::{HashCache, OfferError, Offered, OfferedWhat, open_offered};
use futures_util::StreamExt;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;
use wire::content::{ContentRequest, PieceHead, Placed, Wanted};
use workflow::{EffectId, Event, Outputs, Report};

use super::client::ContentError;
use super::{Download, Patience, Transfers, is_passing};
use crate::clock::now;
use crate::effect::sentence;

/// Files up to this size travel together.
const SMALL_MAX: u64 = 1 << 20;
const BATCH_BYTES: usize = 4 << 20;
/// Attempts before a server that knows nothing of the activity is believed.
const UNHEARD_MAX: u32 = 6;

#[derive(Debug, thiserror::Error)]
enum DownloadError {
    #[error(transparent)]
    Offer(#[from] OfferError),
    #[error(transparent)]
    File(#[from] machine::FileError),
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error("the server's answer makes no sense: {0}")]
    Answer(#[from] model::codec::CodecError),
    #[error("the server wants a file that was not offered")]
    NotOffered,
    #[error("the agent failed in this activity")]
    Died(#[from] tokio::task::JoinError),
}

pub(super) async fn run(transfers: &Transfers, effect: EffectId, download: &Download) -> Report {
    match try_run(transfers, effect, download).await {
        Ok(placed) => Report { outputs: outputs(placed), ..Report::of(Event::Ok) },
        Err(DownloadError::Offer(error)) if error.is_no_file() => Report {
            outputs: outputs(Placed::default()),
            note: Some(error.to_string()),
            ..Report::of(Event::NoFile)
        },
        Err(error) => Report::error(sentence(&error)),
    }
}

fn outputs(placed: Placed) -> Outputs {
    let counts = [("files", placed.files), ("bytes", placed.bytes), ("skipped", placed.skipped)];
    counts.into_iter().map(|(name, count)| (name.to_owned(), count.to_string())).collect()
}

async fn try_run(
    transfers: &Transfers,
    effect: EffectId,
    download: &Download,
) -> Result<Placed, DownloadError> {
    let found = list(transfers, download).await?;
    let offer = found.to_bytes();
    let sending = Sending { transfers, effect, download, entries: found.entries() };
    let mut patience = Patience::new(transfers);
    let mut unheard = 0;
    loop {
        match patience.while_linked(sending.attempt(&offer)).await {
            // The offer may have overtaken the record that tells of its activity.
            Some(Err(DownloadError::Content(error)))
                if is_unheard(&error) && unheard < UNHEARD_MAX =>
            {
                unheard += 1;
                patience.wait("a download", sentence(&error)).await;
            }
            Some(Err(DownloadError::Content(error)))
                if is_passing(&error) || is_forgotten(&error) =>
            {
                patience.wait("a download", sentence(&error)).await;
            }
            Some(done) => return done,
            None => tracing::info!("a download waits for the server"),
        }
    }
}

async fn list(transfers: &Transfers, download: &Download) -> Result<content::Offer, DownloadError> {
    let (download, cache) = (download.clone(), transfers.cache.clone());
    let listed = tokio::task::spawn_blocking(move || {
        let mut hashes = HashCache::load(&cache);
        let Download { from, filter, recursive, .. } = &download;
        let offer = content::Offer::of(from, filter, *recursive, &mut hashes, now())?;
        if let Err(error) = hashes.save(&cache, now()) {
            tracing::warn!("hashes of files are not kept, they will be read again: {error}");
        }
        Ok::<_, OfferError>(offer)
    });
    Ok(listed.await??)
}

/// The server does not know of the activity, perhaps not yet.
fn is_unheard(error: &ContentError) -> bool {
    matches!(error, ContentError::Refused { status: 403 | 404, .. })
}

/// The server no longer knows of the offer, or stands elsewhere in a file: offer again.
fn is_forgotten(error: &ContentError) -> bool {
    matches!(error, ContentError::Refused { status: 409, .. })
}

struct Sending<'a> {
    transfers: &'a Transfers,
    effect: EffectId,
    download: &'a Download,
    entries: &'a [Offered],
}

/// A file the server lacks, from an offset on.
struct Missing<'a> {
    offered: &'a Offered,
    size: u64,
    index: u32,
    offset: u64,
}

impl Sending<'_> {
    /// Offers everything again; the server says how far earlier attempts came.
    async fn attempt(&self, offer: &[u8]) -> Result<Placed, DownloadError> {
        let client = &self.transfers.client;
        let effect = self.effect;
        let request = ContentRequest::Offer { effect, wish: self.download.wish.clone() };
        let answer = client.ask(&request, offer.to_vec()).await?;
        let wanted = Wanted::decode(&answer)?;
        let mut batch = Vec::new();
        for (index, offset) in wanted.files {
            let missing = self.missing(index, offset)?;
            if missing.size - missing.offset > SMALL_MAX {
                self.send_large(&missing).await?;
                continue;
            }
            batch.extend(self.piece(&missing)?);
            if batch.len() >= BATCH_BYTES {
                self.send_pieces(std::mem::take(&mut batch)).await?;
            }
        }
        if !batch.is_empty() {
            self.send_pieces(batch).await?;
        }
        let answer = client.ask(&ContentRequest::Finish { effect }, Vec::new()).await?;
        Ok(Placed::decode(&answer)?)
    }

    fn missing(&self, index: u32, offset: u64) -> Result<Missing<'_>, DownloadError> {
        let offered = self.entries.get(index as usize).ok_or(DownloadError::NotOffered)?;
        match &offered.what {
            OfferedWhat::File { size, .. } if offset <= *size => {
                Ok(Missing { offered, index, size: *size, offset })
            }
            _ => Err(DownloadError::NotOffered),
        }
    }

    fn open(&self, missing: &Missing<'_>) -> Result<File, DownloadError> {
        Ok(open_offered(&self.download.from, &missing.offered.path, missing.offset)?)
    }

    /// A small file with its head. One that has become shorter is sent as it is and refused there.
    fn piece(&self, missing: &Missing<'_>) -> Result<Vec<u8>, DownloadError> {
        let mut bytes = vec![0; PieceHead::BYTES];
        let left = missing.size - missing.offset;
        self.open(missing)?.take(left).read_to_end(&mut bytes).map_err(|source| {
            machine::FileError::of(source, &self.download.from.path(), "read a file of")
        })?;
        let length = u32::try_from(bytes.len() - PieceHead::BYTES).unwrap_or(u32::MAX);
        let head = PieceHead { index: missing.index, offset: missing.offset, length };
        bytes[..PieceHead::BYTES].copy_from_slice(&head.encode());
        Ok(bytes)
    }

    async fn send_pieces(&self, batch: Vec<u8>) -> Result<(), DownloadError> {
        let request = ContentRequest::Pieces { effect: self.effect };
        self.transfers.client.ask(&request, batch).await?;
        Ok(())
    }

    async fn send_large(&self, missing: &Missing<'_>) -> Result<(), DownloadError> {
        let file = tokio::fs::File::from_std(self.open(missing)?);
        let left = missing.size - missing.offset;
        let bytes = ReaderStream::with_capacity(file.take(left), 256 << 10);
        let frames = bytes.map(|bytes: io::Result<Bytes>| bytes.map(Frame::data));
        let body = BodyExt::boxed(StreamBody::new(frames));
        let (effect, index, offset) = (self.effect, missing.index, missing.offset);
        let request = ContentRequest::Bytes { effect, index, offset };
        let answer = self.transfers.client.send(&request, 0, body, left).await?;
        answer.whole(4 << 10).await?;
        Ok(())
    }
}
