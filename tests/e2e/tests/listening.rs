//! Agents that listen: enrolled, called and cut as those that dial, with the same proofs.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fleet::{Chance, Child, Fleet, Mood, Proxy, program, until};

const MIB: u64 = 1 << 20;

/// An agent that dials nobody.
struct Listener {
    home: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Listener {
    fn new(fleet: &Fleet, name: &str) -> Result<Self> {
        let home = fleet.folder().join(name);
        fs::create_dir_all(home.join("root"))?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(Self { home, port, process: None })
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(program("deskhand-agent"));
        let listen = format!("INET:127.0.0.1:{}", self.port);
        command.args([verb, "--no-dial", "--listen", &listen, "--state"]);
        command.arg(self.home.join("state"));
        command
    }

    /// Waits for the server to come, which it does when somebody says where to.
    fn enroll(&self, fleet: &Fleet, name: &str) -> Result<()> {
        let mut command = self.command("enroll");
        command.args(["--name", name, "--token", &fleet.token(1)?]);
        let enrolling = Child::start(command, &self.home.join("enroll.log"))?;
        let address = format!("INET:127.0.0.1:{}", self.port);
        until("the server to find the machine", || {
            let called = fleet.run(["agent", "connect", &address]).ok()?;
            called.status.success().then_some(())
        })?;
        enrolling.finish()
    }

    fn start(&mut self) -> Result<()> {
        let mut command = self.command("run");
        command.arg("--root").arg(self.home.join("root"));
        self.process = Some(Child::start(command, &self.home.join("agent.log"))?);
        Ok(())
    }

    fn log(&self) -> String {
        self.process.as_ref().map(Child::log).unwrap_or_default()
    }
}

fn upload() -> &'static str {
    "workflow: Upload\nstart: up\nactivities:\n  \
     up: { upload: { from: deploy/large, to: /large, recursive: true } }\n"
}

fn put_large(fleet: &Fleet, bytes: u64) -> Result<Vec<u8>> {
    let mut chance = Chance::new(bytes);
    let large: Vec<u8> = (0..bytes / 8).flat_map(|_| chance.number().to_le_bytes()).collect();
    fs::create_dir_all(fleet.depot().join("deploy/large"))?;
    fs::write(fleet.depot().join("deploy/large/large.bin"), &large)?;
    Ok(large)
}

fn succeeds(fleet: &Fleet, deployment: &str, agent: &Listener) -> Result<()> {
    let logs = || format!("{}\n{}", fleet.logs(), agent.log());
    let runs = fleet.until_ended(deployment).with_context(logs)?;
    for run in &runs {
        ensure!(run.run.outcome.as_deref() == Some("success"), "{run:#?}\n{}", logs());
    }
    Ok(())
}

#[test]
fn an_agent_that_only_listens_is_called_when_it_has_work() -> Result<()> {
    let fleet = Fleet::new()?;
    let mut agent = Listener::new(&fleet, "pc-l")?;
    agent.enroll(&fleet, "pc-l")?;
    let large = put_large(&fleet, 32 * MIB)?;
    // Nobody is there yet, and people are told what was tried.
    let deployment = fleet.begin(upload())?;
    until("people to be told that the call failed", || {
        let detail = fleet.ask(async |client| client.deployment(&deployment).await)?;
        let waiting = detail.runs.first()?.waiting.as_ref()?.text.clone();
        let is_told = waiting.contains(&format!("127.0.0.1:{}", agent.port))
            && waiting.contains("cannot be reached")
            && waiting.contains("called again at");
        is_told.then_some(())
    })
    .with_context(|| format!("{}\n{}", fleet.logs(), agent.log()))?;
    agent.start()?;
    succeeds(&fleet, &deployment, &agent)?;
    ensure!(fs::read(agent.home.join("root/large/large.bin"))? == large, "what arrived differs");
    let again = fleet.run(["agent", "connect", "pc-l"])?;
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    ensure!(again.status.success() && said.contains("connected already"), "{said}");
    Ok(())
}

#[test]
fn cut_links_to_a_listener_are_made_anew_and_nothing_is_lost() -> Result<()> {
    let fleet = Fleet::new()?;
    let mut agent = Listener::new(&fleet, "pc-l")?;
    agent.enroll(&fleet, "pc-l")?;
    agent.start()?;
    let proxy = Proxy::start(&format!("127.0.0.1:{}", agent.port))?;
    let forced = format!("Computer.ForceConnection=INET:{}", proxy.address());
    ensure!(fleet.run(["computer", "set", "pc-l", "--fact", &forced])?.status.success(), "set");
    let large = put_large(&fleet, 64 * MIB)?;
    proxy.cut_after(30 * MIB);
    let deployment = fleet.begin(upload())?;
    succeeds(&fleet, &deployment, &agent)?;
    ensure!(fs::read(agent.home.join("root/large/large.bin"))? == large, "what arrived differs");
    ensure!(proxy.passed() > 64 * MIB, "it went another way");
    let sent = proxy.passed() / MIB;
    ensure!(sent < 80, "{sent} MiB went over the wire for 64");
    // A network that swallows everything is told as such.
    proxy.set(Mood::Refuses);
    proxy.cut();
    until("the link to be gone", || {
        let agents = fleet.ask(async |client| client.agents().await)?;
        (!agents.first()?.is_online).then_some(())
    })?;
    let called = fleet.run(["agent", "connect", "pc-l"])?;
    let said = String::from_utf8_lossy(&called.stderr).into_owned();
    ensure!(!called.status.success() && said.contains("DH-A060"), "{said}");
    Ok(())
}

#[test]
fn an_agent_of_another_server_turns_the_caller_away() -> Result<()> {
    let (ours, other) = (Fleet::new()?, Fleet::new()?);
    let mut agent = Listener::new(&other, "pc-o")?;
    agent.enroll(&other, "pc-o")?;
    agent.start()?;
    let forced = format!("force_connection=127.0.0.1:{}", agent.port);
    ensure!(ours.run(["computer", "add", "pc-x", "--fact", &forced])?.status.success(), "add");
    until("the agent to listen", || {
        let called = ours.run(["agent", "connect", "pc-x"]).ok()?;
        let said = String::from_utf8_lossy(&called.stderr).into_owned();
        (said.contains("hangs up") || said.contains("did not come in")).then_some(())
    })?;
    ensure!(agent.log().contains("turned away"), "{}", agent.log());
    // The one that it trusts still comes in.
    ensure!(other.run(["agent", "connect", "pc-o"])?.status.success(), "{}", agent.log());
    Ok(())
}
