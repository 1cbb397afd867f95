//! An agent over standard input and output: what a server starts over SSH on a machine without one.
//!
//! Owns no run and no journal; the server has both and orders single activities, which the same
//! doer carries out as in a standing agent. Whoever could start this program could do all it does,
//! so nothing is proved here. Reads and writes no configuration. Invariants: when the server is
//! gone - its input ended, or no word came for a while - everything it started is ended; with
//! [`Folders`] nothing of it stays on the machine then.

mod folders;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use machine::power::{Power, system_power};
use model::Digest;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use trust::SealingKey;
use wire::carry::{self, Opener, Side, carry};
use wire::temporary::{self, Begin, FromTemporary, TemporaryHello, ToTemporary};
use workflow::{EffectId, Kind, Report, RunAs, Workflow};
use zeroize::Zeroizing;

use crate::clock::{NoChance, random};
use crate::dial::Way;
use crate::driver::Input;
use crate::effect::{Doer, Job, plan_name};
use crate::effects::Effects;
use crate::secrets::Secrets;
use crate::transfer::Transfers;
pub use folders::{FolderError, Folders, watch_over};

/// How long the server may take to greet.
const GREETING_WITHIN: Duration = Duration::from_secs(60);
/// Without a word of the server for so long, it is gone.
const SILENCE_MAX: Duration = Duration::from_secs(90);
/// How long what is ended at the end may take.
const ENDING_WITHIN: Duration = Duration::from_secs(10);
/// Definitions that are kept at hand; the server tells again what it uses again.
const DEFINITIONS_MAX: usize = 64;
/// Orders and reports that wait.
const INPUTS_MAX: usize = 64;

/// Why such an agent ended before its work.
#[derive(Debug, thiserror::Error)]
pub enum TemporaryError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Chance(#[from] NoChance),
    #[error(
        "no server spoke on standard input: {0}; `--stdio` is for `deskhand`, which starts this \
         program over SSH"
    )]
    NoServer(io::Error),
    #[error("the program is not what was sent: its hash is {found}, not {expected}")]
    OtherProgram { expected: String, found: String },
}

/// Fails unless the program itself has this hash.
pub fn check_program(expected: &str) -> Result<(), TemporaryError> {
    let hashed = std::env::current_exe().and_then(std::fs::File::open).and_then(|file| {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file)?;
        Ok(hasher.finalize().to_hex().to_string())
    });
    match hashed {
        Ok(found) if found == expected => Ok(()),
        Ok(found) => Err(TemporaryError::OtherProgram { expected: expected.to_owned(), found }),
        Err(error) => Err(TemporaryError::OtherProgram {
            expected: expected.to_owned(),
            found: format!("unknown: {error}"),
        }),
    }
}

/// Serves the server on standard input and output until it leaves or `stop` is ready. Activities
/// act below `root`, where one is given. `power` stands for the machine's own, which an agent with
/// a root never has.
pub async fn run(
    folders: Folders,
    root: Option<PathBuf>,
    power: Option<Arc<dyn Power>>,
    stop: impl Future<Output = ()>,
) -> Result<(), TemporaryError> {
    let mut stop = pin!(stop);
    let mut io = tokio::io::join(tokio::io::stdin(), tokio::io::stdout());
    let greeting = async {
        io.write_all(temporary::AGENT_GREETING).await?;
        io.flush().await?;
        temporary::await_greeting(&mut io, temporary::SERVER_GREETING).await
    };
    tokio::select! {
        greeted = timeout(GREETING_WITHIN, greeting) => {
            let greeted = greeted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            greeted.map_err(TemporaryError::NoServer)?;
        }
        () = &mut stop => return Ok(()),
    }
    let (opener, accepted) = carry(io, Side::Agent);
    let control = opener.open().await.map_err(|ended| gone(&ended))?;
    let seed: Zeroizing<[u8; 32]> = Zeroizing::new(random()?);
    let sealing = Arc::new(SealingKey::from_seed(&seed));
    let (from, to) = tokio::io::split(control);
    let (outbox, queued) = mpsc::channel(INPUTS_MAX);
    let saying = tokio::spawn(say(to, queued));
    let own_power = || root.is_none().then(|| Arc::new(system_power()) as Arc<dyn Power>);
    let power = power.or_else(own_power);
    let mut session = Session::new(folders, (root, power), &opener, sealing, outbox);
    session.hello().await;
    session.serve(from, &mut stop).await;
    session.end().await;
    saying.abort();
    drop((opener, accepted));
    Ok(())
}

fn gone(ended: &carry::Ended) -> TemporaryError {
    TemporaryError::NoServer(io::Error::other(ended.to_string()))
}

/// Writes what is said, as it comes.
async fn say(mut to: WriteHalf<carry::Stream>, mut queued: mpsc::Receiver<FromTemporary>) {
    while let Some(message) = queued.recv().await {
        let mut next = Some(message);
        while let Some(message) = next {
            if temporary::put(&mut to, &message.encode()).await.is_err() {
                // The server is gone, as the reading side sees too.
                return;
            }
            next = queued.try_recv().ok();
        }
        if to.flush().await.is_err() {
            return;
        }
    }
}

struct Session {
    folders: Folders,
    effects: Effects,
    inputs: mpsc::Receiver<Input>,
    outbox: mpsc::Sender<FromTemporary>,
    sealing: Arc<SealingKey>,
    definitions: BTreeMap<Digest, Arc<Workflow>>,
    /// By which the server knows whether the machine was started anew.
    boot_id: String,
    /// Tells transfers that the server is there, as long as this lives.
    _linked: watch::Sender<bool>,
    running: usize,
    /// Shutdowns: what they prepare is asked for later.
    prepared: BTreeSet<EffectId>,
}

impl Session {
    fn new(
        folders: Folders,
        (root, power): (Option<PathBuf>, Option<Arc<dyn Power>>),
        opener: &Opener,
        sealing: Arc<SealingKey>,
        outbox: mpsc::Sender<FromTemporary>,
    ) -> Self {
        let (said, inputs) = mpsc::channel(INPUTS_MAX);
        let (linked, is_linked) = watch::channel(true);
        let way = Way::Carried(opener.clone());
        let (shown, logs) = mpsc::unbounded_channel();
        tokio::spawn(show(logs, outbox.clone()));
        let boot_id = power.as_ref().map_or_else(machine::boot_id, |power| power.boot_id());
        let boot_id = boot_id.unwrap_or_default();
        let doer = Doer {
            root,
            // Nobody is left to be shown it when the server is gone.
            show: Arc::new(move |log| drop(shown.send(log))),
            transfers: Some(Arc::new(Transfers::new(
                way,
                folders.work().join("hashes"),
                is_linked,
            ))),
            power,
            // The run is the server's, which has no journal of what a script here calls for.
            server: None,
            hands: None,
        };
        let effects = Effects::new(doer, said);
        let definitions = BTreeMap::new();
        let (running, prepared) = (0, BTreeSet::new());
        let _linked = linked;
        Self {
            folders,
            effects,
            inputs,
            outbox,
            sealing,
            definitions,
            boot_id,
            _linked,
            running,
            prepared,
        }
    }

    async fn hello(&self) {
        let hello = FromTemporary::Hello(TemporaryHello {
            version: crate::VERSION.to_owned(),
            boot_id: self.boot_id.clone(),
            facts: machine::facts(),
            sealing_key: self.sealing.public().as_bytes().to_owned(),
        });
        self.tell(hello).await;
    }

    async fn tell(&self, message: FromTemporary) {
        // A server that is gone is noticed where it is listened to.
        let _server_gone = self.outbox.send(message).await;
    }

    /// Obeys until the server leaves, is silent for too long, or `stop` is ready.
    async fn serve(
        &mut self,
        from: ReadHalf<carry::Stream>,
        stop: &mut (impl Future<Output = ()> + Unpin),
    ) {
        let (orders, mut ordered) = mpsc::channel(INPUTS_MAX);
        let listening = tokio::spawn(listen(from, orders));
        loop {
            tokio::select! {
                () = &mut *stop => break,
                order = timeout(SILENCE_MAX, ordered.recv()) => match order {
                    Ok(Some(order)) => self.obey(order).await,
                    Ok(None) => break,
                    Err(_) => {
                        tracing::warn!("the server has been silent for {SILENCE_MAX:?}");
                        break;
                    }
                },
                Some(input) = self.inputs.recv() => self.hear(input).await,
            }
        }
        listening.abort();
    }

    async fn hear(&mut self, input: Input) {
        if let Input::Ended { effect, report } = input {
            self.running -= 1;
            self.effects.forget(effect);
            if !self.prepared.contains(&effect) {
                // Most have none.
                let _ = std::fs::remove_file(self.folders.work().join(plan_name(effect)));
            }
            self.tell(FromTemporary::Ended { effect, report }).await;
        }
    }

    async fn obey(&mut self, order: ToTemporary) {
        match order {
            ToTemporary::Define { digest, definition } => {
                if self.definitions.len() >= DEFINITIONS_MAX {
                    self.definitions.clear();
                }
                match wire::definition::decode(&definition) {
                    Ok(workflow) => _ = self.definitions.insert(digest, Arc::new(workflow)),
                    Err(error) => tracing::error!("a definition cannot be read: {error}"),
                }
            }
            ToTemporary::Begin(begin) => self.begin(*begin).await,
            ToTemporary::Recover { effect } => {
                self.running += 1;
                self.effects.recover(effect);
            }
            ToTemporary::Interrupt { effect } => self.effects.interrupt(effect),
            ToTemporary::PowerOff { effect } => {
                self.effects.power_off(effect, self.folders.work().join(plan_name(effect)));
            }
            ToTemporary::Here => {}
        }
    }

    async fn begin(&mut self, begin: Begin) {
        let Begin { effect, definition, activity, context, depot, run_as, secrets } = begin;
        if self.effects.is_known(effect) {
            return;
        }
        let workflow = self.definitions.get(&definition);
        let found = workflow.and_then(|workflow| workflow.activities.get(&activity).cloned());
        let refusal = match &found {
            None => Some("the definition that this belongs to was not understood here"),
            Some(_) if run_as.as_ref().is_some_and(RunAs::is_nobody) => Some(
                "branches that act as different users were joined before it; put an \
                 `impersonate` between",
            ),
            Some(_) => None,
        };
        let (Some(activity), None) = (found, refusal) else {
            let report = Report::error(refusal.unwrap_or_default());
            return self.tell(FromTemporary::Ended { effect, report }).await;
        };
        self.folders.marks(effect);
        if activity.kind.powers_off() {
            self.prepared.insert(effect);
        }
        let depot =
            depot.filter(|_| matches!(activity.kind, Kind::Upload { .. } | Kind::Script(_)));
        let secrets = Secrets::sealed(effect.run, self.sealing.clone(), secrets);
        let folder = Some(self.folders.work().to_owned());
        self.running += 1;
        self.effects.begin(Job { effect, activity, context, depot, folder, run_as, secrets });
    }

    /// Ends what was started and removes what was made.
    async fn end(mut self) {
        self.effects.interrupt_all();
        let ending = async {
            while self.running > 0 {
                if let Some(Input::Ended { .. }) = self.inputs.recv().await {
                    self.running -= 1;
                }
            }
        };
        if timeout(ENDING_WITHIN, ending).await.is_err() {
            tracing::warn!("{} activities did not end in time", self.running);
        }
        self.folders.remove();
    }
}

/// Passes output on, waiting where the server is slow.
async fn show(mut logs: mpsc::UnboundedReceiver<wire::Log>, outbox: mpsc::Sender<FromTemporary>) {
    while let Some(log) = logs.recv().await {
        if outbox.send(FromTemporary::Log(log)).await.is_err() {
            return;
        }
    }
}

async fn listen(mut from: ReadHalf<carry::Stream>, orders: mpsc::Sender<ToTemporary>) {
    loop {
        match temporary::next(&mut from).await {
            Ok(Some(bytes)) => match ToTemporary::decode(&bytes) {
                Ok(order) => {
                    if orders.send(order).await.is_err() {
                        return;
                    }
                }
                Err(error) => return tracing::error!("an order cannot be read: {error}"),
            },
            Ok(None) => return,
            Err(error) => return tracing::debug!("the server is gone: {error}"),
        }
    }
}
