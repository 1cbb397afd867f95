//! Server records, and how a running server is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerRecord {
    pub id: String,
    pub name: String,
    /// The computer of record that it runs on, by name.
    pub computer: Option<String>,
    pub depot: String,
    /// `host:port` under which agents reach it, in this order.
    pub presence: Vec<String>,
    pub agent_listen: String,
    pub api_listen: String,
    /// Runs in progress at once.
    pub max_targets: u32,
    pub is_default: bool,
    /// It is the one that answers.
    pub is_this: bool,
    pub is_running: bool,
    pub created_at: i64,
}

/// What is to be changed of a record; absent means as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerChange {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub presence: Option<Vec<String>>,
    #[serde(default)]
    pub max_targets: Option<u32>,
    #[serde(default)]
    pub depot: Option<String>,
    #[serde(default)]
    pub is_default: Option<bool>,
}

/// How a running server is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServerStatus {
    pub name: String,
    pub version: String,
    pub pid: u32,
    pub started_at: i64,
    pub uptime_s: u64,
    /// Where signals of presence are heard: `INET::1738; …`.
    pub detection: String,
    pub signals: crate::Signals,
    pub agents_connected: usize,
    pub agents_enrolled: usize,
    pub runs_in_progress: u64,
    pub runs_waiting: u64,
    /// Of the runs that may be in progress at once.
    pub slots_used: usize,
    pub slots: usize,
    pub deployments_open: u64,
    pub database_bytes: u64,
    /// Transactions of the core since the start, how long the last took, and the longest.
    pub commits: u64,
    pub commit_ms: f64,
    pub commit_ms_max: f64,
    /// Records of journals since the start, and in a second, over the last ten.
    pub records: u64,
    pub records_per_second: f64,
    pub depot_files: u64,
    pub depot_bytes: u64,
    /// Pinned objects.
    pub objects: u64,
    pub objects_bytes: u64,
    pub disk_free_bytes: Option<u64>,
    pub memory_bytes: Option<u64>,
    /// Open connections of agents, those for content included.
    pub connections: usize,
    pub handshakes_refused: u64,
    pub trust_document: u64,
    pub log_filter: Option<String>,
    /// The last ones, newest last.
    pub errors: Vec<LoggedError>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoggedError {
    pub at: i64,
    pub text: String,
}

/// Keys of the settings file, by what became of their change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reloaded {
    pub file: String,
    pub applied: Vec<String>,
    pub needs_restart: Vec<String>,
    /// Decided by the command line that the server was started with.
    pub fixed: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refreshed {
    /// What was done, in words.
    pub done: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogSettings {
    /// Such as `info` or `warn,server::gateway=debug`.
    pub filter: String,
}
