//! What a run does at once: everything that needs neither time nor a doer, until nothing more can.

use super::*;

impl Run {
    /// Does all that needs no time and no doer.
    pub(super) fn settle(&mut self, now: Timestamp) -> Result<(), Impossible> {
        let (each, more) = BEGUN_AT_ONCE_MAX;
        let begun_max = self.workflow.activities.len() * each + more;
        let mut begun = 0;
        while self.is_acting() {
            match self.state.phase().clone() {
                Phase::NotOpened | Phase::Closed { .. } => return Ok(()),
                Phase::Going | Phase::Retrying { .. } if self.state.is_aborted() => {
                    let reason = Some("aborted by order".into());
                    self.conclude(Outcome::Aborted, reason, None, now)?;
                }
                Phase::Concluding { outcome, reason } => {
                    self.stop_all(now)?;
                    if self.state.in_progress().is_empty() {
                        self.write(Record::Closed { outcome, reason, at: now })?;
                    }
                    return Ok(());
                }
                Phase::Retrying { not_before } => {
                    self.stop_all(now)?;
                    let is_due = self.state.in_progress().is_empty() && now >= not_before;
                    if !is_due || self.state.is_suspended() {
                        return Ok(());
                    }
                    let attempt = self.state.attempt() + 1;
                    self.write(Record::Restarted { attempt, at: now })?;
                }
                Phase::Going => {
                    let Some(arrival) = self.next_arrival() else { return self.finish(now) };
                    begun += 1;
                    if begun > begun_max || self.state.arrivals().len() > ARRIVALS_MAX {
                        let reason = format!("`{}` goes round in circles without end", arrival.to);
                        self.conclude(Outcome::Failure, Some(reason), None, now)?;
                    } else if self.state.records() + RECORDS_SPARE >= RECORDS_MAX {
                        let reason = format!("the run has reached {RECORDS_MAX} records");
                        self.conclude(Outcome::Failure, Some(reason), None, now)?;
                    } else {
                        self.begin(arrival, now)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The first arrival that its activity can take now.
    pub(super) fn next_arrival(&self) -> Option<Arrival> {
        if self.state.is_suspended() {
            return None;
        }
        // What holds one arrival back holds back all others for the same activity.
        let mut held: BTreeSet<&ActivityName> = BTreeSet::new();
        // A Shutdown that waits for the target to be idle lets nothing else begin there.
        let mut is_leaving = false;
        let mut arrivals = self.state.arrivals().iter();
        arrivals
            .find(|arrival| {
                let is_for_target = self.side(&arrival.to) == Side::Target;
                if held.contains(&arrival.to) || (is_leaving && is_for_target) {
                    return false;
                }
                let can_begin = self.can_begin(&arrival.to);
                if !can_begin {
                    held.insert(&arrival.to);
                    is_leaving |= matches!(self.kind(&arrival.to), Some(Kind::Shutdown(_)));
                }
                can_begin
            })
            .cloned()
    }

    pub(super) fn can_begin(&self, activity: &ActivityName) -> bool {
        let is_here = self.side(activity) != Side::Target || self.here == Place::Target;
        let is_joined = match self.kind(activity) {
            Some(Kind::Synchronization) => self.state.missing(&self.workflow, activity).is_empty(),
            _ => true,
        };
        let is_free = match self.kind(activity) {
            Some(Kind::Shutdown(_)) => !self.state.is_target_busy(&self.workflow),
            Some(kind) if kind.side() == Side::Target => {
                !self.state.is_shutting_down(&self.workflow)
            }
            _ => true,
        };
        is_here && is_joined && is_free && !self.state.is_active(activity)
    }

    pub(super) fn begin(&mut self, arrival: Arrival, now: Timestamp) -> Result<(), Impossible> {
        let Arrival { to: activity, by, .. } = arrival;
        let Some(definition) = self.workflow.activities.get(&activity) else {
            let reason = format!("there is no activity `{activity}`");
            return self.conclude(Outcome::Failure, Some(reason), None, now);
        };
        let deadline = definition.timeout.map(|span| now + span);
        let visit = self.state.next_visit();
        match definition.kind.clone() {
            Kind::Success { message } => {
                let reason = message.map(|text| self.spoken(&text));
                self.conclude(Outcome::Success, reason, Some(activity), now)
            }
            Kind::Failure { message } => {
                let reason = message.map_or_else(
                    || self.default_reason(&activity, by.as_ref()),
                    |text| self.spoken(&text),
                );
                self.conclude(Outcome::Failure, Some(reason), Some(activity), now)
            }
            Kind::Retry { limit, delay } => self.retry(activity, limit, delay, now),
            Kind::Jump { .. } | Kind::Empty | Kind::Synchronization => {
                self.write(Record::Passed { visit, activity, by, at: now })
            }
            Kind::Wait { duration } => {
                let told = wait_until(&duration, &self.context(), now);
                let until = told.as_ref().ok().copied();
                self.write(Record::Began { visit, activity, by, at: now, until, deadline })?;
                match told {
                    Err(why) => {
                        self.write(Record::Ended { visit, report: Report::error(why), at: now })
                    }
                    Ok(_) => self.strike_timers(now),
                }
            }
            Kind::Choose { value } => {
                self.write(Record::Began { visit, activity, by, at: now, until: None, deadline })?;
                let report = self.chosen(&value);
                self.write(Record::Ended { visit, report, at: now })
            }
            kind => {
                debug_assert!(!is_instant(&kind) && !ends_run(&kind));
                let side = kind.side();
                let name = activity.clone();
                self.write(Record::Began { visit, activity, by, at: now, until: None, deadline })?;
                let effect = self.effect(visit);
                self.orders.push_back(Order::Begin { effect, activity: name, side });
                Ok(())
            }
        }
    }

    pub(super) fn retry(
        &mut self,
        activity: ActivityName,
        limit: u32,
        delay: Span,
        now: Timestamp,
    ) -> Result<(), Impossible> {
        if self.state.attempt() > limit {
            let reason =
                format!("retry limit: `{activity}` allows {} passes", u64::from(limit) + 1);
            return self.conclude(Outcome::Failure, Some(reason), Some(activity), now);
        }
        self.write(Record::Retrying { activity, not_before: now + delay, at: now })
    }

    /// The event that a value names.
    pub(super) fn chosen(&self, value: &Template) -> Report {
        let text = match value.render(&self.context()) {
            Ok(text) => text.trim().to_owned(),
            Err(error) => return Report::error(error.to_string()),
        };
        match text.parse::<Event>() {
            Ok(event @ Event::Named(_)) => Report::of(event),
            _ => Report::error(format!("`{text}` cannot be the name of an event")),
        }
    }

    pub(super) fn spoken(&self, message: &Template) -> String {
        message.render(&self.context()).unwrap_or_else(|error| error.to_string())
    }

    pub(super) fn default_reason(&self, activity: &ActivityName, by: Option<&Cause>) -> String {
        match by {
            Some(cause) => {
                let step = self.state.path().iter().rev().find(|s| s.activity == cause.activity);
                // What it said (`exit 5`), not what stood in for that (`error`).
                let event = step.and_then(|step| step.event.as_ref()).unwrap_or(&cause.event);
                let why = said(&cause.activity, event, step.and_then(|step| step.note.as_deref()));
                // What came well explains nothing, such as a cleaning up: what went before does.
                match self.last_trouble().filter(|_| *event == Event::Ok) {
                    Some(trouble) => format!("{why}, after {trouble}"),
                    None => why,
                }
            }
            None => activity.to_string(),
        }
    }

    /// The latest activity of this pass that did not end well, and what it said.
    fn last_trouble(&self) -> Option<String> {
        let attempt = self.state.attempt();
        let mut steps = self.state.path().iter().rev().filter(|step| step.attempt == attempt);
        steps.find_map(|step| match step.event.as_ref()? {
            Event::Ok | Event::Exit(0) => None,
            event => Some(said(&step.activity, event, step.note.as_deref())),
        })
    }

    /// Nothing can begin: when nothing is in progress either, the run is over.
    pub(super) fn finish(&mut self, now: Timestamp) -> Result<(), Impossible> {
        let state = &self.state;
        let is_held = state.arrivals().iter().any(|arrival| {
            state.is_suspended() || !matches!(self.kind(&arrival.to), Some(Kind::Synchronization))
        });
        if !state.in_progress().is_empty() || is_held {
            return Ok(());
        }
        let (outcome, reason) = if let Some(cause) = state.unhandled().first() {
            let note = state.path().iter().rev().find(|s| s.activity == cause.activity);
            let note =
                note.and_then(|s| s.note.as_deref()).map_or(String::new(), |n| format!(": {n}"));
            (
                Outcome::Failure,
                Some(format!(
                    "`{}` ended with {} and nothing follows it{note}",
                    cause.activity, cause.event
                )),
            )
        } else if let Some(arrival) = state.arrivals().front() {
            let missing = state.missing(&self.workflow, &arrival.to);
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            (
                Outcome::Failure,
                Some(format!("`{}` still waits for {}", arrival.to, missing.join(", "))),
            )
        } else {
            (Outcome::Success, None)
        };
        self.write(Record::Closed { outcome, reason, at: now })
    }
}

/// An activity, what it ended with, and what it said.
fn said(activity: &ActivityName, event: &Event, note: Option<&str>) -> String {
    match note {
        Some(note) => format!("{activity}: {event}: {note}"),
        None => format!("{activity}: {event}"),
    }
}
