//! Computers without agent, over a real SSH server on loopback addresses.
//!
//! Needs root, as SSH servers and users do; without it there is nothing to test with, which is
//! said.

use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use fleet::{Fleet, Sshd, User, until};
use serde_json::Value;

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let is_root = status.lines().any(|line| line.starts_with("Uid:\t0\t0"));
    if !is_root {
        eprintln!("not root: SSH servers and users cannot be made here");
    }
    is_root
}

/// Runs a command that must succeed.
fn must(fleet: &Fleet, args: &[&str]) -> Result<String> {
    let output = fleet.run(args)?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{args:?}: {errors}");
    Ok(errors)
}

/// Runs a command that must fail; says what it said.
fn must_not(fleet: &Fleet, args: &[&str]) -> Result<String> {
    let output = fleet.run(args)?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "{args:?} succeeded: {errors}");
    Ok(errors)
}

fn secret(fleet: &Fleet, name: &str, text: &str) -> Result<()> {
    let mut child = fleet
        .command(["secret", "set", name])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    child.stdin.take().context("an input")?.write_all(text.as_bytes())?;
    ensure!(child.wait()?.success(), "secret {name}");
    Ok(())
}

/// A computer of that name whose way is as the arguments say.
fn add(fleet: &Fleet, name: &str, way: &[&str]) -> Result<()> {
    must(fleet, &[&["computer", "add", name], way].concat()).map(drop)
}

fn root_at(sshd: &Sshd) -> String {
    format!("root@{}", sshd.place())
}

fn deploy(fleet: &Fleet, text: &str, name: &str) -> Result<Value> {
    let file = fleet.workflow("workflow.yaml", text)?;
    let file = file.to_string_lossy();
    fleet.json(["deploy", &file, "--computer", name, "--follow", "--json"])
}

fn outcome(result: &Value) -> &str {
    result["runs"][0]["outcome"].as_str().unwrap_or_default()
}

/// Nothing of an agent is left: no folder, no process with its mark.
fn until_clean(sshd: &Sshd, what: &str) -> Result<()> {
    until("nothing to be left", || {
        let processes = std::fs::read_dir("/proc").ok()?.flatten().any(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.contains(what)
                && entry.file_name().to_string_lossy() != std::process::id().to_string()
        });
        (sshd.left().is_empty() && !processes).then_some(())
    })
    .with_context(|| format!("left: {:?}\n{}", sshd.left(), sshd.log()))
}

#[test]
fn files_and_commands_go_over_ssh_and_nothing_stays() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let fleet = Fleet::new()?;
    let mut sshd = Sshd::start(fleet.folder(), "127.0.0.61")?;
    let (root, key) = (root_at(&sshd), sshd.user_key());
    add(&fleet, "bare", &["--ssh", &root, "--ssh-key", &key])?;

    let unknown = must_not(&fleet, &["ssh", "test", "bare"])?;
    ensure!(unknown.contains("DH-S003") && unknown.contains("SHA256:"), "{unknown}");
    must(&fleet, &["ssh", "trust", &sshd.place()])?;
    must(&fleet, &["ssh", "policy", "--idle", "1"])?;

    let big: Vec<u8> =
        (0..10 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::create_dir_all(fleet.depot().join("deploy/big"))?;
    std::fs::write(fleet.depot().join("deploy/big/data"), &big)?;
    let work = fleet.folder().join("work");
    let work = work.display();
    let result = deploy(
        &fleet,
        &format!(
            "workflow: All ways\nstart: branch\nactivities:\n  \
             branch: {{ choose: {{ value: '{{{{ agent.present }}}}' }}, on: {{ 'false': up }} }}\n  \
             up: {{ upload: {{ from: deploy/big, to: '{work}', recursive: true }}, on: {{ ok: sum }} }}\n  \
             sum: {{ execute: {{ command: 'wc -c < {work}/data > {work}/count; id -u', log: all }}, on: {{ ok: down }} }}\n  \
             down: {{ download: {{ from: '{work}', to: 'pdi/{{{{ computer.name }}}}', filter: count }}, on: {{ ok: done }} }}\n  \
             done: {{ success: {{ message: '{{{{ activities.sum.stdout }}}}' }} }}\n"
        ),
        "bare",
    )?;
    ensure!(outcome(&result) == "success", "{result}\n{}", fleet.logs());
    ensure!(result["runs"][0]["reason"] == "0", "{result}");
    ensure!(std::fs::read(fleet.folder().join("work/data"))? == big, "the file is another");
    let came = std::fs::read_to_string(fleet.depot().join("pdi/bare/count"))?;
    ensure!(came.trim() == "10485760", "{came}");
    until_clean(&sshd, &sshd.temp().display().to_string())?;

    must(&fleet, &["ssh", "policy", "--allow", "no"])?;
    let forbidden = must_not(&fleet, &["ssh", "test", "bare"])?;
    ensure!(forbidden.contains("DH-S001"), "{forbidden}");
    must(&fleet, &["ssh", "policy", "--allow", "yes"])?;

    sshd.change_host_key()?;
    let changed = must_not(&fleet, &["ssh", "test", "bare"])?;
    ensure!(changed.contains("DH-S004"), "{changed}");
    must(&fleet, &["ssh", "trust", &sshd.place(), "--replace"])?;
    must(&fleet, &["ssh", "test", "bare"])?;
    until_clean(&sshd, &sshd.temp().display().to_string())
}

const SLOW: &str = "\
workflow: Slow
start: work
activities:
  work: { execute: { command: 'exec sleep 7654321' }, on: { ok: done, interrupted: cut } }
  cut:  { success: { message: cut } }
  done: { failure: {} }
";

#[test]
fn a_cut_link_ends_a_command_and_says_so() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let fleet = Fleet::new()?;
    let sshd = Sshd::start(fleet.folder(), "127.0.0.62")?;
    let (root, key) = (root_at(&sshd), sshd.user_key());
    must(&fleet, &["ssh", "trust", &sshd.place()])?;
    must(&fleet, &["ssh", "policy", "--idle", "1"])?;
    add(&fleet, "bare", &["--ssh", &root, "--ssh-key", &key])?;
    let id = fleet.begin(SLOW)?;
    until_sleeping("7654321")?;
    ensure!(sshd.cut()? > 0, "there was a connection");
    let runs = fleet.until_ended(&id)?;
    ensure!(runs[0].run.outcome.as_deref() == Some("success"), "{runs:?}\n{}", fleet.logs());
    ensure!(runs[0].run.reason.as_deref() == Some("cut"), "{runs:?}");
    until_clean(&sshd, "7654321")
}

fn until_sleeping(what: &str) -> Result<()> {
    until("the command to run", || {
        std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            (line == format!("sleep\0{what}\0").as_bytes()).then_some(())
        })
    })
}

#[test]
fn a_server_that_is_killed_leaves_nothing_on_its_targets() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mut fleet = Fleet::new()?;
    let sshd = Sshd::start(fleet.folder(), "127.0.0.63")?;
    let (root, key) = (root_at(&sshd), sshd.user_key());
    must(&fleet, &["ssh", "trust", &sshd.place()])?;
    must(&fleet, &["ssh", "policy", "--idle", "1"])?;
    add(&fleet, "bare", &["--ssh", &root, "--ssh-key", &key])?;
    let id = fleet.begin(&SLOW.replace("7654321", "7654322"))?;
    until_sleeping("7654322")?;
    fleet.kill_server();
    until_clean(&sshd, "7654322")?;
    fleet.start_server()?;
    let runs = fleet.until_ended(&id)?;
    ensure!(runs[0].run.reason.as_deref() == Some("cut"), "{runs:?}\n{}", fleet.logs());
    until_clean(&sshd, "7654322")
}

#[test]
fn an_agent_that_is_killed_leaves_nothing_either() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let fleet = Fleet::new()?;
    let sshd = Sshd::start(fleet.folder(), "127.0.0.64")?;
    let (root, key) = (root_at(&sshd), sshd.user_key());
    must(&fleet, &["ssh", "trust", &sshd.place()])?;
    add(&fleet, "bare", &["--ssh", &root, "--ssh-key", &key])?;
    let id = fleet.begin(&SLOW.replace("7654321", "7654323"))?;
    until_sleeping("7654323")?;
    let temp = sshd.temp().display().to_string();
    let agent = std::fs::read_dir("/proc")?.flatten().find(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.starts_with(&temp) && line.contains("--stdio")
    });
    let agent = agent.context("the agent's process")?.file_name();
    let killed = std::process::Command::new("kill").arg("-9").arg(agent).status()?;
    ensure!(killed.success());
    let runs = fleet.until_ended(&id)?;
    ensure!(runs[0].run.reason.as_deref() == Some("cut"), "{runs:?}\n{}", fleet.logs());
    until_clean(&sshd, "7654323")
}

#[test]
fn users_become_root_and_ways_lead_through_other_hosts() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let fleet = Fleet::new()?;
    let (jump, sshd) =
        (Sshd::start(fleet.folder(), "127.0.0.65")?, Sshd::start(fleet.folder(), "127.0.0.66")?);
    must(&fleet, &["ssh", "trust", &jump.place(), &sshd.place()])?;
    must(&fleet, &["ssh", "policy", "--idle", "1"])?;
    let (free, asked) = (User::make("free", false)?, User::make("asked", true)?);
    secret(&fleet, "asked", &asked.password)?;
    secret(&fleet, "wrong", "nonsense")?;
    secret(&fleet, "opens", "opensesame")?;
    let (key, locked) = (sshd.user_key(), sshd.file("locked_key").display().to_string());
    let at = |user: &str| format!("{user}@{}", sshd.place());
    let as_asked = at(&asked.name);

    add(&fleet, "denied", &["--ssh", &at(&asked.name), "--ssh-password", "wrong"])?;
    let denied = must_not(&fleet, &["ssh", "test", "denied"])?;
    ensure!(denied.contains("DH-S006") && denied.contains("its password"), "{denied}");
    ensure!(!denied.contains("nonsense"), "{denied}");

    let locked_way = ["--ssh", &root_at(&sshd), "--ssh-key", &locked];
    add(&fleet, "locked", &locked_way)?;
    let shut = must_not(&fleet, &["ssh", "test", "locked"])?;
    ensure!(shut.contains("encrypted"), "{shut}");
    let opened = [&["computer", "set", "locked"], &locked_way[..], &["--ssh-passphrase", "opens"]];
    must(&fleet, &opened.concat())?;
    must(&fleet, &["ssh", "test", "locked"])?;

    let who = "workflow: Who\nstart: work\nactivities:\n  \
               work: { execute: { command: id -un }, on: { ok: done } }\n  \
               done: { success: { message: '{{ activities.work.stdout }}' } }\n";
    let is = |name: &str, expect: &str| -> Result<()> {
        let result = deploy(&fleet, who, name)?;
        let said = result["runs"][0]["reason"].as_str().unwrap_or_default();
        ensure!(said == expect, "{name}: {result}\n{}", fleet.logs());
        Ok(())
    };
    add(&fleet, "plain", &["--ssh", &at(&asked.name), "--ssh-password", "asked"])?;
    is("plain", &asked.name)?;
    add(&fleet, "free", &["--ssh", &at(&free.name), "--ssh-key", &key, "--become", "sudo"])?;
    is("free", "root")?;
    let password = ["--become", "sudo", "--become-password", "asked"];
    let way = [&["--ssh", &as_asked, "--ssh-key", &key], &password[..]].concat();
    add(&fleet, "asked", &way)?;
    is("asked", "root")?;
    let password = ["--become", "sudo", "--become-password", "wrong"];
    let way = [&["--ssh", &as_asked, "--ssh-key", &key], &password[..]].concat();
    add(&fleet, "asked-wrong", &way)?;
    let refused = must_not(&fleet, &["ssh", "test", "asked-wrong"])?;
    ensure!(refused.contains("DH-S010"), "{refused}");
    ensure!(!refused.contains("nonsense"), "{refused}");

    // Keys of one and the same user are good for both.
    std::fs::copy(sshd.file("authorized_keys"), jump.file("authorized_keys"))?;
    let through = ["--jump", &format!("root@{}", jump.place())];
    add(
        &fleet,
        "behind",
        &[&["--ssh", &root_at(&sshd), "--ssh-key", &key], &through[..]].concat(),
    )?;
    is("behind", "root")?;
    ensure!(jump.log().contains("Accepted publickey for root"), "{}", jump.log());
    until_clean(&sshd, &sshd.temp().display().to_string())
}

#[test]
fn the_shipped_workflow_gives_computers_agents() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let fleet = Fleet::new()?;
    let sshd = Sshd::start(fleet.folder(), "127.0.0.67")?;
    let (root, key) = (root_at(&sshd), sshd.user_key());
    must(&fleet, &["ssh", "trust", &sshd.place()])?;
    must(&fleet, &["ssh", "policy", "--idle", "1"])?;
    add(&fleet, "bare", &["--ssh", &root, "--ssh-key", &key])?;
    let agent = fleet.depot().join("deploy/agent");
    std::fs::create_dir_all(&agent)?;
    std::fs::copy(fleet::program("deskhand-agent"), agent.join("deskhand-agent"))?;
    let answers = format!("[Install]\nToken={}\n", fleet.token(1)?);
    std::fs::write(agent.join("agent.answers"), answers)?;
    let (staging, state) = (fleet.folder().join("staging"), fleet.folder().join("state"));
    let folder = format!("folder={}", staging.display());
    // No service here: the machine that runs the test is not to have one afterwards.
    let options = format!(
        "options=--no-service --server {} --state {}",
        fleet.agent_address(),
        state.display()
    );
    let workflow = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/mass-deploy/workflow.yaml");
    let deploy = ["deploy", workflow, "--computer", "bare", "--follow", "--json"];
    let result = fleet.json([&deploy[..], &["--var", &folder, "--var", &options]].concat())?;
    ensure!(outcome(&result) == "success", "{result}\n{}", fleet.logs());
    ensure!(!staging.exists(), "the folder it was installed from stays");
    let computer = fleet.json(["computer", "show", "bare", "--json"])?;
    ensure!(computer["agent"]["state"] == "enrolled", "{computer}");
    let mut command = std::process::Command::new(fleet::program("deskhand-agent"));
    command.args(["run", "--state"]).arg(&state);
    let _agent = fleet::Child::start(command, &fleet.folder().join("agent.log"))?;
    fleet.until_online(1)?;
    let again = fleet.json([&deploy[..], &["--var", &folder, "--var", &options]].concat())?;
    ensure!(again["runs"][0]["reason"] == "it has an agent already", "{again}");
    until_clean(&sshd, &sshd.temp().display().to_string())
}

/// Whether the agent takes a file in place of the machine's power. One that is delivered does not,
/// and would restart the machine that the test runs on.
fn has_noted_power() -> Result<bool> {
    let mut agent = std::process::Command::new(fleet::program("deskhand-agent"));
    agent.args(["run", "--stdio", "--expect", "another program", "--power-driver", "notes"]);
    let told = String::from_utf8_lossy(&agent.output()?.stderr).into_owned();
    Ok(told.contains("not what was sent"))
}

/// The first step makes sure that only notes are taken.
const RESTARTS: &str = "\
workflow: Restarts
start: before
activities:
  before:  { execute: { command: 'test -n \"$DESKHAND_POWER_DRIVER\" && echo before >> STEPS' }, on: { ok: restart } }
  restart: { shutdown: { method: restart, message: Updates, force: true }, on: { ok: after } }
  after:   { execute: { command: 'echo after >> STEPS' }, on: { ok: off } }
  off:     { shutdown: { method: shutdown }, on: { ok: done } }
  done:    { success: {} }
";

#[test]
fn a_restart_is_waited_for_through_the_death_of_the_server() -> Result<()> {
    if !is_root() || !has_noted_power()? {
        return Ok(());
    }
    let mut fleet = Fleet::new()?;
    let (notes, steps) = (fleet.folder().join("power"), fleet.folder().join("steps"));
    let sshd = Sshd::start_with_power(fleet.folder(), "127.0.0.68", &notes)?;
    let (root, key) = (root_at(&sshd), sshd.user_key());
    must(&fleet, &["ssh", "trust", &sshd.place()])?;
    must(&fleet, &["ssh", "policy", "--idle", "1"])?;
    add(&fleet, "bare", &["--ssh", &root, "--ssh-key", &key])?;
    let noted = || std::fs::read_to_string(&notes).unwrap_or_default();
    let until_noted = |fleet: &Fleet, note: &str| {
        until(note, || noted().contains(note).then_some(())).with_context(|| fleet.logs())
    };
    let id = fleet.begin(&RESTARTS.replace("STEPS", &steps.display().to_string()))?;
    until_noted(&fleet, "go restart force=true \"Updates\"")?;
    fleet.kill_server();
    fleet.start_server()?;
    // Another connection, the same boot: the machine is not up again.
    must(&fleet, &["ssh", "test", "bare"])?;
    ensure!(std::fs::read_to_string(&steps)? == "before\n", "it did not wait");
    std::fs::write(notes.with_extension("boot"), "second")?;
    sshd.cut()?;
    until_noted(&fleet, "go power_off force=false")?;
    let runs = fleet.until_ended(&id)?;
    let is_success = runs[0].run.outcome.as_deref() == Some("success");
    ensure!(is_success, "{runs:#?}\n{}", fleet.logs());
    ensure!(std::fs::read_to_string(&steps)? == "before\nafter\n", "each step once");
    ensure!(noted().lines().filter(|line| line.starts_with("go ")).count() == 2, "{}", noted());
    until_clean(&sshd, &sshd.temp().display().to_string())
}

#[test]
fn scripts_bring_files_into_the_depot() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let fleet = Fleet::new()?;
    let sshd = Sshd::start(fleet.folder(), "127.0.0.69")?;
    let (root, key) = (root_at(&sshd), sshd.user_key());
    must(&fleet, &["ssh", "trust", &sshd.place()])?;
    must(&fleet, &["ssh", "policy", "--idle", "1"])?;
    add(&fleet, "bare", &["--ssh", &root, "--ssh-key", &key])?;
    let work = fleet.folder().join("work");
    std::fs::create_dir_all(&work)?;
    std::fs::write(work.join("report"), "one\n")?;
    let source = format!(
        "workflow: Brings\nstart: bring\nactivities:\n  bring:\n    script:\n      \
         deposit: in/bare\n      messages: true\n      code: |\n        \
         const brought = await download({{ from: '{work}', to: 'in/bare' }});\n        \
         const refused = await message({{ subject: 'x' }}).catch((error) => error.message);\n        \
         return {{ result: `${{brought.outputs.files}} ${{refused}}` }};\n    \
         on: {{ ok: done, error: failed }}\n  \
         done: {{ success: {{ message: '{{{{ activities.bring.result }}}}' }} }}\n  \
         failed: {{ failure: {{}} }}\n",
        work = work.display()
    );
    let result = deploy(&fleet, &source, "bare")?;
    ensure!(outcome(&result) == "success", "{result}\n{}", fleet.logs());
    let said = result["runs"][0]["reason"].as_str().unwrap_or_default();
    ensure!(said.starts_with("1 ") && said.contains("no agent that could ask it"), "{said}");
    let came = std::fs::read_to_string(fleet.depot().join("in/bare/report"));
    ensure!(came.as_deref().ok() == Some("one\n"), "{came:?}: {result}");
    until_clean(&sshd, &sshd.temp().display().to_string())
}
