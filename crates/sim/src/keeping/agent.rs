//! A pretended machine: the real loop of its agent, its disk, its users, its clock, and how what is
//! ordered ends.
//!
//! The agent dies at any time: what it was doing is undone then, or done and not yet on record.

use std::collections::{BTreeMap, BTreeSet};

use application::Part;
use application::keeper::{Ended, Input, Keeper, Order, Restart, Standing, State};
use jiff::tz::TimeZone;
use model::{ComputerId, Timestamp};
use trust::{SigningKey, VerifyingKey, Wanted, WantedPresented, WantedSet};

use super::catalogue::Catalogue;
use super::disk::{Change, Disk, Notes, Place, Told};
use super::world::{Happening, MINUTE, SECOND, ToServer, World};
use crate::chance::Chance;

pub struct Machine {
    pub name: String,
    pub computer: ComputerId,
    pub key: VerifyingKey,
    pub disk: Disk,
    /// Starts of the machine so far.
    pub boot: u64,
    pub users: BTreeSet<String>,
    /// What somebody has changed of what was distributed.
    pub drift: BTreeMap<Place, u32>,
    /// How far its clock is from the truth.
    pub offset: i64,
    pub full_until: i64,
    pub agent: Option<Agent>,
}

pub struct Agent {
    pub engine: Keeper,
    /// Tells it apart from others of this machine.
    pub start: u64,
    /// The link it believes in.
    pub session: Option<u64>,
    /// The server at the other end has sent a set.
    is_keeping: bool,
    /// How everything stood when it last looked.
    pub said: Vec<Told>,
    is_asked: bool,
    pub order: Option<(u64, Order)>,
    is_fetching: bool,
    /// What is not in stock, or lacks something.
    untouched: BTreeMap<model::ApplicationId, String>,
    wake: Option<i64>,
}

/// How an order goes, as far as it is not decided by what it meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Luck {
    Good,
    Failing,
    /// Whoever is asked says No.
    Declining,
}

impl Machine {
    pub fn new(index: usize, seed: u64) -> Self {
        let mut bytes = [0x11; 16];
        bytes[8..].copy_from_slice(&(index as u64).to_be_bytes());
        let mut chance = Chance::new(seed ^ 0x6b65_6570 ^ (index as u64) << 20);
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&chance.draw().to_le_bytes());
        Self {
            name: format!("pc-{}", index + 1),
            computer: ComputerId::from_bytes(bytes),
            key: SigningKey::from_seed(&secret).verifying_key(),
            disk: Disk::default(),
            boot: 1,
            users: BTreeSet::new(),
            drift: BTreeMap::new(),
            offset: 0,
            full_until: 0,
            agent: None,
        }
    }

    pub fn clock(&self, now: i64) -> Timestamp {
        Timestamp::from_millis(now + self.offset)
    }

    fn set(&self) -> WantedSet {
        self.disk.set.as_ref().map(|(_, set)| set.clone()).unwrap_or_default()
    }
}

impl World {
    pub fn agent_starts(&mut self, at: usize) {
        let now = self.machines[at].clock(self.now);
        let start = self.token();
        let machine = &mut self.machines[at];
        if machine.agent.is_some() {
            return;
        }
        if let Some(change) = machine.disk.doing.take() {
            machine.disk.record(change, machine.boot);
        }
        let known = machine.disk.known(machine.boot, machine.users.clone(), now);
        machine.agent = Some(Agent {
            engine: Keeper::open(machine.computer, TimeZone::UTC, known),
            start,
            session: None,
            is_keeping: false,
            said: Vec::new(),
            is_asked: false,
            order: None,
            is_fetching: false,
            untouched: BTreeMap::new(),
            wake: None,
        });
        self.tell(Some(at), || "the agent starts".into());
        self.agent_wants(at);
        self.agent_works(at);
        self.queue.plan(self.now + SECOND, Happening::AgentDials { at });
    }

    /// Tells the engine what is wanted, as far as its files are here.
    fn agent_wants(&mut self, at: usize) {
        let (catalogue, now) = (self.catalogue, self.machines[at].clock(self.now));
        let machine = &mut self.machines[at];
        let set = machine.set();
        let Some(agent) = machine.agent.as_mut().filter(|_| machine.disk.set.is_some()) else {
            return;
        };
        let records = &machine.disk.records;
        let mut wishes = Vec::new();
        agent.untouched.clear();
        let mut is_missing = false;
        for wanted in &set.applications {
            let id = wanted.application;
            let here = records.get(&(id, Part::Machine)).copied();
            let wish = catalogue.wish(wanted);
            let lacks = wish.needs.iter().any(|need| {
                let is_here = records.contains_key(&(need.application, Part::Machine));
                let mut given = set.applications.iter().map(|one| one.application);
                !need.continue_if_it_fails && !is_here && !given.any(|one| one == need.application)
            });
            let is_in_stock = machine.disk.stock.contains(&wanted.document);
            is_missing |= !is_in_stock;
            if is_in_stock && !lacks {
                wishes.push(wish);
                continue;
            }
            let why = if is_in_stock { "what it needs" } else { "its files" };
            agent.untouched.insert(id, why.to_owned());
            wishes.push(Catalogue::unready(wanted, here));
        }
        agent.engine.handle(Input::Wanted(wishes), now);
        if is_missing && !agent.is_fetching {
            agent.is_fetching = true;
            let start = agent.start;
            let after = self.chance.between(1, 600) as i64 * SECOND;
            self.queue.plan(self.now + after, Happening::Fetched { at, start });
        }
        self.agent_notes(at);
    }

    /// What cannot be written is lost with the agent.
    fn agent_notes(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        if let Some(agent) = machine.agent.as_ref().filter(|_| machine.full_until <= self.now) {
            machine.disk.notes = Notes::of(&agent.engine);
        }
    }

    /// Whatever is missing has come, if the server could be reached.
    pub fn agent_fetched(&mut self, at: usize, start: u64) {
        let is_linked = self.links.contains_key(&at);
        let machine = &mut self.machines[at];
        let set = machine.set();
        let Some(agent) = machine.agent.as_mut().filter(|agent| agent.start == start) else {
            return;
        };
        if !is_linked || machine.full_until > self.now {
            self.queue.plan(self.now + 5 * MINUTE, Happening::Fetched { at, start });
            return;
        }
        agent.is_fetching = false;
        machine.disk.stock = set.applications.iter().map(|wanted| wanted.document).collect();
        self.agent_wants(at);
        self.agent_works(at);
    }

    /// All that is due now.
    pub fn agent_works(&mut self, at: usize) {
        let now = self.machines[at].clock(self.now);
        let is_told = self.machines[at].disk.set.is_some();
        let Some(agent) = self.machines[at].agent.as_mut() else { return };
        let order = agent.engine.poll_order(now).filter(|_| is_told);
        if let Some(order) = order {
            self.agent_begins(at, order);
        }
        self.agent_reports(at);
        let Some(agent) = self.machines[at].agent.as_mut() else { return };
        let timeout = agent.engine.poll_timeout(now).filter(|_| is_told);
        if let Some((due, why)) = timeout {
            if due <= now {
                self.broke(format!("{why} is due in the past"));
                return;
            }
            let due = due.as_millis() - self.machines[at].offset;
            let agent = self.machines[at].agent.as_mut();
            if let Some(agent) = agent.filter(|agent| agent.wake != Some(due)) {
                agent.wake = Some(due);
                self.queue.plan(due, Happening::AgentWakes { at });
            }
        }
    }

    fn agent_begins(&mut self, at: usize, order: Order) {
        self.check_order(at, &order);
        let what = match order {
            Order::Distribute { .. } => "distribute",
            Order::Verify { .. } => "verify",
            Order::Uninstall { .. } => "uninstall",
            Order::Restart { .. } => "restart",
        };
        *self.outcome.orders.entry(what).or_default() += 1;
        self.tell(Some(at), || format!("begins: {order:?}"));
        let luck = if self.strikes(self.rates.failing) {
            Luck::Failing
        } else if self.strikes(self.rates.declining) {
            Luck::Declining
        } else {
            Luck::Good
        };
        let token = self.token();
        let document = order.place().and_then(|(id, _)| {
            let set = self.machines[at].set();
            set.applications.into_iter().find(|wanted| wanted.application == id)
        });
        if let Some(agent) = &mut self.machines[at].agent {
            agent.order = Some((token, order));
        }
        self.agent_notes(at);
        let lasts = self.chance.between(1, 900) as i64 * SECOND;
        let version = document.map(|wanted| wanted.version);
        self.queue.plan(self.now + lasts, Happening::Ends { at, token, version, luck });
    }

    /// The order has come to its end, unless the agent died before.
    pub fn agent_ends(&mut self, at: usize, token: u64, version: Option<u16>, luck: Luck) {
        let Some(agent) = &mut self.machines[at].agent else { return };
        let Some((_, order)) = agent.order.take_if(|(of, _)| *of == token) else { return };
        let (ended, change) = self.what_comes(at, &order, version, luck);
        if let Some(change) = change {
            let machine = &mut self.machines[at];
            machine.drift.remove(&change.place);
            machine.disk.record(change, machine.boot);
        }
        self.tell(Some(at), || format!("ends: {ended:?}"));
        if ended == Ended::Restarting && (self.is_quiet || !self.strikes(self.rates.declining)) {
            self.queue.plan(self.now + 30 * SECOND, Happening::MachineRestarts { at });
        }
        let now = self.machines[at].clock(self.now);
        if let Some(agent) = &mut self.machines[at].agent {
            agent.engine.handle(Input::Ended(ended), now);
        }
        self.agent_notes(at);
        self.agent_works(at);
    }

    /// How an order ends, and what it makes of the machine.
    fn what_comes(
        &self,
        at: usize,
        order: &Order,
        version: Option<u16>,
        luck: Luck,
    ) -> (Ended, Option<Change>) {
        let machine = &self.machines[at];
        let is_full = machine.full_until > self.now;
        let failed = || Ended::Failed { why: "no luck".to_owned() };
        let is_asked = !machine.users.is_empty() && luck == Luck::Declining;
        let Some((application, part)) = order.place() else {
            let Order::Restart { ask, .. } = order else { return (failed(), None) };
            let is_declined = *ask && is_asked;
            return (if is_declined { Ended::Declined } else { Ended::Restarting }, None);
        };
        let place = (application, part.clone());
        let drift = machine.drift.get(&place).copied().unwrap_or(0);
        let here = machine.disk.records.get(&place).copied();
        let is_bad = luck == Luck::Failing || is_full;
        match order {
            Order::Verify { repair: false, .. } => (Ended::Verified { drift, restart: None }, None),
            _ if is_bad => (failed(), None),
            Order::Verify { .. } => {
                let change = Change { place, version: here, restart: None };
                (Ended::Verified { drift: 0, restart: None }, Some(change))
            }
            Order::Uninstall { .. } => {
                let change = Change { place, version: None, restart: None };
                (Ended::Uninstalled { restart: None }, Some(change))
            }
            _ if is_asked => (Ended::Declined, None),
            _ => {
                let Some(wanted) = version else { return (failed(), None) };
                if !self.catalogue.is_available(application, wanted, at) {
                    return (Ended::Unavailable { why: "it is not for it".into() }, None);
                }
                let version = here.unwrap_or(0).max(wanted);
                let is_new = here.is_none_or(|here| here < wanted) || drift > 0;
                let document = self.catalogue.document(application, wanted);
                let restart: Option<Restart> = document.restart.filter(|_| is_new);
                let change = Change { place, version: Some(version), restart };
                (Ended::InPlace { version, restart }, Some(change))
            }
        }
    }

    /// What was in progress is undone, or its record is written by the next start.
    pub fn agent_dies(&mut self, at: usize) {
        let Some(agent) = self.machines[at].agent.take() else { return };
        self.links.remove(&at);
        self.tell(Some(at), || "the agent dies".into());
        let is_done = self.chance.happens(300_000);
        if let Some((_, order)) = agent.order.filter(|_| is_done) {
            let set = self.machines[at].set();
            let wanted = order.place().and_then(|(id, _)| {
                set.applications.iter().find(|wanted| wanted.application == id)
            });
            let version = wanted.map(|wanted| wanted.version);
            let (_, change) = self.what_comes(at, &order, version, Luck::Good);
            let machine = &mut self.machines[at];
            machine.drift.retain(|place, _| change.as_ref().is_none_or(|c| c.place != *place));
            machine.disk.doing = change;
        }
    }

    /// A set that somebody presents.
    pub fn agent_hears(&mut self, at: usize, presented: &WantedPresented) {
        let now = self.machines[at].clock(self.now);
        let machine = &mut self.machines[at];
        let Some(agent) = &mut machine.agent else { return };
        (agent.is_keeping, agent.is_asked) = (true, true);
        let held = machine.disk.serial();
        let me = (machine.computer, machine.key);
        let refused = match Wanted::verify(presented, me, &self.trust, held, now) {
            Err(refusal) => Some(refusal.to_string()),
            Ok(granted) if granted.serial() > held && machine.full_until > self.now => {
                Some("it cannot be kept".to_owned())
            }
            Ok(granted) if granted.serial() == held && *granted.set() != machine.set() => {
                Some("another set has this serial".to_owned())
            }
            Ok(granted) if granted.serial() > held => {
                machine.disk.set = Some((granted.serial(), granted.set().clone()));
                self.outcome.taken += 1;
                self.check_taken(at);
                self.agent_wants(at);
                None
            }
            Ok(_) => None,
        };
        self.outcome.refused += u32::from(refused.is_some());
        self.tell(Some(at), || format!("hears a set: {refused:?}"));
        let serial = self.machines[at].disk.serial();
        self.agent_says(at, ToServer::News { serial, is_refused: refused.is_some() });
        self.agent_works(at);
    }

    pub fn agent_linked(&mut self, at: usize, session: u64) {
        let serial = self.machines[at].disk.serial();
        if let Some(agent) = &mut self.machines[at].agent {
            agent.session = Some(session);
            if serial > 0 {
                self.agent_says(at, ToServer::News { serial, is_refused: false });
            }
        }
    }

    pub fn agent_unlinked(&mut self, at: usize) {
        if let Some(agent) = &mut self.machines[at].agent {
            (agent.session, agent.is_keeping) = (None, false);
        }
    }

    fn agent_says(&mut self, at: usize, message: ToServer) {
        let session = self.machines[at].agent.as_ref().and_then(|agent| agent.session);
        if let Some(session) = session {
            self.queue.plan(self.now + 200, Happening::ServerHears { at, session, message });
        }
    }

    /// Tells where everything stands, if that is news or somebody has asked.
    fn agent_reports(&mut self, at: usize) {
        let told = self.standings(at);
        let is_told = self.machines[at].disk.set.is_some();
        let Some(agent) = self.machines[at].agent.as_mut().filter(|_| is_told) else { return };
        if !std::mem::take(&mut agent.is_asked) && told == agent.said {
            return;
        }
        agent.said.clone_from(&told);
        if agent.is_keeping {
            self.agent_says(at, ToServer::Standings(told));
        }
    }

    pub fn standings(&self, at: usize) -> Vec<Told> {
        let machine = &self.machines[at];
        let Some(agent) = &machine.agent else { return Vec::new() };
        let all = agent.engine.standings(machine.clock(self.now));
        let mut told: Vec<Told> = all.into_iter().map(told).collect();
        for (id, why) in &agent.untouched {
            let place = (*id, Part::Machine);
            let set = machine.set();
            let wanted = set.applications.iter().find(|wanted| wanted.application == *id);
            let wanted = wanted.map(|wanted| wanted.version);
            let one = Told {
                installed: machine.disk.records.get(&place).copied(),
                place,
                wanted,
                drift: 0,
                is_in_place: false,
                restart_pending: false,
                pending: why.clone(),
            };
            match told.iter_mut().find(|other| other.place == one.place) {
                Some(known) => *known = one,
                None => told.push(one),
            }
        }
        told
    }
}

fn told(standing: Standing) -> Told {
    let pending = match &standing.state {
        State::Waiting(why, _) => why.to_string(),
        State::InProgress(_) | State::InPlace { .. } => String::new(),
    };
    Told {
        place: (standing.application, standing.part),
        wanted: standing.wanted,
        installed: standing.installed,
        drift: standing.drift,
        is_in_place: matches!(standing.state, State::InPlace { .. }),
        restart_pending: standing.restart_pending,
        pending,
    }
}
