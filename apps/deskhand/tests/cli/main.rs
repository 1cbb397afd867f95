//! The command line as people and scripts meet it: what it prints where, and its exit codes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod alone;
mod answers;
mod app;
mod applications;
#[cfg(unix)]
mod asked;
mod guide;
mod local;
mod scripts;
mod served;
#[cfg(unix)]
mod service;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What came of one command.
pub struct Came {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// The program with nothing of this machine's servers in its environment.
pub fn command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deskhand"));
    command.args(args).stdin(Stdio::null());
    for name in ["DESKHAND_SERVER", "DESKHAND_TOKEN", "DESKHAND_TOKEN_FILE", "DESKHAND_DATA"] {
        command.env_remove(name);
    }
    command
}

pub fn came(mut command: Command) -> Came {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Came { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

pub fn deskhand<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Came {
    came(command(args))
}

/// The checkout's folder.
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}
