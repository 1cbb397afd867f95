//! The stable codes of problems that only application files have. Each has a page
//! `docs/errors/<code>.md`. What any file can have wrong is in [`crate::code`].

/// More than one kind, or items that its kind does not have (AP-01).
pub const KIND: &str = "DH-X001";
/// An item that is nothing known, or several things at once.
pub const ITEM: &str = "DH-X002";
/// Rule and data do not go together.
pub const RULE: &str = "DH-X003";
pub const MACRO: &str = "DH-X004";
pub const REGISTRY_NAME: &str = "DH-X005";
/// Somebody would have to answer where nobody is (AP-11).
pub const UNATTENDED: &str = "DH-X006";
pub const DUPLICATE: &str = "DH-X007";
pub const MAPPED_DRIVE: &str = "DH-X008";
pub const ENGINE: &str = "DH-X009";
pub const SCHEDULE: &str = "DH-X010";
/// Bytes, a date, a time or a version that cannot be read.
pub const VALUE: &str = "DH-X011";
/// An application that needs, replaces or tests itself.
pub const ITSELF: &str = "DH-X012";

/// Every code of application files.
pub const ALL: [&str; 12] = [
    KIND,
    ITEM,
    RULE,
    MACRO,
    REGISTRY_NAME,
    UNATTENDED,
    DUPLICATE,
    MAPPED_DRIVE,
    ENGINE,
    SCHEDULE,
    VALUE,
    ITSELF,
];
