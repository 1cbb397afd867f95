//! The programs, built to be looked at or measured: `demo` and `bench`.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::claim::{Claim, claim};
use crate::place;
use crate::process::{self, heading, spell, timed};

const PROFILE: &str = "quick";
const BENCHES: [(&str, &str); 6] = [
    ("fanout", "50 agents, one command: from command line to last result"),
    ("steps", "the ten-step deployment on 50 agents, first and repeated"),
    ("fleet", "10,000 idle agents: memory of the server, connecting, one deployment to all"),
    ("agentless", "one command on 100 computers over SSH, and what other tools need for it"),
    ("applications", "10,000 small files put in place beside rsync, planned again; one of 4 GB"),
    ("journal", "durable records a second on SQLite"),
];

/// Builds both programs and runs the demonstration.
pub fn demo(words: &[String]) -> Result<ExitCode> {
    drop(claim(&place::target(), None).and_then(build)?);
    let mut demo = process::command(place::target().join(PROFILE).join("deskhand"));
    demo.arg("demo");
    if !words.iter().any(|word| word == "--agents" || word.starts_with("--agents=")) {
        demo.args(["--agents", "5"]);
    }
    heading("deskhand demo");
    hand_over(demo.args(words))
}

/// Builds both programs and runs one measurement.
pub fn bench(words: &[String]) -> Result<ExitCode> {
    let Some((name, rest)) = words.split_first() else {
        bail!("which one? {}", benches());
    };
    if !BENCHES.iter().any(|(known, _)| known == name) {
        bail!("there is no bench `{name}`. {}", benches());
    }
    if place::package("deskhand-bench").is_none() {
        bail!("tests/bench is not in this checkout");
    }
    let _claim = claim(&place::target(), None).and_then(build)?;
    let mut bench =
        process::cargo(["run", "--quiet", "--profile", PROFILE, "-p", "deskhand-bench"]);
    bench.args(["--bin", name, "--"]).args(rest);
    bench.env("DESKHAND_BIN_DIR", place::target().join(PROFILE));
    heading(name);
    hand_over(&mut bench)
}

fn build(claim: Claim) -> Result<Claim> {
    heading("building deskhand and deskhand-agent");
    let words = ["build", "--profile", PROFILE, "-p", "deskhand", "-p", "deskhand-agent"];
    let (built, time) = timed(|| process::run(&mut process::cargo(words)));
    built?;
    process::note(&format!("in {}", spell(time)));
    Ok(claim)
}

/// Runs it and takes its exit code as ours.
fn hand_over(command: &mut Command) -> Result<ExitCode> {
    let status =
        command.status().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

fn benches() -> String {
    let lines = BENCHES.map(|(name, what)| format!("\n  {name:9} {what}"));
    format!("There are:{}", lines.concat())
}
