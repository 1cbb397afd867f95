//! `deskhand server status`: numbers of one that runs, reasons of one that does not.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::log::last_errors;
use crate::connection::Connection;
use crate::output;
use crate::service;
use crate::trouble::Trouble;

/// How many of the last errors are shown.
const ERRORS: usize = 3;
/// How long a server that is asked to stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(30);

pub async fn run(connection: &Connection, data: &Path, json: bool) -> Result<ExitCode> {
    let asked = match connection.client() {
        Ok(client) => client.server_status().await.map_err(anyhow::Error::from),
        Err(error) => Err(error),
    };
    match asked {
        Ok(status) => {
            show(&status, json)?;
            Ok(super::super::DONE)
        }
        // Another machine's server, or one that answers and refuses: the error says it.
        Err(error) if connection.is_elsewhere() || is_refusal(&error) => Err(error),
        Err(error) => {
            down(data, &error, json)?;
            Ok(ExitCode::from(crate::trouble::FAILED))
        }
    }
}

fn is_refusal(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(client::RequestError::Refused { .. }))
}

fn show(status: &api::ServerStatus, json: bool) -> Result<()> {
    if json {
        return output::json(status);
    }
    let bytes = |bytes: u64| output::bytes(bytes);
    let up = model::Span::from_secs(status.uptime_s);
    let memory = status.memory_bytes.map_or("not told".to_owned(), bytes);
    let free =
        status.disk_free_bytes.map_or(String::new(), |free| format!(", {} free", bytes(free)));
    let lines = [
        ("Server", format!("{} {}, process {}", status.name, status.version, status.pid)),
        ("Running", format!("for {up}, since {}", output::stamp(status.started_at))),
        (
            "Agents",
            format!("{} connected of {} enrolled", status.agents_connected, status.agents_enrolled),
        ),
        (
            "Signals",
            format!(
                "{} believed, {} not, at {}",
                status.signals.believed,
                not_believed(&status.signals),
                if status.detection.is_empty() { "no address" } else { &status.detection }
            ),
        ),
        (
            "Runs",
            format!("{} in progress, {} waiting", status.runs_in_progress, status.runs_waiting),
        ),
        ("Slots", format!("{} of {} in use", status.slots_used, status.slots)),
        ("Deployments", format!("{} not ended", status.deployments_open)),
        (
            "Database",
            format!(
                "{}, last commit {:.1} ms, longest {:.1} ms",
                bytes(status.database_bytes),
                status.commit_ms,
                status.commit_ms_max
            ),
        ),
        (
            "Journal",
            format!(
                "{:.1} records/s, {} since the start",
                status.records_per_second, status.records
            ),
        ),
        ("Depot", format!("{} files, {}", status.depot_files, bytes(status.depot_bytes))),
        ("Objects", format!("{}, {}{free}", status.objects, bytes(status.objects_bytes))),
        ("Memory", memory),
        (
            "Connections",
            format!(
                "{} open, {} handshakes refused",
                status.connections, status.handshakes_refused
            ),
        ),
        ("Trust", format!("document {}", status.trust_document)),
        ("Log", status.log_filter.clone().unwrap_or_else(|| "-".to_owned())),
    ];
    for (name, value) in lines {
        output::line(format!("{:13}{}", format!("{name}:"), output::clean(&value)))?;
    }
    for error in status.errors.iter().rev().take(ERRORS).rev() {
        let text = format!("{} {}", output::stamp(error.at), error.text);
        output::line(format!("{:13}{}", "Error:", output::clean(&text)))?;
    }
    Ok(())
}

fn not_believed(signals: &api::Signals) -> u64 {
    signals.unknown + signals.forged + signals.stale + signals.limited
}

/// What can be told of a server that does not answer.
fn down(data: &Path, error: &anyhow::Error, json: bool) -> Result<()> {
    let known = server::runtime(data);
    let is_there = server::is_in_use(data);
    let why = match (&known, is_there) {
        (Some(runtime), true) => {
            format!("process {} runs, but its API does not answer: {error}", runtime.pid)
        }
        (Some(runtime), false) => format!("process {} is gone without having stopped", runtime.pid),
        (None, _) if !data.exists() => format!("there is no data folder {}", data.display()),
        (None, _) => format!("it was stopped, or never started with {}", data.display()),
    };
    let (service, errors) = (service::state(), last_errors(data, ERRORS));
    if json {
        let errors = json!(errors);
        return output::json(&json!({
            "is_running": false, "reason": why, "service": service, "errors": errors,
        }));
    }
    output::line(format!("The server is not running: {}", output::clean(&why)))?;
    if let Some(service) = &service {
        output::line(format!("Service: {}", output::clean(service)))?;
    }
    for error in &errors {
        output::line(format!("Log: {error}"))?;
    }
    let start = if service::is_installed() { "start" } else { "run" };
    output::note(format!("`deskhand server log` tells more, `deskhand server {start}` starts it."));
    Ok(())
}

/// Stops the server that runs with this data folder.
pub async fn stop(data: &Path) -> Result<()> {
    // The lock is proof; the number alone may be another program's by now.
    let known = server::runtime(data).filter(|_| server::is_in_use(data));
    let Some(runtime) = known else {
        let what = format!("no server runs with the data folder {}", data.display());
        return Err(Trouble::new("DH-C001", what, "--data names another folder").into());
    };
    terminate(runtime.pid)?;
    let gone = async {
        while server::is_in_use(data) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(STOP_WITHIN, gone).await.is_err() {
        anyhow::bail!("process {} was asked to stop and has not yet", runtime.pid);
    }
    output::note("The server has stopped.");
    Ok(())
}

#[cfg(unix)]
fn terminate(number: u32) -> Result<()> {
    let pid = i32::try_from(number).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn terminate(_number: u32) -> Result<()> {
    anyhow::bail!("end it with Ctrl-C where it was started")
}
