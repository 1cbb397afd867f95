//! Acting on the loop's orders, once all they rest on is durable.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::{ComputerId, Outcome, RunId, ServerId};
use store::{Store, Writer};
use travel::{GiverInput, GiverOrder, ToAgent};
use workflow::EffectId;

use super::{Core, Parts};
use crate::effects::{Depot, carry_out};
use crate::hall::{About, event};
use crate::links::Links;

/// Where looking up reads and writes.
#[derive(Clone)]
struct Log {
    store: Arc<dyn Store>,
    writer: Writer,
    server: ServerId,
}

pub struct Doers {
    core: Core,
    depot: Depot,
    log: Log,
    /// What is being done, and how it is told to stop.
    doing: HashMap<EffectId, Arc<AtomicBool>>,
}

impl Doers {
    pub fn new(core: Core, parts: &Parts) -> Self {
        let (store, writer) = (parts.store.clone(), parts.writer.clone());
        let log = Log { store, writer, server: parts.server };
        Self { core, depot: parts.depot.clone(), log, doing: HashMap::new() }
    }

    /// What is being done now.
    pub fn doing(&self) -> impl Iterator<Item = EffectId> {
        self.doing.keys().copied()
    }

    pub fn ended(&mut self, effect: EffectId) {
        self.doing.remove(&effect);
    }

    pub fn act(&mut self, order: GiverOrder, links: &Arc<Links>) {
        match order {
            GiverOrder::Send { computer, session, message } => {
                links.send(computer, session, message);
            }
            GiverOrder::Begin { effect, activity, workflow, context } => {
                if self.doing.contains_key(&effect) {
                    return;
                }
                let stop = Arc::new(AtomicBool::new(false));
                self.doing.insert(effect, stop.clone());
                let (core, depot) = (self.core.clone(), self.depot.clone());
                tokio::spawn(async move {
                    let found = workflow.activities.get(&activity).map(|found| found.kind.clone());
                    let doing = tokio::task::spawn_blocking(move || {
                        carry_out(&depot, found.as_ref(), &context, &stop)
                    });
                    let report = doing.await.unwrap_or_else(|error| {
                        workflow::Report::error(format!("the server's own fault: {error}"))
                    });
                    // A core that is gone asks for it again when it returns.
                    let _core_gone = core.input(GiverInput::Ended { effect, report }).await;
                });
            }
            GiverOrder::Interrupt { effect } => {
                if let Some(stop) = self.doing.get(&effect) {
                    stop.store(true, Ordering::Relaxed);
                }
            }
            GiverOrder::LookUp { computer, session, run } => {
                let (log, links) = (self.log.clone(), links.clone());
                tokio::spawn(async move {
                    if let Some(message) = look_up(&log, computer, run).await {
                        links.send(computer, session, message);
                    }
                });
            }
        }
    }
}

/// What to tell an agent of a run that is not open, as the database has it.
async fn look_up(log: &Log, computer: ComputerId, run: RunId) -> Option<ToAgent> {
    let row = match log.store.run(run).await {
        Ok(row) => row.filter(|row| row.computer == computer),
        Err(error) => {
            tracing::error!(%run, error = %super::chain(&error), "a run could not be looked up");
            return None;
        }
    };
    match row.map(|row| row.outcome) {
        // The server ended it without its agent, which must not go on with it.
        Some(Some(Outcome::Lost | Outcome::Refused | Outcome::NotBegun)) => {
            Some(ToAgent::Fenced { run })
        }
        Some(Some(_)) => Some(ToAgent::Forget { run }),
        // Not ended and not at hand: its deployment cannot be read. The agent goes on by its own
        // warrant and keeps its journal until somebody has mended that.
        Some(None) => None,
        None => {
            let about = About { computer: Some(computer), run: Some(run), deployment: None };
            let text = "the agent holds a run that this server never gave it: a restored database?";
            tracing::warn!(%computer, %run, "{text}");
            drop(log.writer.submit(vec![event(log.server, "diverged", about, "agent", text)]));
            None
        }
    }
}
