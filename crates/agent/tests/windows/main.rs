//! Applications on a real registry, real folders and the real installer of Windows, judged by
//! `reg`, by reading files and by Wine reading shortcuts. `cargo xtask windows` runs this.

#![cfg(windows)]

mod installer;
mod items;
mod machine_of_test;
