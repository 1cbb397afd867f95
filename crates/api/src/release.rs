//! Releases of the agent, and their way to the fleet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the line that installs an agent needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Installer {
    /// `host:port` under which machines reach the server.
    pub servers: Vec<String>,
    /// SHA-256 of the public key that installers are shown, in base64.
    pub key_pin: String,
    /// SHA-256 of its certificate, in hex.
    pub certificate_pin: String,
    /// SHA-256 of the script for Windows, in hex.
    pub windows_script: String,
    /// For which an agent can be fetched.
    pub platforms: Vec<String>,
}

/// A program that the server has taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Program {
    /// Plain BLAKE3 in hex.
    pub digest: String,
    pub size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewRelease {
    pub version: String,
    /// Hashes of programs that the server has, by platform as `linux-x86_64`.
    pub programs: BTreeMap<String, String>,
    /// The release signed elsewhere, in hex; else the server signs it with the deployment key.
    #[serde(default)]
    pub signed: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Release {
    pub version: String,
    pub made_at: i64,
    pub programs: BTreeMap<String, Program>,
    /// Ids of the keys that signed it.
    pub signed_by: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewUpdate {
    pub version: String,
    /// Shares of the fleet in percent, growing; the rest follows them.
    #[serde(default)]
    pub waves: Vec<u8>,
    /// How long a machine may take to come back, in seconds.
    pub within_s: u64,
    /// So many percent of the machines asked so far may fail.
    pub failures_max: u8,
    /// Names or ids; all enrolled agents when empty.
    #[serde(default)]
    pub computers: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Update {
    pub id: String,
    pub version: String,
    /// `running`, `halted`, `done`.
    pub standing: String,
    /// From 1.
    pub wave: usize,
    pub waves: Vec<u8>,
    pub within_s: u64,
    pub failures_max: u8,
    /// Why it was halted.
    pub why: Option<String>,
    pub begun_at: i64,
    pub begun_by: String,
    pub machines: Vec<UpdateMachine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UpdateMachine {
    pub computer: String,
    pub name: String,
    /// `waiting`, `offered`, `staged`, `done`, `failed`.
    pub state: String,
    pub why: Option<String>,
}
