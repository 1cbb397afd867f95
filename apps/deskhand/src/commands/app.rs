//! `deskhand app`: application files.

mod exchange;
mod find;
mod fleet;
mod items;
mod new;
mod show;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use application::Application;
use clap::Subcommand;
use format::ParsedApplication;

use super::workflow;
use crate::output;
use crate::trouble::Trouble;

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
    }
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
