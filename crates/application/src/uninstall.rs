//! Taking an application away: everything goes back to what it was before its first version.
//!
//! Thing by thing. What somebody changed since is left alone and told; what was added to a list, a
//! value or a text file is taken out of it, whatever else became of that. What other applications
//! on record have too stays until the last of them goes. Folders, keys, sections and files that the
//! application made go once nothing is in them.

mod edits;
mod settings;

use crate::conflict::Holders;
use crate::plan::ground::{Ground, GroundError, Written};
use crate::plan::make::{Act, Refusal};
use crate::plan::{
    Content, Finding, Given, Group, Kept, Outcome, Owned, Plan, Planned, Prior, Severity, Thing,
    place, words,
};
use crate::{Installed, Node, Removal, Source, Survey, SurveyError, Uninstall};

const RULE: &str = "uninstall";

/// What is taken away, and how.
#[derive(Debug, Clone, Copy)]
pub struct Leave<'l> {
    pub record: &'l Installed,
    /// All other records of the machine.
    pub others: &'l [Installed],
    pub how: &'l Uninstall,
    pub given: &'l Given,
}

/// The plan that takes an application's part away. Nothing is owned afterwards.
pub fn uninstall(leave: &Leave<'_>, survey: &dyn Survey) -> Plan {
    let mut leaving = Leaving {
        leave: *leave,
        holders: Holders::new(survey.family(), leave.others.iter()),
        ground: Ground::new(survey, &Nothing),
        acts: Vec::new(),
        findings: Vec::new(),
    };
    leaving.put_back_places();
    leaving.undo_ini();
    leaving.undo_texts_and_files();
    leaving.undo_values();
    leaving.remove_places();
    leaving.finish()
}

/// An uninstalled application brings nothing.
struct Nothing;

impl Source for Nothing {
    fn node(&self, _: &str) -> Result<Option<Node>, SurveyError> {
        Ok(None)
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, SurveyError> {
        Err(SurveyError::new(folder, "there is no source"))
    }

    fn digest(&self, path: &str) -> Result<model::Digest, SurveyError> {
        Err(SurveyError::new(path, "there is no source"))
    }

    fn read_part(&self, path: &str, _: u64, _: usize) -> Result<Vec<u8>, SurveyError> {
        Err(SurveyError::new(path, "there is no source"))
    }
}

struct Leaving<'l> {
    leave: Leave<'l>,
    holders: Holders<'l>,
    ground: Ground<'l>,
    /// With the place on record.
    acts: Vec<(usize, Act)>,
    findings: Vec<Finding>,
}

fn left(why: impl Into<String>) -> Outcome {
    Outcome::Skipped { why: why.into() }
}

fn changed(before: impl Into<String>, after: impl Into<String>) -> Outcome {
    Outcome::Changed { before: before.into(), after: after.into() }
}

type Undone = Result<(Outcome, Vec<usize>), Refusal>;

impl<'l> Leaving<'l> {
    /// Things of groups that are put back, by their places on record.
    fn things(&self) -> impl Iterator<Item = (usize, &'l Owned)> + use<'l> {
        let how = self.leave.how;
        let owns = self.leave.record.owns.iter().enumerate();
        owns.filter(move |(_, owned)| removal(how, owned.group) == Removal::Restore)
    }

    fn put(&mut self, at: usize, undone: Undone) {
        let owned = &self.leave.record.owns[at];
        match undone {
            Ok((outcome, changes)) => {
                let target = target(&owned.thing);
                self.acts.push((at, Act { target, rule: RULE, outcome, changes }));
            }
            Err(Refusal { code, message }) => self.findings.push(Finding {
                severity: Severity::Error,
                code,
                group: Some(owned.group),
                place: Some((at, None)),
                message,
            }),
        }
    }

    /// Another application that has it too.
    fn holder(&self, thing: &Thing, same: impl Fn(&Thing) -> bool) -> Option<Outcome> {
        let holders = self.holders.of(thing).iter();
        let holder = holders.filter(|(_, theirs)| same(theirs)).map(|(holder, _)| holder).next();
        holder.map(|holder| left(format!("{} has it too", holder.name)))
    }

    /// Folders that the application removed, the outer ones first.
    fn put_back_places(&mut self) {
        let mut folders: Vec<(usize, &str)> = self
            .things()
            .filter_map(|(at, owned)| match &owned.thing {
                Thing::RemovedFolder { path } => Some((at, path.as_str())),
                _ => None,
            })
            .collect();
        folders.sort_by_key(|(_, path)| path.len());
        for (at, path) in folders {
            let undone = self.put_back_folder(path);
            self.put(at, undone);
        }
        self.put_back_keys();
    }

    fn put_back_folder(&mut self, path: &str) -> Undone {
        if self.ground.node(path)?.is_some() {
            return Ok((Outcome::InPlace, Vec::new()));
        }
        let done = self.ground.create_folder(path)?;
        Ok((changed(words::ABSENT, "a folder"), done.changes))
    }

    fn undo_texts_and_files(&mut self) {
        for (at, owned) in self.things() {
            let undone = match &owned.thing {
                Thing::File { path, prior, ours, .. } => {
                    let holds = |theirs: &Thing| matches!(theirs, Thing::File { .. });
                    match self.holder(&owned.thing, holds) {
                        Some(kept) => Ok((kept, Vec::new())),
                        None => self.undo_file(path, prior, *ours),
                    }
                }
                Thing::Removed { path, prior } => self.undo_removed(path, prior),
                Thing::Text { path, prior, ours, done } => self.undo_text(path, prior, *ours, done),
                _ => continue,
            };
            self.put(at, undone);
        }
    }

    fn undo_file(&mut self, path: &str, prior: &Prior, ours: model::Digest) -> Undone {
        let before = match self.ground.node(path)? {
            Some(node @ Node::File(_)) => node,
            None if *prior == Prior::Absent => return Ok((Outcome::InPlace, Vec::new())),
            None => return Ok((left("it was removed since"), Vec::new())),
            Some(_) => return Ok((left("something else stands there now"), Vec::new())),
        };
        if *prior == Prior::Same {
            return Ok((left("it was there before"), Vec::new()));
        }
        if self.ground.digest(path)? != ours {
            return Ok((left("it was changed since"), Vec::new()));
        }
        self.put_prior_back(path, &before, prior)
    }

    fn put_prior_back(&mut self, path: &str, before: &Node, prior: &Prior) -> Undone {
        let before = words::node(Some(before));
        match prior {
            Prior::Kept(kept) => {
                let changes = self.write_kept(path, kept)?;
                Ok((changed(before, words_of(kept)), changes))
            }
            _ => {
                let changes = self.ground.remove(path)?.changes;
                Ok((changed(before, words::ABSENT), changes))
            }
        }
    }

    fn undo_removed(&mut self, path: &str, prior: &Prior) -> Undone {
        if self.ground.node(path)?.is_some() {
            return Ok((left("something stands there again"), Vec::new()));
        }
        match prior {
            Prior::Kept(kept) => {
                let changes = self.write_kept(path, kept)?;
                Ok((changed(words::ABSENT, words_of(kept)), changes))
            }
            _ => Ok((Outcome::InPlace, Vec::new())),
        }
    }

    fn write_kept(&mut self, path: &str, kept: &Kept) -> Result<Vec<usize>, GroundError> {
        let file = Written {
            content: Content::Kept(kept.clone()),
            digest: kept.digest,
            size: kept.size,
            meta: crate::Meta::default(),
        };
        Ok(self.ground.write(path, file)?.changes)
    }

    /// Folders and keys that the application made, the inner ones first.
    fn remove_places(&mut self) {
        let mut folders: Vec<(usize, &str)> = self
            .things()
            .filter_map(|(at, owned)| match &owned.thing {
                Thing::Folder { path } => Some((at, path.as_str())),
                _ => None,
            })
            .collect();
        folders.sort_by_key(|(_, path)| std::cmp::Reverse(path.len()));
        for (at, path) in folders {
            let undone = self.remove_folder(at, path);
            self.put(at, undone);
        }
        self.remove_keys();
    }

    fn remove_folder(&mut self, at: usize, path: &str) -> Undone {
        let thing = &self.leave.record.owns[at].thing;
        if let Some(kept) = self.holder(thing, |theirs| matches!(theirs, Thing::Folder { .. })) {
            return Ok((kept, Vec::new()));
        }
        match self.ground.node(path)? {
            None => return Ok((Outcome::InPlace, Vec::new())),
            Some(Node::Folder) => {}
            Some(_) => return Ok((left("something else stands there now"), Vec::new())),
        }
        if !self.ground.names(path)?.is_empty() {
            return Ok((left("something is in it"), Vec::new()));
        }
        let done = self.ground.remove_folder(path)?;
        Ok((changed("an empty folder", words::ABSENT), done.changes))
    }

    fn finish(mut self) -> Plan {
        let record = self.leave.record;
        for (at, owned) in record.owns.iter().enumerate() {
            if removal(self.leave.how, owned.group) == Removal::Keep {
                self.put(at, Ok((left("it is kept, by the application's options"), Vec::new())));
            }
        }
        let (changes, numbers) = self.ground.finish().unwrap_or_else(|error| {
            self.findings.push(Finding {
                severity: Severity::Error,
                code: "DH-P005",
                group: None,
                place: None,
                message: error.to_string(),
            });
            (Vec::new(), Vec::new())
        });
        self.acts.sort_by_key(|(at, _)| *at);
        let item = |(at, act): (usize, Act)| Planned {
            group: record.owns[at].group,
            place: (at, None),
            target: act.target,
            rule: act.rule,
            outcome: act.outcome,
            changes: act.changes,
        };
        let mut items: Vec<Planned> = self.acts.into_iter().map(item).collect();
        crate::plan::settle::renumber(&mut items, &numbers);
        Plan {
            application: record.application,
            version: record.version,
            part: record.part.clone(),
            items,
            changes,
            findings: self.findings,
            questions: Vec::new(),
            answers: Vec::new(),
            reboot: Vec::new(),
            owns: Vec::new(),
        }
    }
}

fn removal(how: &Uninstall, group: Group) -> Removal {
    match group {
        Group::Shortcuts => how.shortcuts,
        Group::Registry => how.registry,
        Group::Files => how.files,
        Group::Ini => how.ini,
        Group::Text => how.text,
    }
}

fn words_of(kept: &Kept) -> String {
    match kept.is_link {
        true => "the link that was there before".to_owned(),
        false => words::file(kept.size, Some(kept.mtime_ns)),
    }
}

fn target(thing: &Thing) -> String {
    match thing {
        Thing::File { path, .. }
        | Thing::Removed { path, .. }
        | Thing::Folder { path }
        | Thing::RemovedFolder { path }
        | Thing::IniFile { path, .. }
        | Thing::Text { path, .. } => path.clone(),
        Thing::Key { key } | Thing::RemovedKey { key } => key.to_string(),
        Thing::Value { key, name, .. } if name.is_empty() => format!("{key}\\(default)"),
        Thing::Value { key, name, .. } => format!("{key}\\{name}"),
        Thing::Ini { path, section, name, .. } => format!("{path} [{section}] {name}"),
        Thing::IniSection { path, section } => format!("{path} [{section}]"),
    }
}

#[cfg(test)]
mod tests;
