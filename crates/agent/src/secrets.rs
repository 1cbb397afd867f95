//! The secrets that came with a run, sealed to this agent.
//!
//! They lie on disk as they came. What is opened is overwritten when dropped, and goes neither into
//! reports nor into what is logged.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::RunId;
use trust::SealingKey;
use zeroize::Zeroizing;

/// Secrets of one run by name.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    /// None where no server can have sealed any.
    opener: Option<(RunId, Arc<SealingKey>)>,
    sealed: BTreeMap<String, Vec<u8>>,
}

/// Why a secret cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoSecret {
    #[error("the secret `{0}` did not come with the run; the server's events say why")]
    NotGiven(String),
    #[error("the secret `{name}`: {why}")]
    Closed { name: String, why: trust::CannotOpen },
}

impl Secrets {
    pub(crate) fn sealed(
        run: RunId,
        key: Arc<SealingKey>,
        sealed: BTreeMap<String, Vec<u8>>,
    ) -> Self {
        Self { opener: Some((run, key)), sealed }
    }

    /// Opens the secret of that name.
    pub(crate) fn open(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, NoSecret> {
        let not_given = || NoSecret::NotGiven(name.to_owned());
        let (run, key) = self.opener.as_ref().ok_or_else(not_given)?;
        let sealed = self.sealed.get(name).ok_or_else(not_given)?;
        let closed = |why| NoSecret::Closed { name: name.to_owned(), why };
        key.open(*run, name, sealed).map_err(closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_to_this_agent_for_the_run_opens() {
        let key = Arc::new(SealingKey::from_seed(&[1; 32]));
        let run = |number| RunId::from_bytes([number; 16]);
        let seal = |name: &str| key.public().seal(&[2; 32], run(1), name, b"hunter2").unwrap();
        let came: BTreeMap<_, _> = [("bob", seal("bob")), ("eve", seal("bob"))]
            .map(|(name, sealed)| (name.to_owned(), sealed))
            .into();
        let secrets = Secrets::sealed(run(1), key.clone(), came.clone());
        assert_eq!(secrets.open("bob").unwrap().as_slice(), b"hunter2");
        assert!(matches!(secrets.open("eve"), Err(NoSecret::Closed { .. })));
        assert!(matches!(secrets.open("ann"), Err(NoSecret::NotGiven(_))));
        let other = Secrets::sealed(run(2), key, came);
        assert!(matches!(other.open("bob"), Err(NoSecret::Closed { .. })));
        assert!(matches!(Secrets::default().open("bob"), Err(NoSecret::NotGiven(_))));
    }
}
