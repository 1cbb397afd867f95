//! Acting on the loop's orders, once all they rest on is durable.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use model::{ComputerId, DeploymentId, Outcome, RunId};
use tokio_util::sync::{CancellationToken, DropGuard};
use travel::{Call, Give, Giver, GiverInput, GiverOrder, ThereOrder, ToAgent};
use workflow::{Activity, ActivityName, Context, EffectId, Event, Report, Workflow};

use crate::effects::{Job, called, carry_out};
use crate::hall::{About, Hall};
use crate::secrets;
use crate::ssh;

pub struct Doers {
    hall: Arc<Hall>,
    /// What is being done, and how it is told to stop.
    doing: HashMap<EffectId, CancellationToken>,
    /// Lets go of everything when the core ends: nobody would take its report.
    ending: CancellationToken,
    _end_with_the_core: DropGuard,
}

impl Doers {
    pub fn new(hall: Arc<Hall>) -> Self {
        let ending = CancellationToken::new();
        let _end_with_the_core = ending.clone().drop_guard();
        Self { hall, doing: HashMap::new(), ending, _end_with_the_core }
    }

    /// What is being done now.
    pub fn doing(&self) -> impl Iterator<Item = EffectId> {
        self.doing.keys().copied()
    }

    pub fn ended(&mut self, effect: EffectId) {
        self.doing.remove(&effect);
    }

    pub fn act(&mut self, order: GiverOrder, giver: &Giver) {
        match order {
            GiverOrder::Send { computer, session, message } => match secrets_of(&message, giver) {
                Some((give, names)) => self.give(computer, session, give, names),
                None => self.hall.links.send(computer, session, message),
            },
            GiverOrder::Begin { effect, activity, call, workflow, context, again } => {
                if let Some(of) = giver.run_of(effect.run) {
                    self.begin(Begin { effect, activity, call, of, again }, &workflow, *context);
                }
            }
            GiverOrder::Interrupt { effect } => {
                if let Some(doing) = self.doing.get(&effect) {
                    doing.cancel();
                }
            }
            GiverOrder::There { order, .. } => self.there(order, giver),
            GiverOrder::TellTrust => self.hall.links.tell_trust(),
            GiverOrder::LookUp { computer, session, run } => {
                let hall = self.hall.clone();
                tokio::spawn(async move {
                    if let Some(message) = look_up(&hall, computer, run).await {
                        hall.links.send(computer, session, message);
                    }
                });
            }
        }
    }

    /// Hands a run over with the secrets that it names, sealed to that agent.
    fn give(&self, computer: ComputerId, session: u64, give: Give, names: BTreeSet<String>) {
        let hall = self.hall.clone();
        tokio::spawn(async move {
            let secrets = secrets::for_agent(&hall, computer, give.run, &names).await;
            let message = ToAgent::Give(Box::new(Give { secrets, ..give }));
            hall.links.send(computer, session, message);
        });
    }

    /// What is done on a target without agent.
    fn there(&mut self, order: ThereOrder, giver: &Giver) {
        let (effect, work) = match order {
            ThereOrder::Interrupt { effect } => {
                if let Some(doing) = self.doing.get(&effect) {
                    doing.cancel();
                }
                return;
            }
            ThereOrder::PowerOff { effect } => {
                if let Some((computer, _)) = giver.run_of(effect.run) {
                    let hall = self.hall.clone();
                    tokio::spawn(async move { ssh::power_off(&hall, computer, effect).await });
                }
                return;
            }
            ThereOrder::Recover { effect } => (effect, ssh::Work::Recover),
            ThereOrder::Begin { effect, activity, workflow, context, run_as } => {
                (effect, ssh::Work::Begin { activity, workflow, context, run_as })
            }
        };
        let Some((computer, deployment)) = giver.run_of(effect.run) else { return };
        if self.doing.contains_key(&effect) {
            return;
        }
        let cancel = CancellationToken::new();
        self.doing.insert(effect, cancel.clone());
        let job = ssh::Job { effect, computer, deployment, work, cancel };
        let hall = self.hall.clone();
        let doing = async move { ssh::carry_out(&hall, job).await };
        self.report(effect, doing);
    }

    /// Does something beside the loop, and hands its report in.
    fn report(&self, effect: EffectId, doing: impl Future<Output = Report> + Send + 'static) {
        let (hall, ending) = (self.hall.clone(), self.ending.clone());
        tokio::spawn(ending.run_until_cancelled_owned(async move {
            let report = guarded(doing).await;
            // A core that is gone asks for it again when it returns.
            let _core_gone = hall.core.input(GiverInput::Ended { effect, report }).await;
        }));
    }

    fn begin(&mut self, begin: Begin, workflow: &Workflow, context: Context) {
        let Begin { effect, activity, call, of: (computer, deployment), again } = begin;
        if self.doing.contains_key(&effect) {
            return;
        }
        let cancel = CancellationToken::new();
        self.doing.insert(effect, cancel.clone());
        let found = workflow.activities.get(&activity);
        let found = found.ok_or_else(|| "the workflow has no such activity".to_owned());
        let found = found.and_then(|found| match &call {
            Some(call) => called::understood(&found.kind, call, &context),
            None => Ok(found.clone()),
        });
        let job = found.map(|Activity { kind, timeout, .. }| Job {
            effect,
            computer,
            deployment,
            kind,
            timeout,
            context,
            again,
            cancel,
        });
        let hall = self.hall.clone();
        self.report(effect, async move {
            match job {
                // Nobody knows how far it came.
                Ok(job) if again && !job.kind.can_be_redone() => Report::of(Event::Interrupted),
                Ok(job) => carry_out(&hall, job).await,
                Err(why) => {
                    let (computer, run) = (Some(computer), Some(effect.run));
                    let about = About { computer, run, deployment: Some(deployment) };
                    hall.log("refused", about, "agent", format!("a script's call: {why}"));
                    Report::error(why)
                }
            }
        });
    }
}

/// The names of the secrets that go with a hand-over, when it is one that needs some.
fn secrets_of(message: &ToAgent, giver: &Giver) -> Option<(Give, BTreeSet<String>)> {
    let ToAgent::Give(give) = message else { return None };
    let names = giver.run(give.run)?.workflow().secrets();
    let names: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
    (!names.is_empty()).then(|| ((**give).clone(), names))
}

/// An activity that begins.
struct Begin {
    effect: EffectId,
    activity: ActivityName,
    call: Option<Call>,
    of: (ComputerId, DeploymentId),
    again: bool,
}

/// A report; of what fails by a fault of the server, one that says so.
async fn guarded(work: impl Future<Output = Report> + Send + 'static) -> Report {
    let mut doing = tokio::task::JoinSet::new();
    doing.spawn(work);
    match doing.join_next().await {
        Some(Ok(report)) => report,
        Some(Err(error)) => Report::error(format!("the server's own fault: {error}")),
        None => Report::error("the server's own fault: nothing was done"),
    }
}

/// What to tell an agent of a run that is not open, as the database has it.
async fn look_up(hall: &Hall, computer: ComputerId, run: RunId) -> Option<ToAgent> {
    let row = match hall.store.run(run).await {
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
            drop(hall.writer.submit(vec![hall.event("diverged", about, "agent", text)]));
            None
        }
    }
}
