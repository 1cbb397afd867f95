//! `deskhand app new`: a file to begin with.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use model::{ApplicationId, Timestamp};

use crate::commands::DONE;
use crate::output;
use crate::trouble::Trouble;

const STARTER: &str = include_str!("starter.yaml");

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the application is called
    name: String,
    /// The file to write; one that is there stays. Printed when not given
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let name = args.name.trim();
    if name.is_empty() || name.chars().any(|letter| letter.is_control() || letter == '%') {
        let what = format!("`{}` cannot be the name of an application", args.name);
        let hint = "a name has letters, and neither line breaks nor `%`";
        return Err(Trouble::usage(what, hint).into());
    }
    let text = starter(name, fresh_id()?);
    match &args.file {
        None => output::text(&text)?,
        Some(file) => {
            let mut options = OpenOptions::new();
            let opened = options.write(true).create_new(true).open(file);
            opened
                .map_err(|error| match error.kind() {
                    io::ErrorKind::AlreadyExists => {
                        let what = format!("`{}` is there already", file.display());
                        Trouble::usage(what, "choose another file, or remove it").into()
                    }
                    _ => anyhow::Error::from(error),
                })
                .and_then(|mut opened| Ok(opened.write_all(text.as_bytes())?))
                .with_context(|| format!("cannot write {}", file.display()))?;
            output::note(format!("Wrote {}.", file.display()));
        }
    }
    Ok(DONE)
}

/// An id that no other application has.
pub fn fresh_id() -> Result<ApplicationId> {
    let mut chance = [0; 10];
    getrandom::fill(&mut chance).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(ApplicationId::new(Timestamp::from_millis(output::now()), chance))
}

fn starter(name: &str, id: ApplicationId) -> String {
    let quoted = serde_json::Value::from(name).to_string();
    let lines = STARTER.lines().map(|line| match line {
        "application: NAME" => format!("application: {quoted}\n"),
        "id: ID" => format!("id: {id}\n"),
        _ => format!("{}\n", line.replace("NAME", &inner(&quoted))),
    });
    lines.collect()
}

/// Without the quotes around it, as it can stand within others.
fn inner(quoted: &str) -> String {
    quoted[1..quoted.len() - 1].to_owned()
}
