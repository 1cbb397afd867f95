//! The unit for systemd.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use agent::state::StateFolder;
use anyhow::{Context, Result, bail};

use super::{Condition, Wish, below};
use crate::arguments::RunArguments;
use crate::failure::Failure;

const UNIT: &str = "deskhand-agent.service";
/// Units of administrators. Those of packages lie in `/usr/lib/systemd/system`.
const UNITS: &str = "/etc/systemd/system";
const UNITS_OF_PACKAGES: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];
const WANTED_BY: &str = "/etc/systemd/system/multi-user.target.wants";
/// Where the program is put that was started from elsewhere, and found by people.
const PROGRAM: &str = "/usr/lib/deskhand/deskhand-agent";
const LINK: &str = "/usr/local/bin/deskhand-agent";
/// Where packages put it; there it is left alone.
const PROGRAM_OF_PACKAGES: &str = "/usr/bin/deskhand-agent";

/// Also what packages install: the agent bears few walls, since it installs software, and what it
/// starts stands behind the same ones.
pub(crate) const TEMPLATE: &str = include_str!("deskhand-agent.service");

pub(super) fn install(wish: &Wish) -> Result<String> {
    let root = wish.root.as_deref();
    let program = lay_program(root)?;
    let unit = below(root, &Path::new(UNITS).join(UNIT));
    let text = unit_text(&program, &wish.state);
    let packaged = UNITS_OF_PACKAGES.map(|folder| below(root, &Path::new(folder).join(UNIT)));
    let is_packaged =
        packaged.iter().any(|path| fs::read_to_string(path).is_ok_and(|is| is == text));
    if !is_packaged && fs::read_to_string(&unit).is_ok_and(|is| is == text) {
        // As it should be.
    } else if !is_packaged {
        write(&unit, text.as_bytes(), 0o644)?;
    }
    match root {
        Some(_) => {
            let wanted = below(root, &Path::new(WANTED_BY).join(UNIT));
            make_link(&Path::new(UNITS).join(UNIT), &wanted)?;
        }
        None => {
            systemctl(&["daemon-reload"])?;
            systemctl(&["enable", UNIT])?;
        }
    }
    Ok(unit.display().to_string())
}

pub(super) fn remove(wish: &Wish) -> Result<()> {
    let root = wish.root.as_deref();
    let unit = below(root, &Path::new(UNITS).join(UNIT));
    let is_installed = root.is_some() || condition()? != Condition::NotInstalled;
    if root.is_none() && is_installed {
        systemctl(&["disable", "--now", UNIT])?;
    }
    let link = below(root, Path::new(LINK));
    if fs::read_link(&link).is_ok_and(|to| to == Path::new(PROGRAM)) {
        remove_file(&link)?;
    }
    for path in
        [unit, below(root, &Path::new(WANTED_BY).join(UNIT)), below(root, Path::new(PROGRAM))]
    {
        remove_file(&path)?;
    }
    // Others may have something in it.
    let _not_empty = below(root, Path::new(PROGRAM)).parent().map(fs::remove_dir);
    if root.is_none() && is_installed {
        systemctl(&["daemon-reload"])?;
    }
    Ok(())
}

pub(super) fn start() -> Result<()> {
    systemctl(&["start", UNIT])
}

pub(super) fn stop() -> Result<()> {
    systemctl(&["stop", UNIT])
}

pub(super) fn restart() -> Result<()> {
    systemctl(&["restart", UNIT])
}

pub(super) fn condition() -> Result<Condition> {
    let mut show = Command::new("systemctl");
    show.args(["show", "--property=LoadState,ActiveState", UNIT]);
    let output = show.output().context(NO_SYSTEMD)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().to_owned()
    };
    Ok(match (value("LoadState").as_str(), value("ActiveState").as_str()) {
        ("not-found", _) => Condition::NotInstalled,
        ("" | "masked", "") => bail!("{}", String::from_utf8_lossy(&output.stderr).trim()),
        (_, "active") => Condition::Running,
        (_, "inactive") => Condition::Stopped,
        (_, other) => Condition::Other(other.to_owned()),
    })
}

const NO_SYSTEMD: &str = "there is no systemd here (`systemctl` cannot be started); have \
                          `deskhand-agent run --supervise` started by what this machine has";

fn systemctl(words: &[&str]) -> Result<()> {
    let output = Command::new("systemctl").args(words).output().context(NO_SYSTEMD)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!("systemctl {}: {}", words.join(" "), said.trim());
}

/// The program from which the service runs: this one where it lies in a lasting place, else a copy.
fn lay_program(root: Option<&Path>) -> Result<PathBuf> {
    let own = std::env::current_exe().context("this program cannot find itself")?;
    if root.is_none() && own == Path::new(PROGRAM_OF_PACKAGES) {
        return Ok(own);
    }
    let program = below(root, Path::new(PROGRAM));
    let bytes = fs::read(&own).with_context(|| format!("cannot read {}", own.display()))?;
    if fs::read(&program).is_ok_and(|is| is == bytes) {
        fs::set_permissions(&program, PermissionsExt::from_mode(0o755))?;
    } else {
        write(&program, &bytes, 0o755)?;
    }
    make_link(Path::new(PROGRAM), &below(root, Path::new(LINK)))?;
    Ok(PathBuf::from(PROGRAM))
}

fn unit_text(program: &Path, state: &Path) -> String {
    let mut line = quoted(&program.display().to_string());
    line.push_str(" run --supervise");
    if state != StateFolder::standard() {
        line.push_str(&format!(" --state {}", quoted(&state.display().to_string())));
    }
    let is_start = |text: &str| text.starts_with("ExecStart=");
    let lines = TEMPLATE.lines().map(|text| match is_start(text) {
        true => format!("ExecStart={line}\n"),
        false => format!("{text}\n"),
    });
    lines.collect()
}

/// As systemd reads words of a command line.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    if text.chars().all(plain) {
        return text.to_owned();
    }
    let escaped = text.replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{}\"", escaped.replace('$', "$$"))
}

/// Replaces a file by one with these bytes.
fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let beside = path.with_extension("new");
    let folder = path.parent().context("no folder")?;
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::write(&beside, bytes))
        .and_then(|()| fs::set_permissions(&beside, PermissionsExt::from_mode(mode)))
        .and_then(|()| fs::File::open(&beside)?.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    written.with_context(|| format!("cannot write {} (as root?)", path.display()))
}

/// Makes the link unless it is there; what is there and no link of ours is left.
fn make_link(to: &Path, link: &Path) -> Result<()> {
    if fs::symlink_metadata(link).is_ok() {
        return Ok(());
    }
    let folder = link.parent().context("no folder")?;
    let made = fs::create_dir_all(folder).and_then(|()| symlink(to, link));
    made.with_context(|| format!("cannot make {} (as root?)", link.display()))
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {} (as root?)", path.display()))
        }
        _ => Ok(()),
    }
}

/// Tells systemd that the agent runs.
pub(crate) fn ready() {
    notify("READY=1");
}

pub(crate) fn stopping() {
    notify("STOPPING=1");
}

/// One datagram to the socket that systemd names, where it does.
fn notify(text: &str) {
    use std::os::linux::net::SocketAddrExt;
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let told = UnixDatagram::unbound().and_then(|socket| {
        match path.as_encoded_bytes().strip_prefix(b"@") {
            Some(name) => {
                let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
                socket.send_to_addr(text.as_bytes(), &address)
            }
            None => socket.send_to(text.as_bytes(), &path),
        }
    });
    if let Err(error) = told {
        tracing::warn!("systemd cannot be told {text}: {error}");
    }
}

pub(crate) fn as_service(_what: RunArguments, _log: &str) -> Result<ExitCode, Failure> {
    Err(anyhow::anyhow!("`--service` is for Windows; here it is `run --supervise`").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_systemd() {
        for (text, expect) in [
            ("/var/lib/a-b_c", "/var/lib/a-b_c"),
            ("/a b", "\"/a b\""),
            ("/50%/$x/\"q\"", "\"/50%%/$$x/\\\"q\\\"\""),
        ] {
            assert_eq!(quoted(text), expect);
        }
    }

    #[test]
    fn the_template_is_what_packages_install() {
        let text = unit_text(Path::new(PROGRAM_OF_PACKAGES), &StateFolder::standard());
        assert_eq!(text, TEMPLATE);
    }
}
