//! Things that several applications answer for.
//!
//! Two that want the same of one thing share it: the last that goes puts back what was there.
//! Two that want different things of it are a finding that names both. An error, for one of them
//! would be broken and both would repair it against each other; a warning where both call the file
//! shared, or where one edits what the other brings.

use std::collections::BTreeMap;

use model::registry::{Data, Key, folded};

use crate::plan::registry::{Made, go_together};
use crate::plan::{Finding, ItemPlace, Owned, Severity, Thing, Wish, place};
use crate::{Family, Installed};

/// What tells a thing from all others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Identity {
    /// A file, there or removed or edited.
    Path(String),
    Folder(String),
    Key(Key),
    Value(Key, String),
    Ini(String, String, String),
    IniSection(String, String),
    IniFile(String),
}

impl Identity {
    pub fn of(family: Family, thing: &Thing) -> Self {
        let path = |path: &str| place::folded(family, path).into_owned();
        match thing {
            Thing::File { path: file, .. }
            | Thing::Removed { path: file, .. }
            | Thing::Text { path: file, .. } => Self::Path(path(file)),
            Thing::Folder { path: folder } | Thing::RemovedFolder { path: folder } => {
                Self::Folder(path(folder))
            }
            Thing::Key { key } | Thing::RemovedKey { key } => Self::Key(key.folded()),
            Thing::Value { key, name, .. } => Self::Value(key.folded(), folded(name)),
            Thing::Ini { path: file, section, name, .. } => {
                Self::Ini(path(file), folded(section), folded(name))
            }
            Thing::IniSection { path: file, section } => {
                Self::IniSection(path(file), folded(section))
            }
            Thing::IniFile { path: file, .. } => Self::IniFile(path(file)),
        }
    }
}

/// Records that count beside this wish: of other applications that stay.
pub(crate) fn beside<'w>(wish: &Wish<'w>) -> impl Iterator<Item = &'w Installed> {
    let application = wish.application;
    wish.others.iter().filter(move |other| {
        other.application != application.id && !application.supersedes.contains(&other.application)
    })
}

/// What other applications answer for.
pub(crate) struct Holders<'h> {
    things: BTreeMap<Identity, Vec<(&'h Installed, &'h Thing)>>,
    family: Family,
}

impl<'h> Holders<'h> {
    pub fn new(family: Family, records: impl Iterator<Item = &'h Installed>) -> Self {
        let mut things: BTreeMap<Identity, Vec<_>> = BTreeMap::new();
        for record in records {
            for owned in &record.owns {
                let id = Identity::of(family, &owned.thing);
                things.entry(id).or_default().push((record, &owned.thing));
            }
        }
        Self { things, family }
    }

    pub fn is_empty(&self) -> bool {
        self.things.is_empty()
    }

    pub fn of(&self, thing: &Thing) -> &[(&'h Installed, &'h Thing)] {
        if self.is_empty() {
            return &[];
        }
        self.by(&Identity::of(self.family, thing))
    }

    pub fn by(&self, id: &Identity) -> &[(&'h Installed, &'h Thing)] {
        self.things.get(id).map_or(&[], Vec::as_slice)
    }

    /// Another application that has put that file there.
    pub fn of_file(&self, path: &str) -> Option<&'h Installed> {
        let mut holders = self.of_path(path).iter();
        let holder = holders.find(|(_, thing)| matches!(thing, Thing::File { .. }));
        holder.map(|(holder, _)| *holder)
    }

    fn of_path(&self, path: &str) -> &[(&'h Installed, &'h Thing)] {
        let id = Identity::Path(place::folded(self.family, path).into_owned());
        self.by(&id)
    }
}

/// What this application would answer for against what others do; `place` tells the item that it
/// comes of.
pub(crate) fn findings(
    name: &str,
    owns: &[Owned],
    holders: &Holders<'_>,
    place: impl Fn(&Owned) -> Option<ItemPlace>,
) -> Vec<Finding> {
    let mut all = Vec::new();
    for owned in owns {
        let mut findings = Vec::new();
        for (other, theirs) in holders.of(&owned.thing) {
            findings.extend(against(name, owned, other, theirs));
        }
        if let Thing::IniFile { path, .. } = &owned.thing {
            let brought = holders.of_path(path).iter();
            for (other, _) in brought.filter(|(_, thing)| matches!(thing, Thing::File { .. })) {
                findings.push(edits(name, owned, path, other));
            }
        }
        if !findings.is_empty() {
            let place = place(owned);
            all.extend(findings.into_iter().map(|finding| Finding { place, ..finding }));
        }
    }
    all.dedup();
    all
}

fn edits(name: &str, owned: &Owned, path: &str, other: &Installed) -> Finding {
    let message = format!("`{name}` edits `{path}`, which `{}` brings", other.name);
    finding(owned, Severity::Warning, message)
}

fn finding(owned: &Owned, severity: Severity, message: String) -> Finding {
    let code = if severity == Severity::Error { "DH-P007" } else { "DH-P008" };
    Finding { severity, code, group: Some(owned.group), place: None, message }
}

fn against(name: &str, owned: &Owned, other: &Installed, theirs: &Thing) -> Option<Finding> {
    let both = |what: &str| format!("`{name}` and `{}` both want {what}, each its own", other.name);
    let error = |what: &str| Some(finding(owned, Severity::Error, both(what)));
    match (&owned.thing, theirs) {
        (
            Thing::File { path, ours, shared, .. },
            Thing::File { ours: their, shared: they_share, .. },
        ) if ours != their => match *shared && *they_share {
            true => {
                let message =
                    format!("`{}` shares `{path}`, which becomes another file", other.name);
                Some(finding(owned, Severity::Warning, message))
            }
            false => error(&format!("the file `{path}`")),
        },
        (Thing::File { path, .. }, Thing::Removed { .. })
        | (Thing::Removed { path, .. }, Thing::File { .. }) => {
            let message = format!(
                "of `{name}` and `{}` one wants the file `{path}` and one removes it",
                other.name
            );
            Some(finding(owned, Severity::Error, message))
        }
        (Thing::Text { path, .. }, Thing::File { .. }) => Some(edits(name, owned, path, other)),
        (
            Thing::Value { key, name: value, ours, prior },
            Thing::Value { ours: their, prior: their_prior, .. },
        ) if !go_together(made(prior, ours), made(their_prior, their)) => {
            let value = if value.is_empty() { "(default)" } else { value };
            error(&format!("the value `{key}\\{value}`"))
        }
        (Thing::Key { key }, Thing::RemovedKey { .. })
        | (Thing::RemovedKey { key }, Thing::Key { .. }) => {
            let message = format!(
                "of `{name}` and `{}` one wants the key `{key}` and one removes it",
                other.name
            );
            Some(finding(owned, Severity::Error, message))
        }
        (
            Thing::Ini { path, section, name: value, ours, .. },
            Thing::Ini { ours: their, prior: their_prior, .. },
        ) => {
            let apart = |value: &String| !ours.iter().any(|ours| ours.contains(value.as_str()));
            let theirs_is_gone = their.iter().any(apart);
            let came_back = their.is_empty() && !ours.is_empty() && !their_prior.is_empty();
            let is_apart = ours != their && (theirs_is_gone || came_back);
            is_apart.then(|| error(&format!("`{path} [{section}] {value}`"))).flatten()
        }
        _ => None,
    }
}

fn made<'m>(prior: &'m Option<Data>, ours: &'m Option<Data>) -> Made<'m> {
    Made { prior: prior.as_ref(), ours: ours.as_ref() }
}
