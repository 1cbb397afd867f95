//! What agents keep of users' parts and of restarts, with machines whose users and power are
//! told by files.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use fleet::Fleet;
use serde_json::Value;

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// A machine of a fleet with users who log on and off, and with power.
struct Machine {
    fleet: Fleet,
    root: PathBuf,
}

impl Machine {
    fn new(users: &[&str]) -> Result<Self> {
        let mut fleet = Fleet::new()?;
        fleet.add_agents(1)?;
        fleet.kill_agent(0);
        let root = fleet.agents()[0].root.clone();
        fs::create_dir_all(root.join("etc"))?;
        // Only root can give files to others.
        let own = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&root)?);
        let uid = if own == 0 { 12_345 } else { own };
        let line = |user: &&str| format!("{user}:x:{uid}:{uid}::/home/{user}:/bin/sh\n");
        fs::write(root.join("etc/passwd"), users.iter().map(line).collect::<String>())?;
        for user in users {
            fs::create_dir_all(root.join("home").join(user))?;
        }
        let mut machine = Self { fleet, root };
        machine.log_on(&[])?;
        machine.start_agent()?;
        machine.fleet.until_online(1)?;
        Ok(machine)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.fleet.folder().join(name)
    }

    fn start_agent(&mut self) -> Result<()> {
        let (users, power) = (self.file("users"), self.file("power"));
        let drivers =
            [PathBuf::from("--users-driver"), users, PathBuf::from("--power-driver"), power];
        self.fleet.start_agent_with(0, drivers)
    }

    /// Exactly these are logged on from now on.
    fn log_on(&self, users: &[&str]) -> Result<()> {
        Ok(fs::write(self.file("users"), users.join("\n"))?)
    }

    /// The agent dies and comes back, with the machine or without.
    fn boot(&mut self, boot: Option<&str>) -> Result<()> {
        self.fleet.kill_agent(0);
        if let Some(boot) = boot {
            fs::write(self.file("power.boot"), boot)?;
        }
        self.start_agent()
    }

    fn of(&self, user: &str) -> PathBuf {
        self.root.join("home").join(user).join(".config/viewer/viewer.ini")
    }
}

fn viewer(more: &str) -> String {
    format!(
        "application: Viewer\nid: {ID}\nversion: 1\nini:\n  - file: /etc/viewer.ini\n    sections: \
         [ {{ section: Main, values: [ {{ name: Color, data: red }} ] }} ]\n  \
         - file: \"%*AppData%/viewer/viewer.ini\"\n    sections: \
         [ {{ section: Main, values: [ {{ name: User, data: \"%*AppData%\" }} ] }} ]\n{more}"
    )
}

fn of<'s>(states: &'s [Value], user: &str) -> Option<&'s Value> {
    states.iter().find(|state| state["user"].as_str().unwrap_or_default() == user)
}

fn is_ok(states: &[Value], user: &str) -> bool {
    of(states, user).is_some_and(|state| state["state"] == "ok" && state["installed"] == 1)
}

#[test]
fn users_parts_come_at_log_on_and_go_with_their_own_association() -> Result<()> {
    let machine = Machine::new(&["ada", "bob", "eve"])?;
    let fleet = &machine.fleet;
    fleet.publish("viewer.yaml", &viewer("uninstall: { when_unassociated: uninstall }\n"))?;
    for user in ["ada", "bob"] {
        fleet.print_of(&["association", "add", "Viewer", "--user", user])?;
    }
    let first_use = "first log-on";
    fleet.until_state("Viewer", |all| {
        all.len() == 1 && all[0]["pending"].as_str().is_some_and(|why| why.contains(first_use))
    })?;
    ensure!(!machine.root.join("etc/viewer.ini").exists(), "nobody has used it");
    machine.log_on(&["ada", "bob", "eve"])?;
    fleet.until_state("Viewer", |all| {
        all.len() == 3 && ["", "ada", "bob"].iter().all(|user| is_ok(all, user))
    })?;
    ensure!(fs::read_to_string(machine.of("ada"))?.contains("User=/home/ada/"));
    ensure!(fs::read_to_string(machine.of("bob"))?.contains("User=/home/bob/"));
    ensure!(!machine.of("eve").exists(), "she is not associated");

    fleet.print_of(&["association", "remove", "Viewer", "--user", "bob"])?;
    fleet.until_state("Viewer", |all| all.len() == 2 && of(all, "bob").is_none())?;
    ensure!(!machine.of("bob").exists(), "his part is still there");
    ensure!(machine.of("ada").exists() && machine.root.join("etc/viewer.ini").exists());
    Ok(())
}

#[test]
fn a_restart_that_is_needed_is_told_until_the_machine_has_been() -> Result<()> {
    let mut machine = Machine::new(&[])?;
    let text = viewer("options: { reboot: always }\n");
    machine.fleet.publish("viewer.yaml", &text)?;
    machine.fleet.print_of(&["association", "add", "Viewer", "--computer", "pc-1"])?;
    let waits = |all: &[Value]| all.len() == 1 && all[0]["pending"] == "a restart of the machine";
    let told = machine.fleet.until_state("Viewer", waits)?;
    let heard = |all: &[Value]| all.first().and_then(|one| one["told_at"].as_i64());
    // The agent starts anew, the machine does not.
    machine.boot(None)?;
    machine.fleet.until_state("Viewer", |all| waits(all) && heard(all) > heard(&told))?;
    let restarts = machine.fleet.agents()[0].state.join("applications/restarts");
    ensure!(restarts.exists(), "it is not kept beside the records");
    machine.boot(Some("second"))?;
    machine.fleet.until_state("Viewer", |all| is_ok(all, "") && all[0]["pending"].is_null())?;
    Ok(())
}

fn order(machine: &Machine, action: &str) -> Result<()> {
    let source = format!(
        "workflow: Order {action}\nstart: act\nactivities:\n  act: {{ application: {{ application: \
         viewer, do: {action} }}, on: {{ ok: done, error: failed, timeout: failed }} }}\n  \
         done: {{ success: {{}} }}\n  failed: {{ failure: {{}} }}\n"
    );
    let deployment = machine.fleet.begin(&source)?;
    let runs = machine.fleet.until_ended(&deployment)?;
    let is_success = runs.iter().all(|run| run.run.outcome.as_deref() == Some("success"));
    ensure!(is_success, "{action}: {runs:#?}\n{}", machine.fleet.logs());
    Ok(())
}

#[test]
fn an_activity_does_the_parts_of_those_who_are_logged_on() -> Result<()> {
    let machine = Machine::new(&["ada", "bob"])?;
    machine.fleet.publish("viewer.yaml", &viewer(""))?;
    machine.log_on(&["ada"])?;
    order(&machine, "distribute")?;
    ensure!(machine.of("ada").exists() && !machine.of("bob").exists());
    ensure!(machine.root.join("etc/viewer.ini").exists());
    fs::write(machine.of("ada"), "[Main]\nUser=somebody else\n")?;
    // Her part is here, so it is looked after whether she is or not.
    machine.log_on(&[])?;
    order(&machine, "repair")?;
    ensure!(fs::read_to_string(machine.of("ada"))?.contains("User=/home/ada/"));
    order(&machine, "uninstall")?;
    ensure!(!machine.of("ada").exists() && !machine.root.join("etc/viewer.ini").exists());
    Ok(())
}

#[test]
fn what_differs_is_only_told_where_nothing_more_is_wished() -> Result<()> {
    let machine = Machine::new(&[])?;
    let fleet = &machine.fleet;
    fleet.publish("viewer.yaml", &viewer(""))?;
    let args = ["association", "add", "Viewer", "--computer", "pc-1", "--verify", "10s"];
    fleet.print_of(&[&args[..], &["--report-only"]].concat())?;
    fleet.until_state("Viewer", |all| is_ok(all, ""))?;
    let file = machine.root.join("etc/viewer.ini");
    fs::write(&file, "[Main]\nColor=green\n")?;
    let drifts = |all: &[Value]| all[0]["state"] == "drifted" && all[0]["drift"] == 1;
    fleet.until_state("Viewer", |all| all.len() == 1 && drifts(all))?;
    ensure!(fs::read_to_string(&file)?.contains("green"), "it was to be told only");
    fleet.print_of(&args)?;
    fleet.until_state("Viewer", |all| is_ok(all, "") && all[0]["drift"] == 0)?;
    ensure!(fs::read_to_string(&file)?.contains("red"), "it was to be put right");
    Ok(())
}
