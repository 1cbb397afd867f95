//! `deskhand app launch`: as whoever types it, in their own rights.

use std::io::Write;
use std::process::ExitCode;

use agent::application::{LaunchError, Launcher, exit_code};
use anyhow::Result;

use super::here;
use crate::trouble::Trouble;

#[derive(Debug, clap::Args)]
#[command(after_help = "Ends with the program's exit code.")]
pub struct Args {
    /// The application's name or id
    application: String,
}

pub async fn run(args: &Args) -> Result<ExitCode> {
    let launcher = Launcher::own().ok_or_else(|| {
        let hint = "set HOME, or LOCALAPPDATA on Windows";
        Trouble::new("DH-U014", "this user has no folder for their data", hint)
    })?;
    let one = launcher.find(&args.application).map_err(|error| trouble(&error))?;
    let mut output = |bytes: &[u8]| drop(std::io::stderr().write_all(bytes));
    let ended = launcher.launch(&one, &mut output).await;
    Ok(ExitCode::from(exit_code(ended.map_err(|error| trouble(&error))?)))
}

fn trouble(error: &LaunchError) -> anyhow::Error {
    let hint = match error {
        LaunchError::Unknown { .. } => {
            "its document needs `launch`, and this user's part must be here: `deskhand app list`"
        }
        LaunchError::Script { .. } => "what the script said is above",
        _ => "`deskhand app verify` tells what is missing here",
    };
    Trouble::new("DH-U014", here::sentence(error), hint).into()
}
