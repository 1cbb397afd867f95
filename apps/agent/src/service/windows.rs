//! The service of Windows, under LocalSystem, started after others and started again when it ends.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::sync::oneshot;
use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceControl, ServiceControlAccept,
    ServiceErrorControl, ServiceExitCode, ServiceFailureActions, ServiceFailureResetPeriod,
    ServiceInfo, ServiceStartType, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{
    self, ServiceControlHandlerResult, ServiceStatusHandle,
};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_service::{define_windows_service, service_dispatcher};

use super::{Condition, Wish};
use crate::arguments::RunArguments;
use crate::failure::Failure;
use crate::running::{runtime, supervise};

const NAME: &str = "DeskhandAgent";
const DISPLAY: &str = "Deskhand agent";
const DESCRIPTION: &str = "Carries out what the deployment server sends, and reports.";
/// How long the service may take over its end.
const STOP_WITHIN: Duration = Duration::from_secs(45);
const LOOK: Duration = Duration::from_millis(100);
/// Waits before it is started again, the last one for all further ends.
const RESTARTS: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(60)];
/// What Windows says of a service that is not there, not running, or runs already.
const NOT_THERE: i32 = 1_060;
const NOT_RUNNING: i32 = 1_062;
const RUNS_ALREADY: i32 = 1_056;

pub(super) fn install(wish: &Wish) -> Result<String> {
    ensure!(wish.root.is_none(), "`--root` is for Linux; services of Windows are installed here");
    let was_running = condition()? == Condition::Running;
    let program = program_folder().join("deskhand-agent.exe");
    lay_program(&program, was_running)?;
    let info = ServiceInfo {
        name: NAME.into(),
        display_name: DISPLAY.into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: program.clone(),
        launch_arguments: ["run", "--service", "--state"]
            .map(OsString::from)
            .into_iter()
            .chain([wish.state.clone().into()])
            .collect(),
        dependencies: Vec::new(),
        // None is LocalSystem.
        account_name: None,
        account_password: None,
    };
    let access = ServiceAccess::CHANGE_CONFIG | ServiceAccess::START | ServiceAccess::QUERY_STATUS;
    let service = match open(access)? {
        Some(service) => {
            service.change_config(&info).context("the service cannot be changed")?;
            service
        }
        None => {
            let manager = manager(ServiceManagerAccess::CREATE_SERVICE)?;
            let made = manager.create_service(&info, access);
            made.context("the service cannot be made (as an administrator?)")?
        }
    };
    recover(&service);
    if was_running {
        start()?;
    }
    Ok(format!("{NAME}, {}", program.display()))
}

/// What is good to have and no reason to have no service.
fn recover(service: &Service) {
    let again = |delay| ServiceAction { action_type: ServiceActionType::Restart, delay };
    let actions = ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(Duration::from_secs(86_400)),
        reboot_msg: None,
        command: None,
        actions: Some(RESTARTS.map(again).to_vec()),
    };
    for (what, done) in [
        ("its description", service.set_description(DESCRIPTION)),
        ("that it starts after others", service.set_delayed_auto_start(true)),
        ("that it is started again", service.update_failure_actions(actions)),
        (
            "that it is started again after errors",
            service.set_failure_actions_on_non_crash_failures(true),
        ),
    ] {
        if let Err(error) = done {
            eprintln!("deskhand-agent: of the service, {what} cannot be set: {}", told(&error));
        }
    }
}

pub(super) fn remove(wish: &Wish) -> Result<()> {
    ensure!(wish.root.is_none(), "`--root` is for Linux");
    stop()?;
    if let Some(service) = open(ServiceAccess::DELETE)? {
        service.delete().context("the service cannot be removed")?;
    }
    let program = program_folder().join("deskhand-agent.exe");
    if !program.exists() {
        return Ok(());
    }
    if std::env::current_exe().is_ok_and(|own| own == program) {
        // Windows keeps a program that runs; a shell removes it when this one has ended.
        let line = format!(
            "ping -n 3 127.0.0.1 >nul & del /f /q \"{}\" & rd \"{}\"",
            program.display(),
            program_folder().display()
        );
        Command::new("cmd").args(["/d", "/c", &line]).spawn().context("cmd cannot be started")?;
        return Ok(());
    }
    fs::remove_file(&program).with_context(|| format!("cannot remove {}", program.display()))?;
    // Others may have something in it.
    let _not_empty = fs::remove_dir(program_folder());
    Ok(())
}

pub(super) fn start() -> Result<()> {
    let Some(service) = open(ServiceAccess::START | ServiceAccess::QUERY_STATUS)? else {
        bail!("the service is not installed: `deskhand-agent service install`");
    };
    match service.start::<&OsStr>(&[]) {
        Err(error) if code(&error) != Some(RUNS_ALREADY) => {
            bail!("the service cannot be started: {}", told(&error))
        }
        _ => until(&service, ServiceState::Running),
    }
}

pub(super) fn stop() -> Result<()> {
    let Some(service) = open(ServiceAccess::STOP | ServiceAccess::QUERY_STATUS)? else {
        return Ok(());
    };
    match service.stop() {
        Err(error) if code(&error) == Some(NOT_RUNNING) => Ok(()),
        Err(error) => bail!("the service cannot be stopped: {}", told(&error)),
        Ok(_) => until(&service, ServiceState::Stopped),
    }
}

pub(super) fn restart() -> Result<()> {
    stop()?;
    start()
}

fn until(service: &Service, wanted: ServiceState) -> Result<()> {
    let deadline = Instant::now() + STOP_WITHIN;
    loop {
        let state = service.query_status().context("the service does not say how it is")?;
        if state.current_state == wanted {
            return Ok(());
        }
        let has_ended =
            wanted == ServiceState::Running && state.current_state == ServiceState::Stopped;
        ensure!(!has_ended, "the service ended at once; see agent.log in the agent's folder");
        ensure!(Instant::now() < deadline, "the service is still {:?}", state.current_state);
        std::thread::park_timeout(LOOK);
    }
}

pub(super) fn condition() -> Result<Condition> {
    let Some(service) = open(ServiceAccess::QUERY_STATUS)? else {
        return Ok(Condition::NotInstalled);
    };
    let status = service.query_status().context("the service does not say how it is")?;
    Ok(match status.current_state {
        ServiceState::Running => Condition::Running,
        ServiceState::Stopped => Condition::Stopped,
        other => Condition::Other(format!("{other:?}")),
    })
}

fn manager(access: ServiceManagerAccess) -> Result<ServiceManager> {
    let manager = ServiceManager::local_computer(None::<&str>, access);
    manager.context("the service manager lets nobody in (as an administrator?)")
}

fn open(access: ServiceAccess) -> Result<Option<Service>> {
    match manager(ServiceManagerAccess::CONNECT)?.open_service(NAME, access) {
        Ok(service) => Ok(Some(service)),
        Err(error) if code(&error) == Some(NOT_THERE) => Ok(None),
        Err(error) => bail!("the service cannot be opened: {}", told(&error)),
    }
}

fn code(error: &windows_service::Error) -> Option<i32> {
    match error {
        windows_service::Error::Winapi(error) => error.raw_os_error(),
        _ => None,
    }
}

fn told(error: &windows_service::Error) -> String {
    match error {
        windows_service::Error::Winapi(error) => error.to_string(),
        other => other.to_string(),
    }
}

fn program_folder() -> PathBuf {
    let base = std::env::var_os("ProgramFiles").unwrap_or_else(|| r"C:\Program Files".into());
    PathBuf::from(base).join("Deskhand")
}

/// Copies this program to where the service runs it, unless it is there.
fn lay_program(program: &Path, is_running: bool) -> Result<()> {
    let own = std::env::current_exe().context("this program cannot find itself")?;
    if own == program {
        return Ok(());
    }
    let bytes = fs::read(&own).with_context(|| format!("cannot read {}", own.display()))?;
    if fs::read(program).is_ok_and(|is| is == bytes) {
        return Ok(());
    }
    if is_running {
        stop()?;
    }
    let written = fs::create_dir_all(program_folder()).and_then(|()| fs::write(program, &bytes));
    written.with_context(|| format!("cannot write {} (as an administrator?)", program.display()))
}

/// What the service was started with, for the function that the service manager calls.
static STARTED_WITH: Mutex<Option<(RunArguments, String)>> = Mutex::new(None);
static STATUS: OnceLock<ServiceStatusHandle> = OnceLock::new();

define_windows_service!(ffi_main, main);

/// Runs as a service until the service manager says stop.
pub(crate) fn as_service(what: RunArguments, log: &str) -> Result<ExitCode, Failure> {
    *STARTED_WITH.lock().unwrap_or_else(PoisonError::into_inner) = Some((what, log.to_owned()));
    let served = service_dispatcher::start(NAME, ffi_main);
    served.context("`--service` is for the service manager; by hand it is `run --supervise`")?;
    Ok(ExitCode::SUCCESS)
}

fn main(_arguments: Vec<OsString>) {
    let taken = STARTED_WITH.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((what, log)) = taken else { return };
    let (stop, stopped) = oneshot::channel();
    let stop = Mutex::new(Some(stop));
    let handler = move |control| match control {
        ServiceControl::Stop | ServiceControl::Shutdown => {
            tell(ServiceState::StopPending, ServiceExitCode::NO_ERROR);
            if let Some(stop) = stop.lock().unwrap_or_else(PoisonError::into_inner).take() {
                // It may be ending by itself.
                let _ending = stop.send(());
            }
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    };
    let Ok(handle) = service_control_handler::register(NAME, handler) else { return };
    // It is set once in a process's life.
    let _set = STATUS.set(handle);
    tell(ServiceState::StartPending, ServiceExitCode::NO_ERROR);
    let stopped = async { drop(stopped.await) };
    let done = runtime().and_then(|runtime| runtime.block_on(supervise(what, &log, stopped)));
    let exit = match done {
        Ok(()) => ServiceExitCode::NO_ERROR,
        Err(error) => {
            tracing::error!("{error:#}");
            ServiceExitCode::ServiceSpecific(1)
        }
    };
    tell(ServiceState::Stopped, exit);
}

fn tell(state: ServiceState, exit_code: ServiceExitCode) {
    let Some(handle) = STATUS.get() else { return };
    let is_running = state == ServiceState::Running;
    let accepted = ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN;
    let pending = matches!(state, ServiceState::StartPending | ServiceState::StopPending);
    let status = ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted: if is_running { accepted } else { ServiceControlAccept::empty() },
        exit_code,
        checkpoint: 0,
        wait_hint: if pending { STOP_WITHIN } else { Duration::ZERO },
        process_id: None,
    };
    if let Err(error) = handle.set_service_status(status) {
        tracing::error!("the service manager cannot be told {state:?}: {}", told(&error));
    }
}

/// Tells the service manager that the agent runs.
pub(crate) fn ready() {
    tell(ServiceState::Running, ServiceExitCode::NO_ERROR);
}

/// The end is told with its exit code.
pub(crate) fn stopping() {}
