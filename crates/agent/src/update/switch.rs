//! Which version is in use: decisions without clock and processes, so that each can be tested.

use std::io;
use std::path::Path;

use model::Digest;
use serde::{Deserialize, Serialize};

use crate::state::write_durable;

/// A trial may be cut short by the machine so often: each start gets the whole time anew.
const STARTS_MAX: u32 = 3;

/// A version that lies ready, and the offer it came with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Staged {
    /// The offer, so that its end can be told.
    pub update: String,
    pub version: String,
    /// BLAKE3 of the program, in hex.
    pub digest: String,
    pub within_ms: u64,
}

impl Staged {
    pub(crate) fn place(&self) -> String {
        super::place(&self.version, &self.digest)
    }
}

/// A version that came back once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Current {
    version: String,
    digest: String,
    /// The version that was installed then. Another one there since was put there by a person or
    /// a package, and counts more.
    installed: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Trial {
    of: Staged,
    starts: u32,
}

/// How an offer ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub update: String,
    pub version: String,
    /// Why the version before it is in use again; nothing when it came back.
    pub failed: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Switch {
    current: Option<Current>,
    trial: Option<Trial>,
    pub last: Option<Ended>,
}

/// What is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// The installed program.
    Installed,
    Current {
        place: String,
        digest: Option<Digest>,
    },
    Trial(Staged),
}

impl Switch {
    /// What stands there; a file that cannot be read counts as none, for then the installed program
    /// is the one to be trusted.
    pub(crate) fn load(state: &Path) -> Self {
        let path = super::folder(state).join("switch.json");
        let read = std::fs::read(&path).ok().map(|bytes| serde_json::from_slice(&bytes));
        match read {
            Some(Ok(switch)) => switch,
            Some(Err(error)) => {
                tracing::error!("{} is damaged and counts as new: {error}", path.display());
                Self::default()
            }
            None => Self::default(),
        }
    }

    pub(crate) fn store(&self, state: &Path) -> io::Result<()> {
        let folder = super::folder(state);
        std::fs::create_dir_all(&folder)?;
        let bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        write_durable(&folder.join("switch.json"), &bytes)
    }

    /// The offer on trial.
    pub(crate) fn on_trial(&self) -> Option<&Staged> {
        self.trial.as_ref().map(|trial| &trial.of)
    }

    /// A version lies ready.
    pub(crate) fn stage(&mut self, staged: Staged) {
        self.trial = Some(Trial { of: staged, starts: 0 });
    }

    /// Decides what to start, to be stored before it is started.
    pub(crate) fn begin(&mut self, installed: &str) -> Start {
        if let Some(trial) = &mut self.trial {
            trial.starts += 1;
            if trial.starts <= STARTS_MAX {
                return Start::Trial(trial.of.clone());
            }
            self.fail(format!("it was started {STARTS_MAX} times and never came back"));
        }
        self.current.take_if(|current| current.installed != installed);
        match &self.current {
            Some(Current { version, digest, .. }) => {
                Start::Current { place: super::place(version, digest), digest: digest.parse().ok() }
            }
            None => Start::Installed,
        }
    }

    /// The version on trial has come back and is in use from now on.
    pub(crate) fn confirm(&mut self, installed: &str) {
        if let Some(Trial { of, .. }) = self.trial.take() {
            let Staged { update, version, digest, .. } = of;
            let installed = installed.to_owned();
            self.current = Some(Current { version: version.clone(), digest, installed });
            self.last = Some(Ended { update, version, failed: None });
        }
    }

    /// The version on trial is not asked again.
    pub(crate) fn fail(&mut self, why: String) {
        if let Some(Trial { of, .. }) = self.trial.take() {
            self.last = Some(Ended { update: of.update, version: of.version, failed: Some(why) });
        }
    }

    /// The program in use is damaged on disk; the installed one remains.
    pub(crate) fn drop_current(&mut self) {
        self.current = None;
    }

    /// Whether the folder of a version is still needed.
    pub(crate) fn needs(&self, place: &str) -> bool {
        let current = self.current.as_ref().map(|it| super::place(&it.version, &it.digest));
        let trial = self.trial.as_ref().map(|it| it.of.place());
        [current, trial].iter().flatten().any(|needed| needed == place)
    }

    /// The program in use, unless it is the installed one.
    pub(crate) fn current_digest(&self) -> Option<&str> {
        self.current.as_ref().map(|current| current.digest.as_str())
    }
}
