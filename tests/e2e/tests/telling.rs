//! Secrets, messages and actions with the real programs: kept, used, and told to nobody.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::{Context as _, Result, ensure};
use fleet::{Fleet, User, until};

const PASSWORD: &str = "correct-horse-battery-staple-1739";
const WORKFLOW: &str = "
workflow: telling
start: bob
activities:
  bob:
    impersonate: { user: nobody-of-that-name, secret: bobs-password }
    on: { ok: tell, error: tell }
  tell:
    message: { channel: internal, to: ops, subject: \"About {{ computer.name }}\", text: \"Look.\" }
    on: { ok: count, error: failed }
  count:
    action: { name: count, parameters: { what: \"{{ computer.name }}; x\" } }
    on: { ok: done, error: failed }
  done: { success: { message: \"{{ activities.count.stdout }}\" } }
  failed: { failure: {} }
";

fn holds_password(folder: &Path) -> Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let holds = if path.is_dir() {
            holds_password(&path)?
        } else if path.is_file() {
            let bytes = std::fs::read(&path)?;
            bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes())
        } else {
            false
        };
        if holds {
            return Ok(true);
        }
    }
    Ok(false)
}

fn set_secret(fleet: &Fleet, name: &str, password: &str) -> Result<()> {
    let mut set = fleet.command(["secret", "set", name]);
    let mut set = set.stdin(Stdio::piped()).spawn()?;
    writeln!(set.stdin.take().context("its input")?, "{password}")?;
    ensure!(set.wait()?.success());
    Ok(())
}

#[test]
fn a_run_uses_a_secret_sends_a_message_and_starts_an_action() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(1)?;
    set_secret(&fleet, "bobs-password", PASSWORD)?;
    let action = fleet.workflow(
        "count.yaml",
        "action: count\nparameters: { what: }\n\
         command: { command: [printf, '<%s>', '{{ what }}'] }\n",
    )?;
    let action = action.to_string_lossy().into_owned();
    ensure!(fleet.run(["action", "set", &action])?.status.success());

    let workflow = fleet.workflow("telling.yaml", WORKFLOW)?;
    let results = fleet.deploy(&workflow)?;
    ensure!(results["succeeded"] == 1, "{results:#}\n{}", fleet.logs());
    ensure!(results["runs"][0]["reason"] == "<pc-1; x>", "{results:#}");

    let messages = fleet.json(["message", "list", "--unread", "--json"])?;
    ensure!(messages[0]["subject"] == "About pc-1", "{messages:#}");
    ensure!(fleet.run(["message", "read", "1"])?.status.success());
    let messages = fleet.json(["message", "list", "--unread", "--json"])?;
    ensure!(messages.as_array().is_some_and(Vec::is_empty), "{messages:#}");

    let started = fleet.json(["action", "run", "count", "--param", "what=y", "--json"])?;
    ensure!(started[0]["outputs"]["stdout"] == "<y>", "{started:#}");

    let tested = ["secret", "test", "bobs-password", "--user", "nobody-of-that-name"];
    let tested = fleet.json(tested.iter().chain(&["--computer", "pc-1", "--json"]))?;
    ensure!(tested["runs"][0]["outcome"] == "failure", "{tested:#}");

    let listed = fleet.run(["secret", "list"])?;
    ensure!(String::from_utf8_lossy(&listed.stdout).contains("bobs-password"));
    ensure!(!holds_password(fleet.folder())?, "the password lies about in the clear");
    Ok(())
}

#[test]
fn a_password_is_tried_on_a_computer() -> Result<()> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    if !status.lines().any(|line| line.starts_with("Uid:\t0\t0")) {
        eprintln!("not root: users cannot be made here");
        return Ok(());
    }
    let mut fleet = Fleet::new()?;
    fleet.add_agents(1)?;
    let user = User::make("tried", true)?;
    set_secret(&fleet, "right", &user.password)?;
    set_secret(&fleet, "wrong", PASSWORD)?;
    for (secret, code, expect) in [("right", 0, "success"), ("wrong", 1, "failure")] {
        let test = ["secret", "test", secret, "--user", &user.name, "--computer", "pc-1", "--json"];
        let output = fleet.run(test)?;
        let told: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        ensure!(told["runs"][0]["outcome"] == expect, "{secret}: {told:#}\n{}", fleet.logs());
        ensure!((output.status.code() == Some(0)) == (code == 0), "{:?}", output.status);
    }
    Ok(())
}

#[test]
fn a_command_is_ended_and_interrupted_when_the_server_dies() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(1)?;
    let marks = fleet.folder().join("marks");
    let source = format!(
        "action: slow\ncommand: {{ command: 'echo $$ >> {}; exec sleep 600' }}\n",
        marks.display()
    );
    let action = fleet.workflow("slow.yaml", &source)?;
    ensure!(fleet.run(["action", "set", &action.to_string_lossy()])?.status.success());
    let deployment = fleet.begin(
        "workflow: cut\nstart: act\nactivities:\n  \
         act: { action: { name: slow }, on: { ok: done, error: done, interrupted: cut } }\n  \
         done: { failure: {} }\n  cut: { success: {} }\n",
    )?;
    let command =
        until("the command", || std::fs::read_to_string(&marks).ok()?.trim().parse::<u32>().ok())?;
    fleet.kill_server();
    fleet.start_server()?;
    let runs = fleet.until_ended(&deployment)?;
    let is_cut = runs[0].run.outcome.as_deref() == Some("success");
    ensure!(is_cut, "{runs:#?}\n{}", fleet.logs());
    ensure!(std::fs::read_to_string(&marks)?.lines().count() == 1, "it was run again");
    until("nothing of the command to be left", || {
        let state = std::fs::read_to_string(format!("/proc/{command}/stat"));
        (state.is_err() || state.is_ok_and(|state| state.contains(") Z "))).then_some(())
    })
}

/// A mail server that speaks as little as it may, on a thread of its own: each mail that was sent
/// to its last line is told by its Message-ID, and taken once that is said.
fn take_mails() -> Result<(u16, Receiver<String>, Sender<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let ((told, came), (take, taken)) = (channel(), channel());
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            // The server was killed while it waited: the next one comes.
            let _cut = take_mail(&socket, &told, &taken);
        }
    });
    Ok((port, came, take))
}

fn take_mail(socket: &TcpStream, told: &Sender<String>, taken: &Receiver<()>) -> Result<()> {
    let say = |line: &str| {
        let mut socket = socket;
        socket.write_all(format!("{line}\r\n").as_bytes())
    };
    say("220 mail")?;
    let (mut is_mail, mut id) = (false, String::new());
    for line in BufReader::new(socket).lines() {
        let line = line?;
        match line.as_str() {
            "." if is_mail => {
                is_mail = false;
                told.send(std::mem::take(&mut id))?;
                taken.recv()?;
                say("250 taken")?;
            }
            _ if is_mail => {
                if let Some(found) = line.strip_prefix("Message-ID:") {
                    id = found.trim().to_owned();
                }
            }
            "DATA" => {
                is_mail = true;
                say("354 go on")?;
            }
            "QUIT" => say("221 bye")?,
            _ => say("250 well")?,
        }
    }
    Ok(())
}

#[test]
fn a_mail_is_sent_again_under_the_same_id_when_the_server_dies() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(1)?;
    let (port, came, take) = take_mails()?;
    let port = port.to_string();
    let set = ["channel", "set", "mail", "--host", "127.0.0.1", "--port", &port, "--tls", "none"];
    let set = fleet.run(set.iter().chain(&["--from", "desk@example.org"]))?;
    ensure!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    let deployment = fleet.begin(
        "workflow: mails\nstart: tell\nactivities:\n  \
         tell: { message: { channel: mail, to: a@example.org, subject: s, text: t }, \
         on: { ok: done, error: failed } }\n  \
         done: { success: { message: '{{ activities.tell.id }}' } }\n  failed: { failure: {} }\n",
    )?;
    let first = came.recv_timeout(fleet::PATIENCE).with_context(|| fleet.logs())?;
    fleet.kill_server();
    // What the dead one waited for.
    take.send(())?;
    fleet.start_server()?;
    let second = came.recv_timeout(fleet::PATIENCE).with_context(|| fleet.logs())?;
    take.send(())?;
    let runs = fleet.until_ended(&deployment)?;
    ensure!(runs[0].run.outcome.as_deref() == Some("success"), "{runs:#?}\n{}", fleet.logs());
    ensure!(!first.is_empty() && first == second, "{first} and {second}");
    let id = runs[0].run.reason.as_deref().unwrap_or_default();
    ensure!(first.contains(id) && !id.is_empty(), "{id}, {first}");
    Ok(())
}
