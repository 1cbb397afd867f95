//! What `machine` promises, on Linux natively and on Windows under Wine.

#![allow(clippy::unwrap_used)] // A test that cannot set its scene up fails there.

mod changes;
mod endings;
mod executions;
mod facts;
mod file_operations;
#[cfg(target_os = "linux")]
mod identities;
mod registry_scripts;
#[cfg(windows)]
mod windows_hives;
#[cfg(windows)]
mod windows_identities;
