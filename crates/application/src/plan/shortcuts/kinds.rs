//! What an application is that has no items of its own: a shortcut to an address, or to a session
//! on a terminal server. It stands at the top of everybody's start menu.

use super::{CREATE, GROUP, Group, places, refuse};
use crate::desktop::{self, Action, Entry, Run};
use crate::plan::make::{Act, Planner, Refusal};
use crate::plan::{ItemPlace, place};
use crate::rdp::{self, Session};
use crate::{Family, Handling, Kind, Place, TerminalServer, Text, lnk};

/// Opens what it is given with whatever the user prefers.
const LINUX_OPENER: &str = "xdg-open";
/// Where sessions lie, unless the application has a target.
const LINUX_SESSIONS: &str = "/usr/local/share/deskhand";

impl Planner<'_> {
    pub fn plan_kind(&mut self) {
        let at = (self.wish.application.items.shortcuts.len(), None);
        let planned = match &self.wish.application.kind {
            _ if !self.wants(Handling::default(), false) => Ok(()),
            Kind::Web { url, browser } => self.plan_web(at, url, browser.as_ref()),
            Kind::TerminalServer(server) => self.plan_session(at, server),
            Kind::Simple | Kind::Msi(_) | Kind::Packages(_) => Ok(()),
        };
        if let Err(refusal) = planned {
            self.refuse(Group::Shortcuts, at, refusal);
        }
    }

    fn plan_web(
        &mut self,
        at: ItemPlace,
        url: &Text,
        browser: Option<&Text>,
    ) -> Result<(), Refusal> {
        let url = self.expand(url)?;
        rdp::check_address(&url).map_err(|why| refuse(why.to_string()))?;
        match (self.ground.family, browser) {
            (Family::Windows, None) => {
                let bytes = rdp::address(&url, None).map_err(|why| refuse(why.to_string()))?;
                let path = self.in_menu(&format!("{}.url", self.windows_name()))?;
                self.put_whole(at, path, bytes)
            }
            (_, browser) => {
                let program = match browser {
                    Some(browser) => self.expand(browser)?,
                    None => LINUX_OPENER.to_owned(),
                };
                // In quotes, for an address may hold what separates words.
                self.put_starter(at, program, format!("\"{url}\""))
            }
        }
    }

    fn plan_session(&mut self, at: ItemPlace, server: &TerminalServer) -> Result<(), Refusal> {
        let session = Session {
            address: self.expand(&server.address)?,
            program: self.expand_some(server.program.as_ref())?,
            arguments: self.expand_some(server.arguments.as_ref())?,
            working_folder: self.expand_some(server.working_folder.as_ref())?,
            user: self.expand_some(server.user.as_ref())?,
            full_screen: server.full_screen,
        };
        let bytes = rdp::session(&session).map_err(|why| refuse(why.to_string()))?;
        let family = self.ground.family;
        let folder = self.session_folder()?;
        let file = format!("{}.rdp", self.windows_name());
        let path = self.target_of(&place::join(family, &folder, &file))?.path;
        self.put_whole(at, path.clone(), bytes)?;
        let at = (at.0 + 1, None);
        match family {
            Family::Windows => self.put_starter(at, path, String::new()),
            Family::Linux => self.put_starter(at, LINUX_OPENER.to_owned(), format!("\"{path}\"")),
        }
    }

    fn session_folder(&self) -> Result<String, Refusal> {
        if let Some(target) = &self.wish.application.target {
            return Ok(self.target(target)?.path);
        }
        if self.ground.family == Family::Linux {
            return Ok(LINUX_SESSIONS.to_owned());
        }
        let survey = self.ground.survey;
        let names = ["CommonAppData", "AllUsersProfile"];
        let folder = names.iter().find_map(|name| survey.special_folder(name));
        let folder = folder.ok_or_else(|| refuse("this system has no folder for everybody"))?;
        Ok(place::join(Family::Windows, &folder, "Deskhand"))
    }

    fn windows_name(&self) -> String {
        places::windows_name(&self.wish.application.name)
    }

    fn in_menu(&self, file: &str) -> Result<String, Refusal> {
        let folder = self.folder_of(&Place::StartMenu { group: None }, true)?;
        let folder = folder.ok_or_else(|| refuse("this system has no start menu for everybody"))?;
        Ok(self.target_of(&place::join(self.ground.family, &folder, file))?.path)
    }

    fn put_whole(&mut self, at: ItemPlace, path: String, bytes: Vec<u8>) -> Result<(), Refusal> {
        let mode = (self.ground.family == Family::Linux).then_some(0o644);
        let (outcome, changes) = self.write_whole(&path, bytes, mode)?;
        self.put(GROUP, at, Act { target: path, rule: CREATE, outcome, changes });
        Ok(())
    }

    /// A shortcut in the start menu.
    fn put_starter(
        &mut self,
        at: ItemPlace,
        program: String,
        arguments: String,
    ) -> Result<(), Refusal> {
        let application = self.wish.application;
        let comment = application.description.as_deref().unwrap_or_default();
        let comment = comment.lines().next().unwrap_or_default().to_owned();
        let (path, bytes) = match self.ground.family {
            Family::Windows => {
                let link = lnk::Link {
                    target: program,
                    arguments,
                    description: comment,
                    ..lnk::Link::default()
                };
                let bytes = lnk::write(&link).map_err(|why| refuse(why.to_string()))?;
                (format!("{}.lnk", self.windows_name()), bytes)
            }
            Family::Linux => {
                let run = Run { program, arguments, ..Run::default() };
                let (name, action) = (application.name.clone(), Action::Run(run));
                let entry = Entry { name, comment, icon: String::new(), action };
                let text = desktop::write(&entry).map_err(|why| refuse(why.to_string()))?;
                (desktop::file_name(&application.name), text.into_bytes())
            }
        };
        let path = self.in_menu(&path)?;
        self.put_whole(at, path, bytes)
    }
}
