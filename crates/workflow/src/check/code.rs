//! The stable codes of findings. Each has a page `docs/errors/<code>.md`.

pub const UNKNOWN_ACTIVITY: &str = "DH-W001";
pub const UNREACHABLE: &str = "DH-W002";
pub const UNHANDLED_ERROR: &str = "DH-W003";
pub const EMPTY: &str = "DH-W004";
pub const LONE_SYNCHRONIZATION: &str = "DH-W005";
pub const SAME_ACTIVITY_TWICE: &str = "DH-W006";
pub const NEVER_JOINS: &str = "DH-W007";
pub const MISSING: &str = "DH-W008";
pub const IMPOSSIBLE_EVENT: &str = "DH-W009";
pub const NO_TRANSITIONS_HERE: &str = "DH-W010";
pub const ENDLESS: &str = "DH-W011";
pub const NO_RETRIES: &str = "DH-W012";
pub const UNKNOWN_NAME: &str = "DH-W013";
pub const UNKNOWN_FACT: &str = "DH-W014";
pub const UNKNOWN_OUTPUT: &str = "DH-W015";
pub const NEVER_BEFORE: &str = "DH-W016";
pub const VARIABLE_NAME: &str = "DH-W017";
pub const UNQUOTED_OUTPUT: &str = "DH-W018";
pub const DEPOT_PATH: &str = "DH-W019";
pub const TARGET_PATH: &str = "DH-W020";
pub const NAME_WITH_FOLDER: &str = "DH-W021";
pub const TARGET_TWICE: &str = "DH-W023";
pub const TIMEOUT: &str = "DH-W024";
pub const UNKNOWN_FILTER: &str = "DH-W025";
pub const ENVIRONMENT_NAME: &str = "DH-W026";
pub const VARIABLE_TEMPLATE: &str = "DH-W027";
pub const NOT_A_DURATION: &str = "DH-W028";
pub const NUMBER: &str = "DH-W029";
pub const MIXED_USERS: &str = "DH-W030";

/// Every code that [`crate::check`] can give.
pub const ALL: [&str; 29] = [
    UNKNOWN_ACTIVITY,
    UNREACHABLE,
    UNHANDLED_ERROR,
    EMPTY,
    LONE_SYNCHRONIZATION,
    SAME_ACTIVITY_TWICE,
    NEVER_JOINS,
    MISSING,
    IMPOSSIBLE_EVENT,
    NO_TRANSITIONS_HERE,
    ENDLESS,
    NO_RETRIES,
    UNKNOWN_NAME,
    UNKNOWN_FACT,
    UNKNOWN_OUTPUT,
    NEVER_BEFORE,
    VARIABLE_NAME,
    UNQUOTED_OUTPUT,
    DEPOT_PATH,
    TARGET_PATH,
    NAME_WITH_FOLDER,
    TARGET_TWICE,
    TIMEOUT,
    UNKNOWN_FILTER,
    ENVIRONMENT_NAME,
    VARIABLE_TEMPLATE,
    NOT_A_DURATION,
    NUMBER,
    MIXED_USERS,
];

/// Codes that depend on all transitions being known: a reader that could not understand some of a
/// file leaves them out rather than blaming what is right.
pub const OF_THE_WHOLE_GRAPH: [&str; 9] = [
    UNREACHABLE,
    UNHANDLED_ERROR,
    LONE_SYNCHRONIZATION,
    SAME_ACTIVITY_TWICE,
    NEVER_JOINS,
    ENDLESS,
    NEVER_BEFORE,
    EMPTY,
    MIXED_USERS,
];
