//! What must hold for applications, whatever goes wrong.
//!
//! While it goes wrong: one order at a time; none for what the machine's own set does not say; no
//! set but those that the server signed for this machine, each later than the one before; no
//! restart that nothing needs. Once nothing goes wrong any more: all that is wanted is in place,
//! nothing is left that should have gone, and what the server was told is the truth.

use application::keeper::{Order, Restart};
use application::{Part, PreInstall};
use model::ApplicationId;
use trust::{WantedApplication, WantedSet};

use super::catalogue::USERS;
use super::disk::Place;
use super::world::World;

fn find(set: &WantedSet, id: ApplicationId) -> Option<&WantedApplication> {
    set.applications.iter().find(|wanted| wanted.application == id)
}

fn is_for(wanted: &WantedApplication, part: &Part) -> bool {
    match (part, &wanted.users) {
        (Part::Machine, _) | (_, None) => true,
        (Part::User(user), Some(users)) => users.contains(user),
    }
}

impl World {
    fn set_of(&self, at: usize) -> WantedSet {
        self.machines[at].disk.set.as_ref().map(|(_, set)| set.clone()).unwrap_or_default()
    }

    /// A machine has just taken a set.
    pub fn check_taken(&mut self, at: usize) {
        let Some((serial, set)) = self.machines[at].disk.set.clone() else { return };
        if self.signed.get(&(at, serial)) != Some(&set) {
            self.broke(format!("machine {at} goes by set {serial}, which nobody signed for it"));
        }
        let last = self.last_serials.insert(at, serial).unwrap_or(0);
        if serial <= last {
            self.broke(format!("machine {at} took set {serial} after {last}"));
        }
        for wanted in &set.applications {
            let users = USERS.iter().map(|user| Part::User((*user).to_owned()));
            for part in users.chain([Part::Machine]).filter(|part| is_for(wanted, part)) {
                self.said.insert((at, (wanted.application, part)), wanted.uninstall);
            }
        }
    }

    pub fn check_order(&mut self, at: usize, order: &Order) {
        let machine = &self.machines[at];
        let set = self.set_of(at);
        let why = match order {
            _ if machine.agent.as_ref().is_none_or(|agent| agent.order.is_some()) => {
                Some("two orders at once")
            }
            Order::Restart { because, .. } => {
                let needs = machine.disk.restarts(machine.boot);
                let is_due = |id| matches!(needs.get(id), Some(Restart::Due { .. }));
                (!because.iter().all(is_due)).then_some("nothing needs it")
            }
            Order::Distribute { application, part } | Order::Verify { application, part, .. } => {
                let wanted = find(&set, *application).filter(|wanted| is_for(wanted, part));
                let stock = &machine.disk.stock;
                match wanted {
                    None => Some("it is not wanted"),
                    Some(wanted) if !stock.contains(&wanted.document) => Some("it is not here"),
                    Some(_) => None,
                }
            }
            Order::Uninstall { application, part } => {
                let is_wanted = find(&set, *application).is_some_and(|one| is_for(one, part));
                let goes = self.said.get(&(at, (*application, part.clone())));
                (is_wanted || goes != Some(&true)).then_some("it is wanted, or was to stay")
            }
        };
        if let Some(why) = why {
            self.broke(format!("machine {at}: {order:?}, but {why}"));
        }
    }

    /// At the end.
    pub fn judge(&mut self) {
        for at in 0..self.machines.len() {
            let found = [
                self.is_as_the_server_wants(at),
                self.is_in_place(at),
                self.is_gone(at),
                self.is_told(at),
            ];
            let found = found.into_iter().flatten();
            self.outcome.violations.extend(found.map(|what| format!("machine {at}: {what}")));
        }
    }

    /// It goes by what the server wants now, and waits for no restart that is its own to make.
    fn is_as_the_server_wants(&self, at: usize) -> Option<String> {
        let (own, wanted) = (self.set_of(at), self.server.set(self.catalogue, at));
        if own != wanted {
            return Some(format!("it goes by {own:?} instead of {wanted:?}"));
        }
        let machine = &self.machines[at];
        let due = machine.disk.restarts(machine.boot);
        let due = due.values().any(|restart| matches!(restart, Restart::Due { .. }));
        due.then(|| "it was not restarted".to_owned())
    }

    /// Whether the machine's part comes by itself.
    fn comes(&self, at: usize, set: &WantedSet, wanted: &WantedApplication) -> bool {
        let wish = self.catalogue.wish(wanted);
        let users = &self.machines[at].users;
        let is_ahead = wish.pre_install != PreInstall::No;
        let is_used = users.iter().any(|user| wish.users.include(user));
        let is_for_it = self.catalogue.is_available(wanted.application, wanted.version, at);
        // What may fail is waited for until it has: only where it comes it holds nothing up.
        let mut needed = wish.needs.iter().filter_map(|need| {
            let found = find(set, need.application);
            (found.is_some() || !need.continue_if_it_fails).then_some(found)
        });
        (is_ahead || is_used)
            && is_for_it
            && needed.all(|one| one.is_some_and(|one| self.comes(at, set, one)))
    }

    fn is_in_place(&self, at: usize) -> Option<String> {
        let (set, machine) = (self.set_of(at), &self.machines[at]);
        let records = &machine.disk.records;
        for wanted in set.applications.iter().filter(|one| self.comes(at, &set, one)) {
            let users = machine.users.iter().map(|user| Part::User(user.clone()));
            for part in users.chain([Part::Machine]).filter(|part| is_for(wanted, part)) {
                let place = (wanted.application, part);
                if records.get(&place).is_none_or(|version| *version < wanted.version) {
                    let stands = self.standings(at).into_iter().find(|one| one.place == place);
                    return Some(format!("{place:?} is not in place: {wanted:?}, {stands:?}"));
                }
                let is_verified = wanted.verify_every.is_some() && wanted.repair;
                if is_verified && machine.drift.contains_key(&place) {
                    return Some(format!("{place:?} is not as it was distributed"));
                }
            }
        }
        None
    }

    fn is_gone(&self, at: usize) -> Option<String> {
        let (set, machine) = (self.set_of(at), &self.machines[at]);
        let is_left = |place: &&Place| {
            let (id, part) = place;
            let is_wanted = find(&set, *id).is_some_and(|wanted| is_for(wanted, part));
            let is_reached = match part {
                Part::Machine => true,
                Part::User(user) => machine.users.contains(user),
            };
            let goes = self.said.get(&(at, (*place).clone())).copied().unwrap_or(false);
            !is_wanted && is_reached && goes
        };
        let left = machine.disk.records.keys().find(is_left);
        left.map(|place| format!("{place:?} is still here"))
    }

    /// What the server was told last is what is so.
    fn is_told(&self, at: usize) -> Option<String> {
        let (set, machine) = (self.set_of(at), &self.machines[at]);
        machine.disk.set.as_ref()?;
        let truth = machine.agent.as_ref()?.said.clone();
        let told = self.server.database.standings.get(&at).cloned().unwrap_or_default();
        if told != truth {
            let old: Vec<_> = told.iter().filter(|one| !truth.contains(one)).collect();
            let new: Vec<_> = truth.iter().filter(|one| !told.contains(one)).collect();
            return Some(format!("the server was told {old:?}, but it is {new:?}"));
        }
        let restarts = machine.disk.restarts(machine.boot);
        for one in &told {
            let (id, part) = &one.place;
            let wanted = find(&set, *id).filter(|wanted| is_for(wanted, part));
            let is_true = one.installed == machine.disk.records.get(&one.place).copied()
                && one.restart_pending == restarts.contains_key(id)
                && one.wanted.is_some() == wanted.is_some();
            if !is_true {
                return Some(format!("the server was told {one:?}"));
            }
        }
        let missing =
            machine.disk.records.keys().find(|place| !told.iter().any(|one| one.place == **place));
        missing.map(|place| format!("the server was not told of {place:?}"))
    }
}
