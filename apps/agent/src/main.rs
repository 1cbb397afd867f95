//! `deskhand-agent`: the agent of one machine.
//!
//! Exit codes: 0 done, 1 failed (the reason is on standard error), 2 wrong usage.

mod arguments;
mod print;
mod stop;

use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use agent::config::{Config, ConfigError};
use agent::enroll::{Enrolment, enroll};
use agent::state::StateFolder;
use agent::temporary::Folders;
use anyhow::{Context, Result, anyhow};
use clap::Parser;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use trust::Token;

use arguments::{
    Arguments, Command, EnrollArguments, ReachArguments, RunArguments, StatusArguments,
};

/// Threads for file activities and transfers, only started when needed.
const BLOCKING_THREADS_MAX: usize = 8;
const STACK_BYTES: usize = 512 << 10;

fn main() -> ExitCode {
    if agent::script_worker::is_wanted() {
        return agent::script_worker::run();
    }
    let arguments = Arguments::parse();
    match carry_out(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("deskhand-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(arguments: Arguments) -> Result<()> {
    let levels: Targets =
        arguments.log.parse().with_context(|| format!("`{}` is no log level", arguments.log))?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry().with(lines.with_filter(levels)).init();
    match arguments.command {
        Command::Enroll(wish) => runtime()?.block_on(enrol(wish)),
        Command::Run(what) => {
            let runtime = runtime()?;
            let done = runtime.block_on(run(what));
            // A thread in the middle of a file ends with the program, as after a death.
            runtime.shutdown_background();
            done
        }
        Command::Status(what) => status(&what),
        Command::WatchOver(what) => {
            let told = std::io::stdin().lock();
            runtime()?.block_on(agent::temporary::watch_over(told, &what.folders));
            Ok(())
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_stack_size(STACK_BYTES)
        .build()
        .context("cannot start")
}

fn folder(state: Option<std::path::PathBuf>) -> Result<StateFolder> {
    let path = state.unwrap_or_else(StateFolder::standard);
    let path =
        std::path::absolute(&path).with_context(|| format!("{} is no folder", path.display()))?;
    Ok(StateFolder::at(path))
}

async fn enrol(wish: EnrollArguments) -> Result<()> {
    let text = match wish.token.as_deref() {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("no token on standard input")?;
            text
        }
        Some(text) => text.to_owned(),
        None => {
            return Err(anyhow!(
                "a token is needed: make one with `deskhand token create` on the server and give \
                 it with --token, or in DESKHAND_ENROLL_TOKEN"
            ));
        }
    };
    let token = Token::parse(&text).context("the token cannot be used")?;
    let folder = folder(wish.state)?;
    let config = configured(&folder, &wish.reach)?;
    if !config.dial {
        eprintln!(
            "waiting on {} for the server to come; say there: deskhand agent connect ADDRESS",
            config.listen
        );
    }
    let enrolment = Enrolment { token, server: wish.server, name: wish.name, config };
    let done = enroll(&folder, &enrolment).await?;
    println!("enrolled as {} ({})", done.name, done.computer);
    println!("server          {}", done.server);
    println!("deployment key  {}", done.deployment_key);
    println!("this agent's    {}", done.agent_key);
    Ok(())
}

async fn run(what: RunArguments) -> Result<()> {
    let stop = stop::asked().context("cannot listen for signals")?;
    if what.stdio.stdio {
        return serve(what, stop).await;
    }
    let folder = folder(what.state)?;
    let config = configured(&folder, &what.reach)?;
    Ok(agent::run::run(folder, config, what.root, stop).await?)
}

/// Serves the server on standard input and output.
async fn serve(what: RunArguments, stop: impl Future<Output = ()>) -> Result<()> {
    if let Some(expected) = &what.stdio.expect {
        agent::temporary::check_program(expected)?;
    }
    let folders = if what.stdio.temp {
        Folders::temporary(what.stdio.remove)?
    } else {
        Folders::kept(folder(what.state)?.path().join("stdio"))?
    };
    Ok(agent::temporary::run(folders, what.root, stop).await?)
}

/// The folder's settings, with flags above them.
fn configured(folder: &StateFolder, flags: &ReachArguments) -> Result<Config> {
    let mut config = Config::load(folder)?;
    let said = [
        ("listen", &flags.listen),
        ("host_name", &flags.host_name),
        ("broadcast", &flags.broadcast),
        ("broadcast_delay", &flags.broadcast_delay),
        ("collection", &flags.collection),
        ("collection_max", &flags.collection_max),
    ];
    for (name, value) in said {
        if let Some(value) = value {
            config.set(name, value).map_err(ConfigError::Setting)?;
        }
    }
    config.dial &= !flags.no_dial;
    Ok(config)
}

fn status(what: &StatusArguments) -> Result<()> {
    let status = agent::status::read(&folder(what.state.clone())?)?;
    if what.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print::status(&status);
    }
    Ok(())
}
