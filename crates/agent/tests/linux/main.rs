//! Applications on what only a real machine has: disks that are full or may not be written, users
//! and their tricks, packages. Much of it only root can set up; others see it skipped, with the
//! reason.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // A test that cannot set its scene up fails there.

mod disks;
#[path = "../windows/machine_of_test.rs"]
#[allow(dead_code)] // Windows' tests use more of it.
mod machine_of_test;
mod meddling;
mod mounts;
mod packages;
mod tree;
mod users;
