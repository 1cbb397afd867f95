//! The application as its author describes it (AP-01 … AP-18): what `format` reads from YAML, with
//! macros unexpanded.

mod files;
mod ini;
mod launch;
mod options;
mod registry;
mod schedule;
mod scripts;
mod shortcuts;
mod text;

use std::fmt;

use model::ApplicationId;

pub use files::{FileItem, FileRule};
pub use ini::{IniFile, IniRule, IniSetting};
pub use launch::Launch;
pub use options::{
    Availability, Comparison, Dependency, Options, ProcessEnd, Reboot, RegistryTest, Removal,
    Rights, Test, Unassociated, Uninstall,
};
pub use registry::{RegistryEntry, RegistryItem, RegistryRule, ValueData, View};
pub use schedule::{Clock, Dates, PreInstall, When};
pub use scripts::{DistributionScript, Scripts};
pub use shortcuts::{Place, Shortcut, ShortcutItem, Window};
pub use text::{Change as TextChange, Edit as TextEdit, ResultAction, SearchType, TextFile};

/// A text that may hold macros (AP-02): `%SOURCE_PATH%`, `%*WinDir%`, `${HOME}`, `%%` for a percent
/// sign.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text(String);

impl Text {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A text without macros: its percent signs stand for themselves.
    pub fn literal(text: &str) -> Self {
        Self(text.replace('%', "%%").replace("${", "$${"))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a machine should have.
#[derive(Debug, Clone, PartialEq)]
pub struct Application {
    pub name: String,
    /// Made once; the same on several objects means that it is distributed once.
    pub id: ApplicationId,
    /// Distributed again when it is larger than the one on record at the machine.
    pub version: u16,
    pub description: Option<String>,
    /// Below [`Self::source`].
    pub icon: Option<Text>,
    /// Where it stands among others, for people: `Office/Viewers`.
    pub folder: Option<String>,
    pub kind: Kind,
    /// `%SOURCE_PATH%`: a folder of the depot, or beside the file when applied from one.
    pub source: Option<Text>,
    /// `%TARGET_PATH%`.
    pub target: Option<Text>,
    pub macros: Vec<Macro>,
    pub items: Items,
    pub scripts: Scripts,
    /// How users launch it, with an icon of its own; the icon's shortcuts are beside it.
    pub launch: Option<Launch>,
    /// Ended before anything is distributed, in order (AP-10).
    pub end: Vec<ProcessEnd>,
    pub pre_install: PreInstall,
    pub options: Options,
    /// All must hold (AP-17); none when empty.
    pub availability: Option<Availability>,
    /// Distributed before, in order (AP-18).
    pub dependencies: Vec<Dependency>,
    /// Uninstalled before this one is distributed.
    pub supersedes: Vec<ApplicationId>,
    pub uninstall: Uninstall,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Items only; what is imported from `.axt` too.
    Simple,
    Msi(Msi),
    /// Packages of the Linux distribution.
    Packages(Packages),
    /// A shortcut to an address.
    Web {
        url: Text,
        /// A program of its own to open it with.
        browser: Option<Text>,
    },
    /// A `.rdp` file and a shortcut to it.
    TerminalServer(TerminalServer),
}

/// A Windows Installer package (AP-01).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Msi {
    pub file: Text,
    /// `{…}`; read from the file when not given.
    pub product_code: Option<String>,
    pub transforms: Vec<Text>,
    /// `NAME` to value, in order.
    pub properties: Vec<(String, Text)>,
    /// In place of `/qn /norestart`.
    pub arguments: Option<Text>,
    pub uninstall_arguments: Option<Text>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packages {
    pub system: PackageSystem,
    pub packages: Vec<Package>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageSystem {
    /// Whichever the machine has.
    Any,
    Deb,
    Rpm,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    /// That one or a later one.
    pub version: Option<String>,
    /// Installed from this file of the source; else from the machine's package sources.
    pub file: Option<Text>,
}

/// A session on a terminal server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminalServer {
    /// `host` or `host:port`.
    pub address: Text,
    /// The program started there; the desktop when none.
    pub program: Option<Text>,
    pub arguments: Option<Text>,
    pub working_folder: Option<Text>,
    pub user: Option<Text>,
    pub full_screen: bool,
}

/// An application's own macro.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Macro {
    pub name: String,
    pub value: MacroValue,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MacroValue {
    Text(Text),
    /// Asked of the user once; the default where nobody is there.
    Prompted {
        prompt: String,
        default: Text,
        /// Characters.
        length_max: Option<u32>,
    },
}

/// All that is changed, in the manual's groups. Within a group order counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Items {
    pub shortcuts: Vec<ShortcutItem>,
    pub registry: Vec<RegistryItem>,
    pub files: Vec<FileItem>,
    pub ini: Vec<IniFile>,
    pub text: Vec<TextFile>,
}

/// What every item has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Handling {
    /// Each time, not only for a new version (AP-11).
    pub distribute_always: bool,
    /// For each user on each machine they log on to (AP-12).
    pub track_per_user: bool,
}
