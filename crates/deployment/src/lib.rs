//! Who gets it when: one deployment's targets, its dates, its people's orders.
//!
//! What happened to a target is told by that target's run journal, so a deployment remembers only
//! what people ordered of it ([`Record`]); the rest is handed in when it is opened. Nothing here
//! reads a clock or waits. How many runs may go on at once is the server's business: it asks
//! [`Deployment::begin_next`] as long as it has slots.

mod record;
mod recurrence;
pub mod rollout;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::{ComputerId, Outcome, RunId, Timestamp};
use workflow::Control;

pub use record::{Record, Scope, decode_record, encode_record};
pub use recurrence::{Due, EVERY_MIN, MISSED_MAX, Missed, Recurrence, RecurrenceError};

/// When a deployment goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Nothing begins before.
    pub start: Option<Timestamp>,
    /// Nothing begins from here on; what has begun goes on.
    pub stop: Option<Timestamp>,
    /// A target begins only while its agent is connected, unless it is told otherwise of that
    /// target.
    pub needs_agent: bool,
}

/// How far a target is, as its run's journal tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Pending,
    Begun,
    Ended(Outcome),
}

#[derive(Debug, Clone)]
struct Target {
    run: RunId,
    phase: Phase,
    /// It begins only while its agent is connected.
    needs_agent: bool,
    is_suspended: bool,
    is_connected: bool,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Tick,
    Connected(ComputerId),
    Disconnected(ComputerId),
    Ended(ComputerId, Outcome),
    Control {
        scope: Scope,
        control: Control,
        by: String,
    },
    /// People moved the stop date.
    Stop {
        at: Option<Timestamp>,
        by: String,
    },
    /// Pending targets and such as have ended begin anew, each with the run named, which is the
    /// same for a pending one.
    Renew {
        targets: BTreeMap<ComputerId, RunId>,
        copy: u64,
        needs_agent: bool,
        by: String,
    },
}

/// What is to be done, each once its records are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// End the run before it began.
    GiveUp { computer: ComputerId, run: RunId, reason: String },
    /// Pass a person's order on to a run that has begun.
    Control { computer: ComputerId, run: RunId, number: u64, control: Control },
}

/// Why a target has not begun, and when it is tried next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pending {
    NotBefore(Timestamp),
    Suspended,
    /// It begins when its agent connects.
    Offline,
    /// It begins when one of the server's slots is free.
    Slot,
}

/// Where a deployment stands as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Starting,
    Running,
    Suspended,
    Ended,
}

impl Status {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Ended => "ended",
        }
    }
}

#[derive(Debug)]
pub struct Deployment {
    schedule: Schedule,
    is_suspended: bool,
    targets: BTreeMap<ComputerId, Target>,
    /// Pending targets that nothing but the start date or a free slot holds back.
    ready: BTreeSet<ComputerId>,
    open: usize,
    begun: usize,
    /// Records so far; the next order's number is one more.
    records: u64,
    new_records: VecDeque<Record>,
    orders: VecDeque<Order>,
}

impl Deployment {
    /// `targets` as their runs' journals tell, `journal` as people ordered.
    pub fn open(
        schedule: Schedule,
        targets: impl IntoIterator<Item = (ComputerId, RunId, Phase)>,
        journal: impl IntoIterator<Item = Record>,
    ) -> Self {
        let targets = targets.into_iter().map(|(computer, run, phase)| {
            let needs_agent = schedule.needs_agent;
            let (is_suspended, is_connected) = (false, false);
            (computer, Target { run, phase, needs_agent, is_suspended, is_connected })
        });
        let mut deployment = Self {
            schedule,
            is_suspended: false,
            targets: targets.collect(),
            ready: BTreeSet::new(),
            open: 0,
            begun: 0,
            records: 0,
            new_records: VecDeque::new(),
            orders: VecDeque::new(),
        };
        let phases = || deployment.targets.values().map(|target| target.phase);
        deployment.open = phases().filter(|phase| !matches!(phase, Phase::Ended(_))).count();
        deployment.begun = phases().filter(|phase| *phase != Phase::Pending).count();
        journal.into_iter().for_each(|record| deployment.fold(&record));
        let all: Vec<ComputerId> = deployment.targets.keys().copied().collect();
        all.into_iter().for_each(|computer| deployment.sort(computer));
        deployment
    }

    pub fn schedule(&self) -> Schedule {
        self.schedule
    }

    pub fn targets(&self) -> impl Iterator<Item = (ComputerId, RunId, Phase)> {
        self.targets.iter().map(|(computer, target)| (*computer, target.run, target.phase))
    }

    /// The run of a target and how far it is.
    pub fn target(&self, computer: ComputerId) -> Option<(RunId, Phase)> {
        self.targets.get(&computer).map(|target| (target.run, target.phase))
    }

    pub fn status(&self) -> Status {
        match () {
            () if self.open == 0 => Status::Ended,
            () if self.is_suspended => Status::Suspended,
            () if self.begun == 0 => Status::Starting,
            () => Status::Running,
        }
    }

    /// Why `computer` has not begun; `None` when it has.
    pub fn pending(&self, computer: ComputerId, now: Timestamp) -> Option<Pending> {
        let target = self.targets.get(&computer)?;
        if target.phase != Phase::Pending {
            return None;
        }
        Some(match self.schedule.start {
            _ if self.is_suspended || target.is_suspended => Pending::Suspended,
            Some(start) if now < start => Pending::NotBefore(start),
            _ if target.needs_agent && !target.is_connected => Pending::Offline,
            _ => Pending::Slot,
        })
    }

    pub fn handle(&mut self, input: Input, now: Timestamp) {
        match input {
            Input::Tick => {}
            Input::Connected(computer) => self.connect(computer, true),
            Input::Disconnected(computer) => self.connect(computer, false),
            Input::Ended(computer, outcome) => self.ended(computer, outcome),
            Input::Control { scope, control, by } => {
                self.control(Record::Controlled { scope, control, by, at: now });
            }
            Input::Stop { at, by } => self.write(Record::StopMoved { stop: at, by, at: now }),
            Input::Renew { targets, copy, needs_agent, by } => {
                self.renew(&targets, needs_agent, |resumes| {
                    let targets = targets.keys().copied().collect();
                    Record::Renewed { targets, copy, resumes, by, at: now }
                });
            }
        }
        self.enforce_stop(now);
    }

    /// Says of one target whether it waits for its agent.
    pub fn set_needs_agent(&mut self, computer: ComputerId, needs_agent: bool) {
        if let Some(target) = self.targets.get_mut(&computer) {
            target.needs_agent = needs_agent;
            self.sort(computer);
        }
    }

    /// The next target to begin, if the dates allow one; it counts as begun from here on.
    pub fn begin_next(&mut self, now: Timestamp) -> Option<(ComputerId, RunId)> {
        let is_early = self.schedule.start.is_some_and(|start| now < start);
        let is_late = self.schedule.stop.is_some_and(|stop| stop <= now);
        if self.is_suspended || is_early || is_late {
            return None;
        }
        let computer = self.ready.pop_first()?;
        let target = self.targets.get_mut(&computer)?;
        target.phase = Phase::Begun;
        self.begun += 1;
        Some((computer, target.run))
    }

    pub fn poll_record(&mut self) -> Option<Record> {
        self.new_records.pop_front()
    }

    pub fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// The next instant at which time alone changes something.
    pub fn poll_timeout(&self, now: Timestamp) -> Option<Timestamp> {
        let has_pending = self.begun < self.targets.len() && self.open > 0;
        let dates = [self.schedule.start, self.schedule.stop];
        dates.into_iter().flatten().filter(|at| *at > now && has_pending).min()
    }

    fn connect(&mut self, computer: ComputerId, is_connected: bool) {
        if let Some(target) = self.targets.get_mut(&computer) {
            target.is_connected = is_connected;
            self.sort(computer);
        }
    }

    fn ended(&mut self, computer: ComputerId, outcome: Outcome) {
        let Some(target) = self.targets.get_mut(&computer) else { return };
        if matches!(target.phase, Phase::Ended(_)) {
            return;
        }
        if target.phase == Phase::Pending {
            self.begun += 1;
        }
        target.phase = Phase::Ended(outcome);
        self.open -= 1;
        self.ready.remove(&computer);
    }

    fn renew(
        &mut self,
        targets: &BTreeMap<ComputerId, RunId>,
        needs_agent: bool,
        record: impl FnOnce(bool) -> Record,
    ) {
        let resumes = self.open == 0;
        for (computer, run) in targets {
            let Some(target) = self.targets.get_mut(computer) else { continue };
            if let Phase::Ended(_) = target.phase {
                self.open += 1;
                self.begun -= 1;
            }
            (target.run, target.phase, target.needs_agent) = (*run, Phase::Pending, needs_agent);
        }
        self.write(record(resumes));
    }

    fn control(&mut self, record: Record) {
        let Record::Controlled { scope, control, by, .. } = &record else { return };
        let concerned: Vec<(ComputerId, RunId, Phase)> =
            self.targets().filter(|(computer, ..)| scope.holds(*computer)).collect();
        let (control, by) = (*control, by.clone());
        self.write(record);
        for (computer, run, phase) in concerned {
            match phase {
                Phase::Ended(_) => {}
                Phase::Begun => {
                    let number = self.records;
                    self.orders.push_back(Order::Control { computer, run, number, control });
                }
                Phase::Pending if control == Control::Abort => {
                    let reason = format!("aborted by {by} before it began");
                    self.orders.push_back(Order::GiveUp { computer, run, reason });
                    self.ended(computer, Outcome::NotBegun);
                }
                Phase::Pending => self.sort(computer),
            }
        }
    }

    fn enforce_stop(&mut self, now: Timestamp) {
        if self.open == 0 || self.schedule.stop.is_none_or(|stop| now < stop) {
            return;
        }
        let late: Vec<(ComputerId, RunId)> = self
            .targets()
            .filter(|(.., phase)| *phase == Phase::Pending)
            .map(|(computer, run, _)| (computer, run))
            .collect();
        for (computer, run) in late {
            let reason = "the stop date passed before it began".to_owned();
            self.orders.push_back(Order::GiveUp { computer, run, reason });
            self.ended(computer, Outcome::NotBegun);
        }
    }

    fn write(&mut self, record: Record) {
        self.fold(&record);
        self.new_records.push_back(record);
    }

    fn fold(&mut self, record: &Record) {
        self.records += 1;
        match record {
            Record::StopMoved { stop, .. } => self.schedule.stop = *stop,
            Record::Renewed { targets, resumes, .. } => {
                if *resumes {
                    self.is_suspended = false;
                }
                for computer in targets {
                    if let Some(target) = self.targets.get_mut(computer) {
                        target.is_suspended = false;
                    }
                    self.sort(*computer);
                }
            }
            Record::Controlled { scope, control, .. } => {
                let is_suspended = match control {
                    Control::Suspend => true,
                    Control::Resume => false,
                    Control::Abort => return,
                };
                if *scope == Scope::All {
                    self.is_suspended = is_suspended;
                }
                let concerned = self.targets.iter_mut().filter(|(id, _)| scope.holds(**id));
                concerned.for_each(|(_, target)| target.is_suspended = is_suspended);
                let all: Vec<ComputerId> = self.targets.keys().copied().collect();
                all.into_iter().for_each(|computer| self.sort(computer));
            }
        }
    }

    /// Puts a target among those that are ready, or takes it out.
    fn sort(&mut self, computer: ComputerId) {
        let Some(target) = self.targets.get(&computer) else { return };
        let is_ready = target.phase == Phase::Pending
            && !target.is_suspended
            && (target.is_connected || !target.needs_agent);
        if is_ready {
            self.ready.insert(computer);
        } else {
            self.ready.remove(&computer);
        }
    }
}

#[cfg(test)]
mod tests;
