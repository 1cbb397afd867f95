//! Processes, options, availability, dependencies, uninstalling (AP-10, AP-11, AP-17, AP-18).

use model::ApplicationId;

use super::Text;

/// What is ended before anything is distributed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessEnd {
    /// All instances of the file name; a path narrows.
    Process(Text),
    Service(Text),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// All items, each time; overrides theirs.
    pub distribute_always: bool,
    /// Once, with the description.
    pub prompt: bool,
    pub rights: Rights,
    pub reboot: Reboot,
    pub prompt_reboot: bool,
    pub show_progress: bool,
}

impl Options {
    /// Whether whoever is there is asked before a restart: not where nothing is shown to them.
    pub fn asks_before_restart(&self) -> bool {
        self.prompt_reboot && self.show_progress
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rights {
    #[default]
    System,
    User,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reboot {
    #[default]
    IfNeeded,
    Always,
    Never,
}

/// Rules, of which the machine must satisfy all, any, or not one.
#[derive(Debug, Clone, PartialEq)]
pub enum Availability {
    All(Vec<Availability>),
    Any(Vec<Availability>),
    Not(Box<Availability>),
    Is(Test),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// A fact by its name (`os.family`, `os.version`, `memory_mb`), versions compared as such.
    Fact {
        name: String,
        how: Comparison,
        value: String,
    },
    /// Of the disk that holds the path.
    DiskFree {
        path: Text,
        how: Comparison,
        megabytes: u64,
    },
    FileExists {
        path: Text,
    },
    FileVersion {
        path: Text,
        how: Comparison,
        version: String,
    },
    /// `2026-11-21` or `2026-11-21 13:00`, local.
    FileDate {
        path: Text,
        how: Comparison,
        date: String,
    },
    FileSize {
        path: Text,
        how: Comparison,
        bytes: u64,
    },
    Registry {
        key: Text,
        test: RegistryTest,
    },
    Environment {
        name: String,
        how: Comparison,
        value: String,
    },
    /// Installed here, in that version or any.
    Application {
        id: ApplicationId,
        how: Option<(Comparison, u16)>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum RegistryTest {
    KeyExists,
    ValueExists {
        name: Text,
    },
    /// As a number where the data is one, else as text.
    Value {
        name: Text,
        how: Comparison,
        data: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    pub application: ApplicationId,
    /// For people, where the other one is not known.
    pub name: Option<String>,
    pub continue_if_it_fails: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uninstall {
    pub allowed: bool,
    /// What happens when the association has gone.
    pub when_unassociated: Unassociated,
    /// Ended first, as before a distribution.
    pub end: Vec<ProcessEnd>,
    pub prompt: bool,
    pub files: Removal,
    pub shortcuts: Removal,
    pub ini: Removal,
    pub text: Removal,
    pub registry: Removal,
}

/// What becomes of a group's items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Removal {
    /// What was there before comes back.
    #[default]
    Restore,
    Keep,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unassociated {
    #[default]
    Keep,
    Uninstall,
}

impl Default for Uninstall {
    fn default() -> Self {
        Self {
            allowed: true,
            when_unassociated: Unassociated::default(),
            end: Vec::new(),
            prompt: false,
            files: Removal::default(),
            shortcuts: Removal::default(),
            ini: Removal::default(),
            text: Removal::default(),
            registry: Removal::default(),
        }
    }
}
