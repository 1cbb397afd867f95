//! A run's state: the fold of its journal over the definition, and nothing else.
//!
//! A sequence that no run can produce is refused, so the same fold guards the server against an
//! agent that makes up a journal.

mod admits;

use std::collections::{BTreeMap, VecDeque};

use model::{Outcome, Timestamp};

use crate::record::{
    Cause, Control, Epoch, Outputs, Place, Record, Remaining, Report, RunAs, Visit,
};
use crate::{ActivityName, Event, Impersonate, Kind, Side, Workflow};

/// Records a run may have, so that a loop cannot fill a disk.
pub const RECORDS_MAX: u64 = 100_000;

/// A record that cannot follow those before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} ({kind}) cannot stand here: {why}")]
pub struct Impossible {
    pub seq: u64,
    pub kind: &'static str,
    pub why: String,
}

/// Who acts for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Server,
    /// Given away, not yet known to be taken: nobody acts.
    Giving(Epoch),
    Target(Epoch),
    /// Given back, the server has not said that it has it: nobody acts.
    Returning(Epoch),
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    NotOpened,
    Going,
    /// Will end as soon as nothing is in progress.
    Concluding {
        outcome: Outcome,
        reason: Option<String>,
    },
    /// Will begin again as soon as nothing is in progress and the delay is over.
    Retrying {
        not_before: Timestamp,
    },
    Closed {
        outcome: Outcome,
        reason: Option<String>,
    },
}

/// An activity in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub activity: ActivityName,
    pub began: Timestamp,
    pub until: Option<Timestamp>,
    pub deadline: Option<Timestamp>,
    /// Nothing of it goes on but waiting.
    pub is_only_waiting: bool,
    /// It is being ended and will end with this event.
    pub stopping: Option<Event>,
    /// Who its branch acts as; the agent itself unless an Impersonate came before.
    pub run_as: Option<RunAs>,
}

/// A transition that fired and whose activity has not yet taken it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    pub to: ActivityName,
    pub by: Option<Cause>,
    /// Who the branch acts as from here on.
    pub run_as: Option<RunAs>,
}

/// One visit, for people: the path a run took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub visit: Visit,
    pub attempt: u32,
    pub activity: ActivityName,
    pub event: Option<Event>,
    pub note: Option<String>,
    pub begin: Timestamp,
    pub end: Option<Timestamp>,
}

impl Step {
    /// What it emitted, and the note for people: where an event stands in for a more specific one
    /// and nothing else was noted, that one.
    pub fn told(&self, workflow: &Workflow) -> (Option<Event>, Option<String>) {
        let emitted = self.event.as_ref().map(|event| workflow.emitted(&self.activity, event));
        let specific = self.event.as_ref().filter(|event| {
            emitted == Some(Event::Error) && !matches!(event, Event::Error | Event::Named(_))
        });
        (emitted, self.note.clone().or_else(|| specific.map(ToString::to_string)))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct State {
    phase: Phase,
    owner: Owner,
    /// Of the latest hand-over.
    epoch: Epoch,
    /// What switched the machine off, or is about to.
    leaving: Option<Visit>,
    is_suspended: bool,
    is_aborted: bool,
    attempt: u32,
    /// Records folded so far: the sequence number of the next one.
    records: u64,
    visits: u32,
    /// The latest instant by the clock of its owner; the run never goes back behind it.
    clock: Timestamp,
    began: Option<Timestamp>,
    in_progress: BTreeMap<Visit, Progress>,
    arrivals: VecDeque<Arrival>,
    outputs: BTreeMap<ActivityName, Outputs>,
    /// What scripts set in this pass.
    variables: BTreeMap<String, String>,
    unhandled: Vec<Cause>,
    last_order: u64,
    path: Vec<Step>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            phase: Phase::NotOpened,
            owner: Owner::Server,
            epoch: Epoch(0),
            leaving: None,
            is_suspended: false,
            is_aborted: false,
            attempt: 1,
            records: 0,
            visits: 0,
            clock: Timestamp::EPOCH,
            began: None,
            in_progress: BTreeMap::new(),
            arrivals: VecDeque::new(),
            outputs: BTreeMap::new(),
            variables: BTreeMap::new(),
            unhandled: Vec::new(),
            last_order: 0,
            path: Vec::new(),
        }
    }
}

impl State {
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// The number of the latest hand-over.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The Shutdown that switches the machine off now, until the server has the run again.
    pub fn leaving(&self) -> Option<Visit> {
        self.leaving
    }

    pub fn is_suspended(&self) -> bool {
        self.is_suspended
    }

    /// A person ordered the run's end.
    pub fn is_aborted(&self) -> bool {
        self.is_aborted
    }

    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    pub fn records(&self) -> u64 {
        self.records
    }

    pub fn clock(&self) -> Timestamp {
        self.clock
    }

    pub fn in_progress(&self) -> &BTreeMap<Visit, Progress> {
        &self.in_progress
    }

    pub fn arrivals(&self) -> &VecDeque<Arrival> {
        &self.arrivals
    }

    pub fn outputs(&self) -> &BTreeMap<ActivityName, Outputs> {
        &self.outputs
    }

    /// What scripts set in this pass; these values count instead of those the run began with.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Errors that no transition took.
    pub fn unhandled(&self) -> &[Cause] {
        &self.unhandled
    }

    /// The number of the latest order of a person that counts.
    pub fn last_order(&self) -> u64 {
        self.last_order
    }

    pub fn path(&self) -> &[Step] {
        &self.path
    }

    /// When the run began.
    pub fn began(&self) -> Option<Timestamp> {
        self.began
    }

    pub(crate) fn next_visit(&self) -> Visit {
        Visit(self.visits + 1)
    }

    pub fn outcome(&self) -> Option<(Outcome, Option<&str>)> {
        match &self.phase {
            Phase::Closed { outcome, reason } => Some((*outcome, reason.as_deref())),
            _ => None,
        }
    }

    /// Nothing but Waits is in progress: such a run takes no slot.
    pub fn only_waits(&self) -> bool {
        !self.in_progress.is_empty()
            && self.in_progress.values().all(|progress| progress.is_only_waiting)
    }

    /// What is still missing for `join` to go on, counting arrivals not yet taken.
    pub fn missing(&self, workflow: &Workflow, join: &ActivityName) -> Vec<Cause> {
        incoming(workflow, join)
            .into_iter()
            .filter(|cause| {
                !self.arrivals.iter().any(|a| &a.to == join && a.by.as_ref() == Some(cause))
            })
            .collect()
    }

    /// Folds one record in.
    pub fn apply(&mut self, workflow: &Workflow, record: &Record) -> Result<(), Impossible> {
        let impossible = |why: String| Impossible { seq: self.records, kind: record.kind(), why };
        if let Err(why) = self.admits(workflow, record) {
            return Err(impossible(why));
        }
        self.records += 1;
        // At a hand-over the run changes clocks.
        self.clock = match record {
            Record::Taken { at, .. } | Record::Regained { at, .. } => *at,
            _ => self.clock.max(record.at()),
        };
        self.fold(workflow, record.clone());
        Ok(())
    }

    /// Whether something is in progress on the target.
    pub(crate) fn is_target_busy(&self, workflow: &Workflow) -> bool {
        self.progress_of(workflow).any(|kind| kind.side() == Side::Target)
    }

    /// Whether the target is being restarted or switched off.
    pub(crate) fn is_shutting_down(&self, workflow: &Workflow) -> bool {
        self.progress_of(workflow).any(|kind| matches!(kind, Kind::Shutdown(_)))
    }

    fn progress_of<'w>(&self, workflow: &'w Workflow) -> impl Iterator<Item = &'w Kind> {
        let activities = self.in_progress.values().map(|progress| &progress.activity);
        activities.filter_map(|name| workflow.activities.get(name)).map(|found| &found.kind)
    }

    pub(crate) fn is_active(&self, activity: &ActivityName) -> bool {
        self.in_progress.values().any(|progress| &progress.activity == activity)
    }

    fn fold(&mut self, workflow: &Workflow, record: Record) {
        match record {
            Record::Opened { place, at } => self.open(workflow, place, at),
            Record::Began { visit, activity, by, at, until, deadline } => {
                let run_as = self.take_arrival(&activity, by.as_ref()).flatten();
                self.enter(visit, &activity, at);
                let kind = workflow.activities.get(&activity).map(|found| &found.kind);
                let progress = Progress {
                    activity,
                    began: at,
                    until,
                    deadline,
                    is_only_waiting: kind.is_some_and(Kind::only_waits),
                    stopping: None,
                    run_as,
                };
                self.in_progress.insert(visit, progress);
            }
            Record::Passed { visit, activity, by, at } => {
                self.pass(workflow, visit, &activity, by.as_ref(), at);
            }
            Record::Stopping { visit, event, .. } => {
                if let Some(progress) = self.in_progress.get_mut(&visit) {
                    progress.stopping = Some(event);
                }
            }
            Record::Ended { visit, report, at } => self.end(workflow, visit, report, at),
            Record::Concluding { outcome, reason, by, at } => {
                self.phase = Phase::Concluding { outcome, reason };
                self.note_last_step(by, at);
                self.arrivals.clear();
            }
            Record::Retrying { activity, not_before, at } => {
                self.phase = Phase::Retrying { not_before };
                self.note_last_step(Some(activity), at);
                self.arrivals.clear();
            }
            Record::Restarted { attempt, .. } => {
                self.phase = Phase::Going;
                self.attempt = attempt;
                self.outputs.clear();
                self.variables.clear();
                self.unhandled.clear();
                self.arrive_at_start(workflow);
            }
            Record::Controlled { number, control, .. } => {
                self.last_order = number;
                match control {
                    Control::Suspend => self.is_suspended = true,
                    Control::Resume => self.is_suspended = false,
                    Control::Abort => self.is_aborted = true,
                }
            }
            Record::Giving { .. }
            | Record::Taken { .. }
            | Record::Returning { .. }
            | Record::Regained { .. } => self.change_hands(record),
            Record::Closed { outcome, reason, .. } => {
                self.phase = Phase::Closed { outcome, reason };
                self.in_progress.clear();
                self.arrivals.clear();
            }
        }
    }

    fn open(&mut self, workflow: &Workflow, place: Place, at: Timestamp) {
        self.phase = Phase::Going;
        self.began = Some(at);
        if place == Place::Target {
            self.owner = Owner::Target(Epoch(0));
        }
        self.arrive_at_start(workflow);
    }

    fn change_hands(&mut self, record: Record) {
        match record {
            Record::Giving { epoch, .. } => {
                self.owner = Owner::Giving(epoch);
                self.epoch = epoch;
            }
            Record::Taken { epoch, remaining, at } => {
                self.owner = Owner::Target(epoch);
                self.go_by_another_clock(&remaining, at);
            }
            Record::Returning { epoch, .. } => self.owner = Owner::Returning(epoch),
            Record::Regained { remaining, at, .. } => {
                self.owner = Owner::Server;
                self.leaving = None;
                self.go_by_another_clock(&remaining, at);
            }
            _ => {}
        }
    }

    fn go_by_another_clock(&mut self, remaining: &[Remaining], now: Timestamp) {
        for rest in remaining {
            if let Some(progress) = self.in_progress.get_mut(&rest.visit) {
                progress.until = rest.until.map(|span| now + span);
                progress.deadline = rest.deadline.map(|span| now + span);
            }
        }
    }

    fn arrive_at_start(&mut self, workflow: &Workflow) {
        let to = workflow.start.clone();
        self.arrivals.push_back(Arrival { to, by: None, run_as: None });
    }

    /// An activity that ends the run or the pass, for the path: it began and ended at once.
    fn note_last_step(&mut self, activity: Option<ActivityName>, at: Timestamp) {
        if let Some(activity) = activity {
            let visit = self.next_visit();
            self.enter(visit, &activity, at);
            self.leave(visit, Event::Ok, None, at);
        }
    }

    fn enter(&mut self, visit: Visit, activity: &ActivityName, at: Timestamp) {
        self.visits = visit.0;
        self.path.push(Step {
            visit,
            attempt: self.attempt,
            activity: activity.clone(),
            event: None,
            note: None,
            begin: at,
            end: None,
        });
    }

    fn leave(&mut self, visit: Visit, event: Event, note: Option<String>, at: Timestamp) {
        let steps = &mut self.path;
        if let Ok(index) = steps.binary_search_by_key(&visit, |step| step.visit) {
            steps[index].event = Some(event);
            steps[index].note = note;
            steps[index].end = Some(at);
        }
    }

    /// Who the branch that arrived acts as; nothing where none arrived.
    fn take_arrival(&mut self, to: &ActivityName, by: Option<&Cause>) -> Option<Option<RunAs>> {
        let found = self.arrivals.iter().position(|a| &a.to == to && a.by.as_ref() == by)?;
        self.arrivals.remove(found).map(|arrival| arrival.run_as)
    }

    fn pass(
        &mut self,
        workflow: &Workflow,
        visit: Visit,
        activity: &ActivityName,
        by: Option<&Cause>,
        at: Timestamp,
    ) {
        let kind = workflow.activities.get(activity).map(|found| &found.kind);
        let joined: Vec<Option<RunAs>> = match kind {
            Some(Kind::Synchronization) => {
                let causes = incoming(workflow, activity).into_iter().map(Some);
                let all = by.is_none().then_some(None).into_iter().chain(causes);
                all.filter_map(|cause| self.take_arrival(activity, cause.as_ref())).collect()
            }
            _ => self.take_arrival(activity, by).into_iter().collect(),
        };
        let is_one = joined.windows(2).all(|two| two[0] == two[1]);
        let run_as = match joined.into_iter().next() {
            Some(run_as) if is_one => run_as,
            Some(_) => Some(RunAs::nobody()),
            None => None,
        };
        self.enter(visit, activity, at);
        self.leave(visit, Event::Ok, None, at);
        if let Some(Kind::Jump { to }) = kind {
            let by = Some(Cause { activity: activity.clone(), event: Event::Ok });
            self.arrivals.push_back(Arrival { to: to.clone(), by, run_as: run_as.clone() });
        }
        self.fire(workflow, activity, &Event::Ok, run_as.as_ref());
    }

    fn end(&mut self, workflow: &Workflow, visit: Visit, report: Report, at: Timestamp) {
        let Some(progress) = self.in_progress.remove(&visit) else { return };
        self.leave(visit, report.event.clone(), report.note, at);
        if self.phase == Phase::Going {
            let kind = workflow.activities.get(&progress.activity).map(|found| &found.kind);
            if self.switches_off(kind, &report.event) {
                self.leaving = Some(visit);
            }
            let run_as = match kind {
                Some(Kind::Impersonate(who)) if report.event == Event::Ok => {
                    found_user(who, &report.outputs)
                }
                _ => progress.run_as,
            };
            self.outputs.insert(progress.activity.clone(), report.outputs);
            self.variables.extend(report.variables);
            self.fire(workflow, &progress.activity, &report.event, run_as.as_ref());
        }
    }

    /// Whether the machine goes off with this end, and a server gave the run to it.
    fn switches_off(&self, kind: Option<&Kind>, event: &Event) -> bool {
        let was_given = matches!(self.owner, Owner::Target(epoch) if epoch.0 > 0);
        was_given && *event == Event::Ok && kind.is_some_and(Kind::powers_off)
    }

    /// Owes an arrival to each activity that the transitions of `event` lead to.
    fn fire(
        &mut self,
        workflow: &Workflow,
        activity: &ActivityName,
        event: &Event,
        run_as: Option<&RunAs>,
    ) {
        if let Some((event, to)) = workflow.successors(activity, event) {
            let cause = Cause { activity: activity.clone(), event };
            self.arrivals.extend(to.iter().map(|to| Arrival {
                to: to.clone(),
                by: Some(cause.clone()),
                run_as: run_as.cloned(),
            }));
        } else if event.fallback().unwrap_or_else(|| event.clone()) == Event::Error {
            self.unhandled.push(Cause { activity: activity.clone(), event: event.clone() });
        }
    }
}

/// Who an Impersonate that ended well found; nobody when it goes back to the agent itself.
fn found_user(who: &Impersonate, outputs: &Outputs) -> Option<RunAs> {
    who.user.as_ref()?;
    let output = |name: &str| outputs.get(name).cloned().unwrap_or_default();
    Some(RunAs { user: output("user"), domain: output("domain"), secret: who.secret.clone() })
}

/// All transitions that lead to `activity`, each once; a Jump counts as one on `ok`.
pub(crate) fn incoming(workflow: &Workflow, activity: &ActivityName) -> Vec<Cause> {
    let mut all = Vec::new();
    for (name, from) in &workflow.activities {
        let mut add = |event: Event| all.push(Cause { activity: name.clone(), event });
        for (event, to) in &from.on {
            if to.contains(activity) {
                add(event.clone());
            }
        }
        if matches!(&from.kind, Kind::Jump { to } if to == activity) {
            add(Event::Ok);
        }
    }
    all
}

pub(crate) fn is_instant(kind: &Kind) -> bool {
    matches!(kind, Kind::Jump { .. } | Kind::Empty | Kind::Synchronization)
}

pub(crate) fn ends_run(kind: &Kind) -> bool {
    matches!(kind, Kind::Success { .. } | Kind::Failure { .. } | Kind::Retry { .. })
}
