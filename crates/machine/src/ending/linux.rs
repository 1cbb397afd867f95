//! By `/proc`, and by systemd or the scripts of `/etc/init.d`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep, timeout};

use super::{EndError, ServiceEnd};
use crate::process::{Stat, ancestors, processes, read_stat, signal};

const LOOK: Duration = Duration::from_millis(20);

pub(super) async fn end_processes(name: &str, wait: Duration) -> Result<usize, EndError> {
    let all = processes();
    let spared = ancestors(&all);
    let meant = |stat: &&Stat| !stat.ended && !spared.contains(&stat.pid) && is_of(stat.pid, name);
    let found: Vec<Stat> = all.values().filter(meant).copied().collect();
    found.iter().for_each(|process| signal(process, Signal::TERM));
    if let Some(left) = wait_for(&found, wait / 2).await {
        left.iter().for_each(|process| signal(process, Signal::KILL));
        if let Some(still) = wait_for(&left, wait / 2).await {
            let id = still.first().and_then(|stat| u32::try_from(stat.pid).ok()).unwrap_or(0);
            return Err(EndError::StillThere { name: name.to_owned(), id, wait });
        }
    }
    Ok(found.len())
}

/// Those that have not ended in time.
async fn wait_for(processes: &[Stat], wait: Duration) -> Option<Vec<Stat>> {
    let until = Instant::now() + wait;
    loop {
        let is_alive = |stat: &&Stat| {
            let now = read_stat(stat.pid);
            now.is_some_and(|now| now.started == stat.started && !now.ended)
        };
        let left: Vec<Stat> = processes.iter().filter(is_alive).copied().collect();
        if left.is_empty() {
            return None;
        }
        if Instant::now() >= until {
            return Some(left);
        }
        sleep(LOOK).await;
    }
}

/// By the file it runs, or by what it was started as: a script runs its interpreter's file.
fn is_of(pid: i32, name: &str) -> bool {
    let is_it = |path: &str| {
        let path = path.strip_suffix(" (deleted)").unwrap_or(path);
        if name.contains('/') { path == name } else { path.rsplit('/').next() == Some(name) }
    };
    let file = std::fs::read_link(format!("/proc/{pid}/exe"));
    if file.is_ok_and(|file| is_it(&file.to_string_lossy())) {
        return true;
    }
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    is_it(&first) || is_interpreter(&first) && is_it(&second)
}

fn is_interpreter(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    let known = ["sh", "bash", "dash", "zsh", "perl", "ruby", "node"];
    known.contains(&name) || name.starts_with("python")
}

pub(super) async fn stop_service(name: &str, wait: Duration) -> Result<ServiceEnd, EndError> {
    let failed = |why: String| EndError::Service { name: name.to_owned(), why };
    let show = ["show", "--property=LoadState", "--property=ActiveState", "--", name];
    let Some(Ok(told)) = run("systemctl", &show, wait).await else {
        // No systemd, or it is not what started this machine.
        return stop_by_script(name, wait).await;
    };
    let is = |line: &str| told.lines().any(|told| told == line);
    if is("LoadState=not-found") {
        return Ok(ServiceEnd::Absent);
    }
    if is("ActiveState=inactive") || is("ActiveState=failed") {
        return Ok(ServiceEnd::DidNotRun);
    }
    match run("systemctl", &["stop", "--", name], wait).await {
        Some(Ok(_)) => Ok(ServiceEnd::Stopped),
        Some(Err(why)) => Err(failed(why)),
        None => Err(EndError::StillRuns { name: name.to_owned(), wait }),
    }
}

async fn stop_by_script(name: &str, wait: Duration) -> Result<ServiceEnd, EndError> {
    let script = format!("/etc/init.d/{}", name.strip_suffix(".service").unwrap_or(name));
    if !Path::new(&script).is_file() {
        return Ok(ServiceEnd::Absent);
    }
    match run(&script, &["stop"], wait).await {
        Some(Ok(_)) => Ok(ServiceEnd::Stopped),
        Some(Err(why)) => Err(EndError::Service { name: name.to_owned(), why }),
        None => Err(EndError::StillRuns { name: name.to_owned(), wait }),
    }
}

/// What it wrote, or why it failed; nothing when it did not end in time, and was killed.
async fn run(program: &str, words: &[&str], wait: Duration) -> Option<Result<String, String>> {
    let mut command = tokio::process::Command::new(program);
    command.args(words).stdin(Stdio::null()).kill_on_drop(true);
    let output = match timeout(wait, command.output()).await.ok()? {
        Ok(output) => output,
        Err(error) => return Some(Err(error.to_string())),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        let said = text(&output.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        Err(last.map_or_else(|| format!("`{program}` ended with {}", output.status), str::to_owned))
    })
}
