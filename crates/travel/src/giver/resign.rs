//! The warrants of runs that go on, signed anew after a key was lost.
//!
//! What is permitted stays what it was: the same definition, variables, dates and leaves. So a run
//! keeps its journal, whatever it has come to, and a hand-over that is on its way is said again
//! under the new signature.

use super::*;

/// Runs that have not ended, and the warrant that they go by.
#[derive(Debug, Clone)]
pub struct Covered {
    pub deployment: DeploymentId,
    /// Which of the deployment's warrants it is, from 0, and how many there are.
    pub warrant: usize,
    pub warrants: usize,
    pub copy: u64,
    pub envelope: Arc<[u8]>,
    pub targets: Vec<NewTarget>,
}

/// A warrant in the place of another: for some of its targets, under another signature.
#[derive(Debug, Clone)]
pub struct Resigned {
    pub deployment: DeploymentId,
    /// The warrant that it takes the place of, from 0.
    pub of: usize,
    /// Its own number in the deployment, from 1.
    pub number: usize,
    pub envelope: Arc<[u8]>,
    pub tree: TargetTree,
    /// In the order of the tree.
    pub runs: Vec<RunId>,
}

impl Giver {
    /// All runs that have not ended, by their warrants.
    pub fn covered(&self) -> Vec<Covered> {
        let mut all: BTreeMap<(DeploymentId, usize), Covered> = BTreeMap::new();
        for (run, given) in &self.runs {
            let Some(plan) = self.plans.get(&given.deployment) else { continue };
            let Some(permit) = plan.permits.get(given.warrant) else { continue };
            if given.run.state().outcome().is_some() {
                continue;
            }
            let covered = all.entry((given.deployment, given.warrant));
            let covered = covered.or_insert_with(|| Covered {
                deployment: given.deployment,
                warrant: given.warrant,
                warrants: plan.permits.len(),
                copy: permit.copy,
                envelope: permit.envelope.clone(),
                targets: Vec::new(),
            });
            let (computer, leaf, reach) = (given.computer, given.leaf.clone(), given.reach);
            covered.targets.push(NewTarget { computer, run: *run, leaf, reach });
        }
        all.into_values().collect()
    }

    /// Tells agents of the trust document of now, before any hand-over that comes after this.
    pub fn tell_trust(&mut self) {
        self.orders.push_back(GiverOrder::TellTrust);
    }

    /// Has runs go by a warrant that permits the same. [`Stale`] when the deployment has got
    /// another warrant meanwhile; then nothing was done.
    pub fn resign(&mut self, resigned: Resigned, now: Timestamp) -> Result<(), Stale> {
        let Resigned { deployment, of, number, envelope, tree, runs } = resigned;
        let plan = self.plans.get_mut(&deployment).ok_or(Stale)?;
        let Some(before) = plan.permits.get(of).filter(|_| plan.permits.len() + 1 == number) else {
            return Err(Stale);
        };
        let permit = Permit { envelope, tree, ..before.clone() };
        let warrant = plan.permits.len();
        plan.permits.push(permit);
        for (index, run) in (0u32..).zip(runs) {
            let Some(given) = self.runs.get_mut(&run) else { continue };
            if given.warrant == of && given.run.state().outcome().is_none() {
                (given.warrant, given.index) = (warrant, index);
                self.changed.insert(run);
                // Where it is on its way.
                self.send_give(run, now);
            }
        }
        Ok(())
    }
}
