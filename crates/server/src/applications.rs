//! Applications as they are published: checked, pinned with their source, kept by revision.
//!
//! Invariant: a revision never changes; what machines are told to have names document and source by
//! hash.

use std::sync::Arc;

use application::Application;
use content::{DepotPath, DepotPathError, LookupError, Part, PinError, Pinned, What};
use model::{ApplicationId, Digest};
use store::{CommitError, ReadError, Refusal, Write, rows};

use crate::clock::now;
use crate::core::Gone;
use crate::hall::{About, Hall};
use crate::views;

/// Why an application was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("the application has errors")]
    Wrong(Vec<api::Finding>),
    #[error(
        "`{name}` version {held} is published with another {what}; give it a version larger than \
         {held}"
    )]
    SameVersion { name: String, held: u16, what: &'static str },
    #[error("the source `{0}` has macros, which mean nothing on the server")]
    SourceMacros(String),
    #[error("the source `{path}` is no folder of the depot")]
    SourcePath { path: String, source: DepotPathError },
    #[error("there is no folder `{0}` in the depot")]
    NoSource(String),
    #[error("the source could not be taken in from the depot")]
    Pin(#[from] PinError),
    #[error("the source could not be read back")]
    Lookup(#[from] LookupError),
    #[error("the applications could not be read")]
    Read(#[from] ReadError),
    #[error("the application could not be kept")]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// A revision, and what was found beside.
pub struct Published {
    pub row: rows::Application,
    pub findings: Vec<api::Finding>,
    /// False where the latest revision was the same.
    pub is_new: bool,
}

/// A source folder, held until its row is durable.
struct Source {
    tree: Option<Digest>,
    files: u64,
    bytes: u64,
    _held: Option<Pinned>,
}

/// An application that can be published, and what was found beside.
pub fn check(text: &str) -> (Option<Application>, Vec<api::Finding>) {
    let parsed = format::parse_application(text);
    let findings = parsed.problems.iter().map(views::finding).collect();
    let has_errors = parsed.has_errors();
    (parsed.application.filter(|_| !has_errors), findings)
}

/// By id or name, in its latest revision.
pub async fn find(hall: &Hall, name: &str) -> Result<Option<rows::Application>, ReadError> {
    if let Ok(id) = name.parse::<ApplicationId>()
        && let Some(row) = hall.store.application(id, None).await?
    {
        return Ok(Some(row));
    }
    hall.store.application_by_name(name).await
}

/// Keeps the application as a new revision, unless its latest is the same.
pub async fn publish(hall: &Arc<Hall>, text: &str, by: &str) -> Result<Published, PublishError> {
    let (checked, mut findings) = check(text);
    let Some(checked) = checked else { return Err(PublishError::Wrong(findings)) };
    findings.extend(unpublished(hall, &checked).await?);
    let source = take_in(hall, &checked).await?;
    let digest = Digest::from_bytes(*blake3::hash(text.as_bytes()).as_bytes());
    loop {
        let latest = hall.store.application(checked.id, None).await?;
        if let Some(latest) = &latest {
            if (latest.digest, latest.source) == (digest, source.tree) {
                return Ok(Published { row: latest.clone(), findings, is_new: false });
            }
            if checked.version <= latest.version {
                let what = if latest.digest == digest { "source" } else { "text" };
                let (name, held) = (checked.name.clone(), latest.version);
                return Err(PublishError::SameVersion { name, held, what });
            }
        }
        let row = rows::Application {
            id: checked.id,
            revision: latest.map_or(1, |latest| latest.revision + 1),
            name: checked.name.clone(),
            version: checked.version,
            text: text.to_owned(),
            digest,
            source: source.tree,
            source_files: source.files,
            source_bytes: source.bytes,
            published_by: by.to_owned(),
            published_at: now(),
        };
        let told = format!("{} version {} is published", row.name, row.version);
        let event = hall.event("application", About::NOTHING, by, told);
        match hall.writer.submit(vec![Write::PutApplication(row.clone()), event]).await {
            Ok(()) => {
                hall.wanted.look_again();
                return Ok(Published { row, findings, is_new: true });
            }
            // Somebody published another revision meanwhile.
            Err(CommitError::Refused { refusal: Refusal::PublicationGap { .. }, .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Dependencies that machines cannot be given.
async fn unpublished(hall: &Hall, of: &Application) -> Result<Vec<api::Finding>, ReadError> {
    let mut findings = Vec::new();
    for needed in &of.dependencies {
        if hall.store.application(needed.application, None).await?.is_none() {
            let name = needed.name.clone().unwrap_or_else(|| needed.application.to_string());
            findings.push(api::Finding {
                severity: "warning".to_owned(),
                code: "DH-A050".to_owned(),
                line: 1,
                column: 1,
                message: format!("it needs `{name}`, which is not published"),
                hint: "publish that one too: `deskhand app publish FILE`".to_owned(),
            });
        }
    }
    Ok(findings)
}

/// The source folder as it is now, as a tree of the object store.
async fn take_in(hall: &Arc<Hall>, of: &Application) -> Result<Source, PublishError> {
    let Some(source) = &of.source else {
        return Ok(Source { tree: None, files: 0, bytes: 0, _held: None });
    };
    let text = source.as_str();
    if text.contains('%') || text.contains("${") {
        return Err(PublishError::SourceMacros(text.to_owned()));
    }
    let path: DepotPath = text
        .trim_end_matches('/')
        .parse()
        .map_err(|source| PublishError::SourcePath { path: text.to_owned(), source })?;
    let part = Part { path: path.clone(), from_targets: false };
    let (depot, instant) = (hall.depot.clone(), now());
    let taken = tokio::task::spawn_blocking(move || {
        let pinned = depot.objects.pin(&depot.path, &[part], instant)?;
        let what = depot.objects.lookup(&pinned.root, &path)?.what;
        Ok::<_, PublishError>((pinned, what))
    });
    let (pinned, what) = taken.await.map_err(|_| Gone)??;
    let What::Folder { digest, .. } = what else {
        return Err(PublishError::NoSource(text.to_owned()));
    };
    let (files, bytes) = (pinned.files, pinned.bytes);
    Ok(Source { tree: Some(digest), files, bytes, _held: Some(pinned) })
}

/// The trees that publications and what machines were told need.
pub async fn live_trees(hall: &Hall) -> Result<Vec<Digest>, ReadError> {
    let published = hall.store.applications().await?;
    let mut trees: Vec<Digest> = published.iter().filter_map(|row| row.source).collect();
    for told in hall.store.wanted_sets().await? {
        if let Ok(set) = trust::WantedSet::decode(&told.set) {
            trees.extend(set.applications.iter().filter_map(|wanted| wanted.source));
        }
    }
    Ok(trees)
}
