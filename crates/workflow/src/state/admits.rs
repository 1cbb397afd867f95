//! Which record may follow a state: the graph's rules, for our own engine and for what agents send.

use super::*;

impl State {
    pub(super) fn admits(&self, workflow: &Workflow, record: &Record) -> Result<(), String> {
        self.admits_any(record)?;
        match record {
            Record::Began { visit, activity, by, .. } => {
                let kind = self.may_begin(workflow, *visit, activity, by.as_ref())?;
                let is_instant = is_instant(kind) || ends_run(kind);
                if is_instant { Err("it takes no time".into()) } else { Ok(()) }
            }
            Record::Passed { visit, activity, by, .. } => {
                let kind = self.may_begin(workflow, *visit, activity, by.as_ref())?;
                match kind {
                    Kind::Synchronization if !self.missing(workflow, activity).is_empty() => {
                        Err("not every incoming transition has fired".into())
                    }
                    kind if is_instant(kind) => Ok(()),
                    _ => Err("it takes time".into()),
                }
            }
            Record::Stopping { visit, .. } | Record::Ended { visit, .. } => self
                .in_progress
                .get(visit)
                .map(|_| ())
                .ok_or_else(|| format!("visit {visit} is not in progress")),
            Record::Concluding { outcome, by, .. } => {
                self.may_conclude(workflow, *outcome, by.as_ref())
            }
            Record::Retrying { activity, not_before, at } => {
                match self.may_end(workflow, activity)? {
                    Kind::Retry { limit, delay }
                        if self.attempt <= *limit && *not_before == *at + *delay =>
                    {
                        Ok(())
                    }
                    _ => Err(format!("`{activity}` does not begin the run again so")),
                }
            }
            Record::Restarted { attempt, .. } => {
                let is_due = matches!(self.phase, Phase::Retrying { .. })
                    && self.in_progress.is_empty()
                    && !self.is_suspended
                    && *attempt == self.attempt + 1;
                if is_due { Ok(()) } else { Err("nothing asked for this pass".into()) }
            }
            Record::Controlled { number, .. } if *number <= self.last_order => {
                Err(format!("order {number} is not after {}", self.last_order))
            }
            Record::Giving { epoch, .. } => match self.owner {
                Owner::Server if *epoch > self.epoch => Ok(()),
                _ => Err("the server does not own the run".into()),
            },
            Record::Taken { epoch, .. } => match self.owner {
                Owner::Giving(given) if given == *epoch => Ok(()),
                _ => Err(format!("epoch {} was not given", epoch.0)),
            },
            Record::Returning { epoch, visit, .. } => self.may_return(workflow, *epoch, *visit),
            Record::Regained { epoch, .. } => match self.owner {
                Owner::Returning(held) if held == *epoch => Ok(()),
                _ => Err(format!("epoch {} was not given back", epoch.0)),
            },
            Record::Closed { outcome, .. } => self.may_close(workflow, *outcome),
            Record::Opened { .. } | Record::Controlled { .. } => Ok(()),
        }
    }

    /// What holds for records of every kind.
    fn admits_any(&self, record: &Record) -> Result<(), String> {
        if self.records >= RECORDS_MAX {
            return Err(format!("a run has at most {RECORDS_MAX} records"));
        }
        let is_opening = matches!(record, Record::Opened { .. });
        let is_unopened_end = matches!(record, Record::Closed { outcome: Outcome::NotBegun, .. });
        if (self.phase == Phase::NotOpened) != (is_opening || is_unopened_end) {
            return Err("a run is opened once, first".into());
        }
        if matches!(self.phase, Phase::Closed { .. }) {
            return Err("the run is closed".into());
        }
        let is_given = matches!(self.owner, Owner::Giving(_));
        if is_given && !matches!(record, Record::Taken { .. } | Record::Closed { .. }) {
            return Err("the run is being given away".into());
        }
        let is_leaving = self.leaving.is_some() && matches!(self.owner, Owner::Target(_));
        if is_leaving && !matches!(record, Record::Returning { .. } | Record::Closed { .. }) {
            return Err("the machine goes off, so the run is given back first".into());
        }
        let is_returning = matches!(self.owner, Owner::Returning(_));
        if is_returning && !matches!(record, Record::Regained { .. } | Record::Closed { .. }) {
            return Err("the run is being given back".into());
        }
        Ok(())
    }

    /// An agent gives a run back only before its own Shutdown switches the machine off.
    fn may_return(&self, workflow: &Workflow, epoch: Epoch, visit: Visit) -> Result<(), String> {
        if self.owner != Owner::Target(epoch) || epoch.0 == 0 {
            return Err(format!("the agent does not own it under epoch {}", epoch.0));
        }
        if self.leaving != Some(visit) || self.is_target_busy(workflow) {
            return Err("nothing has just switched the machine off".into());
        }
        Ok(())
    }

    fn may_begin<'w>(
        &self,
        workflow: &'w Workflow,
        visit: Visit,
        activity: &ActivityName,
        by: Option<&Cause>,
    ) -> Result<&'w Kind, String> {
        let definition =
            workflow.activities.get(activity).ok_or_else(|| format!("no activity `{activity}`"))?;
        if visit != self.next_visit() {
            return Err(format!("visit {visit} is not {}", self.next_visit()));
        }
        self.goes_on()?;
        if !self.arrivals.iter().any(|a| &a.to == activity && a.by.as_ref() == by) {
            return Err(format!("no transition leads to `{activity}` now"));
        }
        if self.is_active(activity) {
            return Err(format!("`{activity}` is in progress"));
        }
        if definition.kind.side() == Side::Target && !matches!(self.owner, Owner::Target(_)) {
            return Err("the run is not on its target".into());
        }
        if definition.kind.side() == Side::Target && self.is_shutting_down(workflow) {
            return Err("the target is being shut down".into());
        }
        if matches!(definition.kind, Kind::Shutdown(_)) && self.is_target_busy(workflow) {
            return Err("something else is in progress on the target".into());
        }
        Ok(&definition.kind)
    }

    fn goes_on(&self) -> Result<(), String> {
        match self.phase {
            Phase::Going if self.is_aborted => Err("the run was aborted".into()),
            Phase::Going if self.is_suspended => Err("the run is suspended".into()),
            Phase::Going => Ok(()),
            _ => Err("the run is ending".into()),
        }
    }

    /// An activity that ends the run or the pass is arrived at.
    fn may_end<'w>(
        &self,
        workflow: &'w Workflow,
        activity: &ActivityName,
    ) -> Result<&'w Kind, String> {
        self.goes_on()?;
        let definition = workflow.activities.get(activity);
        let is_arrived = self.arrivals.iter().any(|arrival| &arrival.to == activity);
        match definition {
            Some(definition) if is_arrived => Ok(&definition.kind),
            Some(_) => Err(format!("no transition leads to `{activity}` now")),
            None => Err(format!("no activity `{activity}`")),
        }
    }

    fn may_conclude(
        &self,
        workflow: &Workflow,
        outcome: Outcome,
        by: Option<&ActivityName>,
    ) -> Result<(), String> {
        let is_right = match by {
            Some(activity) => match self.may_end(workflow, activity)? {
                Kind::Success { .. } => outcome == Outcome::Success,
                Kind::Failure { .. } => outcome == Outcome::Failure,
                Kind::Retry { limit, .. } => outcome == Outcome::Failure && self.attempt > *limit,
                _ => false,
            },
            None if !matches!(self.phase, Phase::Going | Phase::Retrying { .. }) => {
                return Err("the run is ending".into());
            }
            None => outcome == Outcome::Failure || (outcome == Outcome::Aborted && self.is_aborted),
        };
        if is_right { Ok(()) } else { Err(format!("nothing ends the run with {outcome}")) }
    }

    fn may_close(&self, workflow: &Workflow, outcome: Outcome) -> Result<(), String> {
        if let Outcome::Lost | Outcome::Refused = outcome {
            return Ok(());
        }
        if !self.in_progress.is_empty() {
            return Err("activities are in progress".into());
        }
        let is_right = match &self.phase {
            Phase::NotOpened => outcome == Outcome::NotBegun,
            Phase::Concluding { outcome: due, .. } => outcome == *due,
            Phase::Going => {
                let is_join = |arrival: &Arrival| {
                    let found = workflow.activities.get(&arrival.to);
                    found.is_some_and(|found| found.kind == Kind::Synchronization)
                };
                let is_failed = !self.unhandled.is_empty() || !self.arrivals.is_empty();
                let due = if is_failed { Outcome::Failure } else { Outcome::Success };
                self.arrivals.iter().all(is_join) && outcome == due
            }
            Phase::Retrying { .. } | Phase::Closed { .. } => false,
        };
        if is_right { Ok(()) } else { Err(format!("the run does not end with {outcome} now")) }
    }
}
