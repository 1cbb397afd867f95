//! One module for each command: its arguments, and what it does.

pub mod action;
pub mod agent;
pub mod app;
pub mod association;
pub mod channel;
pub mod completions;
pub mod computer;
pub mod deploy;
pub mod deployment;
pub mod events;
pub mod explain;
pub mod group;
pub mod keys;
pub mod message;
pub mod run;
pub mod schedule;
pub mod secret;
pub mod server;
pub mod simulate;
pub mod ssh;
pub mod token;
pub mod workflow;

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cli::{Cli, Command, OVERVIEW};
use crate::{demo, output};

pub const DONE: ExitCode = ExitCode::SUCCESS;

pub fn run(cli: Cli) -> Result<ExitCode> {
    let Some(command) = cli.command else {
        output::line(OVERVIEW)?;
        return Ok(DONE);
    };
    match command {
        Command::Explain(args) => explain::run(&args),
        Command::Completions(args) => completions::run(&args),
        command => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            let runtime = builder.enable_all().build().context("cannot start")?;
            let done = runtime.block_on(run_async(command));
            // What still waits for a terminal or a pipe must not hold the program.
            runtime.shutdown_background();
            done
        }
    }
}

async fn run_async(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Server(args) => server::run(args).await,
        Command::Token(args) => token::run(args).await,
        Command::Agent(args) => agent::run(args).await,
        Command::App(args) => app::run(args).await,
        Command::Association(args) => association::run(args).await,
        Command::Computer(args) => computer::run(args).await,
        Command::Group(args) => group::run(args).await,
        Command::Action(args) => action::run(args).await,
        Command::Message(args) => message::run(args).await,
        Command::Channel(args) => channel::run(args).await,
        Command::Secret(args) => secret::run(args).await,
        Command::Ssh(args) => ssh::run(args).await,
        Command::Workflow(args) => workflow::run(args).await,
        Command::Deploy(args) => deploy::run(args).await,
        Command::Deployment(args) => deployment::run(args).await,
        Command::Schedule(args) => schedule::run(args).await,
        Command::Run(args) => run::run(args).await,
        Command::Simulate(args) => simulate::run(args).await,
        Command::Events(args) => events::run(args).await,
        Command::Keys(args) => keys::run(args).await,
        Command::Explain(_) | Command::Completions(_) => Ok(DONE),
    }
}

/// The table, or what to do where there is nothing yet.
fn print_or_note(table: &output::Table, otherwise: &str) -> Result<()> {
    if table.is_empty() {
        output::note(otherwise);
        return Ok(());
    }
    Ok(table.print()?)
}

/// The beginning of a text that nobody reads whole.
fn short(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(end, _)| &text[..end])
}

/// `name=value`, as `--var` and `--fact` take it.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write `name=value`".to_owned()),
    }
}
