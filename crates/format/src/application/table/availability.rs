//! What a machine must be (AP-17).

use super::{Field, Record, Shape, Union, VERSION_MAX, optional, record, required};
use crate::application::words::COMPARISONS;

pub(super) static RULE: Union = Union {
    name: "availability",
    article: "a rule of `availability`",
    records: &[
        &ALL,
        &ANY,
        &NOT,
        &FACT,
        &DISK_FREE,
        &FILE_EXISTS,
        &FILE_VERSION,
        &FILE_DATE,
        &FILE_SIZE,
        &REGISTRY,
        &ENVIRONMENT,
        &APPLICATION,
    ],
};

const fn equals(shape: Shape) -> Field {
    optional("equals", shape, "It is this.")
}

const fn not_equals(shape: Shape) -> Field {
    optional("not_equals", shape, "It is something else.")
}

const fn less(shape: Shape) -> Field {
    optional("less", shape, "It is less, older or lower.")
}

const fn less_or_equal(shape: Shape) -> Field {
    optional("less_or_equal", shape, "It is this, or less.")
}

const fn greater(shape: Shape) -> Field {
    optional("greater", shape, "It is more, newer or higher.")
}

const fn greater_or_equal(shape: Shape) -> Field {
    optional("greater_or_equal", shape, "It is this, or more.")
}

/// A record with fields of its own and one for each comparison.
macro_rules! compared {
    ($shape:expr; $($field:expr),+ $(,)?) => {
        &[
            $($field,)+
            equals($shape),
            not_equals($shape),
            less($shape),
            less_or_equal($shape),
            greater($shape),
            greater_or_equal($shape),
        ]
    };
}

const fn test(
    name: &'static str,
    article: &'static str,
    about: &'static str,
    fields: &'static [Field],
) -> Record {
    Record { one_of: COMPARISONS, ..record(name, article, about, fields) }
}

static RULES: Shape = Shape::Union(&RULE);

static ALL: Record = record(
    "all",
    "`all`",
    "All of the rules hold.",
    &[required("all", Shape::List(&RULES), "The rules.")],
);

static ANY: Record = record(
    "any",
    "`any`",
    "At least one of the rules holds.",
    &[required("any", Shape::List(&RULES), "The rules.")],
);

static NOT: Record = record(
    "not",
    "`not`",
    "The rule does not hold.",
    &[required("not", Shape::Union(&RULE), "The rule.")],
);

static FACT: Record = test(
    "fact_rule",
    "a rule about a fact",
    "What is known of the machine.",
    compared!(Shape::Plain;
        required("fact", Shape::Plain, "`os.family`, `os.name`, `os.version`, `memory_mb` …")),
);

static DISK_FREE: Record = test(
    "disk_free_rule",
    "a rule about a disk",
    "Megabytes free on the disk that holds a path.",
    compared!(Shape::Count(1 << 40); required("disk_free", Shape::Text, "The path.")),
);

static FILE_EXISTS: Record = record(
    "file_exists_rule",
    "a rule about a file",
    "A file or folder is there.",
    &[required("file_exists", Shape::Text, "The path.")],
);

static FILE_VERSION: Record = test(
    "file_version_rule",
    "a rule about a file's version",
    "The version resource of a program or library.",
    compared!(Shape::Plain; required("file_version", Shape::Text, "The path.")),
);

static FILE_DATE: Record = test(
    "file_date_rule",
    "a rule about a file's date",
    "When a file was changed: `2026-11-21` or `2026-11-21 13:00`, in the machine's time.",
    compared!(Shape::Plain; required("file_date", Shape::Text, "The path.")),
);

static FILE_SIZE: Record = test(
    "file_size_rule",
    "a rule about a file's size",
    "Bytes of a file.",
    compared!(Shape::Count(1 << 60); required("file_size", Shape::Text, "The path.")),
);

static REGISTRY: Record = record(
    "registry_rule",
    "a rule about the registry",
    "A key is there; with `value` that value; with a comparison its data.",
    compared!(Shape::Plain;
        required("registry", Shape::Text, "The key with its root."),
        optional("value", Shape::Text, "The value's name; `''` for the key's default value."),
    ),
);

static ENVIRONMENT: Record = test(
    "environment_rule",
    "a rule about an environment variable",
    "An environment variable.",
    compared!(Shape::Plain; required("environment", Shape::Plain, "Its name.")),
);

static APPLICATION: Record = record(
    "application_rule",
    "a rule about an application",
    "An application is installed here; with a comparison, in such a version.",
    compared!(Shape::Count(VERSION_MAX); required("application", Shape::Id, "Its id.")),
);
