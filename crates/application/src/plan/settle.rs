//! The end of planning: which changes are left, what the application answers for afterwards, and
//! what somebody should know before.
//!
//! What an application owned before and does not want any more stays on its record, so that it goes
//! with it. What stood there before its first version is kept through all later ones.

use std::collections::{BTreeMap, BTreeSet};

use model::Digest;
use model::registry::{Key, folded};

use super::make::Planner;
use super::{
    Before, Change, Finding, Group, ItemPlace, Outcome, Owned, Plan, Planned, Prior, Severity,
    TextDone, Thing, place, shared,
};
use crate::conflict::{self, Identity};
use crate::plan::registry::Made;
use crate::{Family, Node, SurveyError};

/// What an item makes the application answer for, as soon as it is known; what it was before is
/// added at the end.
#[derive(Debug, Clone)]
pub(super) enum Claim {
    File {
        path: String,
        shared: bool,
    },
    /// As far as something was removed.
    Removed {
        path: String,
    },
    /// As far as it was made or removed.
    Folder {
        path: String,
    },
    /// As far as it was made or removed.
    Key {
        key: Key,
    },
    Value {
        key: Key,
        name: String,
    },
    Ini {
        path: String,
        section: String,
        name: String,
        prior: Vec<String>,
        ours: Vec<String>,
        above: Option<Vec<String>>,
    },
    IniSection {
        path: String,
        section: String,
    },
    IniFile {
        path: String,
    },
    Text {
        path: String,
        done: Vec<TextDone>,
    },
}

impl Claim {
    fn identity(&self, family: Family) -> Identity {
        let path = |path: &str| place::folded(family, path).into_owned();
        match self {
            Self::File { path: file, .. }
            | Self::Removed { path: file }
            | Self::Text { path: file, .. } => Identity::Path(path(file)),
            Self::Folder { path: folder } => Identity::Folder(path(folder)),
            Self::Key { key } => Identity::Key(key.folded()),
            Self::Value { key, name } => Identity::Value(key.folded(), folded(name)),
            Self::Ini { path: file, section, name, .. } => {
                Identity::Ini(path(file), folded(section), folded(name))
            }
            Self::IniSection { path: file, section } => {
                Identity::IniSection(path(file), folded(section))
            }
            Self::IniFile { path: file } => Identity::IniFile(path(file)),
        }
    }

    /// The file that something is edited in.
    fn edited(&self) -> Option<&str> {
        match self {
            Self::Ini { path, .. }
            | Self::IniSection { path, .. }
            | Self::IniFile { path }
            | Self::Text { path, .. } => Some(path),
            _ => None,
        }
    }
}

impl<'p> Planner<'p> {
    pub fn finish(mut self) -> Plan {
        let (changes, numbers) = match self.ground.finish() {
            Ok(finished) => finished,
            Err(error) => {
                self.lament(&error);
                (Vec::new(), Vec::new())
            }
        };
        renumber(&mut self.items, &numbers);
        let places = self.places();
        let owns = self.settle(&changes).unwrap_or_else(|error| {
            self.lament(&error);
            Vec::new()
        });
        self.check_room(&changes);
        let name = &self.wish.application.name;
        let place = |owned: &Owned| self.place_of(owned, &places);
        self.findings.extend(conflict::findings(name, &owns, &self.others, place));
        self.questions.splice(0..0, self.macros.questions());
        Plan {
            application: self.wish.application.id,
            version: self.wish.application.version,
            part: self.wish.part.clone(),
            items: self.items,
            changes,
            findings: self.findings,
            questions: self.questions,
            answers: self.macros.answers(),
            reboot: self.reboot,
            owns,
        }
    }

    fn lament(&mut self, error: &SurveyError) {
        let (severity, message) = (Severity::Error, error.to_string());
        self.findings.push(Finding {
            severity,
            code: "DH-P005",
            group: None,
            place: None,
            message,
        });
    }

    /// The item that has the last word on each thing.
    fn places(&self) -> BTreeMap<Identity, ItemPlace> {
        let family = self.ground.family;
        let places = self
            .claims
            .iter()
            .filter_map(|(_, place, claim)| place.map(|place| (claim.identity(family), place)));
        places.collect()
    }

    /// Where a document says what it answers for; of a setting, its own place in its file.
    fn place_of(&self, owned: &Owned, places: &BTreeMap<Identity, ItemPlace>) -> Option<ItemPlace> {
        if let Thing::Ini { path, section, name, .. } = &owned.thing {
            let target = folded(&format!("{path} [{section}] {name}"));
            let mut settings = self.items.iter().filter(|item| item.group == Group::Ini);
            let own = settings.rfind(|item| folded(&item.target) == target);
            if let Some(own) = own {
                return Some(own.place);
            }
        }
        places.get(&Identity::of(self.ground.family, &owned.thing)).copied()
    }

    fn settle(&mut self, changes: &[Change]) -> Result<Vec<Owned>, SurveyError> {
        let family = self.ground.family;
        let index = Index::new(family, changes);
        let record = self.wish.installed.map_or(&[][..], |installed| &installed.owns);
        let whole = self.whole_files();
        let mut places: BTreeMap<Identity, usize> = BTreeMap::new();
        let mut owns: Vec<Option<Owned>> = Vec::new();
        for (group, _, claim) in std::mem::take(&mut self.claims) {
            // A file that is brought whole answers for what is edited in it.
            if claim.edited().is_some_and(|path| whole.contains(&*place::folded(family, path))) {
                continue;
            }
            let settling = Settling { planner: self, index: &index, changes };
            let Some((id, thing)) = settling.settle(claim, &self.recorded)? else { continue };
            let owned = thing.map(|thing| Owned { group, thing });
            match places.get(&id) {
                Some(at) => {
                    let earlier = owns[*at].take();
                    owns[*at] = owned.map(|owned| after(earlier, owned));
                }
                None => {
                    places.insert(id, owns.len());
                    owns.push(owned);
                }
            }
        }
        let carried = record
            .iter()
            .filter(|owned| !places.contains_key(&Identity::of(family, &owned.thing)))
            .cloned();
        let mut owns: Vec<Owned> = owns.into_iter().flatten().chain(carried).collect();
        owns.extend(shared::used(&owns, &self.others, family));
        Ok(owns)
    }

    fn is_file(&self, path: &str) -> bool {
        matches!(self.ground.node(path), Ok(Some(Node::File(_))))
    }

    /// Files that are brought whole, or made anew where one was removed.
    fn whole_files(&self) -> BTreeSet<String> {
        let family = self.ground.family;
        let files = self.claims.iter().filter_map(|(_, _, claim)| match claim {
            Claim::File { path, .. } => Some(place::folded(family, path).into_owned()),
            Claim::Removed { path } if self.is_file(path) => {
                Some(place::folded(family, path).into_owned())
            }
            _ => None,
        });
        files.collect()
    }

    pub fn recorded_value(&self, key: &Key, name: &str) -> Option<Made<'p>> {
        let id = Identity::Value(key.folded(), model::registry::folded(name));
        match self.recorded.get(&id)? {
            Thing::Value { prior, ours, .. } => {
                Some(Made { prior: prior.as_ref(), ours: ours.as_ref() })
            }
            _ => None,
        }
    }

    pub fn recorded_path(&self, path: &str) -> Option<&'p Thing> {
        let id = Identity::Path(place::folded(self.ground.family, path).into_owned());
        self.recorded.get(&id).copied()
    }
}

/// Gives items the numbers that changes have in the end; one whose changes have all gone is in
/// place.
pub fn renumber(items: &mut [Planned], numbers: &[Option<usize>]) {
    for item in items {
        item.changes = item.changes.iter().filter_map(|old| numbers.get(*old).copied()?).collect();
        item.changes.sort_unstable();
        item.changes.dedup();
        if matches!(item.outcome, Outcome::Changed { .. }) && item.changes.is_empty() {
            item.outcome = Outcome::InPlace;
        }
    }
}

/// Changes of files and folders by their paths.
struct Index(BTreeMap<String, usize>);

impl Index {
    fn new(family: crate::Family, changes: &[Change]) -> Self {
        let path = |(number, change): (usize, &Change)| match change {
            Change::WriteFile { path, .. }
            | Change::RemoveFile { path, .. }
            | Change::CreateFolder { path }
            | Change::RemoveFolder { path } => {
                Some((place::folded(family, path).into_owned(), number))
            }
            _ => None,
        };
        Self(changes.iter().enumerate().filter_map(path).collect())
    }
}

/// One claim on its way to be owned.
struct Settling<'s, 'p> {
    planner: &'s Planner<'p>,
    index: &'s Index,
    changes: &'s [Change],
}

type Recorded<'r> = BTreeMap<Identity, &'r Thing>;
type Settled = (Identity, Option<Thing>);

impl Settling<'_, '_> {
    /// What it is told by, and the thing; none where nothing was done and nothing is on record.
    fn settle(
        &self,
        claim: Claim,
        recorded: &Recorded<'_>,
    ) -> Result<Option<Settled>, SurveyError> {
        let family = self.planner.ground.family;
        let thing = match claim {
            Claim::File { path, .. } | Claim::Removed { path } if !self.planner.is_file(&path) => {
                let probe = Thing::Removed { path, prior: Prior::Absent };
                return Ok(Some(self.removed(probe, recorded)));
            }
            Claim::File { path, shared } => self.file(path, shared, recorded)?,
            // Made anew by what came after.
            Claim::Removed { path } => self.file(path, false, recorded)?,
            Claim::Text { path, done } => match self.text(path, done, recorded)? {
                Some(text) => text,
                None => return Ok(None),
            },
            Claim::Ini { path, section, name, prior, ours, above } => {
                self.ini(Thing::Ini { path, section, name, prior, ours, above }, recorded)
            }
            Claim::Value { key, name } => self.value(key, name, recorded)?,
            Claim::IniSection { path, section } => Thing::IniSection { path, section },
            Claim::IniFile { path } => match self.ini_file(path, recorded)? {
                Some(file) => file,
                None => return Ok(None),
            },
            Claim::Folder { path } => {
                return self.made(Thing::Folder { path }, recorded).map(Some);
            }
            Claim::Key { key } => return self.made(Thing::Key { key }, recorded).map(Some),
        };
        let is_empty = matches!(&thing, Thing::Value { prior: None, ours: None, .. });
        Ok(Some((Identity::of(family, &thing), (!is_empty).then_some(thing))))
    }

    fn change(&self, path: &str) -> Option<usize> {
        let family = self.planner.ground.family;
        self.index.0.get(&*place::folded(family, path)).copied()
    }

    /// What the change of a path replaces.
    fn replaced(&self, path: &str) -> Prior {
        let Some(number) = self.change(path) else { return Prior::Same };
        match &self.changes[number] {
            Change::WriteFile { before: Before::Absent, .. } => Prior::Absent,
            _ => Prior::Change(number),
        }
    }

    /// What stood there before the first who answers for it.
    fn prior(&self, path: &str, ours: Digest, recorded: Option<&Thing>, others: bool) -> Prior {
        let probe = Thing::Removed { path: path.to_owned(), prior: Prior::Absent };
        let other = self.planner.others.of(&probe).iter().filter(|_| others);
        let other =
            other.map(|(_, thing)| *thing).find(|thing| matches!(thing, Thing::File { .. }));
        match recorded.or(other) {
            Some(
                Thing::File { prior: Prior::Same, ours: was, .. }
                | Thing::IniFile { prior: Prior::Same, ours: was, .. }
                | Thing::Text { prior: Prior::Same, ours: was, .. },
            ) if *was != ours => self.replaced(path),
            Some(
                Thing::File { prior, .. }
                | Thing::IniFile { prior, .. }
                | Thing::Text { prior, .. }
                | Thing::Removed { prior, .. },
            ) => prior.clone(),
            _ => self.replaced(path),
        }
    }

    fn file(
        &self,
        path: String,
        shared: bool,
        recorded: &Recorded<'_>,
    ) -> Result<Thing, SurveyError> {
        let family = self.planner.ground.family;
        let id = Identity::Path(place::folded(family, &path).into_owned());
        let ours = self.planner.ground.digest(&path)?;
        let prior = self.prior(&path, ours, recorded.get(&id).copied(), true);
        Ok(Thing::File { path, prior, ours, shared })
    }

    /// Nothing where there is no such file, and none was made.
    fn text(
        &self,
        path: String,
        mut done: Vec<TextDone>,
        recorded: &Recorded<'_>,
    ) -> Result<Option<Thing>, SurveyError> {
        let ground = &self.planner.ground;
        if !matches!(ground.node(&path)?, Some(Node::File(_))) {
            return Ok(None);
        }
        let id = Identity::Path(place::folded(ground.family, &path).into_owned());
        let record = recorded.get(&id).copied();
        if let Some(Thing::Text { done: was, .. }) = record {
            merge(&mut done, was);
        }
        let (prior, ours) = self.edited(&path, record)?;
        Ok(Some(Thing::Text { path, prior, ours, done }))
    }

    /// Nothing where there is no such file, and none was made.
    fn ini_file(
        &self,
        path: String,
        recorded: &Recorded<'_>,
    ) -> Result<Option<Thing>, SurveyError> {
        let ground = &self.planner.ground;
        if !matches!(ground.node(&path)?, Some(Node::File(_))) {
            return Ok(None);
        }
        let id = Identity::IniFile(place::folded(ground.family, &path).into_owned());
        let record = recorded.get(&id).copied();
        let (mut prior, ours) = self.edited(&path, record)?;
        if record.is_none() && shared::is_made_file(&self.planner.others, &id) {
            prior = Prior::Absent;
        }
        Ok(Some(Thing::IniFile { path, prior, ours }))
    }

    /// What an edited file was, and what it is by this application alone: a file that somebody else
    /// has changed since it was on record stays what it was on record, so it never comes back whole
    /// over their changes.
    fn edited(&self, path: &str, record: Option<&Thing>) -> Result<(Prior, Digest), SurveyError> {
        let ground = &self.planner.ground;
        let prior_of = |ours| self.prior(path, ours, record, false);
        if let Some(Thing::Text { ours, prior, .. } | Thing::IniFile { ours, prior, .. }) = record {
            let is_theirs = match ground.original(path)? {
                Some(Node::File(_)) => ground.survey.digest(path)? != *ours,
                _ => true,
            };
            if is_theirs {
                return Ok((prior.clone(), *ours));
            }
        }
        let ours = ground.digest(path)?;
        Ok((prior_of(ours), ours))
    }

    fn removed(&self, probe: Thing, recorded: &Recorded<'_>) -> Settled {
        let id = Identity::of(self.planner.ground.family, &probe);
        let Thing::Removed { path, .. } = probe else { return (id, Some(probe)) };
        let record = recorded.get(&id).copied();
        let replaced = || match self.change(&path) {
            Some(number) => Prior::Change(number),
            None => Prior::Absent,
        };
        let prior = match record {
            Some(Thing::Removed { prior, .. }) => prior.clone(),
            Some(Thing::File { prior, .. } | Thing::Text { prior, .. })
                if *prior != Prior::Same =>
            {
                prior.clone()
            }
            _ => replaced(),
        };
        let thing = (prior != Prior::Absent).then_some(Thing::Removed { path, prior });
        (id, thing)
    }

    fn ini(&self, mut thing: Thing, recorded: &Recorded<'_>) -> Thing {
        let id = Identity::of(self.planner.ground.family, &thing);
        let others = self.planner.others.of(&thing).iter().map(|(_, thing)| *thing);
        let Thing::Ini { prior, ours, above, .. } = &mut thing else { return thing };
        let same =
            |other: &&Thing| matches!(other, Thing::Ini { ours: theirs, .. } if theirs == ours);
        let first = recorded.get(&id).copied().or_else(|| others.into_iter().find(same));
        if let Some(Thing::Ini { prior: was, above: stood, .. }) = first {
            prior.clone_from(was);
            above.clone_from(stood);
        }
        thing
    }

    fn value(&self, key: Key, name: String, recorded: &Recorded<'_>) -> Result<Thing, SurveyError> {
        let ground = &self.planner.ground;
        let ours = ground.value(&key, &name)?;
        let prior = ground.original_value(&key, &name)?;
        let mut thing = Thing::Value { key, name, prior, ours };
        let id = Identity::of(ground.family, &thing);
        let others = self.planner.others.of(&thing).iter().map(|(_, thing)| *thing);
        let Thing::Value { prior, ours, .. } = &mut thing else { return Ok(thing) };
        let same =
            |other: &&Thing| matches!(other, Thing::Value { ours: theirs, .. } if theirs == ours);
        let first = recorded.get(&id).copied().or_else(|| others.into_iter().find(same));
        if let Some(Thing::Value { prior: was, .. }) = first {
            prior.clone_from(was);
        }
        Ok(thing)
    }

    /// Folders and keys are owned by who made or removed them: whose being there is not what it
    /// was before the first version.
    fn made(&self, probe: Thing, recorded: &Recorded<'_>) -> Result<Settled, SurveyError> {
        let ground = &self.planner.ground;
        let id = Identity::of(ground.family, &probe);
        let is_folder = |node| matches!(node, Some(Node::Folder));
        let (was, is) = match &probe {
            Thing::Folder { path } => {
                (is_folder(ground.original(path)?), is_folder(ground.node(path)?))
            }
            Thing::Key { key } => (ground.survey.key_exists(key)?, ground.key_exists(key)?),
            _ => (false, false),
        };
        let was = match recorded.get(&id) {
            Some(Thing::Folder { .. } | Thing::Key { .. }) => false,
            Some(_) => true,
            None => was,
        };
        let thing = match (was, is, probe) {
            (false, true, made) => Some(made),
            (true, false, Thing::Folder { path }) => Some(Thing::RemovedFolder { path }),
            (true, false, Thing::Key { key }) => Some(Thing::RemovedKey { key }),
            _ => None,
        };
        Ok((id, thing))
    }
}

/// Of two items that edit one thing, the first knows what it was before.
fn after(earlier: Option<Owned>, mut owned: Owned) -> Owned {
    match (earlier.map(|earlier| earlier.thing), &mut owned.thing) {
        (Some(Thing::Ini { prior: first, above: stood, .. }), Thing::Ini { prior, above, .. }) => {
            *prior = first;
            *above = above.take().or(stood);
        }
        (Some(Thing::Text { done: first, .. }), Thing::Text { done, .. }) => merge(done, &first),
        _ => {}
    }
    owned
}

/// What an earlier distribution did stays told unless it was done again.
fn merge(done: &mut Vec<TextDone>, was: &[TextDone]) {
    for earlier in was {
        match done.iter_mut().find(|now| now.edit == earlier.edit) {
            Some(now) if now.added.is_empty() => now.added.clone_from(&earlier.added),
            Some(_) => {}
            None => done.push(earlier.clone()),
        }
    }
}
