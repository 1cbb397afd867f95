//! What an application file may contain: its records with their fields and defaults. The reader
//! and the JSON Schema are both driven by these tables.

mod availability;
mod items;
mod kinds;
mod options;

use items::{FILES, INI, REGISTRY, SHORTCUTS, TEXT};

/// A mapping with known keys.
pub(crate) struct Record {
    /// For the schema: `shortcut`.
    pub(crate) name: &'static str,
    /// For messages: `a shortcut`.
    pub(crate) article: &'static str,
    pub(crate) about: &'static str,
    pub(crate) fields: &'static [Field],
    /// Of these fields exactly one is written.
    pub(crate) one_of: &'static [&'static str],
}

impl Record {
    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) preset: Preset,
    pub(crate) about: &'static str,
}

/// How a value is written.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// A text without macros.
    Plain,
    /// A text that is not blank, without control characters and `%`.
    Name,
    /// A text that may hold macros.
    Text,
    /// `true` or `false`.
    Switch,
    /// A whole number from 0 to this one; `0x1f` as well.
    Count(u64),
    /// A length of time: `10m`.
    Span,
    Choice(&'static [&'static str]),
    /// A UUID.
    Id,
    List(&'static Shape),
    /// Names to values of a shape.
    Named(&'static Shape),
    Record(&'static Record),
    /// A record known by its first field.
    Union(&'static Union),
    /// A single value, or something with parts.
    Either(&'static Shape, &'static Shape),
}

pub(crate) struct Union {
    /// For the schema: `file_item`.
    pub(crate) name: &'static str,
    /// For messages: `an item of files`.
    pub(crate) article: &'static str,
    /// Those whose first field may stand within another one come after that one.
    pub(crate) records: &'static [&'static Record],
}

/// What a field is when it is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preset {
    Required,
    Absent,
    Switch(bool),
    Count(u32),
    Word(&'static str),
}

pub(crate) const fn field(
    name: &'static str,
    shape: Shape,
    preset: Preset,
    about: &'static str,
) -> Field {
    Field { name, shape, preset, about }
}

const fn required(name: &'static str, shape: Shape, about: &'static str) -> Field {
    field(name, shape, Preset::Required, about)
}

const fn optional(name: &'static str, shape: Shape, about: &'static str) -> Field {
    field(name, shape, Preset::Absent, about)
}

const fn switch(name: &'static str, preset: bool, about: &'static str) -> Field {
    field(name, Shape::Switch, Preset::Switch(preset), about)
}

const fn choice(
    name: &'static str,
    words: &'static [&'static str],
    preset: &'static str,
    about: &'static str,
) -> Field {
    field(name, Shape::Choice(words), Preset::Word(preset), about)
}

const fn record(
    name: &'static str,
    article: &'static str,
    about: &'static str,
    fields: &'static [Field],
) -> Record {
    Record { name, article, about, fields, one_of: &[] }
}

/// The largest version of an application (AP-01).
const VERSION_MAX: u64 = u16::MAX as u64;

const ALWAYS: Field = switch(
    "distribute_always",
    false,
    "Each time the application is distributed, not only for a larger version.",
);
const PER_USER: Field = switch(
    "track_per_user",
    false,
    "For each user on each machine they log on to, whatever their profile carries along.",
);

pub(crate) static FILE: Record = record(
    "application",
    "an application file",
    "What a machine should have.",
    &[
        required("application", Shape::Name, "The application's name."),
        required("id", Shape::Id, "Its UUID, made once: `deskhand app new`."),
        field(
            "version",
            Shape::Count(VERSION_MAX),
            Preset::Count(0),
            "From 0 to 65535; machines with a smaller one distribute again.",
        ),
        optional("description", Shape::Plain, "What it is for; shown when users are asked."),
        optional("icon", Shape::Text, "A picture below the source."),
        optional("folder", Shape::Plain, "Where it stands among others: `Office/Viewers`."),
        optional(
            "source",
            Shape::Text,
            "`%SOURCE_PATH%`: a folder of the depot, or beside this file when applied from one.",
        ),
        optional("target", Shape::Text, "`%TARGET_PATH%`: where it goes on the machine."),
        optional("macros", options::MACROS, "Own macros: a value, or a question with a default."),
        optional("msi", Shape::Record(&kinds::MSI), "A Windows Installer package."),
        optional("packages", Shape::Record(&kinds::PACKAGES), "Packages of Linux distributions."),
        optional("web", Shape::Record(&kinds::WEB), "An address to open."),
        optional(
            "terminal_server",
            Shape::Record(&kinds::TERMINAL_SERVER),
            "A session on a terminal server.",
        ),
        optional("shortcuts", SHORTCUTS, "Program groups and shortcuts, in order."),
        optional("registry", REGISTRY, "Keys and values of the Windows registry, in order."),
        optional("files", FILES, "Files and folders, in order."),
        optional("ini", INI, "Settings in INI files, in order."),
        optional("text", TEXT, "Changes of text files, in order."),
        optional("scripts", Shape::Record(&options::SCRIPTS), "Carried out before and after."),
        optional(
            "launch",
            Shape::Record(&options::LAUNCH),
            "How users launch it, by an icon of its own in their start menu.",
        ),
        optional("end", options::END, "Ended before anything is distributed, in order."),
        field(
            "pre_install",
            options::PRE_INSTALL,
            Preset::Word("as_soon_as_associated"),
            "When machines get their part ahead of first use.",
        ),
        optional("options", Shape::Record(&options::OPTIONS), "How it is distributed."),
        optional(
            "availability",
            Shape::Union(&availability::RULE),
            "What a machine must be to get the application.",
        ),
        optional(
            "dependencies",
            Shape::List(&Shape::Record(&options::DEPENDENCY)),
            "Applications distributed before this one, in order.",
        ),
        optional(
            "supersedes",
            Shape::List(&Shape::Id),
            "Applications uninstalled before this one is distributed.",
        ),
        optional("uninstall", Shape::Record(&options::UNINSTALL), "How it is uninstalled."),
    ],
);
