//! The deployment's keys and the trust documents that name them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Keys {
    /// Number of the newest trust document.
    pub document: u64,
    /// What that names, the key that signs first.
    pub keys: Vec<Key>,
    /// Every document, oldest first.
    pub documents: Vec<TrustDocument>,
    /// Agents that do not have the newest one, the first thousand.
    pub behind: Vec<LaggingAgent>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Key {
    pub fingerprint: String,
    pub id: String,
    /// `root`, `server`, `warrant`, `operator`, `release`.
    pub roles: Vec<String>,
    /// When its last role ends, if all do.
    pub until: Option<i64>,
    /// Signs what the server signs.
    pub is_current: bool,
    /// Its secret is in the server's data folder.
    pub is_here: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrustDocument {
    pub number: u64,
    pub made_at: i64,
    /// How many agents have it as their newest.
    pub agents: u64,
    /// The signed document, in hex digits.
    pub signed: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LaggingAgent {
    pub computer: String,
    /// The number of the one it has; 0 while that is not known.
    pub document: u64,
    pub is_online: bool,
    pub last_seen: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyRotation {
    /// How long the former key is good besides, in seconds.
    pub overlap_s: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyRevocation {
    /// Fingerprint or id.
    pub key: String,
}

/// A trust document that is to follow, and its signatures so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedDocument {
    /// In hex digits.
    pub signed: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeysChanged {
    pub document: u64,
    /// Fingerprint of the key that signs from now on.
    pub current: String,
    /// Fingerprints of keys that count for nothing any more.
    pub gone: Vec<String>,
    pub keys: Keys,
}
