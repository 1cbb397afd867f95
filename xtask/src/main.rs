//! `cargo xtask`: the commands of the README and of continuous integration.
//!
//! Owns how the project is built, checked and shown; knows nothing of what the product does.
//! Everything it builds goes to the user's cache, so that a fresh clone meets warm builds and the
//! checkout stays clean.

use std::process::ExitCode;

use anyhow::{Result, bail};

mod apps;
mod claim;
mod dist;
mod install;
mod place;
mod process;
mod suite;
mod tidy;
mod windows;
mod wine;

const HELP: &str = "\
cargo xtask COMMAND

  demo [ARGS]        builds the two programs and runs `deskhand demo --agents 5 ARGS`
  test [STEP …]      everything that continuous integration runs, or only the named steps
  tidy [--bless]     what the compiler does not check; --bless shrinks the list of sizes
  bench NAME [ARGS]  one measurement, one line of result
  dist [ARGS]        packages: .deb, and .msi with --msi deskhand-agent.exe; --profile quick
  windows            builds for Windows and runs the tests there, under Wine
  help               this text
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<ExitCode> {
    let Some((command, rest)) = words.split_first() else {
        print!("{HELP}\n{}", suite::listing());
        return Ok(ExitCode::from(2));
    };
    match command.as_str() {
        "demo" => apps::demo(rest),
        "bench" => apps::bench(rest),
        "test" => suite::run(rest),
        "windows" => suite::run(&["windows".to_owned()]),
        "dist" => dist::run(rest),
        "tidy" => {
            tidy::run(&place::checkout(), rest)?;
            Ok(ExitCode::SUCCESS)
        }
        "help" | "--help" | "-h" => {
            print!("{HELP}\n{}", suite::listing());
            Ok(ExitCode::SUCCESS)
        }
        other => bail!("there is no command `{other}`; `cargo xtask help` lists them"),
    }
}
