//! Everything there is in a simulation of applications, and the order in which it happens.

use std::collections::BTreeMap;

use model::{Span, Timestamp};
use trust::{SigningKey, TrustDocument, WantedPresented};

use super::agent::{Luck, Machine};
use super::catalogue::Catalogue;
use super::disk::{Place, Told};
use super::server::{Address, Server};
use super::trouble::Rates;
use super::{Options, Outcome};
use crate::Happened;
use crate::chance::{Chance, hash};
use crate::queue::Queue;

/// Simulated time begins here: 2026-01-05 08:00 UTC.
pub const BEGIN: i64 = 1_767_600_000_000;
pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;
/// More than it takes until nothing is tried again and every schedule was open.
const SETTLE: i64 = 3 * DAY;
/// Steps after which something goes round in circles.
const STEPS_MAX: u64 = 200_000;

/// What a machine says.
#[derive(Debug, Clone)]
pub enum ToServer {
    News { serial: u64, is_refused: bool },
    Standings(Vec<Told>),
}

/// Something that happens.
#[derive(Debug)]
pub enum Happening {
    AgentStarts {
        at: usize,
    },
    AgentDies {
        at: usize,
    },
    AgentWakes {
        at: usize,
    },
    AgentDials {
        at: usize,
    },
    AgentHears {
        at: usize,
        session: u64,
        presented: Box<WantedPresented>,
    },
    /// Over no link that anybody believes in.
    AgentHearsForged {
        at: usize,
        presented: Box<WantedPresented>,
    },
    AgentLosesLink {
        at: usize,
        session: u64,
    },
    Fetched {
        at: usize,
        start: u64,
    },
    Ends {
        at: usize,
        token: u64,
        version: Option<u16>,
        luck: Luck,
    },
    MachineRestarts {
        at: usize,
    },
    UsersCome {
        at: usize,
    },
    SomebodyMeddles {
        at: usize,
    },
    ClockJumps {
        at: usize,
    },
    DiskFills {
        at: usize,
    },
    LinkBreaks {
        at: usize,
    },
    Forged {
        at: usize,
    },
    ServerHears {
        at: usize,
        session: u64,
        message: ToServer,
    },
    ServerGreets {
        at: usize,
        session: u64,
    },
    ServerLooks,
    ServerDies,
    ServerStarts {
        is_rolled_back: bool,
    },
    PeopleAct,
    FaultsEnd,
}

pub struct World {
    pub options: Options,
    pub rates: Rates,
    pub catalogue: Catalogue,
    pub trust: TrustDocument,
    pub chance: Chance,
    pub now: i64,
    pub queue: Queue<Happening>,
    pub server: Server,
    pub machines: Vec<Machine>,
    /// Links that stand, whoever believes what.
    pub links: BTreeMap<usize, u64>,
    /// Every set that was signed for a machine, by its serial.
    pub signed: BTreeMap<(usize, u64), trust::WantedSet>,
    /// Whether a part goes, as the last set said that it was in and that its machine took.
    pub said: BTreeMap<(usize, Place), bool>,
    pub last_serials: BTreeMap<usize, u64>,
    pub is_quiet: bool,
    pub outcome: Outcome,
    tokens: u64,
}

impl World {
    pub fn new(options: &Options) -> Self {
        let key = SigningKey::from_seed(&[1; 32]);
        let founded = Timestamp::from_millis(BEGIN - 1_000 * DAY);
        let trust = TrustDocument::founding(key.verifying_key(), founded);
        let machines = (0..options.machines).map(|index| Machine::new(index, options.seed));
        Self {
            options: options.clone(),
            rates: Rates::of(options.faults),
            catalogue: Catalogue { seed: hash(options.seed, &[b"catalogue"]) },
            trust,
            chance: Chance::new(hash(options.seed, &[b"keeping"])),
            now: BEGIN,
            queue: Queue::new(),
            server: Server::new(key),
            machines: machines.collect(),
            links: BTreeMap::new(),
            signed: BTreeMap::new(),
            said: BTreeMap::new(),
            last_serials: BTreeMap::new(),
            is_quiet: false,
            outcome: Outcome::default(),
            tokens: 0,
        }
    }

    pub fn play(&mut self) {
        for at in 0..self.machines.len() {
            self.queue.plan(self.now + SECOND, Happening::AgentStarts { at });
        }
        for _ in 0..6 {
            self.people_act();
        }
        self.begin_troubles();
        let quiet_at = self.now + self.options.fault_time.as_millis() as i64;
        self.queue.plan(quiet_at, Happening::FaultsEnd);
        self.queue.plan(self.now + 10 * MINUTE, Happening::ServerLooks);
        while let Some((at, what)) = self.queue.take() {
            // What was said before the end is heard.
            let is_over = at > quiet_at + SETTLE;
            if is_over && !matches!(what, Happening::ServerHears { .. }) {
                continue;
            }
            self.now = self.now.max(at);
            self.outcome.steps += 1;
            self.happen(what);
            if self.outcome.steps > STEPS_MAX {
                self.broke("it goes on and on without end".to_owned());
            }
            if !self.outcome.violations.is_empty() {
                return;
            }
        }
        self.judge();
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::AgentStarts { at } => self.agent_starts(at),
            Happening::AgentDies { at } => self.agent_is_killed(at),
            Happening::AgentWakes { at } => self.agent_works(at),
            Happening::AgentDials { at } => self.agent_dials(at),
            Happening::AgentHears { at, session, presented } => {
                if self.links.get(&at) == Some(&session) {
                    self.agent_hears(at, &presented);
                }
            }
            Happening::AgentHearsForged { at, presented } => self.agent_hears(at, &presented),
            Happening::AgentLosesLink { at, session } => self.agent_loses_link(at, session),
            Happening::Fetched { at, start } => self.agent_fetched(at, start),
            Happening::Ends { at, token, version, luck } => {
                self.agent_ends(at, token, version, luck);
            }
            Happening::MachineRestarts { at } => self.machine_restarts(at),
            Happening::UsersCome { at } => self.users_come(at),
            Happening::SomebodyMeddles { at } => self.somebody_meddles(at),
            Happening::ClockJumps { at } => self.clock_jumps(at),
            Happening::DiskFills { at } => self.disk_fills(at),
            Happening::LinkBreaks { at } => self.link_breaks(at),
            Happening::Forged { at } => self.forge(at),
            Happening::ServerHears { at, session, message } => {
                self.server_hears(at, session, message);
            }
            Happening::ServerGreets { at, session } => self.server_greets(at, session),
            Happening::ServerLooks => self.server_looks_by_the_clock(),
            Happening::ServerDies => self.server_dies(),
            Happening::ServerStarts { is_rolled_back } => self.server_starts(is_rolled_back),
            Happening::PeopleAct => self.people_act_and_go_on(),
            Happening::FaultsEnd => self.faults_end(),
        }
    }

    pub fn token(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }

    /// Whether a fault of this rate strikes now; it is counted.
    pub fn strikes(&mut self, rate: u32) -> bool {
        let strikes = self.chance.happens(rate);
        self.outcome.faults += u64::from(strikes);
        strikes
    }

    pub fn broke(&mut self, what: String) {
        self.outcome.violations.push(what);
    }

    /// Of a machine, or of the server and whoever uses it.
    pub fn tell(&mut self, whom: Option<usize>, text: impl FnOnce() -> String) {
        if self.options.keeps_events {
            let at = Span::from_millis((self.now - BEGIN) as u64);
            let name = whom.map_or("server", |at| &self.machines[at].name).to_owned();
            self.outcome.events.push(Happened { at, whom: name, text: text() });
        }
    }

    fn fleet(&self) -> Vec<Address> {
        self.machines.iter().map(|machine| (machine.computer, machine.key)).collect()
    }

    /// Works out what machines are to have, and tells those for which it changed.
    pub fn server_looks(&mut self) {
        if !self.server.is_up {
            return;
        }
        let now = Timestamp::from_millis(self.now);
        for at in self.server.tell(self.catalogue, &self.fleet(), now) {
            let row = &self.server.database.rows[&at];
            self.signed.insert((at, row.serial), row.set.clone());
            self.server_presents(at);
        }
    }

    /// What was not acknowledged is presented again.
    fn server_looks_by_the_clock(&mut self) {
        self.queue.plan(self.now + 10 * MINUTE, Happening::ServerLooks);
        self.server_looks();
        let rows = self.server.database.rows.iter();
        let unheard: Vec<usize> =
            rows.filter(|(_, row)| !row.is_taken).map(|(at, _)| *at).collect();
        if self.server.is_up {
            unheard.into_iter().for_each(|at| self.server_presents(at));
        }
    }

    fn server_presents(&mut self, at: usize) {
        let session = self.server.sessions.get(&at).copied();
        if let Some((session, row)) = session.zip(self.server.database.rows.get(&at)) {
            let presented = Box::new(row.presented.clone());
            let what = Happening::AgentHears { at, session, presented };
            self.queue.plan(self.now + 200, what);
        }
    }

    fn agent_dials(&mut self, at: usize) {
        let is_idle = self.machines[at].agent.as_ref().is_some_and(|one| one.session.is_none());
        if !is_idle {
            return;
        }
        if !self.server.is_up {
            let after = self.chance.between(1, 120) as i64 * SECOND;
            return self.queue.plan(self.now + after, Happening::AgentDials { at });
        }
        let session = self.token();
        self.links.insert(at, session);
        self.queue.plan(self.now + 200, Happening::ServerGreets { at, session });
        self.agent_linked(at, session);
    }

    fn server_greets(&mut self, at: usize, session: u64) {
        if self.server.is_up && self.links.get(&at) == Some(&session) {
            self.server.sessions.insert(at, session);
            self.server_presents(at);
        }
    }

    fn agent_loses_link(&mut self, at: usize, session: u64) {
        let agent = self.machines[at].agent.as_ref();
        if agent.is_some_and(|agent| agent.session == Some(session)) {
            self.agent_unlinked(at);
            self.queue.plan(self.now + SECOND, Happening::AgentDials { at });
        }
    }

    fn server_hears(&mut self, at: usize, session: u64, message: ToServer) {
        let is_linked = self.links.get(&at) == Some(&session);
        if !is_linked || !self.server.is_up {
            return;
        }
        match message {
            ToServer::News { serial, is_refused } => {
                let heard = self.server.heard.entry(at).or_default();
                *heard = serial.max(*heard);
                let row = self.server.database.rows.get_mut(&at);
                let known = row.as_ref().map_or(0, |row| row.serial);
                if let Some(row) = row.filter(|row| row.serial == serial && !is_refused) {
                    row.is_taken = true;
                }
                if serial > known {
                    self.server_looks();
                }
            }
            ToServer::Standings(told) => {
                self.server.database.standings.insert(at, told);
            }
        }
    }
}
