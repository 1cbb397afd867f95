//! A fleet on this machine for tests and benches: the real server, real agents, the real command
//! line, in folders of their own, on loopback only.
//!
//! Everything started here is ended when it is dropped, by process id. Waiting means asking until
//! it is so, within a limit ([`until`]); nothing waits for a length of time alone.

mod applications;
mod chance;
mod process;
mod proxy;
mod sshd;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

pub use chance::Chance;
pub use process::Child;
pub use proxy::{Mood, Proxy};
pub use sshd::{Sshd, User};

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where the programs under test are: `DESKHAND_BIN_DIR`, else beside this test's own folder.
pub fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("DESKHAND_BIN_DIR").map(PathBuf::from).or_else(|| {
        let exe = std::env::current_exe().ok()?;
        let above = exe.parent()?;
        let is_deps = above.file_name() == Some(OsStr::new("deps"));
        Some(if is_deps { above.parent()?.to_owned() } else { above.to_owned() })
    });
    folder.unwrap_or_default().join(name)
}

/// Asks until `question` has an answer.
pub fn until<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> Result<T> {
    let begin = Instant::now();
    loop {
        if let Some(answer) = question() {
            return Ok(answer);
        }
        if begin.elapsed() > PATIENCE {
            bail!("waited {PATIENCE:?} in vain for {what}");
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A server and its agents in one temporary folder.
#[derive(Debug)]
pub struct Fleet {
    folder: tempfile::TempDir,
    server: Option<Child>,
    agents: Vec<Agent>,
    agent_address: String,
    api_address: String,
    /// Where agents are told the server is; a proxy may stand there.
    pub dial: String,
}

/// One agent: its folders, and its process while it runs.
#[derive(Debug)]
pub struct Agent {
    pub name: String,
    pub state: PathBuf,
    pub root: PathBuf,
    process: Option<Child>,
}

impl Fleet {
    /// A running server without agents.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("deskhand-test-").tempdir()?;
        let (agent, api) = (free_port()?, free_port()?);
        let mut fleet = Self {
            folder,
            server: None,
            agents: Vec::new(),
            agent_address: format!("127.0.0.1:{agent}"),
            api_address: format!("127.0.0.1:{api}"),
            dial: format!("127.0.0.1:{agent}"),
        };
        fleet.start_server()?;
        Ok(fleet)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.folder().join("server")
    }

    pub fn depot(&self) -> PathBuf {
        self.data().join("depot")
    }

    pub fn agent_address(&self) -> &str {
        &self.agent_address
    }

    pub fn agents(&self) -> &[Agent] {
        &self.agents
    }

    pub fn server_pid(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    pub fn start_server(&mut self) -> Result<()> {
        let log = self.folder().join("server.log");
        let mut command = Command::new(program("deskhand"));
        command.args(["server", "run", "--data"]).arg(self.data());
        command.args(["--agent-listen", &self.agent_address, "--api-listen", &self.api_address]);
        self.server = Some(Child::start(command, &log)?);
        // It listens before it says where its token lies.
        until("the server to answer", || {
            let asked = self.run(["agent", "list", "--json"]).ok()?;
            asked.status.success().then_some(())
        })
    }

    /// Everything that the server and the agents logged, for a failed test's message.
    pub fn logs(&self) -> String {
        let mut text = self.server.as_ref().map(Child::log).unwrap_or_default();
        for agent in &self.agents {
            let log = std::fs::read_to_string(agent.state.with_file_name("agent.log"));
            text.push_str(&format!("--- {}\n{}", agent.name, log.unwrap_or_default()));
        }
        text
    }

    /// Ends the server as a power cut would.
    pub fn kill_server(&mut self) {
        self.server = None;
    }

    /// Ends the server as a service manager would; says how long it took.
    pub fn stop_server(&mut self) -> Result<Duration> {
        let begin = Instant::now();
        if let Some(server) = self.server.take() {
            server.terminate()?;
        }
        Ok(begin.elapsed())
    }

    /// The command line, with this fleet's server.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(program("deskhand"));
        command.args(args).env("DESKHAND_DATA", self.data()).stdin(Stdio::null());
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Output> {
        Ok(self.command(args).output()?)
    }

    /// What a command prints with `--json`; its exit code is the caller's to judge by the content.
    pub fn json<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Value> {
        let output = self.run(args)?;
        let (text, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&text).with_context(|| format!("no JSON: {text}\n{errors}"))
    }

    pub fn token(&self, uses: usize) -> Result<String> {
        let uses = uses.to_string();
        let made = self.json(["token", "create", "--uses", &uses, "--json"])?;
        Ok(made["text"].as_str().context("a token's text")?.to_owned())
    }

    /// Enrols and starts agents named `pc-1` …, several at a time.
    pub fn add_agents(&mut self, count: usize) -> Result<()> {
        let token = self.token(count)?;
        self.add_agents_with(count, &token)
    }

    /// The same, with a token that was made before.
    pub fn add_agents_with(&mut self, count: usize, token: &str) -> Result<()> {
        let first = self.agents.len() + 1;
        let mut enrolling = Vec::new();
        for number in first..first + count {
            let home = self.folder().join(format!("pc-{number}"));
            let agent = Agent {
                name: format!("pc-{number}"),
                state: home.join("state"),
                root: home.join("root"),
                process: None,
            };
            std::fs::create_dir_all(&agent.root)?;
            let mut command = Command::new(program("deskhand-agent"));
            command.args(["enroll", "--server", &self.dial, "--token", token]);
            command.args(["--name", &agent.name, "--state"]).arg(&agent.state);
            enrolling.push(Child::start(command, &home.join("enroll.log"))?);
            self.agents.push(agent);
            if enrolling.len() == 8 {
                enrolling.drain(..).try_for_each(Child::finish)?;
            }
        }
        enrolling.into_iter().try_for_each(Child::finish)?;
        for index in first - 1..first - 1 + count {
            self.start_agent(index)?;
        }
        self.until_online(first - 1 + count)
    }

    pub fn until_online(&self, count: usize) -> Result<()> {
        until("all agents to be online", || {
            let list = self.json(["agent", "list", "--json"]).ok()?;
            let is_online = |agent: &&Value| agent["is_online"].as_bool() == Some(true);
            let online = list.as_array()?.iter().filter(is_online).count();
            (online >= count).then_some(())
        })
    }

    pub fn start_agent(&mut self, index: usize) -> Result<()> {
        self.start_agent_with(index, [""; 0])
    }

    /// The same with more words on its command line.
    pub fn start_agent_with<S: AsRef<OsStr>>(
        &mut self,
        index: usize,
        more: impl IntoIterator<Item = S>,
    ) -> Result<()> {
        let agent = &mut self.agents[index];
        let mut command = Command::new(program("deskhand-agent"));
        command.args(["run", "--state"]).arg(&agent.state).arg("--root").arg(&agent.root);
        command.args(more);
        let log = agent.state.with_file_name("agent.log");
        agent.process = Some(Child::start(command, &log)?);
        Ok(())
    }

    /// Starts an agent for this machine itself instead of a folder. It sees the programs in
    /// `programs` in place of what is in `/usr/local/bin`, and what it asks of the power is only
    /// noted, in the file `power`. Only root can do so.
    pub fn start_agent_of_machine(
        &mut self,
        index: usize,
        programs: &Path,
        power: &Path,
    ) -> Result<()> {
        const BEGIN: &str = r#"mount --bind "$1" /usr/local/bin && shift && exec "$@""#;
        let agent = &mut self.agents[index];
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", BEGIN, "sh"]).arg(programs);
        command.arg(program("deskhand-agent")).args(["run", "--state"]).arg(&agent.state);
        command.arg("--power-driver").arg(power);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("/usr/local/bin:{path}"));
        let log = agent.state.with_file_name("agent.log");
        agent.process = Some(Child::start(command, &log)?);
        Ok(())
    }

    /// Ends an agent as a power cut would; its commands go on until it is back.
    pub fn kill_agent(&mut self, index: usize) {
        self.agents[index].process = None;
    }

    pub fn is_running(&self, index: usize) -> bool {
        self.agents[index].process.is_some()
    }

    /// Asks the API, as a program would; `None` while the server cannot be asked.
    pub fn ask<T, F>(&self, question: impl FnOnce(client::Client) -> F) -> Option<T>
    where
        F: Future<Output = Result<T, client::RequestError>>,
    {
        let asked =
            client::Asked { server: None, token: None, token_file: None, data: self.data() };
        let found = client::find(&asked).ok()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        runtime.block_on(question(client::Client::new(&found))).ok()
    }

    /// Begins a deployment to everybody and leaves it to itself; says its id.
    pub fn begin(&self, source: &str) -> Result<String> {
        let new = api::NewDeployment {
            workflow: None,
            revision: None,
            source: Some(source.to_owned()),
            targets: api::Targets { everybody: true, ..api::Targets::default() },
            variables: std::collections::BTreeMap::new(),
            start: None,
            stop: None,
        };
        let deployed = self.ask(async |client| client.deploy(&new).await);
        Ok(deployed.context("the server took no deployment")?.deployment.id)
    }

    /// Waits until a deployment has ended; every run of it, with its path.
    pub fn until_ended(&self, deployment: &str) -> Result<Vec<api::RunDetail>> {
        let mut last = String::new();
        let ended = until("the deployment to end", || {
            let detail = self.ask(async |client| client.deployment(deployment).await)?;
            last = serde_json::to_string_pretty(&detail.runs).unwrap_or_default();
            (detail.deployment.status == "ended").then_some(detail)
        });
        let detail = ended.with_context(|| last)?;
        let detailed = detail.runs.iter().map(|run| {
            let answer = self.ask(async |client| client.run(&run.id).await);
            answer.with_context(|| format!("run {}", run.id))
        });
        detailed.collect()
    }

    /// Writes a workflow file into the fleet's folder.
    pub fn workflow(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder().join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// Deploys to everybody and follows to the end: what `--follow --json` prints.
    pub fn deploy(&self, workflow: &Path) -> Result<Value> {
        let file = workflow.to_string_lossy();
        self.json(["deploy", &file, "--to", "everybody", "--follow", "--json"])
    }
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
