//! Folders of shortcuts, and program groups.

use super::{CREATE, DELETE, GROUP, act, refuse};
use crate::plan::make::{Planner, Refusal};
use crate::plan::settle::Claim;
use crate::plan::{ItemPlace, Outcome, place, words};
use crate::{Family, Place, desktop};

/// Menus of everybody; a user's lie in their configuration.
const LINUX_MENUS: &str = "/etc/xdg";

/// A name as Windows' files can have it.
pub fn windows_name(name: &str) -> String {
    let plain = |c: char| if c.is_control() || "\\/:*?\"<>|".contains(c) { '_' } else { c };
    let name: String = name.trim().chars().map(plain).collect();
    let name = name.trim_end_matches(['.', ' ']).to_owned();
    let is_possible = place::target(Family::Windows, &format!(r"C:\{name}")).is_ok();
    if is_possible { name } else { format!("_{name}") }
}

/// Of a group's name, level by level.
fn levels(name: &str) -> impl Iterator<Item = &str> {
    name.split(['/', '\\']).map(str::trim).filter(|level| !level.is_empty())
}

impl Planner<'_> {
    /// None where this system has no such folder for everybody.
    pub fn folder_of(&self, place: &Place, for_all: bool) -> Result<Option<String>, Refusal> {
        let name = match (place, for_all) {
            (Place::Folder(folder), _) => return Ok(Some(self.target(folder)?.path)),
            (Place::Desktop, true) => "CommonDesktop",
            (Place::Desktop, false) => "Desktop",
            (Place::StartMenu { .. }, true) => "CommonPrograms",
            (Place::StartMenu { .. }, false) => "Programs",
            (Place::Startup, true) => "CommonStartup",
            (Place::Startup, false) => "Startup",
        };
        let Some(folder) = self.ground.survey.special_folder(name) else {
            return match for_all {
                true => Ok(None),
                false => Err(refuse(format!("this user has no folder `{name}`"))),
            };
        };
        let folder = self.target_of(&folder)?.path;
        match (place, self.ground.family) {
            (Place::StartMenu { group: Some(group) }, Family::Windows) => {
                let group = self.expand(group)?;
                Ok(Some(self.group_folder(&folder, &group)?))
            }
            _ => Ok(Some(folder)),
        }
    }

    fn group_folder(&self, programs: &str, group: &str) -> Result<String, Refusal> {
        let below =
            |folder: String, level| place::join(Family::Windows, &folder, &windows_name(level));
        let folder = levels(group).fold(programs.to_owned(), below);
        match folder == programs {
            true => Err(refuse("the program group has no name")),
            false => Ok(self.target_of(&folder)?.path),
        }
    }

    fn programs(&self, for_all: bool) -> Result<String, Refusal> {
        let place = Place::StartMenu { group: None };
        let folder = self.folder_of(&place, for_all)?;
        folder.ok_or_else(|| refuse("this system has no start menu for everybody"))
    }

    pub fn create_group(
        &mut self,
        at: ItemPlace,
        name: &str,
        for_all: bool,
    ) -> Result<(), Refusal> {
        let mut planned = act(name.to_owned(), CREATE, Outcome::InPlace);
        planned.changes = match self.ground.family {
            Family::Windows => {
                let folder = self.group_folder(&self.programs(for_all)?, name)?;
                let done = self.ground.create_folder(&folder)?;
                self.claim_folders(GROUP, done.folders);
                self.claim(GROUP, Claim::Folder { path: folder.clone() });
                planned.target = folder;
                done.changes
            }
            Family::Linux => self.write_group_files(name, for_all)?,
        };
        if !planned.changes.is_empty() {
            let (before, after) = (words::ABSENT.to_owned(), "a program group".to_owned());
            planned.outcome = Outcome::Changed { before, after };
        }
        self.put(GROUP, at, planned);
        Ok(())
    }

    /// Paths and texts of what a sub-menu is made of on Linux.
    fn group_files(&self, name: &str, for_all: bool) -> Result<Vec<(String, String)>, Refusal> {
        let group = desktop::group(name).map_err(|why| refuse(why.to_string()))?;
        let menus = match for_all {
            true => LINUX_MENUS.to_owned(),
            false => {
                let folder = self.ground.survey.special_folder("AppData");
                folder.ok_or_else(|| refuse("this user has no folder `AppData`"))?
            }
        };
        let programs = self.programs(for_all)?;
        let share = place::parent(Family::Linux, &programs).unwrap_or("/").to_owned();
        let (menu, text) = group.menu;
        let menu = (format!("{menus}/menus/applications-merged/{menu}"), text);
        let folder = |(name, text)| (format!("{share}/desktop-directories/{name}"), text);
        let files: Vec<_> =
            [menu].into_iter().chain(group.folders.into_iter().map(folder)).collect();
        for (path, _) in &files {
            self.target_of(path)?;
        }
        Ok(files)
    }

    /// Numbers of the changes. Several applications may make one group: all write the same.
    pub fn write_group_files(&mut self, name: &str, for_all: bool) -> Result<Vec<usize>, Refusal> {
        let mut changes = Vec::new();
        for (path, text) in self.group_files(name, for_all)? {
            changes.extend(self.write_whole(&path, text.into_bytes(), Some(0o644))?.1);
        }
        Ok(changes)
    }

    pub fn delete_group(
        &mut self,
        at: ItemPlace,
        name: &str,
        for_all: bool,
    ) -> Result<(), Refusal> {
        let mut planned = act(name.to_owned(), DELETE, Outcome::InPlace);
        match self.ground.family {
            Family::Windows => {
                let folder = self.group_folder(&self.programs(for_all)?, name)?;
                self.claim(GROUP, Claim::Folder { path: folder.clone() });
                if self.ground.node(&folder)?.is_some() {
                    planned.changes = self.remove_whole(GROUP, &folder)?.1;
                }
                planned.target = folder;
            }
            Family::Linux => {
                for (path, _) in self.group_files(name, for_all)? {
                    if self.ground.node(&path)?.is_some() {
                        planned.changes.extend(self.ground.remove(&path)?.changes);
                    }
                    self.claim(GROUP, Claim::Removed { path });
                }
            }
        }
        if !planned.changes.is_empty() {
            let (before, after) = ("a program group".to_owned(), words::ABSENT.to_owned());
            planned.outcome = Outcome::Changed { before, after };
        }
        self.put(GROUP, at, planned);
        Ok(())
    }
}
