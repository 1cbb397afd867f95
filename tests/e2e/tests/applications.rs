//! Applications of the fleet with the real programs: published, associated, kept while the server
//! is away, raised to a new version, taken away again.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use fleet::{Fleet, until};
use serde_json::Value;

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const RUNTIME: &str = "01890a5d-ac96-774b-bcce-b302099a8058";

fn viewer(version: u16) -> String {
    format!(
        "application: Viewer\n\
         id: {ID}\n\
         version: {version}\n\
         source: deploy/viewer\n\
         target: /opt/viewer\n\
         files:\n\
         \x20 - {{ copy_folder: \"%SOURCE_PATH%\", to: \"%TARGET_PATH%\", subfolders: true }}\n\
         ini:\n\
         \x20 - file: /etc/viewer.ini\n\
         \x20   sections: [ {{ section: Main, values: [ {{ name: Version, data: \"{version}\" }} ] }} ]\n\
         uninstall: {{ when_unassociated: uninstall }}\n"
    )
}

fn is_ok(state: &Value, version: u16) -> bool {
    state["state"] == "ok" && state["installed"] == version && state["wanted"] == version
}

fn put_source(fleet: &Fleet, content: &str) -> Result<()> {
    let folder = fleet.depot().join("deploy/viewer/lib");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("viewer.txt"), content)?;
    Ok(())
}

#[test]
fn what_is_associated_comes_stays_rises_and_goes() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(2)?;
    put_source(&fleet, "one")?;
    let told = fleet.publish("viewer.yaml", &viewer(1))?;
    ensure!(told.contains("version 1 is published (revision 1, 1 files"), "{told}");
    fleet.print_of(&["association", "add", "Viewer", "--computer", "pc-1", "--verify", "10s"])?;
    fleet.until_state("Viewer", |all| all.len() == 1 && is_ok(&all[0], 1))?;
    let root = fleet.agents()[0].root.clone();
    let (file, ini) = (root.join("opt/viewer/lib/viewer.txt"), root.join("etc/viewer.ini"));
    ensure!(fs::read_to_string(&file)? == "one");
    ensure!(fs::read_to_string(&ini)?.contains("Version=1"));
    ensure!(!fleet.agents()[1].root.join("opt").exists(), "pc-2 was not meant");

    // Put right while nobody tells it to, and after a restart of the agent as well.
    fleet.kill_server();
    fs::write(&file, "somebody else's")?;
    until("the file to be put right", || (fs::read_to_string(&file).ok()? == "one").then_some(()))
        .with_context(|| fleet.logs())?;
    fleet.kill_agent(0);
    let log = fleet.agents()[0].state.with_file_name("agent.log");
    fs::remove_file(&ini)?;
    fleet.start_agent(0)?;
    until("the settings to be put right", || ini.exists().then_some(()))
        .with_context(|| fleet.logs())?;
    ensure!(!fs::read_to_string(&log)?.contains("uninstalled"), "a restart takes nothing away");
    fleet.start_server()?;

    put_source(&fleet, "two")?;
    let refused =
        fleet.run(["app", "publish", &fleet.folder().join("viewer.yaml").to_string_lossy()])?;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(told.contains("DH-A052"), "{told}");
    fleet.publish("viewer.yaml", &viewer(2))?;
    fleet.until_state("Viewer", |all| all.len() == 1 && is_ok(&all[0], 2))?;
    ensure!(fs::read_to_string(&file)? == "two");
    ensure!(fs::read_to_string(&ini)?.contains("Version=2"));

    fleet.print_of(&["association", "remove", "Viewer", "--computer", "pc-1"])?;
    fleet.until_state("Viewer", <[Value]>::is_empty)?;
    ensure!(!file.exists() && !root.join("opt/viewer").exists(), "what it made is still there");
    ensure!(!ini.exists(), "its settings are still there");
    fleet.print_of(&["app", "withdraw", "Viewer"])?;
    Ok(())
}

#[test]
fn dependencies_come_first_and_what_is_missing_is_said() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(1)?;
    put_source(&fleet, "one")?;
    let needs =
        format!("{}dependencies: [ {{ application: {RUNTIME}, name: Runtime }} ]\n", viewer(1));
    fleet.publish("viewer.yaml", &needs)?;
    fleet.print_of(&["association", "add", "Viewer", "--to", "name = 'pc-1'"])?;
    let states = fleet.until_state("Viewer", |all| {
        all.iter().any(|state| state["pending"].as_str().is_some_and(|why| why.contains("Runtime")))
    })?;
    ensure!(states[0]["installed"].is_null(), "{states:?}");
    let runtime = format!(
        "application: Runtime\nid: {RUNTIME}\nversion: 7\n\
         files:\n  - {{ create_folder: /opt/runtime }}\n"
    );
    fleet.publish("runtime.yaml", &runtime)?;
    fleet.until_state("Viewer", |all| all.len() == 1 && is_ok(&all[0], 1))?;
    fleet.until_state("Runtime", |all| all.len() == 1 && is_ok(&all[0], 7))?;
    ensure!(fleet.agents()[0].root.join("opt/runtime").is_dir());
    let told = fleet.json(["app", "state", "--computer", "pc-1", "--json"])?;
    ensure!(told.as_array().is_some_and(|all| all.len() == 2), "{told:#}");
    Ok(())
}

#[test]
fn an_agent_that_was_away_is_told_when_it_returns() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(1)?;
    put_source(&fleet, "one")?;
    fleet.publish("viewer.yaml", &viewer(1))?;
    fleet.kill_agent(0);
    fleet.print_of(&["association", "add", "Viewer", "--to", "os = 'linux'"])?;
    until("the machine's set to be made", || {
        let told = fleet.json(["app", "state", "--computer", "pc-1", "--json"]).ok()?;
        (told[0]["state"] == "untold").then_some(())
    })?;
    fleet.start_agent(0)?;
    fleet.until_state("Viewer", |all| all.len() == 1 && is_ok(&all[0], 1))?;
    let file: PathBuf = fleet.agents()[0].root.join("opt/viewer/lib/viewer.txt");
    ensure!(fs::read_to_string(file)? == "one");
    Ok(())
}

/// Deploys one activity to everybody; its outputs at the first target.
fn activity(fleet: &Fleet, action: &str) -> Result<std::collections::BTreeMap<String, String>> {
    let source = format!(
        "workflow: Order {action}\nstart: act\nvariables: {{ app: viewer }}\nactivities:\n  \
         act: {{ application: {{ application: \"{{{{ app }}}}\", do: {action} }}, \
         on: {{ ok: done, error: failed, timeout: failed }} }}\n  \
         done: {{ success: {{}} }}\n  failed: {{ failure: {{}} }}\n"
    );
    let deployment = fleet.begin(&source)?;
    let runs = fleet.until_ended(&deployment).with_context(|| fleet.logs())?;
    let run = runs.first().context("a run")?;
    let is_success = run.run.outcome.as_deref() == Some("success");
    ensure!(is_success, "{action}: {run:#?}\n{}", fleet.logs());
    Ok(run.outputs.get("act").cloned().unwrap_or_default())
}

#[test]
fn a_workflow_distributes_looks_repairs_and_takes_away() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(1)?;
    put_source(&fleet, "one")?;
    let needs =
        format!("{}dependencies: [ {{ application: {RUNTIME}, name: Runtime }} ]\n", viewer(1));
    fleet.publish("viewer.yaml", &needs)?;
    let runtime = format!(
        "application: Runtime\nid: {RUNTIME}\nversion: 7\n\
         files:\n  - {{ create_folder: /opt/runtime }}\n"
    );
    fleet.publish("runtime.yaml", &runtime)?;
    let root = fleet.agents()[0].root.clone();
    let file = root.join("opt/viewer/lib/viewer.txt");

    let plan: Value = serde_json::from_str(&activity(&fleet, "plan")?["plan"])?;
    ensure!(plan["what"] == "distribute" && plan["bytes"] == 3, "{plan:#}");
    ensure!(!file.exists(), "a plan changes nothing");
    // What the depot has later is another publication's.
    put_source(&fleet, "changed since")?;
    let done = activity(&fleet, "distribute")?;
    ensure!(done["changed"] == "true" && done["version"] == "1", "{done:?}");
    ensure!(fs::read_to_string(&file)? == "one" && root.join("opt/runtime").is_dir());
    ensure!(activity(&fleet, "distribute")?["changed"] == "false", "it was there");

    fs::write(&file, "somebody else's")?;
    let seen = activity(&fleet, "verify")?;
    ensure!(seen["changed"] == "false" && seen["drift"] == "1", "{seen:?}");
    ensure!(fs::read_to_string(&file)? == "somebody else's");
    ensure!(activity(&fleet, "repair")?["changed"] == "true");
    ensure!(fs::read_to_string(&file)? == "one");
    ensure!(activity(&fleet, "uninstall")?["changed"] == "true");
    ensure!(!file.exists(), "it is still there");
    ensure!(activity(&fleet, "uninstall")?["changed"] == "false", "it was gone");

    let nobody = "workflow: U\nstart: a\nactivities:\n  a: { application: { application: nobody }, \
                  on: { ok: s, error: s } }\n  s: { success: {} }\n";
    let unknown = fleet.begin(nobody);
    ensure!(unknown.is_err(), "an application that nobody published");
    Ok(())
}

/// Exit code and print of a plan of the viewer, words and as JSON.
fn planned(fleet: &Fleet, targets: &[&str]) -> Result<(Option<i32>, String, Value)> {
    let words = [&["deploy", "Viewer", "--plan"], targets].concat();
    let output = fleet.run(&words)?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let found = fleet.json([&words[..], &["--json"]].concat())?;
    Ok((output.status.code(), text, found))
}

#[test]
fn a_plan_tells_what_each_machine_would_get_and_who_is_away() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(2)?;
    put_source(&fleet, "one")?;
    fleet.publish("viewer.yaml", &viewer(1))?;
    fleet.kill_agent(1);
    until("pc-2 to be away", || {
        let list = fleet.json(["agent", "list", "--json"]).ok()?;
        let online = list.as_array()?.iter().filter(|agent| agent["is_online"] == true).count();
        (online == 1).then_some(())
    })?;
    let (code, text, found) = planned(&fleet, &["--to", "everybody"])?;
    ensure!(code == Some(3), "{code:?}: {text}");
    ensure!(text.contains("2 targets: 1 planned, 1 of these with changes, 1 offline"), "{text}");
    ensure!(text.contains("pc-2  offline") && text.contains("viewer.ini [Main] Version"), "{text}");
    let states: Vec<&str> =
        found.as_array().into_iter().flatten().filter_map(|one| one["state"].as_str()).collect();
    ensure!(states == ["planned", "offline"] && found[0]["plan"]["bytes"] == 3, "{found:#}");
    ensure!(!fleet.agents()[0].root.join("opt").exists(), "a plan changes nothing");

    fleet.print_of(&["association", "add", "Viewer", "--computer", "pc-1"])?;
    fleet.until_state("Viewer", |all| all.len() == 1 && is_ok(&all[0], 1))?;
    let (code, text, found) = planned(&fleet, &["--computer", "pc-1"])?;
    ensure!(code == Some(0) && text.contains("nothing to change"), "{code:?}: {text}");
    ensure!(found[0]["plan"]["changes"] == 0, "{found:#}");
    let unknown = fleet.run(["deploy", "Nobody", "--plan", "--to", "everybody"])?;
    ensure!(unknown.status.code() == Some(1), "{unknown:?}");
    Ok(())
}

#[test]
fn where_operators_sign_nothing_comes_before_they_have() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(1)?;
    let path = |name: &str| fleet.folder().join(name).to_string_lossy().into_owned();
    let (operator, document) = (path("operator"), path("next.doc"));
    fleet.print_of(&["keys", "generate", "--identity", "Operator", "--out", &operator])?;
    let role = format!("operator={operator}/keypub.key");
    fleet.print_of(&["keys", "prepare", "--out", &document, "--add", &role])?;
    let root = fleet.data().join("keypriv.key").to_string_lossy().into_owned();
    fleet.print_of(&["keys", "sign", &document, "--key", &root])?;
    fleet.print_of(&["keys", "submit", &document])?;

    put_source(&fleet, "one")?;
    fleet.publish("viewer.yaml", &viewer(1))?;
    fleet.print_of(&["association", "add", "Viewer", "--computer", "pc-1"])?;
    let id = until("the set to wait", || {
        let waiting = fleet.json(["keys", "operator", "list", "--json"]).ok()?;
        Some(waiting[0]["id"].as_str()?.to_owned())
    })?;
    let state = fleet.print_of(&["app", "state", "--computer", "pc-1"])?;
    ensure!(state.contains("waits for an operator's signature"), "{state}");
    let shown = fleet.print_of(&["keys", "operator", "show", &id])?;
    ensure!(shown.contains("pc-1") && shown.contains("+ Viewer version 1"), "{shown}");
    let own = fleet.run(["keys", "operator", "sign", "--key", &root, "--yes"])?;
    let told = String::from_utf8_lossy(&own.stderr).into_owned();
    ensure!(told.contains("DH-A132"), "the server's own key is no operator's: {told}");
    ensure!(!fleet.agents()[0].root.join("opt").exists(), "nobody has signed it");

    let key = format!("{operator}/keypriv.key");
    let unasked = fleet.run(["keys", "operator", "sign", "--key", &key])?;
    ensure!(unasked.status.code() == Some(2), "nobody was there to be asked");
    fleet.print_of(&["keys", "operator", "sign", "--key", &key, "--yes"])?;
    fleet.until_state("Viewer", |all| all.len() == 1 && is_ok(&all[0], 1))?;
    let file = fleet.agents()[0].root.join("opt/viewer/lib/viewer.txt");
    ensure!(fs::read_to_string(&file)? == "one");

    // A new version waits beside the old one, which stays in place.
    put_source(&fleet, "two")?;
    fleet.publish("viewer.yaml", &viewer(2))?;
    let states = fleet.until_state("Viewer", |all| all.len() == 1 && all[0]["wanted"] == 2)?;
    ensure!(states[0]["pending"] == "an operator's signature", "{states:?}");
    ensure!(fs::read_to_string(&file)? == "one");
    fleet.print_of(&["keys", "operator", "sign", "--key", &key, "--yes"])?;
    fleet.until_state("Viewer", |all| all.len() == 1 && is_ok(&all[0], 2))?;
    ensure!(fs::read_to_string(&file)? == "two");
    Ok(())
}
