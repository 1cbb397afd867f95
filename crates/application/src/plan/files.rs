//! Files and folders (AP-05).
//!
//! A file whose bytes and rights are as they should be is in place, whatever its rule and times
//! say. Links at a target are replaced, never followed; links in a source are refused. Times are
//! the same within [`TIME_TOLERANCE_NS`], for some file systems keep no finer ones.

mod origin;
mod remove;

use model::Digest;

use super::ground::Written;
use super::make::{Act, Planner, Refusal};
use super::settle::Claim;
use super::{Group, ItemPlace, Occasion, Outcome, Question, Thing, Unconfirmed, place, words};
use crate::{Family, FileItem, FileNode, FileRule, Meta, Node, Text};
use origin::{Origin, Tree};

const TIME_TOLERANCE_NS: i64 = 2_000_000_000;
const GROUP: Group = Group::Files;

/// A file to be copied, and where to.
struct Copy<'c> {
    place: ItemPlace,
    from: Origin,
    to: &'c str,
    rule: FileRule,
    shared: bool,
}

/// What a rule says about one file.
enum Verdict {
    Copy,
    Leave(String),
}

impl FileRule {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::IfExists => "if_exists",
            Self::IfAbsent => "if_absent",
            Self::IfNewer => "if_newer",
            Self::IfNewerAndExists => "if_newer_and_exists",
            Self::IfNewerVersion => "if_newer_version",
            Self::RequestConfirmation => "request_confirmation",
            Self::IfDifferent => "if_different",
        }
    }
}

impl Planner<'_> {
    pub fn plan_files(&mut self) {
        for (index, item) in self.wish.application.items.files.iter().enumerate() {
            self.item = Some(index);
            let is_of_user = match item {
                FileItem::Copy { source, target, .. }
                | FileItem::CopyFolder { source, target, .. } => self.names_user([source, target]),
                _ => self.names_user([item.target()]),
            };
            if self.wants(item.handling(), is_of_user)
                && let Err(refusal) = self.plan_file_item((index, None), item)
            {
                self.refuse(GROUP, (index, None), refusal);
            }
        }
    }

    pub(super) fn plan_file_item(&mut self, at: ItemPlace, item: &FileItem) -> Result<(), Refusal> {
        match item {
            FileItem::Copy { source, target, rule, shared, .. } => {
                self.plan_copy(at, (source, target), *rule, *shared)
            }
            FileItem::CopyFolder { source, target, subfolders, rule, shared, .. } => {
                let from = self.origin(source)?;
                let to = self.target(target)?.path;
                let tree = from.tree(&self.ground, *subfolders)?;
                self.copy_tree(at, &tree, &to, *rule, *shared)
            }
            FileItem::CreateFolder { target, .. } => {
                let path = self.target(target)?.path;
                self.create_folder(at, &path, "create")
            }
            FileItem::Delete { target, shared, .. } => self.plan_delete(at, target, *shared),
            FileItem::DeleteFolder { target, .. } => self.plan_delete_folder(at, target),
        }
    }

    pub fn target(&self, text: &Text) -> Result<place::Target, Refusal> {
        self.target_of(&self.expand(text)?)
    }

    pub fn target_of(&self, expanded: &str) -> Result<place::Target, Refusal> {
        place::target(self.ground.family, expanded)
            .map_err(|why| Refusal::new("DH-P002", format!("`{expanded}` is no target: {why}")))
    }

    fn plan_copy(
        &mut self,
        at: ItemPlace,
        (source, target): (&Text, &Text),
        rule: FileRule,
        shared: bool,
    ) -> Result<(), Refusal> {
        let family = self.ground.family;
        let (from, pattern) = self.origin_with_wildcards(source)?;
        let to = self.target(target)?;
        let Some(pattern) = pattern else {
            let path = match to.names_folder {
                true => place::join(family, &to.path, from.name(family)),
                false => to.path,
            };
            return self.copy(&Copy { place: at, from, to: &path, rule, shared });
        };
        let names = from.matching(&self.ground, &pattern)?;
        if names.is_empty() {
            let message = format!("no file of `{from}` is like `{pattern}`");
            self.warn(GROUP, at, Refusal::new("DH-P011", message));
        }
        for (number, name) in names.iter().enumerate() {
            let path = place::join(family, &to.path, name);
            let from = from.child(family, name);
            self.copy(&Copy { place: (at.0, Some(number)), from, to: &path, rule, shared })?;
        }
        Ok(())
    }

    fn copy_tree(
        &mut self,
        at: ItemPlace,
        tree: &Tree,
        to: &str,
        rule: FileRule,
        shared: bool,
    ) -> Result<(), Refusal> {
        let family = self.ground.family;
        let inside = |parts: &[String]| {
            parts.iter().fold(to.to_owned(), |path, part| place::join(family, &path, part))
        };
        let mut number = 0;
        let mut next = || {
            number += 1;
            (at.0, Some(number - 1))
        };
        for folder in &tree.folders {
            let path = self.target_of(&inside(folder))?.path;
            // Files that are only copied where others are bring no folders with them.
            if !matches!(rule, FileRule::IfExists | FileRule::IfNewerAndExists) {
                self.create_folder(next(), &path, rule.word())?;
            }
        }
        for (from, parts) in &tree.files {
            let path = self.target_of(&inside(parts))?.path;
            self.copy(&Copy { place: next(), from: from.clone(), to: &path, rule, shared })?;
        }
        Ok(())
    }

    fn create_folder(
        &mut self,
        at: ItemPlace,
        path: &str,
        rule: &'static str,
    ) -> Result<(), Refusal> {
        let before = self.ground.node(path)?;
        let done = self.ground.create_folder(path)?;
        let outcome = match before {
            Some(_) => Outcome::InPlace,
            None => Outcome::Changed { before: words::node(None), after: "a folder".to_owned() },
        };
        self.claim_folders(GROUP, done.folders);
        self.claim(GROUP, Claim::Folder { path: path.to_owned() });
        let act = Act { target: path.to_owned(), rule, outcome, changes: done.changes };
        self.put(GROUP, at, act);
        Ok(())
    }

    fn copy(&mut self, copy: &Copy<'_>) -> Result<(), Refusal> {
        let source = copy.from.file(&self.ground)?;
        let before = self.ground.node(copy.to)?;
        match &before {
            Some(Node::Folder) => {
                let message = format!(
                    "a folder stands at `{}`: end the target with a separator to copy into it",
                    copy.to
                );
                return Err(Refusal::new("DH-P003", message));
            }
            Some(Node::Other) => {
                let message = format!("`{}` is a device, which nothing is copied over", copy.to);
                return Err(Refusal::new("DH-P003", message));
            }
            _ => {}
        }
        let digest = copy.from.digest(&self.ground)?;
        let meta = self.meta(&source);
        let same = self.holds(copy.to, before.as_ref(), &source, digest, meta)?;
        let verdict = match same {
            true => Verdict::Copy,
            false => self.verdict(copy, before.as_ref(), &source)?,
        };
        let (outcome, changes) = match verdict {
            Verdict::Leave(why) => (Outcome::Skipped { why }, Vec::new()),
            Verdict::Copy => {
                let content = copy.from.content(digest, source.size);
                self.write(copy.to, Written { content, digest, size: source.size, meta }, same)?
            }
        };
        if !matches!(outcome, Outcome::Skipped { .. }) {
            let claim = Claim::File { path: copy.to.to_owned(), shared: copy.shared };
            self.claim(GROUP, claim);
        }
        let (target, rule) = (copy.to.to_owned(), copy.rule.word());
        self.put(GROUP, copy.place, Act { target, rule, outcome, changes });
        Ok(())
    }

    fn write(
        &mut self,
        path: &str,
        file: Written,
        is_in_place: bool,
    ) -> Result<(Outcome, Vec<usize>), Refusal> {
        if is_in_place {
            return Ok((Outcome::InPlace, Vec::new()));
        }
        let before = words::node(self.ground.node(path)?.as_ref());
        let after = words::file(file.size, file.meta.mtime_ns);
        let done = self.ground.write(path, file)?;
        self.claim_folders(GROUP, done.folders);
        Ok((Outcome::Changed { before, after }, done.changes))
    }

    /// Rights as the source has them, where both systems write them alike.
    fn meta(&self, source: &FileNode) -> Meta {
        let mode = (self.ground.family == Family::Linux && source.mode & 0o7777 != 0)
            .then_some(source.mode & 0o7777);
        Meta { mode, mtime_ns: Some(source.mtime_ns) }
    }

    fn holds(
        &self,
        path: &str,
        there: Option<&Node>,
        source: &FileNode,
        digest: Digest,
        meta: Meta,
    ) -> Result<bool, Refusal> {
        let Some(Node::File(file)) = there else { return Ok(false) };
        let rights = meta.mode.is_none_or(|mode| mode == file.mode & 0o7777);
        Ok(rights && file.size == source.size && self.ground.digest(path)? == digest)
    }

    fn verdict(
        &mut self,
        copy: &Copy<'_>,
        there: Option<&Node>,
        source: &FileNode,
    ) -> Result<Verdict, Refusal> {
        let leave = |why: &str| Ok(Verdict::Leave(why.to_owned()));
        match (copy.rule, there) {
            (FileRule::RequestConfirmation, _) => Ok(self.confirmation(copy, there, source)),
            (FileRule::IfExists | FileRule::IfNewerAndExists, None) => leave("it is not there"),
            (FileRule::IfAbsent, Some(_)) => leave("it is there"),
            (FileRule::IfNewer | FileRule::IfNewerAndExists, Some(Node::File(file))) => {
                Ok(newer(source, file))
            }
            (FileRule::IfNewerVersion, Some(Node::File(file))) => {
                self.newer_version(copy, source, file)
            }
            (FileRule::IfDifferent, Some(Node::File(file))) => {
                let apart = source.mtime_ns.abs_diff(file.mtime_ns);
                let differs = apart > TIME_TOLERANCE_NS.unsigned_abs() || source.size != file.size;
                match differs {
                    true => Ok(Verdict::Copy),
                    false => leave("time and size are the same"),
                }
            }
            _ => Ok(Verdict::Copy),
        }
    }

    fn newer_version(
        &self,
        copy: &Copy<'_>,
        source: &FileNode,
        there: &FileNode,
    ) -> Result<Verdict, Refusal> {
        let ours = copy.from.version(&self.ground)?;
        let theirs = origin::version_at(&self.ground, copy.to)?;
        Ok(match (ours, theirs) {
            (None, None) => newer(source, there),
            (Some(_), None) => Verdict::Copy,
            (None, Some(theirs)) => {
                Verdict::Leave(format!("it has version {theirs}, the source has none"))
            }
            (Some(ours), Some(theirs)) if ours > theirs => Verdict::Copy,
            (Some(ours), Some(theirs)) => {
                Verdict::Leave(format!("version {ours} is not newer than {theirs}"))
            }
        })
    }

    fn confirmation(
        &mut self,
        copy: &Copy<'_>,
        there: Option<&Node>,
        source: &FileNode,
    ) -> Verdict {
        let family = self.ground.family;
        let same = |path: &str| place::folded(family, path) == place::folded(family, copy.to);
        let answers = &self.given().confirmed;
        match answers.iter().find(|(path, _)| same(path)) {
            Some((_, true)) => return Verdict::Copy,
            Some((_, false)) => return Verdict::Leave("it was refused".to_owned()),
            None if self.wish.occasion == Occasion::Verify => {
                // What is on record was confirmed when it was distributed.
                return match self.recorded_path(copy.to) {
                    Some(Thing::File { .. }) => Verdict::Copy,
                    _ => Verdict::Leave("nobody has confirmed it".to_owned()),
                };
            }
            None => {}
        }
        self.questions.push(Question::Confirm {
            path: copy.to.to_owned(),
            before: words::node(there),
            after: words::file(source.size, Some(source.mtime_ns)),
        });
        match self.given().unconfirmed {
            Unconfirmed::Copy => Verdict::Copy,
            Unconfirmed::Skip => Verdict::Leave("nobody has confirmed it".to_owned()),
        }
    }
}

fn newer(source: &FileNode, there: &FileNode) -> Verdict {
    if source.mtime_ns.saturating_sub(there.mtime_ns) > TIME_TOLERANCE_NS {
        return Verdict::Copy;
    }
    let there = words::file(there.size, Some(there.mtime_ns));
    let ours = words::file(source.size, Some(source.mtime_ns));
    Verdict::Leave(format!("{ours} is not newer than {there}"))
}
