//! `deskhand completions`: what a shell needs to complete our commands.

use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::output;

#[derive(Debug, clap::Args)]
pub struct Args {
    shell: Shell,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "deskhand", &mut script);
    output::text(&String::from_utf8_lossy(&script))?;
    Ok(super::DONE)
}
