//! Starting and stopping: in order, and nothing half.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use content::{ObjectStore, StoreError};
use model::{ServerId, Span, Timestamp};
use store::rows::{self, Setting};
use store::{CommitError, Fence, OpenError, ReadError, SqliteStore, Store, Write, Writer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::changes::Changes;
use crate::clock::{Fresh, NoChance, now, random};
use crate::config::{Config, MAX_TARGETS};
use crate::core::{Core, OpeningError, Parts};
use crate::data_dir::{DataDir, DataDirError};
use crate::effects::Depot;
use crate::ends::Ends;
use crate::gateway::{self, Deposits, Gate};
use crate::gauges::Gauges;
use crate::hall::{About, Hall, SELF};
use crate::identity::{Identity, IdentityError};
use crate::links::{Ending, Links};
use crate::logs::Logs;
use crate::programs::Programs;
use crate::quiet::Quiet;
use crate::reach::{self, Reach};
use crate::reload::{self, ReloadError};
use crate::schedules::{self, Schedules};
use crate::secrets::{Vault, VaultError};
use crate::ssh::Ssh;
use crate::updates::{Updates, UpdatesError};
use crate::wanted::{self, Wanted};
use crate::{http, updates, upkeep};

const SERVER_SETTING: &str = "server.id";
const PRESENCE_SETTING: &str = "server.presence";
/// Until then nobody else takes over what this server does.
pub const LEASE: Span = Span::from_secs(60);
/// How long requests of the API may still take when the server stops.
const API_WITHIN: Duration = Duration::from_millis(500);
/// The folders that a depot has from the beginning.
const DEPOT_FOLDERS: [&str; 4] = ["deploy", "idd", "pdi", "wallpaper"];

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "DH-A014: the API would listen on {0} in the clear, where others could read the \
         administrator's token; listen on 127.0.0.1, or say `--api-insecure` if the network is \
         protected by other means"
    )]
    ApiInsecure(SocketAddr),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error("the database could not be read")]
    Read(#[from] ReadError),
    #[error("the server could not be entered in its database")]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Chance(#[from] NoChance),
    #[error("the depot `{}` could not be made", .path.display())]
    Depot { path: PathBuf, source: io::Error },
    #[error("the folder `agents` in the data folder cannot be made")]
    Programs(#[source] io::Error),
    #[error(transparent)]
    Installer(#[from] wire::tls::InstallerError),
    #[error(transparent)]
    Updates(#[from] UpdatesError),
    #[error(transparent)]
    Objects(#[from] StoreError),
    #[error("cannot listen on {address} for {whom}; is another server running there?")]
    Listen { address: SocketAddr, whom: &'static str, source: io::Error },
    #[error(transparent)]
    Opening(#[from] OpeningError),
}

/// A deployment server.
#[derive(Debug)]
pub struct Server;

/// A server that runs. Dropped without [`Running::shutdown`], it is as if it had been killed: what
/// was told is durable, the rest is asked for again.
#[derive(Debug)]
pub struct Running {
    pub agent_addr: SocketAddr,
    pub api_addr: SocketAddr,
    pub admin_token: String,
    stop: Stop,
}

struct Stop {
    hall: Arc<Hall>,
    data: Arc<DataDir>,
    stopping: watch::Sender<bool>,
    fenced: watch::Receiver<bool>,
    tasks: Vec<JoinHandle<()>>,
    api: JoinHandle<()>,
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stop").finish_non_exhaustive()
    }
}

impl Server {
    /// Starts a server and returns once it is ready for agents and people.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        check_api(&config)?;
        let data = Arc::new(DataDir::open(&config.data_dir)?);
        let (agents, api) = listen(&config).await?;
        let (agent_addr, api_addr) = bound(&config, &agents, &api);
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&data.database()).await?);
        let (depot, installer) = (open_depot(&config, &data)?, open_installer(&data)?);
        let updates = Updates::open(store.as_ref()).await?;
        let programs = Programs::open(data.path()).map_err(StartError::Programs)?;
        let row = enter(store.as_ref(), &config, &depot.path, agent_addr, api_addr).await?;
        let identity = Identity::open(data.clone(), store.as_ref(), &row.name, now()).await?;
        let admin = open_admin(&data)?;
        let fence = Fence { server: row.id, fence: row.fence };
        let (links, changes) = (Arc::new(Links::default()), Changes::new());
        let (quiet, gauges) = (Arc::new(Quiet::default()), Arc::new(Gauges::default()));
        let (ends, ssh) = (Arc::new(Ends::default()), Ssh::new(data.path()));
        let writer = Writer::start(store.clone(), Some(fence));
        let (core, ready) = Core::open(Parts {
            server: row.id,
            fence: row.fence,
            store: store.clone(),
            links: links.clone(),
            changes: changes.clone(),
            ends: ends.clone(),
            quiet: quiet.clone(),
            gauges: gauges.clone(),
            max_targets: row.max_targets,
            rebuild: config.rebuild,
        })
        .await?;
        let (stopping, is_stopping) = watch::channel(false);
        let detection = reach::detection(store.as_ref(), config.detection).await?;
        let hall = Arc::new(Hall {
            server: row.id,
            writer,
            store,
            core,
            identity,
            vault: Vault::open(&data)?,
            links,
            gate: Gate::default(),
            reach: Reach::new(detection, is_stopping),
            changes,
            ends,
            depot,
            deposits: Deposits::default(),
            logs: Logs::new(data.logs()),
            installer,
            programs,
            updates,
            wanted: Wanted::default(),
            ssh,
            quiet,
            schedules: Schedules::default(),
            started_at: now(),
            admin: blake3::hash(admin.as_bytes()),
            row: Mutex::new(row),
            data: data.clone(),
            gauges,
            agent_addr,
            log_filter: config.log_filter,
            source: Mutex::new(config.source),
            reloading: tokio::sync::Mutex::default(),
        });
        data.tell(api_addr, agent_addr)?;
        let fenced = ready.start(hall.clone());
        go_on(&hall, agent_addr, api_addr).await;
        let stop = run(hall, data, agents, api, (stopping, fenced));
        Ok(Running { agent_addr, api_addr, admin_token: admin.to_string(), stop })
    }
}

/// Keys may have been changed just before the server was killed.
async fn resign(hall: &Arc<Hall>) {
    if let Err(error) = crate::deploy::resign(hall).await {
        tracing::error!(error = %crate::core::chain(&error), "warrants are not signed anew");
    }
}

fn check_api(config: &Config) -> Result<(), StartError> {
    if config.api_listen.ip().is_loopback() || config.api_insecure {
        return Ok(());
    }
    Err(StartError::ApiInsecure(config.api_listen))
}

/// Where it listens: any free port was taken for 0.
fn bound(config: &Config, agents: &TcpListener, api: &TcpListener) -> (SocketAddr, SocketAddr) {
    let address = |listener: &TcpListener, asked| listener.local_addr().unwrap_or(asked);
    (address(agents, config.agent_listen), address(api, config.api_listen))
}

/// The administrator's token, made at the first start.
fn open_admin(data: &DataDir) -> Result<Zeroizing<String>, StartError> {
    let bytes: [u8; 32] = random()?;
    Ok(data.admin_token(|| format!("dha_{}", hex::encode(bytes)))?)
}

/// Ends what the last life of the server was cut off in, and says that it is here.
async fn go_on(hall: &Arc<Hall>, agents: SocketAddr, api: SocketAddr) {
    resign(hall).await;
    let text = format!("{} started on {agents}, API on {api}", hall.row().name);
    tracing::info!("{text}");
    drop(hall.writer.submit(vec![hall.event("server", About::NOTHING, SELF, text)]));
    reload::bind_computer(hall).await;
}

fn run(
    hall: Arc<Hall>,
    data: Arc<DataDir>,
    agents: TcpListener,
    api: TcpListener,
    (stopping, fenced): (watch::Sender<bool>, watch::Receiver<bool>),
) -> Stop {
    let is_stopping = stopping.subscribe();
    let tasks = vec![
        tokio::spawn(gateway::run(hall.clone(), agents, is_stopping.clone())),
        tokio::spawn(upkeep::run(hall.clone(), is_stopping.clone())),
        tokio::spawn(reach::run(hall.clone(), is_stopping.clone())),
        tokio::spawn(schedules::run(hall.clone(), is_stopping.clone())),
        tokio::spawn(updates::run(hall.clone(), is_stopping.clone())),
        tokio::spawn(wanted::run(hall.clone(), is_stopping.clone())),
        tokio::spawn(reach::presence::run(hall.clone(), is_stopping.clone())),
    ];
    let api = tokio::spawn(http::run(hall.clone(), api, is_stopping));
    Stop { hall, data, stopping, fenced, tasks, api }
}

impl Running {
    /// Whether the core answers and the database takes writes. Whoever waits for it too long
    /// knows that it is stuck.
    pub async fn is_alive(&self) -> bool {
        let hall = &self.stop.hall;
        let answers = hall.core.ask(|_, _| ()).await.is_ok();
        answers && hall.writer.submit(vec![Write::PutServer(hall.row())]).await.is_ok()
    }

    /// Reads the settings file again.
    pub async fn reload(&self) -> Result<api::Reloaded, ReloadError> {
        reload::reload(&self.stop.hall, SELF).await
    }

    /// Ends when another server has taken over this one's database.
    pub async fn fenced(&self) {
        let mut fenced = self.stop.fenced.clone();
        // The core is gone in either case.
        let _core_gone = fenced.wait_for(|fenced| *fenced).await;
    }

    /// Accepts nothing more, commits what is queued, says goodbye to all, and releases the lease.
    pub async fn shutdown(self) {
        let mut stop = self.stop;
        let Stop { hall, data, stopping, tasks, api, .. } = &mut stop;
        stopping.send_replace(true);
        hall.links.close_all(Ending::Stopping);
        hall.ssh.end();
        if tokio::time::timeout(API_WITHIN, &mut *api).await.is_err() {
            api.abort();
        }
        hall.core.stop().await;
        let mut row = hall.row();
        row.lease_until = now();
        let text = format!("{} stopped", row.name);
        let last = vec![hall.event("server", About::NOTHING, SELF, text), Write::PutServer(row)];
        if let Err(error) = hall.writer.submit(last).await {
            tracing::error!(error = %crate::core::chain(&error), "the lease was not released");
        }
        tasks.iter().for_each(JoinHandle::abort);
        data.tell_stopped();
        data.release();
        tracing::info!("stopped");
    }
}

/// Whatever way a server goes, nothing of it stays behind.
impl Drop for Stop {
    fn drop(&mut self) {
        self.stopping.send_replace(true);
        self.hall.links.close_all(Ending::Stopping);
        self.hall.ssh.end();
        self.hall.core.stop_soon();
        self.api.abort();
        self.tasks.iter().for_each(JoinHandle::abort);
        self.data.release();
    }
}

async fn listen(config: &Config) -> Result<(TcpListener, TcpListener), StartError> {
    let failed = |address, whom| move |source| StartError::Listen { address, whom, source };
    let (agents, api) = (config.agent_listen, config.api_listen);
    let agents = gateway::listen(agents).map_err(failed(agents, "agents"))?;
    let api = TcpListener::bind(api).await.map_err(failed(api, "the API"))?;
    Ok((agents, api))
}

/// The certificate that installers are shown, made at the first start.
fn open_installer(data: &DataDir) -> Result<wire::tls::Installer, StartError> {
    const FILE: &str = "installer.pem";
    let pem = match data.read(FILE)? {
        Some(pem) => zeroize::Zeroizing::new(pem),
        None => {
            let made = zeroize::Zeroizing::new(wire::tls::Installer::make()?);
            data.write(FILE, &made)?;
            made
        }
    };
    Ok(wire::tls::Installer::open(&pem)?)
}

fn open_depot(config: &Config, data: &DataDir) -> Result<Depot, StartError> {
    let path = config.depot.clone().unwrap_or_else(|| data.path().join("depot"));
    for folder in DEPOT_FOLDERS.map(|name| path.join(name)) {
        let made = std::fs::create_dir_all(&folder);
        made.map_err(|source| StartError::Depot { path: folder, source })?;
    }
    let path =
        path.canonicalize().map_err(|source| StartError::Depot { path: path.clone(), source })?;
    let objects = Arc::new(ObjectStore::open(&data.objects())?);
    Ok(Depot { path, objects })
}

/// Enters the server in its database with a fence higher than any before.
async fn enter(
    store: &dyn Store,
    config: &Config,
    depot: &Path,
    agent_addr: SocketAddr,
    api_addr: SocketAddr,
) -> Result<rows::Server, StartError> {
    let instant = now();
    let facts = machine::facts();
    let host = facts.get("host_name").map_or("deskhand", String::as_str);
    let mut writes = Vec::new();
    let known = match store.setting(SERVER_SETTING).await? {
        Some(kept) => kept.value.try_into().ok().map(ServerId::from_bytes),
        None => None,
    };
    let id = match known {
        Some(id) => id,
        None => {
            let id = ServerId::fresh(instant)?;
            let (key, value) = (SERVER_SETTING.into(), id.as_bytes().to_vec());
            writes.push(Write::PutSetting(Setting { key, value }));
            id
        }
    };
    let row = store.server(id).await?.unwrap_or_else(|| rows::Server {
        id,
        name: host.to_owned(),
        computer: None,
        depot: String::new(),
        presence: Vec::new(),
        agent_listen: String::new(),
        api_listen: String::new(),
        max_targets: MAX_TARGETS,
        is_default: true,
        lease_until: Timestamp::EPOCH,
        fence: 0,
        created_by: SELF.to_owned(),
        created_at: instant,
    });
    let kept = match store.setting(PRESENCE_SETTING).await? {
        Some(kept) => addresses(&kept.value),
        None => Vec::new(),
    };
    let row = rows::Server {
        name: config.name.clone().unwrap_or(row.name),
        depot: depot.display().to_string(),
        presence: presence_of(&config.presence, kept, agent_addr),
        agent_listen: agent_addr.to_string(),
        api_listen: api_addr.to_string(),
        max_targets: config.max_targets.unwrap_or(row.max_targets),
        lease_until: instant + LEASE,
        fence: row.fence + 1,
        ..row
    };
    writes.push(Write::PutServer(row.clone()));
    store.commit(writes).await?;
    Ok(row)
}

/// The addresses that a person set while a server ran, as they are kept.
fn addresses(kept: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(kept).lines().map(str::to_owned).collect()
}

/// Keeps addresses for the next start.
pub fn keep_presence(presence: &[String]) -> Write {
    let (key, value) = (PRESENCE_SETTING.to_owned(), presence.join("\n").into_bytes());
    Write::PutSetting(Setting { key, value })
}

/// Where agents are told to look for this server: as it was configured, else as a person set it,
/// else where it finds itself.
pub fn presence_of(configured: &[String], kept: Vec<String>, listening: SocketAddr) -> Vec<String> {
    if !configured.is_empty() {
        return configured.to_vec();
    }
    if !kept.is_empty() {
        return kept;
    }
    let facts = machine::facts();
    let host = facts.get("host_name").map_or("deskhand", String::as_str);
    let own = facts.get("ip");
    if !listening.ip().is_unspecified() {
        return vec![listening.to_string()];
    }
    let port = listening.port();
    let named = format!("{host}:{port}");
    let own = own.map(|own| match own.parse() {
        Ok(ip) => SocketAddr::new(ip, port).to_string(),
        Err(_) => format!("{own}:{port}"),
    });
    own.into_iter().chain([named]).collect()
}
