//! The server's loop: deployments, the runs it owns or has given away, the agents that are there.
//!
//! The journal of each run is the truth; this is its fold, with what is known of connections
//! beside it. What an agent says is checked against owner, epoch and graph, and folded in only if a
//! run of that workflow could have gone so.

mod agent;
mod asked;
mod open;
mod protocol;
mod renew;
mod resign;
mod there;
mod view;
mod work;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use deployment::{Deployment, Phase as TargetPhase, Schedule, Scope};
use model::{ComputerId, DeploymentId, Outcome, RunId, Timestamp};
use trust::TargetTree;
use workflow::journal::Chain;
use workflow::{
    ActivityName, Context, Control, EffectId, Epoch, Input, Kind, Order, Owner, Phase, Record,
    Report, Run, Side, Visit, Workflow,
};

use crate::message::{Call, Give, Holding, ToAgent, ToServer};
use crate::{REPEAT_AFTER, taker::deployment_facts};

pub use open::{Case, KeptRun, OpenError};
pub use protocol::{Effect, GiverInput, GiverOrder, GiverWrite, NewDeployment, NewTarget};
pub use renew::{Renewal, Stale};
pub use resign::{Covered, Resigned};
pub use there::{Reach, ThereOrder};
pub use view::{RunView, Waiting};

/// A target, its run, and how far that is.
pub type TargetRun = (ComputerId, RunId, TargetPhase);

#[derive(Debug)]
struct Plan {
    deployment: Deployment,
    records: u64,
    variables: Arc<BTreeMap<String, String>>,
    permits: Vec<Permit>,
    /// Runs whose targets have begun anew.
    replaced: Vec<RunId>,
}

/// One warrant of a deployment, with what it permits and the tree its proofs come from.
#[derive(Debug, Clone)]
pub struct Permit {
    /// Which of the deployment's copies of its workflow this is, from 1.
    pub copy: u64,
    pub workflow: Arc<Workflow>,
    pub definition: Arc<[u8]>,
    pub envelope: Arc<[u8]>,
    pub tree: TargetTree,
    /// Its targets begin only while their agents are connected.
    pub needs_agent: bool,
}

#[derive(Debug)]
struct Given {
    deployment: DeploymentId,
    computer: ComputerId,
    /// Which of the deployment's warrants, and which leaf of its tree.
    warrant: usize,
    index: u32,
    leaf: Vec<u8>,
    reach: Reach,
    run: Run,
    chain: Chain,
    /// The journal that the agent has not, until it has taken the run: for the hand-over.
    frames: Vec<Vec<u8>>,
    /// Where the journal stood when the agent gave the run back; it holds so much of it.
    returned: Option<Chain>,
    /// The session in which the machine is about to go off, so that nothing is given there.
    leaves_in: Option<u64>,
    /// What its agent held when it connected, and whether it was leaving then.
    held: Option<(u64, bool)>,
    /// People's orders that the run's journal does not show yet.
    wanted: Vec<(u64, Control, Timestamp)>,
    takes_slot: bool,
    /// Why what its agent holds does not continue this journal.
    diverged: Option<String>,
    /// It has ended, and its target has another run in this deployment.
    is_replaced: bool,
    changed: Timestamp,
}

impl Given {
    /// A run that has not begun.
    fn new(
        deployment: DeploymentId,
        warrant: usize,
        index: u32,
        target: NewTarget,
        run: Run,
        now: Timestamp,
    ) -> Self {
        Self {
            deployment,
            computer: target.computer,
            warrant,
            index,
            leaf: target.leaf,
            reach: target.reach,
            chain: Chain::new(target.run),
            run,
            frames: Vec::new(),
            returned: None,
            leaves_in: None,
            held: None,
            wanted: Vec::new(),
            takes_slot: false,
            diverged: None,
            is_replaced: false,
            changed: now,
        }
    }
}

/// An agent that is connected.
#[derive(Debug, Clone, Copy)]
struct Link {
    session: u64,
}

#[derive(Debug)]
pub struct Giver {
    plans: BTreeMap<DeploymentId, Plan>,
    runs: BTreeMap<RunId, Given>,
    by_computer: BTreeMap<ComputerId, BTreeSet<RunId>>,
    links: BTreeMap<ComputerId, Link>,
    /// The newest session of each agent: what an older one tells late is not true any more.
    newest: BTreeMap<ComputerId, u64>,
    last_seen: BTreeMap<ComputerId, Timestamp>,
    effects: BTreeMap<EffectId, Effect>,
    /// Those of them that have not ended.
    begun: BTreeSet<EffectId>,
    timers: BTreeSet<(Timestamp, RunId)>,
    timer_of: BTreeMap<RunId, Timestamp>,
    slots_max: usize,
    slots_used: usize,
    repeat_at: Timestamp,
    changed: BTreeSet<RunId>,
    changed_deployments: BTreeSet<DeploymentId>,
    writes: Vec<GiverWrite>,
    orders: VecDeque<GiverOrder>,
}

impl Giver {
    pub fn handle(&mut self, input: GiverInput, now: Timestamp) {
        // A clock that was set back must not put repetitions off.
        self.repeat_at = self.repeat_at.min(now + REPEAT_AFTER);
        match input {
            GiverInput::Deploy(new) => self.deploy(*new, now),
            GiverInput::Control { deployment, scope, control, by } => {
                let input = deployment::Input::Control { scope, control, by };
                self.tell_plan(deployment, input, now);
            }
            GiverInput::StopMoved { deployment, at, by } => {
                self.tell_plan(deployment, deployment::Input::Stop { at, by }, now);
            }
            GiverInput::CloseLost { deployment, scope, by } => {
                self.close_lost(deployment, &scope, &by, now);
            }
            GiverInput::SetMaxTargets(max) => self.slots_max = max,
            GiverInput::Connected { computer, session, holdings } => {
                self.connected(computer, session, &holdings, now);
            }
            GiverInput::Disconnected { computer, session } => {
                self.disconnected(computer, session, now);
            }
            GiverInput::Message { computer, session, message } => {
                let link = self.links.get(&computer);
                if link.is_some_and(|link| link.session == session) {
                    self.last_seen.insert(computer, now);
                    self.hear(computer, message, now);
                }
            }
            GiverInput::Ended { effect, report } => self.effect_ended(effect, report, now),
            GiverInput::Tick => self.tick(now),
        }
        self.fill_slots(now);
    }

    /// Everything that must be made durable together.
    pub fn take_writes(&mut self) -> Vec<GiverWrite> {
        std::mem::take(&mut self.writes)
    }

    /// The next order; only to be asked once all writes are durable.
    pub fn poll_order(&mut self) -> Option<GiverOrder> {
        debug_assert!(self.writes.is_empty(), "writes must be durable before orders are acted on");
        // Opened again while an activity of the server was ending, it is not done once more.
        while let Some(order) = self.orders.pop_front() {
            let is_over = match &order {
                GiverOrder::Begin { effect, .. } => !self.is_begun(*effect),
                GiverOrder::There { order, .. } => self.is_over_there(order),
                _ => false,
            };
            if !is_over {
                return Some(order);
            }
        }
        None
    }

    /// Runs whose view changed since this was last asked.
    pub fn take_changed(&mut self) -> BTreeSet<RunId> {
        std::mem::take(&mut self.changed)
    }

    pub fn take_changed_deployments(&mut self) -> BTreeSet<DeploymentId> {
        std::mem::take(&mut self.changed_deployments)
    }

    pub fn poll_timeout(&self, now: Timestamp) -> Option<Timestamp> {
        let run = self.timers.first().map(|(at, _)| *at);
        let plans = self.plans.values().filter_map(|plan| plan.deployment.poll_timeout(now)).min();
        let repeat = (!self.runs.is_empty()).then_some(self.repeat_at);
        [run, plans, repeat].into_iter().flatten().min()
    }

    pub fn is_connected(&self, computer: ComputerId) -> bool {
        self.links.contains_key(&computer)
    }

    pub fn slots(&self) -> (usize, usize) {
        (self.slots_used, self.slots_max)
    }

    pub fn run(&self, run: RunId) -> Option<&Run> {
        self.runs.get(&run).map(|given| &given.run)
    }

    pub fn status(&self, deployment: DeploymentId) -> Option<deployment::Status> {
        self.plans.get(&deployment).map(|plan| plan.deployment.status())
    }

    /// The target and deployment of an open run: what its agent may fetch and deposit.
    pub fn run_of(&self, run: RunId) -> Option<(ComputerId, DeploymentId)> {
        self.runs.get(&run).map(|given| (given.computer, given.deployment))
    }

    /// Every target of a deployment that is open here, with its run and how far that is; and how
    /// many warrants the deployment has.
    pub fn targets(&self, deployment: DeploymentId) -> Option<(Vec<TargetRun>, usize)> {
        let plan = self.plans.get(&deployment)?;
        Some((plan.deployment.targets().collect(), plan.permits.len()))
    }

    /// Which copy of its deployment's workflow a run goes by.
    pub fn copy_of(&self, run: RunId) -> Option<u64> {
        let given = self.runs.get(&run)?;
        self.plans.get(&given.deployment)?.permits.get(given.warrant).map(|permit| permit.copy)
    }

    fn deploy(&mut self, new: NewDeployment, now: Timestamp) {
        let id = new.id;
        let targets: Vec<TargetRun> = new
            .targets
            .iter()
            .map(|target| (target.computer, target.run, TargetPhase::Pending))
            .collect();
        let permit = Permit {
            copy: 1,
            workflow: new.workflow,
            definition: new.definition,
            envelope: new.warrant,
            tree: new.tree,
            needs_agent: new.schedule.needs_agent,
        };
        let mut plan = Plan {
            deployment: Deployment::open(new.schedule, targets, []),
            records: 0,
            variables: new.variables,
            permits: Vec::new(),
            replaced: Vec::new(),
        };
        for (index, target) in (0u32..).zip(new.targets) {
            let base = base_context(id, &permit, &plan.variables, &target.leaf, target.reach);
            let (place, workflow) = (target.reach.place(), permit.workflow.clone());
            let Ok(run) = Run::open(target.run, place, workflow, base, []) else { continue };
            self.keep(target.run, Given::new(id, 0, index, target, run, now));
        }
        plan.permits.push(permit);
        self.plans.insert(id, plan);
        self.greet(id, now);
        self.tell_plan(id, deployment::Input::Tick, now);
    }

    fn keep(&mut self, run: RunId, given: Given) {
        // No agent has to do with the others, whether or not the target has one meanwhile.
        if given.reach == Reach::Agent {
            self.by_computer.entry(given.computer).or_default().insert(run);
        }
        self.runs.insert(run, given);
        self.changed.insert(run);
    }

    /// Tells a deployment which of its targets are there. Whether one without agent is, shows when
    /// it is reached for.
    fn greet(&mut self, id: DeploymentId, now: Timestamp) {
        let Some(plan) = self.plans.get_mut(&id) else { return };
        let targets: Vec<(ComputerId, RunId)> =
            plan.deployment.targets().map(|(computer, run, _)| (computer, run)).collect();
        for (computer, run) in targets {
            let is_reached = self.runs.get(&run).is_some_and(|given| given.reach == Reach::Ssh);
            if is_reached || self.links.contains_key(&computer) {
                plan.deployment.handle(deployment::Input::Connected(computer), now);
            }
        }
    }

    fn tell_plan(&mut self, id: DeploymentId, input: deployment::Input, now: Timestamp) {
        let Some(plan) = self.plans.get_mut(&id) else { return };
        let before = plan.deployment.status();
        let is_tick = input == deployment::Input::Tick;
        plan.deployment.handle(input, now);
        if !is_tick || plan.deployment.status() != before {
            self.changed_deployments.insert(id);
        }
        while let Some(record) = plan.deployment.poll_record() {
            let bytes = deployment::encode_record(&record);
            let seq = plan.records;
            plan.records += 1;
            self.writes.push(GiverWrite::DeploymentRecord { deployment: id, seq, bytes });
            // Suspending and moved dates change what every pending target is shown.
            self.changed.extend(plan.deployment.targets().map(|(_, run, _)| run));
        }
        let mut orders = Vec::new();
        while let Some(order) = plan.deployment.poll_order() {
            orders.push(order);
        }
        for order in orders {
            match order {
                deployment::Order::GiveUp { run, reason, .. } => {
                    self.close(run, Outcome::NotBegun, reason, now);
                }
                deployment::Order::Control { run, number, control, .. } => {
                    self.control(run, number, control, now);
                }
            }
        }
    }

    fn control(&mut self, id: RunId, number: u64, control: Control, now: Timestamp) {
        let Some(given) = self.runs.get_mut(&id) else { return };
        match given.run.state().owner() {
            _ if given.reach == Reach::Ssh => {
                self.step(id, Input::Control { number, control }, now);
            }
            Owner::Server => self.step(id, Input::Control { number, control }, now),
            Owner::Giving(_) | Owner::Target(_) | Owner::Returning(_) => {
                given.wanted.push((number, control, now));
                self.send_wanted(id);
            }
        }
        self.changed.insert(id);
    }

    fn step(&mut self, id: RunId, input: Input, now: Timestamp) {
        let Some(given) = self.runs.get_mut(&id) else { return };
        if let Err(error) = given.run.handle(input, now) {
            let (computer, text) = (Some(given.computer), error.to_string());
            self.writes.push(GiverWrite::Event { kind: "run", computer, run: Some(id), text });
        }
        self.after(id, now);
    }

    /// Ends a run that this server decides about without the run's engine: it never began, was not
    /// taken, or is lost. What the server does for it ends as well.
    fn close(&mut self, id: RunId, outcome: Outcome, reason: String, now: Timestamp) {
        let Some(given) = self.runs.get_mut(&id) else { return };
        let state = given.run.state();
        if state.outcome().is_some() {
            return;
        }
        let attempt = state.attempt();
        let visits: Vec<Visit> = state.in_progress().keys().copied().collect();
        // A run never goes back in time, whatever the clock does.
        let at = now.max(state.clock());
        let record = Record::Closed { outcome, reason: Some(reason), at };
        if let Err(error) = given.run.adopt(&record) {
            let (computer, text) = (given.computer, error.to_string());
            return self.event("run", computer, id, &text);
        }
        self.frame(id, &record, now);
        for visit in visits {
            let effect = EffectId::new(id, attempt, visit);
            if !self.interrupt_begun(effect) {
                self.interrupt_there(effect);
            }
        }
        self.after(id, now);
    }

    fn frame(&mut self, id: RunId, record: &Record, now: Timestamp) {
        let Some(given) = self.runs.get_mut(&id) else { return };
        let seq = given.chain.frames();
        let frame = given.chain.push(record);
        if given.reach == Reach::Agent {
            given.frames.push(frame.clone());
        }
        given.changed = now;
        self.changed.insert(id);
        self.writes.push(GiverWrite::Journal { run: id, seq, frame });
    }

    /// Takes what a run decided, and hands it over when it can only go on at its target.
    fn after(&mut self, id: RunId, now: Timestamp) {
        self.pump(id, now);
        let Some(given) = self.runs.get_mut(&id) else { return };
        if let Owner::Returning(_) = given.run.state().owner() {
            given.returned = Some(given.chain);
            given.frames = Vec::new();
            let ordered = std::mem::take(&mut given.wanted).into_iter();
            let controls = ordered.map(|(number, control, _)| (number, control)).collect();
            // It is being given back, so there is nothing to refuse.
            let _ = given.run.handle(Input::Regain { controls }, now);
            self.pump(id, now);
        }
        let Some(given) = self.runs.get_mut(&id) else { return };
        let link = self.links.get(&given.computer);
        let is_there = link.is_some_and(|link| given.leaves_in != Some(link.session));
        if given.run.wants_target() && is_there {
            let epoch = Epoch(given.run.state().epoch().0 + 1);
            if given.run.handle(Input::Give { epoch }, now).is_ok() {
                self.pump(id, now);
                self.send_give(id, now);
            }
        }
        self.account(id, now);
    }

    fn pump(&mut self, id: RunId, now: Timestamp) {
        while let Some(record) = self.runs.get_mut(&id).and_then(|given| given.run.poll_record()) {
            self.frame(id, &record, now);
        }
        while let Some(order) = self.runs.get_mut(&id).and_then(|given| given.run.poll_order()) {
            match order {
                Order::Begin { effect, activity, side: Side::Server } => {
                    self.begin_effect(effect, activity, None, now);
                }
                Order::Interrupt { effect, side: Side::Server } => {
                    self.orders.push_back(GiverOrder::Interrupt { effect });
                }
                order => self.order_there(id, order),
            }
        }
    }

    fn tick(&mut self, now: Timestamp) {
        while let Some((at, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, id));
            self.timer_of.remove(&id);
            self.step(id, Input::Tick, now);
        }
        let due: Vec<DeploymentId> = self
            .plans
            .iter()
            .filter(|(_, plan)| plan.deployment.status() != deployment::Status::Ended)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.tell_plan(id, deployment::Input::Tick, now);
        }
        if self.repeat_at <= now {
            self.repeat_at = now + REPEAT_AFTER;
            let open: Vec<RunId> = self.by_computer.values().flatten().copied().collect();
            open.into_iter().for_each(|id| self.say_again(id, now));
        }
    }

    /// What an agent has not confirmed is said once more.
    fn say_again(&mut self, id: RunId, now: Timestamp) {
        let Some(given) = self.runs.get(&id) else { return };
        if matches!(given.run.state().owner(), Owner::Giving(_)) {
            self.send_give(id, now);
        } else {
            self.send_wanted(id);
        }
    }

    fn close_lost(&mut self, deployment: DeploymentId, scope: &Scope, by: &str, now: Timestamp) {
        let Some(plan) = self.plans.get(&deployment) else { return };
        let begun: Vec<(ComputerId, RunId)> = plan
            .deployment
            .targets()
            .filter(|(computer, _, phase)| *phase == TargetPhase::Begun && scope.holds(*computer))
            .map(|(computer, run, _)| (computer, run))
            .collect();
        for (computer, run) in begun {
            self.close(run, Outcome::Lost, format!("closed as lost by {by}"), now);
            if self.runs.get(&run).is_some_and(|given| given.reach == Reach::Agent) {
                self.send(computer, ToAgent::Fenced { run });
            }
        }
    }

    fn send(&mut self, computer: ComputerId, message: ToAgent) {
        if let Some(link) = self.links.get(&computer) {
            let session = link.session;
            self.orders.push_back(GiverOrder::Send { computer, session, message });
        }
    }
}

/// What templates of one run are told beside its own outputs.
fn base_context(
    id: DeploymentId,
    permit: &Permit,
    given: &BTreeMap<String, String>,
    leaf: &[u8],
    reach: Reach,
) -> Context {
    let mut variables = permit.workflow.variables.clone();
    variables.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
    Context {
        computer: trust::Leaf::decode(leaf).map(|leaf| leaf.told).unwrap_or_default(),
        deployment: deployment_facts(id, &permit.workflow),
        agent: reach.agent_facts(),
        variables,
        ..Context::default()
    }
}
