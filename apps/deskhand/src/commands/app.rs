//! `deskhand app`: application files, and applications on this machine.

mod apply;
mod course;
mod exchange;
mod find;
mod fleet;
mod here;
mod items;
mod launch;
mod list;
mod new;
mod plan;
mod show;
mod shown;
mod telling;
mod uninstall;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use application::Application;
use clap::Subcommand;
use format::ParsedApplication;
use tokio_util::sync::CancellationToken;

use super::workflow;
use crate::trouble::Trouble;
use crate::{interrupt, output};

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
    /// Say what is wrong with application files
    Check {
        /// Files, `-` for standard input
        #[arg(required = true)]
        file: Vec<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// What an application does
    Show(show::Args),
    /// Where an application says something
    Find(find::Args),
    /// Take over the items of an .axt, .reg or .ini file
    Import(exchange::ImportArgs),
    /// Write the items as a .reg, .ini or .axt file
    Export(exchange::ExportArgs),
    /// Print the JSON Schema for editors
    Schema,
    /// What distributing an application on this machine would do, item by item
    Plan(plan::Args),
    /// Distribute an application on this machine, whole or not at all
    Apply(apply::Args),
    /// What differs from what was distributed here, and putting it right
    Verify(verify::Args),
    /// Bring back what was here before an application
    Uninstall(uninstall::Args),
    /// Launch an application that has an icon of its own, as its user
    Launch(launch::Args),
    /// Applications that are on this machine
    List(list::Args),
}

pub async fn run(args: Args) -> Result<ExitCode> {
    match args.action {
        Action::New(args) => new::run(&args),
        Action::Publish(args) => fleet::publish(args).await,
        Action::Published(args) => fleet::published(args).await,
        Action::Withdraw(args) => fleet::withdraw(args).await,
        Action::State(args) => fleet::state(args).await,
        Action::Check { file, json } => check(&file, json),
        Action::Show(args) => show::run(&args),
        Action::Find(args) => find::run(&args),
        Action::Import(args) => exchange::import(&args),
        Action::Export(args) => exchange::export(&args),
        Action::Schema => {
            output::text(&format::application_schema())?;
            Ok(super::DONE)
        }
        Action::Plan(args) => here(move |_| plan::run(&args)).await,
        Action::Apply(args) => here(move |cancel| apply::run(&args, cancel)).await,
        Action::Verify(args) => here(move |cancel| verify::run(&args, cancel)).await,
        Action::Uninstall(args) => here(move |cancel| uninstall::run(&args, cancel)).await,
        Action::Launch(args) => launch::run(&args).await,
        Action::List(args) => here(move |_| list::run(&args)).await,
    }
}

/// Work on this machine's files blocks; Ctrl-C asks it to undo what it has begun.
async fn here(
    work: impl FnOnce(&CancellationToken) -> Result<ExitCode> + Send + 'static,
) -> Result<ExitCode> {
    let cancel = CancellationToken::new();
    let given = cancel.clone();
    let mut working = tokio::task::spawn_blocking(move || work(&given));
    tokio::select! {
        done = &mut working => return done.context("the work broke off")?,
        () = interrupt::asked() => cancel.cancel(),
    }
    working.await.context("the work broke off")?
}

fn check(files: &[PathBuf], json: bool) -> Result<ExitCode> {
    let lacks_id = std::cell::Cell::new(false);
    let done = workflow::check(files, json, |source| {
        let parsed = format::parse_application(source);
        lacks_id.set(lacks_id.get() || parsed.lacks_id);
        parsed.problems
    });
    if lacks_id.get() {
        output::note(format!("A fresh id: `id: {}`", new::fresh_id()?));
    }
    done
}

/// An application file that is right; what is wrong with one is told.
fn read(file: &Path) -> Result<(Application, ParsedApplication)> {
    let mut parsed = format::parse_application(&workflow::read(file)?);
    let name = workflow::shown(file);
    for problem in &parsed.problems {
        output::note(problem.render(&name));
    }
    match parsed.application.take() {
        Some(application) => Ok((application, parsed)),
        None => {
            let code = parsed.problems.first().map_or("DH-F001", |problem| problem.code);
            let hint = "what is wrong with it stands above";
            Err(Trouble::new(code, format!("{name} cannot be used"), hint).into())
        }
    }
}
