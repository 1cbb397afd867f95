//! A workflow as data: activities, their parameters, and the transitions between them (WF-01).
//!
//! A [`Workflow`] may still be wrong as a graph; [`crate::check`] says so. What cannot be told
//! apart from nonsense (a name that is no name) cannot be built.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use model::Span;

mod parameters;

use crate::Template;
use crate::event::{Event, is_name};

pub use parameters::{
    Action, ApplicationAction, Channel, Command, Execute, FileMove, FolderList, Impersonate,
    Logging, Message, OneApplication, OneRename, Script, Shutdown, ShutdownMethod, Transfer,
    Visibility, WakeOnLan, WakeThrough,
};

/// The name of an activity within its workflow: a letter or `_`, then letters, digits and `_`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActivityName(Arc<str>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a name (a letter or `_`, then letters, digits and `_`, at most 64)")]
pub struct NameError {
    text: String,
}

impl ActivityName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ActivityName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_name(text) { Ok(Self(text.into())) } else { Err(NameError { text: text.to_owned() }) }
    }
}

impl fmt::Display for ActivityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ActivityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

/// A workflow: where it starts, what it does, what follows what.
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    pub name: String,
    pub description: String,
    /// A target's run begins only when the target shows itself (WF-04).
    pub start_on_presence: bool,
    pub start: ActivityName,
    /// Own variables with their first values, available to templates by their names.
    pub variables: BTreeMap<String, String>,
    pub activities: BTreeMap<ActivityName, Activity>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    pub description: String,
    /// After this long in progress the activity is ended with the event `timeout`.
    pub timeout: Option<Span>,
    pub kind: Kind,
    /// Transitions: each event begins all activities named, in parallel.
    pub on: BTreeMap<Event, Vec<ActivityName>>,
}

/// What an activity does, with its parameters (AC-01..AC-20).
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Success {
        message: Option<Template>,
    },
    Failure {
        message: Option<Template>,
    },
    /// `limit` 2 means at most three passes.
    Retry {
        limit: u32,
        delay: Span,
    },
    Jump {
        to: ActivityName,
    },
    Empty,
    Synchronization,
    Wait {
        duration: Template,
    },
    Execute(Execute),
    /// Depot to target. `from_targets` allows files that targets wrote into the depot.
    Upload {
        transfer: Transfer,
        from_targets: bool,
    },
    /// Target to depot.
    Download(Transfer),
    Move(FileMove),
    Copy(FileMove),
    Rename(OneRename),
    DeleteFiles {
        folder: Template,
        filter: Template,
        recursive: bool,
        force: bool,
        on_server: bool,
    },
    CreateFolders {
        folders: FolderList,
        on_server: bool,
    },
    DeleteFolders {
        folders: FolderList,
        recursive: bool,
        force: bool,
        on_server: bool,
    },
    /// Goes on by a value: the event is what it renders to (`true`, `linux`).
    Choose {
        value: Template,
    },
    Impersonate(Impersonate),
    Shutdown(Shutdown),
    /// Tests and changes of the Windows registry, as one transaction.
    Registry {
        script: Template,
    },
    Script(Script),
    WakeOnLan(WakeOnLan),
    Action(Action),
    Message(Message),
    Application(OneApplication),
    /// Stands for what was not understood while a file was read; the name as written.
    NotYet {
        name: String,
    },
}

/// Where an activity is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// By the interpreter itself, wherever the run is.
    Any,
    Target,
    Server,
}

impl Kind {
    /// The activity's name in workflow files.
    pub fn name(&self) -> &str {
        match self {
            Self::Success { .. } => "success",
            Self::Failure { .. } => "failure",
            Self::Retry { .. } => "retry",
            Self::Jump { .. } => "jump",
            Self::Empty => "empty",
            Self::Synchronization => "synchronization",
            Self::Wait { .. } => "wait",
            Self::Execute(_) => "execute",
            Self::Upload { .. } => "upload",
            Self::Download(_) => "download",
            Self::Move(_) => "move",
            Self::Copy(_) => "copy",
            Self::Rename(_) => "rename",
            Self::DeleteFiles { .. } => "delete_files",
            Self::CreateFolders { .. } => "create_folders",
            Self::DeleteFolders { .. } => "delete_folders",
            Self::Choose { .. } => "choose",
            Self::Impersonate(_) => "impersonate",
            Self::Shutdown(_) => "shutdown",
            Self::Registry { .. } => "registry",
            Self::Script(_) => "script",
            Self::WakeOnLan(_) => "wake_on_lan",
            Self::Action(_) => "action",
            Self::Message(_) => "message",
            Self::Application(_) => "application",
            Self::NotYet { name } => name,
        }
    }

    pub fn side(&self) -> Side {
        let by = |on_server: bool| if on_server { Side::Server } else { Side::Target };
        match self {
            Self::Success { .. }
            | Self::Failure { .. }
            | Self::Retry { .. }
            | Self::Jump { .. }
            | Self::Empty
            | Self::Synchronization
            | Self::Wait { .. }
            | Self::Choose { .. } => Side::Any,
            Self::Execute(_)
            | Self::Upload { .. }
            | Self::Download(_)
            | Self::Impersonate(_)
            | Self::Shutdown(_)
            | Self::Registry { .. }
            | Self::Script(_)
            | Self::Application(_)
            | Self::NotYet { .. } => Side::Target,
            Self::WakeOnLan(_) | Self::Action(_) | Self::Message(_) => Side::Server,
            Self::Move(files) | Self::Copy(files) => by(files.on_server),
            Self::Rename(rename) => by(rename.on_server),
            Self::DeleteFiles { on_server, .. }
            | Self::CreateFolders { on_server, .. }
            | Self::DeleteFolders { on_server, .. } => by(*on_server),
        }
    }

    /// Whether an interrupted activity may be carried out again from the beginning: transfers,
    /// copies, creating and deleting may; what has effects of its own never is. A Shutdown
    /// remembers which start of the machine it was for, a Registry activity what it has changed.
    pub fn can_be_redone(&self) -> bool {
        !matches!(self, Self::Execute(_) | Self::Rename(_) | Self::Script(_) | Self::NotYet { .. })
    }

    /// Nothing of it goes on at the target or the server but waiting.
    pub fn only_waits(&self) -> bool {
        matches!(self, Self::Wait { .. } | Self::WakeOnLan(_) | Self::Action(_))
    }

    /// It switches the machine off.
    pub fn powers_off(&self) -> bool {
        matches!(self, Self::Shutdown(shutdown) if shutdown.method == ShutdownMethod::PowerOff)
    }

    /// Whether an activity of this kind can emit `event` at all.
    pub fn emits(&self, event: &Event) -> bool {
        match event {
            Event::Ok => !matches!(
                self,
                Self::Success { .. }
                    | Self::Failure { .. }
                    | Self::Retry { .. }
                    | Self::Jump { .. }
                    | Self::Choose { .. }
            ),
            Event::Error => {
                self.side() != Side::Any || matches!(self, Self::Wait { .. } | Self::Choose { .. })
            }
            Event::NoFile => matches!(
                self,
                Self::Upload { .. }
                    | Self::Download(_)
                    | Self::Move(_)
                    | Self::Copy(_)
                    | Self::Rename(_)
                    | Self::DeleteFiles { .. }
            ),
            Event::Exit(_) => matches!(self, Self::Execute(_)),
            Event::Timeout => self.side() != Side::Any || matches!(self, Self::Wait { .. }),
            Event::Interrupted => {
                let never_again = self.side() == Side::Target && !self.can_be_redone();
                never_again || matches!(self, Self::Action(_))
            }
            Event::Named(_) => {
                matches!(self, Self::Script(_) | Self::Choose { .. } | Self::NotYet { .. })
            }
        }
    }

    /// Names of the outputs an ended activity of this kind leaves behind.
    pub fn outputs(&self) -> &'static [&'static str] {
        match self {
            Self::Execute(_) => &["exit_code", "stdout", "stderr", "truncated"],
            Self::Upload { .. } | Self::Download(_) => &["files", "bytes", "skipped"],
            Self::Move(_) | Self::Copy(_) => &["files", "skipped"],
            Self::DeleteFiles { .. } => &["files"],
            Self::Impersonate(_) => &["user", "domain"],
            Self::Registry { .. } => &["changes"],
            Self::Script(_) => &["result"],
            Self::WakeOnLan(_) => &["was_awake", "seconds"],
            Self::Action(_) => &["deployment", "outcome", "stdout", "exit_code", "status", "body"],
            Self::Message(_) => &["id"],
            Self::Application(_) => &["changed", "version", "drift", "plan"],
            _ => &[],
        }
    }

    /// Every text parameter, with the name of the parameter.
    pub fn templates(&self) -> Vec<(&'static str, &Template)> {
        match self {
            Self::Success { message } | Self::Failure { message } => {
                message.iter().map(|text| ("message", text)).collect()
            }
            Self::Wait { duration } => vec![("duration", duration)],
            Self::Execute(execute) => execute.templates(),
            Self::Upload { transfer, .. } | Self::Download(transfer) => {
                vec![("from", &transfer.from), ("to", &transfer.to), ("filter", &transfer.filter)]
            }
            Self::Move(files) | Self::Copy(files) => {
                vec![("from", &files.from), ("to", &files.to), ("filter", &files.filter)]
            }
            Self::Rename(rename) => vec![("current", &rename.current), ("new", &rename.new)],
            Self::DeleteFiles { folder, filter, .. } => {
                vec![("folder", folder), ("filter", filter)]
            }
            Self::CreateFolders { folders, .. } | Self::DeleteFolders { folders, .. } => {
                folders.templates().into_iter().map(|text| ("folders", text)).collect()
            }
            Self::Choose { value } => vec![("value", value)],
            Self::Impersonate(who) => {
                let domain = who.domain.iter().map(|text| ("domain", text));
                who.user.iter().map(|text| ("user", text)).chain(domain).collect()
            }
            Self::Shutdown(shutdown) => {
                shutdown.message.iter().map(|text| ("message", text)).collect()
            }
            Self::Registry { script } => vec![("script", script)],
            Self::Application(one) => vec![("application", &one.application)],
            Self::Script(script) => {
                let Script { depot, deposit, actions, .. } = script;
                let each = [("depot", depot), ("deposit", deposit), ("actions", actions)];
                each.into_iter()
                    .flat_map(|(name, texts)| texts.iter().map(move |text| (name, text)))
                    .collect()
            }
            Self::WakeOnLan(wake) => wake.address.iter().map(|text| ("address", text)).collect(),
            Self::Action(action) => {
                let parameters = action.parameters.values().map(|text| ("parameters", text));
                std::iter::once(("name", &action.name)).chain(parameters).collect()
            }
            Self::Message(message) => {
                let to = message.to.iter().map(|text| ("to", text));
                to.chain([("subject", &message.subject), ("text", &message.text)]).collect()
            }
            Self::Retry { .. }
            | Self::Jump { .. }
            | Self::Empty
            | Self::Synchronization
            | Self::NotYet { .. } => Vec::new(),
        }
    }
}

impl Workflow {
    /// Names of what an agent must be able to do to carry this workflow out; it refuses the run
    /// when it lacks one instead of ignoring what it does not know.
    pub fn capabilities(&self) -> BTreeSet<String> {
        self.activities.values().map(|activity| activity.kind.name().to_owned()).collect()
    }

    /// Names of the secrets that its activities use.
    pub fn secrets(&self) -> BTreeSet<&str> {
        let kinds = self.activities.values().map(|activity| &activity.kind);
        let used = kinds.filter_map(|kind| match kind {
            Kind::Impersonate(who) => who.secret.as_deref(),
            _ => None,
        });
        used.collect()
    }

    /// What `activity` emits when it ends with `event`: the most specific event that it names. An
    /// interruption is shown as one whatever follows it, because nobody knows whether the command
    /// was carried out.
    pub fn emitted(&self, activity: &ActivityName, event: &Event) -> Event {
        match (self.successors(activity, event), event.fallback()) {
            _ if *event == Event::Interrupted => Event::Interrupted,
            (Some((named, _)), _) => named,
            (None, Some(general)) => general,
            (None, None) => event.clone(),
        }
    }

    /// Where the transitions of `activity` for `event` lead: those of the most specific event that
    /// it names. `None` when it names neither the event nor what the event falls back to.
    pub fn successors(
        &self,
        activity: &ActivityName,
        event: &Event,
    ) -> Option<(Event, &[ActivityName])> {
        let on = &self.activities.get(activity)?.on;
        let named = |event: Event| on.get(&event).map(|to| (event, to.as_slice()));
        named(event.clone()).or_else(|| event.fallback().and_then(named))
    }
}
