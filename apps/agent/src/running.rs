//! `run`: the agent itself, or the supervisor that starts it.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use agent::config::{Config, ConfigError};
use agent::run::{Ending, Options};
use agent::state::StateFolder;
use agent::temporary::Folders;
use agent::update::{EXIT_FOR_TRIAL, Supervised};
use anyhow::{Context, Result};
use machine::power::Power;

use crate::arguments::{ReachArguments, RunArguments, WatchArguments};
use crate::failure::Failure;
use crate::{folder, service, stop};

/// Threads for file activities and transfers, only started when needed.
const BLOCKING_THREADS_MAX: usize = 8;
const STACK_BYTES: usize = 512 << 10;
const LOG_BYTES_MAX: u64 = 8 << 20;

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_stack_size(STACK_BYTES)
        .build()
        .context("cannot start")
}

pub(crate) fn run(what: RunArguments, log: &str) -> Result<ExitCode, Failure> {
    if what.service {
        return service::as_service(what, log);
    }
    let runtime = runtime()?;
    let done = if what.supervise {
        let stop = {
            let _in_runtime = runtime.enter();
            stop::asked().context("cannot listen for signals")?
        };
        runtime.block_on(supervise(what, log, stop)).map(|()| ExitCode::SUCCESS)
    } else {
        runtime.block_on(work(what))
    };
    // A thread in the middle of a file ends with the program, as after a death.
    runtime.shutdown_background();
    Ok(done?)
}

async fn work(what: RunArguments) -> Result<ExitCode> {
    let asked = stop::asked().context("cannot listen for signals")?;
    if what.stdio.stdio {
        serve(what, asked).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let (is_supervised, power, logged_on) = (what.supervised, power(&what), logged_on(&what));
    let stop = async move {
        tokio::select! {
            () = asked => {}
            () = stop::supervisor_gone(), if is_supervised => {}
        }
    };
    let folder = folder(what.state.state)?;
    let config = configured(&folder, &what.reach)?;
    let installed = std::env::var_os(agent::update::INSTALLED).map(PathBuf::from);
    let installed = installed.or_else(|| std::env::current_exe().ok());
    let options = Options { config, root: what.root, is_supervised, installed, power, logged_on };
    let ending = agent::run::run(folder, options, stop).await?;
    Ok(match ending {
        Ending::Stopped => ExitCode::SUCCESS,
        Ending::ForTrial => ExitCode::from(EXIT_FOR_TRIAL),
    })
}

/// Serves the server on standard input and output.
async fn serve(what: RunArguments, stop: impl Future<Output = ()>) -> Result<()> {
    let power = power(&what);
    if let Some(expected) = &what.stdio.expect {
        agent::temporary::check_program(expected)?;
    }
    let folders = if what.stdio.temp {
        Folders::temporary(what.stdio.remove)?
    } else {
        Folders::kept(folder(what.state.state)?.path().join("stdio"))?
    };
    Ok(agent::temporary::run(folders, what.root, power, stop).await?)
}

/// In place of the machine's own power.
#[cfg(debug_assertions)]
fn power(what: &RunArguments) -> Option<Arc<dyn Power>> {
    let file = what.power_driver.clone()?;
    Some(Arc::new(crate::power::Noted(file)))
}

#[cfg(not(debug_assertions))]
fn power(_: &RunArguments) -> Option<Arc<dyn Power>> {
    None
}

/// In place of the machine's word on who is logged on.
#[cfg(debug_assertions)]
fn logged_on(what: &RunArguments) -> Option<PathBuf> {
    what.users_driver.clone()
}

#[cfg(not(debug_assertions))]
fn logged_on(_: &RunArguments) -> Option<PathBuf> {
    None
}

/// Ends and removes what a temporary agent leaves when it is killed.
pub(crate) fn watch_over(what: &WatchArguments) -> Result<()> {
    let told = std::io::stdin().lock();
    runtime()?.block_on(agent::temporary::watch_over(told, &what.folders));
    Ok(())
}

/// Where a service without a journal logs to, beside the agent's state. What was there is kept once
/// when it has become long.
pub(crate) fn log_file(state: &Path) -> std::io::Result<File> {
    std::fs::create_dir_all(state)?;
    let path = state.join("agent.log");
    if std::fs::metadata(&path).is_ok_and(|meta| meta.len() > LOG_BYTES_MAX) {
        std::fs::rename(&path, state.join("agent.log.1"))?;
    }
    File::options().create(true).append(true).open(path)
}

/// The folder's settings, with flags above them.
fn configured(folder: &StateFolder, flags: &ReachArguments) -> Result<Config> {
    let mut config = Config::load(folder)?;
    above(&mut config, flags)?;
    Ok(config)
}

/// What was typed counts more.
pub(crate) fn above(config: &mut Config, flags: &ReachArguments) -> Result<()> {
    for (name, value) in said(flags) {
        if let Some(value) = value {
            config.set(name, value).map_err(ConfigError::Setting)?;
        }
    }
    config.dial &= !flags.no_dial;
    Ok(())
}

fn said(flags: &ReachArguments) -> [(&'static str, &Option<String>); 6] {
    [
        ("listen", &flags.listen),
        ("host_name", &flags.host_name),
        ("broadcast", &flags.broadcast),
        ("broadcast_delay", &flags.broadcast_delay),
        ("collection", &flags.collection),
        ("collection_max", &flags.collection_max),
    ]
}

/// Starts agents until `stop` is ready.
pub(crate) async fn supervise(
    what: RunArguments,
    log: &str,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let folder = folder(what.state.state)?;
    let kept = what.service.then(|| log_file(folder.path())).transpose();
    let kept = kept.context("agent.log cannot be opened")?;
    let mut arguments: Vec<OsString> = ["--log", log, "run", "--supervised", "--state"]
        .map(OsString::from)
        .into_iter()
        .chain([folder.path().into()])
        .collect();
    if let Some(root) = what.root {
        arguments.extend(["--root".into(), root.into()]);
    }
    for (name, value) in said(&what.reach) {
        if let Some(value) = value {
            arguments.extend([format!("--{}={value}", name.replace('_', "-")).into()]);
        }
    }
    if what.reach.no_dial {
        arguments.push("--no-dial".into());
    }
    let supervised = Supervised {
        folder,
        installed: std::env::current_exe().context("this program cannot find itself")?,
        version: agent::VERSION.to_owned(),
        arguments,
        log: kept,
    };
    let done = agent::update::supervise(&supervised, stop, service::ready).await;
    service::stopping();
    Ok(done?)
}
