//! `deskhand-agent`: the agent of one machine.
//!
//! Exit codes are told by `--help` and in [`failure`].

mod arguments;
mod enrolling;
mod failure;
#[cfg(debug_assertions)]
mod power;
mod print;
mod running;
mod service;
mod stop;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

use agent::application::Launcher;
use agent::state::StateFolder;
use anyhow::{Context, Result};
use clap::Parser;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use arguments::{Arguments, Command, StatusArguments};
use failure::Failure;

fn main() -> ExitCode {
    if agent::script_worker::is_wanted() {
        return agent::script_worker::run();
    }
    let arguments = Arguments::parse_from(arguments::typed(std::env::args_os().collect()));
    match carry_out(arguments) {
        Ok(code) => code,
        Err(Failure { code, error }) => {
            eprintln!("deskhand-agent: {error:#}");
            ExitCode::from(code)
        }
    }
}

fn carry_out(arguments: Arguments) -> Result<ExitCode, Failure> {
    let levels: Targets =
        arguments.log.parse().with_context(|| format!("`{}` is no log level", arguments.log))?;
    let writer = match &arguments.command {
        Command::Run(what) if what.service => {
            let state = folder(what.state.state.clone())?;
            let file = running::log_file(state.path()).context("agent.log cannot be opened")?;
            BoxMakeWriter::new(Mutex::new(file))
        }
        _ => BoxMakeWriter::new(std::io::stderr),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry().with(lines.with_filter(levels)).init();
    match arguments.command {
        Command::Enroll(wish) => enrolling::enrol(wish)?,
        Command::Install(wish) => enrolling::install(wish)?,
        Command::Run(what) => return running::run(what, &arguments.log),
        Command::Service(what) => return service::run(what.action),
        Command::SaveAnswers(what) => enrolling::save_answers(&what)?,
        Command::Launch(what) => return launch(&what.application),
        Command::Status(what) => status(&what)?,
        Command::WatchOver(what) => running::watch_over(&what)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn folder(state: Option<PathBuf>) -> Result<StateFolder> {
    let path = state.unwrap_or_else(StateFolder::standard);
    let path =
        std::path::absolute(&path).with_context(|| format!("{} is no folder", path.display()))?;
    Ok(StateFolder::at(path))
}

/// Ends as the program does.
fn launch(asked: &str) -> Result<ExitCode, Failure> {
    let launcher = Launcher::own().context("this user has no folder for their data")?;
    let one = launcher.find(asked)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut output = |bytes: &[u8]| drop(std::io::stderr().write_all(bytes));
    let ended = runtime.block_on(launcher.launch(&one, &mut output))?;
    Ok(ExitCode::from(agent::application::exit_code(ended)))
}

fn status(what: &StatusArguments) -> Result<()> {
    let status = agent::status::read(&folder(what.state.state.clone())?)?;
    if what.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print::status(&status);
    }
    Ok(())
}
