//! Opening the server's loop from what the database holds, and letting go of what has ended.

use super::*;

/// A deployment as the database has it, with every run of it.
#[derive(Debug)]
pub struct Case {
    pub id: DeploymentId,
    pub schedule: Schedule,
    pub variables: Arc<BTreeMap<String, String>>,
    /// In the order in which they were made.
    pub warrants: Vec<Permit>,
    pub records: Vec<deployment::Record>,
    pub runs: Vec<KeptRun>,
}

/// A run as the database has it.
#[derive(Debug)]
pub struct KeptRun {
    pub run: RunId,
    pub computer: ComputerId,
    pub warrant: usize,
    pub index: u32,
    pub leaf: Vec<u8>,
    pub reach: Reach,
    /// It has ended, and its target has another run in this deployment.
    pub is_replaced: bool,
    pub frames: Vec<Vec<u8>>,
}

/// A run whose journal makes no sense; the others go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("run {run} is set aside: {why}")]
pub struct OpenError {
    pub run: RunId,
    pub why: String,
}

impl Giver {
    /// Folds what the database holds. Runs whose journals are damaged are left out and named.
    pub fn open(
        cases: impl IntoIterator<Item = Case>,
        effects: impl IntoIterator<Item = (EffectId, Effect)>,
        slots_max: usize,
        now: Timestamp,
    ) -> (Self, Vec<OpenError>) {
        Self::open_again(cases, effects, &BTreeMap::new(), slots_max, now)
    }

    /// The same where the server lives on: `doing` are activities of it that are still being done,
    /// or whose ends, given here, are not durable yet. Neither is begun anew nor taken for cut off.
    pub fn open_again(
        cases: impl IntoIterator<Item = Case>,
        effects: impl IntoIterator<Item = (EffectId, Effect)>,
        doing: &BTreeMap<EffectId, Option<Report>>,
        slots_max: usize,
        now: Timestamp,
    ) -> (Self, Vec<OpenError>) {
        let effects: BTreeMap<EffectId, Effect> = effects.into_iter().collect();
        let is_begun = |(id, effect)| matches!(effect, &Effect::Begun(_)).then_some(id);
        let begun: BTreeSet<EffectId> = effects.iter().filter_map(is_begun).copied().collect();
        let mut giver = Self {
            plans: BTreeMap::new(),
            runs: BTreeMap::new(),
            by_computer: BTreeMap::new(),
            links: BTreeMap::new(),
            newest: BTreeMap::new(),
            last_seen: BTreeMap::new(),
            effects,
            begun,
            timers: BTreeSet::new(),
            timer_of: BTreeMap::new(),
            slots_max,
            slots_used: 0,
            repeat_at: now + REPEAT_AFTER,
            changed: BTreeSet::new(),
            changed_deployments: BTreeSet::new(),
            writes: Vec::new(),
            orders: VecDeque::new(),
        };
        let mut aside = Vec::new();
        for case in cases {
            giver.open_case(case, now, &mut aside);
        }
        giver.resume_effects(doing, now);
        giver.resume_there(doing, now);
        (giver, aside)
    }

    /// Takes in a deployment that had been let go of; whether one of its runs was set aside.
    pub fn load(&mut self, case: Case, now: Timestamp) -> Vec<OpenError> {
        let mut aside = Vec::new();
        if !self.plans.contains_key(&case.id) {
            self.open_case(case, now, &mut aside);
        }
        aside
    }

    /// Deployments that are open here, ended ones among them until they are unloaded.
    pub fn deployments(&self) -> impl Iterator<Item = DeploymentId> {
        self.plans.keys().copied()
    }

    /// Drops a deployment that has ended; whoever still speaks of its runs is looked up in the
    /// database. Says whether it did.
    pub fn unload(&mut self, id: DeploymentId) -> bool {
        if self.status(id) != Some(deployment::Status::Ended) {
            return false;
        }
        let Some(plan) = self.plans.remove(&id) else { return false };
        let current: Vec<RunId> = plan.deployment.targets().map(|(_, run, _)| run).collect();
        for run in current.into_iter().chain(plan.replaced.iter().copied()) {
            self.runs.remove(&run);
            self.set_timer(run, None);
            let last = EffectId::new(run, u32::MAX, Visit(u32::MAX)).part(u32::MAX);
            let first = EffectId::new(run, 0, Visit(0));
            let effects: Vec<EffectId> =
                self.effects.range(first..=last).map(|(effect, _)| *effect).collect();
            for effect in &effects {
                self.effects.remove(effect);
                self.begun.remove(effect);
            }
        }
        for (computer, ..) in plan.deployment.targets() {
            if self.by_computer.get(&computer).is_some_and(BTreeSet::is_empty) {
                self.by_computer.remove(&computer);
            }
        }
        true
    }

    fn open_case(&mut self, case: Case, now: Timestamp, aside: &mut Vec<OpenError>) {
        let id = case.id;
        let mut plan = Plan {
            deployment: Deployment::open(case.schedule, [], []),
            records: case.records.len() as u64,
            variables: case.variables,
            permits: case.warrants,
            replaced: Vec::new(),
        };
        let (mut targets, mut needs) = (Vec::new(), Vec::new());
        for kept in case.runs {
            let (run, computer, is_replaced) = (kept.run, kept.computer, kept.is_replaced);
            let permit = plan.permits.get(kept.warrant);
            let needs_agent = permit.is_some_and(|permit| permit.needs_agent);
            match open_run(id, &plan, kept, &case.records, now) {
                Ok(given) if is_replaced => {
                    plan.replaced.push(run);
                    self.runs.insert(run, given);
                    self.changed.insert(run);
                }
                Ok(given) => {
                    targets.push((computer, run, phase_of(&given.run)));
                    needs.push((computer, needs_agent));
                    self.keep(run, given);
                }
                Err(why) => aside.push(OpenError { run, why }),
            }
        }
        let runs: Vec<RunId> = targets.iter().map(|(_, run, _)| *run).collect();
        plan.deployment = Deployment::open(case.schedule, targets, case.records);
        for (computer, needs_agent) in needs {
            plan.deployment.set_needs_agent(computer, needs_agent);
        }
        self.plans.insert(id, plan);
        self.greet(id, now);
        for run in runs {
            self.after(run, now);
        }
    }

    /// Activities of the server that were begun when it died: again where that does no harm.
    fn resume_effects(&mut self, doing: &BTreeMap<EffectId, Option<Report>>, now: Timestamp) {
        let begun = |(id, effect): (&EffectId, &Effect)| match effect {
            Effect::Begun(call) => Some((*id, call.clone())),
            Effect::Ended(_) => None,
        };
        let begun: Vec<(EffectId, Option<Call>)> = self.effects.iter().filter_map(begun).collect();
        for (effect, call) in begun {
            let Some(given) = self.runs.get(&effect.run) else { continue };
            let progress = given.run.state().in_progress().get(&effect.visit);
            let activity = progress.map(|progress| progress.activity.clone());
            let activities = &given.run.workflow().activities;
            // Whether what a script called for may be done again, its doer sees.
            let is_redone = activity
                .as_ref()
                .and_then(|name| activities.get(name))
                .is_some_and(|found| call.is_some() || found.kind.can_be_redone());
            match (activity, doing.get(&effect)) {
                (_, Some(Some(report))) => self.effect_ended(effect, report.clone(), now),
                (Some(_), Some(None)) => {}
                (Some(activity), None) if is_redone => {
                    let (workflow, context) =
                        (given.run.workflow().clone(), Box::new(given.run.context()));
                    self.orders.push_back(GiverOrder::Begin {
                        effect,
                        activity,
                        call,
                        workflow,
                        context,
                        again: true,
                    });
                }
                _ => self.effect_ended(effect, Report::of(workflow::Event::Interrupted), now),
            }
        }
    }
}

fn open_run(
    id: DeploymentId,
    plan: &Plan,
    kept: KeptRun,
    records: &[deployment::Record],
    now: Timestamp,
) -> Result<Given, String> {
    let mut chain = Chain::new(kept.run);
    let mut journal = Vec::with_capacity(kept.frames.len());
    let mut returned = None;
    for frame in &kept.frames {
        let seq = chain.frames();
        let (record, length) =
            chain.read(frame).map_err(|error| format!("record {seq} of its journal: {error}"))?;
        if length != frame.len() {
            return Err(format!("record {seq} of its journal: bytes are left over"));
        }
        if let workflow::Record::Returning { .. } = record {
            returned = Some(chain);
        }
        journal.push(record);
    }
    let permit = plan.permits.get(kept.warrant).ok_or("its warrant is missing")?;
    let base = base_context(id, permit, &plan.variables, &kept.leaf, kept.reach);
    let run = Run::open(kept.run, kept.reach.place(), permit.workflow.clone(), base, journal)
        .map_err(|error| error.to_string())?;
    let last_order = run.state().last_order();
    let is_away = kept.reach == Reach::Agent && run.state().owner() != Owner::Server;
    // Orders from before a target began anew were not for this run.
    let is_since = |record: &deployment::Record| match record {
        deployment::Record::Renewed { targets, .. } => targets.contains(&kept.computer),
        _ => false,
    };
    let since = records.iter().rposition(is_since).unwrap_or(0);
    let wanted = (1u64..)
        .zip(records)
        .skip(since)
        .filter(|(number, _)| is_away && *number > last_order)
        .filter_map(|(number, record)| match record {
            deployment::Record::Controlled { scope, control, at, .. }
                if scope.holds(kept.computer) =>
            {
                Some((number, *control, *at))
            }
            _ => None,
        })
        .collect();
    let is_taken = matches!(run.state().owner(), Owner::Target(_));
    let held = returned.map_or(0, |chain: Chain| chain.frames() as usize);
    let frames = if is_taken { Vec::new() } else { kept.frames.into_iter().skip(held).collect() };
    Ok(Given {
        deployment: id,
        computer: kept.computer,
        warrant: kept.warrant,
        index: kept.index,
        leaf: kept.leaf,
        reach: kept.reach,
        run,
        chain,
        frames,
        returned,
        leaves_in: None,
        held: None,
        wanted,
        takes_slot: false,
        diverged: None,
        is_replaced: kept.is_replaced,
        changed: now,
    })
}

fn phase_of(run: &Run) -> TargetPhase {
    match run.state().phase() {
        Phase::NotOpened => TargetPhase::Pending,
        Phase::Closed { outcome, .. } => TargetPhase::Ended(*outcome),
        Phase::Going | Phase::Concluding { .. } | Phase::Retrying { .. } => TargetPhase::Begun,
    }
}
