//! One trivial command on 100 computers without agent, each a real SSH server on a loopback
//! address: the program copied first, kept there, and over connections that stand; and what others
//! need for the same, where they are installed.
//!
//! `agentless [TARGETS] [ROUNDS]`. Others are looked for on the search path: `ansible`, `pyinfra`,
//! `ssh`.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use deskhand_bench::peers::{self, Peer};
use deskhand_bench::{argument, check_all_succeeded, machine, spread};
use fleet::{Fleet, Sshd};

const WORKFLOW: &str = "\
workflow: Fan-out
start: run
activities:
  run:    { execute: { command: ['true'] }, on: { ok: done, error: failed } }
  done:   { success: {} }
  failed: { failure: {} }
";
/// How long a connection without work stays: not at all, or longer than the bench.
const SHORT_S: &str = "1";
const LONG_S: &str = "3600";

fn main() -> Result<()> {
    let (targets, rounds) = (argument(1, 100), argument(2, 5));
    let fleet = Fleet::new()?;
    let hosts = hosts(&fleet, targets)?;
    let bench = Bench { workflow: fleet.workflow("fanout.yaml", WORKFLOW)?, fleet, hosts, rounds };
    bench.add()?;
    bench.must(&["ssh", "policy", "--idle", SHORT_S])?;
    let megabytes = fleet::program("deskhand-agent").metadata()?.len() as f64 / 1e6;
    let how = format!("a new connection, the program ({megabytes:.1} MB) copied");
    bench.tell(&how, &bench.cold()?);
    bench.keep()?;
    bench.tell("a new connection, the program kept there", &bench.cold()?);
    bench.must(&["ssh", "policy", "--idle", LONG_S])?;
    bench.once()?;
    bench.tell("a connection that stands", &bench.repeated()?);
    let peers = peers::installed(&bench.fleet.folder().join("peers"), &bench.hosts)?;
    for peer in &peers {
        bench.tell(&peer.name, &bench.of_peer(peer)?);
    }
    Ok(())
}

/// An SSH server on each of `127.1.x.y`.
fn hosts(fleet: &Fleet, count: usize) -> Result<Vec<Sshd>> {
    let start = |number: usize| {
        let host = format!("127.1.{}.{}", number / 250, number % 250 + 1);
        Sshd::start_with_home(fleet.folder(), &host)
    };
    (0..count).map(start).collect()
}

struct Bench {
    fleet: Fleet,
    hosts: Vec<Sshd>,
    workflow: std::path::PathBuf,
    rounds: usize,
}

impl Bench {
    fn tell(&self, how: &str, times: &[Duration]) {
        let (targets, times) = (self.hosts.len(), spread(times.to_vec()));
        println!("agentless: `true` on {targets} targets, {how}: {times} [{}]", machine());
    }

    fn must(&self, args: &[&str]) -> Result<()> {
        let output = self.fleet.run(args)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{args:?}: {errors}");
        Ok(())
    }

    /// A computer for each host, whose key is trusted.
    fn add(&self) -> Result<()> {
        for host in &self.hosts {
            self.way(host, "add", &[])?;
            let shown = std::fs::read_to_string(host.file("host_key.pub"))?;
            self.must(&["ssh", "trust", &host.place(), "--key", shown.trim()])?;
        }
        Ok(())
    }

    fn way(&self, host: &Sshd, verb: &str, more: &[&str]) -> Result<()> {
        let (way, key) = (format!("root@{}", host.place()), host.user_key());
        let words = ["computer", verb, &host.host, "--ssh", &way, "--ssh-key", &key];
        self.must(&[&words, more].concat())
    }

    /// From now on the program stays at each host, and is there.
    fn keep(&self) -> Result<()> {
        for host in &self.hosts {
            self.way(host, "set", &["--keep"])?;
        }
        self.once().map(drop)
    }

    fn once(&self) -> Result<Duration> {
        let begin = Instant::now();
        let result = self.fleet.deploy(&self.workflow)?;
        let time = begin.elapsed();
        let checked = check_all_succeeded(&result, self.hosts.len());
        checked.with_context(|| self.fleet.logs())?;
        Ok(time)
    }

    fn repeated(&self) -> Result<Vec<Duration>> {
        (0..self.rounds).map(|_| self.once()).collect()
    }

    /// Each round meets hosts on which nobody is logged in.
    fn cold(&self) -> Result<Vec<Duration>> {
        let round = |_| {
            self.until_alone()?;
            self.once()
        };
        (0..self.rounds).map(round).collect()
    }

    fn until_alone(&self) -> Result<()> {
        let is_alone = |host: &Sshd| host.connections().is_ok_and(|found| found.is_empty());
        fleet::until("the connections to end", || self.hosts.iter().all(is_alone).then_some(()))
    }

    fn of_peer(&self, peer: &Peer) -> Result<Vec<Duration>> {
        if peer.is_warm {
            peer.run()?;
        }
        let round = |_| {
            let begin = Instant::now();
            peer.run()?;
            Ok(begin.elapsed())
        };
        let times = (0..self.rounds).map(round).collect();
        if peer.is_warm {
            end_masters(self.fleet.folder())?;
        }
        times
    }
}

/// Ends the connections that `ssh` keeps, each by its own socket.
fn end_masters(folder: &Path) -> Result<()> {
    let kept = peers::sockets(&folder.join("peers"))?;
    for socket in kept {
        let mut end = std::process::Command::new("ssh");
        end.args(["-O", "exit", "-o"]).arg(format!("ControlPath={}", socket.display())).arg("any");
        let ended = end.output()?;
        ensure!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    Ok(())
}
