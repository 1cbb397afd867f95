//! Computers, agents, tokens, servers, events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Computer {
    pub id: String,
    pub name: String,
    pub host_name: String,
    /// `linux`, `windows` or empty while unknown.
    pub os: String,
    /// The group it is in, by name.
    pub parent: Option<String>,
    pub is_group: bool,
    pub facts: BTreeMap<String, String>,
    pub agent: Option<Agent>,
    pub created_by: String,
    pub created_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Agent {
    pub computer: String,
    pub name: String,
    pub version: String,
    pub protocol: u32,
    pub capabilities: Vec<String>,
    /// Fingerprint of its signing key.
    pub key: String,
    /// `pending`, `enrolled`, `revoked`.
    pub state: String,
    pub is_online: bool,
    pub address: String,
    pub first_seen: i64,
    pub last_seen: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewComputer {
    pub name: String,
    #[serde(default)]
    pub host_name: String,
    #[serde(default)]
    pub parent: Option<String>,
    #[serde(default)]
    pub is_group: bool,
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
}

/// Whose agent is to be called: a computer by name or id, else an address of any machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Call {
    /// `pc-17`, or `INET:host:port` where a machine waits to be enrolled.
    pub whom: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Called {
    /// The address that answered; none where the agent was connected already.
    pub address: Option<String>,
}

/// How a computer shall be woken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Wake {
    /// The physical address; that on record where it is not given.
    #[serde(default)]
    pub address: Option<String>,
    /// `any`, `server` or `neighbour`.
    #[serde(default)]
    pub through: Option<String>,
    #[serde(default)]
    pub port: Option<u16>,
    /// How long it is waited for, in seconds.
    #[serde(default)]
    pub within_s: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Woken {
    /// It was connected, or could be, before anything was sent.
    pub was_awake: bool,
    /// How long it took to show itself.
    pub seconds: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    pub uses: u32,
    /// How long it can be used, in seconds.
    pub valid_s: u64,
    #[serde(default)]
    pub note: String,
}

/// The one time that a token's text is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenMade {
    pub token: Token,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    pub id: String,
    pub note: String,
    pub uses_left: u32,
    pub expires_at: i64,
    pub revoked: bool,
    pub created_by: String,
    pub created_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Server {
    pub id: String,
    pub name: String,
    pub version: String,
    pub depot: String,
    pub agent_listen: String,
    pub api_listen: String,
    pub max_targets: u32,
    pub is_default: bool,
    /// Where signals of presence are listened to: `INET::1738; …`.
    pub detection: String,
    pub signals: Signals,
    pub agents_connected: usize,
    pub slots_used: usize,
    pub key_fingerprint: String,
    pub started_at: i64,
}

/// What became of the signals of presence since the server started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Signals {
    pub believed: u64,
    /// Of no agent that is trusted here.
    pub unknown: u64,
    /// Not signed by the agent that they name.
    pub forged: u64,
    /// Heard before, or too old to be told from a recording.
    pub stale: u64,
    /// Too many at once to be looked at.
    pub limited: u64,
}

/// What can be changed while the server runs; absent means as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerSettings {
    #[serde(default)]
    pub max_targets: Option<u32>,
    #[serde(default)]
    pub name: Option<String>,
    /// Where signals of presence are listened to, as in `INET::1738; INET::1742`; empty for
    /// nowhere.
    #[serde(default)]
    pub detection: Option<String>,
}

/// A line of the log of events: who did what, what was refused and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    pub seq: u64,
    pub at: i64,
    pub kind: String,
    pub computer: Option<String>,
    pub deployment: Option<String>,
    pub run: Option<String>,
    pub who: String,
    pub text: String,
}
