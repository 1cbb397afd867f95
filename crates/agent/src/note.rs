//! The small file that says whether the agent is connected, for `status`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::clock::now;
use crate::state::write_whole;

/// How it stands with the link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LinkNote {
    pub connected: bool,
    /// The server spoken to, or spoken to last.
    pub server: Option<String>,
    /// Since when, in milliseconds since 1970.
    pub since_ms: i64,
    /// Why there is no connection.
    pub error: Option<String>,
}

impl LinkNote {
    pub(crate) fn connected(server: String) -> Self {
        let since_ms = now().as_millis();
        Self { connected: true, server: Some(server), since_ms, error: None }
    }

    pub(crate) fn away(server: Option<String>, error: String) -> Self {
        let since_ms = now().as_millis();
        Self { connected: false, server, since_ms, error: Some(error) }
    }

    pub(crate) fn write(&self, path: &Path) {
        let text = serde_json::to_vec(self).unwrap_or_default();
        if let Err(error) = write_whole(path, &text) {
            tracing::debug!("{} cannot be written: {error}", path.display());
        }
    }

    pub(crate) fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }
}
