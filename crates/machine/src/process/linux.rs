//! Processes on Linux: a group of their own, a mark in the environment, and `/proc` to find what
//! went further.
//!
//! A tree is: the process, its group and session, whatever carries its mark, and the children of
//! all of these. Only what cleared its environment *and* outlived its parent *and* left the session
//! is missed. The agent itself, its ancestors and process 1 never belong to a tree.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Gid, Pid, Signal, Uid, kill_process, kill_process_group};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
use tokio::process::{Child, ChildStderr, ChildStdout};
use tokio::time::Instant;

use super::{Command, ExecuteError, ExecuteSpec, GRACE, MARK};
use crate::identity::{Identity, Way};

pub(super) struct Process {
    child: Child,
    tree: Tree,
    /// Still to be ended when this is dropped.
    running: bool,
}

pub(super) async fn start(
    spec: &ExecuteSpec,
    identity: Option<&Identity>,
) -> Result<(Process, ChildStdout, ChildStderr), ExecuteError> {
    let (mut command, is_wrapped) = command(spec, identity)?;
    command.env(MARK, &spec.effect).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    let mut child = spawn(&mut command, spec).await?;
    let lost = || start_error(spec, io::ErrorKind::BrokenPipe.into());
    let stdout = child.stdout.take().ok_or_else(lost)?;
    let stderr = child.stderr.take().ok_or_else(lost)?;
    let leader = child.id().and_then(|id| i32::try_from(id).ok());
    let mark = Some(spec.effect.clone()).filter(|effect| !effect.is_empty());
    let tree = Tree { leader, is_wrapped, mark, known: BTreeMap::new() };
    Ok((Process { child, tree, running: true }, stdout, stderr))
}

/// Starts what nobody waits for. It carries no mark: it is not ended with its run.
pub(super) async fn start_apart(
    spec: &ExecuteSpec,
    identity: Option<&Identity>,
) -> Result<(), ExecuteError> {
    let (mut command, _) = command(spec, identity)?;
    command.env_remove(MARK).stdout(Stdio::null()).stderr(Stdio::null());
    // Its exit status is collected by the runtime once it has been dropped.
    spawn(&mut command, spec).await.map(drop)
}

/// The command, and whether it stands behind a program that opens a user's session.
fn command(
    spec: &ExecuteSpec,
    identity: Option<&Identity>,
) -> Result<(tokio::process::Command, bool), ExecuteError> {
    let shell = ["-c"];
    let line = match &spec.command {
        Command::Line { program, arguments } => format!("{program} {arguments}"),
        _ => String::new(),
    };
    let (program, arguments): (&str, Vec<&str>) = match &spec.command {
        Command::Line { .. } => ("/bin/sh", shell.into_iter().chain([line.as_str()]).collect()),
        Command::Shell(text) => ("/bin/sh", shell.into_iter().chain([text.as_str()]).collect()),
        Command::List(words) => {
            (spec.command.program(), words.iter().skip(1).map(String::as_str).collect())
        }
    };
    let way = identity.map(Identity::way);
    let mut command = match (&way, identity) {
        (Some(Way::Through(runuser)), Some(identity)) => {
            check_program(program, spec, identity)?;
            let mut command = tokio::process::Command::new(runuser);
            command.args(["-u", identity.user(), "--", program]);
            command
        }
        _ => tokio::process::Command::new(program),
    };
    if let Some(identity) = identity {
        command.env_clear().envs(identity.environment()).current_dir(identity.folder());
    }
    if let Some(Way::Ids { uid, gid, groups }) = way.clone() {
        become_user(&mut command, uid, gid, &groups);
    }
    command.args(arguments).envs(&spec.environment).stdin(Stdio::null()).process_group(0);
    if let Some(folder) = &spec.folder {
        command.current_dir(folder);
    }
    Ok((command, matches!(way, Some(Way::Through(_)))))
}

/// Groups first: only who may still do everything can set them.
fn become_user(command: &mut tokio::process::Command, uid: u32, gid: u32, groups: &[u32]) {
    let groups: Vec<Gid> = groups.iter().map(|group| Gid::from_raw(*group)).collect();
    let change = move || {
        set_thread_groups(&groups)?;
        set_thread_gid(Gid::from_raw(gid))?;
        set_thread_uid(Uid::from_raw(uid))?;
        Ok(())
    };
    #[expect(unsafe_code, reason = "between fork and exec only a hook can do it")]
    // SAFETY: three system calls; nothing is allocated and no lock is taken. The child has one
    // thread, so what is set for the thread holds for the process.
    unsafe {
        command.pre_exec(change);
    }
}

/// What stands behind another program is looked for here, so that its absence is told as always.
fn check_program(
    program: &str,
    spec: &ExecuteSpec,
    identity: &Identity,
) -> Result<(), ExecuteError> {
    let own = || identity.environment().remove("PATH");
    let path = spec.environment.get("PATH").cloned().or_else(own).unwrap_or_default();
    let folder = spec.folder.clone().unwrap_or_else(|| identity.folder());
    let found = if program.contains('/') {
        Some(folder.join(program)).filter(|path| path.is_file())
    } else {
        let named = std::env::split_paths(&path).map(|at| folder.join(at).join(program));
        named.into_iter().find(|path| path.is_file())
    };
    let program = program.to_owned();
    let Some(found) = found else { return Err(ExecuteError::NotFound { program }) };
    let mode = std::fs::metadata(found).map_or(0, |meta| meta.permissions().mode());
    if mode & 0o111 == 0 { Err(ExecuteError::NotExecutable { program }) } else { Ok(()) }
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
        let Some(leader) = leader else { return };
        // Behind a session's program the command has a group of its own.
        let apart = if self.tree.is_wrapped { self.tree.look() } else { Vec::new() };
        // Gone already is fine.
        let _ = kill_process_group(leader, Signal::KILL);
        apart.iter().for_each(|process| signal(process, Signal::KILL));
    }
}

/// Ends what interrupted executions left running: everything whose mark is `effect`, or begins with
/// it and goes on after a separator. Answers how many processes there were.
pub async fn end_marked(effect: &str) -> io::Result<usize> {
    if effect.is_empty() {
        return Ok(0);
    }
    std::fs::metadata("/proc/self/stat")?;
    let mark = Some(effect.to_owned());
    let mut tree = Tree { leader: None, is_wrapped: false, mark, known: BTreeMap::new() };
    tree.end().await;
    Ok(tree.known.len())
}

/// What belongs together, found anew at each look.
struct Tree {
    leader: Option<i32>,
    /// The leader only opened a session and ends with what is in it.
    is_wrapped: bool,
    mark: Option<String>,
    /// Processes seen so far by number and start time, as numbers are used again.
    known: BTreeMap<(i32, u64), ()>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Stat {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) session: i32,
    pub(crate) started: u64,
    pub(crate) ended: bool,
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
                let waits = self.is_wrapped && Some(process.pid) == self.leader && alive.len() > 1;
                if late {
                    signal(process, Signal::KILL);
                } else if waits {
                    // It would say something of its own to the user's output and take its time.
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

pub(crate) fn signal(process: &Stat, signal: Signal) {
    let same = read_stat(process.pid).is_some_and(|now| now.started == process.started);
    if same && let Some(pid) = Pid::from_raw(process.pid) {
        // It may have ended by itself, or be somebody else's.
        let _ = kill_process(pid, signal);
    }
}

/// The agent and everything above it.
pub(crate) fn ancestors(all: &BTreeMap<i32, Stat>) -> BTreeSet<i32> {
    let mut spared = BTreeSet::from([1]);
    let mut pid = i32::try_from(std::process::id()).unwrap_or(1);
    while pid > 0 && spared.insert(pid) {
        pid = all.get(&pid).map_or(0, |stat| stat.parent);
    }
    spared
}

pub(crate) fn processes() -> BTreeMap<i32, Stat> {
    let Ok(folder) = std::fs::read_dir("/proc") else { return BTreeMap::new() };
    folder
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(read_stat)
        .map(|stat| (stat.pid, stat))
        .collect()
}

/// `/proc/PID/stat`; the name in it may contain anything, so fields count from the last `)`.
pub(crate) fn read_stat(pid: i32) -> Option<Stat> {
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
