//! `deskhand server run`: settings, logging, the server, and what its service manager is told.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use model::Addresses;
use model::address::AGENT_PORT;
use server::settings::Settings;
use server::{Config, Running, Server, Source};

use super::configure;
use crate::connection::data_folder;
use crate::interrupt;
use crate::logging::{self, Limits};
use crate::service::notify::Notify;

const FILE_MB: u32 = 10;
const FILES: u32 = 5;

/// `--data` is where it keeps everything.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// The settings file [default: `server.toml` in the data folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write anew, out of the journals, what listings of runs are read from
    #[arg(long)]
    rebuild: bool,
    /// Where agents find it [default: port 1739 of all addresses]
    #[arg(long, value_name = "ADDRESS:PORT")]
    agent_listen: Option<SocketAddr>,
    /// Where people and programs find it [default: 127.0.0.1:1741]
    #[arg(long, value_name = "ADDRESS:PORT")]
    api_listen: Option<SocketAddr>,
    /// Let the API listen beyond this machine, in the clear
    #[arg(long)]
    api_insecure: bool,
    /// The depot's folder [default: `depot` in the data folder]
    #[arg(long, value_name = "DIR")]
    depot: Option<PathBuf>,
    /// The server's name [default: this machine's]
    #[arg(long)]
    name: Option<String>,
    /// `host:port` under which agents reach it, in this order [default: its own addresses]
    #[arg(long, value_name = "HOST:PORT", num_args = 1..)]
    presence: Vec<String>,
    /// Where signals of presence are heard, as in `INET::1738; INET::1742` [default: as set before,
    /// at first INET::1738]
    #[arg(long, value_name = "ADDRESSES")]
    detection: Option<String>,
    /// Runs in progress at once [default: as set before, at first 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_targets: Option<u32>,
    /// What is logged: error, warn, info, debug, trace, or a filter [default: info]
    #[arg(long, env = "DESKHAND_LOG", value_name = "LEVEL")]
    log: Option<String>,
}

impl RunArgs {
    /// What the command line says, over what the file does; and which keys it decides.
    fn over(&self, file: &Settings) -> Result<(Settings, Vec<&'static str>)> {
        let mut all = file.clone();
        let mut fixed = Vec::new();
        macro_rules! decide {
            ($key:literal, $field:ident, $given:expr) => {
                if let Some(given) = $given {
                    all.$field = Some(given);
                    fixed.push($key);
                }
            };
        }
        let depot = self.depot.as_ref().map(std::path::absolute).transpose()?;
        decide!("depot", depot, depot);
        decide!("name", name, self.name.clone());
        let presence = Some(self.presence.clone()).filter(|presence| !presence.is_empty());
        decide!("presence", presence, presence);
        decide!("max_targets", max_targets, self.max_targets);
        decide!("listen.agents", agent_listen, self.agent_listen);
        decide!("listen.api", api_listen, self.api_listen);
        decide!("listen.api_insecure", api_insecure, self.api_insecure.then_some(true));
        decide!("log.filter", log_filter, self.log.clone());
        Ok((all, fixed))
    }
}

pub async fn run(args: RunArgs, data: Option<PathBuf>) -> Result<()> {
    let notify = Notify::of_environment();
    let known = data.clone().unwrap_or_else(data_folder);
    let file = args.config.clone().unwrap_or_else(|| known.join(configure::FILE));
    let file = std::path::absolute(file)?;
    let settings = configure::read(&file)?;
    let (merged, fixed) = args.over(&settings)?;
    // `--data` wins over the file, the file over where data lies by itself.
    let data = std::path::absolute(data.or_else(|| merged.data.clone()).unwrap_or(known))?;
    let filter = merged.log_filter.clone().unwrap_or_else(|| logging::FILTER.to_owned());
    let limits = Limits {
        bytes: u64::from(merged.log_file_mb.unwrap_or(FILE_MB)) << 20,
        files: merged.log_files.unwrap_or(FILES),
    };
    server::make_private_folder(&data)?;
    let log_filter = logging::set_up(&data, &filter, limits)?;
    let mut config = Config::new(data);
    merged.apply(&mut config);
    config.rebuild = args.rebuild;
    let detection = args.detection.as_deref();
    config.detection = detection.map(|text| Addresses::parse(text, AGENT_PORT)).transpose()?;
    config.log_filter = Some(log_filter);
    config.source = Source { file: Some(file), settings, fixed };
    let ended = serve(config, &notify).await;
    if let Err(error) = &ended {
        // So that `server status` can tell why it is not running.
        tracing::error!("{error:#}");
        notify.say(&format!("STATUS=failed: {}", first_line(&format!("{error:#}"))));
    }
    ended
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

async fn serve(config: Config, notify: &Notify) -> Result<()> {
    // Before it starts, so that a signal that comes early is not missed.
    let asked = tokio::spawn(interrupt::asked());
    let server = Server::start(config).await.context("the server does not start")?;
    let ready =
        format!("READY=1\nSTATUS=agents on {}, API on {}", server.agent_addr, server.api_addr);
    notify.say(&ready);
    let is_fenced = tokio::select! {
        _ = asked => false,
        () = server.fenced() => true,
        never = sign_of_life(&server, notify) => match never {},
        never = hangups(&server, notify, &ready) => match never {},
    };
    notify.say("STOPPING=1");
    server.shutdown().await;
    if is_fenced {
        anyhow::bail!("another server has taken over this one's database");
    }
    Ok(())
}

/// Tells the service manager that the server lives, as long as it does: its core answers, and its
/// database takes writes.
async fn sign_of_life(server: &Running, notify: &Notify) -> std::convert::Infallible {
    let Some(every) = notify.watchdog_every() else { return std::future::pending().await };
    let mut ticks = tokio::time::interval(every.max(Duration::from_millis(50)));
    loop {
        ticks.tick().await;
        match tokio::time::timeout(every, server.is_alive()).await {
            Ok(true) => notify.say("WATCHDOG=1"),
            Ok(false) => tracing::error!("the database takes no writes; no sign of life is given"),
            Err(_) => tracing::error!("core or database are stuck; no sign of life is given"),
        }
    }
}

/// Reads the settings again each time SIGHUP comes.
async fn hangups(server: &Running, notify: &Notify, ready: &str) -> std::convert::Infallible {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut hangup) = signal(SignalKind::hangup()) {
            while hangup.recv().await.is_some() {
                notify.say("RELOADING=1");
                if let Err(error) = server.reload().await {
                    tracing::error!("the settings were not taken up: {error}");
                }
                notify.say(ready);
            }
        }
    }
    let _ = (server, notify, ready);
    std::future::pending().await
}

/// For `configure`: which file is meant.
pub fn settings_file(config: Option<&Path>, data: &Path) -> PathBuf {
    let system = Path::new(crate::service::SETTINGS);
    match config {
        Some(file) => file.to_owned(),
        None if crate::service::is_installed() && system.exists() => system.to_owned(),
        None => data.join(configure::FILE),
    }
}
