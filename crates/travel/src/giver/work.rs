//! Activities of the server, and the slots and timers of runs.

use super::*;

impl Giver {
    /// Begins targets as long as slots are free.
    pub(super) fn fill_slots(&mut self, now: Timestamp) {
        let ids: Vec<DeploymentId> = self.plans.keys().copied().collect();
        for id in ids {
            while self.slots_used < self.slots_max {
                let Some(plan) = self.plans.get_mut(&id) else { break };
                let Some((_, run)) = plan.deployment.begin_next(now) else { break };
                self.changed_deployments.insert(id);
                self.step(run, Input::Open, now);
            }
        }
    }

    /// Keeps slots, timers and the deployment's count true after a run changed.
    pub(super) fn account(&mut self, id: RunId, now: Timestamp) {
        let Some(given) = self.runs.get_mut(&id) else { return };
        let state = given.run.state();
        let is_open = matches!(
            state.phase(),
            Phase::Going | Phase::Concluding { .. } | Phase::Retrying { .. }
        );
        let is_there = match state.owner() {
            _ if given.reach == Reach::Ssh => true,
            Owner::Server => !given.run.wants_target() || self.links.contains_key(&given.computer),
            Owner::Giving(_) | Owner::Target(_) | Owner::Returning(_) => {
                self.links.contains_key(&given.computer)
            }
        };
        let takes_slot = is_open && is_there && !state.only_waits();
        if takes_slot != given.takes_slot {
            given.takes_slot = takes_slot;
            self.slots_used = if takes_slot { self.slots_used + 1 } else { self.slots_used - 1 };
        }
        let timer = given.run.poll_timeout().map(|(at, _)| at);
        let outcome = state.outcome().map(|(outcome, _)| outcome);
        let (computer, deployment) = (given.computer, given.deployment);
        let is_replaced = given.is_replaced;
        if outcome.is_some() && given.returned.is_some() && state.owner() == Owner::Server {
            self.send(computer, ToAgent::Forget { run: id });
        }
        self.set_timer(id, timer);
        if let Some(outcome) = outcome.filter(|_| !is_replaced) {
            self.tell_plan(deployment, deployment::Input::Ended(computer, outcome), now);
            if let Some(runs) = self.by_computer.get_mut(&computer) {
                runs.remove(&id);
            }
        }
    }

    pub(super) fn set_timer(&mut self, id: RunId, at: Option<Timestamp>) {
        if let Some(old) = self.timer_of.remove(&id) {
            self.timers.remove(&(old, id));
        }
        if let Some(at) = at {
            self.timers.insert((at, id));
            self.timer_of.insert(id, at);
        }
    }

    /// Begins an activity of the server unless it is remembered.
    pub(super) fn begin_effect(
        &mut self,
        effect: EffectId,
        activity: ActivityName,
        call: Option<Call>,
        now: Timestamp,
    ) {
        match self.effects.get(&effect) {
            Some(Effect::Begun(_)) => {}
            Some(Effect::Ended(report)) => {
                let report = report.clone();
                self.deliver(effect, report, now);
            }
            None => {
                let Some(given) = self.runs.get(&effect.run) else { return };
                let (workflow, context) =
                    (given.run.workflow().clone(), Box::new(given.run.context()));
                self.effects.insert(effect, Effect::Begun(call.clone()));
                self.begun.insert(effect);
                let begun = GiverWrite::Effect { effect, call: call.clone(), report: None };
                self.writes.push(begun);
                self.orders.push_back(GiverOrder::Begin {
                    effect,
                    activity,
                    call,
                    workflow,
                    context,
                    again: false,
                });
            }
        }
    }

    pub(super) fn effect_ended(&mut self, effect: EffectId, report: Report, now: Timestamp) {
        if !self.is_begun(effect) {
            return self.ended_there(effect, report, now);
        }
        self.begun.remove(&effect);
        self.effects.insert(effect, Effect::Ended(report.clone()));
        self.writes.push(GiverWrite::Effect { effect, call: None, report: Some(report.clone()) });
        self.deliver(effect, report, now);
    }

    /// Tells the run's owner how an activity of the server ended.
    pub(super) fn deliver(&mut self, effect: EffectId, report: Report, now: Timestamp) {
        let Some(given) = self.runs.get(&effect.run) else { return };
        match given.run.state().owner() {
            _ if given.reach == Reach::Ssh => {
                self.step(effect.run, Input::Ended { effect, report }, now);
            }
            Owner::Server => self.step(effect.run, Input::Ended { effect, report }, now),
            Owner::Giving(_) | Owner::Target(_) | Owner::Returning(_) => {
                self.send(given.computer, ToAgent::Answer { effect, report });
            }
        }
    }
}
