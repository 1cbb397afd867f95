//! `deskhand app`: application files.

mod new;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write a file to begin with, with a fresh id
    New(new::Args),
}

pub async fn run(args: Args) -> Result<ExitCode> {
    match args.action {
        Action::New(args) => new::run(&args),
    }
}
