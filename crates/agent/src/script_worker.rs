//! This program as the worker of one script: `deskhand-agent script-worker`, started by the agent
//! itself and by nobody else.

use std::process::ExitCode;

use machine::Confinement;

/// What a program is started with to be a worker.
pub const SUBCOMMAND: &str = "script-worker";

/// Whether this process was started to be a worker, which is asked before anything else is done.
pub fn is_wanted() -> bool {
    let mut words = std::env::args_os().skip(1);
    words.next().is_some_and(|word| word == SUBCOMMAND) && words.next().is_none()
}

/// Carries out the script that comes in over standard input.
pub fn run() -> ExitCode {
    let confine = |begin: &script::Begin| {
        machine::confine(&Confinement {
            memory_bytes: begin.memory_bytes,
            processor_seconds: begin.processor_seconds,
        })
    };
    match script::run(std::io::stdin(), std::io::stdout(), confine) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
