//! Who sits at a Linux machine: asked of logind, and where there is none, of the log of log-ins.
//!
//! Of several, the one at the machine's own screen counts before one at a text console, and both
//! before one who came over the network.

use std::io;
use std::process::{Command, Stdio};

const UTMP: [&str; 2] = ["/run/utmp", "/var/run/utmp"];

/// Somebody who is logged on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) user: String,
    /// Of the X server, where there is one.
    pub(super) display: Option<String>,
}

/// The higher, the rather it counts as the user of the machine.
type Ranked = (u8, Session);

/// Whoever counts as the user of this machine now.
pub(super) fn active() -> io::Result<Option<Session>> {
    Ok(best(all()?))
}

/// Everybody who is logged on, at the machine or from afar.
pub(super) fn all() -> io::Result<Vec<Ranked>> {
    if let Some(found) = of_logind() {
        return Ok(found);
    }
    for path in UTMP {
        match std::fs::read(path) {
            Ok(bytes) => return Ok(of_utmp(&bytes, is_alive)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Vec::new())
}

fn best(sessions: Vec<Ranked>) -> Option<Session> {
    let first = |best: Ranked, next: Ranked| if next.0 > best.0 { next } else { best };
    sessions.into_iter().reduce(first).map(|(_, session)| session)
}

/// `None` where no logind answers.
fn of_logind() -> Option<Vec<Ranked>> {
    let list = loginctl(&["list-sessions", "--no-legend", "--no-pager"])?;
    let ids: Vec<&str> =
        list.lines().filter_map(|line| line.split_ascii_whitespace().next()).collect();
    if ids.is_empty() {
        return Some(Vec::new());
    }
    let mut words = vec!["show-session", "--no-pager"];
    words.extend(["-p", "Name", "-p", "State", "-p", "Class", "-p", "Seat", "-p", "Type"]);
    words.extend(["-p", "Display", "-p", "Remote"]);
    words.push("--");
    words.extend(&ids);
    Some(of_blocks(&loginctl(&words)?))
}

fn loginctl(words: &[&str]) -> Option<String> {
    let mut command = Command::new("loginctl");
    command.args(words).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

/// Of what `loginctl show-session` tells: a block of lines for each session.
fn of_blocks(told: &str) -> Vec<Ranked> {
    let sessions = told.split("\n\n").filter_map(|block| {
        let value = |name: &str| {
            let line = block.lines().find(|line| line.split('=').next() == Some(name))?;
            line.split_once('=').map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
        };
        let is_person = value("Class").is_none_or(|class| class.starts_with("user"));
        if !is_person || value("State") != Some("active") {
            return None;
        }
        let graphical = matches!(value("Type"), Some("x11" | "wayland" | "mir"));
        let rank = match (value("Seat"), value("Remote")) {
            (Some(_), _) if graphical => 3,
            (Some(_), _) => 2,
            (None, Some("yes")) => 0,
            (None, _) => 1,
        };
        let display = value("Display").map(str::to_owned);
        Some((rank, Session { user: value("Name")?.to_owned(), display }))
    });
    sessions.collect()
}

/// Of glibc's records: 384 bytes each, the same on every 64-bit system that has them.
fn of_utmp(bytes: &[u8], is_alive: impl Fn(i32) -> bool) -> Vec<Ranked> {
    const RECORD: usize = 384;
    const USER_PROCESS: u8 = 7;
    let text = |field: &[u8]| {
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
        String::from_utf8(field[..end].to_vec()).ok()
    };
    let sessions = bytes.chunks_exact(RECORD).filter_map(|record| {
        let kind = record.first().copied()?;
        let pid = i32::from_le_bytes(record.get(4..8)?.try_into().ok()?);
        let line = text(record.get(8..40)?)?;
        let user = text(record.get(44..76)?).filter(|user| !user.is_empty())?;
        let host = text(record.get(76..332)?)?;
        if kind != USER_PROCESS || !is_alive(pid) {
            return None;
        }
        let display = [&line, &host].into_iter().find(|text| text.starts_with(':')).cloned();
        let rank = match &display {
            Some(_) => 3,
            None if line.starts_with("tty") => 2,
            None if host.is_empty() => 1,
            None => 0,
        };
        Some((rank, Session { user, display }))
    });
    sessions.collect()
}

fn is_alive(pid: i32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(kind: u8, line: &str, user: &str, host: &str) -> Vec<u8> {
        let mut record = vec![0; 384];
        record[0] = kind;
        record[4..8].copy_from_slice(&77i32.to_le_bytes());
        record[8..8 + line.len()].copy_from_slice(line.as_bytes());
        record[44..44 + user.len()].copy_from_slice(user.as_bytes());
        record[76..76 + host.len()].copy_from_slice(host.as_bytes());
        record
    }

    #[test]
    fn whoever_is_at_the_screen_counts_first() {
        let ssh = record(7, "pts/0", "remote", "192.0.2.7");
        let console = record(7, "tty1", "console", "");
        let screen = record(7, "tty7", "screen", ":0");
        let gone = record(8, "tty7", "gone", ":0");
        let user = |records: &[&Vec<u8>]| {
            let bytes: Vec<u8> = records.iter().flat_map(|record| record.iter().copied()).collect();
            best(of_utmp(&bytes, |pid| pid == 77)).map(|session| session.user)
        };
        assert_eq!(user(&[&ssh, &console, &screen, &gone]).as_deref(), Some("screen"));
        assert_eq!(user(&[&ssh, &console]).as_deref(), Some("console"));
        assert_eq!(user(&[&gone, &ssh]).as_deref(), Some("remote"));
        assert_eq!(user(&[&gone]), None);
        assert_eq!(of_utmp(&screen, |_| false), []);
    }

    #[test]
    fn what_logind_tells_is_understood() {
        let told = "Name=gdm\nSeat=seat0\nType=wayland\nClass=greeter\nState=active\nDisplay=\n\n\
                    Name=ann\nSeat=\nType=tty\nRemote=yes\nClass=user\nState=active\n\n\
                    Name=bob\nSeat=seat0\nType=x11\nRemote=no\nClass=user\nState=active\nDisplay=:0\n\n\
                    Name=eve\nSeat=seat0\nType=x11\nClass=user\nState=online\nDisplay=:1\n";
        let expect = Session { user: "bob".into(), display: Some(":0".into()) };
        assert_eq!(of_blocks(told).len(), 2);
        assert_eq!(best(of_blocks(told)), Some(expect));
        assert_eq!(of_blocks("Name=ann\nClass=user\nState=closing\n"), []);
        assert_eq!(of_blocks(""), []);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..1200)) {
            let _ = of_utmp(&bytes, |_| true);
            let _ = of_blocks(&String::from_utf8_lossy(&bytes));
        }
    }
}
