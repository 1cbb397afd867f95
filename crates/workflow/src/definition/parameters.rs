//! The parameters of those kinds of activities that have more than a few.

use std::collections::BTreeMap;

use model::Span;

use crate::Template;

/// Who later Executions, Registry activities and Scripts of this branch act as (AC-08).
#[derive(Debug, Clone, PartialEq)]
pub struct Impersonate {
    /// `@LoggedOnUser` for whoever is at the machine; none for the agent itself again.
    pub user: Option<Template>,
    pub domain: Option<Template>,
    /// The name under which the server keeps the password.
    pub secret: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Shutdown {
    pub method: ShutdownMethod,
    pub delay: Span,
    /// Shown to whoever is logged on.
    pub message: Option<Template>,
    /// Even when programs have unsaved work.
    pub force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShutdownMethod {
    Restart,
    PowerOff,
}

/// JavaScript on the target (AC-21).
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    pub code: String,
    /// What of the depot it may draw from.
    pub depot: Vec<Template>,
    /// Folders of the depot in which it may have files put, changed and deleted.
    pub deposit: Vec<Template>,
    /// Names of the actions that it may start.
    pub actions: Vec<Template>,
    /// It may have messages sent.
    pub messages: bool,
    pub memory_mb: u32,
    /// Calls of the script to the outside.
    pub operations: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct WakeOnLan {
    /// The physical address; the computer's own unless given.
    pub address: Option<Template>,
    pub through: WakeThrough,
    pub port: u32,
}

/// Who sends the packet that wakes a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeThrough {
    Any,
    Server,
    /// An agent that is awake in the same subnet.
    Neighbour,
}

/// A named action of the server (AC-22).
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    pub name: Template,
    pub parameters: BTreeMap<String, Template>,
    /// Wait for the deployment that it starts.
    pub wait: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub channel: Channel,
    /// Each may name several, separated by `;`.
    pub to: Vec<Template>,
    pub subject: Template,
    pub text: Template,
}

/// How a message reaches people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Kept by the server for whoever administers it.
    Internal,
    Mail,
    Webhook,
}

impl Channel {
    pub const ALL: [Self; 3] = [Self::Internal, Self::Mail, Self::Webhook];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Mail => "mail",
            Self::Webhook => "webhook",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Execute {
    pub command: Command,
    pub folder: Option<Template>,
    /// Wait for the end; otherwise the activity ends `ok` once the program has started.
    pub synchronous: bool,
    pub log: Logging,
    pub visibility: Visibility,
    pub environment: BTreeMap<String, Template>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// For the system's shell.
    Shell(Template),
    /// Program and arguments; never meets a shell.
    List(Vec<Template>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logging {
    None,
    /// Standard error always, standard output when the activity did not end `ok`.
    Errors,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    Default,
    Shown,
    Hidden,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    pub from: Template,
    pub to: Template,
    /// Names with wildcards, separated by `;`; empty means all files.
    pub filter: Template,
    pub recursive: bool,
    pub replace: bool,
    pub force: bool,
    pub resume: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FileMove {
    pub from: Template,
    pub to: Template,
    pub filter: Template,
    pub recursive: bool,
    pub replace: bool,
    pub force: bool,
    pub on_server: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct OneRename {
    pub current: Template,
    /// A name, not a path.
    pub new: Template,
    pub replace: bool,
    pub force: bool,
    pub on_server: bool,
}

/// An application of the fleet, at this target (AC-24).
#[derive(Debug, Clone, PartialEq)]
pub struct OneApplication {
    /// The name or id that it is published with. It must be known when the deployment is made.
    pub application: Template,
    pub action: ApplicationAction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplicationAction {
    /// With what it needs, where this version is not there yet.
    Distribute,
    /// Looks what differs from what was distributed.
    Verify,
    /// Puts that right.
    Repair,
    Uninstall,
    /// Tells what distributing would do, and does nothing.
    Plan,
}

impl ApplicationAction {
    pub const ALL: [Self; 5] =
        [Self::Distribute, Self::Verify, Self::Repair, Self::Uninstall, Self::Plan];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Distribute => "distribute",
            Self::Verify => "verify",
            Self::Repair => "repair",
            Self::Uninstall => "uninstall",
            Self::Plan => "plan",
        }
    }
}

/// One text with `;` between paths, or one text for each path.
#[derive(Debug, Clone, PartialEq)]
pub enum FolderList {
    Joined(Template),
    Each(Vec<Template>),
}

impl Execute {
    pub(super) fn templates(&self) -> Vec<(&'static str, &Template)> {
        let mut all: Vec<(&'static str, &Template)> = match &self.command {
            Command::Shell(text) => vec![("command", text)],
            Command::List(words) => words.iter().map(|word| ("command", word)).collect(),
        };
        all.extend(self.folder.iter().map(|folder| ("folder", folder)));
        all.extend(self.environment.values().map(|value| ("environment", value)));
        all
    }
}

impl FolderList {
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Joined(text) => vec![text],
            Self::Each(texts) => texts.iter().collect(),
        }
    }
}
