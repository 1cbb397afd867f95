//! Ending what runs: processes by their file's name, services by their name (AP-10).
//!
//! Processes are asked to end first, and killed when they have not ended in time; a service is
//! stopped by whoever manages services. This program, what started it, and process 1 are never
//! ended.

#[cfg(target_os = "linux")]
#[path = "ending/linux.rs"]
mod system;
#[cfg(windows)]
#[path = "ending/windows.rs"]
mod system;

use std::io;
use std::time::Duration;

/// How a service was found and left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceEnd {
    Stopped,
    DidNotRun,
    /// This machine has no such service.
    Absent,
}

#[derive(Debug, thiserror::Error)]
pub enum EndError {
    #[error("`{name}` names no process: a file name, or its whole path")]
    Name { name: String },
    #[error("processes cannot be listed")]
    List { source: io::Error },
    #[error("`{name}` (process {id}) did not end within {}", seconds(.wait))]
    StillThere { name: String, id: u32, wait: Duration },
    #[error("`{name}` (process {id}) cannot be ended")]
    Denied { name: String, id: u32, source: io::Error },
    #[error("the service `{name}` did not stop within {}", seconds(.wait))]
    StillRuns { name: String, wait: Duration },
    #[error("the service `{name}` cannot be stopped: {why}")]
    Service { name: String, why: String },
}

fn seconds(wait: &Duration) -> String {
    format!("{} s", wait.as_secs())
}

/// Ends all processes whose file has this name, or this path; answers how many there were. Half of
/// `wait` is left to them to end by themselves.
pub async fn end_processes(name: &str, wait: Duration) -> Result<usize, EndError> {
    let name = name.trim();
    if name.is_empty() || name.ends_with(['/', '\\']) || name.contains('\0') {
        return Err(EndError::Name { name: name.to_owned() });
    }
    system::end_processes(name, wait).await
}

/// Stops a service, waiting until it has stopped.
pub async fn stop_service(name: &str, wait: Duration) -> Result<ServiceEnd, EndError> {
    let name = name.trim();
    if name.is_empty() || name.starts_with('-') || name.contains(['/', '\\', '\0']) {
        let why = "this is not the name of a service".to_owned();
        return Err(EndError::Service { name: name.to_owned(), why });
    }
    system::stop_service(name, wait).await
}
