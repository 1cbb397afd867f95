//! Carrying out one activity on this machine: parameters rendered, the machine asked, a report
//! made.
//!
//! Owns nothing that lasts but the plan files of what may be carried out again. Never decides
//! whether an activity is carried out; whoever calls has made its beginning durable. Everything
//! that goes wrong becomes a report, in a sentence.

mod application;
mod capture;
mod execute;
mod files;
mod registry;
mod render;
mod script;
mod shutdown;
#[cfg(test)]
mod tests;
mod who;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use machine::power::Power;
use model::Digest;
use tokio_util::sync::CancellationToken;
use wire::Log;
use workflow::{Activity, Context, EffectId, Event, Kind, Report, RunAs};

use crate::asking::Asker;
use crate::keeper::Hands;
use crate::secrets::Secrets;
use crate::transfer::Transfers;
use render::Task;
use who::Who;

/// Where pieces of output go.
pub(crate) type Show = Arc<dyn Fn(Log) + Send + Sync>;

/// What carries activities out.
pub(crate) struct Doer {
    /// Stands for the machine's root in every path.
    pub root: Option<PathBuf>,
    pub show: Show,
    /// None where there is no server.
    pub transfers: Option<Arc<Transfers>>,
    /// None where the machine is not to go down.
    pub power: Option<Arc<dyn Power>>,
    /// Whom scripts have ask the server; none where no agent is that keeps their runs.
    pub server: Option<Asker>,
    /// None where no applications are kept.
    pub hands: Option<Hands>,
}

/// One activity to be carried out.
pub(crate) struct Job {
    pub effect: EffectId,
    pub activity: Activity,
    pub context: Context,
    /// The tree that the run's warrant lets it draw from.
    pub depot: Option<Digest>,
    /// The run's own folder, for what must outlive this agent's death.
    pub folder: Option<PathBuf>,
    /// Who it is carried out as; the agent itself when nobody is named.
    pub run_as: Option<RunAs>,
    pub secrets: Secrets,
}

/// The file of a plan or a part that belongs to an effect.
pub(crate) fn plan_name(effect: EffectId) -> String {
    format!("{}.{}.plan", effect.attempt, effect.visit)
}

impl Doer {
    /// Carries an activity out and says how it ended; `cancel` ends it and all it started.
    pub(crate) async fn carry_out(&self, job: Job, cancel: &CancellationToken) -> Report {
        match &job.activity.kind {
            Kind::Script(script) => {
                let script = script.clone();
                script::run(self, &script, job, cancel).await
            }
            _ => self.activity(job, &self.show, cancel).await,
        }
    }

    /// Any activity but a script. The part of its effect tells apart what one script has carried
    /// out: what is started bears it in its mark, so that one part can be ended without the others.
    async fn activity(&self, job: Job, show: &Show, cancel: &CancellationToken) -> Report {
        let Job { effect, activity, context, depot, folder, run_as, secrets } = job;
        let root = self.root.as_deref();
        let task = match render::render(effect, &activity.kind, &context, root) {
            Ok(task) => task,
            Err(error) => return Report::error(sentence(&error)),
        };
        let plan = folder.as_ref().map(|folder| folder.join(plan_name(effect)));
        match task {
            Task::Execute { spec, log } => {
                let identity = match Who::new(run_as, secrets).find().await {
                    Ok(identity) => identity,
                    Err(error) => return Report::error(sentence(&error)),
                };
                execute::run(effect, (&spec, identity.as_ref()), log, show, cancel).await
            }
            Task::Impersonate(user) => who::impersonate(user, secrets).await,
            Task::Registry { script } => {
                registry::run(script, Who::new(run_as, secrets), plan, cancel).await
            }
            Task::Shutdown(down) => shutdown::run(self.power.as_ref(), down, plan, cancel).await,
            Task::Files(operation) => files::run(operation, plan, cancel).await,
            Task::Upload(upload) => match &self.transfers {
                Some(transfers) => transfers.upload(effect, depot, upload, plan, cancel).await,
                None => needs_server(),
            },
            Task::Download(download) => match &self.transfers {
                Some(transfers) => transfers.download(effect, download, cancel).await,
                None => needs_server(),
            },
            Task::Application(name, action) => match (&self.transfers, &self.hands) {
                (Some(transfers), Some(hands)) => {
                    let (run, who) = (effect.run, Who::new(run_as, secrets));
                    let way = application::Way { transfers, hands, run, depot, who };
                    way.carry_out(&name, action, folder.as_deref(), cancel).await
                }
                _ => Report::error(
                    "an application comes from the server that it is published on, and there is \
                     none here; from its file it is distributed with `deskhand app apply FILE`",
                ),
            },
            Task::Elsewhere => needs_server(),
            Task::NotYet(name) => Report::error(format!("`{name}` is not in this version")),
        }
    }
}

impl Doer {
    /// Switches the machine off as a Shutdown prepared it in the file `plan`. Returns when the
    /// machine is on: it was started anew since, or nothing was prepared. An error says why it
    /// stays on.
    pub(crate) async fn power_off(&self, plan: &Path) -> Result<(), String> {
        let done = shutdown::power_off(self.power.as_ref(), plan).await;
        done.map_err(|error| sentence(&error))
    }
}

fn needs_server() -> Report {
    Report::error("this activity needs a server, and there is none here")
}

/// An error with what it came from, in one line.
pub(crate) fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

/// What is reported when an activity was ended before its end.
pub(crate) fn interrupted() -> Report {
    Report::of(Event::Interrupted)
}
