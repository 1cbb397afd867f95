//! The supervisor: starts the agent, sees trials through, ends with it otherwise.
//!
//! Keeps no connection and no state but [`Switch`]; everything is decided from disk, so that it
//! may die at any moment. The agent hears from it by its standard input: the end of it means stop,
//! and the death of the supervisor is such an end too.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use model::Digest;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::switch::Start;
use super::{EXIT_FOR_TRIAL, Staged, Switch, folder, program};
use crate::state::StateFolder;

/// How long the agent may take over its end.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// The same for a version that is given up.
const GIVE_UP_WITHIN: Duration = Duration::from_secs(3);
/// How often a trial's confirmation is looked for. Only during trials.
const LOOK: Duration = Duration::from_millis(200);
/// The mark by which an agent is found that outlived its supervisor.
const MARK: &str = "DESKHAND_EFFECT";

/// Tells the agent where the installed program is, which stays where it is.
pub const INSTALLED: &str = "DESKHAND_AGENT_INSTALLED";

/// What the supervisor is started with.
#[derive(Debug)]
pub struct Supervised {
    pub folder: StateFolder,
    /// The installed program and its version.
    pub installed: PathBuf,
    pub version: String,
    /// What follows the program's name, in every version.
    pub arguments: Vec<OsString>,
    /// Where what it logs goes to; to this program's standard error otherwise.
    pub log: Option<File>,
}

#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    #[error("the versions in {} cannot be used: {source}", .folder.display())]
    Versions { folder: PathBuf, source: io::Error },
    #[error("{} cannot be started: {source}", .program.display())]
    Start { program: PathBuf, source: io::Error },
    #[error("the agent ended by itself ({status}); its log says why")]
    Ended { status: ExitStatus },
}

/// What came of a started agent.
enum Next {
    /// Asked to stop.
    Stopped,
    /// Something is to be started anew.
    Again,
}

type Stop<'a> = Pin<&'a mut (dyn Future<Output = ()> + 'a)>;

/// Runs the agent until `stop` is ready, in whichever version is in use. `ready` is called when the
/// first one was started.
pub async fn supervise(
    what: &Supervised,
    stop: impl Future<Output = ()>,
    ready: impl FnOnce(),
) -> Result<(), SuperviseError> {
    let mut stop = std::pin::pin!(stop);
    let mut ready = Some(ready);
    end_leftovers(what).await;
    loop {
        let (start, mut switch) = decide(what)?;
        let mut agent = match (spawn(what, &start), &start) {
            (Err(error), Start::Trial(_)) => {
                give_up(what, &mut switch, error.to_string())?;
                continue;
            }
            (started, _) => started?,
        };
        if let Some(ready) = ready.take() {
            ready();
        }
        let next = match start {
            Start::Trial(staged) => {
                see_through(what, &mut switch, &staged, &mut agent, stop.as_mut()).await?
            }
            _ => keep(what, &mut agent, stop.as_mut()).await?,
        };
        match next {
            Next::Stopped => return Ok(()),
            Next::Again => {}
        }
    }
}

impl Supervised {
    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn store(&self, switch: &Switch) -> Result<(), SuperviseError> {
        switch.store(self.path()).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> SuperviseError {
        SuperviseError::Versions { folder: folder(self.path()), source }
    }
}

/// Takes in what was staged, and stores what will be started. A program that is not the one that
/// was verified is not started.
fn decide(what: &Supervised) -> Result<(Start, Switch), SuperviseError> {
    let state = what.path();
    let mut switch = Switch::load(state);
    let staged_path = folder(state).join("staged.json");
    if let Ok(bytes) = std::fs::read(&staged_path) {
        match serde_json::from_slice::<Staged>(&bytes) {
            Ok(staged) => switch.stage(staged),
            Err(error) => tracing::error!("{} is damaged: {error}", staged_path.display()),
        }
        what.store(&switch)?;
        std::fs::remove_file(&staged_path).map_err(|source| what.failed(source))?;
    }
    loop {
        let start = switch.begin(&what.version);
        let is_whole = match &start {
            Start::Installed => true,
            Start::Current { place, digest } => is_whole(state, place, *digest),
            Start::Trial(staged) => is_whole(state, &staged.place(), staged.digest.parse().ok()),
        };
        if is_whole {
            what.store(&switch)?;
            return Ok((start, switch));
        }
        match start {
            Start::Trial(_) => switch.fail("its program is damaged on disk".to_owned()),
            _ => switch.drop_current(),
        }
        tracing::error!("a version of the agent is damaged on disk; the one before it is started");
    }
}

fn is_whole(state: &Path, place: &str, digest: Option<Digest>) -> bool {
    let hashed = (|| {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(std::fs::File::open(program(state, place))?)?;
        Ok::<_, io::Error>(*hasher.finalize().as_bytes())
    })();
    digest.is_some_and(|digest| hashed.is_ok_and(|hash| hash == *digest.as_bytes()))
}

/// An agent that was started.
struct Agent {
    child: Child,
    /// Its end asks the agent to end.
    input: Option<ChildStdin>,
}

fn spawn(what: &Supervised, start: &Start) -> Result<Agent, SuperviseError> {
    let program = match start {
        Start::Installed => what.installed.clone(),
        Start::Current { place, .. } => program(what.path(), place),
        Start::Trial(staged) => program(what.path(), &staged.place()),
    };
    tracing::info!("starting {}", program.display());
    let mut command = Command::new(&program);
    command
        .args(&what.arguments)
        .env(MARK, mark(what))
        .env(INSTALLED, &what.installed)
        .env_remove("NOTIFY_SOCKET");
    command.stdin(Stdio::piped()).kill_on_drop(true);
    let log = what.log.as_ref().map(File::try_clone).transpose();
    if let Some(log) = log.map_err(|source| what.failed(source))? {
        command.stdout(Stdio::null()).stderr(log);
    }
    let mut child = command.spawn().map_err(|source| SuperviseError::Start { program, source })?;
    let input = child.stdin.take();
    Ok(Agent { child, input })
}

/// One for each state folder, so that several agents of a machine are not mistaken.
fn mark(what: &Supervised) -> String {
    let path = what.path().as_os_str().as_encoded_bytes();
    format!("agent.{}", &blake3::hash(path).to_hex()[..16])
}

/// Ends an agent that an earlier supervisor left behind; it would hold the folder.
async fn end_leftovers(what: &Supervised) {
    match machine::end_marked(&mark(what)).await {
        Ok(0) => {}
        Ok(count) => tracing::warn!("ended {count} processes of an agent without supervisor"),
        Err(error) => tracing::warn!("agents without supervisor cannot be looked for: {error}"),
    }
}

/// Waits for the end of an agent that is in use.
async fn keep(
    what: &Supervised,
    agent: &mut Agent,
    stop: Stop<'_>,
) -> Result<Next, SuperviseError> {
    tokio::select! {
        biased;
        () = stop => {
            agent.end(STOP_WITHIN).await;
            Ok(Next::Stopped)
        }
        status = agent.child.wait() => after(what, status),
    }
}

/// The agent has ended by itself.
fn after(what: &Supervised, status: io::Result<ExitStatus>) -> Result<Next, SuperviseError> {
    let status = status.map_err(|source| what.failed(source))?;
    if status.code() == Some(i32::from(EXIT_FOR_TRIAL)) {
        return Ok(Next::Again);
    }
    // Whoever started the supervisor starts it anew, with the patience it has for that.
    Err(SuperviseError::Ended { status })
}

/// Sees a trial through: confirmed, it is in use; else the version before it is started.
async fn see_through(
    what: &Supervised,
    switch: &mut Switch,
    staged: &Staged,
    agent: &mut Agent,
    mut stop: Stop<'_>,
) -> Result<Next, SuperviseError> {
    let deadline = Instant::now() + Duration::from_millis(staged.within_ms);
    let confirmed = folder(what.path()).join("confirmed");
    loop {
        let why = tokio::select! {
            biased;
            () = stop.as_mut() => {
                agent.end(STOP_WITHIN).await;
                return Ok(Next::Stopped);
            }
            status = agent.child.wait() => match status {
                Ok(status) => format!("it ended ({status}) before it had come back"),
                Err(error) => format!("what became of it cannot be learned: {error}"),
            },
            () = sleep_until(deadline) => {
                format!("it did not come back within {} s", staged.within_ms.div_ceil(1_000))
            }
            () = sleep(LOOK) => String::new(),
        };
        if std::fs::read_to_string(&confirmed).is_ok_and(|update| update.trim() == staged.update) {
            tracing::info!("version {} has come back and is in use", staged.version);
            switch.confirm(&what.version);
            what.store(switch)?;
            remove_unused(what, switch);
            return keep(what, agent, stop).await;
        }
        if !why.is_empty() {
            agent.end(GIVE_UP_WITHIN).await;
            give_up(what, switch, why)?;
            return Ok(Next::Again);
        }
    }
}

fn give_up(what: &Supervised, switch: &mut Switch, why: String) -> Result<(), SuperviseError> {
    tracing::error!("the version on trial is given up: {why}");
    switch.fail(why);
    what.store(switch)?;
    remove_unused(what, switch);
    Ok(())
}

impl Agent {
    /// Lets it end, then ends it.
    async fn end(&mut self, within: Duration) {
        drop(self.input.take());
        if timeout(within, self.child.wait()).await.is_err() {
            tracing::warn!("the agent does not end and is ended");
            // It may have ended meanwhile.
            let _ended = self.child.kill().await;
        }
    }
}

fn remove_unused(what: &Supervised, switch: &Switch) {
    let Ok(entries) = std::fs::read_dir(folder(what.path())) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if entry.path().is_dir() && !name.to_str().is_some_and(|name| switch.needs(name)) {
            // Only takes room; looked at again after the next trial.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
