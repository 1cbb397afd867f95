//! The ten-step deployment of the peers' benchmark on 50 agents: scripts before and after, a
//! folder, 20 small files, one of 10 MB, edits of two text files, permissions, a deletion, a
//! process check.
//!
//! `steps [AGENTS] [ROUNDS]`

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use deskhand_bench::{argument, check_all_succeeded, machine, spread};
use fleet::Fleet;

const WORKFLOW: &str = r#"
workflow: Ten steps
start: scripts
activities:
  scripts: { upload: { from: deploy/bench/scripts, to: /scripts, replace: true }, on: { ok: pre, error: failed } }
  pre:     { execute: { command: [sh, pre.sh], folder: /scripts }, on: { ok: folder, error: failed } }
  folder:  { create_folders: { folders: /app/data }, on: { ok: files, error: failed } }
  files:   { upload: { from: deploy/bench/files, to: /app/files, replace: true }, on: { ok: big, error: failed } }
  big:     { upload: { from: deploy/bench/big, to: /app, replace: true }, on: { ok: ini, error: failed } }
  ini:
    execute:
      folder: /app
      command: >-
        sed -i -e '/^\[server\]/,/^\[/{s/^workers *=.*/workers = 16/;s/^port *=.*/port = 8443/;s/^name *=.*/name = edge/}'
        -e '/^\[log\]/,/^\[/{s/^level *=.*/level = debug/;s#^file *=.*#file = /var/log/edge.log#}' settings.ini
    on: { ok: line, error: failed }
  line:    { execute: { command: [sed, -i, 's/^listen_port .*/listen_port 8443/', app.conf], folder: /app }, on: { ok: block, error: failed } }
  block:
    execute:
      folder: /app
      command: >-
        grep -q '^# BEGIN managed' app.conf ||
        printf '# BEGIN managed\nmanaged-line-1\nmanaged-line-2\nmanaged-line-3\n# END managed\n' >> app.conf
    on: { ok: rights, error: failed }
  rights:  { execute: { command: [chmod, '750', files], folder: /app }, on: { ok: delete, error: failed } }
  delete:  { delete_files: { folder: /app, filter: old.dat }, on: { ok: process, no_file: process, error: failed } }
  process: { execute: { command: [pgrep, -x, deskhand] }, on: { ok: post, error: failed } }
  post:    { execute: { command: [sh, post.sh], folder: /scripts }, on: { ok: done, error: failed } }
  done:    { success: {} }
  failed:  { failure: {} }
"#;

const PRE: &str =
    "set -e\ndf -P \"$DESKHAND_ROOT\" | tail -n 1 > ../pre.df\ndate +%s > ../pre.stamp\n";
const POST: &str = "set -e\ncd ../app\ntest \"$(ls files | wc -l)\" = 20\n\
    test \"$(stat -c %s big.bin)\" = 10485760\ntest ! -e old.dat\n\
    grep -q '^workers *= *16' settings.ini\ngrep -q '^listen_port 8443' app.conf\n\
    grep -q managed-line-3 app.conf\ndate +%s > ../post.stamp\n";

fn main() -> Result<()> {
    let (agents, rounds) = (argument(1, 50), argument(2, 5));
    let mut fleet = Fleet::new()?;
    fill_depot(&fleet.depot().join("deploy/bench"))?;
    fleet.add_agents(agents)?;
    let workflow = fleet.workflow("steps.yaml", WORKFLOW)?;
    let (mut first, mut repeated) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        for agent in fleet.agents() {
            reset(&agent.root)?;
        }
        for times in [&mut first, &mut repeated] {
            let begin = Instant::now();
            let result = fleet.deploy(&workflow)?;
            times.push(begin.elapsed());
            check_all_succeeded(&result, agents)?;
        }
        for agent in fleet.agents() {
            ensure!(agent.root.join("post.stamp").exists(), "{} is not deployed", agent.name);
        }
    }
    let (first, repeated) = (spread(first), spread(repeated));
    println!(
        "steps: ten steps, 11 MB each, on {agents} agents: first {first}, repeated {repeated} [{}]",
        machine()
    );
    Ok(())
}

fn fill_depot(depot: &Path) -> Result<()> {
    for folder in ["scripts", "files", "big"] {
        fs::create_dir_all(depot.join(folder))?;
    }
    fs::write(depot.join("scripts/pre.sh"), PRE)?;
    fs::write(depot.join("scripts/post.sh"), POST)?;
    for number in 0..20 {
        fs::write(depot.join(format!("files/f{number:02}.txt")), noise(4096)?)?;
    }
    fs::write(depot.join("big/big.bin"), noise(10 << 20)?)?;
    Ok(())
}

fn noise(bytes: usize) -> Result<Vec<u8>> {
    let mut all = vec![0; bytes];
    getrandom::fill(&mut all).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    Ok(all)
}

/// A target as it is before its first deployment.
fn reset(root: &Path) -> Result<()> {
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    let app = root.join("app");
    fs::create_dir_all(&app)?;
    let mut ini =
        "[server]\nworkers = 4\nport = 80\nname = x\n\n[log]\nlevel = info\nfile = /tmp/x.log\n\n"
            .to_owned();
    (0..20).try_for_each(|n| write!(ini, "[s{n}]\na = {n}\nb = {n}\n\n"))?;
    let mut conf = String::new();
    (0..100).try_for_each(|n| writeln!(conf, "option_{n} value{n}"))?;
    conf.push_str("listen_port 80\n");
    (0..100).try_for_each(|n| writeln!(conf, "other_{n} value{n}"))?;
    fs::write(app.join("settings.ini"), ini)?;
    fs::write(app.join("app.conf"), conf)?;
    fs::write(app.join("old.dat"), [b'x'; 1000])?;
    Ok(())
}
