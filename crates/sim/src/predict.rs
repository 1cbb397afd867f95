//! The reference model of a run's meaning, as a prophet: how must this run end?
//!
//! Goes through the workflow by itself, with what activities said (from the journal, else from the
//! oracle), in several random orders. Where all orders agree on outcome and visits, and none ends
//! while something else goes on, the result does not depend on timing, and the run must have it;
//! else only [`crate::lawful`] judges.

use std::collections::{BTreeMap, BTreeSet};

use model::{Outcome, Span};
use workflow::{ActivityName, Cause, Event, Kind, Record, Workflow};

use crate::chance::Chance;
use crate::oracle::{Oracle, Stay};

const ORDERS: u64 = 24;
const STAYS_MAX: usize = 5_000;

/// How a run ended and where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Way {
    outcome: Outcome,
    stays: BTreeSet<Stay>,
}

/// What a journal says happened.
#[derive(Debug, Default)]
struct Told {
    stays: BTreeSet<Stay>,
    said: BTreeMap<Stay, Event>,
}

/// Compares a whole journal with the prophecy, where there is one.
pub fn compare(
    workflow: &Workflow,
    oracle: &Oracle,
    computer: u32,
    records: &[Record],
) -> Result<(), String> {
    let Some(Record::Closed { outcome, .. }) = records.last() else { return Ok(()) };
    let is_by_order = records.iter().any(|r| matches!(r, Record::Concluding { by: None, .. }));
    if !matches!(outcome, Outcome::Success | Outcome::Failure) || is_by_order {
        return Ok(());
    }
    let told = read(workflow, records);
    let mut ways = (0..ORDERS).map(|order| {
        let mut walk = Walk::new(workflow, order);
        let say = |stay: &Stay| {
            told.said.get(stay).cloned().or_else(|| foresee(workflow, oracle, computer, stay))
        };
        walk.go(say)
    });
    let Some(Some(first)) = ways.next() else { return Ok(()) };
    if !ways.all(|way| way.as_ref() == Some(&first)) {
        return Ok(());
    }
    let actual = Way { outcome: *outcome, stays: told.stays };
    if actual == first { Ok(()) } else { Err(format!("it was {actual:?}, not {first:?}")) }
}

/// What an activity would say that the journal tells nothing of; none where that is unknown.
fn foresee(workflow: &Workflow, oracle: &Oracle, computer: u32, stay: &Stay) -> Option<Event> {
    let activity = workflow.activities.get(&stay.activity)?;
    if activity.kind.templates().iter().any(|(_, template)| !template.is_plain()) {
        return None;
    }
    if let Kind::Wait { duration } = &activity.kind {
        let lasts: Span = duration.source().trim().parse().ok()?;
        let is_cut = activity.timeout.is_some_and(|timeout| timeout < lasts);
        return Some(if is_cut { Event::Timeout } else { Event::Ok });
    }
    if let Kind::Choose { value } = &activity.kind {
        let event = value.source().trim().parse().ok();
        return Some(event.filter(|e| matches!(e, Event::Named(_))).unwrap_or(Event::Error));
    }
    if let (Kind::Shutdown(_), Some(_)) = (&activity.kind, activity.timeout) {
        return None;
    }
    let (event, lasts) = oracle.fate(workflow, computer, stay);
    let is_cut = activity.timeout.is_some_and(|timeout| timeout <= lasts);
    Some(if is_cut { Event::Timeout } else { event })
}

fn read(workflow: &Workflow, records: &[Record]) -> Told {
    let mut told = Told::default();
    let mut counts: BTreeMap<(u32, ActivityName), u32> = BTreeMap::new();
    let mut open: BTreeMap<u32, Stay> = BTreeMap::new();
    let (mut attempt, mut is_going) = (1, true);
    let mut stay = |attempt: u32, activity: &ActivityName| {
        let nth = counts.entry((attempt, activity.clone())).or_default();
        *nth += 1;
        Stay { attempt, activity: activity.clone(), nth: *nth }
    };
    for record in records {
        match record {
            Record::Began { visit, activity, .. } => {
                let stay = stay(attempt, activity);
                open.insert(visit.0, stay.clone());
                told.stays.insert(stay);
            }
            Record::Passed { activity, .. }
            | Record::Concluding { by: Some(activity), .. }
            | Record::Retrying { activity, .. } => {
                told.stays.insert(stay(attempt, activity));
                is_going &= matches!(record, Record::Passed { .. });
            }
            Record::Ended { visit, report, .. } => {
                if let Some(stay) = open.remove(&visit.0).filter(|_| is_going) {
                    told.said.insert(stay, report.event.clone());
                }
            }
            Record::Restarted { attempt: next, .. } => (attempt, is_going) = (*next, true),
            _ => {}
        }
    }
    debug_assert!(told.stays.iter().all(|s| workflow.activities.contains_key(&s.activity)));
    told
}

/// In which order branches go on.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// The first branch to its end, then the next.
    First,
    /// The last branch to its end, then the one before.
    Last,
    Any,
}

struct Walk<'w> {
    order: Order,
    workflow: &'w Workflow,
    chance: Chance,
    attempt: u32,
    tokens: Vec<(ActivityName, Option<Cause>)>,
    active: Vec<Stay>,
    counts: BTreeMap<ActivityName, u32>,
    stays: BTreeSet<Stay>,
    has_unhandled: bool,
}

impl<'w> Walk<'w> {
    fn new(workflow: &'w Workflow, number: u64) -> Self {
        let order = match number {
            0 => Order::First,
            1 => Order::Last,
            _ => Order::Any,
        };
        Self {
            order,
            workflow,
            chance: Chance::new(number),
            attempt: 1,
            tokens: vec![(workflow.start.clone(), None)],
            active: Vec::new(),
            counts: BTreeMap::new(),
            stays: BTreeSet::new(),
            has_unhandled: false,
        }
    }

    /// The way taken; none where it cannot be told or does not end.
    fn go(&mut self, say: impl Fn(&Stay) -> Option<Event>) -> Option<Way> {
        while self.stays.len() < STAYS_MAX {
            let ready: Vec<usize> =
                (0..self.tokens.len()).filter(|index| self.is_ready(*index)).collect();
            let choices = ready.len() + self.active.len();
            let choice = match self.order {
                Order::First if self.active.is_empty() => 0,
                Order::First => ready.len(),
                Order::Last => choices.saturating_sub(1),
                Order::Any => self.chance.below(choices as u64) as usize,
            };
            if let Some(index) = ready.get(choice) {
                if let Some(outcome) = self.arrive(*index)? {
                    return Some(Way { outcome, stays: self.stays.clone() });
                }
            } else if !self.active.is_empty() {
                let stay = self.active.remove(choice - ready.len());
                let event = say(&stay)?;
                self.fire(&stay.activity, &event);
            } else {
                let is_failed = self.has_unhandled || !self.tokens.is_empty();
                let outcome = if is_failed { Outcome::Failure } else { Outcome::Success };
                return Some(Way { outcome, stays: self.stays.clone() });
            }
        }
        None
    }

    fn is_ready(&self, index: usize) -> bool {
        let (to, _) = &self.tokens[index];
        if self.active.iter().any(|stay| &stay.activity == to) {
            return false;
        }
        let is_join = self
            .workflow
            .activities
            .get(to)
            .is_some_and(|activity| activity.kind == Kind::Synchronization);
        !is_join || self.needed(to).iter().all(|need| self.tokens.contains(need))
    }

    fn needed(&self, join: &ActivityName) -> Vec<(ActivityName, Option<Cause>)> {
        let mut all = Vec::new();
        for (name, from) in &self.workflow.activities {
            let mut events: Vec<Event> = from
                .on
                .iter()
                .filter(|(_, to)| to.contains(join))
                .map(|(e, _)| e.clone())
                .collect();
            if matches!(&from.kind, Kind::Jump { to } if to == join) {
                events.push(Event::Ok);
            }
            for event in events {
                all.push((join.clone(), Some(Cause { activity: name.clone(), event })));
            }
        }
        all
    }

    fn arrive(&mut self, index: usize) -> Option<Option<Outcome>> {
        let (name, by) = self.tokens[index].clone();
        let kind = self.workflow.activities.get(&name)?.kind.clone();
        if kind == Kind::Synchronization {
            let mut needed = self.needed(&name);
            if by.is_none() {
                needed.push((name.clone(), None));
            }
            for need in needed {
                let at = self.tokens.iter().position(|token| *token == need)?;
                self.tokens.remove(at);
            }
        } else {
            self.tokens.remove(index);
        }
        let nth = self.counts.entry(name.clone()).or_default();
        *nth += 1;
        let stay = Stay { attempt: self.attempt, activity: name.clone(), nth: *nth };
        self.stays.insert(stay.clone());
        let is_alone = self.tokens.is_empty() && self.active.is_empty();
        let is_end =
            matches!(kind, Kind::Success { .. } | Kind::Failure { .. } | Kind::Retry { .. });
        if is_end && !is_alone {
            return None;
        }
        match kind {
            Kind::Success { .. } => return Some(Some(Outcome::Success)),
            Kind::Failure { .. } => return Some(Some(Outcome::Failure)),
            Kind::Retry { limit, .. } if self.attempt > limit => {
                return Some(Some(Outcome::Failure));
            }
            Kind::Retry { .. } => {
                self.attempt += 1;
                self.tokens = vec![(self.workflow.start.clone(), None)];
                self.active.clear();
                self.counts.clear();
                self.has_unhandled = false;
            }
            Kind::Jump { to } => {
                let cause = Cause { activity: name.clone(), event: Event::Ok };
                self.tokens.push((to, Some(cause)));
            }
            Kind::Empty | Kind::Synchronization => self.fire(&name, &Event::Ok),
            _ => self.active.push(stay),
        }
        Some(None)
    }

    fn fire(&mut self, from: &ActivityName, event: &Event) {
        let Some(activity) = self.workflow.activities.get(from) else { return };
        let is_well = matches!(event, Event::Ok | Event::Exit(0));
        let general = if is_well { Event::Ok } else { Event::Error };
        for event in [event.clone(), general] {
            if let Some(to) = activity.on.get(&event) {
                let cause = Cause { activity: from.clone(), event };
                self.tokens.extend(to.iter().map(|to| (to.clone(), Some(cause.clone()))));
                return;
            }
        }
        self.has_unhandled |= !is_well;
    }
}
