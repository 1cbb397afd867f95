//! What people type.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The agent of one machine: carries out what the deployment server sends, and reports.
#[derive(Debug, Parser)]
#[command(name = "deskhand-agent", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// What is logged to standard error: error, warn, info, debug, trace or off; also for parts,
    /// as in `info,agent=debug`.
    #[arg(long, global = true, default_value = "info", env = "DESKHAND_LOG", value_name = "LEVEL")]
    pub log: String,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make this machine a computer on record at a server.
    Enroll(EnrollArguments),
    /// Run until stopped. Commands in progress end with the agent and are reported as interrupted.
    Run(RunArguments),
    /// Who this machine is, whether it is connected, and what it is doing.
    Status(StatusArguments),
    /// Ends and removes what a temporary agent leaves when it is killed; it starts this itself.
    #[command(hide = true)]
    WatchOver(WatchArguments),
}

#[derive(Debug, Args)]
pub(crate) struct EnrollArguments {
    /// The token from `deskhand token create`; `-` reads it from standard input.
    #[arg(long, env = "DESKHAND_ENROLL_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// The server's address, tried before those in the token.
    #[arg(long, value_name = "HOST:PORT")]
    pub server: Option<String>,
    /// The name this computer would like; its host name otherwise.
    #[arg(long)]
    pub name: Option<String>,
    #[command(flatten)]
    pub reach: ReachArguments,
    /// The agent's own folder.
    #[arg(long, value_name = "DIR", env = "DESKHAND_AGENT_STATE")]
    pub state: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The agent's own folder.
    #[arg(long, value_name = "DIR", env = "DESKHAND_AGENT_STATE")]
    pub state: Option<PathBuf>,
    #[command(flatten)]
    pub reach: ReachArguments,
    /// Put all paths of activities under this folder. No sandbox: commands are not confined.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    #[command(flatten)]
    pub stdio: StdioArguments,
}

// How this agent reaches servers and is reached. What is not said here, `agent.conf` in the
// agent's folder says.
#[derive(Debug, Args)]
pub(crate) struct ReachArguments {
    /// Let servers come here, as in `INET::1740`; several addresses are parted by `;`.
    #[arg(long, value_name = "ADDRESSES")]
    pub listen: Option<String>,
    /// Dial no server: those that come here are all there is.
    #[arg(long)]
    pub no_dial: bool,
    /// The name or address under which servers find this machine; its host name otherwise.
    #[arg(long, value_name = "HOST")]
    pub host_name: Option<String>,
    /// Send signed signals of presence there, as in `INET:255.255.255.255:1738`.
    #[arg(long, value_name = "ADDRESSES")]
    pub broadcast: Option<String>,
    /// The time between two signals: `60s`, `5m`.
    #[arg(long, value_name = "TIME")]
    pub broadcast_delay: Option<String>,
    /// Hear the signals of neighbours there, for the server to know who can wake whom.
    #[arg(long, value_name = "ADDRESSES")]
    pub collection: Option<String>,
    /// How many neighbours are kept.
    #[arg(long, value_name = "COUNT")]
    pub collection_max: Option<String>,
}

/// How a server starts this program over SSH.
#[derive(Debug, Args)]
pub(crate) struct StdioArguments {
    /// Serve the server that speaks on standard input, and end when it leaves. No enrolment is
    /// needed: whoever can start this may order what he could do himself.
    #[arg(long)]
    pub stdio: bool,
    /// Read and write no configuration; what is made is removed at the end.
    #[arg(long, requires = "stdio")]
    pub temp: bool,
    /// The folder that was made for this program, removed with it at the end.
    #[arg(long, requires = "temp", value_name = "DIR")]
    pub remove: Option<PathBuf>,
    /// Refuse to run unless the program has this BLAKE3 hash.
    #[arg(long, requires = "stdio", value_name = "HASH")]
    pub expect: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    /// The folders to be removed.
    pub folders: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// The agent's own folder.
    #[arg(long, value_name = "DIR", env = "DESKHAND_AGENT_STATE")]
    pub state: Option<PathBuf>,
    /// For programs.
    #[arg(long)]
    pub json: bool,
}
