//! The reference model of a run's meaning, as a judge: may this journal be?
//!
//! Written from the design's "Meaning of a run" and nothing else; it shares no code with the engine
//! and is as simple as it can be. It takes what activities said from the journal and checks that
//! every decision follows.

use model::{Outcome, Timestamp};
use workflow::{
    ActivityName, Cause, Control, Event, Kind, Place, Record, Remaining, Side, Workflow,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Server,
    Nowhere(u32),
    Target,
    Back(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    Going,
    Ending(Outcome),
    Again(Timestamp),
    Over,
}

struct Active {
    visit: u32,
    activity: ActivityName,
    until: Option<Timestamp>,
    deadline: Option<Timestamp>,
    stopping: Option<Event>,
}

struct Judge<'w> {
    workflow: &'w Workflow,
    at: At,
    epoch: u32,
    /// Ended as the last one, and switches the machine off.
    is_off: bool,
    stage: Stage,
    pass: u32,
    visits: u32,
    tokens: Vec<(ActivityName, Option<Cause>)>,
    active: Vec<Active>,
    is_suspended: bool,
    is_aborted: bool,
    has_unhandled: bool,
    last_order: u64,
    clock: Option<Timestamp>,
}

/// Whether a run of `workflow` can have gone so; the error names the record and what it breaks.
pub fn check(workflow: &Workflow, records: &[Record]) -> Result<(), String> {
    let mut judge = Judge {
        workflow,
        at: At::Server,
        epoch: 0,
        is_off: false,
        stage: Stage::Before,
        pass: 1,
        visits: 0,
        tokens: Vec::new(),
        active: Vec::new(),
        is_suspended: false,
        is_aborted: false,
        has_unhandled: false,
        last_order: 0,
        clock: None,
    };
    for (seq, record) in records.iter().enumerate() {
        judge.take(record).map_err(|why| format!("record {seq} ({}): {why}", record.kind()))?;
    }
    Ok(())
}

fn must(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.to_owned()) }
}

impl Judge<'_> {
    fn take(&mut self, record: &Record) -> Result<(), String> {
        must(self.stage != Stage::Over, "the run had ended")?;
        // Clocks are compared on one machine only.
        let is_handed = matches!(record, Record::Taken { .. } | Record::Regained { .. });
        let is_ordered = self.clock.is_none_or(|clock| clock <= record.at());
        let is_foreign = matches!(record, Record::Closed { outcome: Outcome::Lost, .. });
        must(is_ordered || is_handed || is_foreign, "time went back")?;
        self.clock = Some(record.at());
        if matches!(self.at, At::Nowhere(_)) {
            let is_allowed = matches!(record, Record::Taken { .. } | Record::Closed { .. });
            must(is_allowed, "nobody owns the run")?;
        }
        if matches!(self.at, At::Back(_)) {
            let is_allowed = matches!(record, Record::Regained { .. } | Record::Closed { .. });
            must(is_allowed, "it is being given back")?;
        }
        let was_off = std::mem::take(&mut self.is_off);
        let is_given_back = matches!(record, Record::Returning { .. }) || is_foreign;
        must(!was_off || is_given_back, "it was to be given back")?;
        match record {
            Record::Opened { place, .. } => self.open(*place),
            Record::Began { visit, activity, by, at, until, deadline } => {
                self.begin(visit.0, activity, by.as_ref())?;
                let definition = &self.workflow.activities[activity];
                let kind = &definition.kind;
                must(takes_time(kind), "it takes no time")?;
                must(!ends(kind), "it ends the run")?;
                let is_wait = matches!(kind, Kind::Wait { .. });
                must(until.is_none() || is_wait, "only a Wait waits")?;
                must(*deadline == definition.timeout.map(|t| *at + t), "the timeout is another")?;
                let (until, deadline) = (*until, *deadline);
                let activity = activity.clone();
                self.active.push(Active {
                    visit: visit.0,
                    activity,
                    until,
                    deadline,
                    stopping: None,
                });
                Ok(())
            }
            Record::Passed { visit, activity, by, .. } => self.pass(visit.0, activity, by.as_ref()),
            Record::Stopping { visit, event, at } => self.stop(visit.0, event, *at),
            Record::Ended { visit, report, at } => self.end(visit.0, &report.event, *at),
            Record::Concluding { outcome, by, .. } => self.conclude(*outcome, by.as_ref()),
            Record::Retrying { .. } | Record::Restarted { .. } => self.pass_again(record),
            Record::Controlled { number, control, .. } => {
                must(*number > self.last_order, "the order is an old one")?;
                self.last_order = *number;
                match control {
                    Control::Suspend => self.is_suspended = true,
                    Control::Resume => self.is_suspended = false,
                    Control::Abort => self.is_aborted = true,
                }
                Ok(())
            }
            Record::Giving { .. }
            | Record::Taken { .. }
            | Record::Returning { .. }
            | Record::Regained { .. } => self.hand_over(record, was_off),
            Record::Closed { outcome, .. } => self.close(*outcome),
        }
    }

    fn hand_over(&mut self, record: &Record, was_off: bool) -> Result<(), String> {
        match record {
            Record::Giving { epoch, .. } => {
                must(self.at == At::Server && self.stage == Stage::Going, "it is not here")?;
                let is_for_target =
                    |name: &ActivityName| self.kind(name).is_some_and(|k| k.side() == Side::Target);
                must(self.tokens.iter().any(|(to, _)| is_for_target(to)), "nothing is for it")?;
                must(epoch.0 > self.epoch, "the epoch is an old one")?;
                self.epoch = epoch.0;
                self.at = At::Nowhere(epoch.0);
                Ok(())
            }
            Record::Taken { epoch, remaining, at } => {
                must(self.at == At::Nowhere(epoch.0), "it was not given so")?;
                self.at = At::Target;
                self.change_clocks(remaining, *at);
                Ok(())
            }
            Record::Returning { epoch, .. } => {
                must(self.at == At::Target && self.epoch == epoch.0, "it is not there")?;
                must(was_off, "nothing switched the machine off")?;
                self.at = At::Back(epoch.0);
                Ok(())
            }
            Record::Regained { epoch, remaining, at } => {
                must(self.at == At::Back(epoch.0), "it was not given back")?;
                self.at = At::Server;
                self.change_clocks(remaining, *at);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn change_clocks(&mut self, remaining: &[Remaining], at: Timestamp) {
        for rest in remaining {
            for active in self.active.iter_mut().filter(|a| a.visit == rest.visit.0) {
                active.until = rest.until.map(|span| at + span);
                active.deadline = rest.deadline.map(|span| at + span);
            }
        }
    }

    fn pass_again(&mut self, record: &Record) -> Result<(), String> {
        match record {
            Record::Retrying { activity, not_before, at } => {
                self.arrive_at_end(activity)?;
                let Some(Kind::Retry { limit, delay }) = self.kind(activity) else {
                    return Err("it is no Retry".into());
                };
                must(self.pass <= *limit, "the limit was reached")?;
                must(*not_before == *at + *delay, "the delay is another")?;
                self.stage = Stage::Again(*not_before);
                self.tokens.clear();
                Ok(())
            }
            Record::Restarted { attempt, at } => {
                let Stage::Again(from) = self.stage else { return Err("nothing asked".into()) };
                must(from <= *at && self.active.is_empty(), "it is too early")?;
                must(!self.is_suspended, "the run was suspended")?;
                must(*attempt == self.pass + 1, "it is another pass")?;
                self.pass += 1;
                self.stage = Stage::Going;
                self.has_unhandled = false;
                self.tokens.push((self.workflow.start.clone(), None));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn kind(&self, name: &ActivityName) -> Option<&Kind> {
        self.workflow.activities.get(name).map(|activity| &activity.kind)
    }

    fn open(&mut self, place: Place) -> Result<(), String> {
        must(self.stage == Stage::Before, "it had begun")?;
        self.stage = Stage::Going;
        if place == Place::Target {
            self.at = At::Target;
        }
        self.tokens.push((self.workflow.start.clone(), None));
        Ok(())
    }

    fn may_go_on(&self) -> Result<(), String> {
        must(self.stage == Stage::Going, "the run is not going on")?;
        must(!self.is_suspended, "the run is suspended")?;
        must(!self.is_aborted, "the run was aborted")
    }

    fn begin(&mut self, visit: u32, name: &ActivityName, by: Option<&Cause>) -> Result<(), String> {
        self.may_go_on()?;
        must(visit == self.visits + 1, "the visit's number is wrong")?;
        self.visits = visit;
        let kind = self.kind(name).ok_or("there is no such activity")?;
        must(kind.side() != Side::Target || self.at == At::Target, "it is for the target")?;
        must(!self.active.iter().any(|a| &a.activity == name), "it is in progress")?;
        let there = |a: &&Active| self.kind(&a.activity).is_some_and(|k| k.side() == Side::Target);
        let is_busy = self.active.iter().any(|a| there(&a));
        let mut busy = self.active.iter().filter(there).filter_map(|a| self.kind(&a.activity));
        must(!matches!(kind, Kind::Shutdown(_)) || !is_busy, "the target is not idle")?;
        let is_closing = busy.any(|kind| matches!(kind, Kind::Shutdown(_)));
        must(kind.side() != Side::Target || !is_closing, "the target is shutting down")?;
        self.spend(name, by)
    }

    /// Takes one arrival by this transition.
    fn spend(&mut self, name: &ActivityName, by: Option<&Cause>) -> Result<(), String> {
        let found = self.tokens.iter().position(|(to, cause)| to == name && cause.as_ref() == by);
        self.tokens.remove(found.ok_or("no transition led to it")?);
        Ok(())
    }

    fn pass(&mut self, visit: u32, name: &ActivityName, by: Option<&Cause>) -> Result<(), String> {
        self.begin(visit, name, by)?;
        let kind = self.kind(name).ok_or("there is no such activity")?;
        must(!takes_time(kind), "it takes time")?;
        must(!ends(kind), "it ends the run")?;
        if matches!(kind, Kind::Synchronization) {
            for cause in transitions_to(self.workflow, name) {
                if Some(&cause) != by {
                    self.spend(name, Some(&cause)).map_err(|_| format!("{cause} has not fired"))?;
                }
            }
        }
        if let Some(Kind::Jump { to }) = self.kind(name) {
            let cause = Cause { activity: name.clone(), event: Event::Ok };
            self.tokens.push((to.clone(), Some(cause)));
        }
        self.fire(name, &Event::Ok);
        Ok(())
    }

    fn stop(&mut self, visit: u32, event: &Event, at: Timestamp) -> Result<(), String> {
        let is_ending = self.stage != Stage::Going;
        let active = self.active.iter_mut().find(|a| a.visit == visit).ok_or("it has ended")?;
        must(active.stopping.is_none(), "it is being ended already")?;
        let is_right = match event {
            Event::Timeout => active.deadline.is_some_and(|deadline| deadline <= at),
            Event::Interrupted => is_ending,
            _ => false,
        };
        must(is_right, "nothing ends it")?;
        active.stopping = Some(event.clone());
        Ok(())
    }

    fn end(&mut self, visit: u32, event: &Event, at: Timestamp) -> Result<(), String> {
        let index = self.active.iter().position(|a| a.visit == visit).ok_or("it has ended")?;
        let active = self.active.remove(index);
        must(active.stopping.is_none_or(|stopping| stopping == *event), "another event stood")?;
        if self.stage != Stage::Going {
            return Ok(());
        }
        let is_due = |at_most: Option<Timestamp>| at_most.is_some_and(|due| due <= at);
        if matches!(self.kind(&active.activity), Some(Kind::Wait { .. })) {
            let is_right = match event {
                Event::Ok => is_due(active.until),
                Event::Timeout => is_due(active.deadline),
                Event::Error => true,
                _ => false,
            };
            must(is_right, "the Wait is not over")?;
        }
        if *event == Event::Timeout {
            must(is_due(active.deadline), "its time is not over")?;
        }
        let is_off = self.kind(&active.activity).is_some_and(Kind::powers_off);
        self.is_off = is_off && *event == Event::Ok && self.at == At::Target && self.epoch > 0;
        self.fire(&active.activity, event);
        Ok(())
    }

    fn fire(&mut self, from: &ActivityName, event: &Event) {
        let on = &self.workflow.activities[from].on;
        let general = match event {
            Event::Ok | Event::Exit(0) => Event::Ok,
            _ => Event::Error,
        };
        let named = [event.clone(), general.clone()].into_iter().find(|e| on.contains_key(e));
        match named {
            Some(event) => {
                for to in &on[&event] {
                    let cause = Cause { activity: from.clone(), event: event.clone() };
                    self.tokens.push((to.clone(), Some(cause)));
                }
            }
            None => self.has_unhandled |= general == Event::Error,
        }
    }

    /// An activity that ends the run or the pass is arrived at.
    fn arrive_at_end(&mut self, name: &ActivityName) -> Result<(), String> {
        self.may_go_on()?;
        self.visits += 1;
        must(self.tokens.iter().any(|(to, _)| to == name), "no transition led to it")
    }

    fn conclude(&mut self, outcome: Outcome, by: Option<&ActivityName>) -> Result<(), String> {
        match by {
            Some(name) => {
                self.arrive_at_end(name)?;
                let is_right = match self.kind(name) {
                    Some(Kind::Success { .. }) => outcome == Outcome::Success,
                    Some(Kind::Failure { .. }) => outcome == Outcome::Failure,
                    Some(Kind::Retry { limit, .. }) => {
                        outcome == Outcome::Failure && self.pass > *limit
                    }
                    _ => false,
                };
                must(is_right, "it does not end so")?;
            }
            None => {
                must(matches!(self.stage, Stage::Going | Stage::Again(_)), "it is ending")?;
                let is_right = match outcome {
                    Outcome::Aborted => self.is_aborted,
                    Outcome::Failure => true,
                    _ => false,
                };
                must(is_right, "nobody asked for that")?;
            }
        }
        self.stage = Stage::Ending(outcome);
        self.tokens.clear();
        Ok(())
    }

    fn close(&mut self, outcome: Outcome) -> Result<(), String> {
        match (self.stage, outcome) {
            (_, Outcome::Lost) => {}
            (Stage::Before, Outcome::NotBegun) => {}
            (_, Outcome::Refused) => must(matches!(self.at, At::Nowhere(_)), "it was not given")?,
            (Stage::Ending(outcome_due), outcome) => {
                must(self.active.is_empty(), "something is in progress")?;
                must(outcome_due == outcome, "it was to end otherwise")?;
            }
            (Stage::Going, outcome) => {
                must(self.active.is_empty(), "something is in progress")?;
                let is_join =
                    |name: &ActivityName| matches!(self.kind(name), Some(Kind::Synchronization));
                must(self.tokens.iter().all(|(to, _)| is_join(to)), "something can begin")?;
                let failed = self.has_unhandled || !self.tokens.is_empty();
                let due = if failed { Outcome::Failure } else { Outcome::Success };
                must(outcome == due, "it has another outcome")?;
            }
            _ => return Err("it cannot end now".into()),
        }
        self.stage = Stage::Over;
        Ok(())
    }
}

fn takes_time(kind: &Kind) -> bool {
    !matches!(kind, Kind::Jump { .. } | Kind::Empty | Kind::Synchronization)
}

fn ends(kind: &Kind) -> bool {
    matches!(kind, Kind::Success { .. } | Kind::Failure { .. } | Kind::Retry { .. })
}

fn transitions_to(workflow: &Workflow, name: &ActivityName) -> Vec<Cause> {
    let mut all = Vec::new();
    for (from, activity) in &workflow.activities {
        for (event, to) in &activity.on {
            if to.contains(name) {
                all.push(Cause { activity: from.clone(), event: event.clone() });
            }
        }
        if let Kind::Jump { to } = &activity.kind
            && to == name
        {
            all.push(Cause { activity: from.clone(), event: Event::Ok });
        }
    }
    all
}
