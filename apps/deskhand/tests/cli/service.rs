//! The server as a service: its unit, its settings, its log, what its manager is told.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Takes the database's writing lock and keeps it.
const HOLDS: &str = "\
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute('BEGIN IMMEDIATE')
print('held', flush=True)
sys.stdin.read()
";

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn deskhand(data: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deskhand"));
    command.args(args).env("DESKHAND_DATA", data).env_remove("DESKHAND_LOG");
    command.stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}{}", text(&output.stdout), text(&output.stderr)))
}

fn until<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A server with a manager that listens.
fn managed(data: &Path, watchdog: Option<Duration>) -> (Ended, UnixDatagram) {
    let path = data.parent().unwrap().join("notify");
    let _ = std::fs::remove_file(&path);
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_deskhand"));
    command.args(["server", "run", "--agent-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]);
    command.env("DESKHAND_DATA", data).env("NOTIFY_SOCKET", &path).env_remove("DESKHAND_LOG");
    if let Some(watchdog) = watchdog {
        command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
    }
    let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    (Ended(child), manager)
}

fn heard(manager: &UnixDatagram) -> String {
    let mut bytes = [0; 4_096];
    let length = manager.recv(&mut bytes).expect("the manager to be told");
    text(&bytes[..length])
}

fn signal(child: &Ended, name: &str) {
    let sent = Command::new("kill").args([name, &child.0.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_manager_is_told_and_settings_are_read_again_on_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let wrong = deskhand(&data, &["server", "configure", "max_target=5"]);
    assert!(text(&wrong.stderr).contains("did you mean `max_targets`?"), "{}", text(&wrong.stderr));
    assert!(deskhand(&data, &["server", "configure", "max_targets=5"]).status.success());
    let (mut child, manager) = managed(&data, Some(Duration::from_millis(400)));
    assert!(heard(&manager).starts_with("READY=1\nSTATUS=agents on 127.0.0.1:"));
    for _ in 0..3 {
        assert_eq!(heard(&manager), "WATCHDOG=1");
    }
    let status = json(&deskhand(&data, &["server", "status", "--json"]));
    assert_eq!((&status["slots"], &status["agents_connected"]), (&5.into(), &0.into()));
    assert_eq!(status["log_filter"], "info");

    assert!(
        deskhand(&data, &["server", "configure", "max_targets=8", "log.filter=debug"])
            .status
            .success()
    );
    signal(&child, "-HUP");
    until("the limit to be taken up", || {
        let status = json(&deskhand(&data, &["server", "status", "--json"]));
        (status["slots"] == 8 && status["log_filter"] == "debug").then_some(())
    });
    let told: Vec<String> = std::iter::from_fn(|| Some(heard(&manager)))
        .take(40)
        .take_while(|t| t != "RELOADING=1")
        .collect();
    assert!(told.iter().all(|told| told == "WATCHDOG=1"), "{told:?}");
    let set = deskhand(&data, &["server", "log", "--set-filter", "warn"]);
    assert!(set.status.success(), "{}", text(&set.stderr));

    signal(&child, "-TERM");
    assert!(child.0.wait().unwrap().success());
    until("the manager to hear of the end", || (heard(&manager) == "STOPPING=1").then_some(()));
    let down = deskhand(&data, &["server", "status", "--json"]);
    assert_eq!((down.status.code(), &json(&down)["is_running"]), (Some(1), &false.into()));
}

#[test]
fn a_server_that_is_stuck_gives_no_sign_of_life() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (_child, manager) = managed(&data, Some(Duration::from_millis(600)));
    assert!(heard(&manager).starts_with("READY=1"));
    assert_eq!(heard(&manager), "WATCHDOG=1");
    // Somebody else holds the database for good.
    let lock = Command::new("python3")
        .args(["-c", HOLDS])
        .arg(data.join("deskhand.db"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lock = Ended(lock);
    let mut line = String::new();
    use std::io::BufRead;
    std::io::BufReader::new(lock.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    manager.set_read_timeout(Some(Duration::from_millis(1_200))).unwrap();
    let mut bytes = [0; 64];
    until("the signs of life to cease", || manager.recv(&mut bytes).is_err().then_some(()));
    // Freed, it goes on.
    drop(lock);
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert_eq!(heard(&manager), "WATCHDOG=1");
}

#[test]
fn the_log_is_kept_filtered_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let none = deskhand(&data, &["server", "log"]);
    assert!(text(&none.stderr).contains("DH-C131"), "{}", text(&none.stderr));
    let (child, manager) = managed(&data, None);
    assert!(heard(&manager).starts_with("READY=1"));
    let log = |args: &[&str]| {
        let mut all = vec!["server", "log"];
        all.extend(args);
        text(&deskhand(&data, &all).stdout)
    };
    assert!(log(&[]).contains("started on 127.0.0.1:"), "{}", log(&[]));
    assert_eq!(log(&["--level", "error"]), "");
    assert_eq!(log(&["--grep", "no such text"]), "");
    assert_eq!(log(&["-n", "1"]).lines().count(), 1);
    let line: Value = serde_json::from_str(log(&["--json", "-n", "1"]).trim()).unwrap();
    assert!(line["at"].as_i64().unwrap() > 0 && line["level"] == "info", "{line}");
    assert!(!log(&["--since", "10m"]).is_empty() && log(&["--target", "nowhere"]).is_empty());
    let mut follow = Command::new(env!("CARGO_BIN_EXE_deskhand"))
        .args(["server", "log", "--follow", "-n", "0"])
        .env("DESKHAND_DATA", &data)
        .stdout(Stdio::piped())
        .spawn()
        .map(Ended)
        .unwrap();
    let lines = std::io::BufReader::new(follow.0.stdout.take().unwrap());
    let stop = deskhand(&data, &["server", "stop"]);
    assert!(stop.status.success(), "{}", text(&stop.stderr));
    use std::io::BufRead;
    assert!(lines.lines().map_while(Result::ok).any(|line| line.contains("stopped")));
    drop(child);
}

#[test]
fn a_server_that_fails_says_why_when_asked_later() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let failed = deskhand(
        &data,
        &["server", "run", "--agent-listen", &address, "--api-listen", "127.0.0.1:0"],
    );
    assert_eq!(failed.status.code(), Some(1));
    let down = json(&deskhand(&data, &["server", "status", "--json"]));
    assert!(down["errors"][0].as_str().unwrap().contains("cannot listen"), "{down}");
    let file = data.join("server.toml");
    std::fs::write(&file, "max_targets = 1\nlisten = 3\n").unwrap();
    let failed = deskhand(&data, &["server", "run"]);
    assert!(text(&failed.stderr).contains("server.toml:2:"), "{}", text(&failed.stderr));
}

#[test]
fn what_is_installed_is_what_systemd_takes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let (root_text, program) =
        (root.to_string_lossy().into_owned(), env!("CARGO_BIN_EXE_deskhand"));
    let data = folder.path().join("data");
    let install =
        ["server", "install", "--root", &root_text, "--program", program, "--restart-after", "7s"];
    let installed = deskhand(&data, &install);
    assert!(installed.status.success(), "{}", text(&installed.stderr));
    let unit = root.join("etc/systemd/system/deskhand.service");
    let written = std::fs::read_to_string(&unit).unwrap();
    assert!(
        written.contains("RestartSec=7.000\n") && written.contains("WatchdogSec=60.000\n"),
        "{written}"
    );
    assert!(root.join("etc/deskhand/server.toml").exists());
    // Again changes nothing that a person wrote.
    std::fs::write(root.join("etc/deskhand/server.toml"), "depot = \"/srv/depot\"\n").unwrap();
    assert!(deskhand(&data, &install).status.success());
    let written = std::fs::read_to_string(&unit).unwrap();
    assert!(written.contains("ReadWritePaths=-/srv/depot\n"), "{written}");
    match Command::new("systemd-analyze").arg("verify").arg(&unit).output() {
        Ok(judged) => {
            let said = text(&judged.stderr);
            let ours: Vec<&str> = said.lines().filter(|line| line.contains("deskhand")).collect();
            assert!(ours.is_empty(), "{ours:?}");
        }
        Err(error) => panic!("systemd-analyze is needed to judge the unit: {error}"),
    }
    let removed = deskhand(&data, &["server", "remove", "--root", &root_text]);
    assert!(removed.status.success() && !unit.exists(), "{}", text(&removed.stderr));
    let again = deskhand(&data, &["server", "remove", "--root", &root_text]);
    assert!(text(&again.stderr).contains("DH-C132"), "{}", text(&again.stderr));
}
