//! Versions of this program side by side, and the switch between them (AG-08).
//!
//! ```text
//! versions/switch.json       which version is in use, which is on trial; the supervisor's alone
//! versions/staged.json       a version that lies ready and waits for its trial; the agent's
//! versions/confirmed         the trial that came back: a server has welcomed it; the agent's
//! versions/<place>/…         the program, verified before it came here
//! ```
//!
//! Two processes share this folder. The *supervisor* is the installed program: it does nothing but
//! start the agent in the version that is in use, and decide about trials. The *agent* takes
//! offers of new versions, checks who released them, fetches and stages them, and ends itself with
//! [`EXIT_FOR_TRIAL`] at a moment when nothing of it would be interrupted. Each file has one
//! writer, and is replaced whole. A version on trial that does not come back within its time, or
//! ends, is never asked again; the one before it is started instead.

mod stage;
mod supervise;
mod switch;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub(crate) use stage::Updates;
pub use supervise::{INSTALLED, SuperviseError, Supervised, supervise};
pub(crate) use switch::{Ended, Staged, Switch};

/// How the agent ends when a staged version shall have its trial.
pub const EXIT_FOR_TRIAL: u8 = 75;

/// What the server is told an agent can, besides activities.
pub(crate) const CAPABILITY: &str = "self-update";

pub(crate) fn folder(state: &Path) -> PathBuf {
    state.join("versions")
}

/// The name of the folder for a version: two programs that call themselves alike lie apart.
/// Versions can be names of folders, `trust::Release` sees to it.
pub(crate) fn place(version: &str, digest: &str) -> String {
    format!("{version}-{}", digest.get(..8).unwrap_or(digest))
}

/// The program in such a folder.
pub(crate) fn program(state: &Path, place: &str) -> PathBuf {
    folder(state).join(place).join(format!("deskhand-agent{}", std::env::consts::EXE_SUFFIX))
}

/// The platform that releases are made for, as `linux-x86_64`.
pub fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}
