//! Processes on Linux: a group of their own, a mark in the environment, and `/proc` to find what
//! went further.
//!
//! A tree is: the process, its group and session, whatever carries its mark, and the children of
//! all of these. Only what cleared its environment *and* outlived its parent *and* left the session
//! is missed. The agent itself, its ancestors and process 1 never belong to a tree.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdout};
use tokio::time::Instant;

use super::{Command, ExecuteError, ExecuteSpec, GRACE, MARK};

pub(super) struct Process {
    child: Child,
    tree: Tree,
    /// Still to be ended when this is dropped.
    running: bool,
}

pub(super) async fn start(
    spec: &ExecuteSpec,
) -> Result<(Process, ChildStdout, ChildStderr), ExecuteError> {
    let mut command = command(spec);
    command.env(MARK, &spec.effect).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    let mut child = spawn(&mut command, spec).await?;
    let lost = || start_error(spec, io::ErrorKind::BrokenPipe.into());
    let stdout = child.stdout.take().ok_or_else(lost)?;
    let stderr = child.stderr.take().ok_or_else(lost)?;
    let leader = child.id().and_then(|id| i32::try_from(id).ok());
    let mark = Some(spec.effect.clone()).filter(|effect| !effect.is_empty());
    let tree = Tree { leader, mark, known: BTreeMap::new() };
    Ok((Process { child, tree, running: true }, stdout, stderr))
}

/// Starts what nobody waits for. It carries no mark: it is not ended with its run.
pub(super) async fn start_apart(spec: &ExecuteSpec) -> Result<(), ExecuteError> {
    let mut command = command(spec);
    command.env_remove(MARK).stdout(Stdio::null()).stderr(Stdio::null());
    // Its exit status is collected by the runtime once it has been dropped.
    spawn(&mut command, spec).await.map(drop)
}

fn command(spec: &ExecuteSpec) -> tokio::process::Command {
    let mut command = match &spec.command {
        Command::Shell(text) => {
            let mut command = tokio::process::Command::new("/bin/sh");
            command.arg("-c").arg(text);
            command
        }
        Command::List(words) => {
            let mut command = tokio::process::Command::new(spec.command.program());
            command.args(words.iter().skip(1));
            command
        }
    };
    command.envs(&spec.environment).stdin(Stdio::null()).process_group(0);
    if let Some(folder) = &spec.folder {
        command.current_dir(folder);
    }
    command
}

/// A program that was just written may seem busy for a moment: another thread that starts a
/// process holds the descriptor until it has become that process.
async fn spawn(
    command: &mut tokio::process::Command,
    spec: &ExecuteSpec,
) -> Result<Child, ExecuteError> {
    let mut attempts = 0;
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && attempts < 50 => {
                attempts += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            spawned => return spawned.map_err(|error| start_error(spec, error)),
        }
    }
}

fn start_error(spec: &ExecuteSpec, source: io::Error) -> ExecuteError {
    const NO_PROGRAM: i32 = rustix::io::Errno::NOEXEC.raw_os_error();
    let program = spec.command.program().to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => ExecuteError::NotFound { program },
        io::ErrorKind::PermissionDenied => ExecuteError::NotExecutable { program },
        _ if source.raw_os_error() == Some(NO_PROGRAM) => ExecuteError::NoProgram { program },
        _ => ExecuteError::Start { program, source },
    }
}

impl Process {
    pub(super) async fn wait(&mut self) -> io::Result<u32> {
        let status = self.child.wait().await?;
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        Ok(code.unwrap_or(-1).cast_unsigned())
    }

    /// Ends the whole tree and waits until it is gone.
    pub(super) async fn end(&mut self) {
        self.tree.end().await;
        // The leader was killed with the rest; only its status is left to collect.
        let _ = self.child.wait().await;
        self.running = false;
    }

    /// What the process left running is its own affair from now on.
    pub(super) fn let_go(&mut self) {
        self.running = false;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let leader = self.tree.leader.filter(|_| self.running).and_then(Pid::from_raw);
        if let Some(leader) = leader {
            // Gone already is fine.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// Ends what interrupted executions left running: everything whose mark is `effect`, or begins with
/// it and goes on after a separator. Answers how many processes there were.
pub async fn end_marked(effect: &str) -> io::Result<usize> {
    if effect.is_empty() {
        return Ok(0);
    }
    std::fs::metadata("/proc/self/stat")?;
    let mut tree = Tree { leader: None, mark: Some(effect.to_owned()), known: BTreeMap::new() };
    tree.end().await;
    Ok(tree.known.len())
}

/// What belongs together, found anew at each look.
struct Tree {
    leader: Option<i32>,
    mark: Option<String>,
    /// Processes seen so far by number and start time, as numbers are used again.
    known: BTreeMap<(i32, u64), ()>,
}

#[derive(Debug, Clone, Copy)]
struct Stat {
    pid: i32,
    parent: i32,
    group: i32,
    session: i32,
    started: u64,
    ended: bool,
}

impl Tree {
    /// TERM, then KILL for what is left after the grace; again for what was started meanwhile.
    async fn end(&mut self) {
        let deadline = Instant::now() + GRACE;
        let mut told = BTreeSet::new();
        let mut pause = Duration::from_millis(2);
        loop {
            let alive = self.look();
            if alive.is_empty() {
                return;
            }
            let late = Instant::now() >= deadline;
            for process in &alive {
                if late {
                    signal(process, Signal::KILL);
                } else if told.insert((process.pid, process.started)) {
                    signal(process, Signal::TERM);
                    // A stopped process hears nothing else.
                    signal(process, Signal::CONT);
                }
            }
            // What cannot be killed (waiting for a dead disk) must not hold the agent up for ever.
            if Instant::now() >= deadline + 5 * GRACE {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// The members that are alive.
    fn look(&mut self) -> Vec<Stat> {
        let all = processes();
        let spared = ancestors(&all);
        let mut members: BTreeSet<i32> = all
            .values()
            .filter(|stat| self.is_member(stat))
            .map(|stat| stat.pid)
            .filter(|pid| !spared.contains(pid))
            .collect();
        loop {
            let more: Vec<i32> = all
                .values()
                .filter(|stat| members.contains(&stat.parent) && !members.contains(&stat.pid))
                .map(|stat| stat.pid)
                .filter(|pid| !spared.contains(pid))
                .collect();
            if more.is_empty() {
                break;
            }
            members.extend(more);
        }
        let alive: Vec<Stat> = members
            .iter()
            .filter_map(|pid| all.get(pid))
            .filter(|stat| !stat.ended)
            .copied()
            .collect();
        self.known.extend(alive.iter().map(|stat| ((stat.pid, stat.started), ())));
        alive
    }

    fn is_member(&self, stat: &Stat) -> bool {
        let led = self
            .leader
            .is_some_and(|leader| [stat.pid, stat.group, stat.session].contains(&leader));
        led || self.known.contains_key(&(stat.pid, stat.started))
            || self.mark.as_deref().is_some_and(|mark| is_marked(stat.pid, mark))
    }
}

fn signal(process: &Stat, signal: Signal) {
    let same = read_stat(process.pid).is_some_and(|now| now.started == process.started);
    if same && let Some(pid) = Pid::from_raw(process.pid) {
        // It may have ended by itself, or be somebody else's.
        let _ = kill_process(pid, signal);
    }
}

/// The agent and everything above it.
fn ancestors(all: &BTreeMap<i32, Stat>) -> BTreeSet<i32> {
    let mut spared = BTreeSet::from([1]);
    let mut pid = i32::try_from(std::process::id()).unwrap_or(1);
    while pid > 0 && spared.insert(pid) {
        pid = all.get(&pid).map_or(0, |stat| stat.parent);
    }
    spared
}

fn processes() -> BTreeMap<i32, Stat> {
    let Ok(folder) = std::fs::read_dir("/proc") else { return BTreeMap::new() };
    folder
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(read_stat)
        .map(|stat| (stat.pid, stat))
        .collect()
}

/// `/proc/PID/stat`; the name in it may contain anything, so fields count from the last `)`.
fn read_stat(pid: i32) -> Option<Stat> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<i32>().ok();
    Some(Stat {
        pid,
        ended: matches!(*fields.first()?, "Z" | "X" | "x"),
        parent: number(1)?,
        group: number(2)?,
        session: number(3)?,
        started: fields.get(19)?.parse().ok()?,
    })
}

fn is_marked(pid: i32, mark: &str) -> bool {
    let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
    environment.split(|byte| *byte == 0).any(|line| carries(line, mark))
}

fn carries(line: &[u8], mark: &str) -> bool {
    let value = line.strip_prefix(MARK.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
    let after = value.and_then(|value| value.strip_prefix(std::ffi::OsStr::new(mark).as_bytes()));
    after.is_some_and(|after| after.first().is_none_or(|byte| !byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_told_apart() {
        for (line, expect) in [
            ("DESKHAND_EFFECT=run-1", true),
            ("DESKHAND_EFFECT=run-1/2/3", true),
            ("DESKHAND_EFFECT=run-12", false),
            ("DESKHAND_EFFECT=run-", false),
            ("XDESKHAND_EFFECT=run-1", false),
            ("OTHER=run-1", false),
        ] {
            assert_eq!(carries(line.as_bytes(), "run-1"), expect, "{line}");
        }
    }

    #[test]
    fn the_agent_and_its_ancestors_are_spared() {
        let all = processes();
        let spared = ancestors(&all);
        assert!(spared.contains(&i32::try_from(std::process::id()).unwrap()));
        assert!(spared.contains(&i32::try_from(std::os::unix::process::parent_id()).unwrap()));
    }
}
