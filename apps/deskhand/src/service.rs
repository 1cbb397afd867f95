//! The server as a service of systemd (DS-04): its unit, its user, and what it tells its manager.
//!
//! Owns the texts that are installed. What systemd does with them is asked of `systemctl`; where no
//! systemd runs, files are written and the rest is said.

pub mod notify;
pub mod unit;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::output;
use crate::trouble::Trouble;

pub const UNIT: &str = "deskhand.service";
pub const SETTINGS: &str = "/etc/deskhand/server.toml";
const UNIT_PATH: &str = "/etc/systemd/system/deskhand.service";
/// Where the package has its unit, which starts the same program with the same settings.
const PACKAGED_PATH: &str = "/usr/lib/systemd/system/deskhand.service";
const ENABLED_PATH: &str = "/etc/systemd/system/multi-user.target.wants/deskhand.service";
const USERS_PATH: &str = "/etc/sysusers.d/deskhand.conf";
/// Told systemd's tools of the user; its home is the state folder.
const USERS: &str = "u deskhand - \"Deskhand server\" /var/lib/deskhand /usr/sbin/nologin\n";

/// How the service is installed.
#[derive(Debug, clap::Args)]
pub struct InstallArgs {
    /// Begin again so long after it stopped for whatever reason
    #[arg(long, default_value = "5s", value_name = "TIME")]
    restart_after: model::Span,
    /// Count as stuck, and be started anew, without a sign of life for so long
    #[arg(long, default_value = "1m", value_name = "TIME")]
    watchdog: model::Span,
    /// The program to be started [default: this one]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Write the files below this folder only, as for an image
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Do not start it now
    #[arg(long)]
    no_start: bool,
}

fn below(root: Option<&Path>, path: &str) -> PathBuf {
    match root {
        Some(root) => root.join(path.trim_start_matches('/')),
        None => PathBuf::from(path),
    }
}

pub fn install(args: &InstallArgs) -> Result<()> {
    let root = args.root.as_deref();
    let program = match &args.program {
        Some(program) => std::path::absolute(program)?,
        None => std::env::current_exe().context("where this program lies cannot be told")?,
    };
    let settings_path = below(root, SETTINGS);
    if !settings_path.exists() {
        write(&settings_path, &server::settings::template())?;
    }
    let settings = server::settings::Settings::read(&settings_path)?;
    let unit = unit::text(&unit::Wish {
        program: &program,
        settings: Path::new(SETTINGS),
        data: settings.data.as_deref(),
        depot: settings.depot.as_deref(),
        restart_after: args.restart_after,
        watchdog: args.watchdog,
    })?;
    let packaged = below(root, PACKAGED_PATH);
    let is_packaged = fs::read_to_string(&packaged).is_ok_and(|text| text == unit);
    let unit_path = if is_packaged { packaged } else { below(root, UNIT_PATH) };
    if !is_packaged {
        write(&unit_path, &unit)?;
        write(&below(root, USERS_PATH), USERS)?;
        make_user(root)?;
    }
    let text = format!("{} and {} are there.", unit_path.display(), settings_path.display());
    if root.is_some() || !is_systemd_here() {
        let how = "Where systemd runs: systemctl daemon-reload && systemctl enable --now deskhand";
        output::note(format!("{text}\n{how}"));
        return Ok(());
    }
    systemctl(["daemon-reload"])?;
    systemctl(if args.no_start { &["enable", UNIT][..] } else { &["enable", "--now", UNIT][..] })?;
    output::note(format!("{text}\n`deskhand server status` tells how it is."));
    Ok(())
}

/// The service, its unit and its user's entry; not the data, which somebody may want yet.
pub fn remove(root: Option<&Path>) -> Result<()> {
    let unit = below(root, UNIT_PATH);
    if !unit.exists() {
        let packaged = below(root, PACKAGED_PATH);
        return Err(
            if packaged.exists() { belongs(&packaged) } else { not_installed(&unit) }.into()
        );
    }
    if root.is_none() && is_systemd_here() {
        systemctl(["disable", "--now", UNIT])?;
    }
    for path in [unit, below(root, USERS_PATH)] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
            _ => {}
        }
    }
    if root.is_none() && is_systemd_here() {
        systemctl(["daemon-reload"])?;
    }
    output::note(format!(
        "The service is gone. Its data stays in /var/lib/deskhand, its settings in {SETTINGS}, and \
         the user deskhand: remove them when nobody needs them any more."
    ));
    Ok(())
}

/// `start`, `stop` or `restart`.
pub fn order(what: &str) -> Result<()> {
    if ![UNIT_PATH, PACKAGED_PATH].iter().any(|path| Path::new(path).exists()) {
        return Err(not_installed(Path::new(UNIT_PATH)).into());
    }
    systemctl([what, UNIT])
}

/// The package brings its unit to machines that only want the command line, too: there it counts
/// once it is enabled.
pub fn is_installed() -> bool {
    [UNIT_PATH, ENABLED_PATH].iter().any(|path| Path::new(path).exists())
}

/// What systemd says of the service, where it is installed and systemd runs.
pub fn state() -> Option<String> {
    if !is_installed() {
        return None;
    }
    let asked = Command::new("systemctl")
        .args(["show", UNIT, "--property=ActiveState,SubState,Result,NRestarts"])
        .output();
    let text = String::from_utf8_lossy(&asked.ok()?.stdout).trim().replace('\n', ", ");
    Some(text).filter(|text| !text.is_empty())
}

fn not_installed(unit: &Path) -> Trouble {
    let what = format!("the server is not installed as a service: there is no {}", unit.display());
    Trouble::new(
        "DH-C132",
        what,
        "`deskhand server install` does it; `deskhand server run` runs it without",
    )
}

fn belongs(unit: &Path) -> Trouble {
    let what = format!("{} belongs to the package deskhand", unit.display());
    let hint = "`apt-get remove deskhand` takes the service away; `systemctl disable --now \
                deskhand` only stops it for good";
    Trouble::new("DH-C132", what, hint)
}

fn is_systemd_here() -> bool {
    Path::new("/run/systemd/system").exists()
}

/// By systemd's own tool; where that is missing, by the one that every distribution has.
fn make_user(root: Option<&Path>) -> Result<()> {
    let mut sysusers = Command::new("systemd-sysusers");
    if let Some(root) = root {
        // An image may hold no list of users yet; its first start makes this one.
        if !root.join("etc/passwd").exists() {
            return Ok(());
        }
        sysusers.arg(format!("--root={}", root.display()));
    }
    sysusers.arg(USERS_PATH);
    match sysusers.output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => Err(failed("systemd-sysusers", &done.stderr).into()),
        Err(_) if root.is_none() => {
            let done = Command::new("useradd")
                .args([
                    "--system",
                    "--home-dir",
                    "/var/lib/deskhand",
                    "--shell",
                    "/usr/sbin/nologin",
                ])
                .arg("deskhand")
                .output()
                .context(
                    "neither systemd-sysusers nor useradd is here to make the user deskhand",
                )?;
            // 9: there is one of that name.
            match done.status.code() {
                Some(0 | 9) => Ok(()),
                _ => Err(failed("useradd", &done.stderr).into()),
            }
        }
        Err(_) => Ok(()),
    }
}

fn systemctl<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Result<()> {
    let done = Command::new("systemctl").args(args).output().context("cannot ask systemctl")?;
    if done.status.success() { Ok(()) } else { Err(failed("systemctl", &done.stderr).into()) }
}

fn failed(program: &str, errors: &[u8]) -> Trouble {
    let said = String::from_utf8_lossy(errors).trim().to_owned();
    let said = if said.is_empty() { "it did not say why".to_owned() } else { said };
    let hint = "managing services takes root: try with sudo; `deskhand server log` may tell more";
    Trouble::new("DH-C133", format!("{program} refused: {said}"), hint)
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let written = fs::write(path, text);
    written.with_context(|| format!("cannot write {}; installing takes root", path.display()))
}
