//! `server.toml`: what a server is told by a file, read with places and edited with its comments.
//!
//! Owns the table of keys. Reading finds everything that is wrong at once; nothing of a file with
//! an error counts. Never touches the running server: what a change means for it is `reload`'s.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml_edit::{Array, Document, DocumentMut, Item, Table, Value};

use crate::config::Config;

/// When a change of a key takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Reload,
    Restart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Path,
    Texts,
    Number,
    Address,
    Switch,
}

/// A key of the file.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub about: &'static str,
    pub effect: Effect,
    kind: Kind,
}

const fn key(name: &'static str, kind: Kind, effect: Effect, about: &'static str) -> Key {
    Key { name, about, effect, kind }
}

/// Every key there is.
pub const KEYS: &[Key] = &[
    key("data", Kind::Path, Effect::Restart, "keys, database, logs, objects"),
    key("name", Kind::Text, Effect::Reload, "the server's name"),
    key("depot", Kind::Path, Effect::Restart, "the depot's folder"),
    key("presence", Kind::Texts, Effect::Reload, "`host:port` under which agents reach it"),
    key("max_targets", Kind::Number, Effect::Reload, "runs in progress at once"),
    key("listen.agents", Kind::Address, Effect::Restart, "where agents find it"),
    key("listen.api", Kind::Address, Effect::Restart, "where people and programs find it"),
    key("listen.api_insecure", Kind::Switch, Effect::Restart, "the API beyond this machine"),
    key("log.filter", Kind::Text, Effect::Reload, "what is logged"),
    key("log.file_mb", Kind::Number, Effect::Restart, "size of a log file, then the next begins"),
    key("log.files", Kind::Number, Effect::Restart, "log files that are kept"),
];

/// What a file says; what it does not say is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    pub data: Option<PathBuf>,
    pub name: Option<String>,
    pub depot: Option<PathBuf>,
    pub presence: Option<Vec<String>>,
    pub max_targets: Option<u32>,
    pub agent_listen: Option<SocketAddr>,
    pub api_listen: Option<SocketAddr>,
    pub api_insecure: Option<bool>,
    pub log_filter: Option<String>,
    pub log_file_mb: Option<u32>,
    pub log_files: Option<u32>,
}

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub line: usize,
    pub column: usize,
    pub what: String,
    pub hint: String,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{} cannot be read", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} cannot be written", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{}", told(.path, .wrong))]
    Wrong { path: PathBuf, wrong: Vec<Wrong> },
    #[error("`{0}` cannot be changed: {1}")]
    Change(String, String),
}

fn told(path: &Path, wrong: &[Wrong]) -> String {
    let lines = wrong.iter().map(|wrong| {
        let hint = if wrong.hint.is_empty() { String::new() } else { format!(" ({})", wrong.hint) };
        format!("{}:{}:{}: {}{hint}", path.display(), wrong.line, wrong.column, wrong.what)
    });
    lines.collect::<Vec<_>>().join("\n")
}

impl Settings {
    /// What the file says; nothing if there is none.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text)
                .map_err(|wrong| SettingsError::Wrong { path: path.into(), wrong }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(SettingsError::Read { path: path.into(), source }),
        }
    }

    /// What a text says, or everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<Wrong>> {
        let document = Document::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            vec![wrong(text, at, error.message().to_owned(), "TOML: `key = value`, [section]")]
        })?;
        let (mut settings, mut found) = (Self::default(), Vec::new());
        settings.take(text, "", document.as_table(), &mut found);
        if found.is_empty() { Ok(settings) } else { Err(found) }
    }

    fn take(&mut self, text: &str, above: &str, table: &Table, found: &mut Vec<Wrong>) {
        for (name, item) in table.iter() {
            let full = if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") };
            let at = table.key(name).and_then(toml_edit::Key::span).map_or(0, |span| span.start);
            let is_section = KEYS.iter().any(|key| key.name.starts_with(&format!("{full}.")));
            match (KEYS.iter().find(|key| key.name == full), item) {
                (_, Item::Table(inner)) if is_section => self.take(text, &full, inner, found),
                (Some(key), item) => {
                    if let Err((what, hint)) = self.set(key, item) {
                        let at = item.span().map_or(at, |span| span.start);
                        found.push(wrong(text, at, what, hint));
                    }
                }
                (None, _) => {
                    let near = workflow::closest(&full, KEYS.iter().map(|key| key.name));
                    let hint = near.map_or_else(known, |near| format!("did you mean `{near}`?"));
                    found.push(wrong(text, at, format!("there is no key `{full}`"), hint));
                }
            }
        }
    }

    fn set(&mut self, key: &Key, item: &Item) -> Result<(), (String, String)> {
        let name = key.name;
        let no = |hint: &str| (format!("`{name}` cannot be {}", item.type_name()), hint.to_owned());
        let text = || item.as_str().ok_or_else(|| no("write a text in quotes"));
        let number = || {
            let number = item.as_integer().and_then(|number| u32::try_from(number).ok());
            number.filter(|number| *number > 0).ok_or_else(|| no("write a number from 1 on"))
        };
        let address = || {
            let hint = "write \"address:port\", such as \"127.0.0.1:1741\"";
            text().ok().and_then(|text| text.parse().ok()).ok_or_else(|| no(hint))
        };
        match name {
            "data" => self.data = Some(absolute(text()?, name)?),
            "depot" => self.depot = Some(absolute(text()?, name)?),
            "name" => self.name = Some(text()?.to_owned()),
            "presence" => self.presence = Some(texts(item).ok_or_else(|| no(LIST))?),
            "max_targets" => self.max_targets = Some(number()?),
            "listen.agents" => self.agent_listen = Some(address()?),
            "listen.api" => self.api_listen = Some(address()?),
            "listen.api_insecure" => {
                self.api_insecure = Some(item.as_bool().ok_or_else(|| no("write true or false"))?);
            }
            "log.filter" => self.log_filter = Some(text()?.to_owned()),
            "log.file_mb" => self.log_file_mb = Some(number()?),
            _ => self.log_files = Some(number()?),
        }
        Ok(())
    }

    /// The names of keys in which two files differ.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let same = [
            self.data == other.data,
            self.name == other.name,
            self.depot == other.depot,
            self.presence == other.presence,
            self.max_targets == other.max_targets,
            self.agent_listen == other.agent_listen,
            self.api_listen == other.api_listen,
            self.api_insecure == other.api_insecure,
            self.log_filter == other.log_filter,
            self.log_file_mb == other.log_file_mb,
            self.log_files == other.log_files,
        ];
        KEYS.iter().zip(same).filter(|(_, same)| !same).map(|(key, _)| key.name).collect()
    }

    /// Puts what is said here into a configuration; the data folder is the caller's to choose.
    pub fn apply(&self, config: &mut Config) {
        let Self { depot, name, presence, .. } = self.clone();
        config.depot = depot.or(config.depot.take());
        config.name = name.or(config.name.take());
        config.presence = presence.unwrap_or_default();
        config.max_targets = self.max_targets.or(config.max_targets);
        config.agent_listen = self.agent_listen.unwrap_or(config.agent_listen);
        config.api_listen = self.api_listen.unwrap_or(config.api_listen);
        config.api_insecure = self.api_insecure.unwrap_or(config.api_insecure);
    }
}

const LIST: &str = "write a list: [\"deploy.example.com:1739\"]";

fn texts(item: &Item) -> Option<Vec<String>> {
    let array = item.as_array()?;
    array.iter().map(|value| value.as_str().map(str::to_owned)).collect()
}

fn absolute(text: &str, name: &str) -> Result<PathBuf, (String, String)> {
    let path = PathBuf::from(text);
    if path.is_absolute() {
        return Ok(path);
    }
    Err((format!("`{name}` is no full path: `{text}`"), "write it from `/` on".to_owned()))
}

fn known() -> String {
    let names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
    format!("there are {}", names.join(", "))
}

fn wrong(text: &str, at: usize, what: String, hint: impl Into<String>) -> Wrong {
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Wrong { line, column, what, hint: hint.into() }
}

/// The text with keys changed as `KEY=VALUE` and removed as `KEY=`; everything else stays as it was
/// written.
pub fn edit(text: &str, changes: &[(String, String)]) -> Result<String, SettingsError> {
    let refused = |name: &str, why: String| SettingsError::Change(name.to_owned(), why);
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| refused("the file", error.message().to_owned()))?;
    for (name, value) in changes {
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            let near = workflow::closest(name, KEYS.iter().map(|key| key.name));
            let why = near.map_or_else(known, |near| format!("did you mean `{near}`?"));
            return Err(refused(name, format!("there is no such key; {why}")));
        };
        let (section, last) = match key.name.split_once('.') {
            Some((section, last)) => (Some(section), last),
            None => (None, key.name),
        };
        let table = match section {
            Some(section) => document
                .entry(section)
                .or_insert_with(|| Item::Table(Table::new()))
                .as_table_mut()
                .ok_or_else(|| refused(name, format!("`{section}` is no section of the file")))?,
            None => document.as_table_mut(),
        };
        if value.is_empty() {
            table.remove(last);
            continue;
        }
        let new = typed(key, value).map_err(|why| refused(name, why))?;
        match table.get_mut(last).and_then(Item::as_value_mut) {
            // What stands before and behind it, such as a comment, stays.
            Some(old) => {
                let decor = old.decor().clone();
                *old = new;
                *old.decor_mut() = decor;
            }
            None => drop(table.insert(last, Item::Value(new))),
        }
    }
    let text = document.to_string();
    Settings::parse(&text).map_err(|wrong| {
        let first = wrong.into_iter().next();
        refused("the file", first.map_or(String::new(), |wrong| wrong.what))
    })?;
    Ok(text)
}

fn typed(key: &Key, text: &str) -> Result<Value, String> {
    Ok(match key.kind {
        Kind::Text | Kind::Path | Kind::Address => text.into(),
        Kind::Texts => {
            let all = text.split([';', ',']).map(str::trim).filter(|text| !text.is_empty());
            Value::Array(all.collect::<Array>())
        }
        Kind::Number => text.parse::<i64>().map_err(|_| "it takes a number")?.into(),
        Kind::Switch => text.parse::<bool>().map_err(|_| "it takes true or false")?.into(),
    })
}

/// A file for a new server: every key, explained and commented out.
pub fn template() -> String {
    let mut text = "# What the Deskhand server is told; a flag of `server run` wins over a line here.\n\
         # `deskhand server configure KEY=VALUE` edits this file, `deskhand server reload` applies it.\n"
        .to_owned();
    let mut section = "";
    for key in KEYS {
        let (above, last) = key.name.split_once('.').unwrap_or(("", key.name));
        if above != section {
            section = above;
            text.push_str(&format!("\n[{section}]\n"));
        }
        let value = match key.kind {
            Kind::Text | Kind::Path | Kind::Address => "\"\"",
            Kind::Texts => "[]",
            Kind::Number => "1000",
            Kind::Switch => "false",
        };
        let effect = if key.effect == Effect::Restart { "; after a restart" } else { "" };
        text.push_str(&format!("# {}{effect}\n# {last} = {value}\n", key.about));
    }
    text
}

#[cfg(test)]
mod tests;
