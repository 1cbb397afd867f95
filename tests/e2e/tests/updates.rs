//! Agents that change their version (AG-08): a good one, one that exits, one that hangs, and that
//! nothing is interrupted by it. With real processes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fleet::{Child, Fleet, program, until};
use serde_json::Value;

/// Agents under their supervisors.
struct Supervised {
    fleet: Fleet,
    agents: Vec<Child>,
}

impl Supervised {
    fn new(count: usize) -> Result<Self> {
        let fleet = Fleet::new()?;
        let token = fleet.token(count)?;
        let mut all = Self { fleet, agents: Vec::new() };
        for number in 1..=count {
            let home = all.fleet.folder().join(format!("pc-{number}"));
            std::fs::create_dir_all(&home)?;
            let mut enroll = Command::new(program("deskhand-agent"));
            enroll.args(["enroll", "--server", all.fleet.agent_address(), "--token", &token]);
            enroll.args(["--name", &format!("pc-{number}"), "--state"]).arg(home.join("state"));
            Child::start(enroll, &home.join("enroll.log"))?.finish()?;
            all.start(number)?;
        }
        all.fleet.until_online(count)?;
        Ok(all)
    }

    fn home(&self, number: usize) -> PathBuf {
        self.fleet.folder().join(format!("pc-{number}"))
    }

    fn start(&mut self, number: usize) -> Result<()> {
        let home = self.home(number);
        let mut run = Command::new(program("deskhand-agent"));
        run.args(["run", "--supervise", "--state"]).arg(home.join("state"));
        run.arg("--root").arg(home.join("root"));
        self.agents.push(Child::start(run, &home.join("agent.log"))?);
        Ok(())
    }

    /// Adds a release whose program for this platform is the file.
    fn release(&self, version: &str, file: &Path) -> Result<()> {
        let named = format!("linux-{}={}", std::env::consts::ARCH, file.display());
        let added = self.fleet.run(["agent", "release", "add", &named, "--version", version])?;
        ensure!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        Ok(())
    }

    fn script(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.fleet.folder().join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// This very agent as another file: bytes behind its end change nothing but its hash.
    fn another(&self, name: &str) -> Result<PathBuf> {
        let mut bytes = std::fs::read(program("deskhand-agent"))?;
        bytes.extend_from_slice(name.as_bytes());
        let path = self.fleet.folder().join(name);
        std::fs::write(&path, bytes)?;
        Ok(path)
    }

    fn update(&self, more: &[&str]) -> Result<Value> {
        let words = ["agent", "update", "--within", "20s", "--follow", "--json"];
        self.fleet.json(words.iter().chain(more))
    }

    fn logs(&self) -> String {
        self.agents.iter().map(Child::log).collect()
    }

    /// The program that an agent runs from, as the kernel tells.
    fn running(&self, number: usize) -> Option<PathBuf> {
        let state = self.home(number).join("state");
        let processes = std::fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path());
        let is_its = |process: &PathBuf| {
            let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
            let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            words.contains(&b"--supervised".as_slice())
                && words.contains(&state.as_os_str().as_encoded_bytes())
        };
        processes.into_iter().find(is_its).and_then(|process| process.join("exe").read_link().ok())
    }
}

fn states(update: &Value) -> Vec<(&str, &str)> {
    let machines = update["machines"].as_array().map_or(&[][..], Vec::as_slice);
    machines
        .iter()
        .map(|it| (it["state"].as_str().unwrap_or(""), it["why"].as_str().unwrap_or("")))
        .collect()
}

#[test]
fn a_good_version_reaches_everybody_and_stays() -> Result<()> {
    let mut all = Supervised::new(3)?;
    all.release("0.2.0", &all.another("two")?)?;
    let update = all.update(&["--to", "0.2.0", "--waves", "34%,100%"])?;
    ensure!(update["standing"] == "done", "{update:#}\n{}", all.logs());
    for number in 1..=3 {
        let running = all.running(number).context("an agent")?;
        ensure!(running.starts_with(all.home(number).join("state/versions")), "{running:?}");
    }
    // Also after the machine was off.
    all.agents.clear();
    until("no agent to run", || all.running(1).is_none().then_some(()))?;
    all.start(1)?;
    let running = until("the agent to run", || all.running(1))?;
    ensure!(running.starts_with(all.home(1).join("state/versions")), "{running:?}");
    Ok(())
}

#[test]
fn a_version_that_exits_is_taken_back_and_the_wave_stops() -> Result<()> {
    let all = Supervised::new(3)?;
    all.release("0.3.0", &all.script("exits", "#!/bin/sh\nexit 9\n")?)?;
    let update = all.update(&["--to", "0.3.0", "--waves", "1%"])?;
    ensure!(update["standing"] == "halted", "{update:#}\n{}", all.logs());
    let mut states = states(&update);
    states.sort_unstable();
    ensure!(states[0].0 == "failed" && states[0].1.contains("exit status: 9"), "{states:?}");
    ensure!(states[1].0 == "waiting" && states[2].0 == "waiting", "{states:?}");
    // The one that fell back works on.
    all.fleet.until_online(3)?;
    let again = all
        .fleet
        .workflow("w.yaml", "workflow: w\nstart: go\nactivities:\n  go: { success: {} }\n")?;
    let done = all.fleet.deploy(&again)?;
    ensure!(done["succeeded"] == 3, "{done:#}\n{}", all.logs());
    Ok(())
}

#[test]
fn a_version_that_hangs_is_taken_back_over_a_restart_of_the_server() -> Result<()> {
    let mut all = Supervised::new(1)?;
    let hangs = "#!/bin/sh\necho $$ > \"$(dirname \"$0\")/../../hangs\"\nexec sleep 1000\n";
    all.release("0.4.0", &all.script("hangs", hangs)?)?;
    let begun = all.fleet.run(["agent", "update", "--to", "0.4.0", "--within", "3s"])?;
    ensure!(begun.status.success(), "{}", String::from_utf8_lossy(&begun.stderr));
    until("the version to hang", || all.home(1).join("state/hangs").exists().then_some(()))?;
    all.fleet.kill_server();
    all.fleet.start_server()?;
    let mut last = Value::Null;
    let halted = until("the update to be halted", || {
        last = all.fleet.json(["agent", "update", "status", "--json"]).ok()?;
        (last["standing"] == "halted").then_some(())
    });
    halted.with_context(|| format!("{last:#}\n{}", all.logs()))?;
    let states = states(&last);
    ensure!(states[0].1.contains("did not come back within 3 s"), "{states:?}");
    all.fleet.until_online(1)?;
    let running = all.running(1).context("an agent")?;
    ensure!(running == program("deskhand-agent").canonicalize()?, "{running:?}");
    Ok(())
}

#[test]
fn a_command_in_progress_is_not_interrupted_and_its_run_goes_on() -> Result<()> {
    let all = Supervised::new(1)?;
    all.release("0.5.0", &all.another("five")?)?;
    let gate = all.fleet.folder().join("gate");
    let command = format!("while [ ! -e {} ]; do sleep 0.1; done", gate.display());
    let workflow = format!(
        "workflow: slow\nstart: wait\nactivities:\n  wait: {{ execute: {{ command: \"{command}\" }}, \
         on: {{ ok: pause, error: bad }} }}\n  pause: {{ wait: {{ duration: 1s }}, on: {{ ok: done }} }}\n  \
         done: {{ success: {{}} }}\n  bad: {{ failure: {{}} }}\n"
    );
    let deployment = all.fleet.begin(&workflow)?;
    until("the command to run", || {
        let log = all.logs();
        log.contains("wait begins").then_some(())
    })?;
    let begun = all.fleet.run(["agent", "update", "--to", "0.5.0", "--within", "20s"])?;
    ensure!(begun.status.success(), "{}", String::from_utf8_lossy(&begun.stderr));
    let state = |wanted: &str| {
        let update = all.fleet.json(["agent", "update", "status", "--json"]).ok()?;
        (states(&update).first()?.0 == wanted).then_some(())
    };
    until("the version to lie ready", || state("staged"))?;
    std::fs::write(&gate, "")?;
    let runs = all.fleet.until_ended(&deployment)?;
    ensure!(runs[0].run.outcome.as_deref() == Some("success"), "{runs:#?}\n{}", all.logs());
    until("the version to be in use", || state("done")).with_context(|| all.logs())?;
    Ok(())
}

#[test]
fn a_release_that_agents_would_not_trust_is_refused() -> Result<()> {
    let fleet = Fleet::new()?;
    let keys = fleet.folder().join("keys");
    let out = keys.to_string_lossy();
    let made = fleet.run(["keys", "generate", "--identity", "Somebody else", "--out", &out])?;
    ensure!(made.status.success());
    let own = program("deskhand-agent");
    let (file, key) = (own.to_string_lossy(), keys.join("keypriv.key"));
    let words = ["agent", "release", "add", &file, "--version", "1", "--key"];
    let refused = fleet.command(words).arg(&key).output()?;
    let text = String::from_utf8_lossy(&refused.stderr);
    ensure!(!refused.status.success() && text.contains("no agent would take"), "{text}");
    let key = fleet.data().join("keypriv.key");
    let words = ["agent", "release", "add", &file, "--version", "1", "--key"];
    let taken = fleet.command(words).arg(&key).output()?;
    ensure!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    Ok(())
}
