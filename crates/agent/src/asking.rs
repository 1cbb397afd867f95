//! What scripts have asked of the server, and who waits for the answers.
//!
//! Owns nothing that lasts: what is waited for ends with this agent, as its scripts do.

use std::collections::BTreeMap;

use tokio::sync::{mpsc, oneshot};
use travel::{Call, TakerInput};
use workflow::{EffectId, Report};

use crate::driver::Input;

/// Passes calls of scripts to the agent's loop.
#[derive(Clone)]
pub(crate) struct Asker {
    inputs: mpsc::Sender<Input>,
}

impl Asker {
    pub(crate) fn new(inputs: mpsc::Sender<Input>) -> Self {
        Self { inputs }
    }

    /// Has the server do it, and says how it ended. Dropped before, it is called off.
    pub(crate) async fn ask(&self, effect: EffectId, call: Call) -> Report {
        let (answer, answered) = oneshot::channel();
        let gone = || Report::error("the agent is ending");
        if self.inputs.send(Input::Asked { effect, call, answer }).await.is_err() {
            return gone();
        }
        let mut wait = Wait { inputs: self.inputs.clone(), effect: Some(effect) };
        let report = answered.await;
        wait.effect = None;
        report.unwrap_or_else(|_| gone())
    }
}

/// Tells the loop when nobody waits any more.
struct Wait {
    inputs: mpsc::Sender<Input>,
    effect: Option<EffectId>,
}

impl Drop for Wait {
    fn drop(&mut self) {
        let Some(effect) = self.effect else { return };
        if let Err(mpsc::error::TrySendError::Full(input)) =
            self.inputs.try_send(Input::Unasked { effect })
        {
            let inputs = self.inputs.clone();
            // Without a runtime or a driver the agent is ending, and the script with it.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move { drop(inputs.send(input).await) });
            }
        }
    }
}

/// Calls that are not answered yet.
#[derive(Default)]
pub(crate) struct Asking {
    open: BTreeMap<EffectId, (Call, oneshot::Sender<Report>)>,
}

impl Asking {
    pub(crate) fn begin(
        &mut self,
        effect: EffectId,
        call: Call,
        answer: oneshot::Sender<Report>,
    ) -> TakerInput {
        self.open.insert(effect, (call.clone(), answer));
        TakerInput::Asked { effect, call }
    }

    pub(crate) fn end(&mut self, effect: EffectId) -> TakerInput {
        self.open.remove(&effect);
        TakerInput::Unasked { effect }
    }

    pub(crate) fn answer(&mut self, effect: EffectId, report: Report) {
        if let Some((_, answer)) = self.open.remove(&effect) {
            // It may have ended meanwhile.
            let _ = answer.send(report);
        }
    }

    /// All of them once more, for a loop that was opened anew.
    pub(crate) fn again(&self) -> Vec<TakerInput> {
        let again = |(effect, (call, _)): (&EffectId, &(Call, _))| TakerInput::Asked {
            effect: *effect,
            call: call.clone(),
        };
        self.open.iter().map(again).collect()
    }
}
