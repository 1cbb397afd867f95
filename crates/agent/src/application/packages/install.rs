//! Installing one package, and whether what is here then is what was wanted.

use std::fmt;

use application::packages::Format;
use machine::Identity;

use super::{Installer, Line, PackageError, PackageStep, ScriptError, ask};
use crate::application::carry_out::Hands;
use crate::application::event::Event;

/// How a package gets here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    pub(super) line: Line,
    /// Has the tool look anew at what there is to be had; of those that keep lists of it.
    pub(super) refresh: Option<Line>,
    /// That version or a later one.
    pub(super) least: Option<String>,
}

impl fmt::Display for Install {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.line.fmt(f)
    }
}

impl PackageStep {
    /// What the machine knows of its sources may be old, so it is tried twice before it has failed.
    /// Answers why a restart is needed.
    pub(super) async fn install(
        &self,
        install: &Install,
        identity: Option<&Identity>,
        hands: &mut Hands<'_>,
    ) -> Result<Option<String>, PackageError> {
        let ran = self.install_once(install, identity, hands).await;
        let Some(refresh) = &install.refresh else { return ran };
        let error = match ran {
            Err(PackageError::Run { source: ScriptError::Interrupted, .. }) | Ok(_) => return ran,
            Err(error) => error,
        };
        let note = format!("{error}; it is tried again with what its sources have by now");
        (hands.tell)(Event::Note(note));
        // One source that cannot be reached does not spoil the others.
        if let Err(error) = self.run(refresh, "looked for anew", identity, hands).await {
            (hands.tell)(Event::Note(error.to_string()));
        }
        self.install_once(install, identity, hands).await
    }

    async fn install_once(
        &self,
        install: &Install,
        identity: Option<&Identity>,
        hands: &mut Hands<'_>,
    ) -> Result<Option<String>, PackageError> {
        let restart = self.run(&install.line, "installed", identity, hands).await?;
        let format = match self.installer {
            Installer::Msi => return Ok(restart),
            Installer::Deb => Format::Deb,
            Installer::Rpm => Format::Rpm,
        };
        let here = ask::version(self.installer, &self.name, self.root.as_deref()).await?;
        let is_enough = match (&here, &install.least) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(here), Some(least)) => format.compare(here, least).is_ge(),
        };
        if is_enough {
            return Ok(restart);
        }
        Err(PackageError::Short {
            name: self.name.clone(),
            here: here.unwrap_or_else(|| "absent".to_owned()),
            least: install.least.clone().unwrap_or_else(|| "some version".to_owned()),
        })
    }
}
