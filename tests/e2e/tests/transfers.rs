//! Content on its way: pinned when deployed, resumed after a cut, not sent twice, many small files.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use anyhow::{Context as _, Result, ensure};
use fleet::{Chance, Fleet, Proxy};

const MIB: u64 = 1 << 20;

fn upload(from: &str, to: &str, more: &str) -> String {
    format!(
        "workflow: Upload\nstart: up\nactivities:\n  \
         up: {{ upload: {{ from: {from}, to: {to}, recursive: true, replace: true{more} }}, \
         on: {{ ok: done, no_file: none, error: failed }} }}\n  \
         done: {{ success: {{ message: '{{{{ activities.up.files }}}} files' }} }}\n  \
         none: {{ failure: {{ message: no file }} }}\n  failed: {{ failure: {{}} }}\n"
    )
}

fn noise(bytes: u64) -> Vec<u8> {
    let mut chance = Chance::new(bytes);
    (0..bytes / 8).flat_map(|_| chance.number().to_le_bytes()).collect()
}

/// Deploys to everybody and expects success; says the first run's reason.
fn succeed(fleet: &Fleet, source: &str) -> Result<String> {
    let deployment = fleet.begin(source)?;
    let runs = fleet.until_ended(&deployment).with_context(|| fleet.logs())?;
    for run in &runs {
        let is_success = run.run.outcome.as_deref() == Some("success");
        ensure!(is_success, "{run:#?}\n{}", fleet.logs());
    }
    Ok(runs.first().and_then(|run| run.run.reason.clone()).unwrap_or_default())
}

#[test]
fn a_cut_in_a_large_file_does_not_send_its_beginning_again() -> Result<()> {
    let mut fleet = Fleet::new()?;
    let proxy = Proxy::start(fleet.agent_address())?;
    proxy.address().clone_into(&mut fleet.dial);
    fleet.add_agents(1)?;
    let large = fleet.depot().join("deploy/large");
    fs::create_dir_all(&large)?;
    fs::write(large.join("large.bin"), noise(200 * MIB))?;
    let before = proxy.passed();
    proxy.cut_after(150 * MIB);
    succeed(&fleet, &upload("deploy/large", "/large", ""))?;
    let sent = proxy.passed() - before;
    ensure!(sent < 215 * MIB, "{} MiB went over the wire for 200", sent / MIB);
    let arrived = fs::read(fleet.agents()[0].root.join("large/large.bin"))?;
    ensure!(arrived == fs::read(large.join("large.bin"))?, "what arrived differs");

    let before = proxy.passed();
    succeed(&fleet, &upload("deploy/large", "/large", ""))?;
    let sent = proxy.passed() - before;
    ensure!(sent < MIB / 4, "an unchanged folder cost {sent} bytes");
    Ok(())
}

#[test]
fn ten_thousand_small_files_go_down_and_up_again() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(1)?;
    let many = fleet.depot().join("deploy/many");
    for folder in 0..100 {
        let folder = many.join(format!("d{folder:02}"));
        fs::create_dir_all(&folder)?;
        for file in 0..100 {
            fs::write(folder.join(format!("f{file:02}")), format!("{}/{file}", folder.display()))?;
        }
    }
    fs::write(many.join("run.sh"), "#!/bin/sh\n")?;
    fs::set_permissions(many.join("run.sh"), fs::Permissions::from_mode(0o750))?;
    std::os::unix::fs::symlink("run.sh", many.join("link"))?;
    let reason = succeed(&fleet, &upload("deploy/many", "/many", ""))?;
    ensure!(reason == "10002 files", "{reason}");
    let arrived = fleet.agents()[0].root.join("many");
    let (there, here) = (fs::metadata(many.join("run.sh"))?, fs::metadata(arrived.join("run.sh"))?);
    ensure!(here.mode() & 0o777 == 0o750 && here.mtime() == there.mtime(), "permissions and time");
    ensure!(fs::read_link(arrived.join("link"))?.to_str() == Some("run.sh"), "a link stays one");
    let back = "workflow: Back\nstart: down\nactivities:\n  \
        down: { download: { from: /many, to: 'idd/{{ computer.name }}', recursive: true } }\n";
    succeed(&fleet, back)?;
    let collected = fleet.depot().join("idd/pc-1");
    let text = fs::read_to_string(collected.join("d42/f17"))?;
    ensure!(text == fs::read_to_string(many.join("d42/f17"))?, "{text}");
    let files = fs::read_dir(collected.join("d99"))?.count();
    ensure!(files == 100, "{files} files");
    Ok(())
}

#[test]
fn later_targets_get_what_was_deployed() -> Result<()> {
    let mut fleet = Fleet::new()?;
    let folder = fleet.depot().join("deploy/app");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("version"), "one")?;
    fleet.add_agents(2)?;
    fleet.kill_agent(1);
    let deployment = fleet.begin(&upload("deploy/app", "/app", ""))?;
    fleet::until("the first target to end", || {
        let detail = fleet.ask(async |client| client.deployment(&deployment).await)?;
        let ended = detail.runs.iter().filter(|run| run.outcome.is_some()).count();
        (ended == 1).then_some(())
    })?;
    fs::write(folder.join("version"), "two")?;
    fleet.start_agent(1)?;
    fleet.until_ended(&deployment)?;
    for agent in fleet.agents() {
        let version = fs::read_to_string(agent.root.join("app/version"))?;
        ensure!(version == "one", "{} got version {version}", agent.name);
    }
    Ok(())
}

#[test]
fn uploads_refuse_what_targets_wrote() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.add_agents(1)?;
    let source = fleet.agents()[0].root.join("out");
    fs::create_dir_all(&source)?;
    fs::write(source.join("result.txt"), "from a target")?;
    let down = "workflow: Down\nstart: down\nactivities:\n  \
        down: { download: { from: /out, to: deploy/shared } }\n";
    succeed(&fleet, down)?;
    let refused = fleet.begin(&upload("deploy/shared", "/in", ""))?;
    let runs = fleet.until_ended(&refused)?;
    ensure!(runs[0].run.outcome.as_deref() == Some("failure"), "{runs:#?}");
    let reason = succeed(&fleet, &upload("deploy/shared", "/in", ", from_targets: true"))?;
    ensure!(reason == "1 files", "{reason}");
    Ok(())
}
