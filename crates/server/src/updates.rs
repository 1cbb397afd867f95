//! A new version of the agent on its way to the fleet: offers sent, news taken in, kept over
//! restarts.
//!
//! Drives [`deployment::rollout::Rollout`], which decides. One rollout at a time; it is kept as one
//! document, written before an offer is sent, so that a server that comes back goes on with it.
//! Agents check releases themselves: an offer is no command.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use deployment::rollout::{Manner, News, Progress, Rollout, Standing};
use model::{ComputerId, Span, Timestamp};
use serde::{Deserialize, Serialize};
use store::rows::Document;
use store::{CommitError, ReadError, Store, Write};
use tokio::sync::{Mutex, Notify, watch};
use wire::{UpdateNews, UpdateState};

use crate::clock::now;
use crate::core::chain;
use crate::hall::{About, Hall, SELF};

const KIND: &str = "update";
const NAME: &str = "current";
/// How often machines are looked at that have left for their trial.
const LOOK: Duration = Duration::from_secs(1);
/// Writes come no closer together, however many machines have news.
const PAUSE: Duration = Duration::from_millis(200);
/// Longest reason that is kept of a machine.
const WHY_CHARS_MAX: usize = 500;

/// What agents that can take a new version name among their capabilities.
pub const CAPABILITY: &str = "self-update";

#[derive(Default)]
pub struct Updates {
    current: Mutex<Option<Current>>,
    news: Notify,
}

/// The rollout that is on its way, or the last one.
#[derive(Debug, Clone)]
pub struct Current {
    pub id: String,
    pub version: String,
    /// Signed.
    pub release: Vec<u8>,
    pub begun_at: Timestamp,
    pub begun_by: String,
    pub rollout: Rollout,
    is_changed: bool,
}

/// Why a rollout could not be read.
#[derive(Debug, thiserror::Error)]
pub enum UpdatesError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the rollout of a new version is damaged in the database: {0}")]
    Damaged(String),
}

impl Current {
    pub fn new(id: String, version: String, release: Vec<u8>, by: &str, rollout: Rollout) -> Self {
        let (begun_at, begun_by) = (now(), by.to_owned());
        Self { id, version, release, begun_at, begun_by, rollout, is_changed: true }
    }

    fn offer(&self) -> wire::Update {
        let within = self.rollout.manner().within;
        wire::Update { id: self.id.clone(), release: self.release.clone(), within }
    }
}

impl Updates {
    pub async fn open(store: &dyn Store) -> Result<Self, UpdatesError> {
        let kept = store.document(KIND, NAME).await?;
        let current = match kept {
            Some(document) => {
                let kept: Kept = serde_json::from_slice(&document.body)
                    .map_err(|error| UpdatesError::Damaged(error.to_string()))?;
                Some(kept.read().map_err(UpdatesError::Damaged)?)
            }
            None => None,
        };
        Ok(Self { current: Mutex::new(current), news: Notify::new() })
    }

    pub async fn current(&self) -> Option<Current> {
        self.current.lock().await.clone()
    }

    /// Begins a rollout, unless the one before goes on; whether it did.
    pub async fn begin(&self, hall: &Hall, new: Current) -> Result<bool, CommitError> {
        let mut current = self.current.lock().await;
        if let Some(former) = &*current
            && matches!(former.rollout.standing(), Standing::Running { .. })
        {
            return Ok(false);
        }
        let count = new.rollout.machines().len();
        let text = format!("version {} of the agent is offered to {count} machines", new.version);
        let event = hall.event("update", About::NOTHING, &new.begun_by, text);
        hall.writer.submit(vec![Write::PutDocument(document(&new)), event]).await?;
        *current = Some(new);
        self.news.notify_one();
        Ok(true)
    }

    /// People change the rollout; whether there is one.
    pub async fn change(
        &self,
        hall: &Hall,
        who: &str,
        what: &str,
        by: impl Fn(&mut Rollout),
    ) -> bool {
        let mut current = self.current.lock().await;
        let Some(current) = &mut *current else { return false };
        by(&mut current.rollout);
        current.is_changed = true;
        hall.log("update", About::NOTHING, who, format!("version {} {what}", current.version));
        self.news.notify_one();
        true
    }

    /// What an agent that has just been welcomed is to be offered again.
    pub async fn greet(&self, computer: ComputerId) -> Option<wire::Update> {
        let current = self.current.lock().await;
        let current = current.as_ref()?;
        current.rollout.holds_offer(computer).then(|| current.offer())
    }

    pub async fn hear(&self, hall: &Hall, computer: ComputerId, said: UpdateNews) {
        let mut current = self.current.lock().await;
        let Some(current) = current.as_mut().filter(|current| current.id == said.id) else {
            return;
        };
        let why = crate::gateway::cleaned(&said.reason);
        let why: String = why.chars().take(WHY_CHARS_MAX).collect();
        let news = match said.state {
            UpdateState::Staged => News::Staged,
            UpdateState::Done => News::Done,
            UpdateState::FellBack => News::Failed { why: format!("fell back: {why}") },
            UpdateState::Refused => News::Failed { why: format!("refused: {why}") },
        };
        let about = About::computer(computer);
        if let News::Failed { why } = &news {
            let text = format!("version {} of the agent {why}", current.version);
            hall.log("update", about, "agent", text);
        }
        if current.rollout.handle(computer, news, now()) {
            current.is_changed = true;
            self.news.notify_one();
        }
    }

    /// Time passes, machines come and go: writes what changed, then sends what was decided.
    async fn step(&self, hall: &Hall) -> Result<bool, CommitError> {
        let mut current = self.current.lock().await;
        let Some(current) = &mut *current else { return Ok(false) };
        let (connected, instant) = (|computer| hall.links.is_online(computer), now());
        let before = current.rollout.standing();
        current.is_changed |= current.rollout.tick(connected, instant);
        let offered = current.rollout.offer(connected, instant);
        current.is_changed |= !offered.is_empty();
        let standing = current.rollout.standing();
        if current.is_changed {
            let mut writes = vec![Write::PutDocument(document(current))];
            if standing != before && !matches!(standing, Standing::Running { .. }) {
                let text = format!("version {}: {standing:?}", current.version);
                writes.push(hall.event("update", About::NOTHING, SELF, text));
            }
            hall.writer.submit(writes).await?;
            current.is_changed = false;
        }
        for computer in offered {
            hall.links.offer(computer, current.offer());
        }
        let is_waited_for = current.rollout.machines().keys();
        let goes_on = is_waited_for.into_iter().any(|it| current.rollout.holds_offer(*it));
        Ok(goes_on || matches!(standing, Standing::Running { .. }))
    }
}

/// Goes on until `stopping`.
pub async fn run(hall: Arc<Hall>, mut stopping: watch::Receiver<bool>) {
    let mut goes_on = true;
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return,
            () = hall.updates.news.notified() => {}
            () = tokio::time::sleep(LOOK), if goes_on => {}
        }
        goes_on = match hall.updates.step(&hall).await {
            Ok(goes_on) => goes_on,
            Err(error) => {
                tracing::error!(error = %chain(&error), "the rollout was not kept; tried again");
                true
            }
        };
        tokio::time::sleep(PAUSE).await;
    }
}

/// As it lies in the database.
#[derive(Serialize, Deserialize)]
struct Kept {
    id: String,
    version: String,
    release: String,
    begun_at: i64,
    begun_by: String,
    waves: Vec<u8>,
    within_ms: u64,
    failures_max: u8,
    halted: Option<String>,
    machines: BTreeMap<String, KeptMachine>,
}

#[derive(Serialize, Deserialize)]
struct KeptMachine {
    state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// The state of a machine as people and the database have it.
pub const fn state_of(progress: &Progress) -> &'static str {
    match progress {
        Progress::Waiting => "waiting",
        Progress::Offered { .. } => "offered",
        Progress::Staged { .. } => "staged",
        Progress::Done => "done",
        Progress::Failed { .. } => "failed",
    }
}

fn document(current: &Current) -> Document {
    let machine = |progress: &Progress| {
        let why = match progress {
            Progress::Failed { why } => Some(why.clone()),
            _ => None,
        };
        KeptMachine { state: state_of(progress).to_owned(), why }
    };
    let rollout = &current.rollout;
    let machines = rollout.machines().iter();
    let manner = rollout.manner();
    let kept = Kept {
        id: current.id.clone(),
        version: current.version.clone(),
        release: hex::encode(&current.release),
        begun_at: current.begun_at.as_millis(),
        begun_by: current.begun_by.clone(),
        waves: manner.waves.clone(),
        within_ms: manner.within.as_millis(),
        failures_max: manner.failures_max,
        halted: rollout.halted().map(str::to_owned),
        machines: machines.map(|(id, progress)| (id.to_string(), machine(progress))).collect(),
    };
    Document {
        kind: KIND.to_owned(),
        name: NAME.to_owned(),
        body: serde_json::to_vec(&kept).unwrap_or_default(),
        updated_by: current.begun_by.clone(),
        updated_at: now(),
    }
}

impl Kept {
    fn read(self) -> Result<Current, String> {
        let mut machines = BTreeMap::new();
        for (id, machine) in self.machines {
            let id = id.parse().map_err(|_| format!("`{id}` is no computer"))?;
            // What happened while the server was away nobody has seen.
            let since = now();
            let why = machine.why.unwrap_or_default();
            let progress = match machine.state.as_str() {
                "waiting" => Progress::Waiting,
                "offered" => Progress::Offered { since },
                "staged" => Progress::Staged { since },
                "done" => Progress::Done,
                "failed" => Progress::Failed { why },
                other => return Err(format!("`{other}` is no state")),
            };
            machines.insert(id, progress);
        }
        let within = Span::from_millis(self.within_ms);
        let manner = Manner::new(self.waves, within, self.failures_max);
        let manner = manner.map_err(|error| error.to_string())?;
        Ok(Current {
            id: self.id,
            version: self.version,
            release: hex::decode(&self.release).map_err(|error| error.to_string())?,
            begun_at: Timestamp::from_millis(self.begun_at),
            begun_by: self.begun_by,
            rollout: Rollout::open(manner, machines, self.halted),
            is_changed: false,
        })
    }
}
