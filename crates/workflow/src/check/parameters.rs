//! Values of parameters: missing ones, paths of the wrong sort, limits of nothing.

use super::{Report, Site, code, paths};
use crate::{
    Activity, ActivityName, Channel, Command, Event, FolderList, Impersonate, Kind, Script,
    Template, Workflow,
};
use model::Span;
use std::ops::RangeInclusive;

pub(super) fn check(workflow: &Workflow, report: &mut Report) {
    for (name, activity) in &workflow.activities {
        Checked { name, report }.activity(activity);
    }
}

struct Checked<'a> {
    name: &'a ActivityName,
    report: &'a mut Report,
}

/// Where a path leads.
#[derive(Clone, Copy)]
enum Place {
    Depot,
    Target,
}

impl Place {
    fn of(on_server: bool) -> Self {
        if on_server { Self::Depot } else { Self::Target }
    }
}

impl Checked<'_> {
    fn site(&self, parameter: &'static str) -> Site {
        Site::Parameter(self.name.clone(), parameter)
    }

    fn activity(&mut self, activity: &Activity) {
        self.timeout(activity);
        match &activity.kind {
            Kind::Success { .. }
            | Kind::Failure { .. }
            | Kind::Jump { .. }
            | Kind::Empty
            | Kind::Synchronization
            | Kind::Shutdown(_)
            | Kind::NotYet { .. } => {}
            Kind::Choose { value } => self.needed("value", value),
            Kind::Registry { script } => self.needed("script", script),
            Kind::Impersonate(who) => self.impersonate(who),
            Kind::Script(script) => self.script(script),
            Kind::WakeOnLan(wake) => self.number("port", wake.port, 1..=65_535),
            Kind::Action(action) => self.needed("name", &action.name),
            Kind::Application(one) => self.needed("application", &one.application),
            Kind::Message(message) => {
                self.needed("subject", &message.subject);
                let is_to_nobody = message.to.iter().all(is_blank);
                if message.channel != Channel::Internal && is_to_nobody {
                    self.missing("to");
                }
            }
            Kind::Retry { limit, .. } => {
                if *limit == 0 {
                    self.report.warning(
                        code::NO_RETRIES,
                        self.site("limit"),
                        "a retry with limit 0 never tries again",
                        "write 1 or more, or use `failure`",
                    );
                }
            }
            Kind::Wait { duration } => self.duration(duration),
            Kind::Execute(execute) => {
                self.command(&execute.command);
                if let Some(folder) = execute.folder.as_ref().filter(|text| !is_blank(text)) {
                    self.path("folder", folder, Place::Target);
                }
                for variable in execute.environment.keys() {
                    self.environment(variable);
                }
            }
            Kind::Upload { transfer, .. } => {
                self.path("from", &transfer.from, Place::Depot);
                self.path("to", &transfer.to, Place::Target);
            }
            Kind::Download(transfer) => {
                self.path("from", &transfer.from, Place::Target);
                self.path("to", &transfer.to, Place::Depot);
            }
            Kind::Move(files) | Kind::Copy(files) => {
                self.path("from", &files.from, Place::of(files.on_server));
                self.path("to", &files.to, Place::of(files.on_server));
            }
            Kind::Rename(rename) => {
                self.path("current", &rename.current, Place::of(rename.on_server));
                self.new_name(&rename.new);
            }
            Kind::DeleteFiles { folder, on_server, .. } => {
                self.path("folder", folder, Place::of(*on_server));
            }
            Kind::CreateFolders { folders, on_server }
            | Kind::DeleteFolders { folders, on_server, .. } => {
                self.folders(folders, Place::of(*on_server));
            }
        }
    }

    fn timeout(&mut self, activity: &Activity) {
        let (kind, site) = (&activity.kind, self.site("timeout"));
        match activity.timeout {
            Some(Span::ZERO) => self.report.error(
                code::TIMEOUT,
                site,
                "a timeout of nothing ends the activity as it begins",
                "write a length of time such as `10m`, or leave `timeout` out for none",
            ),
            Some(_) if !kind.emits(&Event::Timeout) => self.report.warning(
                code::TIMEOUT,
                site,
                format!("`{}` takes no time, so its timeout means nothing", kind.name()),
                "leave `timeout` out",
            ),
            _ => {}
        }
    }

    fn needed(&mut self, parameter: &'static str, text: &Template) {
        if is_blank(text) {
            self.missing(parameter);
        }
    }

    /// A password or a domain is somebody's.
    fn impersonate(&mut self, who: &Impersonate) {
        let has_user = who.user.as_ref().is_some_and(|user| !is_blank(user));
        let is_named = who.user.is_some() || who.domain.is_some() || who.secret.is_some();
        if !has_user && is_named {
            self.missing("user");
        }
        if who.secret.as_ref().is_some_and(|secret| secret.trim().is_empty()) {
            self.missing("secret");
        }
    }

    fn script(&mut self, script: &Script) {
        if script.code.trim().is_empty() {
            self.missing("code");
        }
        for part in &script.depot {
            self.path("depot", part, Place::Depot);
        }
        for folder in &script.deposit {
            self.path("deposit", folder, Place::Depot);
        }
        for action in &script.actions {
            self.needed("actions", action);
        }
        self.number("memory", script.memory_mb, 8..=4_096);
        self.number("operations", script.operations, 1..=10_000_000);
    }

    fn number(&mut self, parameter: &'static str, number: u32, range: RangeInclusive<u32>) {
        if !range.contains(&number) {
            self.report.error(
                code::NUMBER,
                self.site(parameter),
                format!("`{parameter}` cannot be {number}"),
                format!("write a number from {} to {}", range.start(), range.end()),
            );
        }
    }

    fn missing(&mut self, parameter: &'static str) {
        let site = self.site(parameter);
        let message = format!("`{parameter}` is empty");
        self.report.error(code::MISSING, site, message, format!("write a value for `{parameter}`"));
    }

    fn duration(&mut self, duration: &Template) {
        if is_blank(duration) {
            self.missing("duration");
        } else if duration.is_plain() && duration.source().parse::<Span>().is_err() {
            self.report.error(
                code::NOT_A_DURATION,
                self.site("duration"),
                format!("`{}` is not a length of time", duration.source()),
                "write `90s`, `10m`, `1h30m`, `2d` or `250ms`",
            );
        }
    }

    fn command(&mut self, command: &Command) {
        let is_missing = match command {
            Command::Shell(text) => is_blank(text),
            Command::List(words) => words.first().is_none_or(is_blank),
        };
        if is_missing {
            self.missing("command");
        }
    }

    fn environment(&mut self, variable: &str) {
        if variable.is_empty() || variable.contains(['=', '\0']) {
            self.report.error(
                code::ENVIRONMENT_NAME,
                self.site("environment"),
                format!(
                    "`{}` cannot be the name of an environment variable",
                    variable.escape_debug()
                ),
                "a name is not empty and has no `=` in it",
            );
        }
    }

    fn folders(&mut self, folders: &FolderList, place: Place) {
        let is_missing = match folders {
            FolderList::Joined(text) => {
                text.is_plain() && text.source().split(';').all(|part| part.trim().is_empty())
            }
            FolderList::Each(texts) => texts.is_empty() || texts.iter().any(is_blank),
        };
        if is_missing {
            self.missing("folders");
            return;
        }
        match folders {
            FolderList::Joined(text) if text.is_plain() => {
                for part in text.source().split(';').map(str::trim).filter(|part| !part.is_empty())
                {
                    self.plain_path("folders", part, place);
                }
            }
            FolderList::Joined(_) => {}
            FolderList::Each(texts) => {
                for text in texts.iter().filter(|text| text.is_plain()) {
                    self.plain_path("folders", text.source(), place);
                }
            }
        }
    }

    fn path(&mut self, parameter: &'static str, path: &Template, place: Place) {
        if is_blank(path) {
            self.missing(parameter);
        } else if path.is_plain() {
            self.plain_path(parameter, path.source(), place);
        }
    }

    fn plain_path(&mut self, parameter: &'static str, path: &str, place: Place) {
        let site = self.site(parameter);
        match place {
            Place::Depot => {
                if let Some(why) = paths::leaves_depot(path) {
                    self.report.error(
                        code::DEPOT_PATH,
                        site,
                        format!("`{path}` {why}, but `{parameter}` is a path in the depot"),
                        "write it from the depot's root, without a leading `/`: `deploy/viewer`",
                    );
                }
            }
            Place::Target if !paths::is_absolute(path) => self.report.error(
                code::TARGET_PATH,
                site,
                format!("`{path}` is relative, but `{parameter}` is a path on the target"),
                r"write it from its root: `/opt/viewer`, `C:\Viewer` or `\\server\share`",
            ),
            Place::Target => {}
        }
    }

    fn new_name(&mut self, name: &Template) {
        if is_blank(name) {
            self.missing("new");
        } else if name.is_plain() && !paths::is_one_name(name.source()) {
            self.report.error(
                code::NAME_WITH_FOLDER,
                self.site("new"),
                format!("`{}` is a path, but `new` is a name", name.source()),
                "write only the new name; use `move` to bring a file to another folder",
            );
        }
    }
}

fn is_blank(text: &Template) -> bool {
    text.is_plain() && text.source().trim().is_empty()
}
