//! Upload: the pinned tree is listed, compared with what is here, and the rest fetched.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use content::{
    DepotPath, Fetch, FetchError, FetchOptions, FetchPlan, Fetched, HashCache, Listing, Wanted,
};
use futures_util::stream;
use model::{Digest, RunId};
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;
use wire::content::{ContentRequest, Paths, Right};
use workflow::{Event, Outputs, Report};

use super::client::{Client, ContentError, whole};
use super::{Patience, Transfers, Upload, as_io, is_passing};
use crate::clock::now;
use crate::effect::sentence;
use crate::state::write_durable;

#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("this deployment draws nothing from the depot")]
    NoDepot,
    #[error(transparent)]
    Path(#[from] content::DepotPathError),
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error(transparent)]
    Listing(#[from] content::ListingError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the list of files cannot be kept in {}", .path.display())]
    Keep { path: PathBuf, source: io::Error },
    #[error("the agent failed in this activity")]
    Died(#[from] tokio::task::JoinError),
}

pub(super) async fn run(
    transfers: &Transfers,
    run: RunId,
    root: Option<Digest>,
    upload: &Upload,
    plan: Option<PathBuf>,
) -> Report {
    match try_run(transfers, run, root, upload, plan.as_deref()).await {
        Ok(done) => Report { outputs: outputs(done), ..Report::of(Event::Ok) },
        Err(UploadError::Fetch(error)) if error.is_no_file() => Report {
            outputs: outputs(Fetched::default()),
            note: Some(error.to_string()),
            ..Report::of(Event::NoFile)
        },
        Err(error) => Report::error(sentence(&error)),
    }
}

fn outputs(done: Fetched) -> Outputs {
    let counts = [("files", done.files), ("bytes", done.bytes), ("skipped", done.skipped)];
    counts.into_iter().map(|(name, count)| (name.to_owned(), count.to_string())).collect()
}

async fn try_run(
    transfers: &Transfers,
    run: RunId,
    root: Option<Digest>,
    upload: &Upload,
    path: Option<&Path>,
) -> Result<Fetched, UploadError> {
    let root = root.ok_or(UploadError::NoDepot)?;
    let from: DepotPath = upload.from.parse()?;
    let mut patience = Patience::new(transfers);
    let source = Source { client: &transfers.client, right: Right::Run(run), root };
    let mut cache = HashCache::load(&transfers.cache);
    let (mut plan, mut cache) = match path.and_then(kept_plan) {
        Some(plan) => (plan, cache),
        None => {
            let listing = source.list(&from, upload.recursive, &mut patience).await?;
            let (to, options) = (upload.to.clone(), options(upload));
            let made = tokio::task::spawn_blocking(move || {
                let plan = FetchPlan::of(&listing, &to, &options, &mut cache, now());
                (plan, cache)
            });
            let (plan, cache) = made.await?;
            let plan = plan?;
            // Where names that are taken count, a second look after a death would count our own.
            if let Some(path) = path
                && !upload.replace
                && plan.to_fetch().0 > 0
            {
                write_durable(path, &plan.to_bytes())
                    .map_err(|source| UploadError::Keep { path: path.to_owned(), source })?;
            }
            (plan, cache)
        }
    };
    let done = loop {
        match patience.while_linked(plan.carry_out(&source, &mut cache, now())).await {
            Some(Err(error)) if is_passing_cut(&error) => {
                patience.wait("an upload", sentence(&error)).await;
            }
            Some(done) => break done,
            None => tracing::info!("an upload waits for the server"),
        }
    };
    if let Err(error) = cache.save(&transfers.cache, now()) {
        tracing::warn!("hashes of files are not kept, they will be read again: {error}");
    }
    Ok(done?)
}

fn options(upload: &Upload) -> FetchOptions {
    FetchOptions {
        filter: upload.filter.clone(),
        recursive: upload.recursive,
        replace: upload.replace,
        force: upload.force,
        resume: upload.resume,
        from_targets: upload.from_targets,
    }
}

/// The plan of an upload that an agent's death has cut.
fn kept_plan(path: &Path) -> Option<FetchPlan> {
    let bytes = std::fs::read(path).ok()?;
    FetchPlan::from_bytes(&bytes)
        .inspect_err(|error| tracing::warn!("{} is made anew: {error}", path.display()))
        .ok()
}

/// A cut, and not one in which the server says that there is nothing to go on with.
pub(super) fn is_passing_cut(error: &FetchError) -> bool {
    let FetchError::Cut { source, .. } = error else { return false };
    match source.get_ref().and_then(|inner| inner.downcast_ref::<ContentError>()) {
        Some(error) => is_passing(error),
        None => true,
    }
}

/// A tree at the server.
pub(super) struct Source<'a> {
    pub(super) client: &'a Client,
    pub(super) right: Right,
    pub(super) root: Digest,
}

impl Source<'_> {
    pub(super) async fn list(
        &self,
        from: &DepotPath,
        recursive: bool,
        patience: &mut Patience,
    ) -> Result<Listing, UploadError> {
        let path = from.as_str().to_owned();
        let request = ContentRequest::List { right: self.right, root: self.root, path, recursive };
        let bundle = loop {
            match patience.while_linked(self.client.ask(&request, Vec::new())).await {
                Some(Err(error)) if is_passing(&error) => {
                    patience.wait("an upload", sentence(&error)).await;
                }
                Some(answer) => break answer?,
                None => tracing::info!("an upload waits for the server"),
            }
        };
        Ok(Listing::open(&bundle, &self.root, from, recursive)?)
    }
}

impl Fetch for Source<'_> {
    type Body = Pin<Box<dyn AsyncRead + Send>>;

    async fn fetch(&self, wanted: &[Wanted], offset: u64) -> io::Result<Self::Body> {
        let (right, root) = (self.right, self.root);
        let path = |wanted: &Wanted| wanted.path.as_str().to_owned();
        let (request, body) = match wanted {
            [one] => (ContentRequest::File { right, root, path: path(one) }, Vec::new()),
            _ => {
                let paths = Paths(wanted.iter().map(path).collect());
                (ContentRequest::Files { right, root }, paths.encode())
            }
        };
        let length = body.len() as u64;
        let answer = self.client.send(&request, offset, whole(body), length).await;
        let bytes = stream::try_unfold(answer.map_err(as_io)?, |mut answer| async move {
            Ok::<_, io::Error>(answer.next().await?.map(|bytes| (bytes, answer)))
        });
        Ok(Box::pin(StreamReader::new(Box::pin(bytes))))
    }
}
