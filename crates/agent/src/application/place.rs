//! Where the records of a machine's applications lie.
//!
//! ```text
//! lock            held while something is changed
//! records/        one file for each application and part
//! doing           what is being done; there only meanwhile
//! change/         the transaction under way
//! kept/           what applications replaced, by its hash
//! digests         hashes of files that have not changed
//! restarts        which applications need a restart of the machine
//! ```

use std::io;
use std::path::{Path, PathBuf};

use crate::state::StateFolder;

/// A machine, or the folder that stands for one, and where its records are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    folder: PathBuf,
    root: Option<PathBuf>,
    /// By which this start of the machine is known; empty where that cannot be known.
    boot: String,
    launcher: Option<Vec<String>>,
}

impl Place {
    /// Of this machine, or of the one below `root`, in `folder` or where they are usually: with
    /// the agent's state, or in the home of a user who is not the system.
    pub fn of(root: Option<&Path>, folder: Option<&Path>) -> io::Result<Self> {
        let root = root.map(std::path::absolute).transpose()?;
        let folder = match (folder, &root) {
            (Some(folder), _) => std::path::absolute(folder)?,
            (None, Some(root)) => below(root)?,
            (None, None) => own(),
        };
        Ok(Self { folder, root, boot: machine::boot_id().unwrap_or_default(), launcher: None })
    }

    /// Of the machine that an agent acts on, with the agent's own state.
    pub fn of_agent(state: &StateFolder, root: Option<&Path>, boot: String) -> Self {
        let (folder, root) = (state.file("applications"), root.map(Path::to_owned));
        Self { folder, root, boot, launcher: None }
    }

    /// What applications' own icons start: a program, and words before the application's id.
    #[must_use]
    pub fn with_launcher(self, program: &Path, words: &[&str]) -> Self {
        let program = program.to_string_lossy().into_owned();
        let words = words.iter().map(|word| (*word).to_owned());
        Self { launcher: Some([program].into_iter().chain(words).collect()), ..self }
    }

    pub(super) fn launcher(&self) -> Option<&Vec<String>> {
        self.launcher.as_ref()
    }

    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.folder.join("lock")
    }

    pub(super) fn records(&self) -> PathBuf {
        self.folder.join("records")
    }

    pub(super) fn doing(&self) -> PathBuf {
        self.folder.join("doing")
    }

    pub(super) fn change(&self) -> PathBuf {
        self.folder.join("change")
    }

    pub(super) fn kept(&self) -> PathBuf {
        self.folder.join("kept")
    }

    pub(super) fn boot(&self) -> &str {
        &self.boot
    }

    pub(super) fn restarts(&self) -> PathBuf {
        self.folder.join("restarts")
    }

    pub(super) fn digests(&self) -> PathBuf {
        self.folder.join("digests")
    }
}

/// The agent's state as it would be on the machine below the root.
fn below(root: &Path) -> io::Result<PathBuf> {
    let state = StateFolder::standard().join("applications");
    let spot = machine::Spot::absolute(&state.to_string_lossy(), Some(root));
    spot.map(|spot| spot.path()).map_err(io::Error::other)
}

/// Whoever may not write where the agent does keeps records of their own.
fn own() -> PathBuf {
    let state = StateFolder::standard();
    if cfg!(windows) || machine::identity::is_system() {
        return state.join("applications");
    }
    let base = named("XDG_STATE_HOME").or_else(|| Some(named("HOME")?.join(".local/state")));
    base.map_or_else(|| state.join("applications"), |base| base.join("deskhand/applications"))
}

/// A folder that the environment of this program names.
pub(super) fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|folder| folder.is_absolute())
}
