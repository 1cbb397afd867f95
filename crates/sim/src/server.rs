//! The simulated server: its real loop, the database behind it, and its doers.
//!
//! The database is what was committed. The server dies before a commit, between commit and orders,
//! and between any two orders; it starts again from the database alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use deployment::Schedule;
use model::{RunId, Timestamp};
use travel::{
    Case, Effect, Giver, GiverInput, GiverOrder, GiverWrite, Holding, KeptRun, NewDeployment,
    NewTarget, Permit, ToServer,
};
use trust::{Leaf, TargetTree};
use workflow::{ActivityName, Context, EffectId, Event, Report, Workflow};

use crate::agent::Agent;
use crate::ledger::Ledger;
use crate::oracle::{self, Stay};
use crate::world::{Happening, World, run_id};

/// A run's rows.
#[derive(Debug)]
pub struct Row {
    pub agent: usize,
    pub leaf: Vec<u8>,
    pub ledger: Ledger,
}

/// What was committed.
#[derive(Debug)]
pub struct Database {
    pub records: Vec<deployment::Record>,
    pub runs: BTreeMap<RunId, Row>,
    pub effects: BTreeMap<EffectId, Effect>,
    envelope: Arc<[u8]>,
    tree: TargetTree,
}

pub struct Server {
    pub db: Database,
    pub giver: Option<Giver>,
    /// Runs whose end is not committed.
    pub open_runs: usize,
    offset: i64,
    max_targets: usize,
    inbox: Vec<GiverInput>,
    is_working: bool,
    running: BTreeMap<EffectId, u64>,
    wake: Option<i64>,
    /// Sessions that ended; those up to the first belong to a server that died.
    gone: BTreeSet<u64>,
    first_session: u64,
    /// The latest session that each agent said hello on.
    greeted: BTreeMap<usize, u64>,
}

impl Server {
    pub fn new(
        agents: &[Agent],
        leaves: &[Leaf],
        envelope: Arc<[u8]>,
        tree: TargetTree,
        max_targets: usize,
    ) -> Self {
        let row = |(agent, leaf): (&Agent, &Leaf)| {
            let run = run_id(agent.index);
            (run, Row { agent: agent.index, leaf: leaf.encode(), ledger: Ledger::new(run) })
        };
        let runs: BTreeMap<RunId, Row> = agents.iter().zip(leaves).map(row).collect();
        let open_runs = runs.len();
        let (records, effects) = (Vec::new(), BTreeMap::new());
        Self {
            db: Database { records, runs, effects, envelope, tree },
            giver: None,
            open_runs,
            offset: 0,
            max_targets,
            inbox: Vec::new(),
            is_working: false,
            running: BTreeMap::new(),
            wake: None,
            gone: BTreeSet::new(),
            first_session: 0,
            greeted: BTreeMap::new(),
        }
    }

    pub fn is_down(&self) -> bool {
        self.giver.is_none()
    }

    pub fn set_max_targets(&mut self, max: usize) {
        self.max_targets = max;
    }

    fn clock(&self, now: i64) -> Timestamp {
        Timestamp::from_millis(now + self.offset)
    }
}

impl World {
    pub fn server_clock(&self) -> Timestamp {
        self.server.clock(self.now)
    }

    /// The deployment's rows are committed and its loop has been told of it.
    pub fn deploy(&mut self) {
        let target = |(run, row): (&RunId, &Row)| NewTarget {
            computer: self.agents[row.agent].computer,
            run: *run,
            leaf: row.leaf.clone(),
            reach: travel::Reach::Agent,
        };
        let new = NewDeployment {
            id: self.deployment,
            schedule: self.schedule(),
            workflow: self.workflow.clone(),
            definition: self.definition.clone(),
            variables: Arc::default(),
            warrant: self.server.db.envelope.clone(),
            tree: self.server.db.tree.clone(),
            targets: self.server.db.runs.iter().map(target).collect(),
        };
        let now = self.server_clock();
        let (giver, _) = Giver::open([], [], self.server.max_targets, now);
        self.server.giver = Some(giver);
        self.server_takes(GiverInput::Deploy(Box::new(new)));
    }

    fn schedule(&self) -> Schedule {
        Schedule { start: None, stop: None, needs_agent: self.workflow.start_on_presence }
    }

    pub fn server_starts(&mut self) {
        if self.server.giver.is_some() {
            return;
        }
        let now = self.server_clock();
        let kept = |(index, (run, row)): (u32, (&RunId, &Row))| KeptRun {
            run: *run,
            computer: self.agents[row.agent].computer,
            warrant: 0,
            index,
            leaf: row.leaf.clone(),
            reach: travel::Reach::Agent,
            is_replaced: false,
            frames: row.ledger.frames.clone(),
        };
        let db = &self.server.db;
        let case = Case {
            id: self.deployment,
            schedule: self.schedule(),
            variables: Arc::default(),
            warrants: vec![Permit {
                copy: 1,
                workflow: self.workflow.clone(),
                definition: self.definition.clone(),
                envelope: db.envelope.clone(),
                tree: db.tree.clone(),
                needs_agent: self.workflow.start_on_presence,
            }],
            records: db.records.clone(),
            runs: (0u32..).zip(&db.runs).map(kept).collect(),
        };
        let effects: Vec<(EffectId, Effect)> =
            db.effects.iter().map(|(id, effect)| (*id, effect.clone())).collect();
        let (giver, aside) = Giver::open([case], effects, self.server.max_targets, now);
        for error in aside {
            self.laws.broke(format!("server: {error}"));
        }
        self.server.giver = Some(giver);
        self.server.first_session = self.token();
        self.tell("server", || "starts".into());
        self.server_flushes();
    }

    pub fn server_wakes(&mut self, at: i64) {
        if self.server.wake == Some(at) {
            self.server.wake = None;
            self.count_wake();
            self.server_takes(GiverInput::Tick);
        }
    }

    pub fn server_greets(&mut self, agent: usize, session: u64, holdings: Vec<Holding>) {
        if self.server.gone.contains(&session) || session < self.server.first_session {
            return;
        }
        // The gateway refuses a connection counter that goes back.
        let greeted = self.server.greeted.entry(agent).or_default();
        if *greeted > session {
            return;
        }
        *greeted = session;
        let computer = self.agents[agent].computer;
        self.server_takes(GiverInput::Connected { computer, session, holdings });
    }

    pub fn server_hears(&mut self, agent: usize, session: u64, message: ToServer) {
        if self.server.gone.contains(&session) || session < self.server.first_session {
            return;
        }
        let computer = self.agents[agent].computer;
        self.server_takes(GiverInput::Message { computer, session, message });
    }

    pub fn server_loses_link(&mut self, agent: usize, session: u64) {
        self.server.gone.insert(session);
        let computer = self.agents[agent].computer;
        self.server_takes(GiverInput::Disconnected { computer, session });
        if self.agents[agent].session == Some(session) {
            let after = self.chance.below(20_000) as i64;
            self.queue.plan(self.now + after, Happening::AgentLosesLink { agent, session });
        }
    }

    /// What arrives is gathered, then stepped and committed together.
    pub fn server_takes(&mut self, input: GiverInput) {
        if self.server.is_down() {
            return;
        }
        self.server.inbox.push(input);
        if !self.server.is_working {
            self.server.is_working = true;
            let after = self.chance.below(3) as i64;
            self.queue.plan(self.now + after, Happening::ServerWorks);
        }
    }

    pub fn server_works(&mut self) {
        self.server.is_working = false;
        if self.strikes(self.rates.clock_jump) {
            self.server.offset = self.chance.between(0, 7_200_000) as i64 - 3_600_000;
        }
        let now = self.server_clock();
        for input in std::mem::take(&mut self.server.inbox) {
            let Some(giver) = &mut self.server.giver else { return };
            giver.handle(input, now);
            self.check_slots();
        }
        self.server_flushes();
    }

    fn server_flushes(&mut self) {
        let Some(giver) = &mut self.server.giver else { return };
        let writes = giver.take_writes();
        if !writes.is_empty() {
            if self.strikes(self.rates.server_crash) {
                return self.server_dies();
            }
            self.commit(writes);
            if self.strikes(self.rates.server_crash) {
                return self.server_dies();
            }
        }
        while let Some(order) = self.server.giver.as_mut().and_then(Giver::poll_order) {
            self.server_acts(order);
            if self.strikes(self.rates.server_crash) {
                return self.server_dies();
            }
        }
        self.check_views();
        self.server_sets_timer();
    }

    fn commit(&mut self, writes: Vec<GiverWrite>) {
        for write in writes {
            match write {
                GiverWrite::DeploymentRecord { seq, bytes, .. } => {
                    let db = &mut self.server.db;
                    match deployment::decode_record(&bytes) {
                        Ok(record) if seq == db.records.len() as u64 => db.records.push(record),
                        _ => self.laws.broke(format!("deployment record {seq} is out of order")),
                    }
                }
                GiverWrite::Journal { run, seq, frame } => self.commit_frame(run, seq, &frame),
                GiverWrite::Effect { effect, call, report } => {
                    let effect_now = report.map_or(Effect::Begun(call), Effect::Ended);
                    self.server.db.effects.insert(effect, effect_now);
                }
                GiverWrite::Event { kind, computer, text, .. } => {
                    let name = computer.and_then(|id| self.agent_of.get(&id));
                    let name = name.map_or(String::new(), |i| self.agents[*i].name.clone());
                    self.tell("server", || format!("{name}: {kind}: {text}"));
                    self.laws.event(kind, &name, &text);
                }
            }
        }
    }

    fn commit_frame(&mut self, run: RunId, seq: u64, frame: &[u8]) {
        let Some(row) = self.server.db.runs.get_mut(&run) else {
            return self.laws.broke(format!("a record of the unknown run {run}"));
        };
        if seq != row.ledger.frames.len() as u64 {
            return self.laws.broke(format!("record {seq} of run {run} is out of order"));
        }
        if let Err(why) = row.ledger.append(frame) {
            return self.laws.broke(format!("the server wrote a bad frame: {why}"));
        }
        self.check_committed(run);
    }

    fn server_acts(&mut self, order: GiverOrder) {
        match order {
            GiverOrder::Send { computer, session, message } => {
                if let Some(agent) = self.agent_of.get(&computer).copied() {
                    self.send_to_agent(agent, session, &message);
                }
            }
            GiverOrder::Begin { effect, activity, workflow, context, .. } => {
                self.server_begins(effect, &activity, &workflow, &context);
            }
            GiverOrder::Interrupt { effect } => {
                if self.server.running.contains_key(&effect) {
                    let token = self.token();
                    self.server.running.insert(effect, token);
                    let report = Report::of(Event::Interrupted);
                    let after = self.chance.between(1, 500) as i64;
                    let what = Happening::ServerIsDone { token, effect, report };
                    self.queue.plan(self.now + after, what);
                }
            }
            GiverOrder::There { computer, .. } => {
                self.laws.broke(format!("{computer} has an agent and was reached without it"));
            }
            GiverOrder::TellTrust => self.laws.broke("no key was changed".to_owned()),
            GiverOrder::LookUp { run, .. } => {
                self.laws.broke(format!("the server does not know run {run}"));
            }
        }
    }

    fn server_begins(
        &mut self,
        effect: EffectId,
        activity: &ActivityName,
        workflow: &Workflow,
        context: &Context,
    ) {
        self.check_begin_on_server(effect, activity);
        if self.server.running.contains_key(&effect) {
            return;
        }
        let Some(kind) = workflow.activities.get(activity).map(|found| &found.kind) else { return };
        let Some(agent) = self.server.db.runs.get(&effect.run).map(|row| row.agent) else { return };
        let state = self.server.giver.as_ref().and_then(|giver| giver.run(effect.run));
        let nth = state.map_or(1, |run| crate::laws::nth(run.state(), effect, activity));
        let stay = Stay { attempt: effect.attempt, activity: activity.clone(), nth };
        let (report, lasts) = match oracle::rendered(kind, context) {
            Err(why) => (Report::error(why), 1),
            Ok(()) => {
                let (event, lasts) = self.oracle.fate(workflow, agent as u32, &stay);
                (oracle::report(kind, &event), lasts.as_millis() as i64)
            }
        };
        let token = self.token();
        self.server.running.insert(effect, token);
        let what = Happening::ServerIsDone { token, effect, report };
        self.queue.plan(self.now + lasts, what);
    }

    pub fn server_is_done(&mut self, token: u64, effect: EffectId, report: Report) {
        if self.server.running.get(&effect) != Some(&token) {
            return;
        }
        self.server.running.remove(&effect);
        if self.strikes(self.rates.told_twice) {
            self.server_takes(GiverInput::Ended { effect, report: report.clone() });
        }
        self.server_takes(GiverInput::Ended { effect, report });
    }

    fn server_sets_timer(&mut self) {
        let now = self.server_clock();
        let Some(at) = self.server.giver.as_ref().and_then(|giver| giver.poll_timeout(now)) else {
            return;
        };
        let at = at.as_millis().saturating_sub(self.server.offset).max(self.now);
        if self.server.wake.is_none_or(|wake| at < wake) {
            self.server.wake = Some(at);
            self.queue.plan(at, Happening::ServerWakes { at });
        }
    }

    fn server_dies(&mut self) {
        self.tell("server", || "dies".into());
        let server = &mut self.server;
        server.giver = None;
        server.inbox.clear();
        server.running.clear();
        server.wake = None;
        for agent in 0..self.agents.len() {
            if let Some(session) = self.agents[agent].session {
                let after = self.chance.between(0, 20_000) as i64;
                self.queue.plan(self.now + after, Happening::AgentLosesLink { agent, session });
            }
        }
        let after = self.chance.between(100, self.rates.away.max(200)) as i64;
        self.queue.plan(self.now + after, Happening::ServerStarts);
    }
}
