//! Changing the deployment key under a fleet of real agents (SK-05).

use anyhow::{Context as _, Result, ensure};
use fleet::{Fleet, until};
use serde_json::Value;

const GATED: &str = "\
workflow: Gated
start: wait
activities:
  wait:
    execute: { command: 'touch \"$DESKHAND_ROOT/began\"; while ! [ -e \"$DESKHAND_ROOT/open\" ]; do read -t 0.02 _ < /dev/zero || :; done' }
    on: { ok: done }
  done: { execute: { command: 'echo over >> \"$DESKHAND_ROOT/done\"' } }
";

const QUICK: &str = "\
workflow: Quick
start: quick
activities:
  quick: { execute: { command: 'echo again >> \"$DESKHAND_ROOT/quick\"' } }
";

fn keys(fleet: &Fleet) -> Result<Value> {
    fleet.json(["keys", "status", "--json"])
}

/// Waits until every agent holds the newest trust document.
fn until_told(fleet: &Fleet, number: u64) -> Result<()> {
    until("all agents to have the newest trust document", || {
        let keys = keys(fleet).ok()?;
        let is_told = keys["document"] == number && keys["behind"].as_array()?.is_empty();
        is_told.then_some(())
    })
    .with_context(|| fleet.logs())
}

fn current(fleet: &Fleet) -> Result<String> {
    let listed = fleet.json(["keys", "list", "--json"])?;
    Ok(listed[0]["fingerprint"].as_str().context("a fingerprint")?.to_owned())
}

fn all_succeed(fleet: &Fleet, source: &str) -> Result<()> {
    let id = fleet.begin(source)?;
    for detail in fleet.until_ended(&id)? {
        let outcome = detail.run.outcome.as_deref();
        ensure!(outcome == Some("success"), "{outcome:?}: {}", fleet.logs());
    }
    Ok(())
}

#[test]
fn a_key_is_changed_while_runs_go_on_and_the_server_is_killed() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(2)?;
    let old_token = fleet.token(3)?;
    let before = current(&fleet)?;
    let running = fleet.begin(GATED)?;
    until("both runs to be at work", || {
        fleet.agents().iter().all(|agent| agent.root.join("began").exists()).then_some(())
    })?;
    let sessions = fleet.logs().matches("agent disconnected").count();
    let changed = fleet.json(["keys", "rotate", "--overlap", "1d", "--json"])?;
    ensure!(changed["document"] == 2 && changed["current"] != before.as_str(), "{changed}");
    until_told(&fleet, 2)?;
    ensure!(fleet.logs().matches("agent disconnected").count() == sessions, "a link was cut");

    // Killed right after the next change, it goes on from there.
    let changed = fleet.json(["keys", "rotate", "--overlap", "1d", "--json"])?;
    fleet.kill_server();
    fleet.start_server()?;
    ensure!(current(&fleet)? == changed["current"].as_str().unwrap_or_default(), "{changed}");
    fleet.until_online(2)?;
    until_told(&fleet, 3)?;
    for agent in fleet.agents() {
        std::fs::write(agent.root.join("open"), "")?;
    }
    for detail in fleet.until_ended(&running)? {
        ensure!(detail.run.outcome.as_deref() == Some("success"), "{}", fleet.logs());
    }
    for agent in fleet.agents() {
        ensure!(std::fs::read_to_string(agent.root.join("done"))? == "over\n", "done once");
    }
    all_succeed(&fleet, QUICK)?;
    // A token of before the changes leads to the key of today.
    fleet.add_agents_with(1, &old_token)?;
    all_succeed(&fleet, QUICK)
}

#[test]
fn an_agent_that_was_away_during_two_changes_catches_up() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(2)?;
    let (first, old_token) = (current(&fleet)?, fleet.token(1)?);
    fleet.kill_agent(1);
    for _ in 0..2 {
        // Without overlap: nobody shows the key that it knows any more.
        fleet.json(["keys", "rotate", "--overlap", "0s", "--json"])?;
    }
    let listed = fleet.json(["keys", "list", "--json"])?;
    let is_first = |key: &Value| key["fingerprint"] == first.as_str();
    ensure!(!listed.as_array().context("keys")?.iter().any(is_first), "{listed}");
    until("one agent to be told, the other to be named", || {
        let keys = keys(&fleet).ok()?;
        let behind = keys["behind"].as_array()?;
        (behind.len() == 1 && behind[0]["computer"] == "pc-2").then_some(())
    })?;
    fleet.start_agent(1)?;
    fleet.until_online(2)?;
    until_told(&fleet, 3)?;
    all_succeed(&fleet, QUICK)?;
    fleet.add_agents_with(1, &old_token)?;
    all_succeed(&fleet, QUICK)
}

#[test]
fn a_lost_key_is_revoked_while_agents_are_connected() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(2)?;
    let (lost, old_token) = (current(&fleet)?, fleet.token(1)?);
    let changed = fleet.json(["keys", "revoke", &lost, "--json"])?;
    ensure!(changed["gone"][0] == lost.as_str(), "{changed}");
    until_told(&fleet, 2)?;
    fleet.until_online(2)?;
    ensure!(fleet.logs().contains("was revoked"), "the links were not left: {}", fleet.logs());
    all_succeed(&fleet, QUICK)?;
    // A token that pins the lost key was revoked with it.
    let enrolled = fleet.add_agents_with(1, &old_token);
    ensure!(enrolled.is_err(), "a token that pins a lost key still lets machines in");
    Ok(())
}

const TOLD_FIRST: &str = "\
workflow: Told first
start: tell
activities:
  tell: { message: { subject: begun }, on: { ok: quick } }
  quick: { execute: { command: 'echo again >> \"$DESKHAND_ROOT/told\"' } }
";

#[test]
fn runs_go_on_under_the_new_key_when_one_is_revoked() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(2)?;
    fleet.kill_agent(1);
    // In progress, not begun, and begun at the server without its agent.
    let all = [fleet.begin(GATED)?, fleet.begin(TOLD_FIRST)?];
    until("a run to be at work, another at the server", || {
        let messages = fleet.json(["message", "list", "--json"]).ok()?;
        let has_begun = fleet.agents()[0].root.join("began").exists();
        (has_begun && messages.as_array()?.len() == 2).then_some(())
    })?;
    fleet.json(["keys", "revoke", &current(&fleet)?, "--json"])?;
    fleet.kill_server();
    fleet.start_server()?;
    fleet.start_agent(1)?;
    fleet.until_online(2)?;
    until_told(&fleet, 2)?;
    for agent in fleet.agents() {
        std::fs::write(agent.root.join("open"), "")?;
    }
    for deployment in all {
        for detail in fleet.until_ended(&deployment)? {
            let outcome = detail.run.outcome.as_deref();
            ensure!(outcome == Some("success"), "{detail:#?}\n{}", fleet.logs());
        }
    }
    for agent in fleet.agents() {
        ensure!(std::fs::read_to_string(agent.root.join("done"))? == "over\n", "done once");
        ensure!(std::fs::read_to_string(agent.root.join("told"))? == "again\n", "done once");
    }
    ensure!(
        fleet.json(["message", "list", "--json"])?.as_array().is_some_and(|all| all.len() == 2)
    );
    Ok(())
}
