//! What scripts ask the server for: told on this link and the next, until it is answered or its
//! script has ended.
//!
//! Nothing of it is kept on disk: a script that was cut off is `interrupted`, and nobody is left
//! who waits.

use super::*;

impl Taker {
    pub(super) fn asked(&mut self, effect: EffectId, call: Call) {
        let Some(held) = self.runs.get_mut(&effect.run) else {
            let report = Report::error("the run is not held here any more");
            return self.orders.push_back(TakerOrder::Answered { effect, report });
        };
        held.asked.insert(effect, call);
        self.ask(effect);
    }

    /// Told behind the record that says that the script began, never before it.
    pub(super) fn ask(&mut self, effect: EffectId) {
        let Some(held) = self.runs.get(&effect.run) else { return };
        let (true, Some(_), false) = (self.is_linked, held.sent, held.is_fenced) else { return };
        let progress = held.run.state().in_progress().get(&effect.visit);
        let (Some(progress), Some(call)) = (progress, held.asked.get(&effect)) else { return };
        let (activity, call) = (progress.activity.clone(), Some(call.clone()));
        let ask = ToServer::Ask { effect, activity, call };
        self.orders.push_back(TakerOrder::Send(ask));
    }

    pub(super) fn unasked(&mut self, effect: EffectId) {
        let held = self.runs.get_mut(&effect.run);
        let was_asked = held.and_then(|held| held.asked.remove(&effect)).is_some();
        if was_asked && self.is_linked {
            self.orders.push_back(TakerOrder::Send(ToServer::Cancel { effect }));
        }
    }

    pub(super) fn answered(&mut self, effect: EffectId, report: Report) {
        let held = self.runs.get_mut(&effect.run);
        if held.and_then(|held| held.asked.remove(&effect)).is_some() {
            self.orders.push_back(TakerOrder::Answered { effect, report });
        }
    }
}
