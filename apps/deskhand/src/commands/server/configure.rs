//! `deskhand server configure`: the settings file, shown and edited with its comments.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use server::settings::{self, Effect, KEYS, Settings, SettingsError};

use super::run::settings_file;
use crate::output;
use crate::trouble::Trouble;
use crate::whole;

/// In the data folder, unless `--config` names another.
pub const FILE: &str = "server.toml";

#[derive(Debug, clap::Args)]
pub struct ConfigureArgs {
    /// Changes; without any, the file is checked and shown
    #[arg(value_name = "KEY=VALUE", value_parser = change)]
    changes: Vec<(String, String)>,
    /// The settings file [default: the service's, else `server.toml` in the data folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// List the keys there are
    #[arg(long)]
    keys: bool,
}

fn change(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.trim().into(), value.trim().into())),
        _ => Err("write `key=value`, or `key=` to leave it to the server".to_owned()),
    }
}

/// The settings of a file, or what is wrong with it as the person is told.
pub fn read(file: &Path) -> Result<Settings> {
    Settings::read(file).map_err(troubled)
}

fn troubled(error: SettingsError) -> anyhow::Error {
    match error {
        SettingsError::Wrong { .. } | SettingsError::Change(..) => {
            let hint = "`deskhand server configure --keys` lists what can be set";
            Trouble::new("DH-C134", error.to_string(), hint).into()
        }
        other => other.into(),
    }
}

pub fn run(args: &ConfigureArgs, data: &Path) -> Result<()> {
    if args.keys {
        for key in KEYS {
            let effect = if key.effect == Effect::Restart { " (after a restart)" } else { "" };
            output::line(format!("{:22} {}{effect}", key.name, key.about))?;
        }
        return Ok(());
    }
    let file = settings_file(args.config.as_deref(), data);
    if args.changes.is_empty() {
        read(&file)?;
        match fs::read_to_string(&file) {
            Ok(text) => output::text(&text)?,
            Err(_) => output::note(format!("There is no {} yet.", file.display())),
        }
        return Ok(());
    }
    let before = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", file.display()));
        }
    };
    let after = settings::edit(&before, &args.changes).map_err(troubled)?;
    write(&file, after.as_bytes()).with_context(|| format!("cannot write {}", file.display()))?;
    let is_later =
        |name: &String| KEYS.iter().any(|key| key.name == name && key.effect == Effect::Restart);
    let later: Vec<_> =
        args.changes.iter().map(|(name, _)| name).filter(|name| is_later(name)).cloned().collect();
    let mut text = format!("{} is written; `deskhand server reload` applies it.", file.display());
    if !later.is_empty() {
        text.push_str(&format!("\nAfter a restart only: {}.", later.join(", ")));
    }
    output::note(text);
    Ok(())
}

fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    whole::write(file, bytes)
}

/// What a reload came to.
pub fn reloaded(reloaded: &api::Reloaded, json: bool) -> Result<()> {
    if json {
        return output::json(reloaded);
    }
    let list = |names: &[String]| if names.is_empty() { "-".to_owned() } else { names.join(", ") };
    output::line(format!("Changed:         {}", list(&reloaded.applied)))?;
    output::line(format!("After a restart: {}", list(&reloaded.needs_restart)))?;
    if !reloaded.fixed.is_empty() {
        output::line(format!("Command line:    {}", list(&reloaded.fixed)))?;
    }
    Ok(())
}
