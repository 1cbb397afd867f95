//! The agent for Windows, under Wine, against the real server: enrolment, an Execution, every file
//! activity with drive letters, backslashes, names without case, read-only files.
//!
//! `cargo xtask windows` builds the agent and says where it and Wine are; without, there is nothing
//! to test here.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fleet::{Child, Fleet};

const WORKFLOW: &str = r#"
workflow: Windows tour
start: clean
activities:
  clean:   { delete_folders: { folders: 'C:\dh-e2e', recursive: true, force: true }, on: { ok: folders, error: folders } }
  folders: { create_folders: { folders: 'C:\dh-e2e\in; C:\dh-e2e\out\deep' }, on: { ok: up, error: failed } }
  up:      { upload: { from: deploy/win, to: 'C:\dh-e2e\in', filter: '*.TXT; C.BAT' }, on: { ok: again, error: failed } }
  again:   { upload: { from: deploy/win, to: 'C:\dh-e2e\in', filter: '*.TXT; C.BAT' }, on: { ok: none, error: failed } }
  none:    { upload: { from: deploy/win, to: 'C:\dh-e2e\in', filter: '*.png' }, on: { no_file: run, ok: failed, error: failed } }
  run:     { execute: { command: 'type in\A.TXT', folder: 'C:\dh-e2e' }, on: { ok: batch, error: failed } }
  batch:   { execute: { command: ['C:\dh-e2e\in\c.bat'], folder: 'C:\dh-e2e' }, on: { exit 7: copy, ok: failed, error: failed } }
  copy:    { copy: { from: 'C:\dh-e2e\in', to: 'C:\dh-e2e\out', filter: '*.txt' }, on: { ok: protect, error: failed } }
  protect: { execute: { command: 'attrib +R C:\dh-e2e\out\a.txt' }, on: { ok: refuse, error: failed } }
  refuse:  { delete_files: { folder: 'C:\dh-e2e\out', filter: 'A.TXT' }, on: { error: force, ok: failed } }
  force:   { delete_files: { folder: 'C:\dh-e2e\out', filter: 'A.TXT', force: true }, on: { ok: rename, error: failed } }
  rename:  { rename: { current: 'C:\dh-e2e\out\B.Txt', new: b2.txt }, on: { ok: move, error: failed } }
  move:    { move: { from: 'C:\dh-e2e\out', to: 'C:\dh-e2e\moved', recursive: true }, on: { ok: down, error: failed } }
  down:    { download: { from: 'C:\dh-e2e\moved', to: 'idd/{{ computer.name }}' }, on: { ok: drop, error: failed } }
  drop:    { delete_folders: { folders: 'C:\dh-e2e', recursive: true, force: true }, on: { ok: done, error: failed } }
  done:    { success: { message: '{{ activities.run.stdout }} {{ activities.again.skipped }}' } }
  failed:  { failure: {} }
"#;

#[test]
fn a_windows_agent_does_it_all() -> Result<()> {
    let (Some(agent), Some(wine)) =
        (std::env::var_os("DESKHAND_WINDOWS_AGENT"), std::env::var_os("DESKHAND_WINE"))
    else {
        return Ok(());
    };
    let fleet = Fleet::new()?;
    let depot = fleet.depot().join("deploy/win");
    std::fs::create_dir_all(&depot)?;
    for (name, text) in [
        ("a.txt", "hello from the depot"),
        ("B.Txt", "second"),
        ("c.bat", "@exit /b 7\r\n"),
        ("d.bin", "not wanted"),
    ] {
        std::fs::write(depot.join(name), text)?;
    }
    let state = format!("Z:{}", fleet.folder().join("win").display()).replace('/', "\\");
    let command = |args: &[&str]| {
        let mut command = Command::new(&wine);
        command.arg(PathBuf::from(&agent)).args(args).args(["--state", &state]);
        command
    };
    let token = fleet.token(1)?;
    let enroll = command(&[
        "enroll",
        "--token",
        &token,
        "--server",
        fleet.agent_address(),
        "--name",
        "WIN-1",
    ]);
    Child::start(enroll, &fleet.folder().join("enroll.log"))?.finish()?;
    let log = fleet.folder().join("win.log");
    let running = Child::start(command(&["run"]), &log)?;
    fleet.until_online(1)?;
    let deployment = fleet.begin(WORKFLOW)?;
    let runs = fleet.until_ended(&deployment).with_context(|| running.log())?;
    let run = runs.first().context("a run")?;
    ensure!(run.run.outcome.as_deref() == Some("success"), "{run:#?}\n{}", running.log());
    ensure!(run.run.reason.as_deref() == Some("hello from the depot 3"), "{run:#?}");
    let brought = fleet.depot().join("idd/WIN-1/b2.txt");
    ensure!(std::fs::read_to_string(&brought)? == "second", "{}", brought.display());
    Ok(())
}

/// The agent as a service of Windows, under Wine's service manager: installed, started, connected,
/// stopped, removed, each step twice where it may be repeated.
#[test]
fn a_windows_agent_is_a_service() -> Result<()> {
    let (Some(agent), Some(wine)) =
        (std::env::var_os("DESKHAND_WINDOWS_AGENT"), std::env::var_os("DESKHAND_WINE"))
    else {
        return Ok(());
    };
    let fleet = Fleet::new()?;
    let state = format!("Z:{}", fleet.folder().join("service").display()).replace('/', "\\");
    let run = |args: &[&str]| -> Result<(bool, String)> {
        let mut command = Command::new(&wine);
        let output = command.arg(PathBuf::from(&agent)).args(args).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let text = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
        Ok((output.status.success(), text))
    };
    let good = |args: &[&str]| -> Result<String> {
        let (is_good, text) = run(args)?;
        ensure!(is_good, "{args:?}: {text}");
        Ok(text)
    };
    let token = fleet.token(1)?;
    let address = fleet.agent_address().to_owned();
    let install = ["install", "--token", &token, "--server", &address, "--name", "WIN-S"];
    let with_state: Vec<&str> = install.into_iter().chain(["--state", &state]).collect();
    let installed = good(&with_state)?;
    let removing = || run(&["service", "remove", "--state", &state]);
    let checked = (|| {
        fleet.until_online(1)?;
        ensure!(good(&["service", "status"])?.contains("running"));
        good(&["service", "install", "--state", &state])?;
        good(&["service", "restart"])?;
        fleet.until_online(1)?;
        good(&["service", "stop"])?;
        let (is_running, text) = run(&["service", "status"])?;
        ensure!(!is_running && text.contains("stopped"), "{text}");
        Ok(())
    })();
    let removed = removing()?;
    let log = std::fs::read_to_string(fleet.folder().join("service/agent.log"));
    checked.with_context(|| format!("{installed}\n{}", log.unwrap_or_default()))?;
    ensure!(removed.0, "{}", removed.1);
    let (_, text) = run(&["service", "status"])?;
    ensure!(text.contains("not installed"), "{text}");
    ensure!(removing()?.0);
    Ok(())
}
