//! Starting programs: never with a standard input, always shown, ended by their own id when they
//! take too long.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::place;

const GRACE: Duration = Duration::from_secs(5);

/// A heading for what comes next.
pub fn heading(text: &str) {
    eprintln!("\n==> {text}");
}

/// A remark below a heading.
pub fn note(text: &str) {
    eprintln!("    {text}");
}

/// `812 ms`, `4.2 s`, `3 min 7 s`.
pub fn spell(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// Property tests begin with this seed, so that the same code has the same verdict each time.
/// Another one, or `PROPTEST_CASES` with `cargo test`, looks further.
const SEED: (&str, &str) = ("PROPTEST_RNG_SEED", "1");

/// The cargo that runs this program, building into the cache.
pub fn cargo<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(words: I) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = command(program);
    command.args(words).env("CARGO_TARGET_DIR", place::target());
    command
}

/// A program in the checkout, without what `cargo run` put into the environment for this one only.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(place::checkout()).stdin(Stdio::null());
    if std::env::var_os(SEED.0).is_none() {
        command.env(SEED.0, SEED.1);
    }
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let of_the_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        if of_the_package.iter().any(|start| name.starts_with(start)) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs to the end; a failure names the command line.
pub fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    succeeded(status, &line)
}

/// As [`run`], but ends the program when it takes longer.
pub fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    let line = line(command);
    let child = command.spawn().with_context(|| format!("cannot start `{line}`"))?;
    match wait_within(child, limit)? {
        Some(status) => succeeded(status, &line),
        None => bail!("`{line}` did not end within {} and was killed", spell(limit)),
    }
}

/// Whether it starts and says yes; its output is nobody's business.
pub fn succeeds(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// What it prints, if it ends well.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `work` and returns how long it took beside what it returned.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let result = work();
    (result, began.elapsed())
}

fn succeeded(status: ExitStatus, line: &str) -> Result<()> {
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// `None` if it had to be killed, with what it started itself. Nobody else is signalled.
fn wait_within(mut child: Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let id = child.id();
    let (tell, told) = mpsc::channel();
    let waiter = thread::spawn(move || {
        let _ = tell.send(child.wait());
    });
    let mut ended = told.recv_timeout(limit);
    let in_time = ended.is_ok();
    let family = if in_time { Vec::new() } else { family(id) };
    for signal in ["-TERM", "-KILL"] {
        if ended.is_err() {
            kill(signal, &family);
            ended = told.recv_timeout(GRACE);
        }
    }
    let status = ended.context("a process outlives SIGKILL")??;
    let _ = waiter.join();
    Ok(in_time.then_some(status))
}

fn kill(signal: &str, ids: &[u32]) {
    for id in ids {
        succeeds(Command::new("kill").arg(signal).arg(id.to_string()));
    }
}

/// The process and all its descendants, as `/proc` tells them; elsewhere the process alone.
fn family(id: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all: Vec<(u32, u32)> = entries
        .filter_map(|entry| {
            let child = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((child, parent))
        })
        .collect();
    let mut family = vec![id];
    let mut seen = 0;
    while seen < family.len() {
        let parent = family[seen];
        family.extend(all.iter().filter(|(_, of)| *of == parent).map(|(child, _)| child));
        seen += 1;
    }
    family
}

/// The command line as a person would type it, without folders that only make it long.
fn line(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_takes_too_long_is_ended() {
        let mut forever = Command::new("tail");
        forever.args(["-f", "/dev/null"]);
        let (result, time) = timed(|| run_within(&mut forever, Duration::from_millis(50)));
        let text = result.unwrap_err().to_string();
        assert_eq!(text, "`tail -f /dev/null` did not end within 50 ms and was killed");
        assert!(time < GRACE);
    }

    #[test]
    fn what_it_started_itself_goes_too() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "tail -f /dev/null & wait"]);
        let mut child = shell.spawn().unwrap();
        let mut all = family(child.id());
        while all.len() < 2 {
            thread::yield_now();
            all = family(child.id());
        }
        kill("-KILL", &all);
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn a_failure_names_the_command() {
        let error = run_within(&mut Command::new("/bin/false"), GRACE).unwrap_err();
        assert_eq!(error.to_string(), "`false` failed (exit status: 1)");
    }

    #[test]
    fn times_are_spelled_for_people() {
        assert_eq!(spell(Duration::from_millis(812)), "812 ms");
        assert_eq!(spell(Duration::from_millis(4_230)), "4.2 s");
        assert_eq!(spell(Duration::from_secs(187)), "3 min 7 s");
    }
}
