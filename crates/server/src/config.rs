//! What a server is started with.

use std::net::SocketAddr;
use std::path::PathBuf;

use model::Addresses;

use crate::reload::{LogFilter, Source};

/// Where agents find the server unless told otherwise.
pub const AGENT_PORT: u16 = 1739;
/// Where people and programs find it.
pub const API_PORT: u16 = 1741;
/// Runs in progress at once, unless told otherwise.
pub const MAX_TARGETS: u32 = 1_000;

#[derive(Debug, Clone)]
pub struct Config {
    /// Keys, database, logs, objects; made with access for its owner alone.
    pub data_dir: PathBuf,
    /// The depot's folder; `depot` in the data folder when not given.
    pub depot: Option<PathBuf>,
    /// Port 0 takes any free one.
    pub agent_listen: SocketAddr,
    pub api_listen: SocketAddr,
    /// Lets the API listen beyond this machine in the clear.
    pub api_insecure: bool,
    /// The server's name; its host's name when not given.
    pub name: Option<String>,
    /// `host:port` under which agents reach it, in order; guessed when empty.
    pub presence: Vec<String>,
    /// Where signals of presence are listened to; what was set before, when not given.
    pub detection: Option<Addresses>,
    /// Runs in progress at once; what the database says, when not given.
    pub max_targets: Option<u32>,
    /// Write what listings are read from anew, out of the journals.
    pub rebuild: bool,
    /// Changes what this process logs, where that can be done.
    pub log_filter: Option<LogFilter>,
    /// Where these settings come from, for reading them again.
    pub source: Source,
}

impl Config {
    /// A server in this folder, on the usual ports.
    pub fn new(data_dir: PathBuf) -> Self {
        Self {
            data_dir,
            depot: None,
            agent_listen: SocketAddr::from(([0, 0, 0, 0], AGENT_PORT)),
            api_listen: SocketAddr::from(([127, 0, 0, 1], API_PORT)),
            api_insecure: false,
            name: None,
            presence: Vec::new(),
            detection: None,
            max_targets: None,
            rebuild: false,
            log_filter: None,
            source: Source::default(),
        }
    }

    /// A server for tests and demonstrations: this machine only, any free ports.
    pub fn local(data_dir: PathBuf) -> Self {
        Self {
            agent_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            api_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            detection: Some(Addresses::default()),
            ..Self::new(data_dir)
        }
    }
}
