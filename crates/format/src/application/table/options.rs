//! Macros, scripts, processes, schedule, options, dependencies, uninstalling (AP-02, AP-08 … AP-11,
//! AP-18).

use super::{
    Field, Preset, Record, Shape, Union, choice, field, optional, record, required, switch,
};
use crate::application::words::{REBOOTS, REMOVALS};

pub(super) const MACROS: Shape =
    Shape::Named(&Shape::Either(&Shape::Text, &Shape::Record(&PROMPTED)));

static PROMPTED: Record = record(
    "prompted_macro",
    "a macro that is asked for",
    "A macro whose value the user is asked for, once.",
    &[
        required("prompt", Shape::Plain, "The question."),
        required("default", Shape::Text, "What it is where nobody answers."),
        optional("length_max", Shape::Count(u32::MAX as u64), "Characters."),
    ],
);

pub(super) static SCRIPTS: Record = record(
    "scripts",
    "`scripts`",
    "Scripts in the system's rights, unseen.",
    &[
        optional("before", Shape::Record(&SCRIPT), "Before anything is distributed."),
        optional("after", Shape::Record(&SCRIPT), "After everything is distributed."),
        optional("before_uninstall", Shape::Record(&SCRIPT), "Before anything is undone."),
        optional("after_uninstall", Shape::Record(&SCRIPT), "After everything is undone."),
    ],
);

static SCRIPT: Record = record(
    "script",
    "a script",
    "A script.",
    &[
        required("run", Shape::Text, "Its text."),
        optional(
            "engine",
            Shape::Text,
            r"Program and switches: `%*WinSysDir%\cmd.exe /c`; the system's shell unless given.",
        ),
        optional("extension", Shape::Plain, "Of the file it is put in: `.bat`."),
        optional("timeout", Shape::Span, "After this long it is ended with all it started."),
    ],
);

pub(super) static LAUNCH: Record = record(
    "launch",
    "`launch`",
    "How users launch it, in their own rights.",
    &[
        required("program", Shape::Text, "The program: a path."),
        optional("arguments", Shape::Text, "What the program is given."),
        optional("working_folder", Shape::Text, "The folder the program begins in."),
        switch("once", false, "Its icon goes once a user has launched this version."),
        optional("before", Shape::Record(&SCRIPT), "Before the program, in the user's rights."),
        optional("after", Shape::Record(&SCRIPT), "When the program has ended."),
    ],
);

pub(super) const END: Shape = Shape::List(&Shape::Union(&END_ITEM));

static END_ITEM: Union =
    Union { name: "end_item", article: "an item of `end`", records: &[&PROCESS, &SERVICE] };

static PROCESS: Record = record(
    "process",
    "a process to end",
    "A process that is ended.",
    &[required("process", Shape::Text, "The file name, all instances of it; a path narrows.")],
);

static SERVICE: Record = record(
    "service",
    "a service to end",
    "A service that is stopped.",
    &[required("service", Shape::Text, "The service's name.")],
);

pub(super) const PRE_INSTALL: Shape = Shape::Either(
    &Shape::Choice(&["no", "as_soon_as_associated"]),
    &Shape::Union(&Union { name: "schedule", article: "a schedule", records: &[&DAYS, &RANGE] }),
);

const FROM: Field =
    field("from", Shape::Plain, Preset::Word("00:00"), "The time it begins on each of the days.");
const UNTIL: Field = field(
    "until",
    Shape::Plain,
    Preset::Word("24:00"),
    "The time it ends; before `from`: on the next day.",
);
const SPREAD: Field =
    optional("spread", Shape::Span, "Each machine begins somewhere within this from the start.");
const CLOCK: Field =
    choice("clock", &["local", "everywhere"], "local", "Each machine's time, or UTC everywhere.");

static DAYS: Record = record(
    "days",
    "a schedule of days",
    "On chosen days.",
    &[
        required("days", Shape::List(&Shape::Plain), "Dates: `2026-11-21`."),
        FROM,
        UNTIL,
        SPREAD,
        CLOCK,
    ],
);

const WEEKDAYS: &[&str] =
    &["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

static RANGE: Record = record(
    "range",
    "a range of days",
    "From one day to another.",
    &[
        required("first", Shape::Plain, "The first day: `2026-11-21`."),
        required("last", Shape::Plain, "The last day."),
        optional(
            "weekdays",
            Shape::List(&Shape::Choice(WEEKDAYS)),
            "Only these; all unless given.",
        ),
        FROM,
        UNTIL,
        SPREAD,
        CLOCK,
    ],
);

pub(super) static OPTIONS: Record = record(
    "options",
    "`options`",
    "How it is distributed.",
    &[
        switch("distribute_always", false, "All items, each time; overrides theirs."),
        switch("prompt", false, "Ask the user before the first time."),
        choice("rights", &["system", "user"], "system", "In whose rights."),
        choice("reboot", REBOOTS, "if_needed", "Restart afterwards."),
        switch("prompt_reboot", false, "Ask before a restart; only with `show_progress`."),
        switch("show_progress", false, "Show how far it is."),
    ],
);

pub(super) static DEPENDENCY: Record = record(
    "dependency",
    "a dependency",
    "Another application.",
    &[
        required("application", Shape::Id, "Its id."),
        optional("name", Shape::Plain, "Its name, for people."),
        switch("continue_if_it_fails", false, "Go on when it cannot be distributed."),
    ],
);

pub(super) static UNINSTALL: Record = record(
    "uninstall",
    "`uninstall`",
    "How it is uninstalled.",
    &[
        switch("allowed", true, "It may be uninstalled."),
        choice(
            "when_unassociated",
            &["keep", "uninstall"],
            "keep",
            "What happens when the association has gone.",
        ),
        optional("end", END, "Ended first, in order."),
        switch("prompt", false, "Ask the user before."),
        choice("files", REMOVALS, "restore", "Whether files become what they were."),
        choice("shortcuts", REMOVALS, "restore", "Whether shortcuts become what they were."),
        choice("ini", REMOVALS, "restore", "Whether INI settings become what they were."),
        choice("text", REMOVALS, "restore", "Whether text files become what they were."),
        choice("registry", REMOVALS, "restore", "Whether the registry becomes what it was."),
    ],
);
