//! A run, interpreted: inputs in, records and orders out.
//!
//! The driver makes every record that [`Run::poll_record`] yields durable before it acts on
//! anything that [`Run::poll_order`] yields. When making durable fails it drops the run and opens
//! it again from the journal.

mod settle;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use model::{Outcome, RunId, Span, Timestamp};

use crate::context::wait_until;
use crate::journal::FRAME_BYTES_MAX;
use crate::record::{
    Cause, Control, EffectId, Epoch, Place, Record, Remaining, Report, RunAs, Visit,
};
use crate::state::{
    Arrival, Impossible, Owner, Phase, Progress, RECORDS_MAX, State, ends_run, is_instant,
};
use crate::{Activity, ActivityName, Context, Event, Kind, Side, Template, Workflow};

/// Times that each activity may begin in one step, on average, before the run counts as an endless
/// cycle without time; small workflows get some more.
const BEGUN_AT_ONCE_MAX: (usize, usize) = (10, 1_000);
/// Transitions that fired and wait for their activity, before the run counts as going in circles.
const ARRIVALS_MAX: usize = 10_000;
/// What all outputs and the note of one visit may come to.
const OUTPUT_BYTES_MAX: usize = FRAME_BYTES_MAX / 3;
/// Records kept back so that a run at its limit can still be ended in order.
const RECORDS_SPARE: u64 = 5_000;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The run may begin; ignored when it has.
    Open,
    /// Time passed.
    Tick,
    /// A doer tells how an effect ended. Telling it twice changes nothing.
    Ended { effect: EffectId, report: Report },
    /// A person's order. Numbers already counted change nothing.
    Control { number: u64, control: Control },
    /// The run must not go on: it fails with this reason.
    Fail { reason: String },
    /// The run shall be given to the target's agent.
    Give { epoch: Epoch },
    /// The server has the run that the agent has given back; `controls` is what people have ordered
    /// of it since it was given away.
    Regain { controls: Vec<(u64, Control)> },
    /// The agent takes the run; `remaining` is what the giver says is left of each visit's times,
    /// `controls` what people have ordered of the run since it was given away.
    Take { epoch: Epoch, remaining: Vec<Remaining>, controls: Vec<(u64, Control)> },
}

/// What is to be done, each once its records are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Carry the activity out, unless this effect is remembered as begun or ended.
    Begin { effect: EffectId, activity: ActivityName, side: Side },
    /// The doer died while the activity was in progress and it must not be carried out again: end
    /// what it left running, then report `interrupted`.
    Recover { effect: EffectId, activity: ActivityName },
    /// End the effect and all it started, then report it ended.
    Interrupt { effect: EffectId, side: Side },
    /// Switch the machine off, unless it was started anew since that was prepared.
    PowerOff { effect: EffectId },
}

/// What a run waits for, as people are shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    Wait {
        activity: ActivityName,
    },
    Timeout {
        activity: ActivityName,
    },
    Retry,
    /// It was just opened: what was not decided before its owner died is decided at once.
    Reopened,
}

/// An input that makes no sense now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the run cannot be given away: {why}")]
    Give { why: &'static str },
    #[error(transparent)]
    Impossible(#[from] Impossible),
}

/// A journal that is no run of this workflow.
pub type ReplayError = Impossible;

/// A run of one workflow, at one place.
#[derive(Debug, Clone)]
pub struct Run {
    id: RunId,
    here: Place,
    workflow: Arc<Workflow>,
    base: Context,
    state: State,
    records: VecDeque<Record>,
    orders: VecDeque<Order>,
    /// The journal may end in the middle of what one step decided: the rest is decided again.
    is_reopened: bool,
}

impl Run {
    /// Folds the journal and, where `here` acts for the run, orders what was in progress again.
    pub fn open(
        id: RunId,
        here: Place,
        workflow: Arc<Workflow>,
        base: Context,
        journal: impl IntoIterator<Item = Record>,
    ) -> Result<Self, ReplayError> {
        let mut state = State::default();
        for record in journal {
            state.apply(&workflow, &record)?;
        }
        let (records, orders) = (VecDeque::new(), VecDeque::new());
        let is_reopened = false;
        let mut run = Self { id, here, workflow, base, state, records, orders, is_reopened };
        if let (Place::Target, Owner::Returning(_), Some(visit)) =
            (here, run.state.owner(), run.state.leaving())
        {
            let effect = run.effect(visit);
            run.orders.push_back(Order::PowerOff { effect });
        }
        if run.is_acting() && *run.state.phase() != Phase::NotOpened {
            run.is_reopened = run.state.outcome().is_none();
            run.order_again();
        }
        Ok(run)
    }

    pub fn id(&self) -> RunId {
        self.id
    }

    pub fn workflow(&self) -> &Arc<Workflow> {
        &self.workflow
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether this place decides for the run now.
    pub fn is_acting(&self) -> bool {
        match (self.state.owner(), self.here) {
            (Owner::Server, Place::Server) | (Owner::Target(_), Place::Target) => true,
            (Owner::Giving(_) | Owner::Server | Owner::Target(_) | Owner::Returning(_), _) => {
                self.here == Place::Target && *self.state.phase() == Phase::NotOpened
            }
        }
    }

    /// What templates may speak of now.
    pub fn context(&self) -> Context {
        let mut context = self.base.clone();
        context.run.insert("id".into(), self.id.to_string());
        context.run.insert("attempt".into(), self.state.attempt().to_string());
        context.outputs.clone_from(self.state.outputs());
        context.variables.extend(self.state.variables().clone());
        context
    }

    /// Who an activity in progress acts as; the agent itself when nobody is named.
    pub fn run_as(&self, effect: EffectId) -> Option<&RunAs> {
        self.state.in_progress().get(&effect.visit)?.run_as.as_ref()
    }

    /// Some branch can only go on at the target, and the run is at the server.
    pub fn wants_target(&self) -> bool {
        self.state.owner() == Owner::Server
            && *self.state.phase() == Phase::Going
            && !self.state.is_suspended()
            && self.state.arrivals().iter().any(|arrival| self.is_for_target(arrival))
    }

    /// What is left of each visit's times, for the hand-over message.
    pub fn remaining(&self, now: Timestamp) -> Vec<Remaining> {
        let now = now.max(self.state.clock());
        let left = |instant: Option<Timestamp>| instant.map(|instant| instant.since(now));
        self.state
            .in_progress()
            .iter()
            .filter(|(_, progress)| progress.until.is_some() || progress.deadline.is_some())
            .map(|(visit, progress)| Remaining {
                visit: *visit,
                until: left(progress.until),
                deadline: left(progress.deadline),
            })
            .collect()
    }

    /// Folds in a record that the run's owner elsewhere decided.
    pub fn adopt(&mut self, record: &Record) -> Result<(), Impossible> {
        self.state.apply(&self.workflow, record)
    }

    pub fn handle(&mut self, input: Input, now: Timestamp) -> Result<(), Refused> {
        if self.is_acting() {
            self.is_reopened = false;
        }
        // The run goes by the clock of the machine that has it, so only there it never goes back.
        let changes_hands = matches!(input, Input::Take { .. } | Input::Regain { .. });
        let now = if changes_hands { now } else { now.max(self.state.clock()) };
        if self.is_acting() {
            // Its owner died between the two records.
            self.leave(now)?;
        }
        match input {
            Input::Take { epoch, remaining, controls } => {
                self.write(Record::Taken { epoch, remaining, at: now })?;
                for (number, control) in controls {
                    self.control(number, control, now)?;
                }
                self.order_again();
            }
            Input::Regain { controls } => {
                let Owner::Returning(epoch) = self.state.owner() else { return Ok(()) };
                let remaining = self.remaining(self.state.clock());
                self.write(Record::Regained { epoch, remaining, at: now })?;
                for (number, control) in controls {
                    self.control(number, control, now)?;
                }
                self.order_again();
            }
            _ if !self.is_acting() && !self.may_open(&input) => return Ok(()),
            Input::Open => self.begin_run(now)?,
            Input::Tick => {}
            Input::Ended { effect, report } => self.take_report(effect, report, now)?,
            Input::Control { number, control } => self.control(number, control, now)?,
            Input::Fail { reason } => {
                if matches!(self.state.phase(), Phase::Going | Phase::Retrying { .. }) {
                    self.conclude(Outcome::Failure, Some(reason), None, now)?;
                }
            }
            Input::Give { epoch } => return self.give(epoch, now),
        }
        self.strike_timers(now)?;
        self.settle(now)?;
        Ok(())
    }

    pub fn poll_record(&mut self) -> Option<Record> {
        self.records.pop_front()
    }

    /// The next order; only to be asked once every record has been taken and made durable.
    pub fn poll_order(&mut self) -> Option<Order> {
        debug_assert!(
            self.records.is_empty(),
            "records must be durable before orders are acted on"
        );
        self.orders.pop_front()
    }

    /// The next instant at which time alone changes something.
    pub fn poll_timeout(&self) -> Option<(Timestamp, Why)> {
        if !self.is_acting() {
            return None;
        }
        if self.is_reopened {
            return Some((Timestamp::EPOCH, Why::Reopened));
        }
        let mut next: Option<(Timestamp, Why)> = None;
        let mut offer = |at: Timestamp, why: Why| {
            if next.as_ref().is_none_or(|(earliest, _)| at < *earliest) {
                next = Some((at, why));
            }
        };
        if let Phase::Retrying { not_before } = self.state.phase()
            && self.state.in_progress().is_empty()
            && !self.state.is_suspended()
        {
            offer(*not_before, Why::Retry);
        }
        for progress in self.state.in_progress().values().filter(|p| p.stopping.is_none()) {
            let activity = progress.activity.clone();
            if let Some(at) = progress.until {
                offer(at, Why::Wait { activity: activity.clone() });
            }
            if let Some(at) = progress.deadline {
                offer(at, Why::Timeout { activity });
            }
        }
        next
    }

    fn may_open(&self, input: &Input) -> bool {
        *input == Input::Open && *self.state.phase() == Phase::NotOpened
    }

    fn write(&mut self, record: Record) -> Result<(), Impossible> {
        self.state.apply(&self.workflow, &record)?;
        self.records.push_back(record);
        Ok(())
    }

    fn effect(&self, visit: Visit) -> EffectId {
        EffectId::new(self.id, self.state.attempt(), visit)
    }

    fn kind(&self, activity: &ActivityName) -> Option<&Kind> {
        self.workflow.activities.get(activity).map(|found| &found.kind)
    }

    fn side(&self, activity: &ActivityName) -> Side {
        self.kind(activity).map_or(Side::Any, Kind::side)
    }

    fn is_for_target(&self, arrival: &Arrival) -> bool {
        self.side(&arrival.to) == Side::Target
    }

    /// After a death or a hand-over: what was in progress is asked for again, or recovered. While
    /// the run or the pass ends nothing is carried out again.
    fn order_again(&mut self) {
        let is_going = *self.state.phase() == Phase::Going && !self.state.is_aborted();
        let in_progress: Vec<(Visit, Progress)> =
            self.state.in_progress().iter().map(|(v, p)| (*v, p.clone())).collect();
        for (visit, progress) in in_progress {
            let effect = self.effect(visit);
            let activity = progress.activity;
            let side = self.side(&activity);
            let is_redone = is_going
                && progress.stopping.is_none()
                && self.kind(&activity).is_some_and(Kind::can_be_redone);
            match side {
                Side::Any => {}
                Side::Server if is_going => {
                    self.orders.push_back(Order::Begin { effect, activity, side });
                }
                Side::Server => {}
                Side::Target if is_redone => {
                    self.orders.push_back(Order::Begin { effect, activity, side });
                }
                Side::Target => self.orders.push_back(Order::Recover { effect, activity }),
            }
        }
    }

    fn begin_run(&mut self, now: Timestamp) -> Result<(), Impossible> {
        if *self.state.phase() == Phase::NotOpened {
            self.write(Record::Opened { place: self.here, at: now })?;
        }
        Ok(())
    }

    fn take_report(
        &mut self,
        effect: EffectId,
        mut report: Report,
        now: Timestamp,
    ) -> Result<(), Impossible> {
        let Some(progress) = self.state.in_progress().get(&effect.visit) else { return Ok(()) };
        if effect != self.effect(effect.visit) {
            return Ok(());
        }
        if let Some(event) = &progress.stopping {
            report.event = event.clone();
        }
        let activity = self.workflow.activities.get(&progress.activity);
        let is_off = activity.is_some_and(|found| found.kind.powers_off())
            && progress.stopping.is_none()
            && report.event == Event::Ok;
        let report = told(report, activity);
        self.write(Record::Ended { visit: effect.visit, report, at: now })?;
        if is_off && self.state.leaving().is_none() {
            // Nobody gave the run here, so there is nobody to give it back to.
            self.orders.push_back(Order::PowerOff { effect });
        }
        self.leave(now)
    }

    /// The machine goes off: the run goes back to the server before.
    fn leave(&mut self, now: Timestamp) -> Result<(), Impossible> {
        let (Some(visit), Owner::Target(epoch)) = (self.state.leaving(), self.state.owner()) else {
            return Ok(());
        };
        self.write(Record::Returning { epoch, visit, at: now })?;
        let effect = self.effect(visit);
        self.orders.push_back(Order::PowerOff { effect });
        Ok(())
    }

    fn control(&mut self, number: u64, control: Control, now: Timestamp) -> Result<(), Impossible> {
        if number <= self.state.last_order() || self.state.outcome().is_some() {
            return Ok(());
        }
        self.write(Record::Controlled { number, control, at: now })
    }

    fn give(&mut self, epoch: Epoch, now: Timestamp) -> Result<(), Refused> {
        if !self.wants_target() {
            return Err(Refused::Give { why: "nothing in it is for the target now" });
        }
        self.write(Record::Giving { epoch, at: now })?;
        Ok(())
    }

    fn strike_timers(&mut self, now: Timestamp) -> Result<(), Impossible> {
        if !self.is_acting() {
            return Ok(());
        }
        let due: Vec<(Visit, Event)> = self
            .state
            .in_progress()
            .iter()
            .filter(|(_, progress)| progress.stopping.is_none())
            .filter_map(|(visit, progress)| Some((*visit, self.due_event(progress, now)?)))
            .collect();
        for (visit, event) in due {
            if self.state.in_progress().contains_key(&visit) {
                self.stop_visit(visit, event, now)?;
            }
        }
        Ok(())
    }

    /// Ends one visit with `event`: at once where nothing runs, else once its doer has ended it.
    fn stop_visit(&mut self, visit: Visit, event: Event, now: Timestamp) -> Result<(), Impossible> {
        let Some(progress) = self.state.in_progress().get(&visit) else { return Ok(()) };
        if progress.stopping.is_some() {
            return Ok(());
        }
        let side = self.side(&progress.activity);
        let effect = self.effect(visit);
        match side {
            Side::Any => self.write(Record::Ended { visit, report: Report::of(event), at: now }),
            Side::Server => {
                self.write(Record::Ended { visit, report: Report::of(event), at: now })?;
                self.orders.push_back(Order::Interrupt { effect, side });
                Ok(())
            }
            Side::Target => {
                self.write(Record::Stopping { visit, event, at: now })?;
                self.orders.push_back(Order::Interrupt { effect, side });
                Ok(())
            }
        }
    }

    fn stop_all(&mut self, now: Timestamp) -> Result<(), Impossible> {
        let visits: Vec<Visit> = self.state.in_progress().keys().copied().collect();
        visits.into_iter().try_for_each(|visit| self.stop_visit(visit, Event::Interrupted, now))
    }

    fn conclude(
        &mut self,
        outcome: Outcome,
        reason: Option<String>,
        by: Option<ActivityName>,
        now: Timestamp,
    ) -> Result<(), Impossible> {
        self.write(Record::Concluding { outcome, reason, by, at: now })
    }

    fn due_event(&self, progress: &Progress, now: Timestamp) -> Option<Event> {
        let until = progress.until.filter(|at| *at <= now);
        let deadline = progress.deadline.filter(|at| *at <= now);
        let kind = self.kind(&progress.activity);
        let is_wait = matches!(kind, Some(Kind::Wait { .. }));
        match (until, deadline) {
            // Its owner died before it said so: it is chosen again.
            _ if let Some(Kind::Choose { value }) = kind => Some(self.chosen(value).event),
            // How long it lasts could not be told, and its owner died before it said so.
            _ if is_wait && progress.until.is_none() => Some(Event::Error),
            (Some(until), Some(deadline)) if deadline < until => Some(Event::Timeout),
            (Some(_), _) => Some(Event::Ok),
            (None, Some(_)) => Some(Event::Timeout),
            (None, None) => None,
        }
    }
}

/// A report as the journal can hold it: `exit 0` is `ok` where nothing names it, an event that
/// could not be read back is an error, and no text is longer than a frame can bear.
fn told(mut report: Report, activity: Option<&Activity>) -> Report {
    let is_named = |event: &Event| activity.is_some_and(|found| found.on.contains_key(event));
    if report.event == Event::Exit(0) && !is_named(&report.event) {
        report.event = Event::Ok;
    }
    if report.event.to_string().parse().as_ref() != Ok(&report.event) {
        report.note.get_or_insert(format!("`{}` is no event", report.event));
        report.event = Event::Error;
    }
    let bytes = |report: &Report| {
        let outputs = report.outputs.iter().map(|(name, text)| name.len() + text.len() + 8);
        outputs.sum::<usize>() + report.note.as_ref().map_or(0, String::len)
    };
    if bytes(&report) > OUTPUT_BYTES_MAX {
        let each_max = OUTPUT_BYTES_MAX / (report.outputs.len() + 1);
        let texts = report.outputs.values_mut().chain(&mut report.note);
        texts.for_each(|text| shorten(text, each_max));
    }
    if bytes(&report) > 2 * OUTPUT_BYTES_MAX {
        report.outputs.clear();
    }
    report
}

fn shorten(text: &mut String, length_max: usize) {
    if text.len() > length_max {
        text.truncate(text.floor_char_boundary(length_max));
    }
}
