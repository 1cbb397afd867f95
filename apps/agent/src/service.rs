//! The agent as a service of the machine: systemd's unit, or a service of Windows.
//!
//! Owns where the program, the unit and the service are. Installing and removing may be repeated;
//! what was removed leaves no file. The unit and the packages' unit are one text.

#[cfg(target_os = "linux")]
#[path = "service/linux.rs"]
mod system;
#[cfg(windows)]
#[path = "service/windows.rs"]
mod system;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::arguments::ServiceAction;
use crate::failure::{Coded, Failure, SERVICE};
use crate::folder;

pub(crate) use system::{as_service, ready, stopping};

/// What is installed, and where.
#[derive(Debug)]
pub(crate) struct Wish {
    /// Stands for the machine's root; nothing is started then.
    pub root: Option<PathBuf>,
    pub state: PathBuf,
}

/// How the service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    NotInstalled,
    Stopped,
    Running,
    /// In the service manager's words.
    Other(String),
}

pub(crate) fn run(action: ServiceAction) -> Result<ExitCode, Failure> {
    match action {
        ServiceAction::Install { state, root } => {
            let wish = Wish { root, state: folder(state.state)?.path().to_owned() };
            install(&wish).code(SERVICE)?;
        }
        ServiceAction::Start => system::start().code(SERVICE)?,
        ServiceAction::Stop => system::stop().code(SERVICE)?,
        ServiceAction::Restart => restart().code(SERVICE)?,
        ServiceAction::Status => return status().code(SERVICE),
        ServiceAction::Remove { state, root, purge } => {
            let wish = Wish { root, state: folder(state.state)?.path().to_owned() };
            system::remove(&wish).code(SERVICE)?;
            println!("the service is removed");
            if purge {
                let at = below(wish.root.as_deref(), &wish.state);
                remove_state(&at).code(SERVICE)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn install(wish: &Wish) -> Result<()> {
    let state = below(wish.root.as_deref(), &wish.state);
    machine::keep_for_system(&state)
        .with_context(|| format!("{} cannot be kept for the system alone", state.display()))?;
    let place = system::install(wish)?;
    println!("the service is installed: {place}");
    Ok(())
}

pub(crate) fn restart() -> Result<()> {
    system::restart()
}

fn status() -> Result<ExitCode> {
    let condition = system::condition()?;
    let text = match &condition {
        Condition::NotInstalled => "not installed",
        Condition::Stopped => "stopped",
        Condition::Running => "running",
        Condition::Other(text) => text,
    };
    println!("{text}");
    Ok(ExitCode::from(u8::from(condition != Condition::Running)))
}

/// `path` as it lies below `root`.
fn below(root: Option<&Path>, path: &Path) -> PathBuf {
    let Some(root) = root else { return path.to_owned() };
    let inside: PathBuf =
        path.components().filter(|part| matches!(part, std::path::Component::Normal(_))).collect();
    root.join(inside)
}

/// Removes an agent's folder, and nothing that is none.
fn remove_state(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let is_agents = ["agent.lock", "identity.json", "signing.key"];
    let is_empty = std::fs::read_dir(path)?.next().is_none();
    ensure!(
        is_empty || is_agents.iter().any(|name| path.join(name).exists()),
        "{} is no agent's folder and is left alone",
        path.display()
    );
    std::fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))?;
    println!("{} is removed", path.display());
    Ok(())
}
