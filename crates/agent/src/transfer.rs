//! Uploads and downloads: what this machine lacks is fetched, what the depot lacks is sent.
//!
//! Owns the way of one transfer through cut links: it stays in progress, waits for the server and
//! goes on where it was. What a transfer consists of and how files are put in place is decided in
//! `content`; what may be read or written is decided by the server and checked against the warrant.

mod client;
mod download;
mod release;
mod text;
mod tree;
mod upload;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use machine::{Filter, Spot};
use model::Digest;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use wire::content::Wish;
use workflow::{EffectId, Report};

use crate::backoff::Backoff;
use crate::dial::Way;
use crate::effect::interrupted;
use client::{Client, ContentError};
pub(crate) use release::fetch_release;
pub(crate) use tree::TreeError;

/// Depot to target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upload {
    pub from: String,
    pub to: Spot,
    pub filter: Filter,
    pub recursive: bool,
    pub replace: bool,
    pub force: bool,
    pub resume: bool,
    pub from_targets: bool,
}

/// Target to depot; where it goes there is the server's to know, unless a script wishes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Download {
    pub from: Spot,
    pub filter: Filter,
    pub recursive: bool,
    pub wish: Option<Wish>,
}

/// What carries transfers out.
pub(crate) struct Transfers {
    client: Client,
    /// Hashes of files as they were last seen.
    cache: PathBuf,
    linked: watch::Receiver<bool>,
}

impl Transfers {
    pub(crate) fn new(way: Way, cache: PathBuf, linked: watch::Receiver<bool>) -> Self {
        Self { client: Client::new(way), cache, linked }
    }

    pub(crate) async fn upload(
        &self,
        effect: EffectId,
        root: Option<Digest>,
        upload: Upload,
        plan: Option<PathBuf>,
        cancel: &CancellationToken,
    ) -> Report {
        let _busy = self.client.busy();
        tokio::select! {
            report = upload::run(self, effect.run, root, &upload, plan) => report,
            () = cancel.cancelled() => interrupted(),
        }
    }

    /// The text of one file of the depot, as it was pinned.
    pub(crate) async fn text(
        &self,
        effect: EffectId,
        root: Option<Digest>,
        path: &str,
    ) -> Result<String, text::TextError> {
        let _busy = self.client.busy();
        text::read(self, effect.run, root, path).await
    }

    pub(crate) async fn download(
        &self,
        effect: EffectId,
        download: Download,
        cancel: &CancellationToken,
    ) -> Report {
        let _busy = self.client.busy();
        tokio::select! {
            report = download::run(self, effect, &download) => report,
            () = cancel.cancelled() => interrupted(),
        }
    }
}

/// Goes on after cuts, for as long as it takes.
struct Patience {
    linked: watch::Receiver<bool>,
    backoff: Backoff,
}

impl Patience {
    fn new(transfers: &Transfers) -> Self {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(15));
        Self { linked: transfers.linked.clone(), backoff }
    }

    /// Works as long as the link stands, once it does; nothing comes out when it went. Without a
    /// link there is nobody to ask.
    async fn while_linked<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        if self.linked.wait_for(|linked| *linked).await.is_err() {
            // The agent is ending, and this with it.
            std::future::pending::<()>().await;
        }
        tokio::select! {
            biased;
            done = work => Some(done),
            _ = self.linked.wait_for(|linked| !*linked) => None,
        }
    }

    /// Waits until it makes sense to ask again.
    async fn wait(&mut self, what: &str, why: String) {
        tracing::info!("{what} was cut and goes on: {why}");
        tokio::time::sleep(self.backoff.step()).await;
    }
}

/// Whether asking again may help.
fn is_passing(error: &ContentError) -> bool {
    match error {
        ContentError::Dial(_) | ContentError::Link(_) => true,
        ContentError::Refused { status, .. } => matches!(status, 408 | 425 | 429 | 502..=504),
    }
}

/// The same of an error that came through a reader.
fn as_io(error: ContentError) -> io::Error {
    io::Error::other(error)
}
