//! What people type.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const EXIT_CODES: &str = "\
Exit codes:
  0  done, also when there was nothing left to do
  1  failed; the reason is on standard error
  2  wrong usage
  3  the answer file or the token cannot be used; nothing was changed
  4  not enrolled: no server could be reached, or it refused
  5  the service could not be installed, started, stopped or removed";

/// The agent of one machine: carries out what the deployment server sends, and reports.
#[derive(Debug, Parser)]
#[command(name = "deskhand-agent", version, max_term_width = 100, after_help = EXIT_CODES)]
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
    /// Enrol, configure, install the service and start it, without asking anything. May be
    /// repeated.
    Install(InstallArguments),
    /// Run until stopped. Commands in progress end with the agent and are reported as interrupted.
    Run(RunArguments),
    /// The agent as a service of this machine.
    Service(ServiceArguments),
    /// Write an answer file from this agent's configuration, for `install` on other machines.
    SaveAnswers(SaveAnswersArguments),
    /// Who this machine is, whether it is connected, and what it is doing.
    Status(StatusArguments),
    /// Launch an application as its user; its icon does.
    Launch(LaunchArguments),
    /// Ends and removes what a temporary agent leaves when it is killed; it starts this itself.
    #[command(hide = true)]
    WatchOver(WatchArguments),
}

#[derive(Debug, Args)]
pub(crate) struct LaunchArguments {
    /// The application's id or name.
    pub application: String,
}

#[derive(Debug, Args)]
pub(crate) struct EnrollArguments {
    #[command(flatten)]
    pub how: How,
    #[command(flatten)]
    pub state: State,
}

/// How a machine shall be enrolled.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// The token from `deskhand token create`; `-` reads it from standard input.
    #[arg(long, env = "DESKHAND_ENROLL_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// The server's address, tried before those in the token.
    #[arg(long, value_name = "HOST:PORT")]
    pub server: Option<String>,
    /// The name this computer would like; its host name otherwise.
    #[arg(long)]
    pub name: Option<String>,
    /// An answer file with these and more; what is typed here counts more. `-a:FILE` does too.
    #[arg(long, short, value_name = "FILE", value_parser = answer_file)]
    pub answers: Option<PathBuf>,
    #[command(flatten)]
    pub reach: ReachArguments,
}

/// Where the agent keeps its state.
#[derive(Debug, Args)]
pub(crate) struct State {
    /// The agent's own folder.
    #[arg(long, value_name = "DIR", env = "DESKHAND_AGENT_STATE")]
    pub state: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct InstallArguments {
    #[command(flatten)]
    pub how: How,
    #[command(flatten)]
    pub state: State,
    /// Only enrol and configure: leave the service alone.
    #[arg(long)]
    pub no_service: bool,
    /// Install the service and do not start it.
    #[arg(long)]
    pub no_start: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub state: State,
    #[command(flatten)]
    pub reach: ReachArguments,
    /// Put all paths of activities under this folder. No sandbox: commands are not confined.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    #[command(flatten)]
    pub stdio: StdioArguments,
    /// Start the agent in the version that is in use, and see new versions through their trial.
    #[arg(long)]
    pub supervise: bool,
    /// Started by `--supervise`; stop when standard input ends.
    #[arg(long, hide = true, conflicts_with = "supervise")]
    pub supervised: bool,
    /// Started by the service manager of Windows.
    #[arg(long, hide = true)]
    pub service: bool,
    /// Instead of restarting the machine or switching it off, note that in this file. Programs that
    /// are delivered do not have this option.
    #[cfg(debug_assertions)]
    #[arg(long, value_name = "FILE", hide = true, env = "DESKHAND_POWER_DRIVER")]
    pub power_driver: Option<PathBuf>,
    /// Who is logged on, for applications: a file with one name on each line. Programs that are
    /// delivered do not have this option.
    #[cfg(debug_assertions)]
    #[arg(long, value_name = "FILE", hide = true)]
    pub users_driver: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ServiceArguments {
    #[command(subcommand)]
    pub action: ServiceAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceAction {
    /// Install the service, to be started with the machine. May be repeated.
    Install {
        #[command(flatten)]
        state: State,
        /// Write into this folder as if it were the machine (Linux), and start nothing.
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
    },
    Start,
    Stop,
    Restart,
    /// Whether the service is installed and runs.
    Status,
    /// Stop the service and leave no file of it.
    Remove {
        #[command(flatten)]
        state: State,
        /// Remove from this folder as if it were the machine (Linux).
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
        /// Remove the agent's own folder too: its keys, its runs. It must be enrolled anew.
        #[arg(long)]
        purge: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SaveAnswersArguments {
    /// The file to write; `-` for standard output.
    pub file: PathBuf,
    /// An enrolment token to put into it. Without one the file holds no secret, and a machine
    /// needs the token besides.
    #[arg(long, env = "DESKHAND_ENROLL_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    #[command(flatten)]
    pub state: State,
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
    #[command(flatten)]
    pub state: State,
    /// For programs.
    #[arg(long)]
    pub json: bool,
}

/// `-a:FILE`, as the setup program of the followed product has it, besides `-a FILE`.
fn answer_file(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text.strip_prefix(':').unwrap_or(text)))
}

/// `deskhand-agent -a:FILE` alone is an installation.
pub(crate) fn typed(mut words: Vec<OsString>) -> Vec<OsString> {
    let is_answers = |word: &OsString| word.to_string_lossy().starts_with("-a:");
    if words.get(1).is_some_and(is_answers) {
        words.insert(1, "install".into());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Command {
        let words = typed(words.iter().map(OsString::from).collect());
        Arguments::try_parse_from(words).unwrap().command
    }

    #[test]
    fn the_old_spelling_of_an_answer_file_is_understood() {
        let file = Some(PathBuf::from("agent.ans"));
        for words in [
            &["deskhand-agent", "-a:agent.ans"][..],
            &["deskhand-agent", "install", "-a:agent.ans"],
            &["deskhand-agent", "install", "-a", "agent.ans"],
            &["deskhand-agent", "install", "--answers", "agent.ans"],
        ] {
            let Command::Install(arguments) = read(words) else { panic!("{words:?}") };
            assert_eq!(arguments.how.answers, file, "{words:?}");
        }
        let Command::Enroll(arguments) = read(&["deskhand-agent", "enroll", "-a:agent.ans"]) else {
            panic!("no enrolment");
        };
        assert_eq!(arguments.how.answers, file);
    }
}
