//! Targets without agent: their runs never leave the server, which reaches for the machine itself.
//!
//! Such a run is opened at the place "target", so that nothing in it is handed over; what is to be
//! done on the machine comes out as [`ThereOrder`]s. The run's journal alone says what has begun
//! there; a doer that lost sight of something never redone says `interrupted`.

use workflow::Place;

use super::*;

/// How a target is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Its agent takes the run.
    #[default]
    Agent,
    /// It has no agent; the server does each activity over SSH.
    Ssh,
}

impl Reach {
    pub(super) fn place(self) -> Place {
        match self {
            Self::Agent => Place::Server,
            Self::Ssh => Place::Target,
        }
    }

    /// What templates are told of the agent before a run is with one.
    pub(super) fn agent_facts(self) -> model::Facts {
        let is_present = self == Self::Agent;
        [("present".to_owned(), is_present.to_string())].into()
    }
}

/// What is to be done on a target without agent, once it is durable that it is.
#[derive(Debug, Clone, PartialEq)]
pub enum ThereOrder {
    Begin {
        effect: EffectId,
        activity: ActivityName,
        workflow: Arc<Workflow>,
        context: Box<Context>,
        /// Who it is carried out as.
        run_as: Option<workflow::RunAs>,
    },
    /// The server died while this was in progress and it must not be done again: end what it left
    /// running, then report `interrupted`.
    Recover { effect: EffectId },
    /// End it and all it started; its report follows.
    Interrupt { effect: EffectId },
    /// Switch the machine off, as this Shutdown has prepared.
    PowerOff { effect: EffectId },
}

impl Giver {
    /// A run's order for its target.
    pub(super) fn order_there(&mut self, run: RunId, order: Order) {
        let Some(given) = self.runs.get(&run) else { return };
        if given.reach != Reach::Ssh {
            // A run at the server has nothing in progress at its agent.
            return;
        }
        let order = match order {
            Order::Begin { effect, activity, .. } => ThereOrder::Begin {
                effect,
                activity,
                workflow: given.run.workflow().clone(),
                context: Box::new(given.run.context()),
                run_as: given.run.run_as(effect).cloned(),
            },
            Order::Recover { effect, .. } => ThereOrder::Recover { effect },
            Order::Interrupt { effect, .. } => ThereOrder::Interrupt { effect },
            Order::PowerOff { effect } => ThereOrder::PowerOff { effect },
        };
        let computer = given.computer;
        self.orders.push_back(GiverOrder::There { computer, order });
    }

    /// The run was ended without its engine.
    pub(super) fn interrupt_there(&mut self, effect: EffectId) {
        let Some(given) = self.runs.get(&effect.run).filter(|given| given.reach == Reach::Ssh)
        else {
            return;
        };
        let (computer, order) = (given.computer, ThereOrder::Interrupt { effect });
        self.orders.push_back(GiverOrder::There { computer, order });
    }

    /// What a doer tells of a target without agent; of anything else it changes nothing.
    pub(super) fn ended_there(&mut self, effect: EffectId, report: Report, now: Timestamp) {
        let Some(given) = self.runs.get(&effect.run).filter(|given| given.reach == Reach::Ssh)
        else {
            return;
        };
        let activities = &given.run.workflow().activities;
        let progress = given.run.state().in_progress().get(&effect.visit);
        let kind = progress.and_then(|progress| activities.get(&progress.activity));
        if kind.is_some_and(|found| found.kind.side() == Side::Target) {
            self.step(effect.run, Input::Ended { effect, report }, now);
        }
    }

    /// Ends that were stepped and could not be made durable before this was opened again.
    pub(super) fn resume_there(
        &mut self,
        doing: &BTreeMap<EffectId, Option<Report>>,
        now: Timestamp,
    ) {
        for (effect, report) in doing {
            if let (Some(report), false) = (report, self.effects.contains_key(effect)) {
                self.ended_there(*effect, report.clone(), now);
            }
        }
    }

    /// Whether an order speaks of what has ended since it was given.
    pub(super) fn is_over_there(&self, order: &ThereOrder) -> bool {
        let (ThereOrder::Begin { effect, .. } | ThereOrder::Recover { effect }) = order else {
            return false;
        };
        let state = self.runs.get(&effect.run).map(|given| given.run.state());
        state.is_none_or(|state| {
            state.attempt() != effect.attempt || !state.in_progress().contains_key(&effect.visit)
        })
    }

    /// Whether the run's target can be worked on, as far as is known.
    pub(super) fn is_there(&self, given: &Given) -> bool {
        given.reach == Reach::Ssh || self.links.contains_key(&given.computer)
    }
}
