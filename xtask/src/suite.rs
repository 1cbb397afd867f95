//! `cargo xtask test`: the steps, in the order that shows the cheapest mistakes first and the
//! tests' summary last.
//!
//! A failing step does not stop the others: one run tells all there is to mend. The last lines name
//! what failed and how to run that alone.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::claim::claim;
use crate::process::{self, cargo, heading, note, spell, timed};
use crate::{install, place, tidy, windows};

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "fmt", what: "the code is formatted", run: fmt },
    Step { name: "tidy", what: "what the compiler does not check", run: tidy_up },
    Step { name: "clippy", what: "lints, warnings are errors", run: clippy },
    Step { name: "deny", what: "licences, bans and sources of dependencies", run: deny },
    Step {
        name: "windows",
        what: "the agent and its tests for Windows, under Wine",
        run: windows::run,
    },
    Step { name: "tests", what: "all tests of the workspace", run: tests },
];

/// Runs all steps, or the named ones.
pub fn run(names: &[String]) -> Result<ExitCode> {
    if let Some(unknown) = names.iter().find(|name| !STEPS.iter().any(|step| step.name == **name)) {
        bail!("there is no step `{unknown}`.\n{}", listing());
    }
    let chosen =
        STEPS.iter().filter(|step| names.is_empty() || names.iter().any(|name| name == step.name));
    let _claim = claim(&place::target(), None)?;
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for step in chosen {
        heading(&format!("{}: {}", step.name, step.what));
        let (result, time) = timed(step.run);
        match result {
            Ok(()) => {
                note(&format!("ok, {}", spell(time)));
                good.push(format!("    {:8} ok, {}", step.name, spell(time)));
            }
            Err(error) => {
                eprintln!("error: {error:#}");
                bad.push(format!(
                    "    {:8} FAILED; again: cargo xtask test {}",
                    step.name, step.name
                ));
            }
        }
    }
    heading(if bad.is_empty() { "all is well" } else { "not well" });
    good.iter().chain(&bad).for_each(|line| eprintln!("{line}"));
    Ok(if bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The names of the steps, for people.
pub fn listing() -> String {
    let lines: Vec<String> =
        STEPS.iter().map(|step| format!("  {:8} {}\n", step.name, step.what)).collect();
    format!("The steps of `cargo xtask test`:\n{}", lines.concat())
}

/// In continuous integration the lock file is taken as committed.
pub fn locked() -> &'static [&'static str] {
    if std::env::var_os("CI").is_some() { &["--locked"] } else { &[] }
}

fn fmt() -> Result<()> {
    install::component("rustfmt", "fmt")?;
    process::run(&mut cargo(["fmt", "--all", "--check"]))
}

fn tidy_up() -> Result<()> {
    tidy::run(&place::checkout(), &[])
}

fn clippy() -> Result<()> {
    install::packages(install::BUILD, "building")?;
    install::component("clippy", "clippy")?;
    let mut clippy = cargo(["clippy", "--quiet", "--workspace", "--all-targets"]);
    process::run(clippy.args(locked()).args(["--", "-D", "warnings"]))
}

fn deny() -> Result<()> {
    let program = install::cargo_deny()?;
    let deny = |words: &[&str]| {
        let mut command = process::command(&program);
        command.args(words).env("CARGO_TARGET_DIR", place::target());
        command
    };
    process::run(&mut deny(&["--log-level", "error", "check", "licenses", "bans", "sources"]))?;
    let database = process::run_within(
        &mut deny(&["--log-level", "off", "fetch", "db"]),
        Duration::from_secs(90),
    );
    if database.is_err() {
        note("advisories not checked: their database cannot be had from here");
        return Ok(());
    }
    process::run(&mut deny(&["--log-level", "error", "check", "--disable-fetch", "advisories"]))
}

/// The programs are built first: end-to-end tests start them from `DESKHAND_BIN_DIR`.
fn tests() -> Result<()> {
    install::packages(install::BUILD, "building")?;
    install::packages(install::SERVICE, "judging the service")?;
    install::packages(install::TESTS, "the tests")?;
    install::packages(install::PACKAGES, "the tests of packages")?;
    install::packages(install::JUDGES, "judging shortcuts and versions")?;
    install::packages(install::DIST, "packages")?;
    install::packages(install::SSH, "the tests of computers without agent")?;
    process::run(cargo(["build", "--quiet", "--workspace", "--bins"]).args(locked()))?;
    let programs = place::target().join("debug");
    let test = |words: &[&str]| {
        let mut command = cargo(words);
        command.args(locked()).env("DESKHAND_BIN_DIR", &programs);
        command
    };
    if tidy::has_doc_tests(&place::checkout()) {
        process::run(&mut test(&["test", "--quiet", "--workspace", "--doc"]))?;
    }
    if process::succeeds(&mut cargo(["nextest", "--version"])) {
        let words = [
            "nextest",
            "run",
            "--config-file",
            "xtask/nextest.toml",
            "--workspace",
            "--no-fail-fast",
        ];
        process::run(&mut test(&words))
    } else {
        process::run(&mut test(&["test", "--workspace", "--no-fail-fast", "--all-targets"]))
    }
}
