//! `deskhand agent`: the programs on the machines.

mod install_command;
mod release;
mod update;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use crate::connection::Connection;
use crate::output::{self, Cell, Table};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// All agents: who is connected, from where
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let agents that made themselves known take part
    Approve {
        /// Computers by name or id
        #[arg(required = true)]
        computer: Vec<String>,
    },
    /// Have the server call an agent that listens
    ///
    /// Tried are the agent's own host name and port, the computer's host name and its address with
    /// the usual port 1738; or `force_connection` alone, where the computer has that fact.
    Connect {
        /// A computer by name or id, or `INET:host:port` where a machine waits to be enrolled
        whom: String,
    },
    /// Print the line that makes a machine an agent, to be pasted there
    InstallCommand(install_command::Args),
    /// Write an answer file for silent installations
    ExportAnswers(install_command::ExportArgs),
    /// Versions of the agent that the server can offer
    Release {
        #[command(subcommand)]
        action: release::Action,
    },
    /// Offer a version of the agent to the fleet, in waves
    Update(update::Args),
    /// End an agent's trust: it is disconnected and must be enrolled anew
    Revoke {
        /// Computers by name or id
        #[arg(required = true)]
        computer: Vec<String>,
    },
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let client = args.connection.client()?;
    match args.action {
        Action::List { json } => list(&client.agents().await?, json)?,
        Action::InstallCommand(args) => install_command::run(&client, &args).await?,
        Action::ExportAnswers(args) => install_command::export(&client, &args).await?,
        Action::Release { action } => release::run(&client, &action).await?,
        Action::Update(args) => return update::run(&client, args).await,
        Action::Approve { computer } => {
            for computer in computer {
                client.approve_agent(&computer).await?;
            }
        }
        Action::Connect { whom } => {
            let called = client.connect_agent(&api::Call { whom: whom.clone() }).await?;
            output::note(match called.address {
                Some(address) => format!("Connected to {whom} at {address}."),
                None => format!("{whom} was connected already."),
            });
        }
        Action::Revoke { computer } => {
            for computer in computer {
                client.revoke_agent(&computer).await?;
            }
        }
    }
    Ok(super::DONE)
}

/// `online`, or why not.
pub fn state(agent: &api::Agent) -> &str {
    match agent.state.as_str() {
        "enrolled" if agent.is_online => "online",
        "enrolled" => "offline",
        other => other,
    }
}

fn list(agents: &[api::Agent], json: bool) -> Result<()> {
    if json {
        return output::json(&agents);
    }
    let now = output::now();
    let mut table = Table::new(&["COMPUTER", "STATE", "VERSION", "ADDRESS", "LAST SEEN", "KEY"]);
    for agent in agents {
        let seen = if agent.is_online {
            "now".to_owned()
        } else {
            output::ago_or_ahead(agent.last_seen, now)
        };
        table.row([
            agent.name.as_str().into(),
            Cell::state(state(agent)),
            agent.version.as_str().into(),
            agent.address.as_str().into(),
            seen.into(),
            super::short(&agent.key, 19).into(),
        ]);
    }
    super::print_or_note(&table, "no agents; `deskhand token create` lets one in")
}
