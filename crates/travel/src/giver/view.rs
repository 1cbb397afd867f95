//! What people are shown of a run, above all why it is not further.

use deployment::Pending;

use super::*;

/// Why a run is not further, and when it is tried next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// For machines: `not_before`, `suspended`, `offline`, `slot`, `hand_over`, `unreached`,
    /// `aborting`, `wait`, `retry`, `server`, `activity`, `diverged`.
    pub code: &'static str,
    pub text: String,
    pub next: Option<Timestamp>,
}

/// One target of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunView {
    pub run: RunId,
    pub deployment: DeploymentId,
    pub computer: ComputerId,
    pub warrant: usize,
    /// Which copy of its deployment's workflow it goes by.
    pub copy: u64,
    /// Its target has another run in this deployment.
    pub is_replaced: bool,
    pub index: u32,
    /// `pending`, `running`, `ending`, `retrying`, `suspended`, `ended`.
    pub phase: &'static str,
    /// `server`, `giving`, `agent`, `returning`.
    pub owner: &'static str,
    pub epoch: u32,
    pub is_connected: bool,
    pub outcome: Option<Outcome>,
    pub reason: Option<String>,
    /// Activities in progress.
    pub activities: Vec<ActivityName>,
    pub began: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub waiting: Option<Waiting>,
    pub changed: Timestamp,
}

impl Giver {
    pub fn view(&self, id: RunId, now: Timestamp) -> Option<RunView> {
        let given = self.runs.get(&id)?;
        let state = given.run.state();
        let (owner, epoch) = match state.owner() {
            _ if given.reach == Reach::Ssh => ("server", 0),
            Owner::Server => ("server", state.epoch().0),
            Owner::Giving(epoch) => ("giving", epoch.0),
            Owner::Target(epoch) => ("agent", epoch.0),
            Owner::Returning(epoch) => ("returning", epoch.0),
        };
        let phase = match state.phase() {
            Phase::NotOpened => "pending",
            Phase::Closed { .. } => "ended",
            Phase::Concluding { .. } => "ending",
            Phase::Going | Phase::Retrying { .. } if state.is_suspended() => "suspended",
            Phase::Retrying { .. } => "retrying",
            Phase::Going => "running",
        };
        let outcome = state.outcome();
        let began = (*state.phase() != Phase::NotOpened).then(|| state.began()).flatten();
        Some(RunView {
            run: id,
            deployment: given.deployment,
            computer: given.computer,
            warrant: given.warrant,
            copy: self.copy_of(id).unwrap_or(1),
            is_replaced: given.is_replaced,
            index: given.index,
            phase,
            owner,
            epoch,
            is_connected: self.is_there(given),
            outcome: outcome.map(|(outcome, _)| outcome),
            reason: outcome.and_then(|(_, reason)| reason.map(str::to_owned)),
            activities: state.in_progress().values().map(|p| p.activity.clone()).collect(),
            began,
            ended: outcome.map(|_| state.clock()),
            waiting: self.waiting(given, now),
            changed: given.changed,
        })
    }

    /// Every target of a deployment, in the order of their computers.
    pub fn views(&self, id: DeploymentId, now: Timestamp) -> Vec<RunView> {
        let Some(plan) = self.plans.get(&id) else { return Vec::new() };
        plan.deployment.targets().filter_map(|(_, run, _)| self.view(run, now)).collect()
    }

    /// Those of `computers` that are not connected though a run of theirs would go on, or learn of
    /// an order, if they were; each with the deployment of such a run.
    pub fn missed(
        &self,
        computers: &BTreeSet<ComputerId>,
        now: Timestamp,
    ) -> Vec<(ComputerId, DeploymentId)> {
        let waits = |run: &RunId| {
            let given = self.runs.get(run)?;
            let waiting = self.waiting(given, now)?;
            let is_missed = matches!(waiting.code, "offline" | "hand_over" | "unreached");
            is_missed.then_some((given.computer, given.deployment))
        };
        let absent = computers.iter().filter(|computer| !self.links.contains_key(computer));
        let runs = absent.filter_map(|computer| self.by_computer.get(computer));
        runs.filter_map(|runs| runs.iter().find_map(waits)).collect()
    }

    fn waiting(&self, given: &Given, now: Timestamp) -> Option<Waiting> {
        let state = given.run.state();
        let waiting = |code, text: String, next| Some(Waiting { code, text, next });
        if state.outcome().is_some() {
            return None;
        }
        if let Some(why) = &given.diverged {
            let text = format!("set aside: {why}; `deskhand deployment close` gives it up");
            return waiting("diverged", text, None);
        }
        if *state.phase() == Phase::NotOpened {
            return self.not_begun(given, now);
        }
        let is_connected = self.is_there(given);
        if let (Some((_, control, since)), false) = (given.wanted.last(), is_connected) {
            let doing = match control {
                Control::Abort => "aborting",
                Control::Suspend => "suspending",
                Control::Resume => "resuming",
            };
            let text = format!("{doing}, but the agent is not reached since {}", clock(*since));
            return waiting("unreached", text, None);
        }
        match state.owner() {
            Owner::Server if given.run.wants_target() && given.leaves_in.is_some() => {
                let text = "the machine was switched off; goes on when it is back".into();
                return waiting("hand_over", text, None);
            }
            Owner::Server if given.run.wants_target() => {
                return waiting("hand_over", "waits for its agent to connect".into(), None);
            }
            Owner::Giving(_) if is_connected => {
                let text = "handed over; the agent has not confirmed yet".into();
                return waiting("hand_over", text, Some(self.repeat_at));
            }
            Owner::Giving(_) => {
                return waiting("hand_over", "is handed over when its agent connects".into(), None);
            }
            Owner::Target(_) if !is_connected => {
                let since = self.last_seen.get(&given.computer);
                let since = since.map_or(String::new(), |at| format!(" since {}", clock(*at)));
                let text = format!("goes on at its machine, which is not connected{since}");
                return waiting("offline", text, None);
            }
            Owner::Server | Owner::Target(_) | Owner::Returning(_) => {}
        }
        if state.is_suspended() && state.in_progress().is_empty() {
            return waiting("suspended", "suspended by order".into(), None);
        }
        if let Phase::Retrying { not_before } = state.phase() {
            return waiting("retry", "begins again".into(), Some(*not_before));
        }
        if let Phase::Concluding { .. } = state.phase() {
            return waiting("ending", "ends what is in progress".into(), None);
        }
        // Between two activities, or the agent's records are still on their way.
        let Some((_, progress)) = state.in_progress().first_key_value() else {
            return waiting("activity", "goes on with its next activity".into(), None);
        };
        let activity = &progress.activity;
        match progress.until {
            Some(until) => waiting("wait", format!("waits in `{activity}`"), Some(until)),
            None => waiting("activity", format!("`{activity}` is in progress"), progress.deadline),
        }
    }

    fn not_begun(&self, given: &Given, now: Timestamp) -> Option<Waiting> {
        let plan = self.plans.get(&given.deployment)?;
        let (code, text, next) = match plan.deployment.pending(given.computer, now)? {
            Pending::NotBefore(at) => ("not_before", "not before its start date".into(), Some(at)),
            Pending::Suspended => ("suspended", "the deployment is suspended".into(), None),
            Pending::Offline => {
                let seen = match self.last_seen.get(&given.computer) {
                    Some(at) => format!("last connected {}", clock(*at)),
                    None => "not connected since the server started".to_owned(),
                };
                ("offline", format!("waits for the machine to show itself ({seen})"), None)
            }
            Pending::Slot => {
                let (used, max) = (self.slots_used, self.slots_max);
                ("slot", format!("waits for a free slot ({used} of {max} taken)"), None)
            }
        };
        Some(Waiting { code, text, next })
    }
}

/// `14:02` of the day, UTC: the shells show dates in full.
fn clock(at: Timestamp) -> String {
    let minutes = at.as_millis().div_euclid(60_000).rem_euclid(24 * 60);
    format!("{:02}:{:02} UTC", minutes / 60, minutes % 60)
}
