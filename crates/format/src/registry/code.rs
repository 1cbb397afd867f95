//! The stable codes of problems in scripts for the registry. Each has a page
//! `docs/errors/<code>.md`.

pub const SYNTAX: &str = "DH-G001";
pub const ROOT: &str = "DH-G002";
pub const KEY: &str = "DH-G003";
pub const DATA: &str = "DH-G004";
pub const NO_KEY: &str = "DH-G005";
pub const LIMIT: &str = "DH-G006";

/// Every code of such scripts.
pub const ALL: [&str; 6] = [SYNTAX, ROOT, KEY, DATA, NO_KEY, LIMIT];
