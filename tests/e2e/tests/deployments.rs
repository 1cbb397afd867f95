//! What people do with deployments: watch, bound, hold back, end, repeat - by the command line.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fleet::{Fleet, until};
use serde_json::Value;

const SLOW: &str = "\
workflow: Slow
start: work
activities:
  work:   { execute: { command: 'trap \"\" TERM; echo begun > \"$DESKHAND_ROOT/begun\"; while :; do sleep 0.05; done' }, on: { ok: done, error: failed } }
  done:   { success: {} }
  failed: { failure: {} }
";

const PAUSE: &str = "\
workflow: Pause
start: work
activities:
  work: { execute: { command: 'echo x >> \"$DESKHAND_ROOT/worked\"; while ! test -e \"$DESKHAND_ROOT/go\"; do sleep 0.05; done' }, on: { ok: done } }
  done: { success: {} }
";

fn outcomes(fleet: &Fleet, id: &str, outcome: &str) -> Option<usize> {
    let detail = fleet.ask(async |client| client.deployment(id).await)?;
    Some(detail.runs.iter().filter(|run| run.outcome.as_deref() == Some(outcome)).count())
}

fn begun(fleet: &Fleet) -> usize {
    fleet.agents().iter().filter(|agent| agent.root.join("begun").exists()).count()
}

#[test]
fn abort_ends_trees_that_ignore_being_asked() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(3)?;
    let id = fleet.begin(SLOW)?;
    until("all to begin", || (begun(&fleet) == 3).then_some(()))?;
    fleet.run(["deployment", "abort", &id, "--computer", "pc-1"])?;
    until("one to be aborted", || (outcomes(&fleet, &id, "aborted")? == 1).then_some(()))?;
    fleet.run(["deployment", "abort", &id])?;
    let runs = fleet.until_ended(&id).with_context(|| fleet.logs())?;
    ensure!(runs.iter().all(|run| run.run.outcome.as_deref() == Some("aborted")), "{runs:#?}");
    let left = std::process::Command::new("pgrep").args(["-f", "DESKHAND_ROOT/begun"]).output()?;
    ensure!(left.stdout.is_empty(), "still running: {}", String::from_utf8_lossy(&left.stdout));
    Ok(())
}

#[test]
fn slots_bound_what_goes_on_at_once_and_can_be_moved() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(4)?;
    fleet.run(["server", "set", "--max-targets", "2"])?;
    let id = fleet.begin(PAUSE)?;
    let working = |fleet: &Fleet| {
        fleet.agents().iter().filter(|agent| agent.root.join("worked").exists()).count()
    };
    until("two to work", || (working(&fleet) == 2).then_some(()))?;
    let shown = fleet.json(["deployment", "show", &id, "--json"])?;
    let text = shown.to_string();
    ensure!(text.contains("slot"), "nobody is told that a slot is waited for: {text}");
    ensure!(working(&fleet) == 2, "more than two began");
    fleet.run(["server", "set", "--max-targets", "10"])?;
    until("all to work", || (working(&fleet) == 4).then_some(()))?;
    for agent in fleet.agents() {
        std::fs::write(agent.root.join("go"), "")?;
    }
    fleet.until_ended(&id)?;
    ensure!(outcomes(&fleet, &id, "success") == Some(4), "all succeed");
    Ok(())
}

#[test]
fn suspended_runs_begin_nothing_new_until_resumed() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(1)?;
    let id = fleet.begin(PAUSE)?;
    let root = fleet.agents()[0].root.clone();
    until("it to work", || root.join("worked").exists().then_some(()))?;
    fleet.run(["deployment", "suspend", &id])?;
    until("the order to be confirmed", || {
        let detail = fleet.ask(async |client| client.deployment(&id).await)?;
        (detail.runs[0].phase == "suspended").then_some(())
    })?;
    std::fs::write(root.join("go"), "")?;
    until("its activity to end", || {
        let detail = fleet.ask(async |client| client.deployment(&id).await)?;
        detail.runs[0].activities.is_empty().then_some(())
    })?;
    ensure!(outcomes(&fleet, &id, "success") == Some(0), "it went on while suspended");
    fleet.run(["deployment", "resume", &id])?;
    fleet.until_ended(&id)?;
    ensure!(outcomes(&fleet, &id, "success") == Some(1), "it goes on when resumed");
    Ok(())
}

#[test]
fn dates_presence_and_retry() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(2)?;
    fleet.kill_agent(1);
    let file = fleet.workflow(
        "check.yaml",
        "workflow: Check\nstart: check\nvariables: { file: bad }\nactivities:\n  \
         check: { execute: { command: 'test -e \"$DESKHAND_ROOT/{{ file }}\"' }, on: { ok: done, error: failed } }\n  \
         done: { success: {} }\n  failed: { failure: { message: not good } }\n",
    )?;
    let file = file.to_string_lossy().into_owned();
    let made = fleet.json([
        "deploy",
        &file,
        "--to",
        "everybody",
        "--var",
        "file=good",
        "--stop",
        "+2s",
        "--json",
    ])?;
    let id = made["deployment"]["id"].as_str().context("its id")?.to_owned();
    let runs = fleet.until_ended(&id)?;
    let of = |name: &str| runs.iter().find(|run| run.run.computer == name).map(|run| &run.run);
    ensure!(of("pc-1").and_then(|run| run.outcome.as_deref()) == Some("failure"), "{runs:#?}");
    ensure!(of("pc-2").and_then(|run| run.outcome.as_deref()) == Some("not_begun"), "{runs:#?}");
    std::fs::write(fleet.agents()[0].root.join("good"), "")?;
    let again =
        fleet.json(["deployment", "retry", &id, "--which", "failed", "--follow", "--json"])?;
    ensure!(again["targets"] == 1 && again["succeeded"] == 1, "{again:#}");
    Ok(())
}

#[test]
fn results_for_scripts_have_the_documented_shape() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(2)?;
    let file = fleet.workflow(
        "shape.yaml",
        "workflow: Shape\nstart: a\nactivities:\n  \
         a: { execute: { command: exit 3 }, on: { exit 3: b, error: c } }\n  \
         b: { failure: { message: 'code {{ activities.a.exit_code }}' } }\n  c: { success: {} }\n",
    )?;
    let result = fleet.deploy(&file)?;
    ensure!(result["targets"] == 2 && result["failed"] == 2 && result["other"] == 0, "{result:#}");
    let run = &result["runs"][0];
    ensure!(run["outcome"] == "failure" && run["reason"] == "code 3", "{run:#}");
    let path = run["path"].as_array().context("a path")?;
    ensure!(path[0]["activity"] == "a" && path[0]["event"] == "exit 3", "{run:#}");
    ensure!(path[0]["begin"] != Value::Null && path[0]["end"] != Value::Null, "{run:#}");
    Ok(())
}

#[test]
fn five_megabytes_of_output_are_kept_head_and_tail() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(1)?;
    let id = fleet.begin(
        "workflow: Talk\nstart: talk\nactivities:\n  talk:\n    execute:\n      \
         command: 'echo first line; head -c 5000000 /dev/zero | tr \"\\0\" x; echo; echo last line'\n      \
         log: all\n    on: { ok: done, error: done }\n  done: { success: {} }\n",
    )?;
    let runs = fleet.until_ended(&id)?;
    ensure!(runs[0].run.outcome.as_deref() == Some("success"), "{runs:#?}");
    ensure!(runs[0].outputs["talk"]["truncated"] == "true", "{:?}", runs[0].outputs["talk"].keys());
    let log = until("the log to arrive", || {
        let log = fleet.ask(async |client| client.run_log(&runs[0].run.id).await)?;
        let text: String = log.iter().map(|piece| piece.text.as_str()).collect();
        text.contains("last line").then_some(text)
    })?;
    ensure!(log.contains("first line"), "the head is lost");
    Ok(())
}

#[test]
fn a_server_asked_to_stop_stops_at_once_and_loses_nothing() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(3)?;
    let id = fleet.begin(PAUSE)?;
    let roots: Vec<_> = fleet.agents().iter().map(|agent| agent.root.clone()).collect();
    until("all to work", || roots.iter().all(|root| root.join("worked").exists()).then_some(()))?;
    let took = fleet.stop_server()?;
    ensure!(took < Duration::from_secs(2), "it took {took:?}");
    for root in &roots {
        std::fs::write(root.join("go"), "")?;
    }
    fleet.start_server()?;
    let runs = fleet.until_ended(&id)?;
    ensure!(runs.iter().all(|run| run.run.outcome.as_deref() == Some("success")), "{runs:#?}");
    for root in &roots {
        let worked = std::fs::read_to_string(root.join("worked"))?;
        ensure!(worked == "x\n", "carried out {} times", worked.lines().count());
    }
    Ok(())
}

const UPLOAD: &str = "\
workflow: Bring
start: bring
activities:
  bring: { upload: { from: deploy/files, to: /files, recursive: true }, on: { ok: done, error: failed } }
  done:   { success: {} }
  failed: { failure: {} }
";

#[test]
fn a_plan_names_targets_what_they_wait_for_and_what_is_drawn() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(2)?;
    let folder = fleet.depot().join("deploy/files");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("a"), "12345")?;
    std::fs::write(folder.join("b"), "678")?;
    let file = fleet.workflow("bring.yaml", UPLOAD)?;
    let file = file.to_string_lossy().into_owned();
    let plan = |name: &str, more: &[&str]| -> Result<(Option<i32>, String)> {
        let words = [&["deploy", name, "--to", "everybody", "--plan"], more].concat();
        let output = fleet.run(words)?;
        let text = [output.stdout, output.stderr].concat();
        Ok((output.status.code(), String::from_utf8_lossy(&text).into_owned()))
    };
    let (code, text) = plan(&file, &[])?;
    ensure!(code == Some(0) && text.contains("2 begin at once, 0 wait, 0 left out"), "{text}");
    ensure!(text.contains("2 files from the depot, 8 B"), "{text}");
    let (code, text) = plan(&file, &["--start", "+10m"])?;
    ensure!(code == Some(3) && text.contains("pc-2  waits for the start date"), "{text}");
    let (code, text) = plan("Bring", &[])?;
    ensure!(code == Some(1) && text.contains("no workflow `Bring`"), "a plan keeps none: {text}");
    let (code, text) = plan(&file, &["--var", "none=1"])?;
    ensure!(code == Some(1) && text.contains("no variable none"), "{text}");
    let none = fleet.json(["deployment", "list", "--json"])?;
    ensure!(none.as_array().is_some_and(Vec::is_empty), "{none:#}");

    ensure!(fleet.run(["workflow", "apply", &file])?.status.success());
    fleet.kill_agent(1);
    let mut found = Value::Null;
    until("pc-2 to be away", || {
        let words = ["deploy", "Bring", "--computer", "pc-1", "pc-2", "--plan", "--json"];
        found = fleet.json(words).ok()?;
        (found["targets"][1]["is_connected"] == false).then_some(())
    })?;
    ensure!(found["revision"] == 1 && found["bytes"] == 8, "{found:#}");
    let waits: Vec<usize> = found["targets"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|target| target["waits_for"].as_array().map(Vec::len))
        .collect();
    ensure!(waits == [0, 1] && found["targets"][1]["computer"] == "pc-2", "{found:#}");
    Ok(())
}
