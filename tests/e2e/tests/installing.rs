//! From nothing to an agent: the line that the server prints, answer files, the service's files.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use fleet::{Child, Fleet, program};

fn text(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{} {out}{}", output.status, String::from_utf8_lossy(&output.stderr))
}

fn has(name: &str) -> bool {
    Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

fn line(fleet: &Fleet, more: &[&str]) -> Result<String> {
    let words = ["agent", "install-command", "--address", fleet.agent_address()];
    let output = fleet.run(words.iter().chain(more))?;
    ensure!(output.status.success(), "{}", text(&output));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Pastes the line as an administrator would, with the service left alone.
fn paste(line: &str, state: &Path) -> Result<Output> {
    let line = format!("{line} --no-service --name pasted --state {}", state.display());
    Ok(Command::new("sh").args(["-c", &line]).output()?)
}

#[test]
fn the_line_of_the_server_makes_an_agent() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let fleet = Fleet::new()?;
    for (tool, flag) in [("curl", None), ("wget", Some("--wget"))] {
        if !has(tool) {
            continue;
        }
        let state = fleet.folder().join(tool);
        let more: Vec<&str> = flag.into_iter().collect();
        let line = line(&fleet, &more)?;
        let done = paste(&line, &state)?;
        ensure!(done.status.success(), "{line}\n{}", text(&done));
        ensure!(state.join("identity.json").exists(), "{}", text(&done));
        // The token is used up: the same line opens no door a second time.
        let again = paste(&line, &fleet.folder().join("again"))?;
        ensure!(!again.status.success() && !fleet.folder().join("again").exists());
    }
    Ok(())
}

#[test]
fn another_server_gets_neither_the_token_nor_a_script_run() -> Result<()> {
    if !is_root() || !has("curl") {
        return Ok(());
    }
    let (fleet, other) = (Fleet::new()?, Fleet::new()?);
    let line = line(&fleet, &[])?.replace(fleet.agent_address(), other.agent_address());
    let refused = paste(&line, &fleet.folder().join("state"))?;
    ensure!(refused.status.code() == Some(90), "{}", text(&refused));
    Ok(())
}

#[test]
fn an_answer_file_makes_the_next_machine_like_the_first() -> Result<()> {
    let fleet = Fleet::new()?;
    let token = fleet.token(2)?;
    let agent = |words: &[&str], state: &str| {
        let mut command = Command::new(program("deskhand-agent"));
        command.args(words).arg("--state").arg(fleet.folder().join(state));
        command
    };
    let model = fleet.folder().join("model.ans");
    let listen = "[Install]\r\nType=custom\r\nPackages=ifftlsnr\r\nColour=red\r\n\
                  Broadcast=INet:127.0.0.1:1738\r\nBroadcastDelay=90000\r\n";
    let servers = format!("ServerAddress=INet:{}\r\nToken={token}\r\n", fleet.agent_address());
    std::fs::write(&model, format!("{listen}{servers}"))?;
    let answers = format!("-a:{}", model.display());
    let done = agent(&["install", &answers, "--no-service", "--name", "first"], "one").output()?;
    ensure!(done.status.success(), "{}", text(&done));
    let told = text(&done);
    ensure!(told.contains("`Colour` is not known") && told.contains("`Packages` is ignored"));
    // Repeated, it changes nothing.
    let again = agent(&["install", &answers, "--no-service"], "one").output()?;
    ensure!(
        again.status.success() && text(&again).contains("enrolled already"),
        "{}",
        text(&again)
    );
    let saved = fleet.folder().join("saved.ans");
    let path = saved.to_string_lossy();
    let done = agent(&["save-answers", &path, "--token", &token], "one").output()?;
    ensure!(done.status.success(), "{}", text(&done));
    let answers = format!("-a:{}", saved.display());
    let done = agent(&["install", &answers, "--no-service", "--name", "second"], "two").output()?;
    ensure!(done.status.success(), "{}", text(&done));
    let settings =
        |state: &str| std::fs::read_to_string(fleet.folder().join(state).join("agent.conf"));
    ensure!(settings("two")? == settings("one")? && settings("two")?.contains("1m30s"));
    let log = fleet.folder().join("two.log");
    let _running = Child::start(agent(&["run"], "two"), &log)?;
    fleet.until_online(1)?;
    // What cannot be used says where, and has its exit code.
    std::fs::write(&model, "[Install]\nBroadcastDelay=soon\nToken=x\n")?;
    let wrong = agent(&["install", "--answers", &model.to_string_lossy()], "three").output()?;
    let told = text(&wrong);
    ensure!(wrong.status.code() == Some(3) && told.contains("line 2") && told.contains("line 3"));
    let exported = fleet.run(["agent", "export-answers", "--token", &token])?;
    let told = text(&exported);
    ensure!(exported.status.success() && told.contains("Token=dh1.") && told.contains("NewKey="));
    Ok(())
}

fn files(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            all.extend(files(&path));
        } else {
            all.push(path.display().to_string());
        }
    }
    all
}

#[test]
fn the_service_is_installed_into_a_root_and_leaves_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("image");
    let service = |words: &[&str]| {
        let mut command = Command::new(program("deskhand-agent"));
        command.arg("service").args(words).arg("--root").arg(&root);
        command.output()
    };
    for _ in 0..2 {
        let done = service(&["install", "--state", "/srv/a b"])?;
        ensure!(done.status.success(), "{}", text(&done));
    }
    let unit = root.join("etc/systemd/system/deskhand-agent.service");
    let start = std::fs::read_to_string(&unit)?;
    ensure!(start.contains("run --supervise --state \"/srv/a b\"\n"), "{start}");
    ensure!(root.join("usr/lib/deskhand/deskhand-agent").exists());
    ensure!(root.join("srv/a b").exists());
    if has("systemd-analyze") {
        // The judge wants the program to be where the unit says.
        let laid = root.join("usr/lib/deskhand/deskhand-agent");
        let judged = folder.path().join("deskhand-agent.service");
        let there = start.replace("/usr/lib/deskhand/deskhand-agent", &laid.to_string_lossy());
        std::fs::write(&judged, there)?;
        let mut verify = Command::new("systemd-analyze");
        let output = verify.args(["verify", "--man=no"]).arg(&judged).output()?;
        ensure!(output.status.success() && output.stderr.is_empty(), "{}", text(&output));
    }
    for _ in 0..2 {
        let done = service(&["remove", "--purge", "--state", "/srv/a b"])?;
        ensure!(done.status.success(), "{}", text(&done));
    }
    let left = files(&root);
    ensure!(left.is_empty(), "{left:?}");
    ensure!(!root.join("srv/a b").exists());
    // A folder that is no agent's is not purged.
    std::fs::create_dir_all(root.join("home"))?;
    std::fs::write(root.join("home/letter"), "dear")?;
    let refused = service(&["remove", "--purge", "--state", "/home"])?;
    ensure!(refused.status.code() == Some(5), "{}", text(&refused));
    std::fs::read(root.join("home/letter")).context("the letter")?;
    Ok(())
}
