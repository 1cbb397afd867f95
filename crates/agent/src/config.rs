//! How an agent reaches servers and is reached: `agent.conf` in its folder, and flags above it.
//!
//! ```text
//! # one setting a line; what is not there keeps its standard
//! servers         = deploy.example:1739; 10.0.0.5:1739
//! dial            = yes
//! listen          = INET::1740
//! host_name       = pc-17.example
//! broadcast       = INET:255.255.255.255:1738
//! broadcast_delay = 60s
//! collection      = INET::1738
//! collection_max  = 1000
//! ```
//!
//! Owns the names of the settings and their reading. Invariant: a file that cannot be read whole is
//! refused with the line; no setting is ever ignored.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use model::address::{AGENT_PORT, SERVER_PORT};
use model::{Address, Addresses, Facts, Span};

use crate::state::{StateFolder, write_durable};

const FILE: &str = "agent.conf";
/// Nobody gains by signals that come faster.
const BROADCAST_DELAY_MIN: Span = Span::from_secs(1);
/// An agent keeps no more neighbours than this, whatever is asked.
const COLLECTION_MAX: usize = 10_000;

/// How an agent reaches servers and is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `host:port` to be dialled, in order; empty for those of the enrolment.
    pub servers: Vec<String>,
    /// Whether servers are dialled at all.
    pub dial: bool,
    /// Where servers may come to; empty for nowhere.
    pub listen: Addresses,
    /// Under which name or address servers find this machine; empty for its host name.
    pub host_name: String,
    /// Where to signals of presence are sent; empty for no signals.
    pub broadcast: Addresses,
    pub broadcast_delay: Span,
    /// Where signals of neighbours are heard; empty for not at all.
    pub collection: Addresses,
    /// Neighbours kept at once.
    pub collection_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            dial: true,
            listen: Addresses::default(),
            host_name: String::new(),
            broadcast: Addresses::default(),
            broadcast_delay: Span::from_secs(60),
            collection: Addresses::default(),
            collection_max: 1_000,
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{} cannot be read: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} cannot be written: {source}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{}, line {line}: {why}", .path.display())]
    Line { path: PathBuf, line: usize, why: String },
    #[error("{0}")]
    Setting(String),
    #[error(
        "this agent would neither dial a server nor listen for one; leave out `dial = no` \
         (`--no-dial`), or give it an address with `listen` (`--listen INET::1738`)"
    )]
    Unreachable,
}

impl Config {
    /// The names of all settings, as the file and answer files have them.
    pub const NAMES: [&str; 8] = [
        "servers",
        "dial",
        "listen",
        "host_name",
        "broadcast",
        "broadcast_delay",
        "collection",
        "collection_max",
    ];

    /// What the folder's file says; the standards where there is none.
    pub fn load(folder: &StateFolder) -> Result<Self, ConfigError> {
        let path = folder.file(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(ConfigError::Read { path, source }),
        };
        Self::parse(&text).map_err(|(line, why)| ConfigError::Line { path, line, why })
    }

    /// Writes the folder's file.
    pub fn store(&self, folder: &StateFolder) -> Result<(), ConfigError> {
        let path = folder.file(FILE);
        write_durable(&path, self.to_string().as_bytes())
            .map_err(|source| ConfigError::Write { path, source })
    }

    /// Reads the text of a file; what is wrong comes with its line.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut config = Self::default();
        let mut seen = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_start_matches('\u{feff}').trim();
            if line.is_empty() || line.starts_with('#') || line.starts_with(';') {
                continue;
            }
            let at = |why: String| (index + 1, why);
            let (name, value) =
                line.split_once('=').ok_or_else(|| at("a line is `name = value`".to_owned()))?;
            let name = name.trim().to_ascii_lowercase();
            if seen.contains(&name) {
                return Err(at(format!("`{name}` stands there twice")));
            }
            config.set(&name, value).map_err(at)?;
            seen.push(name);
        }
        Ok(config)
    }

    /// Changes one setting, named as in the file.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let value = value.trim();
        let addresses =
            || Addresses::parse(value, AGENT_PORT).map_err(|error| format!("`{name}`: {error}"));
        match name {
            "servers" => self.servers = servers(value)?,
            "dial" => self.dial = yes_or_no(name, value)?,
            "listen" => self.listen = addresses()?,
            "host_name" => {
                let is_host = value.is_empty() || Address::of(value, AGENT_PORT).is_some();
                if !is_host {
                    return Err(format!("`host_name`: `{value}` is no name of a host"));
                }
                value.clone_into(&mut self.host_name);
            }
            "broadcast" => {
                let all = addresses()?;
                if all.iter().any(|address| address.host().is_none()) {
                    return Err("`broadcast`: a signal needs a host or a broadcast address to go \
                                to, such as `INET:255.255.255.255:1738`"
                        .to_owned());
                }
                self.broadcast = all;
            }
            "broadcast_delay" => self.broadcast_delay = delay(value)?,
            "collection" => self.collection = addresses()?,
            "collection_max" => {
                let count = value.parse().ok().filter(|count| *count <= COLLECTION_MAX);
                self.collection_max = count.ok_or_else(|| {
                    format!("`collection_max`: `{value}` is no number up to {COLLECTION_MAX}")
                })?;
            }
            _ => {
                let known = Self::NAMES.join(", ");
                return Err(format!("`{name}` is no setting of an agent; there are {known}"));
            }
        }
        Ok(())
    }

    /// What the server is told beside the facts of the machine: where it finds this agent.
    pub(crate) fn told(&self) -> Facts {
        let mut told = Facts::new();
        if let Some(first) = self.listen.iter().next() {
            told.insert("agent_port".to_owned(), first.port().to_string());
            let host = Some(self.host_name.as_str()).filter(|name| !name.is_empty());
            if let Some(host) = host.or(first.host()) {
                told.insert("agent_host".to_owned(), host.to_owned());
            }
        }
        told
    }

    /// Refuses settings with which no server could ever be met.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.dial || !self.listen.is_empty() { Ok(()) } else { Err(ConfigError::Unreachable) }
    }
}

impl std::fmt::Display for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let standard = Self::default();
        let mut text = String::from("# How this agent reaches servers and is reached.\n");
        let mut put = |name: &str, value: String, is_standard: bool| {
            if !is_standard {
                let _cannot_fail = writeln!(text, "{name} = {value}");
            }
        };
        let dial = if self.dial { "yes" } else { "no" };
        put("servers", self.servers.join("; "), self.servers.is_empty());
        put("dial", dial.to_owned(), self.dial);
        put("listen", self.listen.to_string(), self.listen.is_empty());
        put("host_name", self.host_name.clone(), self.host_name.is_empty());
        put("broadcast", self.broadcast.to_string(), self.broadcast.is_empty());
        let delay = self.broadcast_delay;
        put("broadcast_delay", delay.to_string(), delay == standard.broadcast_delay);
        put("collection", self.collection.to_string(), self.collection.is_empty());
        let max = self.collection_max;
        put("collection_max", max.to_string(), max == standard.collection_max);
        f.write_str(&text)
    }
}

fn servers(value: &str) -> Result<Vec<String>, String> {
    let all = Addresses::parse(&value.replace(',', ";"), SERVER_PORT)
        .map_err(|error| format!("`servers`: {error}"))?;
    if all.iter().any(|address| address.host().is_none()) {
        return Err("`servers`: a server to be dialled has a host".to_owned());
    }
    Ok(all.iter().map(Address::socket).collect())
}

fn yes_or_no(name: &str, value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" | "on" => Ok(true),
        "no" | "false" | "0" | "off" => Ok(false),
        _ => Err(format!("`{name}`: `{value}` is neither `yes` nor `no`")),
    }
}

/// A length of time; a bare number counts seconds, as in DA's files.
fn delay(value: &str) -> Result<Span, String> {
    let read = match value.parse::<u64>() {
        Ok(seconds) => Ok(Span::from_secs(seconds)),
        Err(_) => value.parse::<Span>().map_err(|error| format!("`broadcast_delay`: {error}")),
    };
    read.map(|delay| delay.max(BROADCAST_DELAY_MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_written_the_same() {
        let text = "\u{feff}# of this site\nServers = deploy.example, 10.0.0.5:99\n\ndial=no\n\
            listen = INET::1740; inet:[::1]:1741\nhost_name = pc-17\n\
            broadcast = INET:255.255.255.255:1738\nbroadcast_delay = 90\n\
            collection = INET::1738\ncollection_max = 7\n";
        let config = Config::parse(text).expect("a file");
        assert_eq!(config.servers, ["deploy.example:1739", "10.0.0.5:99"]);
        assert_eq!(config.broadcast_delay, Span::from_secs(90));
        assert!(!config.dial && config.collection_max == 7);
        assert_eq!(config.listen.iter().count(), 2);
        assert_eq!(Config::parse(&config.to_string()), Ok(config));
        assert_eq!(Config::parse(""), Ok(Config::default()));
        assert_eq!(Config::parse(&Config::default().to_string()), Ok(Config::default()));
    }

    #[test]
    fn what_is_wrong_comes_with_its_line() {
        for (text, line, part) in [
            ("listen INET::1", 1, "name = value"),
            ("\nlisten = a b", 2, "no address"),
            ("dial = maybe", 1, "neither"),
            ("colour = red", 1, "collection_max"),
            ("dial = no\n\ndial = no", 3, "twice"),
            ("broadcast = INET::1738", 1, "255.255.255.255"),
            ("servers = :1739", 1, "has a host"),
            ("broadcast_delay = soon", 1, "length of time"),
            ("collection_max = 1000000", 1, "10000"),
            ("host_name = a b", 1, "no name of a host"),
        ] {
            let (at, why) = Config::parse(text).expect_err(text);
            assert!(at == line && why.contains(part), "{text:?}: {at} {why}");
        }
    }

    #[test]
    fn an_agent_that_nobody_could_reach_is_refused() {
        let mut config = Config::parse("dial = no").expect("a file");
        assert!(config.check().is_err());
        config.set("listen", "INET::1738").expect("an address");
        assert!(config.check().is_ok());
    }
}
