//! The secrets that came with a run, sealed to this agent.

use std::collections::BTreeMap;

/// Secrets of one run by name, as they came.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    sealed: BTreeMap<String, Vec<u8>>,
}

impl Secrets {
    pub(crate) fn sealed(sealed: BTreeMap<String, Vec<u8>>) -> Self {
        Self { sealed }
    }

    /// Whether the run came with a secret of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.sealed.contains_key(name)
    }
}
