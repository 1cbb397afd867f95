//! Reaching machines: calling agents that listen (AG-03), and hearing that machines are there
//! (AG-02).
//!
//! An agent that dials is found by waiting. One that listens is called: when a run could go on if
//! it were connected, when its signal of presence is heard, and when somebody asks for it. What
//! comes about is a carrier over which the agent opens the same connections, proved the same way,
//! as if it had dialled. Owns who listens, what was tried and heard; decides nothing about runs,
//! and believes neither an address nor a signal to be a proof of who is there.

mod call;
pub mod order;
pub mod presence;
pub mod wake;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::address::AGENT_PORT;
use model::{Addresses, ComputerId, DeploymentId, Span, Timestamp};
use store::{ComputerFilter, Page, ReadError, Store};
use tokio::sync::{Notify, watch};

pub use call::{CallError, Called, call, call_address};

use crate::clock::now;
use crate::hall::Hall;
use presence::Signals;

/// How often it is asked whose run waits for a call.
const LOOK: Duration = Duration::from_secs(2);
/// Between two calls that failed, at first and at last.
const AGAIN_FIRST: Span = Span::from_secs(5);
const AGAIN_LAST: Span = Span::from_secs(120);
/// Calls at once.
const CALLS_MAX: usize = 64;
const PAGE: u32 = 1_000;

/// What the server knows of reaching each machine.
pub struct Reach {
    listeners: Mutex<BTreeSet<ComputerId>>,
    calls: Mutex<HashMap<ComputerId, Calls>>,
    /// The network that each machine was in last, as it told.
    networks: Mutex<HashMap<ComputerId, String>>,
    /// Whose signals each machine hears, as it tells.
    hears: Mutex<HashMap<ComputerId, Vec<ComputerId>>>,
    pub signals: Signals,
    /// Where signals are listened to.
    pub detection: watch::Sender<Addresses>,
    look: Notify,
    stopping: watch::Receiver<bool>,
}

/// The calls of one machine since it was connected last.
#[derive(Debug, Clone, Default)]
struct Calls {
    is_calling: bool,
    failures: u32,
    last: Option<(Timestamp, String)>,
    next: Option<Timestamp>,
}

impl Reach {
    pub fn new(detection: Addresses, stopping: watch::Receiver<bool>) -> Self {
        Self {
            listeners: Mutex::default(),
            calls: Mutex::default(),
            networks: Mutex::default(),
            hears: Mutex::default(),
            signals: Signals::default(),
            detection: watch::Sender::new(detection),
            look: Notify::new(),
            stopping,
        }
    }

    /// Keeps what an agent tells of its neighbours.
    pub fn hears(&self, computer: ComputerId, neighbours: Vec<ComputerId>) {
        lock(&self.hears).insert(computer, neighbours);
    }

    /// Forgets what an agent told that is not connected any more.
    pub fn hears_no_more(&self, computer: ComputerId) {
        lock(&self.hears).remove(&computer);
    }

    /// Connected machines that say they share a network with this one: those that hear its signals
    /// first, then those whose own network is the same.
    pub fn neighbours_of(
        &self,
        computer: &model::Computer,
        is_online: impl Fn(ComputerId) -> bool,
    ) -> Vec<ComputerId> {
        let hears = lock(&self.hears);
        let hearing = hears.iter().filter(|(_, heard)| heard.binary_search(&computer.id).is_ok());
        let mut found: Vec<ComputerId> = hearing.map(|(id, _)| *id).collect();
        drop(hears);
        if let Some(network) = computer.facts.get("network") {
            let networks = lock(&self.networks);
            let same = networks.iter().filter(|(_, other)| *other == network);
            found.extend(same.map(|(id, _)| *id));
        }
        let mut seen = BTreeSet::from([computer.id]);
        found.retain(|id| seen.insert(*id) && is_online(*id));
        found
    }

    /// Remembers whether a computer listens, as its row says.
    pub fn learn(&self, computer: &model::Computer) {
        match computer.facts.get("network") {
            Some(network) => lock(&self.networks).insert(computer.id, network.clone()),
            None => lock(&self.networks).remove(&computer.id),
        };
        let mut listeners = lock(&self.listeners);
        if order::is_listener(computer) {
            if listeners.insert(computer.id) {
                self.look.notify_one();
            }
        } else {
            listeners.remove(&computer.id);
        }
    }

    /// Calls a machine soon, whatever failed before: it has shown itself.
    pub fn hurry(&self, computer: ComputerId) {
        if !lock(&self.listeners).contains(&computer) {
            return;
        }
        let mut calls = lock(&self.calls);
        let calls = calls.entry(computer).or_default();
        (calls.failures, calls.next) = (0, None);
        self.look.notify_one();
    }

    /// What has been tried in vain, for people; nothing where nothing was.
    pub fn told(&self, computer: ComputerId) -> Option<String> {
        let seen = self.signals.last(computer).map(|seen| {
            format!("its last signal came at {} from {}", clock(seen.at), seen.from.ip())
        });
        let all: Vec<String> = seen.into_iter().chain(self.called(computer)).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    fn called(&self, computer: ComputerId) -> Option<String> {
        let calls = lock(&self.calls);
        let calls = calls.get(&computer)?;
        let (at, why) = calls.last.as_ref()?;
        let next = match calls.next {
            _ if calls.is_calling => "; it is being called now".to_owned(),
            Some(next) => format!("; called again at {}", clock(next)),
            None => String::new(),
        };
        Some(format!("called at {}: {why}{next}", clock(*at)))
    }

    /// Begins a call unless one is on, or it is too early for another.
    fn begin(&self, computer: ComputerId, instant: Timestamp) -> bool {
        let mut calls = lock(&self.calls);
        let calls = calls.entry(computer).or_default();
        let is_due = !calls.is_calling && calls.next.is_none_or(|next| next <= instant);
        calls.is_calling |= is_due;
        is_due
    }

    fn end(&self, computer: ComputerId, outcome: Result<&Called, &CallError>, instant: Timestamp) {
        let mut all = lock(&self.calls);
        match outcome {
            Ok(_) => {
                all.remove(&computer);
            }
            Err(error) => {
                let calls = all.entry(computer).or_default();
                calls.is_calling = false;
                let factor = 1u64 << calls.failures.min(6);
                let wait = Span::from_millis(AGAIN_FIRST.as_millis() * factor).min(AGAIN_LAST);
                calls.failures += 1;
                calls.last = Some((instant, error.to_string()));
                calls.next = Some(instant + wait);
            }
        }
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `14:02:09 UTC` of the day: the shells show dates in full.
fn clock(at: Timestamp) -> String {
    let seconds = at.as_millis().div_euclid(1_000).rem_euclid(24 * 3_600);
    format!("{:02}:{:02}:{:02} UTC", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Under which name it is kept where signals are listened to.
pub const DETECTION_SETTING: &str = "server.detection";

/// Where signals are listened to: as the server was started, else as it was set, else where agents
/// send them.
pub async fn detection(
    store: &dyn Store,
    started: Option<Addresses>,
) -> Result<Addresses, ReadError> {
    if let Some(started) = started {
        return Ok(started);
    }
    let kept = store.setting(DETECTION_SETTING).await?;
    let kept = kept.and_then(|kept| String::from_utf8(kept.value).ok());
    let text = kept.unwrap_or_else(|| format!("INET::{AGENT_PORT}"));
    // It was read before it was kept.
    Ok(Addresses::parse(&text, AGENT_PORT).unwrap_or_default())
}

/// Calls machines that listen and are waited for, until the server stops.
pub async fn run(hall: Arc<Hall>, mut stopping: watch::Receiver<bool>) {
    let working = async {
        load(&hall).await;
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = look.tick() => {}
                () = hall.reach.look.notified() => {}
            }
            look_round(&hall).await;
        }
    };
    tokio::select! {
        _ = stopping.wait_for(|stopping| *stopping) => {}
        () = working => {}
    }
}

/// Finds who listens among the computers of record.
async fn load(hall: &Hall) {
    let mut after = None;
    loop {
        let page = Page { after: after.take(), limit: PAGE };
        let rows = match hall.store.computers(ComputerFilter::default(), page).await {
            Ok(rows) => rows,
            Err(error) => {
                let error = crate::core::chain(&error);
                tracing::error!(%error, "who listens could not be read");
                return;
            }
        };
        rows.iter().for_each(|row| hall.reach.learn(&row.computer));
        match rows.last() {
            Some(last) if rows.len() == PAGE as usize => after = Some(last.computer.name.clone()),
            _ => return,
        }
    }
}

async fn look_round(hall: &Arc<Hall>) {
    let listeners = lock(&hall.reach.listeners).clone();
    if listeners.is_empty() {
        return;
    }
    let asked = hall.core.ask(move |giver, now| giver.missed(&listeners, now)).await;
    // A core that is gone misses nobody.
    let Ok(missed) = asked else { return };
    let on = lock(&hall.reach.calls).values().filter(|calls| calls.is_calling).count();
    let due = missed.into_iter().filter(|(computer, _)| hall.reach.begin(*computer, now()));
    for (computer, deployment) in due.take(CALLS_MAX.saturating_sub(on)) {
        let hall = hall.clone();
        tokio::spawn(async move { call_for(&hall, computer, deployment).await });
    }
}

/// Calls a machine that a deployment waits for; its variables may say where.
async fn call_for(hall: &Arc<Hall>, computer: ComputerId, deployment: DeploymentId) {
    let variables = match hall.store.deployment(deployment).await {
        Ok(row) => row.map(|row| row.variables).unwrap_or_default(),
        Err(_) => Default::default(),
    };
    let forced = order::of_record(variables.iter());
    let outcome = call(hall, computer, forced).await;
    hall.reach.end(computer, outcome.as_ref(), now());
    if let Err(error) = outcome {
        tracing::debug!(%computer, "a call failed: {error}");
    }
}
