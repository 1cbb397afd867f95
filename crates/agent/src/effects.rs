//! The activities in progress on this machine, each a task of its own.
//!
//! Remembers by its effect what has begun and not yet been recorded as ended, so that what is
//! ordered again is not done again. Forgets everything with the agent's death; the journal does
//! not.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use workflow::{EffectId, Report};

use crate::driver::Input;
use crate::effect::{Doer, Job, interrupted};

pub(crate) struct Effects {
    doer: Arc<Doer>,
    inputs: mpsc::Sender<Input>,
    running: BTreeMap<EffectId, CancellationToken>,
}

impl Effects {
    pub(crate) fn new(doer: Doer, inputs: mpsc::Sender<Input>) -> Self {
        Self { doer: Arc::new(doer), inputs, running: BTreeMap::new() }
    }

    /// Whether the effect has begun and its end has not been recorded.
    pub(crate) fn is_known(&self, effect: EffectId) -> bool {
        self.running.contains_key(&effect)
    }

    /// Nothing is in progress.
    pub(crate) fn is_quiet(&self) -> bool {
        self.running.is_empty()
    }

    /// Carries a job out, unless it is known.
    pub(crate) fn begin(&mut self, job: Job) {
        let (doer, effect) = (self.doer.clone(), job.effect);
        let cancel = CancellationToken::new();
        let cancelled = cancel.clone();
        self.start(effect, cancel, async move { doer.carry_out(job, &cancelled).await });
    }

    /// Ends what a dead agent left running for an effect, unless it is known to this one.
    pub(crate) fn recover(&mut self, effect: EffectId) {
        self.start(effect, CancellationToken::new(), async move {
            end_marked(&effect.to_string()).await;
            let note = "the agent died while this was in progress";
            Report { note: Some(note.into()), ..interrupted() }
        });
    }

    /// Ends an effect and all it started; its report follows.
    pub(crate) fn interrupt(&mut self, effect: EffectId) {
        if let Some(cancel) = self.running.get(&effect) {
            cancel.cancel();
        }
    }

    /// Ends everything.
    pub(crate) fn interrupt_all(&mut self) {
        self.running.values().for_each(CancellationToken::cancel);
    }

    /// Switches the machine off as a Shutdown has prepared in the file `plan`, unless the machine
    /// was started anew since.
    pub(crate) fn power_off(&self, effect: EffectId, plan: PathBuf) {
        let (doer, inputs) = (self.doer.clone(), self.inputs.clone());
        tokio::spawn(async move {
            if let Err(why) = doer.power_off(&plan).await {
                tracing::error!("run {}: the machine stays on: {why}", effect.run);
            }
            // Without a driver the agent is ending, and asks again when it starts.
            let _ = inputs.send(Input::CameBack(effect.run)).await;
        });
    }

    /// The effect's end has been recorded.
    pub(crate) fn forget(&mut self, effect: EffectId) {
        self.running.remove(&effect);
    }

    fn start(
        &mut self,
        effect: EffectId,
        cancel: CancellationToken,
        work: impl Future<Output = Report> + Send + 'static,
    ) {
        if self.is_known(effect) {
            return;
        }
        self.running.insert(effect, cancel);
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let done = AssertUnwindSafe(work).catch_unwind().await;
            let report = done.unwrap_or_else(|_| {
                Report::error("the agent failed in this activity; its log says where")
            });
            // Without a driver there is nobody left to tell: the agent is ending.
            let _ = inputs.send(Input::Ended { effect, report }).await;
        });
    }
}

/// Ends all processes that carry a mark.
pub(crate) async fn end_marked(mark: &str) {
    match machine::end_marked(mark).await {
        Ok(0) => {}
        Ok(count) => tracing::info!("ended {count} processes that {mark} had left running"),
        Err(error) => tracing::error!("what {mark} left running cannot be ended: {error}"),
    }
}
