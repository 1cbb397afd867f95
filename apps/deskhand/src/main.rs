//! `deskhand`: the administrator's command line, and the server in the same binary.
//!
//! Reads what was typed, lets one command do it, and turns what came of it into lines and an exit
//! code. Data goes to standard output, all else to standard error.

mod ask;
mod cli;
mod commands;
mod connection;
mod demo;
mod interrupt;
mod live;
mod logging;
mod output;
mod pages;
mod results;
mod service;
mod trouble;
mod when;
mod whole;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;

fn main() -> ExitCode {
    // `deskhand run` carries scripts out as an agent does.
    if agent::script_worker::is_wanted() {
        return agent::script_worker::run();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { trouble::WRONG_USAGE } else { 0 };
            // Nobody is left to be told when standard error is closed.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    commands::run(cli).unwrap_or_else(|error| trouble::report(&error))
}
