//! Taking up changed settings, and letting go of what is remembered, without a link being cut.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use store::{ComputerFilter, Page, Write};
use travel::GiverInput;

use crate::core::Gone;
use crate::hall::{About, Hall};
use crate::settings::{Effect, KEYS, Settings, SettingsError};
use crate::start;

/// Changes what is logged, in whatever way this process logs.
#[derive(Clone)]
pub struct LogFilter {
    now: Arc<Mutex<String>>,
    change: Arc<Change>,
}

type Change = dyn Fn(&str) -> Result<(), String> + Send + Sync;

impl std::fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LogFilter").field(&self.text()).finish()
    }
}

impl LogFilter {
    pub fn new(
        first: &str,
        change: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self { now: Arc::new(Mutex::new(first.to_owned())), change: Arc::new(change) }
    }

    pub fn text(&self) -> String {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The error says what is wrong with the filter.
    pub fn set(&self, text: &str) -> Result<(), String> {
        (self.change)(text)?;
        text.clone_into(&mut self.now.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }
}

/// Where the settings of a server come from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// `server.toml`.
    pub file: Option<PathBuf>,
    /// What it said when the server started.
    pub settings: Settings,
    /// Keys that the command line decides.
    pub fixed: Vec<&'static str>,
}

/// Why changed settings were not taken up. Nothing of them was.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    #[error("this server was started without a settings file")]
    NoFile,
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("`log.filter` cannot be `{filter}`: {why}")]
    Filter { filter: String, why: String },
    #[error("the database could not be written")]
    Commit(#[from] store::CommitError),
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// Reads the settings file again and takes up what can be changed while the server runs.
pub async fn reload(hall: &Hall, by: &str) -> Result<api::Reloaded, ReloadError> {
    let _one = hall.reloading.lock().await;
    let mut source = hall.source();
    let file = source.file.clone().ok_or(ReloadError::NoFile)?;
    let new = Settings::read(&file)?;
    let changed = new.differences(&source.settings);
    let (fixed, changed): (Vec<_>, Vec<_>) =
        changed.into_iter().partition(|name| source.fixed.contains(name));
    let at_once = |name: &&'static str| {
        KEYS.iter().any(|key| key.name == *name && key.effect == Effect::Reload)
    };
    let (applied, waiting): (Vec<_>, Vec<_>) = changed.into_iter().partition(at_once);
    if applied.contains(&"log.filter")
        && let Some(log) = &hall.log_filter
    {
        let filter = new.log_filter.clone().unwrap_or_else(|| "info".to_owned());
        log.set(&filter).map_err(|why| ReloadError::Filter { filter, why })?;
    }
    let mut row = hall.row();
    if applied.contains(&"name")
        && let Some(name) = &new.name
    {
        row.name.clone_from(name);
    }
    if applied.contains(&"max_targets") {
        row.max_targets = new.max_targets.unwrap_or(row.max_targets);
    }
    if applied.contains(&"presence") {
        let presence = new.presence.clone().unwrap_or_default();
        row.presence = start::presence_of(&presence, Vec::new(), hall.agent_addr);
    }
    let text = told(&applied, &waiting);
    tracing::info!("{text}");
    let max = row.max_targets;
    let event = hall.event("server", About::NOTHING, by, text);
    hall.writer.submit(vec![Write::PutServer(row.clone()), event]).await?;
    hall.change_row(|kept| {
        (kept.name, kept.max_targets, kept.presence) = (row.name, row.max_targets, row.presence);
    });
    hall.core.input(GiverInput::SetMaxTargets(max as usize)).await?;
    hall.core.settle().await?;
    // What waits for a restart is told again by the next reload.
    source.settings = taken(&new, &source.settings);
    hall.set_source(source);
    let names = |names: Vec<&'static str>| names.into_iter().map(str::to_owned).collect();
    Ok(api::Reloaded {
        file: file.display().to_string(),
        applied: names(applied),
        needs_restart: names(waiting),
        fixed: names(fixed),
    })
}

/// What is in force: of the new file what was taken up, of the old one the rest.
fn taken(new: &Settings, old: &Settings) -> Settings {
    Settings {
        name: new.name.clone(),
        presence: new.presence.clone(),
        max_targets: new.max_targets,
        log_filter: new.log_filter.clone(),
        ..old.clone()
    }
}

fn told(applied: &[&str], waiting: &[&str]) -> String {
    let list = |names: &[&str]| if names.is_empty() { "nothing".into() } else { names.join(", ") };
    let mut text = format!("the settings were read again: {} changed", list(applied));
    if !waiting.is_empty() {
        text.push_str(&format!("; {} after a restart", list(waiting)));
    }
    text
}

/// Forgets what is remembered of files and rows, and looks again; what was done.
pub async fn refresh(hall: &Arc<Hall>, by: &str) -> Result<Vec<String>, ReloadError> {
    let mut done = Vec::new();
    let objects = hall.depot.objects.clone();
    let hashes = tokio::task::spawn_blocking(move || objects.forget_caches()).await;
    let hashes = hashes.unwrap_or_default();
    done.push(format!("forgot the hashes of {hashes} files of the depot: they are read again"));
    if let Ok(Some(row)) = hall.store.server(hall.server).await {
        let max = row.max_targets;
        hall.change_row(|kept| {
            *kept = store::rows::Server { lease_until: kept.lease_until, fence: kept.fence, ..row };
        });
        hall.core.input(GiverInput::SetMaxTargets(max as usize)).await?;
        done.push(format!("read this server's record again: at most {max} runs at once"));
    }
    if let Some(name) = bind_computer(hall).await {
        done.push(format!("this server runs on the computer {name}"));
    }
    crate::upkeep::sweep(hall).await;
    done.push("removed objects that no deployment needs".to_owned());
    hall.core.settle().await?;
    let event = hall.event("server", About::NOTHING, by, "caches were refreshed");
    hall.writer.submit(vec![event]).await?;
    Ok(done)
}

/// Finds the computer of record that this server runs on, where exactly one matches (DS-01).
pub async fn bind_computer(hall: &Hall) -> Option<String> {
    let row = hall.row();
    if let Some(bound) = row.computer
        && let Ok(Some(found)) = hall.store.computer(bound).await
    {
        return Some(found.computer.name);
    }
    let host = machine::facts().get("host_name").cloned().unwrap_or_default().to_lowercase();
    let filter = ComputerFilter { search: Some(host.clone()), is_group: Some(false), parent: None };
    let found = hall.store.computers(filter, Page::first(1_000)).await.ok()?;
    let is_it = |name: &str| !host.is_empty() && name.to_lowercase() == host;
    let mut all = found.into_iter().filter(|row| is_it(&row.computer.host_name));
    let (first, second) = (all.next(), all.next());
    let computer = first.filter(|_| second.is_none())?.computer;
    let row = hall.change_row(|row| row.computer = Some(computer.id));
    let text = format!("{} runs on the computer {}", row.name, computer.name);
    let event = hall.event("server", About::computer(computer.id), crate::hall::SELF, text);
    // Found again at the next look, if it is not written.
    drop(hall.writer.submit(vec![Write::PutServer(row), event]));
    Some(computer.name)
}
