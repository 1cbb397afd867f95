//! Real agent processes of the demonstration, each with folders of its own.
//!
//! Invariant: no process outlives its [`Agents`]. They are asked to stop, and ended by their own id
//! when they do not; one that is dropped in any other way is ended at once.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::folder::Folder;
use crate::output;
use crate::trouble::Trouble;

const NAME: &str = if cfg!(windows) { "deskhand-agent.exe" } else { "deskhand-agent" };
/// Agents that enrol at the same time.
const AT_ONCE: usize = 8;
const GRACE: Duration = Duration::from_secs(2);

/// Where the agent program is.
pub fn program() -> Result<PathBuf> {
    let given = std::env::var_os("DESKHAND_AGENT").map(PathBuf::from);
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(NAME)));
    let looked_at = given.or(beside).unwrap_or_else(|| PathBuf::from(NAME));
    if looked_at.is_file() {
        return Ok(looked_at);
    }
    let what = format!("there is no agent program at {}", looked_at.display());
    let hint = "build it (`cargo build -p deskhand-agent`), or set DESKHAND_AGENT to its path";
    Err(Trouble::new("DH-C015", what, hint).into())
}

#[derive(Default)]
pub struct Agents {
    running: Vec<Child>,
}

impl Agents {
    /// Enrols and starts agents of those names, several at a time; all are enrolled when this is
    /// done, and connect by themselves.
    pub async fn start(
        &mut self,
        program: &Path,
        names: &[String],
        token: &str,
        folder: &Folder,
    ) -> Result<()> {
        let mut enrolling = JoinSet::new();
        for name in names {
            while enrolling.len() >= AT_ONCE {
                self.take(enrolling.join_next().await)?;
            }
            let one = One {
                program: program.to_owned(),
                name: name.clone(),
                state: folder.state(name),
                root: folder.root(name),
                log: folder.log(name),
            };
            let token = token.to_owned();
            enrolling.spawn(async move {
                one.enroll(&token).await?;
                one.run()
            });
        }
        while let Some(done) = enrolling.join_next().await {
            self.take(Some(done))?;
        }
        Ok(())
    }

    fn take(&mut self, done: Option<Result<Result<Child>, tokio::task::JoinError>>) -> Result<()> {
        if let Some(done) = done {
            self.running.push(done.context("an agent could not be started")??);
        }
        Ok(())
    }

    /// Ready when an agent has ended that nobody asked to.
    pub async fn one_ended(&mut self) {
        let waits = self.running.iter_mut().map(|child| Box::pin(child.wait()));
        if waits.len() == 0 {
            return std::future::pending().await;
        }
        let mut all = waits.collect::<Vec<_>>();
        std::future::poll_fn(|context| {
            let is_over = all.iter_mut().any(|wait| wait.as_mut().poll(context).is_ready());
            if is_over { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }

    /// Asks all to stop and waits until they have; ends those that do not.
    pub async fn stop(mut self) {
        self.running.iter().for_each(ask_to_stop);
        for child in &mut self.running {
            if timeout(GRACE, child.wait()).await.is_err() {
                // Dropping it ends it as well; this only waits for it.
                let _ = child.kill().await;
            }
        }
    }
}

/// Says what the agent said last that ended without being asked.
pub fn ended_early(folder: &Folder, names: &[String]) -> anyhow::Error {
    let said = names.iter().filter_map(|name| {
        let text = fs::read_to_string(folder.log(name)).ok()?;
        Some((name, text.lines().next_back()?.to_owned()))
    });
    let said: Vec<String> = said.map(|(name, line)| format!("{name}: {line}")).collect();
    let what = format!("an agent ended by itself; the agents said last: {}", said.join("; "));
    Trouble::new("DH-C016", what, "are both programs of the same version?").into()
}

#[cfg(unix)]
fn ask_to_stop(child: &Child) {
    use rustix::process::{Pid, Signal, kill_process};
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(id) = id {
        // One that has ended meanwhile needs no asking.
        let _ = kill_process(id, Signal::TERM);
    }
}

#[cfg(not(unix))]
fn ask_to_stop(_: &Child) {}

struct One {
    program: PathBuf,
    name: String,
    state: PathBuf,
    root: PathBuf,
    log: PathBuf,
}

impl One {
    async fn enroll(&self, token: &str) -> Result<()> {
        fs::create_dir_all(&self.root)
            .with_context(|| format!("cannot make {}", self.root.display()))?;
        let mut command = self.command("enroll");
        command
            .args(["--name", &self.name])
            .env("DESKHAND_ENROLL_TOKEN", token)
            .stdout(Stdio::null());
        let done = command.stderr(Stdio::piped()).output().await;
        let done = done.with_context(|| format!("cannot start {}", self.program.display()))?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        Err(self.failed("could not be enrolled", &said).into())
    }

    fn run(&self) -> Result<Child> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut command = self.command("run");
        command.arg("--root").arg(&self.root).stdout(Stdio::null()).stderr(log);
        command.spawn().with_context(|| format!("cannot start {}", self.program.display()))
    }

    fn command(&self, what: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(what).arg("--state").arg(&self.state).stdin(Stdio::null());
        command.kill_on_drop(true);
        // Ctrl-C is for this program, which then asks its agents to stop.
        #[cfg(unix)]
        command.process_group(0);
        command
    }

    fn failed(&self, what: &str, said: &str) -> Trouble {
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        let last = last.unwrap_or("it said nothing");
        let what = format!("the agent {} {what}: {}", self.name, output::clean(last.trim()));
        Trouble::new("DH-C016", what, "are both programs of the same version?")
    }
}
