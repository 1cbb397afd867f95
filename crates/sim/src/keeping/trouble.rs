//! What people do, and what goes wrong: each comes again and again until faults end.

use std::collections::BTreeMap;

use application::keeper::Input;
use model::Span;
use trust::{SigningKey, WantedPresented};

use super::agent::Machine;
use super::catalogue::{APPLICATIONS, USERS, id};
use super::server::{Assigned, Association};
use super::world::{DAY, HOUR, Happening, MINUTE, SECOND, World};
use crate::options::Faults;

/// Mean times between two of a kind, in minutes, 0 for never; and chances of a million.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    pub people: u64,
    users: u64,
    meddling: u64,
    agent_death: u64,
    machine_restart: u64,
    link_break: u64,
    server_death: u64,
    roll_back: u32,
    clock_jump: u64,
    disk_full: u64,
    forgery: u64,
    pub failing: u32,
    pub declining: u32,
}

impl Rates {
    pub fn of(faults: Faults) -> Self {
        match faults {
            Faults::None => Self { people: 60, users: 120, meddling: 300, ..Self::QUIET },
            Faults::Light => Self {
                people: 60,
                users: 120,
                meddling: 300,
                agent_death: 600,
                machine_restart: 900,
                link_break: 200,
                server_death: 900,
                roll_back: 200_000,
                clock_jump: 900,
                disk_full: 900,
                forgery: 400,
                failing: 50_000,
                declining: 50_000,
            },
            Faults::Heavy => Self {
                people: 40,
                users: 60,
                meddling: 120,
                agent_death: 60,
                machine_restart: 240,
                link_break: 30,
                server_death: 180,
                roll_back: 400_000,
                clock_jump: 180,
                disk_full: 300,
                forgery: 90,
                failing: 250_000,
                declining: 250_000,
            },
        }
    }

    const QUIET: Self = Self {
        people: 0,
        users: 0,
        meddling: 0,
        agent_death: 0,
        machine_restart: 0,
        link_break: 0,
        server_death: 0,
        roll_back: 0,
        clock_jump: 0,
        disk_full: 0,
        forgery: 0,
        failing: 0,
        declining: 0,
    };
}

impl World {
    pub fn begin_troubles(&mut self) {
        self.again(self.rates.people, Happening::PeopleAct);
        self.again(self.rates.server_death, Happening::ServerDies);
        for at in 0..self.machines.len() {
            let rates = self.rates;
            self.again(rates.users, Happening::UsersCome { at });
            self.again(rates.meddling, Happening::SomebodyMeddles { at });
            self.again(rates.agent_death, Happening::AgentDies { at });
            self.again(rates.machine_restart, Happening::MachineRestarts { at });
            self.again(rates.link_break, Happening::LinkBreaks { at });
            self.again(rates.clock_jump, Happening::ClockJumps { at });
            self.again(rates.disk_full, Happening::DiskFills { at });
            self.again(rates.forgery, Happening::Forged { at });
        }
    }

    fn again(&mut self, minutes: u64, what: Happening) {
        if minutes > 0 {
            let after = self.chance.between(1, 2 * 60 * minutes) as i64 * SECOND;
            self.queue.plan(self.now + after, what);
        }
    }

    /// From here on nothing goes wrong and nobody changes their mind.
    pub fn faults_end(&mut self) {
        (self.rates, self.is_quiet) = (Rates::QUIET, true);
        self.tell(None, || "faults end".into());
        if !self.server.is_up {
            self.server_starts(false);
        }
        for at in 0..self.machines.len() {
            (self.machines[at].offset, self.machines[at].full_until) = (0, 0);
            self.queue.plan(self.now, Happening::AgentStarts { at });
            self.queue.plan(self.now, Happening::AgentWakes { at });
            self.queue.plan(self.now + MINUTE, Happening::AgentDials { at });
        }
    }

    pub fn people_act_and_go_on(&mut self) {
        if !self.is_quiet {
            self.people_act();
            self.again(self.rates.people, Happening::PeopleAct);
        }
    }

    pub fn people_act(&mut self) {
        if !self.server.is_up {
            return;
        }
        if self.chance.happens(200_000) {
            self.server.backup = self.server.database.clone();
        }
        let application = id(self.chance.between(1, APPLICATIONS.into()) as u8);
        let database = &mut self.server.database;
        match self.chance.below(6) {
            0 => *database.published.entry(application).or_insert(0) += 1,
            1 | 2 => {
                let known: Vec<_> = database.associations.keys().cloned().collect();
                if let Some(known) = self.chance.pick(&known) {
                    database.associations.remove(known);
                }
            }
            _ => {
                database.published.entry(application).or_insert(1);
                let to = if self.chance.happens(500_000) {
                    Assigned::Machine(self.chance.below(self.machines.len() as u64) as usize)
                } else {
                    Assigned::User(USERS[self.chance.below(USERS.len() as u64) as usize])
                };
                let uninstall = [None, Some(true), Some(false)][self.chance.below(3) as usize];
                let hours = self.chance.below(12);
                let verify_every = (hours > 0).then(|| Span::from_secs(hours * 3_600));
                let repair = self.chance.happens(500_000);
                let association = Association { uninstall, verify_every, repair };
                database.associations.insert((application, to), association);
            }
        }
        self.tell(None, || "people change what is wanted".into());
        self.server_looks();
    }

    pub fn users_come(&mut self, at: usize) {
        self.again(self.rates.users, Happening::UsersCome { at });
        if self.is_quiet {
            return;
        }
        let user = USERS[self.chance.below(USERS.len() as u64) as usize].to_owned();
        let now = self.machines[at].clock(self.now);
        let Machine { users, agent, .. } = &mut self.machines[at];
        let input = if users.remove(&user) {
            Input::LoggedOff(user)
        } else {
            users.insert(user.clone());
            Input::LoggedOn(user)
        };
        if let Some(agent) = agent {
            agent.engine.handle(input, now);
        }
        self.agent_works(at);
    }

    pub fn somebody_meddles(&mut self, at: usize) {
        self.again(self.rates.meddling, Happening::SomebodyMeddles { at });
        let places: Vec<_> = self.machines[at].disk.records.keys().cloned().collect();
        if !self.is_quiet
            && let Some(place) = self.chance.pick(&places)
        {
            *self.machines[at].drift.entry(place.clone()).or_default() += 1;
        }
    }

    pub fn agent_is_killed(&mut self, at: usize) {
        self.again(self.rates.agent_death, Happening::AgentDies { at });
        if self.is_quiet {
            return;
        }
        self.outcome.faults += 1;
        self.agent_dies(at);
        let after = self.chance.between(1, 1_200) as i64 * SECOND;
        self.queue.plan(self.now + after, Happening::AgentStarts { at });
    }

    /// By order, or because somebody does it: whoever is logged on is not any more.
    pub fn machine_restarts(&mut self, at: usize) {
        self.again(self.rates.machine_restart, Happening::MachineRestarts { at });
        self.agent_dies(at);
        let machine = &mut self.machines[at];
        machine.boot += 1;
        machine.users.clear();
        self.tell(Some(at), || "the machine restarts".into());
        let after = self.chance.between(10, 300) as i64 * SECOND;
        self.queue.plan(self.now + after, Happening::AgentStarts { at });
    }

    pub fn link_breaks(&mut self, at: usize) {
        self.again(self.rates.link_break, Happening::LinkBreaks { at });
        if !self.is_quiet
            && let Some(session) = self.links.remove(&at)
        {
            self.outcome.faults += 1;
            self.tell(Some(at), || "the link breaks".into());
            let after = self.chance.between(0, 900) as i64 * SECOND;
            self.queue.plan(self.now + after, Happening::AgentLosesLink { at, session });
        }
    }

    /// By up to a month, forward and back.
    pub fn clock_jumps(&mut self, at: usize) {
        self.again(self.rates.clock_jump, Happening::ClockJumps { at });
        if !self.is_quiet {
            self.outcome.faults += 1;
            let by = self.chance.between(0, (60 * DAY) as u64) as i64 - 30 * DAY;
            self.machines[at].offset = by;
            self.tell(Some(at), || format!("the clock is {} h off", by / HOUR));
            self.agent_works(at);
        }
    }

    pub fn disk_fills(&mut self, at: usize) {
        self.again(self.rates.disk_full, Happening::DiskFills { at });
        if !self.is_quiet {
            self.outcome.faults += 1;
            let lasts = self.chance.between(60, 3 * 3_600) as i64 * SECOND;
            self.machines[at].full_until = self.now + lasts;
            self.tell(Some(at), || "the disk is full".into());
        }
    }

    /// Somebody presents an old set, another's, an altered one, or one that they signed themselves.
    pub fn forge(&mut self, at: usize) {
        self.again(self.rates.forgery, Happening::Forged { at });
        let rows = &self.server.backup.rows;
        let pick = self.chance.below(4);
        let row = match pick {
            0 => rows.get(&at),
            1 => self.server.database.rows.get(&((at + 1) % self.machines.len())),
            _ => self.server.database.rows.get(&at),
        };
        let Some(row) = row.filter(|_| !self.is_quiet) else { return };
        let mut presented: WantedPresented = row.presented.clone();
        let mut altered = row.set.clone();
        altered.applications.pop();
        match pick {
            2 => presented.set = altered.encode(),
            3 => {
                let mut other = super::server::Server::new(SigningKey::from_seed(&[9; 32]));
                other.database = self.server.database.clone();
                other.heard.insert(at, u64::MAX >> 1);
                let fleet = self.machines.iter().map(|one| (one.computer, one.key));
                let fleet: Vec<_> = fleet.collect();
                let now = model::Timestamp::from_millis(self.now);
                other.tell(self.catalogue, &fleet, now);
                if let Some(row) = other.database.rows.get(&at) {
                    presented = row.presented.clone();
                }
            }
            _ => {}
        }
        self.outcome.faults += 1;
        let what = Happening::AgentHearsForged { at, presented: Box::new(presented) };
        self.queue.plan(self.now, what);
    }

    pub fn server_dies(&mut self) {
        self.again(self.rates.server_death, Happening::ServerDies);
        if self.is_quiet || !self.server.is_up {
            return;
        }
        self.outcome.faults += 1;
        self.tell(None, || "dies".into());
        self.server.is_up = false;
        self.server.sessions = BTreeMap::new();
        self.server.heard = BTreeMap::new();
        for (at, session) in std::mem::take(&mut self.links) {
            let after = self.chance.between(0, 60) as i64 * SECOND;
            self.queue.plan(self.now + after, Happening::AgentLosesLink { at, session });
        }
        let is_rolled_back = self.strikes(self.rates.roll_back);
        let after = self.chance.between(10, 3 * 3_600) as i64 * SECOND;
        self.queue.plan(self.now + after, Happening::ServerStarts { is_rolled_back });
    }

    pub fn server_starts(&mut self, is_rolled_back: bool) {
        if self.server.is_up {
            return;
        }
        if is_rolled_back {
            self.server.database = self.server.backup.clone();
        }
        self.tell(None, || format!("starts, rolled back: {is_rolled_back}"));
        self.server.is_up = true;
        self.server_looks();
    }
}
