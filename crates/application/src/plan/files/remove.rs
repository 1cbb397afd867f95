//! Files and folders that go.

use super::GROUP;
use crate::plan::make::{Act, Planner, Refusal};
use crate::plan::settle::Claim;
use crate::plan::{Group, ItemPlace, Outcome, place, words};
use crate::wildcard::{self, Pattern};
use crate::{Node, SurveyError, Text};

impl Planner<'_> {
    pub fn plan_delete(
        &mut self,
        at: ItemPlace,
        target: &Text,
        shared: bool,
    ) -> Result<(), Refusal> {
        let family = self.ground.family;
        let whole = self.expand(target)?;
        let name = whole.rfind(['/', '\\']).map_or(0, |at| at + 1);
        if !wildcard::is_pattern(&whole[name..]) {
            let path = self.target_of(&whole)?.path;
            return self.delete(at, &path, shared);
        }
        let folder = self.target_of(&whole[..name])?.path;
        let pattern = Pattern::new(&whole[name..], family);
        let mut paths = Vec::new();
        for found in self.ground.names(&folder)? {
            let path = place::join(family, &folder, &found);
            let is_file =
                matches!(self.ground.node(&path)?, Some(Node::File(_) | Node::Link { .. }));
            if is_file && pattern.matches(&found) {
                paths.push(path);
            }
        }
        if paths.is_empty() {
            self.put(GROUP, at, gone(whole, "delete"));
        }
        for (number, path) in paths.iter().enumerate() {
            self.delete((at.0, Some(number)), path, shared)?;
        }
        Ok(())
    }

    fn delete(&mut self, at: ItemPlace, path: &str, shared: bool) -> Result<(), Refusal> {
        let before = match self.ground.node(path)? {
            None => {
                self.claim(GROUP, Claim::Removed { path: path.to_owned() });
                self.put(GROUP, at, gone(path.to_owned(), "delete"));
                return Ok(());
            }
            Some(Node::Folder) => {
                let message = format!("`{path}` is a folder: delete it with `delete_folder`");
                return Err(Refusal::new("DH-P003", message));
            }
            Some(node) => node,
        };
        let holder = self.others.of_file(path);
        let (outcome, changes) = match holder {
            Some(holder) if shared => {
                let why = format!("{} has it too", holder.name);
                (Outcome::Skipped { why }, Vec::new())
            }
            _ => {
                let done = self.ground.remove(path)?;
                self.claim(GROUP, Claim::Removed { path: path.to_owned() });
                let before = words::node(Some(&before));
                (Outcome::Changed { before, after: words::ABSENT.to_owned() }, done.changes)
            }
        };
        self.put(GROUP, at, Act { target: path.to_owned(), rule: "delete", outcome, changes });
        Ok(())
    }

    pub fn plan_delete_folder(&mut self, at: ItemPlace, target: &Text) -> Result<(), Refusal> {
        let path = self.target(target)?.path;
        if place::is_vital(self.ground.survey, &path) {
            let message = format!("`{path}` is no target: no application removes that folder");
            return Err(Refusal::new("DH-P002", message));
        }
        match self.ground.node(&path)? {
            None => {
                self.put(GROUP, at, gone(path.clone(), "delete"));
                self.claim(GROUP, Claim::Folder { path });
                return Ok(());
            }
            Some(Node::Folder) => {}
            Some(_) => {
                let message = format!("`{path}` is no folder: delete it with `delete`");
                return Err(Refusal::new("DH-P003", message));
            }
        }
        let (files, changes) = self.remove_whole(GROUP, &path)?;
        let before = match files {
            1 => "a folder with 1 file".to_owned(),
            files => format!("a folder with {files} files"),
        };
        let outcome = Outcome::Changed { before, after: words::ABSENT.to_owned() };
        self.put(GROUP, at, Act { target: path, rule: "delete", outcome, changes });
        Ok(())
    }

    /// A folder with everything in it; how many files that were, and the changes.
    pub fn remove_whole(
        &mut self,
        group: Group,
        top: &str,
    ) -> Result<(usize, Vec<usize>), Refusal> {
        let (mut files, mut changes) = (0, Vec::new());
        let folders = self.folders_below(top)?;
        // The folders that are deepest come last, so they go first.
        for folder in folders.iter().rev() {
            for name in self.ground.names(folder)? {
                let path = place::join(self.ground.family, folder, &name);
                changes.extend(self.ground.remove(&path)?.changes);
                self.claim(group, Claim::Removed { path });
                files += 1;
            }
            changes.extend(self.ground.remove_folder(folder)?.changes);
            self.claim(group, Claim::Folder { path: folder.clone() });
        }
        Ok((files, changes))
    }

    /// With the folder itself; each stands before those in it.
    fn folders_below(&self, top: &str) -> Result<Vec<String>, SurveyError> {
        let mut folders = vec![top.to_owned()];
        let mut next = 0;
        while let Some(folder) = folders.get(next).cloned() {
            for name in self.ground.names(&folder)? {
                let path = place::join(self.ground.family, &folder, &name);
                if self.ground.node(&path)? == Some(Node::Folder) {
                    folders.push(path);
                }
            }
            next += 1;
        }
        Ok(folders)
    }
}

fn gone(target: String, rule: &'static str) -> Act {
    Act { target, rule, outcome: Outcome::InPlace, changes: Vec::new() }
}
