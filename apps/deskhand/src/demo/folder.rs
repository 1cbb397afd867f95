//! The demonstration's temporary folder, with the depot that its workflow draws from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rust_embed::Embed;
use tempfile::TempDir;

const DEPOT: &str = "depot/";

/// `examples/demo`: the workflow, and below `depot` what it draws from the depot.
#[derive(Embed)]
#[folder = "../../examples/demo"]
struct Example;

/// Removed with all that is in it when dropped.
pub struct Folder {
    inner: TempDir,
}

impl Folder {
    pub fn new() -> Result<Self> {
        let inner = tempfile::Builder::new().prefix("deskhand-demo-").tempdir();
        let folder = Self { inner: inner.context("cannot make a temporary folder")? };
        folder.fill_depot()?;
        Ok(folder)
    }

    pub fn path(&self) -> &Path {
        self.inner.path()
    }

    /// The server's data folder.
    pub fn data(&self) -> PathBuf {
        self.path().join("server")
    }

    pub fn depot(&self) -> PathBuf {
        self.path().join("depot")
    }

    /// Where an agent keeps its keys and journals.
    pub fn state(&self, computer: &str) -> PathBuf {
        self.path().join(computer).join("state")
    }

    /// What stands for `/` on that computer.
    pub fn root(&self, computer: &str) -> PathBuf {
        self.path().join(computer).join("root")
    }

    pub fn log(&self, computer: &str) -> PathBuf {
        self.path().join(computer).join("agent.log")
    }

    /// The demonstration's workflow, also kept in the folder to be looked at.
    pub fn workflow(&self) -> Result<String> {
        let file = Example::get("workflow.yaml").context("the workflow is not in this program")?;
        let text = String::from_utf8_lossy(&file.data).into_owned();
        let path = self.path().join("workflow.yaml");
        fs::write(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(text)
    }

    fn fill_depot(&self) -> Result<()> {
        for name in Example::iter() {
            let Some(inside) = name.strip_prefix(DEPOT) else { continue };
            let Some(file) = Example::get(&name) else { continue };
            let path = self.depot().join(inside);
            let written = path
                .parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| fs::write(&path, &file.data));
            written.with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}
