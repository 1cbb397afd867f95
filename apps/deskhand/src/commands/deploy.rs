//! `deskhand deploy`: one workflow, chosen targets, now or later.

mod plan;
mod preview;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use api::{Deployed, NewDeployment, Targets};
use client::Client;

use super::{pair, workflow};
use crate::connection::Connection;
use crate::live::{self, Watched};
use crate::trouble::{FAILED, Trouble};
use crate::{output, results, when};

/// All computers that there is a way to.
pub const EVERYBODY: &str = "everybody";
/// As shells say it: ended by the keyboard.
const INTERRUPTED: u8 = 130;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A workflow on the server by name, or a workflow file; with --plan a published application
    #[arg(value_name = "WORKFLOW|FILE")]
    workflow: String,
    /// Those that a query chooses, such as "os = 'windows' AND location LIKE '/Europe/%'", or
    /// `everybody`: all computers on record
    #[arg(long, value_name = "QUERY|everybody")]
    to: Option<String>,
    /// Computers by name or id
    #[arg(long, num_args = 1.., value_name = "NAME")]
    computer: Vec<String>,
    /// Groups by name, with all below them
    #[arg(long, num_args = 1.., value_name = "NAME")]
    group: Vec<String>,
    /// Over SSH even where there is an agent; computers without one are reached so anyway
    #[arg(long)]
    ssh: bool,
    /// A value for a variable of the workflow
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    var: Vec<(String, String)>,
    /// Nothing begins before: `+10m`, `2026-11-21 14:00`, or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = when::instant)]
    start: Option<i64>,
    /// Nothing begins after; what has begun goes on
    #[arg(long, value_name = "TIME", value_parser = when::instant)]
    stop: Option<i64>,
    /// Change nothing: tell what distributing the application would do at each target, item by
    /// item; of a workflow, who would get it and what is waited for. Exit code 0: nothing would
    /// change, or all would begin at once; 3: something would, or waits; 4: there are findings
    #[arg(long, conflicts_with = "follow")]
    plan: bool,
    /// Watch until the last result
    #[arg(long, short)]
    follow: bool,
    /// Print JSON: the deployment, or with --follow the results
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let is_nobody = args.to.is_none() && args.computer.is_empty() && args.group.is_empty();
    if is_nobody {
        let hint = "--to QUERY, --to everybody, --computer NAME... or --group NAME...";
        return Err(Trouble::usage("who gets it? no targets were given", hint).into());
    }
    if args.plan {
        return planned(&args).await;
    }
    let Some(new) = wish(&args)? else { return Ok(ExitCode::from(FAILED)) };
    let client = args.connection.client()?;
    let deployed = client.deploy(&new).await?;
    begun(&client, &args.workflow, &deployed, args.follow, args.json).await
}

/// Of a published application, else of a workflow.
async fn planned(args: &Args) -> Result<ExitCode> {
    let client = args.connection.client()?;
    if !is_file(&args.workflow) {
        match client.application(&args.workflow, None).await {
            Ok(found) => {
                return plan::run(&client, &found.application, targets(args), args.json).await;
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    let Some(new) = wish(args)? else { return Ok(ExitCode::from(FAILED)) };
    preview::run(&client, &args.workflow, &new, args.json).await
}

/// What to ask the server for; `None` when the file has errors, which have been told.
fn wish(args: &Args) -> Result<Option<NewDeployment>> {
    let mut new = NewDeployment {
        workflow: None,
        revision: None,
        source: None,
        targets: targets(args),
        variables: args.var.iter().cloned().collect(),
        start: args.start,
        stop: args.stop,
    };
    let file = PathBuf::from(&args.workflow);
    if is_file(&args.workflow) {
        let source = workflow::read(&file)?;
        if !workflow::accept(&source, &workflow::shown(&file)) {
            return Ok(None);
        }
        new.source = Some(source);
    } else {
        new.workflow = Some(args.workflow.clone());
    }
    Ok(Some(new))
}

fn targets(args: &Args) -> Targets {
    Targets {
        computers: args.computer.clone(),
        groups: args.group.clone(),
        everybody: args.to.as_deref() == Some(EVERYBODY),
        query: args.to.clone().filter(|to| to != EVERYBODY),
        over_ssh: args.ssh,
        ..Targets::default()
    }
}

/// A file that is there, or something that can only be meant as one.
pub fn is_file(text: &str) -> bool {
    let is_yaml = text.ends_with(".yaml") || text.ends_with(".yml");
    is_yaml || text == "-" || std::path::Path::new(text).is_file()
}

/// Tells what was made, and watches it if asked to.
pub async fn begun(
    client: &Client,
    name: &str,
    deployed: &Deployed,
    follow: bool,
    json: bool,
) -> Result<ExitCode> {
    workflow::note_findings(name, &deployed.findings);
    deployed.notes.iter().for_each(|note| output::note(output::clean(note)));
    let deployment = &deployed.deployment;
    let id = &deployment.id;
    if follow {
        output::note(format!("Deployment {id} to {}.", results::targets(deployment.targets)));
        return watch(client, id, json).await;
    }
    if json {
        output::json(deployed)?;
    } else {
        output::line(id)?;
        output::note(format!("Watch it: deskhand deployment show {id} --follow"));
    }
    Ok(super::DONE)
}

/// Follows to the end, then prints the results.
pub async fn watch(client: &Client, id: &str, json: bool) -> Result<ExitCode> {
    let (runs, is_over) = match live::follow(client, id).await? {
        Watched::Over(runs) => (runs, true),
        Watched::Left(runs) => (runs, false),
    };
    if json {
        output::json(&results::collect(client, id, &runs).await?)?;
    } else {
        results::table(&runs, output::now()).print()?;
    }
    output::note(results::counted_in_all(&runs));
    if is_over {
        return Ok(results::exit_code(&runs));
    }
    output::note(format!("The deployment goes on: deskhand deployment show {id} --follow"));
    Ok(ExitCode::from(INTERRUPTED))
}
