//! Documents and files of the applications that this machine is to have, by their hashes.
//!
//! ```text
//! stock/<hash>.yaml     a document, as it was published
//! stock/<hash>/         a source folder, whole
//! stock/<hash>.part/    one that is being fetched
//! ```
//!
//! Owns that nothing is used which is not whole. What is here serves while no server is.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use model::Digest;
use trust::{WantedApplication, WantedSet};
use wire::content::Right;

use crate::application::Document;
use crate::state::{StateFolder, sync_folder, write_durable};
use crate::transfer::{Transfers, TreeError};

#[derive(Debug, Clone)]
pub(crate) struct Stock {
    folder: PathBuf,
}

/// Why something is not in stock.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StockError {
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error("{} cannot be written", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the document of `{0}` is not understood by this agent: is it older than the server?")]
    NotUnderstood(String),
}

impl Stock {
    pub(crate) fn of(folder: &StateFolder) -> Self {
        Self { folder: folder.file("stock") }
    }

    fn document_path(&self, digest: Digest) -> PathBuf {
        self.folder.join(format!("{digest}.yaml"))
    }

    fn tree_path(&self, root: Digest) -> PathBuf {
        self.folder.join(root.to_string())
    }

    /// The source folder of an application, once it is here whole; one that is empty where the
    /// application draws from none.
    pub(crate) fn source(&self, source: Option<Digest>) -> Option<PathBuf> {
        let path = source.map_or_else(|| self.folder.join("none"), |root| self.tree_path(root));
        path.is_dir().then_some(path)
    }

    /// The document, if it is here and what it was when it was signed.
    pub(crate) fn document(&self, wanted: &WantedApplication) -> Option<Document> {
        let bytes = std::fs::read(self.document_path(wanted.document)).ok()?;
        if Digest::from_bytes(*blake3::hash(&bytes).as_bytes()) != wanted.document {
            return None;
        }
        understood(bytes)
    }

    /// The document of what is here whole.
    pub(crate) fn ready(&self, wanted: &WantedApplication) -> Option<Document> {
        self.source(wanted.source)?;
        self.document(wanted)
    }

    /// Brings what is missing of one application. Waits for the server.
    pub(crate) async fn fetch(
        &self,
        transfers: &Transfers,
        wanted: &WantedApplication,
    ) -> Result<(), StockError> {
        let none = self.folder.join("none");
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| StockError::Write { path, source }
        };
        std::fs::create_dir_all(&none).map_err(failed(&none))?;
        if self.document(wanted).is_none() {
            let bytes = transfers.document(wanted.document).await?;
            let path = self.document_path(wanted.document);
            write_durable(&path, &bytes).map_err(failed(&path))?;
            if understood(bytes).is_none() {
                return Err(StockError::NotUnderstood(wanted.name.clone()));
            }
        }
        if let Some(root) = wanted.source
            && self.source(wanted.source).is_none()
        {
            let to = self.tree_path(root);
            self.fetch_tree(transfers, (Right::Wanted, root), &to).await?;
        }
        Ok(())
    }

    async fn fetch_tree(
        &self,
        transfers: &Transfers,
        of: (Right, Digest),
        to: &Path,
    ) -> Result<(), StockError> {
        let part = to.with_extension("part");
        transfers.tree(of, &content::DepotPath::root(), &part).await?;
        let placed = std::fs::rename(&part, to).and_then(|()| sync_folder(&self.folder));
        placed.map_err(|source| StockError::Write { path: to.to_owned(), source })
    }

    /// Removes whatever the set does not name.
    pub(crate) fn sweep(&self, set: &WantedSet) -> io::Result<()> {
        let mut named: BTreeSet<String> = BTreeSet::from(["none".to_owned()]);
        for wanted in &set.applications {
            named.insert(format!("{}.yaml", wanted.document));
            named.extend(wanted.source.map(|root| root.to_string()));
        }
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            if named.contains(&*entry.file_name().to_string_lossy()) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                std::fs::remove_dir_all(entry.path())?;
            } else {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

fn understood(bytes: Vec<u8>) -> Option<Document> {
    let text = String::from_utf8(bytes).ok()?;
    let application = format::parse_application(&text).application?;
    Some(Document { text, application })
}
