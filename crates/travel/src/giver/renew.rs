//! Beginning targets of a deployment anew, under another warrant.
//!
//! The journal of a run is never continued under another warrant: a target whose run has ended gets
//! a new run, and the one before stays as it ended. A target that has not begun keeps its run,
//! whose journal is empty. What goes on is not touched.

use super::*;

/// Another warrant of a deployment that is open here, for some of its targets.
#[derive(Debug, Clone)]
pub struct Renewal {
    pub deployment: DeploymentId,
    pub permit: Permit,
    /// The warrant's number in the deployment, from 1.
    pub number: usize,
    /// The stop date from now on, where it changes.
    pub stop: Option<Option<Timestamp>>,
    pub by: String,
    /// In the order of the warrant's tree: with the run it has for a pending target, with a new one
    /// for a target that has ended.
    pub targets: Vec<NewTarget>,
}

/// A target has begun or ended since the warrant was made, or there is another warrant; nothing was
/// done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deployment has gone on meanwhile")]
pub struct Stale;

impl Giver {
    /// Begins the targets anew, all of them or none.
    pub fn renew(&mut self, renewal: Renewal, now: Timestamp) -> Result<(), Stale> {
        self.check(&renewal)?;
        let Renewal { deployment: id, permit, number: _, stop, by, targets } = renewal;
        let Some(plan) = self.plans.get_mut(&id) else { return Ok(()) };
        let (copy, needs_agent) = (permit.copy, permit.needs_agent);
        let warrant = plan.permits.len();
        plan.permits.push(permit);
        let runs: BTreeMap<ComputerId, RunId> =
            targets.iter().map(|target| (target.computer, target.run)).collect();
        let there: Vec<(ComputerId, Reach)> =
            targets.iter().map(|target| (target.computer, target.reach)).collect();
        for (index, target) in (0u32..).zip(targets) {
            self.begin_anew(id, warrant, index, target, now);
        }
        if let Some(at) = stop {
            self.tell_plan(id, deployment::Input::Stop { at, by: by.clone() }, now);
        }
        let renew = deployment::Input::Renew { targets: runs, copy, needs_agent, by };
        self.tell_plan(id, renew, now);
        // Of targets that had ended, the deployment was not told who came and went.
        for (computer, reach) in there {
            let is_there = reach == Reach::Ssh || self.links.contains_key(&computer);
            let input = if is_there {
                deployment::Input::Connected(computer)
            } else {
                deployment::Input::Disconnected(computer)
            };
            self.tell_plan(id, input, now);
        }
        self.fill_slots(now);
        Ok(())
    }

    fn check(&self, renewal: &Renewal) -> Result<(), Stale> {
        let plan = self.plans.get(&renewal.deployment);
        if plan.is_none_or(|plan| plan.permits.len() + 1 != renewal.number) {
            return Err(Stale);
        }
        for target in &renewal.targets {
            let known = plan.and_then(|plan| plan.deployment.target(target.computer));
            let is_as_expected = match known {
                Some((run, TargetPhase::Pending)) => run == target.run,
                Some((_, TargetPhase::Ended(_))) => !self.runs.contains_key(&target.run),
                Some((_, TargetPhase::Begun)) | None => false,
            };
            if !is_as_expected {
                return Err(Stale);
            }
        }
        Ok(())
    }

    fn begin_anew(
        &mut self,
        id: DeploymentId,
        warrant: usize,
        index: u32,
        target: NewTarget,
        now: Timestamp,
    ) {
        let Some(plan) = self.plans.get_mut(&id) else { return };
        if let Some((run, TargetPhase::Ended(_))) = plan.deployment.target(target.computer) {
            plan.replaced.push(run);
            if let Some(given) = self.runs.get_mut(&run) {
                given.is_replaced = true;
                self.changed.insert(run);
            }
        }
        // It may be reached otherwise than before.
        if let Some(runs) = self.by_computer.get_mut(&target.computer) {
            runs.remove(&target.run);
        }
        let Some(permit) = plan.permits.get(warrant) else { return };
        let base = base_context(id, permit, &plan.variables, &target.leaf, target.reach);
        let workflow = permit.workflow.clone();
        let run = Run::open(target.run, target.reach.place(), workflow, base, []);
        let Ok(run) = run else { return };
        self.keep(target.run, Given::new(id, warrant, index, target, run, now));
    }
}
