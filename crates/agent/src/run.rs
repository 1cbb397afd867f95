//! Running an enrolled agent until it is told to stop.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use machine::power::{Power, system_power};
use model::ComputerId;
use tokio::sync::{mpsc, watch};
use travel::Me;

use crate::application::{self, Place, Recovered};
use crate::asking::Asker;
use crate::config::{Config, ConfigError};
use crate::dial::{Dialer, Way};
pub use crate::driver::Ending;
use crate::driver::{Driver, Input, Parts};
use crate::effect::Doer;
use crate::effects::Effects;
use crate::keeper::{self, Hands, Held};
use crate::link::Link;
use crate::listen;
use crate::logs::Logs;
use crate::presence::{self, Neighbours, Speaker};
use crate::state::{Counter, FolderError, Identity, IdentityError, LoadError, StateFolder};
use crate::transfer::Transfers;
use crate::update::Updates;

/// Inputs that wait; whoever has more waits with them.
const INPUTS_MAX: usize = 64;

/// Why an agent could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("{} cannot be used: {source}", .path.display())]
    State { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("this agent cannot listen on {address}: {source}; is another program there?")]
    Listen { address: model::Address, source: io::Error },
    #[error("{}, which stands for the machine's root, cannot be made: {source}", .path.display())]
    Root { path: PathBuf, source: io::Error },
}

/// How an agent runs.
#[derive(Debug, Default)]
pub struct Options {
    pub config: Config,
    /// Activities act below this folder.
    pub root: Option<PathBuf>,
    /// [`crate::update::supervise`] has started it, so that its version can change.
    pub is_supervised: bool,
    /// The installed agent, which stays where it is, for icons of applications.
    pub installed: Option<PathBuf>,
    /// In place of the machine's own power, which an agent with a root never has.
    pub power: Option<Arc<dyn Power>>,
    /// A file with the names of who is logged on, one on each line, in place of the machine's word.
    pub logged_on: Option<PathBuf>,
}

impl RunError {
    fn listen((address, source): (model::Address, io::Error)) -> Self {
        Self::Listen { address, source }
    }
}

/// Runs the agent that is enrolled in `folder` until `stop` is ready, reached as
/// its settings say, or until a new version of it is to be tried.
pub async fn run(
    folder: StateFolder,
    options: Options,
    stop: impl Future<Output = ()>,
) -> Result<Ending, RunError> {
    let identity = Identity::load(&folder)?;
    folder.create()?;
    let _lock = folder.lock()?;
    let own_power = || options.root.is_none().then(|| Arc::new(system_power()) as Arc<dyn Power>);
    let power = options.power.or_else(own_power);
    let root = options.root.map(make_root).transpose()?;
    let place = place(&folder, root.as_deref(), power.as_deref(), options.installed);
    recover_applications(place.clone()).await;
    let config = options.config;
    config.check()?;
    let listeners = listen::bind(&config.listen).await.map_err(RunError::listen)?;
    let (counter, start) = open_counters(&folder)?;
    let (heard, neighbours) = watch::channel(Vec::new());
    let showing = show_presence(&config, &identity, start, heard);
    let me = me(&identity);
    let (said, inputs) = mpsc::channel(INPUTS_MAX);
    let note = folder.file("status.json");
    let (linked, is_linked) = watch::channel(false);
    let logs = Arc::new(Logs::open(folder.file("logs")));
    let (servers, is_open) = (servers(&config, identity.servers), !listeners.is_empty());
    let (signing, trust) = (identity.signing, identity.trust);
    let dialer = Arc::new(Dialer::new(servers, is_open, signing, trust.clone(), said.clone()));
    let shown = logs.clone();
    let way = Way::Dialled(dialer.clone());
    let doer = Doer {
        root,
        show: Arc::new(move |log| shown.push(log)),
        transfers: Some(Arc::new(Transfers::new(way, folder.file("hashes"), is_linked))),
        power,
        server: Some(Asker::new(said.clone())),
        hands: Some(Hands::new(place, options.logged_on, tokio::runtime::Handle::current())),
    };
    let wanted = Held::open(&folder, (me.computer, me.key));
    let keeping = keep_applications(&doer, &wanted, (&folder, me.computer), &said);
    let effects = Effects::new(doer, said.clone());
    tracing::info!("agent {} of {} ({})", crate::VERSION, identity.name, identity.computer);
    let updates = Updates::open(folder.path(), options.is_supervised, dialer.clone(), said.clone());
    let driver = Driver::open(Parts {
        folder,
        me,
        sealing: Arc::new(identity.sealing),
        trust,
        dialer: dialer.clone(),
        effects,
        counter,
        updates,
        wanted,
        inputs,
        told: config.told(),
    })?;
    let visits = listen::keep(listeners, dialer.clone());
    let link = Link { dialer, inputs: said, logs: logs.clone(), linked, note, neighbours };
    let ending = tokio::select! {
        ending = driver.run(stop) => ending,
        () = link.keep() => Ending::Stopped,
        () = visits => Ending::Stopped,
        () = keeping => Ending::Stopped,
        () = showing => Ending::Stopped,
    };
    // What was not sent waits on disk for the next start.
    logs.unlinked();
    tracing::info!("stopped");
    Ok(ending)
}

/// Where records of applications lie, of this start of the machine.
fn place(
    folder: &StateFolder,
    root: Option<&Path>,
    power: Option<&dyn Power>,
    installed: Option<PathBuf>,
) -> Place {
    let boot = power.map_or_else(machine::boot_id, Power::boot_id);
    let place = Place::of_agent(folder, root, boot.unwrap_or_default());
    match installed {
        Some(installed) => place.with_launcher(&installed, &["launch"]),
        None => place,
    }
}

/// Tells the network of this machine, and hears who else is in it; ends when either does.
fn show_presence(
    config: &Config,
    identity: &Identity,
    start: u64,
    heard: watch::Sender<Neighbours>,
) -> impl Future<Output = ()> + use<> {
    let (computer, key) = (identity.computer, identity.signing.clone());
    let hearing = presence::collect(config.clone(), computer, heard);
    let speaking = presence::broadcast(config.clone(), Speaker { computer, key, start });
    async move {
        tokio::select! {
            () = hearing => {}
            () = speaking => {}
        }
    }
}

/// Keeps the applications that this machine is to have, with what activities are carried out with.
fn keep_applications(
    doer: &Doer,
    wanted: &Held,
    (folder, computer): (&StateFolder, ComputerId),
    said: &mpsc::Sender<Input>,
) -> impl Future<Output = ()> + use<> {
    let with = doer.transfers.clone().zip(doer.hands.clone());
    let parts = with.map(|(transfers, hands)| keeper::Parts {
        computer,
        folder: folder.clone(),
        hands,
        current: wanted.current(),
        asked: wanted.asked(),
        transfers,
        inputs: said.clone(),
        power: doer.power.clone(),
    });
    async move {
        match parts {
            Some(parts) => keeper::keep(parts).await,
            None => std::future::pending().await,
        }
    }
}

/// Applications whose changes were cut off with the agent or its machine. What cannot be put right
/// now is tried again before the next change.
async fn recover_applications(place: Place) {
    if !place.folder().exists() {
        return;
    }
    let runtime = tokio::runtime::Handle::current();
    let recover = move || -> Result<Option<Recovered>, application::OpenError> {
        let mut tell = |event| tracing::info!("applications: {event:?}");
        Ok(application::Driver::open(place, runtime)?.recover(&mut tell)?)
    };
    match tokio::task::spawn_blocking(recover).await {
        Ok(Ok(None)) => {}
        Ok(Ok(Some(recovered))) => tracing::warn!("applications: cut off: {recovered:?}"),
        Ok(Err(error)) => tracing::error!("applications: {error}"),
        Err(error) => tracing::error!("applications: {error}"),
    }
}

/// The counter of connections, and the number of this start.
fn open_counters(folder: &StateFolder) -> Result<(Counter, u64), RunError> {
    let open = |name: &str| {
        let path = folder.file(name);
        Counter::open(&path).map_err(|source| RunError::State { path, source })
    };
    let (counter, mut starts) = (open("counter")?, open("starts")?);
    let path = folder.file("starts");
    let start = starts.next().map_err(|source| RunError::State { path, source })?;
    Ok((counter, start))
}

fn me(identity: &Identity) -> Me {
    let told = [("present", "true"), ("version", crate::VERSION)];
    Me {
        computer: identity.computer,
        key: identity.signing.verifying_key(),
        told: told.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    }
}

/// Those to dial: as set, else those of the enrolment.
fn servers(config: &Config, enrolled: Vec<String>) -> Vec<String> {
    match (config.dial, config.servers.is_empty()) {
        (false, _) => Vec::new(),
        (true, true) => enrolled,
        (true, false) => config.servers.clone(),
    }
}

fn make_root(path: PathBuf) -> Result<PathBuf, RunError> {
    let made =
        std::path::absolute(&path).and_then(|path| std::fs::create_dir_all(&path).map(|()| path));
    made.map_err(|source| RunError::Root { path, source })
}
