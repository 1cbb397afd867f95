//! `deskhand server`: the deployment server itself, and how it is.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use crate::connection::Connection;
use crate::output;
use crate::trouble::Trouble;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// How the server is: addresses, agents, slots
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change what can be changed while it runs
    Set {
        /// Runs in progress at once
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        max_targets: Option<u32>,
        /// The server's name
        #[arg(long)]
        name: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the OpenAPI document of the API
    Openapi,
}

pub async fn run(args: Args) -> Result<ExitCode> {
    match args.action {
        Action::Status { json } => show(&args.connection.client()?.server().await?, json)?,
        Action::Set { max_targets: None, name: None, .. } => {
            let hint = "--max-targets N or --name NAME";
            return Err(Trouble::usage("nothing was given to be changed", hint).into());
        }
        Action::Set { max_targets, name, json } => {
            let settings = api::ServerSettings { max_targets, name };
            show(&args.connection.client()?.set_server(&settings).await?, json)?;
        }
        Action::Openapi => output::text("")?,
    }
    Ok(super::DONE)
}

fn show(server: &api::Server, json: bool) -> Result<()> {
    if json {
        return output::json(server);
    }
    let slots = format!("{} of {} in use", server.slots_used, server.max_targets);
    let lines = [
        ("Name", server.name.clone()),
        ("Version", server.version.clone()),
        ("Running", format!("since {}", output::stamp(server.started_at))),
        ("Agents", format!("{} connected, at {}", server.agents_connected, server.agent_listen)),
        ("Slots", slots),
        ("API", server.api_listen.clone()),
        ("Depot", server.depot.clone()),
        ("Key", server.key_fingerprint.clone()),
    ];
    for (name, value) in lines {
        output::line(format!("{:9}{}", format!("{name}:"), output::clean(&value)))?;
    }
    Ok(())
}
