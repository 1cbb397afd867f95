//! Shortcuts and program groups (AP-03): where their files lie and what they are called. What is in
//! them is said by [`crate::lnk`] and [`crate::desktop`].
//!
//! One that cannot be made refuses the plan. A name becomes a file's name: on Windows `_` stands
//! for what no file's name has. A group is a folder of the start menu on Windows, a sub-menu with
//! files of its own on Linux.

mod kinds;
mod launch;
mod places;

use super::ground::Written;
use super::make::{Act, Planner, Refusal};
use super::settle::Claim;
use super::{Group, ItemPlace, Outcome, place, words};
use crate::desktop::{self, Action, Run};
use crate::{Family, Meta, Node, Place, Shortcut, ShortcutItem, Text, lnk};

const GROUP: Group = Group::Shortcuts;

/// For people: what a shortcut's item is called in plans.
const CREATE: &str = "create";
const DELETE: &str = "delete";

fn refuse(why: impl Into<String>) -> Refusal {
    Refusal::new("DH-P012", why)
}

impl Planner<'_> {
    pub fn plan_shortcuts(&mut self) {
        for (index, item) in self.wish.application.items.shortcuts.iter().enumerate() {
            self.item = Some(index);
            let at = (index, None);
            if self.wants(item.handling(), self.is_shortcut_of_user(item))
                && let Err(refusal) = self.plan_shortcut(at, item)
            {
                self.refuse(GROUP, at, refusal);
            }
        }
    }

    /// One in a folder of its own belongs to whom the folder belongs.
    fn is_shortcut_of_user(&self, item: &ShortcutItem) -> bool {
        let folder = match item {
            ShortcutItem::Create { shortcut, .. } => Some(&shortcut.place),
            ShortcutItem::Delete { place, .. } => Some(place),
            ShortcutItem::Group { .. } => None,
        };
        match folder {
            Some(Place::Folder(folder)) => self.names_user([folder]),
            _ => !item.is_for_all(),
        }
    }

    fn plan_shortcut(&mut self, at: ItemPlace, item: &ShortcutItem) -> Result<(), Refusal> {
        match item {
            ShortcutItem::Group { name, for_all, delete: false, .. } => {
                let name = self.expand(name)?;
                self.create_group(at, &name, *for_all)
            }
            ShortcutItem::Group { name, for_all, .. } => {
                let name = self.expand(name)?;
                self.delete_group(at, &name, *for_all)
            }
            ShortcutItem::Create { shortcut, .. } => self.create_shortcut(at, shortcut),
            ShortcutItem::Delete { name, place, for_all, .. } => {
                self.delete_shortcut(at, name, place, *for_all)
            }
        }
    }

    fn create_shortcut(&mut self, at: ItemPlace, shortcut: &Shortcut) -> Result<(), Refusal> {
        let name = self.expand(&shortcut.name)?;
        let Some(folder) = self.folder_of(&shortcut.place, shortcut.for_all)? else {
            let why = "this system has no such place for everybody".to_owned();
            self.put(GROUP, at, act(name, CREATE, Outcome::Skipped { why }));
            return Ok(());
        };
        let path = self.shortcut_path(&folder, &name)?;
        let (bytes, mode) = match self.ground.family {
            Family::Windows => (self.link(shortcut)?, None),
            Family::Linux => {
                // Desktops ask before they start one that is no program.
                let is_on_desktop = shortcut.place == Place::Desktop;
                let mode = if is_on_desktop { 0o755 } else { 0o644 };
                (self.entry(shortcut, name)?.into_bytes(), Some(mode))
            }
        };
        if let (Family::Linux, Place::StartMenu { group: Some(group) }) =
            (self.ground.family, &shortcut.place)
        {
            let group = self.expand(group)?;
            self.write_group_files(&group, shortcut.for_all)?;
        }
        let (outcome, changes) = self.write_whole(&path, bytes, mode)?;
        self.put(GROUP, at, Act { target: path, rule: CREATE, outcome, changes });
        Ok(())
    }

    fn shortcut_path(&self, folder: &str, name: &str) -> Result<String, Refusal> {
        let file = match self.ground.family {
            Family::Windows => format!("{}.lnk", places::windows_name(name)),
            Family::Linux => desktop::file_name(name),
        };
        if file.starts_with('.') {
            return Err(refuse(format!("`{name}` leaves nothing for the name of a file")));
        }
        Ok(self.target_of(&place::join(self.ground.family, folder, &file))?.path)
    }

    fn link(&self, shortcut: &Shortcut) -> Result<Vec<u8>, Refusal> {
        let target = self.expand(&shortcut.target)?;
        let link = lnk::Link {
            is_folder: self.is_folder(&target),
            arguments: self.expand_some(shortcut.arguments.as_ref())?,
            working_folder: self.expand_some(shortcut.working_folder.as_ref())?,
            description: self.expand_some(shortcut.description.as_ref())?,
            icon: match &shortcut.icon {
                Some((file, number)) => Some((self.expand(file)?, *number)),
                None => None,
            },
            window: shortcut.window,
            as_administrator: shortcut.as_administrator,
            target,
        };
        lnk::write(&link).map_err(|why| refuse(why.to_string()))
    }

    fn is_folder(&self, target: &str) -> bool {
        let path = place::target(self.ground.family, target);
        path.is_ok_and(|path| matches!(self.ground.node(&path.path), Ok(Some(Node::Folder))))
    }

    fn entry(&self, shortcut: &Shortcut, name: String) -> Result<String, Refusal> {
        let mut categories = shortcut.categories.clone();
        if let Place::StartMenu { group: Some(group) } = &shortcut.place {
            let group = self.expand(group)?;
            let group = desktop::group(&group).map_err(|why| refuse(why.to_string()))?;
            categories.push(group.category);
        }
        let run = Run {
            program: self.expand(&shortcut.target)?,
            arguments: self.expand_some(shortcut.arguments.as_ref())?,
            working_folder: self.expand_some(shortcut.working_folder.as_ref())?,
            in_terminal: shortcut.terminal,
            as_administrator: shortcut.as_administrator,
            categories,
        };
        let icon = match &shortcut.icon {
            Some((file, _)) => self.expand(file)?,
            None => String::new(),
        };
        let comment = self.expand_some(shortcut.description.as_ref())?;
        let entry = desktop::Entry { name, comment, icon, action: Action::Run(run) };
        desktop::write(&entry).map_err(|why| refuse(why.to_string()))
    }

    fn expand_some(&self, text: Option<&Text>) -> Result<String, Refusal> {
        text.map_or(Ok(String::new()), |text| self.expand(text))
    }

    /// A file whose content this application makes.
    fn write_whole(
        &mut self,
        path: &str,
        bytes: Vec<u8>,
        mode: Option<u32>,
    ) -> Result<(Outcome, Vec<usize>), Refusal> {
        let before = self.ground.node(path)?;
        let mut file = Written::bytes(bytes);
        file.meta = Meta { mode, mtime_ns: None };
        self.claim(GROUP, Claim::File { path: path.to_owned(), shared: false });
        if let Some(Node::File(there)) = &before
            && there.size == file.size
            && mode.is_none_or(|mode| mode == there.mode & 0o7777)
            && self.ground.digest(path)? == file.digest
        {
            return Ok((Outcome::InPlace, Vec::new()));
        }
        let after = words::file(file.size, None);
        let done = self.ground.write(path, file)?;
        self.claim_folders(GROUP, done.folders);
        let before = words::node(before.as_ref());
        Ok((Outcome::Changed { before, after }, done.changes))
    }

    fn delete_shortcut(
        &mut self,
        at: ItemPlace,
        name: &Text,
        place: &Place,
        for_all: bool,
    ) -> Result<(), Refusal> {
        let name = self.expand(name)?;
        let Some(folder) = self.folder_of(place, for_all)? else {
            self.put(GROUP, at, act(name, DELETE, Outcome::InPlace));
            return Ok(());
        };
        let path = self.shortcut_path(&folder, &name)?;
        let mut planned = act(path.clone(), DELETE, Outcome::InPlace);
        if let Some(node) = self.ground.node(&path)? {
            planned.changes = self.ground.remove(&path)?.changes;
            let (before, after) = (words::node(Some(&node)), words::ABSENT.to_owned());
            planned.outcome = Outcome::Changed { before, after };
        }
        self.claim(GROUP, Claim::Removed { path });
        self.put(GROUP, at, planned);
        Ok(())
    }
}

fn act(target: String, rule: &'static str, outcome: Outcome) -> Act {
    Act { target, rule, outcome, changes: Vec::new() }
}

#[cfg(test)]
mod tests;
