//! The record of an application that is on a machine: one for each application and part.
//!
//! Written by whoever carries a plan out, once its changes are made. Invariant: every prior in it
//! is [`Prior::Absent`], [`Prior::Same`] or [`Prior::Kept`]; a number of a change has no meaning
//! after its plan.

mod codec;

use model::{ApplicationId, Digest, Timestamp};

use crate::plan::{Kept, Owned, Part, Plan, Prior, Thing};

#[derive(Debug, Clone, PartialEq)]
pub struct Installed {
    pub application: ApplicationId,
    /// For people.
    pub name: String,
    pub version: u16,
    pub part: Part,
    /// Of the last change of this record.
    pub at: Timestamp,
    /// Prompted macros as they were answered.
    pub answers: Vec<(String, String)>,
    /// Paths are unique among files and removed files.
    pub owns: Vec<Owned>,
}

/// A change that a plan needs the prior content of was not among those that were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what change {0} replaced was not kept")]
pub struct NotKept(pub usize);

impl Installed {
    /// What is on record once a plan has been carried out; `kept` has, by the number of the change,
    /// what it replaced.
    pub fn after(
        plan: &Plan,
        name: &str,
        kept: &[(usize, Kept)],
        at: Timestamp,
    ) -> Result<Self, NotKept> {
        let find = |number: usize| {
            let found = kept.iter().find(|(change, _)| *change == number);
            found.map(|(_, kept)| kept.clone()).ok_or(NotKept(number))
        };
        let mut owns = plan.owns.clone();
        for prior in owns.iter_mut().filter_map(|owned| owned.thing.prior_mut()) {
            if let Prior::Change(number) = prior {
                *prior = Prior::Kept(find(*number)?);
            }
        }
        Ok(Self {
            application: plan.application,
            name: name.to_owned(),
            version: plan.version,
            part: plan.part.clone(),
            at,
            answers: plan.answers.clone(),
            owns,
        })
    }

    /// Prior contents that must be kept as long as this record stands.
    pub fn kept(&self) -> impl Iterator<Item = Digest> {
        self.owns.iter().filter_map(|owned| match owned.thing.prior() {
            Some(Prior::Kept(kept)) => Some(kept.digest),
            _ => None,
        })
    }

    pub fn is_of(&self, application: ApplicationId, part: &Part) -> bool {
        self.application == application && self.part == *part
    }
}

impl Thing {
    fn prior(&self) -> Option<&Prior> {
        match self {
            Self::File { prior, .. }
            | Self::Removed { prior, .. }
            | Self::IniFile { prior, .. }
            | Self::Text { prior, .. } => Some(prior),
            _ => None,
        }
    }

    /// What a file was before, in things that are files.
    pub fn prior_mut(&mut self) -> Option<&mut Prior> {
        match self {
            Self::File { prior, .. }
            | Self::Removed { prior, .. }
            | Self::IniFile { prior, .. }
            | Self::Text { prior, .. } => Some(prior),
            _ => None,
        }
    }
}
