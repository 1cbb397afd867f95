//! How computers without agent are reached over SSH.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A log-in. Passwords and passphrases are names of secrets, never the secrets themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SshLogin {
    pub user: String,
    /// A name or an address.
    pub host: String,
    #[serde(default = "port")]
    pub port: u16,
    /// A private key in a file on the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
    /// A private key that is kept as a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_secret: Option<String>,
    /// The secret that opens the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_secret: Option<String>,
    /// The secret that is the user's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret: Option<String>,
}

/// How one computer is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SshWay {
    pub login: SshLogin,
    /// Through these, in order; each is logged in to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jumps: Vec<SshLogin>,
    /// `sudo`, `doas`, or nothing: the agent does what root may, or what the user may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub become_with: Option<String>,
    /// The secret that `sudo` asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub become_secret: Option<String>,
    /// Keep the program on the computer for the next time.
    #[serde(default)]
    pub keep: bool,
}

fn port() -> u16 {
    22
}

/// What the server may do over SSH at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SshPolicy {
    /// Whether computers may be reached over SSH.
    pub allowed: bool,
    /// Patterns with `*` of users that may be logged in as; empty for any.
    #[serde(default)]
    pub users: Vec<String>,
    /// Patterns with `*` of hosts that may be reached, jump hosts too; empty for any.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// `strict`: only hosts whose keys were trusted before. `accept-new`: the first key that a host
    /// shows is trusted. One that has changed is refused in either case.
    pub known_hosts: String,
    /// How long a connection is kept without work, in seconds.
    pub idle_s: u64,
}

impl Default for SshPolicy {
    fn default() -> Self {
        Self {
            allowed: true,
            users: Vec::new(),
            hosts: Vec::new(),
            known_hosts: "strict".to_owned(),
            idle_s: 60,
        }
    }
}

/// A host's key to be trusted; the server asks the host for it where none is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SshTrust {
    pub host: String,
    #[serde(default = "port")]
    pub port: u16,
    /// As in `known_hosts` or a `.pub` file: `ssh-ed25519 AAAA…`.
    #[serde(default)]
    pub key: Option<String>,
    /// Take the place of another key of that host.
    #[serde(default)]
    pub replace: bool,
}

/// A host's key that is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SshTrusted {
    pub host: String,
    pub port: u16,
    /// `ssh-ed25519 …`
    pub key: String,
    /// `SHA256:…`
    pub fingerprint: String,
}

/// What answered at the other end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SshTested {
    /// Of the agent that was started there.
    pub version: String,
    pub facts: std::collections::BTreeMap<String, String>,
    pub millis: u64,
}
