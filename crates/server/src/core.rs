//! The one task that owns the server's loop, [`Giver`].
//!
//! All that has arrived is stepped, what came of it is committed in one fenced transaction, and
//! only then is anything done or told. When the commit fails, everything that was stepped is
//! dropped, links are closed, and the loop is opened again from the database. Nothing else holds a
//! run's state, and nothing here waits for an agent or a reader.

mod act;
mod open;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{ComputerId, ServerId, Span, Timestamp};
use store::{CommitError, Fence, Store, Write};
use tokio::sync::{mpsc, oneshot, watch};
use travel::{Case, Giver, GiverInput, NewDeployment, Renewal, Resigned, Stale};

use crate::changes::Changes;
use crate::clock::now;
use crate::ends::Ends;
use crate::gauges::Gauges;
use crate::hall::Hall;
use crate::links::{Ending, Links};
use crate::quiet::Quiet;
use act::Doers;
use open::Opened;
pub use open::{Known, OpeningError, open_one, schedule};

/// Inputs that may wait; whoever brings more waits himself.
const QUEUE_MAX: usize = 16_384;
/// Inputs of one transaction.
const GROUP_MAX: usize = 4_096;
/// How long an ended deployment is kept at hand.
const UNLOAD_AFTER: Span = Span::from_secs(60);
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LAST: Duration = Duration::from_secs(5);

type Question = Box<dyn FnOnce(&Giver, Timestamp) + Send>;

enum ToCore {
    Input(GiverInput),
    Deploy(Box<NewDeployment>, Box<Known>),
    Ask(Question),
    /// A deployment that had been let go of.
    Load(Box<Case>, Box<Known>),
    Renew(Box<Renewed>),
    /// Keys were changed: warrants that are signed anew, each with its row.
    Resign(Vec<(Resigned, Write)>, oneshot::Sender<Result<(), Stale>>),
    /// Answered once everything before it is durable and acted on.
    Settle(oneshot::Sender<()>),
    Stop(oneshot::Sender<()>),
}

/// Targets of a deployment that begin anew, with the rows that say so.
struct Renewed {
    renewal: Renewal,
    names: Vec<(ComputerId, String)>,
    /// Written in the transaction in which the loop does it.
    writes: Vec<Write>,
    answer: oneshot::Sender<Result<(), Stale>>,
}

/// The way to the core. Clones lead to the same one.
#[derive(Debug, Clone)]
pub struct Core {
    queue: mpsc::Sender<ToCore>,
}

/// The core has stopped, or what was asked of it could not be made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server is stopping or could not write to its database; try again")]
pub struct Gone;

/// What the core works with.
pub struct Parts {
    pub server: ServerId,
    pub fence: u64,
    pub store: Arc<dyn Store>,
    pub links: Arc<Links>,
    pub changes: Changes,
    pub ends: Arc<Ends>,
    pub quiet: Arc<Quiet>,
    pub gauges: Arc<Gauges>,
    pub max_targets: u32,
    /// Take in ended deployments too, so that every row is written anew.
    pub rebuild: bool,
}

impl Core {
    /// Opens the loop from the database. Nothing happens before [`Ready::start`], which needs what
    /// itself needs the way to the core.
    pub async fn open(parts: Parts) -> Result<(Self, Ready), OpeningError> {
        let slots_max = parts.max_targets as usize;
        let which = if parts.rebuild { open::Which::All } else { open::Which::NotEnded };
        let opened =
            open::open(parts.store.as_ref(), which, &BTreeMap::new(), slots_max, now()).await?;
        let (queue, queued) = mpsc::channel(QUEUE_MAX);
        open::tell_aside(parts.store.as_ref(), parts.server, &opened.aside, now()).await;
        Ok((Self { queue }, Ready { parts, slots_max, opened, queued }))
    }

    pub async fn input(&self, input: GiverInput) -> Result<(), Gone> {
        self.queue.send(ToCore::Input(input)).await.map_err(|_| Gone)
    }

    /// Begins a deployment whose rows are durable.
    pub async fn deploy(&self, new: NewDeployment, known: Known) -> Result<(), Gone> {
        let message = ToCore::Deploy(Box::new(new), Box::new(known));
        self.queue.send(message).await.map_err(|_| Gone)
    }

    /// Takes in a deployment that had been let go of; nothing where it is open.
    pub async fn load(&self, case: Case, known: Known) -> Result<(), Gone> {
        let message = ToCore::Load(Box::new(case), Box::new(known));
        self.queue.send(message).await.map_err(|_| Gone)
    }

    /// Begins targets anew, with `writes` in the same transaction. Returns when all is durable;
    /// `Err` in it when a target has gone on meanwhile and nothing was done.
    pub async fn renew(
        &self,
        renewal: Renewal,
        names: Vec<(ComputerId, String)>,
        writes: Vec<Write>,
    ) -> Result<Result<(), Stale>, Gone> {
        let (answer, answered) = oneshot::channel();
        let renewed = Renewed { renewal, names, writes, answer };
        self.queue.send(ToCore::Renew(Box::new(renewed))).await.map_err(|_| Gone)?;
        answered.await.map_err(|_| Gone)
    }

    /// Tells agents of the trust document of now, and has runs go by warrants that were signed anew
    /// under it, with their rows. Returns when all is durable; `Err` in it when a deployment has
    /// got another warrant meanwhile, for which nothing was done.
    pub async fn resign(&self, all: Vec<(Resigned, Write)>) -> Result<Result<(), Stale>, Gone> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(ToCore::Resign(all, answer)).await.map_err(|_| Gone)?;
        answered.await.map_err(|_| Gone)
    }

    /// An answer from the loop as it is once everything before is durable.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Giver, Timestamp) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let (answer, answered) = oneshot::channel();
        let question = move |giver: &Giver, now: Timestamp| {
            // Whoever asked may have gone.
            let _asker = answer.send(question(giver, now));
        };
        self.queue.send(ToCore::Ask(Box::new(question))).await.map_err(|_| Gone)?;
        answered.await.map_err(|_| Gone)
    }

    /// Waits until everything that was handed in before is durable.
    pub async fn settle(&self) -> Result<(), Gone> {
        let (done, settled) = oneshot::channel();
        self.queue.send(ToCore::Settle(done)).await.map_err(|_| Gone)?;
        settled.await.map_err(|_| Gone)
    }

    /// Ends the task once it has come so far, without waiting.
    pub fn stop_soon(&self) {
        let (done, _) = oneshot::channel();
        // A queue that is full belongs to a core that is fenced off by whoever starts next.
        let _full_or_gone = self.queue.try_send(ToCore::Stop(done));
    }

    /// Commits what is queued and ends the task.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.queue.send(ToCore::Stop(done)).await.is_ok() {
            let _gone_already = stopped.await;
        }
    }
}

/// A loop that is open and does nothing yet.
#[must_use = "what was open when the server died goes on only once this is started"]
pub struct Ready {
    parts: Parts,
    slots_max: usize,
    opened: Opened,
    queued: mpsc::Receiver<ToCore>,
}

impl Ready {
    /// Starts the loop's task. The receiver tells when another server has taken over, after which
    /// nothing is written any more.
    pub fn start(self, hall: Arc<Hall>) -> watch::Receiver<bool> {
        let (fenced, is_fenced) = watch::channel(false);
        let Self { parts, slots_max, opened: Opened { giver, known, .. }, queued } = self;
        let doers = Doers::new(hall);
        let task = Task { parts, slots_max, giver, known, queued, doers, fenced };
        tokio::spawn(task.run());
        is_fenced
    }
}

/// What one turn of the loop took from its queue.
#[derive(Default)]
struct Group {
    questions: Vec<Question>,
    settled: Vec<oneshot::Sender<()>>,
    renewed: Vec<oneshot::Sender<Result<(), Stale>>>,
    /// Rows that belong to what was stepped.
    writes: Vec<Write>,
    stopped: Option<oneshot::Sender<()>>,
    /// Ends of the server's activities, which nobody would tell again.
    ends: Vec<GiverInput>,
}

struct Task {
    parts: Parts,
    slots_max: usize,
    giver: Giver,
    known: BTreeMap<model::DeploymentId, Known>,
    queued: mpsc::Receiver<ToCore>,
    doers: Doers,
    fenced: watch::Sender<bool>,
}

impl Task {
    async fn run(mut self) {
        let mut group = Group::default();
        loop {
            if let Err(error) = self.turn(&mut group).await {
                if let CommitError::Fenced { .. } = error {
                    tracing::error!(%error, "this server stops");
                    self.parts.links.close_all(Ending::Stopping);
                    self.fenced.send_replace(true);
                    return;
                }
                self.reopen(&error, &mut group).await;
                continue;
            }
            self.answer(&mut group);
            if let Some(stopped) = group.stopped.take() {
                let _waits_no_more = stopped.send(());
                return;
            }
            self.unload();
            if !self.gather(&mut group).await {
                return;
            }
        }
    }

    /// Waits for something to happen, and takes all that has happened. `false` when nobody can
    /// bring anything any more.
    async fn gather(&mut self, group: &mut Group) -> bool {
        let instant = now();
        let wait = self.giver.poll_timeout(instant).map(|at| at.since(instant).as_duration());
        let timer = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            first = self.queued.recv() => match first {
                Some(first) => self.step(first, group),
                None => return false,
            },
            () = timer => self.giver.handle(GiverInput::Tick, now()),
        }
        for _ in 1..GROUP_MAX {
            match self.queued.try_recv() {
                Ok(next) => self.step(next, group),
                Err(_) => break,
            }
        }
        let instant = now();
        if self.giver.poll_timeout(instant).is_some_and(|at| at <= instant) {
            self.giver.handle(GiverInput::Tick, instant);
        }
        true
    }

    fn step(&mut self, message: ToCore, group: &mut Group) {
        match message {
            ToCore::Input(input) => self.input(input, group),
            ToCore::Deploy(new, known) => {
                // Opened from the database meanwhile, it is there already.
                if self.giver.status(new.id).is_none() {
                    self.known.insert(new.id, *known);
                    self.giver.handle(GiverInput::Deploy(new), now());
                }
            }
            ToCore::Load(case, known) => self.load(*case, *known),
            ToCore::Renew(renewed) => self.renew(*renewed, group),
            ToCore::Resign(all, answer) => self.resign(all, answer, group),
            ToCore::Ask(question) => group.questions.push(question),
            ToCore::Settle(done) => group.settled.push(done),
            ToCore::Stop(done) => group.stopped = Some(done),
        }
    }

    fn load(&mut self, case: Case, known: Known) {
        if self.giver.status(case.id).is_none() {
            let id = case.id;
            self.known.insert(id, known);
            for aside in self.giver.load(case, now()) {
                tracing::error!(deployment = %id, error = %aside, "set aside");
            }
        }
    }

    fn renew(&mut self, renewed: Renewed, group: &mut Group) {
        let Renewed { renewal, names, writes, answer } = renewed;
        let (id, stop) = (renewal.deployment, renewal.stop);
        if let Err(stale) = self.giver.renew(renewal, now()) {
            let _waits_no_more = answer.send(Err(stale));
            return;
        }
        if let Some(known) = self.known.get_mut(&id) {
            known.names.extend(names);
            if let Some(stop) = stop {
                known.row.stop = stop;
                known.is_altered = true;
            }
        }
        group.writes.extend(writes);
        group.renewed.push(answer);
    }

    fn resign(
        &mut self,
        all: Vec<(Resigned, Write)>,
        answer: oneshot::Sender<Result<(), Stale>>,
        group: &mut Group,
    ) {
        self.giver.tell_trust();
        let mut is_stale = false;
        for (resigned, write) in all {
            match self.giver.resign(resigned, now()) {
                Ok(()) => group.writes.push(write),
                Err(Stale) => is_stale = true,
            }
        }
        if is_stale {
            let _waits_no_more = answer.send(Err(Stale));
        } else {
            group.renewed.push(answer);
        }
    }

    fn input(&mut self, input: GiverInput, group: &mut Group) {
        match &input {
            GiverInput::Ended { effect, .. } => {
                self.doers.ended(*effect);
                group.ends.push(input.clone());
            }
            GiverInput::SetMaxTargets(max) => self.slots_max = *max,
            GiverInput::StopMoved { deployment, at, .. } => {
                if let Some(known) = self.known.get_mut(deployment) {
                    known.row.stop = *at;
                    known.is_altered = true;
                }
            }
            _ => {}
        }
        self.giver.handle(input, now());
    }

    /// Makes durable what was stepped, then acts on it.
    async fn turn(&mut self, group: &mut Group) -> Result<(), CommitError> {
        let mut told = self.collect();
        // Rows first: what the loop decided rests on them.
        told.writes.splice(0..0, group.writes.drain(..));
        if !told.writes.is_empty() {
            let fence = Fence { server: self.parts.server, fence: self.parts.fence };
            let is_record =
                |write: &&store::Write| matches!(write, store::Write::AppendJournal { .. });
            let records = told.writes.iter().filter(is_record).count();
            let begin = std::time::Instant::now();
            if let Err(error) = self.parts.store.commit_fenced(fence, told.writes).await {
                self.parts.gauges.error(now(), format!("a commit failed: {}", chain(&error)));
                return Err(error);
            }
            self.parts.gauges.committed(begin.elapsed(), records);
        }
        group.ends.clear();
        for (deployment, change) in told.changes {
            self.parts.changes.tell(deployment, change);
        }
        told.ended.into_iter().for_each(|deployment| self.parts.ends.tell(deployment));
        while let Some(order) = self.giver.poll_order() {
            self.doers.act(order, &self.giver);
        }
        Ok(())
    }

    fn answer(&mut self, group: &mut Group) {
        let instant = now();
        for question in group.questions.drain(..) {
            question(&self.giver, instant);
        }
        for done in group.renewed.drain(..) {
            let _waits_no_more = done.send(Ok(()));
        }
        for done in group.settled.drain(..) {
            let _waits_no_more = done.send(());
        }
    }

    /// Lets go of deployments that ended a while ago.
    fn unload(&mut self) {
        let instant = now();
        let is_due =
            |known: &Known| known.ended_at.is_some_and(|ended| ended + UNLOAD_AFTER <= instant);
        let due: Vec<_> =
            self.known.iter().filter(|(_, known)| is_due(known)).map(|(id, _)| *id).collect();
        for id in due {
            if self.giver.unload(id) {
                self.known.remove(&id);
            }
        }
    }

    /// After a failed commit: what was stepped is dropped and read anew.
    async fn reopen(&mut self, error: &CommitError, group: &mut Group) {
        tracing::error!(error = %chain(error), "the database could not commit; opening again");
        (group.questions, group.settled) = (Vec::new(), Vec::new());
        (group.renewed, group.writes) = (Vec::new(), Vec::new());
        self.parts.links.close_all(Ending::Reopened);
        // The ends stay in the group until a commit holds them.
        let mut doing: BTreeMap<_, _> = self.doers.doing().map(|effect| (effect, None)).collect();
        for end in &group.ends {
            if let GiverInput::Ended { effect, report } = end {
                doing.insert(*effect, Some(report.clone()));
            }
        }
        let mut wait = RETRY_FIRST;
        loop {
            tokio::time::sleep(wait).await;
            let (store, which) = (self.parts.store.as_ref(), open::Which::NotEnded);
            match open::open(store, which, &doing, self.slots_max, now()).await {
                Ok(opened) => {
                    (self.giver, self.known) = (opened.giver, opened.known);
                    break;
                }
                Err(error) => tracing::error!(error = %chain(&error), "still not open"),
            }
            wait = (wait * 2).min(RETRY_LAST);
        }
        if let Some(stopped) = group.stopped.take() {
            let _waits_no_more = stopped.send(());
            self.queued.close();
        }
    }
}

/// An error with all that caused it, for the log.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
