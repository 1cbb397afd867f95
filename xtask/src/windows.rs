//! The Windows lane: what runs on Windows is built here and tested under Wine.
//!
//! With rustup's Windows target where it is installed, else with Debian's compiler, which builds
//! the standard library itself. Either way into a folder of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::claim::claim;
use crate::process::{self, cargo, note};
use crate::wine::Session;
use crate::{install, place, suite};

const TARGET: &str = "x86_64-pc-windows-gnu";
const AGENT: &str = "deskhand-agent";

/// Packages whose tests run on Windows too.
const TESTED: &[&str] = &["deskhand-machine"];

/// Applications on a machine, through the agent's own driver.
const APPLICATIONS: [&str; 4] = ["-p", "deskhand-agent-lib", "--test", "windows"];

const BUILD_MAX: Duration = Duration::from_secs(40 * 60);
const TESTS_MAX: Duration = Duration::from_secs(15 * 60);

/// Builds the agent and the tests for Windows, runs the tests, then the agent against a real
/// server.
pub fn run() -> Result<()> {
    let toolchain = Toolchain::find()?;
    let _only_one = lock()?;
    let _claim = claim(&place::windows_target(), Some(TARGET))?;
    note(toolchain.what());
    build(&toolchain)?;
    let session = Session::start()?;
    let built = place::windows_target().join(TARGET).join("debug");
    session.lay_shim(&built)?;
    session.lay_shim(&built.join("deps"))?;
    conformance(&toolchain, &session)?;
    applications(&toolchain, &session)?;
    judges(&session)?;
    end_to_end(&built.join(format!("{AGENT}.exe")), &session)
}

enum Toolchain {
    Rustup,
    Debian,
}

impl Toolchain {
    fn find() -> Result<Self> {
        let mut rustup = process::command("rustup");
        let targets = process::output(rustup.args(["target", "list", "--installed"]));
        if targets.is_some_and(|list| list.lines().any(|line| line.trim() == TARGET)) {
            install::packages(
                &["gcc-mingw-w64-x86-64", "wine", "wine64", "wixl"],
                "the Windows lane",
            )?;
            return Ok(Self::Rustup);
        }
        install::packages(install::WINDOWS, "the Windows lane")
            .with_context(|| format!("or, where rustup has it: rustup target add {TARGET}"))?;
        anyhow::ensure!(
            Path::new("/usr/bin/cargo").is_file()
                && Path::new("/usr/lib/rustlib/src/rust").exists(),
            "no compiler for Windows: `rustup target add {TARGET}`, or Debian's packages {}",
            install::WINDOWS.join(" ")
        );
        Ok(Self::Debian)
    }

    fn what(&self) -> &'static str {
        match self {
            Self::Rustup => "with rustup's Windows target",
            Self::Debian => "with Debian's compiler, which builds the standard library too",
        }
    }

    fn cargo(&self, words: &[&str]) -> Command {
        let mut command = match self {
            Self::Rustup => cargo(words),
            Self::Debian => {
                let mut command = process::command("/usr/bin/cargo");
                command.args(words).arg("-Zbuild-std=std,panic_abort");
                command.args(["-Zwarnings", "--config", "build.warnings=\"deny\""]);
                command.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
                for rustups in ["RUSTDOC", "RUSTUP_TOOLCHAIN", "CARGO", "LD_LIBRARY_PATH"] {
                    command.env_remove(rustups);
                }
                command
            }
        };
        command.args(["--target", TARGET]).args(suite::locked());
        command.env("CARGO_TARGET_DIR", place::windows_target());
        command.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", "x86_64-w64-mingw32-gcc");
        command
    }
}

fn build(toolchain: &Toolchain) -> Result<()> {
    process::run_within(&mut toolchain.cargo(&["build", "--quiet", "-p", AGENT]), BUILD_MAX)?;
    let mut tests = toolchain.cargo(&["test", "--quiet", "--no-run"]);
    process::run_within(tests.args(tested()), BUILD_MAX)?;
    let mut tests = toolchain.cargo(&["test", "--quiet", "--no-run"]);
    process::run_within(tests.args(APPLICATIONS), BUILD_MAX)
}

fn conformance(toolchain: &Toolchain, session: &Session) -> Result<()> {
    let mut tests = toolchain.cargo(&["test", "--no-fail-fast", "--lib", "--tests"]);
    tests.args(tested());
    session.equip(&mut tests);
    tests.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", session.wine());
    process::run_within(&mut tests, TESTS_MAX)
}

/// Applications come and go, judged by Wine's programs; packages are built by wixl.
fn applications(toolchain: &Toolchain, session: &Session) -> Result<()> {
    let mut tests = toolchain.cargo(&["test", "--no-fail-fast"]);
    session.equip(tests.args(APPLICATIONS));
    tests.env("DESKHAND_JUDGE", session.judge()?);
    tests.env("DESKHAND_TRIAL_PACKAGES", session.packages()?);
    tests.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", session.wine());
    process::run_within(&mut tests, TESTS_MAX)
}

/// What Windows programs read in files that we wrote: shortcuts, INI files and `.reg` files.
fn judges(session: &Session) -> Result<()> {
    let mut test = cargo(["test", "-p", "deskhand-application", "-p", "deskhand-format"]);
    test.args(["--test", "judges"]).args(suite::locked()).args(["--", "--ignored"]);
    session.equip(&mut test);
    test.env("DESKHAND_JUDGE", session.judge()?);
    process::run_within(&mut test, BUILD_MAX)
}

/// The agent for Windows enrols with the server for Linux and works for it.
fn end_to_end(agent: &Path, session: &Session) -> Result<()> {
    if !end_to_end_test().is_some_and(|test| test.is_file()) {
        note("no end-to-end test for Windows in this checkout");
        return Ok(());
    }
    let programs = ["build", "--quiet", "-p", "deskhand", "-p", AGENT];
    process::run_within(cargo(programs).args(suite::locked()), BUILD_MAX)?;
    let mut test = cargo(["test", "-p", "deskhand-e2e", "--test", "windows"]);
    test.args(suite::locked());
    session.equip(&mut test);
    test.env("DESKHAND_WINDOWS_AGENT", agent);
    test.env("DESKHAND_BIN_DIR", place::target().join("debug"));
    process::run_within(&mut test, TESTS_MAX)
}

fn end_to_end_test() -> Option<PathBuf> {
    let tests = place::package("deskhand-e2e")?.join("tests");
    let candidates = [tests.join("windows.rs"), tests.join("windows/main.rs")];
    candidates.into_iter().find(|file| file.is_file())
}

fn tested() -> impl Iterator<Item = &'static str> {
    TESTED.iter().flat_map(|package| ["-p", package])
}

/// One lane at a time for each user: the prefix's server is ended at the end.
fn lock() -> Result<File> {
    let folder = place::cache();
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = File::create(folder.join("windows.lock"))?;
    if file.try_lock().is_err() {
        note("waiting for another Windows lane of this user");
        file.lock().context("cannot lock the Windows lane")?;
    }
    Ok(file)
}
