//! `deskhand server`: the deployment server itself, as a program and as a service, and how it is.

mod configure;
mod log;
mod records;
mod run;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use crate::connection::{Connection, data_folder};
use crate::{output, service};

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
    Run(Box<run::RunArgs>),
    /// How the server is, and why it is not running when it is not
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// What it logged, whether it runs or not
    Log(log::LogArgs),
    /// Read the settings file again, without disturbing agents
    Reload {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget what is remembered of files and records, and look again
    Refresh {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show or change the settings file: `KEY=VALUE`, or `KEY=` for what it is by itself
    Configure(configure::ConfigureArgs),
    /// Servers on record
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// One server on record
    Show {
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change a server's record, effective while it runs
    Set(records::SetArgs),
    /// Install it as a service of systemd, and start it
    Install(service::InstallArgs),
    /// Start the service
    Start,
    /// Stop the service, or the server that runs with the data folder
    Stop,
    /// Stop and start the service
    Restart,
    /// Stop the service and uninstall it; its data stays
    Remove {
        /// The folder that it was installed below
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
    },
    /// Print the OpenAPI document of the API
    Openapi,
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let connection = args.connection;
    let data = connection.data().unwrap_or_else(data_folder);
    match args.action {
        Action::Run(what) => run::run(*what, connection.data()).await?,
        Action::Status { json } => return status::run(&connection, &data, json).await,
        Action::Log(what) => log::run(what, &connection, &data).await?,
        Action::Reload { json } => {
            configure::reloaded(&connection.client()?.reload().await?, json)?;
        }
        Action::Refresh { json } => {
            let done = connection.client()?.refresh().await?;
            if json {
                output::json(&done)?;
            } else {
                done.done.iter().try_for_each(output::line)?;
            }
        }
        Action::Configure(what) => configure::run(&what, &data)?,
        Action::List { json } => records::list(&connection.client()?.servers().await?, json)?,
        Action::Show { name, json } => {
            records::show(&connection.client()?.server_record(&name).await?, json)?;
        }
        Action::Set(what) => records::set(&connection.client()?, what).await?,
        Action::Install(what) => service::install(&what)?,
        Action::Start => service::order("start")?,
        Action::Stop if service::is_installed() => service::order("stop")?,
        Action::Stop => status::stop(&data).await?,
        Action::Restart => service::order("restart")?,
        Action::Remove { root } => service::remove(root.as_deref())?,
        Action::Openapi => output::text(&server::openapi())?,
    }
    Ok(super::DONE)
}
