//! A workflow as data: activities, their parameters, and the transitions between them (WF-01).
//!
//! A [`Workflow`] may still be wrong as a graph; [`crate::check`] says so. What cannot be told
//! apart from nonsense (a name that is no name) cannot be built.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use model::Span;

use crate::Template;
use crate::event::{Event, is_name};

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
    /// Known to the schema, not carried out by this version; the name as written (`registry` …).
    NotYet {
        name: String,
    },
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

/// One text with `;` between paths, or one text for each path.
#[derive(Debug, Clone, PartialEq)]
pub enum FolderList {
    Joined(Template),
    Each(Vec<Template>),
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
            | Self::Wait { .. } => Side::Any,
            Self::Execute(_) | Self::Upload { .. } | Self::Download(_) | Self::NotYet { .. } => {
                Side::Target
            }
            Self::Move(files) | Self::Copy(files) => by(files.on_server),
            Self::Rename(rename) => by(rename.on_server),
            Self::DeleteFiles { on_server, .. }
            | Self::CreateFolders { on_server, .. }
            | Self::DeleteFolders { on_server, .. } => by(*on_server),
        }
    }

    /// Whether an interrupted activity may be carried out again from the beginning: transfers,
    /// copies, creating and deleting may; what has effects of its own never is.
    pub fn can_be_redone(&self) -> bool {
        !matches!(self, Self::Execute(_) | Self::Rename(_) | Self::NotYet { .. })
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
            ),
            Event::Error => self.side() != Side::Any || matches!(self, Self::Wait { .. }),
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
            Event::Interrupted => self.side() == Side::Target && !self.can_be_redone(),
            Event::Named(_) => matches!(self, Self::NotYet { .. }),
        }
    }

    /// Names of the outputs an ended activity of this kind leaves behind.
    pub fn outputs(&self) -> &'static [&'static str] {
        match self {
            Self::Execute(_) => &["exit_code", "stdout", "stderr", "truncated"],
            Self::Upload { .. } | Self::Download(_) => &["files", "bytes", "skipped"],
            Self::Move(_) | Self::Copy(_) => &["files", "skipped"],
            Self::DeleteFiles { .. } => &["files"],
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
            Self::Retry { .. }
            | Self::Jump { .. }
            | Self::Empty
            | Self::Synchronization
            | Self::NotYet { .. } => Vec::new(),
        }
    }
}

impl Execute {
    fn templates(&self) -> Vec<(&'static str, &Template)> {
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

impl Workflow {
    /// Names of what an agent must be able to do to carry this workflow out; it refuses the run
    /// when it lacks one instead of ignoring what it does not know.
    pub fn capabilities(&self) -> BTreeSet<String> {
        self.activities.values().map(|activity| activity.kind.name().to_owned()).collect()
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
