//! `deskhand action`: named actions of the server.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use super::{pair, workflow};
use crate::connection::Connection;
use crate::output::{self, Table};
use crate::trouble::FAILED;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Keep action files on the server; an action of the same name is replaced
    Set {
        /// Files, `-` for standard input
        #[arg(required = true)]
        file: Vec<PathBuf>,
    },
    /// All actions
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// The file of an action
    Show {
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Start an action now
    Run {
        name: String,
        /// A value for a parameter
        #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
        param: Vec<(String, String)>,
        /// For these computers, by name or id
        #[arg(long, num_args = 1.., value_name = "NAME")]
        computer: Vec<String>,
        /// For those that a query chooses: `os = 'windows'`
        #[arg(long = "where", value_name = "QUERY")]
        query: Option<String>,
        /// Wait for the end of the deployment that it starts
        #[arg(long)]
        wait: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget actions
    Remove {
        #[arg(required = true)]
        name: Vec<String>,
    },
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let connection = args.connection;
    match args.action {
        Action::Set { file } => return set(&connection, &file).await,
        Action::List { json } => list(&connection.client()?.actions().await?, json)?,
        Action::Show { name, json } => {
            let action = connection.client()?.action(&name).await?;
            if json { output::json(&action)? } else { output::text(&action.source)? }
        }
        Action::Run { name, param, computer, query, wait, json } => {
            let parameters = param.into_iter().collect();
            let asked = api::ActionRun { parameters, computers: computer, query, wait };
            let results = connection.client()?.run_action(&name, &asked).await?;
            return told(&results, json);
        }
        Action::Remove { name } => {
            let client = connection.client()?;
            for name in name {
                client.remove_action(&name).await?;
            }
        }
    }
    Ok(super::DONE)
}

async fn set(connection: &Connection, files: &[PathBuf]) -> Result<ExitCode> {
    let mut sources = Vec::new();
    for file in files {
        let source = workflow::read(file)?;
        let parsed = format::parse_action(&source);
        for problem in &parsed.problems {
            output::note(problem.render(&workflow::shown(file)));
        }
        if parsed.action.is_none() {
            return Ok(ExitCode::from(FAILED));
        }
        sources.push(source);
    }
    let client = connection.client()?;
    for source in sources {
        let kept = client.set_action(&api::NewAction { source }).await?;
        output::note(format!("Kept the action {}.", output::clean(&kept.name)));
    }
    Ok(super::DONE)
}

fn list(actions: &[api::Action], json: bool) -> Result<()> {
    if json {
        return output::json(&actions);
    }
    let mut table = Table::new(&["NAME", "DOES", "PARAMETERS", "CHANGED", "DESCRIPTION"]);
    for action in actions {
        let parameters: Vec<&str> = action.parameters.keys().map(String::as_str).collect();
        table.row([
            action.name.as_str().into(),
            action.kind.as_str().into(),
            parameters.join(", ").into(),
            output::stamp(action.updated_at).into(),
            action.description.as_str().into(),
        ]);
    }
    super::print_or_note(&table, "no actions; keep one with `deskhand action set FILE`")
}

/// What came of each start; fails when one of them did.
fn told(results: &[api::ActionResult], json: bool) -> Result<ExitCode> {
    if json {
        output::json(&results)?;
    } else {
        for result in results {
            let of = result.computer.as_deref().map(|name| format!("{}: ", output::clean(name)));
            let note = result.note.as_deref().map(|note| format!(": {}", output::clean(note)));
            let (of, note) = (of.unwrap_or_default(), note.unwrap_or_default());
            output::note(format!("{of}{}{note}", result.event));
            for (name, value) in &result.outputs {
                if name == "stdout" || name == "body" {
                    output::text(&output::clean_lines(value))?;
                } else {
                    output::note(format!("  {name}: {}", output::clean(value)));
                }
            }
        }
    }
    let is_well = results.iter().all(|result| result.event == "ok");
    Ok(if is_well { super::DONE } else { ExitCode::from(FAILED) })
}
