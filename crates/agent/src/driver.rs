//! The agent's loop: what happened goes in, what was decided becomes durable, then it is done.
//!
//! Owns the [`Taker`] and the runs on disk. When something cannot be made durable nothing of the
//! batch is acted on: the taker is dropped, opened again from disk, and told once more what only
//! this agent knows, the ends of activities. Their commands are not disturbed by that.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use model::{Facts, RunId};
use tokio::sync::{mpsc, oneshot};
use travel::{Call, Me, Taker, TakerInput, TakerOrder, ToAgent};
use trust::{SealingKey, Signed, TrustDocument, WantedPresented};
use wire::wanted::Standings;
use wire::{FromAgent, Hello, Protocols};
use workflow::{ActivityName, Context, EffectId, Kind, Report, RunAs, Workflow};

use crate::asking::Asking;
use crate::backoff::Backoff;
use crate::clock::now;
use crate::dial::Dialer;
use crate::effect::{Job, plan_name};
use crate::effects::{Effects, end_marked};
use crate::keeper::Held;
use crate::secrets::Secrets;
use crate::state::{CommitError, Counter, LoadError, Loaded, Runs, StateFolder, store_trust};
use crate::update::{Staged, Updates};

/// Inputs that are stepped and made durable together.
const BATCH_MAX: usize = 256;
/// The clock may be set, and sleep of the machine passes unseen by timers: looked at that often
/// while something waits for an instant.
const LOOK: Duration = Duration::from_secs(30);
/// Room on the disk without which no run is taken.
const ROOM_MIN: u64 = 1 << 20;

/// A hello, and which opening of the disk it speaks of; or why there is none.
pub(crate) type HelloAnswer = Result<(Box<Hello>, u64), String>;

/// What happened.
pub(crate) enum Input {
    /// The link wants to say hello.
    Hello(oneshot::Sender<HelloAnswer>),
    /// A server has welcomed the hello of that generation.
    Linked {
        generation: u64,
        outbox: mpsc::UnboundedSender<FromAgent>,
        trust: Vec<Vec<u8>>,
    },
    /// Signed trust documents, oldest first; answered with whether they brought a newer one.
    Trust(Vec<Vec<u8>>, Option<oneshot::Sender<bool>>),
    Unlinked,
    Message(ToAgent),
    Ended {
        effect: EffectId,
        report: Report,
    },
    /// A script asks the server for something.
    Asked {
        effect: EffectId,
        call: Call,
        answer: oneshot::Sender<Report>,
    },
    /// It does not wait for that any more.
    Unasked {
        effect: EffectId,
    },
    /// The machine is on, although it was to be switched off for that run: it was started anew
    /// since, or it cannot be switched off.
    CameBack(RunId),
    /// The applications that this machine is to have.
    Wanted(Box<WantedPresented>),
    /// Where applications stand, to be told to a server that has sent a set.
    Standings(Standings),
    /// A new version of the agent is offered.
    Offered(wire::Update),
    /// One was fetched, or not.
    Staged {
        update: String,
        result: Result<Staged, String>,
    },
}

/// Why the driver went no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was asked to stop.
    Stopped,
    /// A new version waits for its trial.
    ForTrial,
}

/// What a driver is made of.
pub(crate) struct Parts {
    pub folder: StateFolder,
    pub me: Me,
    pub sealing: Arc<SealingKey>,
    pub trust: TrustDocument,
    pub dialer: Arc<Dialer>,
    pub effects: Effects,
    pub counter: Counter,
    pub updates: Updates,
    pub wanted: Held,
    pub inputs: mpsc::Receiver<Input>,
    /// Told to the server beside the machine's facts.
    pub told: Facts,
}

pub(crate) struct Driver {
    folder: StateFolder,
    sealing: Arc<SealingKey>,
    dialer: Arc<Dialer>,
    effects: Effects,
    counter: Counter,
    updates: Updates,
    wanted: Held,
    /// The server at the other end has sent a set, so it understands where applications stand.
    is_keeping: bool,
    inputs: mpsc::Receiver<Input>,
    told: Facts,
    runs: Runs,
    taker: Taker,
    /// None while there is no link.
    outbox: Option<mpsc::UnboundedSender<FromAgent>>,
    /// Counts how often the disk was opened; a hello of an earlier generation is void.
    generation: u64,
    hellos: Vec<oneshot::Sender<HelloAnswer>>,
    /// Ends that have been stepped and are not yet durable.
    unrecorded: BTreeMap<EffectId, Report>,
    /// Ends of what could not be begun.
    refused: Vec<(EffectId, Report)>,
    asking: Asking,
}

fn parse(definition: &[u8]) -> Result<Workflow, String> {
    wire::definition::decode(definition).map_err(|error| error.to_string())
}

impl Driver {
    /// Opens what is on disk.
    pub(crate) fn open(parts: Parts) -> Result<Self, LoadError> {
        let Parts { folder, me, sealing, trust, dialer, effects, counter, .. } = parts;
        let Parts { updates, wanted, inputs, told, .. } = parts;
        let (runs, taker) = open(&folder, me, trust)?;
        Ok(Self {
            folder,
            sealing,
            dialer,
            effects,
            counter,
            updates,
            wanted,
            is_keeping: false,
            inputs,
            told,
            runs,
            taker,
            outbox: None,
            generation: 0,
            hellos: Vec::new(),
            unrecorded: BTreeMap::new(),
            refused: Vec::new(),
            asking: Asking::default(),
        })
    }

    /// Goes on until `stop` is ready, or a new version may be tried.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()>) -> Ending {
        let mut stop = pin!(stop);
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        let mut settled = self.settle();
        loop {
            if let Err(error) = settled {
                let wait = backoff.step();
                let again = wait.as_millis();
                tracing::error!("{error}; nothing was begun, tried again in {again} ms");
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = &mut stop => return Ending::Stopped,
                }
                settled = self.reopen();
                continue;
            }
            backoff.reset();
            self.answer_hellos();
            if self.updates.is_ready() && self.effects.is_quiet() {
                return Ending::ForTrial;
            }
            let input = tokio::select! {
                biased;
                () = &mut stop => return Ending::Stopped,
                input = self.inputs.recv() => input,
                () = due(self.taker.poll_timeout()) => None,
            };
            input.into_iter().for_each(|input| self.take_in(input));
            for _ in 0..BATCH_MAX {
                let Ok(input) = self.inputs.try_recv() else { break };
                self.take_in(input);
            }
            if self.taker.poll_timeout().is_some_and(|at| at <= now()) {
                self.taker.handle(TakerInput::Tick, now());
            }
            settled = self.settle();
        }
    }

    fn take_in(&mut self, input: Input) {
        match input {
            Input::Hello(answer) => self.hellos.push(answer),
            Input::Linked { generation, outbox, trust } => {
                // A dropped outbox ends its link; the next hello speaks of what is here now.
                if generation == self.generation {
                    self.outbox = Some(outbox);
                    self.renew_trust(&trust);
                    self.taker.handle(TakerInput::Linked, now());
                    let news = self.updates.linked();
                    news.into_iter().for_each(|news| self.send(news));
                    // A server with a database of some time ago knows no set as late as ours.
                    let held = self.wanted.news();
                    held.into_iter().for_each(|news| self.send(FromAgent::Wanted(news)));
                }
            }
            Input::Wanted(presented) => {
                let news = self.wanted.hear(&presented, self.taker.trust(), now());
                self.is_keeping = true;
                self.send(FromAgent::Wanted(news));
            }
            Input::Standings(standings) if self.is_keeping => {
                self.send(FromAgent::Standings(standings));
            }
            Input::Standings(_) => {}
            Input::Unlinked => {
                self.is_keeping = false;
                self.outbox = None;
                self.taker.handle(TakerInput::Unlinked, now());
            }
            Input::Trust(documents, answer) => {
                let is_renewed = self.renew_trust(&documents);
                // Nobody asks when the server told by itself.
                let _ = answer.map(|answer| answer.send(is_renewed));
            }
            Input::Message(message) => self.hear(message),
            Input::CameBack(run) => {
                self.taker.handle(TakerInput::CameBack { run }, now());
                // What the server was told of that at the hello is not true any more.
                self.outbox = None;
            }
            Input::Ended { effect, report } => {
                self.unrecorded.insert(effect, report.clone());
                self.taker.handle(TakerInput::Ended { effect, report }, now());
            }
            Input::Asked { effect, call, answer } => {
                let asked = self.asking.begin(effect, call, answer);
                self.taker.handle(asked, now());
            }
            Input::Unasked { effect } => {
                let unasked = self.asking.end(effect);
                self.taker.handle(unasked, now());
            }
            Input::Offered(offer) => {
                let answer = self.updates.hear(&offer, self.taker.trust());
                answer.into_iter().for_each(|answer| self.send(answer));
            }
            Input::Staged { update, result } => {
                let news = self.updates.staged(&update, result);
                news.into_iter().for_each(|news| self.send(news));
            }
        }
    }

    /// A run that the disk has no room for is refused, with the reason, rather than waited for.
    fn hear(&mut self, message: ToAgent) {
        if let ToAgent::Give(give) = &message
            && !self.taker.runs().any(|(package, _)| package.run == give.run)
        {
            let size = give.definition.len() + give.frames.iter().map(Vec::len).sum::<usize>();
            let need = ROOM_MIN + size as u64;
            let free = machine::disk_free(self.folder.path()).unwrap_or(u64::MAX);
            if free < need {
                // The taker remembers it: were the same hand-over taken when it is repeated, the
                // run would go on although the server has closed it as refused.
                self.taker.refuse(give.run, give.epoch, no_room(&self.folder));
                return;
            }
        }
        self.taker.handle(TakerInput::Message(message), now());
    }

    /// Follows trust documents as far as they can be believed; whether that brought a newer one.
    fn renew_trust(&mut self, documents: &[Vec<u8>]) -> bool {
        let mut chain = Vec::with_capacity(documents.len());
        for bytes in documents {
            match Signed::decode(bytes) {
                Ok(signed) => chain.push(signed),
                Err(error) => {
                    tracing::warn!("a trust document cannot be read: {error}");
                    break;
                }
            }
        }
        let followed = self.taker.trust().follow(&chain, now());
        if let Some(why) = followed.refused {
            tracing::warn!("a new trust document is not taken: {why}");
        }
        let Some((trust, signed)) = followed.newest else { return false };
        if let Err(error) = store_trust(&self.folder, &signed) {
            tracing::error!("a new trust document could not be kept and is not taken: {error}");
            return false;
        }
        let number = trust.number();
        tracing::info!("trust document {number} is in force");
        self.taker.renew_trust(trust.clone());
        self.send(FromAgent::TrustHeld(number));
        self.dialer.renew_trust(trust);
        true
    }

    /// Makes durable what was decided and acts on it, until nothing is left.
    fn settle(&mut self) -> Result<(), CommitError> {
        loop {
            let writes: Vec<_> = std::iter::from_fn(|| self.taker.poll_write()).collect();
            if !writes.is_empty() {
                self.runs.commit(writes)?;
            }
            while let Some(order) = self.taker.poll_order() {
                self.act(order);
            }
            for effect in std::mem::take(&mut self.unrecorded).into_keys() {
                self.effects.forget(effect);
                // The machine goes off by the plan, once the run was handed back.
                if !self.is_leaving_by(effect) {
                    // Most have none.
                    let _ = std::fs::remove_file(self.plan_of(effect));
                }
            }
            if self.refused.is_empty() {
                return Ok(());
            }
            for (effect, report) in std::mem::take(&mut self.refused) {
                self.taker.handle(TakerInput::Ended { effect, report }, now());
            }
        }
    }

    fn is_leaving_by(&self, effect: EffectId) -> bool {
        let mut runs = self.taker.runs();
        let run = runs.find(|(package, _)| package.run == effect.run);
        run.is_some_and(|(_, run)| run.state().leaving() == Some(effect.visit))
    }

    fn plan_of(&self, effect: EffectId) -> std::path::PathBuf {
        self.runs.folder_of(effect.run).join(plan_name(effect))
    }

    fn act(&mut self, order: TakerOrder) {
        match order {
            TakerOrder::Send(message) => self.send(FromAgent::Run(message)),
            TakerOrder::Begin { effect, activity, workflow, context, run_as } => {
                self.begin(effect, &activity, &workflow, *context, run_as);
            }
            TakerOrder::Recover { effect } => self.effects.recover(effect),
            TakerOrder::Interrupt { effect } => self.effects.interrupt(effect),
            TakerOrder::Answered { effect, report } => self.asking.answer(effect, report),
            TakerOrder::PowerOff { effect } => {
                self.effects.power_off(effect, self.plan_of(effect));
            }
            TakerOrder::Note { run, text } => tracing::warn!("run {run}: {text}"),
            TakerOrder::Over { run } => self.say_over(run),
        }
    }

    fn begin(
        &mut self,
        effect: EffectId,
        activity: &ActivityName,
        workflow: &Workflow,
        context: Context,
        run_as: Option<RunAs>,
    ) {
        if self.effects.is_known(effect) {
            return;
        }
        let Some(definition) = workflow.activities.get(activity) else { return };
        if run_as.as_ref().is_some_and(RunAs::is_nobody) {
            let note = "branches that act as different users were joined before it; put an \
                        `impersonate` between";
            self.refused.push((effect, Report::error(note)));
            return;
        }
        if !self.runs.has_room(effect.run) {
            let report = Report::error(no_room(&self.folder));
            self.refused.push((effect, report));
            return;
        }
        tracing::info!("run {}: {activity} begins ({})", effect.run, definition.kind.name());
        let draws =
            matches!(definition.kind, Kind::Upload { .. } | Kind::Script(_) | Kind::Application(_));
        let depot = if draws { self.taker.depot_root(effect.run) } else { None };
        let folder = Some(self.runs.folder_of(effect.run));
        let activity = definition.clone();
        let sealed = self.taker.sealed_secrets(effect.run);
        let secrets = Secrets::sealed(effect.run, self.sealing.clone(), sealed);
        self.effects.begin(Job { effect, activity, context, depot, folder, run_as, secrets });
    }

    fn say_over(&self, run: RunId) {
        let found = self.taker.runs().find(|(package, _)| package.run == run);
        let outcome = found.and_then(|(_, run)| run.state().outcome());
        match outcome {
            Some((outcome, Some(reason))) => tracing::info!("run {run}: {outcome}: {reason}"),
            Some((outcome, None)) => tracing::info!("run {run}: {outcome}"),
            None => tracing::info!("run {run}: over"),
        }
    }

    fn send(&mut self, message: FromAgent) {
        if let Some(outbox) = &self.outbox
            && outbox.send(message).is_err()
        {
            // The link is gone and will say so.
            self.outbox = None;
        }
    }

    /// Only now, when all that the holdings tell is durable.
    fn answer_hellos(&mut self) {
        for answer in std::mem::take(&mut self.hellos) {
            let hello = self.counter.next().map(|counter| self.hello(counter));
            let hello = hello
                .map(|hello| (Box::new(hello), self.generation))
                .map_err(|error| format!("the connection counter cannot be written: {error}"));
            // The link may have been given up meanwhile.
            let _ = answer.send(hello);
        }
    }

    fn hello(&self, counter: u64) -> Hello {
        Hello {
            protocols: Protocols::OURS,
            agent_version: crate::VERSION.to_owned(),
            capabilities: capabilities(),
            counter,
            boot_id: machine::boot_id().unwrap_or_default(),
            facts: machine::facts().into_iter().chain(self.told.clone()).collect(),
            trust_number: self.taker.trust().number(),
            holdings: self.taker.holdings(),
        }
    }

    /// Drops everything that is not durable and begins again from disk.
    fn reopen(&mut self) -> Result<(), CommitError> {
        self.outbox = None;
        self.generation += 1;
        self.hellos.clear();
        self.refused.clear();
        let (me, trust) = (self.taker.me().clone(), self.taker.trust().clone());
        let (runs, taker) = open(&self.folder, me, trust).map_err(CommitError::from)?;
        (self.runs, self.taker) = (runs, taker);
        for (effect, report) in &self.unrecorded {
            let (effect, report) = (*effect, report.clone());
            self.taker.handle(TakerInput::Ended { effect, report }, now());
        }
        self.asking.again().into_iter().for_each(|asked| self.taker.handle(asked, now()));
        self.settle()
    }
}

/// Kinds of activities and what else this agent can.
fn capabilities() -> Vec<String> {
    let more = [crate::update::CAPABILITY, wire::wake::CAPABILITY, wire::wanted::CAPABILITY];
    let more = more.map(str::to_owned);
    wire::definition::capabilities().into_iter().chain(more).collect()
}

/// Ready at the instant, or a little earlier; never without one.
pub(crate) async fn due(at: Option<model::Timestamp>) {
    match at {
        Some(at) => tokio::time::sleep(at.since(now()).as_duration().min(LOOK)).await,
        None => std::future::pending().await,
    }
}

fn no_room(folder: &StateFolder) -> String {
    format!("no space left on the disk for the agent's folder {}", folder.path().display())
}

/// Reads the runs on disk; what makes no sense is set aside, and what it left running is ended.
fn open(folder: &StateFolder, me: Me, trust: TrustDocument) -> Result<(Runs, Taker), LoadError> {
    let Loaded { mut runs, kept, spent, mut aside, spent_damaged } =
        Runs::load(folder.path(), now())?;
    if spent_damaged > 0 {
        tracing::error!(
            "{spent_damaged} entries of the list of used warrants are damaged: these warrants \
             could be used once more"
        );
    }
    let (taker, refused) = Taker::open(me, trust, spent, parse, kept);
    for travel::SetAside { run, why } in refused {
        aside.push(runs.set_aside(run, why)?);
    }
    for found in aside {
        let (run, why, place) = (found.run, found.why, found.folder.display());
        tracing::error!("run {run} is set aside and not gone on with: {why}; see {place}");
        tokio::spawn(async move { end_marked(&run.to_string()).await });
    }
    Ok((runs, taker))
}
