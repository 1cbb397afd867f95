//! The stable codes of problems that a reader finds. Each has a page `docs/errors/<code>.md`.
//! Those of the graph are in [`workflow::code`].

pub const SYNTAX: &str = "DH-F001";
pub const LIMIT: &str = "DH-F002";
pub const UNQUOTED_TEMPLATE: &str = "DH-F003";
pub const DUPLICATE_KEY: &str = "DH-F004";
pub const UNUSED_YAML: &str = "DH-F005";
pub const UNKNOWN_KEY: &str = "DH-F006";
pub const MISSING_KEY: &str = "DH-F007";
pub const WRONG_TYPE: &str = "DH-F008";
pub const WRONG_VALUE: &str = "DH-F009";
pub const UNKNOWN_KIND: &str = "DH-F010";
pub const SEVERAL_KINDS: &str = "DH-F011";
pub const NO_KIND: &str = "DH-F012";
pub const NO_EVENT: &str = "DH-F013";
pub const TEMPLATE: &str = "DH-F014";
pub const TIMEOUT_TWICE: &str = "DH-F015";
pub const SCRIPT: &str = "DH-F016";

/// Every code of this crate.
pub const ALL: [&str; 16] = [
    SYNTAX,
    LIMIT,
    UNQUOTED_TEMPLATE,
    DUPLICATE_KEY,
    UNUSED_YAML,
    UNKNOWN_KEY,
    MISSING_KEY,
    WRONG_TYPE,
    WRONG_VALUE,
    UNKNOWN_KIND,
    SEVERAL_KINDS,
    NO_KIND,
    NO_EVENT,
    TEMPLATE,
    TIMEOUT_TWICE,
    SCRIPT,
];
