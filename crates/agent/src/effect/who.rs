//! Who an activity is carried out as.

use machine::Identity;
use machine::identity::{IdentityError, own_user, resolve};
use workflow::{Event, Report, RunAs};
use zeroize::Zeroizing;

use super::sentence;
use crate::secrets::{NoSecret, Secrets};

/// Why nobody could be found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoIdentity {
    #[error(transparent)]
    Secret(#[from] NoSecret),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("branches that act as different users meet here; put an Impersonate before this")]
    Nobody,
    #[error("the agent failed while it looked for the user: {0}")]
    Agent(String),
}

/// The agent itself, or the user whom the run's branch acts as.
#[derive(Clone, Default)]
pub(super) struct Who {
    run_as: Option<RunAs>,
    secrets: Secrets,
}

impl Who {
    pub(super) fn new(run_as: Option<RunAs>, secrets: Secrets) -> Self {
        Self { run_as, secrets }
    }

    /// Finds and verifies the user anew: a password may have changed since, or the user be gone.
    /// Blocks; nobody means the agent itself.
    pub(super) fn resolve(&self) -> Result<Option<Identity>, NoIdentity> {
        let Some(run_as) = &self.run_as else { return Ok(None) };
        if run_as.is_nobody() {
            return Err(NoIdentity::Nobody);
        }
        let password: Option<Zeroizing<Vec<u8>>> =
            run_as.secret.as_ref().map(|name| self.secrets.open(name)).transpose()?;
        let password = password.as_ref().map(|password| password.as_slice());
        Ok(Some(resolve(&run_as.user, &run_as.domain, password)?))
    }

    /// The same without holding up others.
    pub(super) async fn find(self) -> Result<Option<Identity>, NoIdentity> {
        let found = tokio::task::spawn_blocking(move || self.resolve()).await;
        found.map_err(|error| NoIdentity::Agent(error.to_string()))?
    }
}

/// Impersonate: who later activities act as. Nothing is kept but the name.
pub(super) async fn impersonate(user: Option<RunAs>, secrets: Secrets) -> Report {
    let found = Who::new(user, secrets).find().await;
    let (user, domain) = match found {
        Ok(Some(identity)) => (identity.user().to_owned(), identity.domain().to_owned()),
        Ok(None) => own_user(),
        Err(error) => return Report::error(sentence(&error)),
    };
    let mut report = Report::of(Event::Ok);
    report.outputs.extend([("user".to_owned(), user), ("domain".to_owned(), domain)]);
    report
}
