//! A simulated computer: the agent's real loop, its disk, its clock, and its doers.
//!
//! The agent dies between any two steps: before a write, within it (a torn frame), between writes,
//! between orders. What it was carrying out is cut then, before or after it acted.

use std::collections::BTreeMap;

use model::{ComputerId, RunId, Timestamp};
use travel::{Kept, Me, Package, Taker, TakerInput, TakerOrder, TakerWrite, ToAgent};
use trust::{Spending, Spent, VerifyingKey};
use workflow::{ActivityName, Context, EffectId, Event, Kind, Report, Workflow};

use crate::chance::Chance;
use crate::ledger::Ledger;
use crate::oracle::{self, Stay};
use crate::world::{Happening, World};

/// What survives the agent.
#[derive(Debug, Default)]
pub struct Disk {
    pub runs: BTreeMap<RunId, (Package, Ledger)>,
    /// The start of the machine in which each Shutdown was prepared.
    pub plans: BTreeMap<EffectId, u64>,
    pub spent: Vec<Vec<u8>>,
}

pub struct Agent {
    pub index: usize,
    pub name: String,
    pub computer: ComputerId,
    pub key: VerifyingKey,
    pub disk: Disk,
    pub taker: Option<Taker>,
    /// The link it believes in.
    pub session: Option<u64>,
    /// When the last message each way arrives: to the server, to the agent.
    pub busy: [i64; 2],
    /// Starts of the machine so far.
    boot: u64,
    /// How far its clock is from the truth.
    offset: i64,
    /// What is being carried out; the token tells apart who is still waited for.
    running: BTreeMap<EffectId, u64>,
    wake: Option<i64>,
}

impl Agent {
    pub fn new(index: usize, seed: u64) -> Self {
        let mut bytes = [0x11; 16];
        bytes[8..].copy_from_slice(&(index as u64).to_be_bytes());
        let mut chance = Chance::new(seed ^ 0x6b65_7973 ^ (index as u64) << 20);
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&chance.draw().to_le_bytes());
        Self {
            index,
            name: format!("pc-{:03}", index + 1),
            computer: ComputerId::from_bytes(bytes),
            key: trust::SigningKey::from_seed(&secret).verifying_key(),
            disk: Disk::default(),
            taker: None,
            session: None,
            busy: [0; 2],
            boot: 0,
            offset: 0,
            running: BTreeMap::new(),
            wake: None,
        }
    }

    fn clock(&self, now: i64) -> Timestamp {
        Timestamp::from_millis(now + self.offset)
    }
}

fn parse(definition: &[u8]) -> Result<Workflow, String> {
    let text = std::str::from_utf8(definition).map_err(|error| error.to_string())?;
    format::parse_workflow(text).workflow.ok_or_else(|| "it cannot be read".into())
}

impl World {
    pub fn agent_starts(&mut self, agent: usize) {
        if self.agents[agent].taker.is_some() {
            return;
        }
        let state = &mut self.agents[agent];
        let me = Me { computer: state.computer, key: state.key, told: BTreeMap::default() };
        let spendings = state.disk.spent.iter().filter_map(|bytes| Spending::decode(bytes).ok());
        let spent = Spent::restore(Timestamp::from_millis(i64::MIN), spendings);
        let mut kept = Vec::new();
        for (run, (package, ledger)) in &mut state.disk.runs {
            match ledger.reopen(*run) {
                Ok(journal) => kept.push(Kept { package: package.clone(), journal }),
                Err(why) => self.laws.broke(format!("{}: its journal: {why}", state.name)),
            }
        }
        let (taker, aside) = Taker::open(me, self.trust.clone(), spent, parse, kept);
        for aside in aside {
            self.laws.broke(format!("{}: set aside: {}", state.name, aside.why));
        }
        state.taker = Some(taker);
        let name = state.name.clone();
        self.tell(&name, || "the agent starts".into());
        self.agent_flushes(agent);
        let after = self.chance.between(10, 2_000) as i64;
        self.queue.plan(self.now + after, Happening::AgentDials { agent });
    }

    pub fn agent_wakes(&mut self, agent: usize, at: i64) {
        if self.agents[agent].wake == Some(at) {
            self.agents[agent].wake = None;
            self.count_wake();
            self.agent_handles(agent, TakerInput::Tick);
        }
    }

    pub fn agent_hears(&mut self, agent: usize, session: u64, message: ToAgent) {
        if self.agents[agent].session == Some(session) {
            self.agent_handles(agent, TakerInput::Message(message));
        }
    }

    pub fn agent_handles(&mut self, agent: usize, input: TakerInput) {
        if self.strikes(self.rates.clock_jump) {
            self.agents[agent].offset = self.chance.between(0, 7_200_000) as i64 - 3_600_000;
        }
        let state = &mut self.agents[agent];
        let now = state.clock(self.now);
        let Some(taker) = &mut state.taker else { return };
        taker.handle(input, now);
        self.agent_flushes(agent);
    }

    /// Makes durable what the loop wrote, then acts on what it orders, and may die anywhere.
    fn agent_flushes(&mut self, agent: usize) {
        while let Some(write) =
            self.agents[agent].taker.as_mut().and_then(travel::Taker::poll_write)
        {
            if self.strikes(self.rates.agent_crash) {
                self.tear(agent, &write);
                return self.agent_dies(agent);
            }
            if self.strikes(self.rates.write_failure) {
                return self.agent_reopens(agent);
            }
            self.agent_keeps(agent, write);
        }
        if self.strikes(self.rates.agent_crash) {
            return self.agent_dies(agent);
        }
        while let Some(order) =
            self.agents[agent].taker.as_mut().and_then(travel::Taker::poll_order)
        {
            self.agent_acts(agent, order);
            if self.strikes(self.rates.agent_crash) {
                return self.agent_dies(agent);
            }
        }
        self.agent_sets_timer(agent);
        self.check_owner(agent);
    }

    /// A frame may be half written when the agent dies.
    fn tear(&mut self, agent: usize, write: &TakerWrite) {
        let TakerWrite::Append { run, frame } = write else { return };
        let part = self.chance.below(frame.len() as u64) as usize;
        let zeros = self.chance.below(3) as usize * 200;
        if let Some((_, ledger)) = self.agents[agent].disk.runs.get_mut(run) {
            ledger.tear(&frame[..part], zeros);
        }
    }

    fn agent_keeps(&mut self, agent: usize, write: TakerWrite) {
        let disk = &mut self.agents[agent].disk;
        match write {
            TakerWrite::Take { package, frames } => {
                let run = package.run;
                let mut ledger = Ledger::new(run);
                let kept = frames.iter().try_for_each(|frame| ledger.append(frame));
                disk.runs.insert(run, (*package, ledger));
                if let Err(why) = kept {
                    self.laws.broke(format!("a run was taken with a bad journal: {why}"));
                }
                self.check_taken(agent, run);
            }
            TakerWrite::Append { run, frame } => {
                let Some((_, ledger)) = disk.runs.get_mut(&run) else {
                    return self.laws.broke(format!("a record of run {run}, which is not kept"));
                };
                if let Err(why) = ledger.append(&frame) {
                    self.laws.broke(format!("the agent wrote a bad frame: {why}"));
                }
                self.check_appended(agent, run);
            }
            TakerWrite::Spend(spending) => disk.spent.push(spending.encode()),
            TakerWrite::Forget { run } => {
                disk.runs.remove(&run);
                disk.plans.retain(|effect, _| effect.run != run);
            }
        }
    }

    fn agent_acts(&mut self, agent: usize, order: TakerOrder) {
        match order {
            TakerOrder::Send(message) => self.send_to_server(agent, &message),
            TakerOrder::Begin { effect, activity, workflow, context, .. } => {
                self.agent_begins(agent, effect, &activity, &workflow, &context);
            }
            TakerOrder::Recover { effect } | TakerOrder::Interrupt { effect } => {
                let token = self.token();
                self.agents[agent].running.insert(effect, token);
                let after = self.chance.between(1, 3_000) as i64;
                let report = Report::of(Event::Interrupted);
                let what = Happening::AgentIsDone { agent, token, effect, report, is_own: false };
                self.queue.plan(self.now + after, what);
            }
            TakerOrder::PowerOff { effect } => self.agent_goes_off(agent, effect),
            TakerOrder::Note { text, .. } => {
                let name = self.agents[agent].name.clone();
                self.tell(&name, || text);
            }
            // No script is in its workflows.
            TakerOrder::Answered { .. } | TakerOrder::Over { .. } => {}
        }
    }

    fn agent_begins(
        &mut self,
        agent: usize,
        effect: EffectId,
        activity: &ActivityName,
        workflow: &Workflow,
        context: &Context,
    ) {
        self.check_begin_on_agent(agent, effect, activity);
        if self.agents[agent].running.contains_key(&effect) {
            return;
        }
        let Some(kind) = workflow.activities.get(activity).map(|found| &found.kind) else {
            return self.laws.broke(format!("`{activity}` is no activity"));
        };
        let token = self.token();
        self.agents[agent].running.insert(effect, token);
        if let Err(why) = oracle::rendered(kind, context) {
            let report = Report::error(why);
            let what = Happening::AgentIsDone { agent, token, effect, report, is_own: false };
            return self.queue.plan(self.now + 1, what);
        }
        self.laws.acts(effect, kind);
        let stay = self.stay_on_agent(agent, effect, activity);
        let (event, lasts) = self.oracle.fate(workflow, agent as u32, &stay);
        let at = self.now + lasts.as_millis() as i64;
        if let (Kind::Shutdown(_), Event::Ok) = (kind, &event) {
            return self.agent_shuts_down(agent, effect, kind, token, at);
        }
        let report = oracle::report(kind, &event);
        let what = Happening::AgentIsDone { agent, token, effect, report, is_own: true };
        self.queue.plan(at, what);
    }

    /// A restart has happened when the machine was started anew since it was prepared.
    fn agent_shuts_down(
        &mut self,
        agent: usize,
        effect: EffectId,
        kind: &Kind,
        token: u64,
        at: i64,
    ) {
        self.check_alone(agent, effect);
        let state = &mut self.agents[agent];
        let boot = state.boot;
        let prepared = *state.disk.plans.entry(effect).or_insert(boot);
        let what = if prepared == boot && !kind.powers_off() {
            Happening::AgentRestarts { agent, token, effect }
        } else {
            let report = Report::of(Event::Ok);
            Happening::AgentIsDone { agent, token, effect, report, is_own: true }
        };
        self.queue.plan(at, what);
    }

    pub fn agent_restarts(&mut self, agent: usize, token: u64, effect: EffectId) {
        if self.agents[agent].running.get(&effect) == Some(&token) {
            self.agents[agent].boot += 1;
            self.agent_dies(agent);
        }
    }

    /// The machine is switched off, and somebody switches it on again later.
    fn agent_goes_off(&mut self, agent: usize, effect: EffectId) {
        self.check_left(agent, effect);
        let state = &mut self.agents[agent];
        if state.disk.plans.get(&effect) != Some(&state.boot) {
            let (token, run) = (state.boot, effect.run);
            let what = Happening::AgentCameBack { agent, boot: token, run };
            return self.queue.plan(self.now + 1, what);
        }
        state.boot += 1;
        let name = state.name.clone();
        self.tell(&name, || "the machine goes off".into());
        self.agent_dies(agent);
    }

    pub fn agent_came_back(&mut self, agent: usize, boot: u64, run: RunId) {
        if self.agents[agent].boot != boot {
            return;
        }
        self.agent_handles(agent, TakerInput::CameBack { run });
        // What it told when it connected is not true any more.
        if let Some(session) = self.agents[agent].session {
            self.agent_loses_link(agent, session);
            self.server_notices(agent, session);
        }
    }

    fn stay_on_agent(&self, agent: usize, effect: EffectId, activity: &ActivityName) -> Stay {
        let taker = self.agents[agent].taker.as_ref();
        let run = taker.and_then(|taker| taker.runs().find(|(p, _)| p.run == effect.run));
        let nth = run.map_or(1, |(_, run)| crate::laws::nth(run.state(), effect, activity));
        Stay { attempt: effect.attempt, activity: activity.clone(), nth }
    }

    pub fn agent_is_done(
        &mut self,
        agent: usize,
        token: u64,
        effect: EffectId,
        report: Report,
        is_own: bool,
    ) {
        if self.agents[agent].running.get(&effect) != Some(&token) {
            return;
        }
        self.agents[agent].running.remove(&effect);
        if is_own {
            self.laws.finished.insert(effect);
        }
        let input = TakerInput::Ended { effect, report };
        if self.strikes(self.rates.told_twice) {
            self.agent_handles(agent, input.clone());
        }
        self.agent_handles(agent, input);
    }

    fn agent_sets_timer(&mut self, agent: usize) {
        let state = &mut self.agents[agent];
        let Some(at) = state.taker.as_ref().and_then(Taker::poll_timeout) else { return };
        let at = at.as_millis().saturating_sub(state.offset).max(self.now);
        if state.wake.is_none_or(|wake| at < wake) {
            state.wake = Some(at);
            self.queue.plan(at, Happening::AgentWakes { agent, at });
        }
    }

    /// The machine goes off or the agent is killed; it comes back after a while.
    pub fn agent_dies(&mut self, agent: usize) {
        if !self.agents[agent].disk.plans.is_empty() && self.chance.happens(500_000) {
            self.agents[agent].boot += 1;
        }
        self.agent_ends(agent);
        let name = self.agents[agent].name.clone();
        self.tell(&name, || "the agent dies".into());
        let after = self.chance.between(100, self.rates.away.max(200)) as i64;
        self.queue.plan(self.now + after, Happening::AgentStarts { agent });
    }

    /// A write failed: what was stepped is dropped, the disk is opened again.
    fn agent_reopens(&mut self, agent: usize) {
        self.agent_ends(agent);
        let name = self.agents[agent].name.clone();
        self.tell(&name, || "a write fails".into());
        self.agent_starts(agent);
    }

    fn agent_ends(&mut self, agent: usize) {
        let state = &mut self.agents[agent];
        state.taker = None;
        state.wake = None;
        state.running.clear();
        if let Some(session) = state.session.take() {
            self.server_notices(agent, session);
        }
    }
}
