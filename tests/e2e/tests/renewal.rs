//! Chosen by a query, edited, begun anew, made again and again - by the command line.

use anyhow::{Context as _, Result, ensure};
use fleet::{Fleet, until};

/// Fails until somebody has edited it.
const BROKEN: &str = "\
workflow: Broken
start: work
activities:
  work: { execute: { command: 'echo x >> \"$DESKHAND_ROOT/worked\"; exit 3' }, on: { ok: done } }
  done: { success: {} }
";

fn worked(fleet: &Fleet, index: usize) -> usize {
    let file = fleet.agents()[index].root.join("worked");
    std::fs::read_to_string(file).map_or(0, |text| text.lines().count())
}

#[test]
fn a_deployment_to_a_query_is_edited_and_its_failed_targets_begin_anew() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(3)?;
    fleet.run(["computer", "set", "pc-3", "--fact", "location=/Asia/Tokyo"])?;
    let query = "os = 'linux' AND agent.connected AND NOT (location LIKE '/asia/%')";
    let none = fleet.run(["computer", "list", "--where", query])?;
    ensure!(none.stdout.is_empty(), "what is not known is neither true nor false");
    let query = "agent.connected AND (location IS NULL OR location <> '/Asia/Tokyo')";
    let chosen = fleet.json(["computer", "list", "--where", query, "--json"])?;
    ensure!(chosen.as_array().is_some_and(|chosen| chosen.len() == 2), "{chosen}");
    let wrong = fleet.command(["computer", "list", "--where", "locaton = 'x'"]).output()?;
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
    ensure!(told.contains("DH-A040") && told.contains("did you mean `location`"), "{told}");

    let file = fleet.workflow("broken.yaml", BROKEN)?;
    let file = file.to_string_lossy();
    let made = fleet.json(["deploy", &file, "--to", query, "--json"])?;
    let id = made["deployment"]["id"].as_str().context("an id")?.to_owned();
    fleet.until_ended(&id)?;
    ensure!([worked(&fleet, 0), worked(&fleet, 1), worked(&fleet, 2)] == [1, 1, 0], "two failed");

    let mut edit = fleet.command(["deployment", "edit", &id]);
    let edited = edit.env("EDITOR", "sed -i s/exit.3/exit\\x200/").env_remove("VISUAL").output()?;
    let told = String::from_utf8_lossy(&edited.stderr).into_owned();
    ensure!(edited.status.success() && told.contains("Copy 2 is kept"), "{told}");
    let export = fleet.run(["deployment", "export", &id])?;
    ensure!(String::from_utf8_lossy(&export.stdout).contains("exit 0"), "{export:?}");
    let first = fleet.run(["deployment", "export", &id, "--copy", "1"])?;
    ensure!(String::from_utf8_lossy(&first.stdout) == BROKEN, "{first:?}");

    // One begins anew while its agent is away, through the death of the server.
    fleet.kill_agent(1);
    fleet.run(["deployment", "restart", &id])?;
    until("the first to succeed", || (worked(&fleet, 0) == 2).then_some(()))?;
    fleet.kill_server();
    fleet.start_server()?;
    fleet.start_agent(1)?;
    let runs = fleet.until_ended(&id).with_context(|| fleet.logs())?;
    ensure!(runs.len() == 2, "{runs:#?}");
    for run in &runs {
        let is_well = run.run.outcome.as_deref() == Some("success") && run.run.copy == 2;
        ensure!(is_well, "{run:#?}");
    }
    ensure!([worked(&fleet, 0), worked(&fleet, 1), worked(&fleet, 2)] == [2, 2, 0], "once each");
    let shown = fleet.run(["deployment", "show", &id, "--computer", "pc-1"])?;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    ensure!(shown.contains("by copy 2") && shown.contains("an earlier run"), "{shown}");
    Ok(())
}

#[test]
fn a_schedule_deploys_by_itself_and_at_most_once() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(1)?;
    let file = fleet.workflow("work.yaml", &BROKEN.replace("exit 3", "exit 0"))?;
    fleet.run(["workflow", "apply", &file.to_string_lossy()])?;
    fleet.run([
        "schedule",
        "add",
        "often",
        "--workflow",
        "broken",
        "--every",
        "10s",
        "--to",
        "name = 'pc-1'",
    ])?;
    until("the first start", || (worked(&fleet, 0) == 1).then_some(()))?;
    fleet.kill_server();
    fleet.start_server()?;
    fleet.run(["schedule", "pause", "often"])?;
    let shown = fleet.json(["schedule", "show", "often", "--json"])?;
    let history = shown["history"].as_array().context("a history")?;
    let made = history.iter().filter(|start| start["deployment"].is_string()).count();
    until("all that was made", || (worked(&fleet, 0) == made).then_some(()))?;
    let mut dues: Vec<_> = history.iter().filter_map(|start| start["due"].as_i64()).collect();
    let count = dues.len();
    dues.dedup();
    ensure!(dues.len() == count, "a start was made twice: {shown}");
    let listed = fleet.run(["schedule", "list"])?;
    ensure!(String::from_utf8_lossy(&listed.stdout).contains("paused"), "{listed:?}");
    fleet.run(["schedule", "run-now", "often"])?;
    until("one more", || (worked(&fleet, 0) == made + 1).then_some(()))?;
    fleet.run(["schedule", "remove", "often"])?;
    Ok(())
}
