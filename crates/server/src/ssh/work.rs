//! One activity on a computer without agent, through cut connections.
//!
//! What may be done again is done again over a new connection; what may not is told as
//! `interrupted`: the agent on the other side ends it by itself when the connection goes. A restart
//! is waited for until the computer answers with another boot.

use std::sync::Arc;
use std::time::Duration;

use model::{ComputerId, DeploymentId, Digest};
use store::Write;
use store::rows::Document;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use wire::temporary::Begin;
use workflow::{
    ActivityName, Context, EffectId, Event, Kind, Report, RunAs, ShutdownMethod, Workflow,
};

use super::session::{Order, Session};
use crate::clock::now;
use crate::core::chain;
use crate::hall::{About, Hall, SELF};
use crate::secrets;

/// How often what may be done again is begun on a connection that is cut each time.
const TIMES_MAX: u32 = 5;
const WAIT_FIRST: Duration = Duration::from_millis(200);
const WAIT_LAST: Duration = Duration::from_secs(15);
/// How long an agent may take to end what it is told to.
const INTERRUPTED_WITHIN: Duration = Duration::from_secs(20);
/// How long what a dead server left running is looked for.
const RECOVERED_WITHIN: Duration = Duration::from_secs(60);
/// How long a computer may take to restart.
const RESTART_WITHIN: Duration = Duration::from_secs(30 * 60);
/// The kind of documents that hold the boot before a restart.
const BOOT_KIND: &str = "ssh-boot";

/// An activity to be carried out on a computer without agent.
#[derive(Debug)]
pub struct Job {
    pub effect: EffectId,
    pub computer: ComputerId,
    pub deployment: DeploymentId,
    pub work: Work,
    pub cancel: CancellationToken,
}

#[derive(Debug)]
pub enum Work {
    Begin {
        activity: ActivityName,
        workflow: Arc<Workflow>,
        context: Box<Context>,
        run_as: Option<RunAs>,
    },
    /// A server that died had begun it.
    Recover,
}

/// Carries it out. Whatever goes wrong is in the report.
pub async fn carry_out(hall: &Arc<Hall>, job: Job) -> Report {
    let Job { effect, computer, deployment, work, cancel } = job;
    match work {
        Work::Recover => recover(hall, computer, effect).await,
        Work::Begin { activity, workflow, context, run_as } => {
            let Some(kind) = workflow.activities.get(&activity).map(|found| found.kind.clone())
            else {
                return Report::error("the workflow has no such activity");
            };
            let own = match &kind {
                Kind::Impersonate(who) => who.secret.clone(),
                _ => None,
            };
            let names = own.into_iter().chain(run_as.iter().filter_map(|who| who.secret.clone()));
            let doing = Doing {
                hall,
                effect,
                computer,
                deployment,
                kind,
                names: names.collect(),
                begin: (activity, *context, run_as),
                cancel,
            };
            doing.carry_out().await
        }
    }
}

struct Doing<'a> {
    hall: &'a Arc<Hall>,
    effect: EffectId,
    computer: ComputerId,
    deployment: DeploymentId,
    kind: Kind,
    /// Secrets that the activity may ask for.
    names: Vec<String>,
    begin: (ActivityName, Context, Option<RunAs>),
    cancel: CancellationToken,
}

impl Doing<'_> {
    async fn carry_out(self) -> Report {
        let (definition, depot) = match self.definition().await {
            Ok(Some(found)) => found,
            Ok(None) => return Report::error("its deployment is not there any more"),
            Err(error) => return Report::error(chain(&error)),
        };
        if let Kind::Shutdown(shutdown) = &self.kind {
            let method = shutdown.method;
            return self.shut_down(&definition, method).await;
        }
        let (mut wait, mut times) = (WAIT_FIRST, 0);
        loop {
            let session = tokio::select! {
                session = self.hall.ssh.session(self.hall, self.computer) => session,
                () = self.cancel.cancelled() => return Report::of(Event::Interrupted),
            };
            times += 1;
            let why = match session {
                Ok(session) => match self.once(&session, &definition, depot).await {
                    Some(report) => return report,
                    None if !self.kind.can_be_redone() => return cut(),
                    None => "the connection was cut".to_owned(),
                },
                // What never worked is not tried on and on.
                Err(error) if times == 1 => return Report::error(chain(&error)),
                Err(error) => chain(&error),
            };
            if times >= TIMES_MAX {
                return Report::error(format!("{why}; begun {times} times"));
            }
            tracing::info!(effect = %self.effect, "{why}; begun again");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.cancel.cancelled() => return Report::of(Event::Interrupted),
            }
            wait = (wait * 2).min(WAIT_LAST);
        }
    }

    /// The copy of the workflow that the run goes by, and the tree it draws from.
    async fn definition(&self) -> Result<Option<(Arc<[u8]>, Option<Digest>)>, store::ReadError> {
        let run = self.effect.run;
        let copy = self.hall.core.ask(move |giver, _| giver.copy_of(run)).await;
        match copy.ok().flatten().unwrap_or(1) {
            1 => {
                let row = self.hall.store.deployment(self.deployment).await?;
                Ok(row.map(|row| (row.definition.into(), row.depot_root)))
            }
            number => {
                let copies = self.hall.store.deployment_copies(self.deployment).await?;
                let found = copies.into_iter().find(|copy| copy.number == number);
                Ok(found.map(|copy| (copy.definition.into(), copy.depot_root)))
            }
        }
    }

    /// The activity's report; none when the connection was cut before.
    async fn once(
        &self,
        session: &Session,
        definition: &Arc<[u8]>,
        depot: Option<Digest>,
    ) -> Option<Report> {
        let mut secrets = std::collections::BTreeMap::new();
        for name in &self.names {
            match secrets::seal(self.hall, session.sealing, self.effect.run, name).await {
                Ok(sealed) => _ = secrets.insert(name.clone(), sealed),
                Err(why) => {
                    let about = About::computer(self.computer);
                    self.hall.log("secret", about, SELF, format!("not handed over: {why}"));
                }
            }
        }
        let (activity, mut context, run_as) = self.begin.clone();
        context.agent.insert("version".to_owned(), session.hello.version.clone());
        let begin = Box::new(Begin {
            effect: self.effect,
            definition: trust::definition_digest(definition),
            activity,
            context,
            depot,
            run_as,
            secrets,
        });
        let ordered = session.order(Order::Begin { begin, definition: definition.clone() });
        let mut ordered = std::pin::pin!(ordered);
        tokio::select! {
            report = &mut ordered => report,
            () = self.cancel.cancelled() => {
                session.interrupt(self.effect).await;
                let report = timeout(INTERRUPTED_WITHIN, ordered).await.ok().flatten();
                Some(report.unwrap_or_else(cut))
            }
        }
    }

    /// The computer goes down with everything on it; what it came up with again tells that it did.
    async fn shut_down(self, definition: &Arc<[u8]>, method: ShutdownMethod) -> Report {
        let name = self.effect.to_string();
        let before = match self.hall.store.document(BOOT_KIND, &name).await {
            Ok(row) => row.map(|row| String::from_utf8_lossy(&row.body).into_owned()),
            Err(error) => return Report::error(chain(&error)),
        };
        let report = match before {
            // Begun before this server started: it is waited for and not done once more.
            Some(boot) => self.wait_for_another(&boot, method).await,
            None => match self.hall.ssh.session(self.hall, self.computer).await {
                Err(error) => return Report::error(chain(&error)),
                Ok(session) => {
                    let boot = session.boot_id.clone();
                    let row = Document {
                        kind: BOOT_KIND.to_owned(),
                        name: name.clone(),
                        body: boot.clone().into_bytes(),
                        updated_by: SELF.to_owned(),
                        updated_at: now(),
                    };
                    if let Err(error) = self.hall.writer.submit(vec![Write::PutDocument(row)]).await
                    {
                        return Report::error(chain(&error));
                    }
                    match self.once(&session, definition, None).await {
                        Some(report) if report.event != Event::Ok => report,
                        Some(_) | None => self.wait_for_another(&boot, method).await,
                    }
                }
            },
        };
        let gone = Write::RemoveDocument { kind: BOOT_KIND.to_owned(), name };
        if let Err(error) = self.hall.writer.submit(vec![gone]).await {
            tracing::warn!("the boot before a restart is kept on: {}", chain(&error));
        }
        report
    }

    async fn wait_for_another(&self, boot: &str, method: ShutdownMethod) -> Report {
        if method == ShutdownMethod::PowerOff {
            return Report::of(Event::Ok);
        }
        let (begin, mut wait) = (Instant::now(), WAIT_FIRST);
        loop {
            if let Ok(session) = self.hall.ssh.session(self.hall, self.computer).await
                && session.boot_id != boot
            {
                return Report::of(Event::Ok);
            }
            if begin.elapsed() > RESTART_WITHIN {
                let minutes = RESTART_WITHIN.as_secs() / 60;
                return Report::error(format!("it did not come back within {minutes} minutes"));
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.cancel.cancelled() => return Report::of(Event::Interrupted),
            }
            wait = (wait * 2).min(WAIT_LAST);
        }
    }
}

/// Switches a computer off, as a Shutdown there has prepared.
pub async fn power_off(hall: &Arc<Hall>, computer: ComputerId, effect: EffectId) {
    match hall.ssh.session(hall, computer).await {
        Ok(session) => session.power_off(effect).await,
        Err(error) => {
            let text = format!("it was not switched off: {}", chain(&error));
            hall.log("ssh", About::computer(computer), SELF, text);
        }
    }
}

fn cut() -> Report {
    let note = "the connection was cut while this was in progress; what it had started was ended \
                there";
    Report { note: Some(note.to_owned()), ..Report::of(Event::Interrupted) }
}

/// Ends what a dead server left running. The agent that it had started does that by itself, so a
/// computer that cannot be reached now holds nobody up for long.
async fn recover(hall: &Arc<Hall>, computer: ComputerId, effect: EffectId) -> Report {
    let looking = async {
        let session = hall.ssh.session(hall, computer).await.ok()?;
        session.order(Order::Recover { effect }).await
    };
    let note = "the server stopped while this was in progress";
    match timeout(RECOVERED_WITHIN, looking).await {
        Ok(Some(report)) => Report { note: Some(note.to_owned()), ..report },
        Ok(None) | Err(_) => {
            Report { note: Some(note.to_owned()), ..Report::of(Event::Interrupted) }
        }
    }
}
