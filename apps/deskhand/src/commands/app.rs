//! `deskhand app`: application files.

mod fleet;
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
    /// Publish application files on the server, with their sources as they are now
    Publish(fleet::Publish),
    /// What is published, or one of these with its text
    Published(fleet::Published),
    /// Publish an application no longer
    Withdraw(fleet::Withdraw),
    /// How applications stand on machines: wanted, installed, drift, errors, why they wait
    State(fleet::State),
}

pub async fn run(args: Args) -> Result<ExitCode> {
    match args.action {
        Action::New(args) => new::run(&args),
        Action::Publish(args) => fleet::publish(args).await,
        Action::Published(args) => fleet::published(args).await,
        Action::Withdraw(args) => fleet::withdraw(args).await,
        Action::State(args) => fleet::state(args).await,
    }
}
