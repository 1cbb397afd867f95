//! Machines in a broadcast domain of their own: a server, one that sleeps, a neighbour. Network
//! namespaces on one bridge; needs root and `ip`, and says so where it has not got them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use fleet::{Child, program, until};
use serde_json::Value;

const MAC: &str = "02:00:00:77:00:03";

/// The namespaces of one test, taken away with it.
struct Domain {
    tag: String,
}

const MACHINES: [(&str, &str, &str); 3] = [
    ("srv", "10.77.0.1/24", "02:00:00:77:00:01"),
    ("nbr", "10.77.0.2/24", "02:00:00:77:00:02"),
    ("slp", "10.77.0.3/24", MAC),
];

fn ip(args: &str) -> Result<()> {
    let output = Command::new("ip").args(args.split(' ')).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {args}: {errors}");
    Ok(())
}

impl Domain {
    /// `None` where this machine does not let us make one.
    fn new() -> Option<Self> {
        let domain = Self { tag: format!("dh{}", std::process::id() % 100_000) };
        match domain.make() {
            Ok(()) => Some(domain),
            Err(why) => {
                eprintln!("skipped, for no network namespace can be made here: {why:#}");
                None
            }
        }
    }

    fn name(&self, machine: &str) -> String {
        format!("{}{machine}", self.tag)
    }

    fn make(&self) -> Result<()> {
        let switch = self.name("sw");
        ip(&format!("netns add {switch}"))?;
        ip(&format!("-n {switch} link add br0 type bridge"))?;
        ip(&format!("-n {switch} link set br0 up"))?;
        for (machine, address, mac) in MACHINES {
            let name = self.name(machine);
            ip(&format!("netns add {name}"))?;
            ip(&format!("-n {switch} link add {machine} type veth peer name eth0 netns {name}"))?;
            ip(&format!("-n {switch} link set {machine} master br0 up"))?;
            ip(&format!("-n {name} link set eth0 address {mac}"))?;
            ip(&format!("-n {name} addr add {address} brd + dev eth0"))?;
            ip(&format!("-n {name} link set lo up"))?;
            ip(&format!("-n {name} link set eth0 up"))?;
        }
        Ok(())
    }

    fn command(&self, machine: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(machine)]).arg(program);
        command
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        for machine in ["srv", "nbr", "slp", "sw"] {
            _ = ip(&format!("netns del {}", self.name(machine)));
        }
    }
}

struct Site {
    folder: tempfile::TempDir,
    server: Option<Child>,
    // Last, so that it goes when nobody is in it any more.
    domain: Domain,
}

impl Site {
    fn new(domain: Domain) -> Result<Self> {
        let mut site = Self { folder: tempfile::tempdir()?, server: None, domain };
        let mut command = site.domain.command("srv", program("deskhand"));
        command.args(["server", "run", "--agent-listen", "10.77.0.1:1739", "--data"]);
        command.arg(site.data());
        site.server = Some(Child::start(command, &site.path("server.log"))?);
        until("the server to answer", || {
            site.run(&["agent", "list"]).ok()?.status.success().then_some(())
        })?;
        Ok(site)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("server")
    }

    fn run(&self, args: &[&str]) -> Result<Output> {
        let mut command = self.domain.command("srv", program("deskhand"));
        Ok(command.args(args).env("DESKHAND_DATA", self.data()).output()?)
    }

    fn json(&self, args: &[&str]) -> Result<Value> {
        let output = self.run(args)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).with_context(|| format!("{args:?}: {errors}"))
    }

    fn enroll(&self, machine: &str) -> Result<()> {
        let made = self.json(&["token", "create", "--json"])?;
        let token = made["text"].as_str().context("a token")?;
        let mut command = self.domain.command(machine, program("deskhand-agent"));
        command.args(["enroll", "--name", machine, "--token", token, "--state"]);
        command.arg(self.path(machine));
        let output = command.output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn start(&self, machine: &str, more: &[&str]) -> Result<Child> {
        let mut command = self.domain.command(machine, program("deskhand-agent"));
        command.args([
            "run",
            "--broadcast",
            "INET:255.255.255.255:1738",
            "--broadcast-delay",
            "1s",
        ]);
        command.args(more).arg("--state").arg(self.path(machine));
        Child::start(command, &self.path(&format!("{machine}.log")))
    }

    fn until_online(&self, machine: &str, wanted: bool) -> Result<()> {
        until(&format!("{machine} to be online: {wanted}"), || {
            let list = self.json(&["agent", "list", "--json"]).ok()?;
            let agent = list.as_array()?.iter().find(|agent| agent["name"] == machine)?;
            (agent["is_online"] == wanted).then_some(())
        })
    }

    /// Records datagrams to the port for discarding until one has come.
    fn record(&self, at: &str, file: &Path, filter: &str) -> Result<Child> {
        let mut command = self.domain.command(at, "tcpdump");
        command.args(["-i", "eth0", "-c", "1", "-U", "-w"]).arg(file).arg(filter);
        let recording = Child::start(command, &file.with_extension("log"))?;
        until("tcpdump to listen", || recording.log().contains("listening on").then_some(()))?;
        Ok(recording)
    }
}

/// What the datagram of a recording holds: its last bytes.
fn packet(file: &Path) -> Result<Vec<u8>> {
    let recorded = fs::read(file)?;
    let start = recorded.len().checked_sub(102).context("it is too short")?;
    Ok(recorded[start..].to_vec())
}

#[test]
fn a_sleeping_machine_is_woken_by_the_server_and_by_its_neighbour() -> Result<()> {
    let Some(domain) = Domain::new() else { return Ok(()) };
    let site = Site::new(domain)?;
    site.enroll("nbr")?;
    site.enroll("slp")?;
    let _neighbour = site.start("nbr", &["--collection", "INET::1738"])?;
    let sleeper = site.start("slp", &[])?;
    site.until_online("nbr", true)?;
    site.until_online("slp", true)?;
    let awake = site.json(&["computer", "wake", "slp", "--json"])?;
    ensure!(awake["was_awake"] == true, "{awake}");
    let believed = |status: &Value| status["signals"]["believed"].as_u64().unwrap_or_default();
    until("signals of both machines", || {
        (believed(&site.json(&["server", "status", "--json"]).ok()?) >= 4).then_some(())
    })?;

    // Asleep, it hears nothing but the packet with its own address.
    drop(sleeper);
    site.until_online("slp", false)?;
    let mut wanted = None;
    for (way, from) in [("server", "10.77.0.1"), ("neighbour", "10.77.0.2")] {
        let file = site.path(&format!("{way}.pcap"));
        let recording = site.record("slp", &file, &format!("udp port 9 and src host {from}"))?;
        let mut waking = site.domain.command("srv", program("deskhand"));
        waking.args(["computer", "wake", "slp", "--timeout", "50s", "--json", "--through", way]);
        waking.env("DESKHAND_DATA", site.data());
        let waking = Child::start(waking, &site.path(&format!("{way}.json")))?;
        recording.finish()?;
        let woken = site.start("slp", &[])?;
        let told = site.path(&format!("{way}.json"));
        waking
            .finish()
            .with_context(|| fs::read_to_string(site.path("nbr.log")).unwrap_or_default())?;
        let told: Value = serde_json::from_str(&fs::read_to_string(told)?)?;
        ensure!(told["was_awake"] == false, "{told}");
        let sent = packet(&file)?;
        ensure!(wanted.get_or_insert_with(|| sent.clone()) == &sent, "{way} sends another packet");
        drop(woken);
        site.until_online("slp", false)?;
    }

    // The judge: another program's packet for the same machine.
    let file = site.path("judge.pcap");
    let recording = site.record("slp", &file, "udp port 9 and src host 10.77.0.2")?;
    let mut judge = site.domain.command("nbr", "wakeonlan");
    let judged = judge.args(["-i", "10.77.0.255", MAC]).output();
    match judged {
        Ok(output) if output.status.success() => {
            // What records says so a little before it does.
            until("the other program's packet", || {
                judge.output().ok()?;
                packet(&file).ok()
            })?;
            recording.finish()?;
            ensure!(Some(packet(&file)?) == wanted, "another packet than wakeonlan's");
        }
        _ => eprintln!("not compared: wakeonlan is not installed"),
    }

    let late = site.run(&["computer", "wake", "slp", "--timeout", "1s"])?;
    let said = String::from_utf8_lossy(&late.stderr).into_owned();
    ensure!(said.contains("DH-A061") && said.contains("did not show itself"), "{said}");
    Ok(())
}
