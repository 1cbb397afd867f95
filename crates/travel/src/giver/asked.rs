//! What agents ask the server for: its activities, and what a script in progress calls for.
//!
//! Every request is held against owner, attempt and graph. What a script may call for is in its
//! activity, which the warrant covers; the server judges by it when it carries the call out.

use super::*;

/// A call that is longer is none of a script of ours.
const CALL_BYTES_MAX: usize = 256 << 10;
/// Calls of one script that are carried out at the same time.
const CALLS_MAX: usize = 64;
/// Calls are remembered as long as their deployment is open, so there is an end to their numbers.
const PARTS_MAX: u32 = 100_000;

impl Giver {
    pub(super) fn asked(
        &mut self,
        computer: ComputerId,
        effect: EffectId,
        (activity, call): (ActivityName, Option<Call>),
        now: Timestamp,
    ) {
        if let Some(Effect::Ended(report)) = self.effects.get(&effect) {
            let report = report.clone();
            return self.send(computer, ToAgent::Answer { effect, report });
        }
        if !self.is_due(effect, &activity, call.as_ref()) {
            let text = format!("the agent asked for `{activity}`, which is not due at the server");
            return self.event("refused", computer, effect.run, &text);
        }
        if let Some(why) = call.as_ref().and_then(|_| self.too_many(effect)) {
            let report = Report::error(why);
            return self.send(computer, ToAgent::Answer { effect, report });
        }
        self.begin_effect(effect, activity, call, now);
    }

    fn is_due(&self, effect: EffectId, activity: &ActivityName, call: Option<&Call>) -> bool {
        let Some(given) = self.runs.get(&effect.run) else { return false };
        let state = given.run.state();
        let kind = given.run.workflow().activities.get(activity).map(|found| &found.kind);
        let is_of_kind = match (kind, call) {
            (Some(kind), None) => effect.part == 0 && kind.side() == Side::Server,
            (Some(Kind::Script(script)), Some(call)) => {
                (1..=script.operations).contains(&effect.part) && call.bytes() <= CALL_BYTES_MAX
            }
            _ => false,
        };
        is_of_kind
            && matches!(state.owner(), Owner::Target(_))
            && state.attempt() == effect.attempt
            && state.in_progress().get(&effect.visit).is_some_and(|p| p.activity == *activity)
    }

    pub(super) fn is_begun(&self, effect: EffectId) -> bool {
        self.begun.contains(&effect)
    }

    /// Why a call that is not in progress is not begun.
    fn too_many(&self, effect: EffectId) -> Option<String> {
        if self.is_begun(effect) {
            return None;
        }
        if effect.part > PARTS_MAX {
            return Some(format!("the server takes only the first {PARTS_MAX} calls of a script"));
        }
        let parts = effect.part(1)..=effect.part(u32::MAX);
        let is_full = self.begun.range(parts).count() >= CALLS_MAX;
        is_full.then(|| {
            format!("the script has {CALLS_MAX} calls at the server already; `await` some before")
        })
    }

    /// Ends what the server does for an activity, and for its script; whether it does anything.
    pub(super) fn interrupt_begun(&mut self, effect: EffectId) -> bool {
        let parts = effect.whole()..=effect.part(u32::MAX);
        let begun: Vec<EffectId> = self.begun.range(parts).copied().collect();
        let orders = begun.iter().map(|effect| GiverOrder::Interrupt { effect: *effect });
        self.orders.extend(orders);
        !begun.is_empty()
    }
}
