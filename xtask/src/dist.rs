//! `cargo xtask dist`: packages of what is built, for Debian and for Windows.
//!
//! Packages hold the programs, the units and nothing that is made on the machine. The programs are
//! built here, or taken from a folder that `--bin` names.

mod deb;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{self, cargo, heading, note};
use crate::{install, place};

const HELP: &str =
    "cargo xtask dist [--profile release|quick|dev] [--bin DIR] [--out DIR] [--msi EXE]";

struct Wish {
    profile: String,
    bin: Option<PathBuf>,
    out: PathBuf,
    msi: Option<PathBuf>,
}

pub fn run(words: &[String]) -> Result<ExitCode> {
    let wish = read(words)?;
    install::packages(install::DIST, "packages")?;
    fs::create_dir_all(&wish.out).with_context(|| wish.out.display().to_string())?;
    let (server, agent) = match &wish.bin {
        Some(bin) => (bin.clone(), bin.clone()),
        None => (
            build(&wish.profile, "deskhand")?,
            build(profile_of_agent(&wish.profile), "deskhand-agent")?,
        ),
    };
    deb::agent(&agent, &wish.out)?;
    deb::server(&server, &wish.out)?;
    if let Some(program) = &wish.msi {
        msi(program, &wish.out)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read(words: &[String]) -> Result<Wish> {
    let out = place::target().join("dist");
    let mut wish = Wish { profile: "release".to_owned(), bin: None, out, msi: None };
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let value = rest.next().with_context(|| format!("`{word}` needs a value; {HELP}"))?;
        match word.as_str() {
            "--profile" => wish.profile.clone_from(value),
            "--bin" => wish.bin = Some(value.into()),
            "--out" => wish.out = value.into(),
            "--msi" => wish.msi = Some(value.into()),
            other => bail!("`{other}` is not known; {HELP}"),
        }
    }
    Ok(wish)
}

/// The agent that is shipped is built to be small.
fn profile_of_agent(profile: &str) -> &str {
    if profile == "release" { "agent" } else { profile }
}

/// Builds one package; says in which folder its program is.
fn build(profile: &str, package: &str) -> Result<PathBuf> {
    heading(&format!("building {package} with the profile {profile}"));
    process::run(&mut cargo(["build", "--profile", profile, "-p", package]))?;
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(place::target().join(folder))
}

/// The agent for Windows as an installer package; the service is made by the agent itself.
fn msi(program: &Path, out: &Path) -> Result<()> {
    ensure!(
        program.is_file(),
        "{} is not there: `cargo xtask windows` builds it",
        program.display()
    );
    let template = place::checkout().join("xtask/src/dist/agent.wxs");
    let text = fs::read_to_string(&template).with_context(|| template.display().to_string())?;
    let text = text.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
    // wixl finds files only below the folder it runs in.
    let beside = out.join("deskhand-agent.exe");
    fs::copy(program, &beside).with_context(|| beside.display().to_string())?;
    let wxs = out.join("agent.wxs");
    fs::write(&wxs, text)?;
    let file = out.join(format!("deskhand-agent_{}_x64.msi", env!("CARGO_PKG_VERSION")));
    let mut wixl = process::command("wixl");
    wixl.args(["--arch", "x64", "-o"]).arg(std::path::absolute(&file)?).arg("agent.wxs");
    process::run(wixl.current_dir(out))?;
    fs::remove_file(&wxs)?;
    fs::remove_file(&beside)?;
    note(&file.display().to_string());
    Ok(())
}
