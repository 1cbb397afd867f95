//! Secrets, messages and actions with the real programs: kept, used, and told to nobody.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use fleet::Fleet;

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

#[test]
fn a_run_uses_a_secret_sends_a_message_and_starts_an_action() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(1)?;
    let mut set = fleet.command(["secret", "set", "bobs-password"]);
    let mut set = set.stdin(Stdio::piped()).spawn()?;
    writeln!(set.stdin.take().context("its input")?, "{PASSWORD}")?;
    ensure!(set.wait()?.success());
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
