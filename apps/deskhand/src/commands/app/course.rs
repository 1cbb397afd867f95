//! The steps that a file leads to, in their order: what it supersedes goes, what it needs comes
//! first, the machine's part of each before its users' parts.

use std::collections::BTreeSet;

use agent::application::{
    Answers, Considered, Driver, Member, Offered, Order, Reason, Step, StepError, in_order,
};
use anyhow::Result;
use application::Part;
use machine::survey::{Digests, FolderSource};
use model::ApplicationId;

use super::here::{Loaded, Wishes, sentence};
use crate::trouble::Trouble;

/// One part of one application, not yet looked at.
pub enum Entry {
    Distribute {
        at: usize,
        part: Part,
        reason: Reason,
        may_fail: bool,
        needs: Vec<ApplicationId>,
    },
    /// By another one that takes its place.
    Uninstall {
        id: ApplicationId,
        part: Part,
    },
}

/// What a file leads to.
pub struct Course<'c> {
    pub loaded: &'c [Loaded],
    pub entries: Vec<Entry>,
    force: bool,
}

impl<'c> Course<'c> {
    pub fn of(driver: &Driver, loaded: &'c [Loaded], wishes: &Wishes) -> Result<Self> {
        let offered: Vec<Offered<'_>> = loaded
            .iter()
            .enumerate()
            .map(|(at, one)| Offered { application: &one.document.application, at })
            .collect();
        let members = in_order(&offered, driver.records()).map_err(|error| {
            Trouble::new("DH-U006", error.to_string(), "or distribute what it needs first")
        })?;
        let mut entries = Vec::new();
        for member in members {
            let Some(one) = loaded.get(member.at) else { continue };
            for gone in &one.document.application.supersedes {
                let parts = driver.records().iter().filter(|record| record.id() == *gone).rev();
                entries.extend(parts.map(|record| Entry::Uninstall {
                    id: *gone,
                    part: record.installed.part.clone(),
                }));
            }
            for part in wishes.parts(driver.place().root().is_some()) {
                let Member { at, reason, may_fail, ref needs } = member;
                let needs = needs.clone();
                entries.push(Entry::Distribute { at, part, reason, may_fail, needs });
            }
        }
        Ok(Self { loaded, entries, force: wishes.is_forced() })
    }

    /// Looks at one of them as the machine is now.
    pub fn consider(
        &self,
        driver: &Driver,
        entry: &Entry,
        answers: &Answers,
    ) -> Result<Considered> {
        match entry {
            Entry::Distribute { at, part, reason, .. } => {
                let one = &self.loaded[*at];
                let digests = driver.digests();
                let source = FolderSource::new(&one.source, &*digests);
                let force = self.force && *reason == Reason::Asked;
                let (document, reason) = (&one.document, *reason);
                let order = Order { document, source: &source, part, reason, force, answers };
                driver.consider(&order).map_err(|error| trouble(&error))
            }
            Entry::Uninstall { id, part } => {
                let Some(record) = driver.record(*id, part) else {
                    return Ok(Considered::Gone);
                };
                let step = driver.uninstall(record, true).map_err(|error| trouble(&error))?;
                Ok(Considered::Step(Box::new(step)))
            }
        }
    }

    /// What failed before, if this entry cannot do without.
    pub fn lacks(&self, entry: &Entry, failed: &BTreeSet<ApplicationId>) -> Option<String> {
        let Entry::Distribute { needs, .. } = entry else { return None };
        let id = needs.iter().find(|id| failed.contains(id))?;
        let is_it = |one: &&Loaded| one.document.application.id == *id;
        let name = |one: &Loaded| one.document.application.name.clone();
        Some(self.loaded.iter().find(is_it).map_or_else(|| id.to_string(), name))
    }

    pub fn id(&self, entry: &Entry) -> ApplicationId {
        match entry {
            Entry::Distribute { at, .. } => self.loaded[*at].document.application.id,
            Entry::Uninstall { id, .. } => *id,
        }
    }

    pub fn source<'d>(&self, entry: &Entry, digests: &'d dyn Digests) -> FolderSource<'d> {
        let folder = match entry {
            Entry::Distribute { at, .. } => self.loaded[*at].source.as_path(),
            Entry::Uninstall { .. } => std::path::Path::new(""),
        };
        FolderSource::new(folder, digests)
    }

    pub fn name(&self, driver: &Driver, entry: &Entry) -> String {
        match entry {
            Entry::Distribute { at, .. } => self.loaded[*at].document.application.name.clone(),
            Entry::Uninstall { id, part } => {
                let record = driver.record(*id, part);
                record.map_or_else(|| id.to_string(), |record| record.installed.name.clone())
            }
        }
    }

    /// A user's part of nothing is not worth a word.
    pub fn is_worth_telling(entry: &Entry, step: &Step) -> bool {
        let is_user = matches!(entry, Entry::Distribute { part: Part::User(_), .. });
        !is_user
            || !step.plan.items.is_empty()
            || !step.plan.findings.is_empty()
            || step.installed.is_some()
    }
}

impl Entry {
    pub fn part(&self) -> &Part {
        match self {
            Self::Distribute { part, .. } | Self::Uninstall { part, .. } => part,
        }
    }

    pub fn may_fail(&self) -> bool {
        matches!(self, Self::Distribute { may_fail: true, .. })
    }
}

pub fn trouble(error: &StepError) -> anyhow::Error {
    let code = error.code();
    let hint = match error {
        StepError::Needed { .. } => "`deskhand app list` shows what is here",
        _ => "`deskhand explain` with this code tells what to do",
    };
    Trouble::new(code, sentence(&error), hint).into()
}
