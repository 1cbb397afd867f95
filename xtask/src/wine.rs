//! A Wine prefix of our own in the user's cache, and the server behind it for as long as a lane
//! runs.
//!
//! Wine's server keeps the standard output of whoever starts it first. It is therefore started
//! here, into a log, and ended when [`Session`] goes, so that nothing waits for a pipe that a
//! background process holds.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::place;
use crate::process::{self, note};

const SHIM: &str = "bcryptprimitives.dll";
const SHIM_SOURCE: &str = "tests/windows/bcryptprimitives.c";
const JUDGE_SOURCE: &str = "tests/windows/judge.c";
const PACKAGE_SOURCE: &str = "tests/windows/trial.wxs";
const READY: &str = "deskhand-ready-1";
const SETUP_MAX: Duration = Duration::from_secs(300);
const QUICK_MAX: Duration = Duration::from_secs(60);

/// Wine, ready to run programs. Dropping it ends whatever still runs in its prefix.
pub struct Session {
    wine: PathBuf,
    server: PathBuf,
    prefix: PathBuf,
    log: PathBuf,
    shim: PathBuf,
}

impl Session {
    /// Starts the prefix's server and makes the prefix where there is none. Whoever calls holds the
    /// lane's lock.
    pub fn start() -> Result<Self> {
        let base = place::cache().join("wine");
        fs::create_dir_all(&base).with_context(|| format!("cannot make {}", base.display()))?;
        let session = Self {
            wine: found("/usr/lib/wine/wine64", &["wine64", "wine"])?,
            server: found("/usr/lib/wine/wineserver64", &["wineserver"])?,
            prefix: base.join("prefix"),
            log: base.join("log"),
            shim: base.join(SHIM),
        };
        File::create(&session.log)?;
        session.end_all();
        if !session.prefix.join(READY).is_file() {
            session.make_prefix()?;
        }
        session.make_shim()?;
        process::run_within(session.quietly(&session.server)?.arg("--persistent"), QUICK_MAX)?;
        process::run_within(
            session.quietly(&session.wine)?.args(["cmd", "/c", "exit"]),
            QUICK_MAX,
        )?;
        Ok(session)
    }

    /// The program that runs Windows programs.
    pub fn wine(&self) -> &Path {
        &self.wine
    }

    /// Gives a command what Wine must know: which prefix, nothing to say, nothing to ask.
    pub fn equip(&self, command: &mut Command) {
        command
            .env("WINEPREFIX", &self.prefix)
            .env("WINEDEBUG", "-all")
            .env("WINEDLLOVERRIDES", "mscoree,mshtml,winemenubuilder.exe=")
            .env("DESKHAND_WINE", &self.wine)
            .env_remove("DISPLAY");
    }

    /// Lays the missing library beside programs that may be copied or run from elsewhere.
    pub fn lay_shim(&self, folder: &Path) -> Result<()> {
        let to = folder.join(SHIM);
        fs::copy(&self.shim, &to).with_context(|| format!("cannot write {}", to.display()))?;
        Ok(())
    }

    /// A Windows program that tells what it reads in files, built by mingw each time.
    pub fn judge(&self) -> Result<PathBuf> {
        let judge = self.shim.with_file_name("judge.exe");
        let mut gcc = process::command("x86_64-w64-mingw32-gcc");
        gcc.args(["-O1", "-s", "-Wall", "-Werror", "-o"]).arg(&judge);
        process::run(gcc.args([JUDGE_SOURCE, "-lole32", "-luuid", "-lshell32"]))?;
        Ok(judge)
    }

    /// The folder of the package that tests install, built by wixl each time.
    pub fn packages(&self) -> Result<PathBuf> {
        let folder = self.shim.with_file_name("packages");
        fs::create_dir_all(&folder)?;
        // wixl finds files only below the folder it runs in.
        fs::write(folder.join("trial.txt"), "trial\r\n")?;
        let source = place::checkout().join(PACKAGE_SOURCE);
        let mut wixl = process::command("wixl");
        wixl.args(["--arch", "x64", "-o", "trial.msi"]).arg(source);
        process::run(wixl.current_dir(&folder))?;
        Ok(folder)
    }

    fn make_prefix(&self) -> Result<()> {
        note("making a Wine prefix, once");
        if self.prefix.exists() {
            fs::remove_dir_all(&self.prefix)?;
        }
        process::run_within(self.quietly(&self.wine)?.args(["wineboot", "--init"]), SETUP_MAX)?;
        let version = ["reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10", "/f"];
        process::run_within(self.quietly(&self.wine)?.args(version), QUICK_MAX)?;
        self.end_all();
        fs::write(self.prefix.join(READY), "")?;
        Ok(())
    }

    /// Built by mingw each time: it takes a tenth of a second.
    fn make_shim(&self) -> Result<()> {
        let mut gcc = process::command("x86_64-w64-mingw32-gcc");
        gcc.args(["-shared", "-O2", "-s", "-Wall", "-Werror", "-o"]).arg(&self.shim);
        process::run(gcc.args([SHIM_SOURCE, "-ladvapi32"]))?;
        self.lay_shim(&self.prefix.join("drive_c/windows/system32"))
    }

    fn quietly(&self, program: &Path) -> Result<Command> {
        let mut command = process::command(program);
        self.equip(&mut command);
        let log = File::options().append(true).open(&self.log)?;
        command.stdout(log.try_clone()?).stderr(log);
        Ok(command)
    }

    fn end_all(&self) {
        let mut end = process::command(&self.server);
        self.equip(&mut end);
        end.arg("--kill").stdout(Stdio::null()).stderr(Stdio::null());
        let _ = process::run_within(&mut end, QUICK_MAX);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end_all();
    }
}

/// Debian keeps Wine's programs out of the search path; others do not.
fn found(debian: &str, names: &[&str]) -> Result<PathBuf> {
    let on_path = || names.iter().find_map(|name| place::program(name));
    let debian = Path::new(debian);
    if debian.is_file() { Some(debian.to_owned()) } else { on_path() }
        .with_context(|| format!("`{}` is not installed", names.join("` or `")))
}
