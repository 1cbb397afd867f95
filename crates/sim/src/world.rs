//! Everything there is in a simulation, and the order in which it happens.
//!
//! Owns time, chance and the queue; server, agents and network are told what happens to them and
//! plan what follows. A step is one thing taken from the queue; faults are drawn within steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{ComputerId, DeploymentId, Facts, RunId, Span, Timestamp};
use travel::{GiverInput, Holding, ToAgent, ToServer};
use trust::{Leaf, SigningKey, TargetTree, TrustDocument, Warrant};
use workflow::{EffectId, Report, Workflow};

use crate::Options;
use crate::agent::Agent;
use crate::chance::{Chance, hash};
use crate::faults::Rates;
use crate::laws::Laws;
use crate::oracle::Oracle;
use crate::outcome::Happened;
use crate::queue::Queue;
use crate::server::Server;

/// Simulated time begins here: 2026-01-05 08:00 UTC.
const BEGIN: i64 = 1_767_600_000_000;
const DAY: i64 = 86_400_000;
/// Steps after which something goes round in circles; more for each computer.
const STEPS_MAX: u64 = 200_000;

/// Something that happens.
#[derive(Debug)]
pub enum Happening {
    AgentStarts { agent: usize },
    AgentWakes { agent: usize, at: i64 },
    AgentDials { agent: usize },
    AgentHears { agent: usize, session: u64, message: Box<ToAgent> },
    AgentHearsLate { agent: usize, message: Box<ToAgent> },
    AgentLosesLink { agent: usize, session: u64 },
    AgentRestarts { agent: usize, token: u64, effect: EffectId },
    AgentCameBack { agent: usize, boot: u64, run: RunId },
    AgentIsDone { agent: usize, token: u64, effect: EffectId, report: Report, is_own: bool },
    ServerStarts,
    ServerWakes { at: i64 },
    ServerWorks,
    ServerGreets { agent: usize, session: u64, holdings: Vec<Holding> },
    ServerHears { agent: usize, session: u64, message: Box<ToServer> },
    ServerLosesLink { agent: usize, session: u64 },
    ServerIsDone { token: u64, effect: EffectId, report: Report },
    LinkBreaks { agent: usize, session: u64 },
    PeopleAct,
    FaultsEnd,
}

pub struct World {
    pub options: Options,
    pub rates: Rates,
    pub workflow: Arc<Workflow>,
    pub definition: Arc<[u8]>,
    pub trust: TrustDocument,
    pub oracle: Oracle,
    pub chance: Chance,
    pub now: i64,
    pub queue: Queue<Happening>,
    pub server: Server,
    pub agents: Vec<Agent>,
    pub agent_of: BTreeMap<ComputerId, usize>,
    pub deployment: DeploymentId,
    pub laws: Laws,
    pub events: Vec<Happened>,
    pub steps: u64,
    pub faults: u64,
    pub is_quiet: bool,
    /// What people say when faults have ended.
    pub last_words: Vec<GiverInput>,
    tokens: u64,
    /// Wakes at one instant, to notice a timer that never goes on.
    wakes: (i64, u32),
}

impl World {
    pub fn new(options: &Options, workflow: Workflow) -> Self {
        let mut chance = Chance::new(hash(options.seed, &[b"world"]));
        let key = SigningKey::from_seed(&[1; 32]);
        let agents: Vec<Agent> =
            (0..options.fleet as usize).map(|index| Agent::new(index, options.seed)).collect();
        let leaves: Vec<Leaf> = agents.iter().map(leaf).collect();
        let deployment = DeploymentId::from_bytes([0xd0; 16]);
        let definition: Arc<[u8]> = options.workflow.as_bytes().into();
        let workflow = Arc::new(workflow);
        let digests = leaves.iter().map(Leaf::digest).collect();
        // The fleet has at least one computer and at most 100,000, so there is a tree.
        let tree = TargetTree::new(digests).unwrap_or_else(|_| unreachable!("a fleet is no tree"));
        let warrant = Warrant {
            deployment,
            definition: trust::definition_digest(&definition),
            variables: trust::variables_digest(&BTreeMap::new()),
            depot_root: None,
            targets_root: tree.root(),
            targets_count: tree.count(),
            not_before: Timestamp::from_millis(BEGIN - 30 * DAY),
            begin_until: Timestamp::from_millis(BEGIN) + options.begin_within,
            run_limit: options.run_limit,
            created_by: "simulator".into(),
            key: key.id(),
        };
        let envelope: Arc<[u8]> = warrant.sign(&key).encode().into();
        let server = Server::new(&agents, &leaves, envelope, tree, options.max_targets);
        let oracle = Oracle { seed: hash(options.seed, &[b"oracle"]), doing: options.doing };
        let trust =
            TrustDocument::founding(key.verifying_key(), Timestamp::from_millis(BEGIN - 60 * DAY));
        let agent_of = agents.iter().map(|agent| (agent.computer, agent.index)).collect();
        chance.draw();
        Self {
            options: options.clone(),
            rates: Rates::of(options.faults),
            workflow,
            definition,
            trust,
            oracle,
            chance,
            now: BEGIN,
            queue: Queue::new(),
            server,
            agents,
            agent_of,
            deployment,
            laws: Laws::default(),
            events: Vec::new(),
            steps: 0,
            faults: 0,
            is_quiet: false,
            last_words: Vec::new(),
            tokens: 0,
            wakes: (0, 0),
        }
    }

    /// From the deployment to the end of its last run.
    pub fn play(&mut self) {
        self.deploy();
        let spread = if self.rates.away == 0 { 2_000 } else { self.rates.away };
        for agent in 0..self.agents.len() {
            let after = self.chance.below(spread) as i64;
            self.queue.plan(self.now + after, Happening::AgentStarts { agent });
        }
        let quiet_at = self.now + self.options.fault_time.as_millis() as i64;
        self.queue.plan(quiet_at, Happening::FaultsEnd);
        if self.options.has_people {
            self.people_later();
        }
        let steps_max = STEPS_MAX + 20_000 * u64::from(self.options.fleet);
        while let Some((at, what)) = self.queue.take() {
            self.now = self.now.max(at);
            self.steps += 1;
            self.happen(what);
            let is_over = self.is_over();
            if is_over || self.steps >= steps_max || self.now > quiet_at + 100 * DAY {
                break;
            }
            if !self.laws.broken.is_empty() {
                break;
            }
        }
        self.judge();
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::AgentStarts { agent } => self.agent_starts(agent),
            Happening::AgentWakes { agent, at } => self.agent_wakes(agent, at),
            Happening::AgentDials { agent } => self.agent_dials(agent),
            Happening::AgentHears { agent, session, message } => {
                self.agent_hears(agent, session, *message);
            }
            Happening::AgentHearsLate { agent, message } => {
                self.agent_hears_late(agent, *message);
            }
            Happening::AgentLosesLink { agent, session } => self.agent_loses_link(agent, session),
            Happening::AgentIsDone { agent, token, effect, report, is_own } => {
                self.agent_is_done(agent, token, effect, report, is_own);
            }
            Happening::AgentRestarts { agent, token, effect } => {
                self.agent_restarts(agent, token, effect);
            }
            Happening::AgentCameBack { agent, boot, run } => {
                self.agent_came_back(agent, boot, run);
            }
            Happening::ServerStarts => self.server_starts(),
            Happening::ServerWakes { at } => self.server_wakes(at),
            Happening::ServerWorks => self.server_works(),
            Happening::ServerGreets { agent, session, holdings } => {
                self.server_greets(agent, session, holdings);
            }
            Happening::ServerHears { agent, session, message } => {
                self.server_hears(agent, session, *message);
            }
            Happening::ServerLosesLink { agent, session } => {
                self.server_loses_link(agent, session);
            }
            Happening::ServerIsDone { token, effect, report } => {
                self.server_is_done(token, effect, report);
            }
            Happening::LinkBreaks { agent, session } => self.link_breaks(agent, session),
            Happening::PeopleAct => self.people_act(),
            Happening::FaultsEnd => self.faults_end(),
        }
    }

    /// From here on nothing goes wrong any more, so every run must end.
    fn faults_end(&mut self) {
        self.rates = Rates::QUIET;
        self.is_quiet = true;
        self.tell("simulation", || "faults end".into());
        self.people_let_go();
        if self.server.is_down() {
            self.queue.plan(self.now, Happening::ServerStarts);
        }
        for agent in 0..self.agents.len() {
            let state = &self.agents[agent];
            if state.taker.is_none() {
                self.queue.plan(self.now, Happening::AgentStarts { agent });
            } else if state.session.is_none() {
                self.queue.plan(self.now, Happening::AgentDials { agent });
            }
        }
    }

    fn is_over(&self) -> bool {
        self.server.open_runs == 0 && self.agents.iter().all(|agent| agent.disk.runs.is_empty())
    }

    pub fn token(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }

    /// Whether a fault of this rate strikes now; it is counted.
    pub fn strikes(&mut self, rate: u32) -> bool {
        let strikes = self.chance.happens(rate);
        self.faults += u64::from(strikes);
        strikes
    }

    /// A timer that is due again and again at one instant never lets time pass.
    pub fn count_wake(&mut self) {
        if self.wakes.0 == self.now {
            self.wakes.1 += 1;
            if self.wakes.1 > 2_000 + 20 * self.options.fleet {
                self.laws.broke("a timer is due again and again without end".into());
            }
        } else {
            self.wakes = (self.now, 0);
        }
    }

    pub fn tell(&mut self, whom: &str, text: impl FnOnce() -> String) {
        if self.options.keeps_events {
            let at = Span::from_millis((self.now - BEGIN) as u64);
            self.events.push(Happened { at, whom: whom.to_owned(), text: text() });
        }
    }

    pub fn lasted(&self) -> Span {
        Span::from_millis((self.now - BEGIN) as u64)
    }
}

fn leaf(agent: &Agent) -> Leaf {
    let told = [
        ("id", agent.computer.to_string()),
        ("name", agent.name.clone()),
        ("host_name", agent.name.clone()),
        ("os", "linux".into()),
        ("os_version", "6.1".into()),
        ("ip", "10.0.0.1".into()),
        ("mac", "02:00:00:00:00:01".into()),
        ("serial", "simulated".into()),
        ("location", "simulated".into()),
        ("user", "nobody".into()),
    ];
    let told: Facts = told.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Leaf { computer: agent.computer, key: agent.key, told }
}

/// The one run of each computer.
pub fn run_id(index: usize) -> RunId {
    let mut bytes = [0x42; 16];
    bytes[8..].copy_from_slice(&(index as u64).to_be_bytes());
    RunId::from_bytes(bytes)
}
