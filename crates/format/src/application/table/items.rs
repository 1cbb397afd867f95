//! Shortcuts, registry, files, INI and text files (AP-03 … AP-07).

use super::{
    ALWAYS, Field, PER_USER, Preset, Record, Shape, Union, choice, field, optional, record,
    required, switch,
};
use crate::application::words::{ACTIONS, FILE_RULES, INI_RULES, REGISTRY_RULES, SEARCH_TYPES};

pub(crate) const SHORTCUTS: Shape = Shape::List(&Shape::Union(&SHORTCUT_ITEM));
pub(crate) const REGISTRY: Shape = Shape::List(&Shape::Record(&REGISTRY_KEY));
pub(crate) const FILES: Shape = Shape::List(&Shape::Union(&FILE_ITEM));
pub(crate) const INI: Shape = Shape::List(&Shape::Record(&INI_FILE));
pub(crate) const TEXT: Shape = Shape::List(&Shape::Record(&TEXT_FILE));

static SHORTCUT_ITEM: Union = Union {
    name: "shortcut_item",
    article: "an item of `shortcuts`",
    records: &[&SHORTCUT, &DELETE_SHORTCUT, &GROUP],
};

const PLACE: Field = choice(
    "place",
    &["start_menu", "desktop", "startup"],
    "start_menu",
    "Where it stands; at `startup` it begins when a user logs on.",
);
const IN_GROUP: Field =
    optional("group", Shape::Text, "The program group in the start menu, made where missing.");
const IN_FOLDER: Field = optional("folder", Shape::Text, "A folder, in place of `place`.");
const FOR_ALL: Field =
    switch("for_all", true, "For everybody who uses the machine; otherwise for each user.");

static SHORTCUT: Record = record(
    "shortcut",
    "a shortcut",
    "A shortcut to a program, a document or a folder.",
    &[
        required("shortcut", Shape::Text, "What people read."),
        required("target", Shape::Text, "What it opens: a path."),
        PLACE,
        IN_GROUP,
        IN_FOLDER,
        FOR_ALL,
        optional("arguments", Shape::Text, "What the program is given."),
        optional("working_folder", Shape::Text, "The folder the program begins in."),
        optional("description", Shape::Text, "Shown beside it."),
        optional("icon", Shape::Text, "A file with the picture; that of the target unless given."),
        field(
            "icon_index",
            Shape::Count(u32::MAX as u64),
            Preset::Count(0),
            "Which of the pictures in that file.",
        ),
        choice("window", &["normal", "minimized", "maximized"], "normal", "How it opens."),
        switch("as_administrator", false, "With an administrator's rights (Windows)."),
        switch("terminal", false, "In a terminal (Linux)."),
        optional(
            "categories",
            Shape::List(&Shape::Plain),
            "Of the start menu (Linux): `Office`, `Graphics`.",
        ),
        ALWAYS,
        PER_USER,
    ],
);

static DELETE_SHORTCUT: Record = record(
    "delete_shortcut",
    "a shortcut to delete",
    "A shortcut that is taken away.",
    &[
        required("delete_shortcut", Shape::Text, "What people read."),
        PLACE,
        IN_GROUP,
        IN_FOLDER,
        FOR_ALL,
        ALWAYS,
        PER_USER,
    ],
);

static GROUP: Record = record(
    "group",
    "a program group",
    "A program group: a folder of the start menu.",
    &[
        required("group", Shape::Text, "Its name, with `/` before the name of one within it."),
        switch("delete", false, "Take it away with all that is in it."),
        FOR_ALL,
        ALWAYS,
        PER_USER,
    ],
);

static REGISTRY_KEY: Record = record(
    "registry_key",
    "an item of `registry`",
    "A key, or values of a key.",
    &[
        required("key", Shape::Text, r"The key with its root: `HKLM\Software\Maker`."),
        choice(
            "rule",
            REGISTRY_RULES,
            "create_always",
            "What becomes of the key; with `values`, of those that have no rule of their own.",
        ),
        choice("view", &["64", "32"], "64", "Which programs see it: those of 64 or 32 bits."),
        optional("values", Shape::List(&Shape::Union(&REGISTRY_VALUE)), "Values, in order."),
        ALWAYS,
        PER_USER,
    ],
);

static REGISTRY_VALUE: Union = Union {
    name: "registry_value",
    article: "an item of `values`",
    records: &[&NAMED_VALUE, &DEFAULT_VALUE],
};

const VALUE_RULE: Field = optional(
    "rule",
    Shape::Choice(REGISTRY_RULES),
    "What becomes of it; that of its key unless given.",
);
const VALUE_ALWAYS: Field =
    optional("distribute_always", Shape::Switch, "Each time; as its key unless given.");
const VALUE_PER_USER: Field =
    optional("track_per_user", Shape::Switch, "For each user; as its key unless given.");

static NAMED_VALUE: Record = record(
    "value",
    "a value",
    "A value with its data: one of `text` to `raw`, none to delete it.",
    &[
        required("name", Shape::Text, "The value's name; `''` for the key's default value."),
        optional("text", Shape::Text, "A text (`REG_SZ`)."),
        optional("expanded_text", Shape::Text, "A text with `%variables%` (`REG_EXPAND_SZ`)."),
        optional("texts", Shape::List(&Shape::Text), "Several texts (`REG_MULTI_SZ`)."),
        optional("dword", Shape::Count(u32::MAX as u64), "A number of 32 bits (`REG_DWORD`)."),
        optional("qword", Shape::Count(u64::MAX), "A number of 64 bits (`REG_QWORD`)."),
        optional("binary", Shape::Plain, "Bytes in hexadecimal: `01 02 ff` (`REG_BINARY`)."),
        optional("raw", Shape::Record(&RAW), "Any other type by its number."),
        VALUE_RULE,
        VALUE_ALWAYS,
        VALUE_PER_USER,
    ],
);

static RAW: Record = record(
    "raw_data",
    "data of any type",
    "Data by the number of its type.",
    &[
        required(
            "type",
            Shape::Count(u32::MAX as u64),
            "0 is `REG_NONE`, 5 a number the other way.",
        ),
        required("bytes", Shape::Plain, "Bytes in hexadecimal: `01 02 ff`."),
    ],
);

static DEFAULT_VALUE: Record = record(
    "default_value",
    "a key's default value",
    "The key's default value, a text.",
    &[required("default", Shape::Text, "The text."), VALUE_RULE, VALUE_ALWAYS, VALUE_PER_USER],
);

static FILE_ITEM: Union = Union {
    name: "file_item",
    article: "an item of `files`",
    records: &[&COPY, &COPY_FOLDER, &CREATE_FOLDER, &DELETE, &DELETE_FOLDER],
};

const FILE_RULE: Field = choice("rule", FILE_RULES, "always", "When it is copied.");
const SHARED: Field =
    switch("shared", false, "Other applications use it too; it stays until the last has gone.");

static COPY: Record = record(
    "copy",
    "a file to copy",
    "A file that is copied, or several by wildcards.",
    &[
        required("copy", Shape::Text, "What is copied; wildcards may stand in the last part."),
        required("to", Shape::Text, "The file it becomes; with wildcards the folder."),
        FILE_RULE,
        SHARED,
        ALWAYS,
        PER_USER,
    ],
);

static COPY_FOLDER: Record = record(
    "copy_folder",
    "a folder to copy",
    "A folder whose files are copied.",
    &[
        required("copy_folder", Shape::Text, "The folder to take from."),
        required("to", Shape::Text, "The folder to bring to."),
        switch("subfolders", true, "Folders within it as well."),
        FILE_RULE,
        SHARED,
        ALWAYS,
        PER_USER,
    ],
);

static CREATE_FOLDER: Record = record(
    "create_folder",
    "a folder to create",
    "A folder that is made, with those above it.",
    &[required("create_folder", Shape::Text, "The folder."), ALWAYS, PER_USER],
);

static DELETE: Record = record(
    "delete",
    "a file to delete",
    "A file that is deleted; fine when it is not there.",
    &[
        required("delete", Shape::Text, "The file; wildcards may stand in the last part."),
        SHARED,
        ALWAYS,
        PER_USER,
    ],
);

static DELETE_FOLDER: Record = record(
    "delete_folder",
    "a folder to delete",
    "A folder that is deleted with everything in it.",
    &[required("delete_folder", Shape::Text, "The folder."), ALWAYS, PER_USER],
);

static INI_FILE: Record = record(
    "ini_file",
    "an item of `ini`",
    "An INI file.",
    &[
        required("file", Shape::Text, "The file; without a folder: in `%*WinDir%`."),
        required("sections", Shape::List(&Shape::Record(&INI_SECTION)), "Its sections, in order."),
    ],
);

static INI_SECTION: Record = record(
    "ini_section",
    "a section",
    "A section of an INI file.",
    &[
        required("section", Shape::Text, "Its name, without brackets."),
        required("values", Shape::List(&Shape::Record(&INI_VALUE)), "Its values, in order."),
    ],
);

static INI_VALUE: Record = record(
    "ini_value",
    "a value of an INI file",
    "A name and its data.",
    &[
        required("name", Shape::Text, "What stands before `=`."),
        optional("data", Shape::Text, "What stands after `=`; without it all of that name go."),
        choice("rule", INI_RULES, "create_always", "What becomes of it."),
        ALWAYS,
        PER_USER,
    ],
);

static TEXT_FILE: Record = record(
    "text_file",
    "an item of `text`",
    "A text file.",
    &[
        required("file", Shape::Text, "The file; a bare name is looked for along PATH."),
        switch("no_reboot_if_modified", false, "Its change is no reason for a restart."),
        required("changes", Shape::List(&Shape::Union(&TEXT_CHANGE)), "Its changes, in order."),
    ],
);

static TEXT_CHANGE: Union = Union {
    name: "text_change",
    article: "an item of `changes`",
    records: &[&FIND, &APPEND, &PREPEND],
};

static FIND: Record = record(
    "find",
    "a search",
    "Looks for a text and does something where it is found.",
    &[
        required("find", Shape::Text, "What is looked for."),
        choice("how", SEARCH_TYPES, "substring", "Where it counts as found."),
        switch("case_sensitive", false, "Tell capitals from small letters."),
        switch("all", false, "Every occurrence, not only the first."),
        field("then", Shape::Choice(ACTIONS), Preset::Required, "What is done there."),
        optional("text", Shape::Text, "What is put there."),
        ALWAYS,
        PER_USER,
    ],
);

static APPEND: Record = record(
    "append",
    "lines to append",
    "Becomes the last lines.",
    &[required("append", Shape::Text, "The lines."), ALWAYS, PER_USER],
);

static PREPEND: Record = record(
    "prepend",
    "lines to prepend",
    "Becomes the first lines.",
    &[required("prepend", Shape::Text, "The lines."), ALWAYS, PER_USER],
);
