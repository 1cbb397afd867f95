//! Ending processes by name, and services.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use machine::{ServiceEnd, end_processes, stop_service};

const WAIT: Duration = Duration::from_secs(10);

/// A program that waits for its input, under a name that nothing else has.
fn waiting(folder: &Path, name: &str) -> (PathBuf, Child) {
    let (program, words): (&str, &[&str]) = if cfg!(windows) {
        (r"C:\windows\system32\cmd.exe", &["/c", "pause"])
    } else {
        ("/bin/cat", &[])
    };
    let file = folder.join(name);
    std::fs::copy(program, &file).unwrap();
    let mut command = Command::new(&file);
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::null());
    let child = command.spawn().unwrap();
    (file, child)
}

#[tokio::test]
async fn processes_are_ended_by_name_and_by_path() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let name = format!("deskhand-waits-{}.exe", std::process::id());
    let (path, mut first) = waiting(one.path(), &name);
    let (_, mut second) = waiting(other.path(), &name);
    let path = path.to_str().unwrap();
    assert_eq!(end_processes(path, WAIT).await.unwrap(), 1, "{path}");
    assert!(!first.wait().unwrap().success());
    assert!(second.try_wait().unwrap().is_none(), "the path narrows");
    assert_eq!(end_processes(&name, WAIT).await.unwrap(), 1);
    assert!(!second.wait().unwrap().success());
    assert_eq!(end_processes(&name, WAIT).await.unwrap(), 0);
    assert!(end_processes("", WAIT).await.is_err());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_does_not_listen_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("deskhand-stubborn");
    let text = "#!/bin/sh\ntrap '' TERM\necho ready\nread line\n";
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = Command::new(&script);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    let ended = end_processes(script.to_str().unwrap(), Duration::from_secs(1)).await.unwrap();
    assert_eq!(ended, 1);
    let status = child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
}

#[tokio::test]
async fn a_service_that_is_not_there_is_told() {
    let ended = stop_service("no-such-service-anywhere", WAIT).await.unwrap();
    assert_eq!(ended, ServiceEnd::Absent);
    assert!(stop_service("../x", WAIT).await.is_err());
}

/// Of a service that Wine has too.
#[cfg(windows)]
#[tokio::test]
async fn a_service_is_stopped() {
    let started = Command::new("net").args(["start", "Spooler"]).output().unwrap();
    assert!(started.status.success(), "{started:?}");
    assert_eq!(stop_service("Spooler", WAIT).await.unwrap(), ServiceEnd::Stopped);
    assert_eq!(stop_service("spooler", WAIT).await.unwrap(), ServiceEnd::DidNotRun);
}
