//! Restarts and power-offs, with real agents whose machine only takes notes: the run goes on by
//! itself once the machine has another boot.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use fleet::{Fleet, until};

const RESTARTS: &str = r#"
workflow: Restarts
start: before
activities:
  before:  { execute: { command: echo before >> "$DESKHAND_ROOT/steps" }, on: { ok: restart } }
  restart: { shutdown: { method: restart, message: Updates, force: true }, on: { ok: after } }
  after:   { execute: { command: echo after >> "$DESKHAND_ROOT/steps" }, on: { ok: done } }
  done:    { success: {} }
"#;

const OFF: &str = r#"
workflow: Off
start: before
activities:
  before: { execute: { command: echo before >> "$DESKHAND_ROOT/steps" }, on: { ok: off } }
  off:    { shutdown: { method: shutdown }, on: { ok: after } }
  after:  { execute: { command: echo after >> "$DESKHAND_ROOT/steps" }, on: { ok: done } }
  done:   { success: {} }
"#;

/// A machine of a fleet that notes what is asked of its power.
struct Machine {
    fleet: Fleet,
    notes: PathBuf,
}

impl Machine {
    fn new() -> Result<Self> {
        let mut fleet = Fleet::new()?;
        fleet.add_agents(1)?;
        fleet.kill_agent(0);
        let notes = fleet.folder().join("power");
        let mut machine = Self { fleet, notes };
        machine.start_agent()?;
        machine.fleet.until_online(1)?;
        Ok(machine)
    }

    fn start_agent(&mut self) -> Result<()> {
        let driver = [PathBuf::from("--power-driver"), self.notes.clone()];
        self.fleet.start_agent_with(0, driver)
    }

    /// The agent dies and comes back, with the machine or without.
    fn boot(&mut self, boot: Option<&str>) -> Result<()> {
        self.fleet.kill_agent(0);
        if let Some(boot) = boot {
            std::fs::write(self.notes.with_extension("boot"), boot)?;
        }
        self.start_agent()
    }

    fn count(&self, note: &str) -> usize {
        let notes = std::fs::read_to_string(&self.notes).unwrap_or_default();
        notes.lines().filter(|line| line.starts_with(note)).count()
    }

    fn until_noted(&self, note: &str, count: usize) -> Result<()> {
        until(note, || (self.count(note) >= count).then_some(())).with_context(|| self.fleet.logs())
    }
}

#[test]
fn a_run_goes_on_by_itself_after_the_restart() -> Result<()> {
    let mut machine = Machine::new()?;
    let deployment = machine.fleet.begin(RESTARTS)?;
    machine.until_noted("go restart force=true \"Updates\"", 1)?;
    // The agent dies, the machine does not: it is told once more.
    machine.boot(None)?;
    machine.until_noted("go restart", 2)?;
    // The server is away while the machine comes back: the run goes on without it.
    machine.fleet.kill_server();
    machine.boot(Some("second"))?;
    let steps = machine.fleet.agents()[0].root.join("steps");
    until("the run to go on", || {
        std::fs::read_to_string(&steps).ok().filter(|text| text.contains("after"))
    })?;
    machine.fleet.start_server()?;
    let runs = machine.fleet.until_ended(&deployment).with_context(|| machine.fleet.logs())?;
    let run = runs.first().context("a run")?;
    ensure!(run.run.outcome.as_deref() == Some("success"), "{run:#?}");
    ensure!(std::fs::read_to_string(&steps)? == "before\nafter\n", "each step once");
    ensure!(machine.count("go") == 2, "it is not told again");
    Ok(())
}

#[test]
fn a_machine_goes_off_once_its_run_is_back_at_the_server() -> Result<()> {
    let mut machine = Machine::new()?;
    let deployment = machine.fleet.begin(OFF)?;
    machine.until_noted("go power_off force=false", 1)?;
    // The agent dies before the machine does: it is told once more, and nothing else is done.
    machine.boot(None)?;
    machine.until_noted("go power_off", 2)?;
    let steps = machine.fleet.agents()[0].root.join("steps");
    ensure!(std::fs::read_to_string(&steps)? == "before\n", "the run waits for the machine");
    machine.boot(Some("second"))?;
    let runs = machine.fleet.until_ended(&deployment).with_context(|| machine.fleet.logs())?;
    let run = runs.first().context("a run")?;
    ensure!(run.run.outcome.as_deref() == Some("success"), "{run:#?}");
    ensure!(std::fs::read_to_string(&steps)? == "before\nafter\n", "each step once");
    ensure!(machine.count("go") == 2, "it is not told again");
    Ok(())
}
