//! `deskhand server`: the deployment server itself, and how it is.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use server::{Config, Server};
use tracing_subscriber::EnvFilter;

use crate::connection::{Connection, data_folder};
use crate::trouble::Trouble;
use crate::{interrupt, output};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run the server until Ctrl-C or SIGTERM
    Run(Box<RunArgs>),
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

/// `--data` is where it keeps everything.
#[derive(Debug, clap::Args)]
struct RunArgs {
    /// Write anew, out of the journals, what listings of runs are read from
    #[arg(long)]
    rebuild: bool,
    /// Where agents find it [default: port 1739 of all addresses]
    #[arg(long, value_name = "ADDRESS:PORT")]
    agent_listen: Option<SocketAddr>,
    /// Where people and programs find it [default: 127.0.0.1:1741]
    #[arg(long, value_name = "ADDRESS:PORT")]
    api_listen: Option<SocketAddr>,
    /// Let the API listen beyond this machine, in the clear
    #[arg(long)]
    api_insecure: bool,
    /// The depot's folder [default: `depot` in the data folder]
    #[arg(long, value_name = "DIR")]
    depot: Option<PathBuf>,
    /// The server's name [default: this machine's]
    #[arg(long)]
    name: Option<String>,
    /// `host:port` under which agents reach it, in this order [default: its own addresses]
    #[arg(long, value_name = "HOST:PORT", num_args = 1..)]
    presence: Vec<String>,
    /// Runs in progress at once [default: as set before, at first 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_targets: Option<u32>,
    /// What is logged to standard error: error, warn, info, debug, trace
    #[arg(long, default_value = "info", env = "DESKHAND_LOG", value_name = "LEVEL")]
    log: String,
}

pub async fn run(args: Args) -> Result<ExitCode> {
    match args.action {
        Action::Run(what) => {
            let data = args.connection.data().unwrap_or_else(data_folder);
            serve(*what, data).await?;
        }
        Action::Status { json } => show(&args.connection.client()?.server().await?, json)?,
        Action::Set { max_targets: None, name: None, .. } => {
            let hint = "--max-targets N or --name NAME";
            return Err(Trouble::usage("nothing was given to be changed", hint).into());
        }
        Action::Set { max_targets, name, json } => {
            let settings = api::ServerSettings { max_targets, name };
            show(&args.connection.client()?.set_server(&settings).await?, json)?;
        }
        Action::Openapi => output::text(&server::openapi())?,
    }
    Ok(super::DONE)
}

async fn serve(args: RunArgs, data: PathBuf) -> Result<()> {
    let wrong = |_| Trouble::usage(format!("`{}` is no log level", args.log), "--log info");
    let filter = EnvFilter::try_new(&args.log).map_err(wrong)?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let mut config = Config::new(std::path::absolute(data)?);
    config.agent_listen = args.agent_listen.unwrap_or(config.agent_listen);
    config.api_listen = args.api_listen.unwrap_or(config.api_listen);
    config.api_insecure = args.api_insecure;
    config.depot = args.depot.map(std::path::absolute).transpose()?;
    config.name = args.name;
    config.presence = args.presence;
    config.max_targets = args.max_targets;
    config.rebuild = args.rebuild;
    // Before it starts, so that a signal that comes early is not missed.
    let asked = tokio::spawn(interrupt::asked());
    let server = Server::start(config).await.context("the server does not start")?;
    let is_fenced = tokio::select! {
        _ = asked => false,
        () = server.fenced() => true,
    };
    server.shutdown().await;
    if is_fenced {
        anyhow::bail!("another server has taken over this one's database");
    }
    Ok(())
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
