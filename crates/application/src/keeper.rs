//! What an agent does about the applications its machine should have, and why it waits.
//!
//! Owns the order of things: one application at a time, dependencies first, the machine's part
//! ahead of its users' parts. Pure: what is wanted, what is on record, who is logged on and what
//! became of an order come in as [`Input`]; what shall be done goes out as [`Order`]. Nothing here
//! needs a journal of its own: opened with the records and the set that the agent keeps, it goes on
//! where it was. Only the counts of failures are forgotten, so a restart tries again at once.

mod standing;
mod wish;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use model::{ApplicationId, ComputerId, Span, Timestamp};

pub use standing::{Ended, Held, Standing, State, Why};
pub use wish::{Needs, Users, VerifyPolicy, Wish};

use crate::Part;
use crate::schedule::{self, Due};

/// Times until a failure is tried again; the last one from then on.
const TRY_AGAIN: [Span; 6] = [
    Span::from_secs(60),
    Span::from_secs(5 * 60),
    Span::from_secs(15 * 60),
    Span::from_secs(60 * 60),
    Span::from_secs(3 * 60 * 60),
    Span::from_secs(6 * 60 * 60),
];
/// Rules that did not hold are looked at again after this long.
const LOOK_AGAIN: Span = Span::from_secs(60 * 60);
/// How long the user's No counts.
pub const ASK_AGAIN: Span = Span::from_secs(24 * 60 * 60);

/// What became known.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// All that this machine should have, in order; takes the place of what was wanted before.
    Wanted(Vec<Wish>),
    LoggedOn(String),
    LoggedOff(String),
    /// Somebody wants it looked at or tried now, whatever it waits for; of all when none is named.
    Hurry(Option<ApplicationId>),
    /// The order in progress has ended.
    Ended(Ended),
}

/// What shall be done. There is one at a time; the next comes after its [`Input::Ended`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Brings this part to the version that is wanted; with what is distributed each time.
    Distribute {
        application: ApplicationId,
        part: Part,
    },
    Verify {
        application: ApplicationId,
        part: Part,
        repair: bool,
    },
    Uninstall {
        application: ApplicationId,
        part: Part,
    },
    /// By what these applications need or always ask for; those who are logged on are asked first
    /// where `ask` says so.
    Restart {
        because: Vec<ApplicationId>,
        ask: bool,
    },
}

/// The part of an application.
type Place = (ApplicationId, Part);

#[derive(Debug)]
pub struct Keeper {
    computer: ComputerId,
    zone: TimeZone,
    wishes: Vec<Wish>,
    held: BTreeMap<Place, Held>,
    users: BTreeSet<String>,
    /// Parts whose *each time* is now: the machine's since the start, a user's since the log-on.
    again: BTreeSet<Place>,
    trouble: BTreeMap<Place, Trouble>,
    /// Applications that need a restart, and whether people are asked before.
    restart: BTreeMap<ApplicationId, bool>,
    restart_put_off: Option<Timestamp>,
    in_progress: Option<Order>,
}

/// What went wrong last, and when it is tried again.
#[derive(Debug, Clone)]
struct Trouble {
    why: Why,
    attempts: usize,
    until: Timestamp,
}

/// What a part is about to have done to it.
enum Next {
    Nothing,
    Now(Order),
    Wait(Why, Option<Timestamp>),
}

impl Keeper {
    /// `held` is what is on record at this machine, `users` who is logged on.
    pub fn open(
        computer: ComputerId,
        zone: TimeZone,
        held: Vec<Held>,
        users: BTreeSet<String>,
    ) -> Self {
        let held = held.into_iter().map(|held| ((held.application, held.part.clone()), held));
        let held: BTreeMap<Place, Held> = held.collect();
        let present = |part: &Part| match part {
            Part::Machine => true,
            Part::User(user) => users.contains(user),
        };
        let again = held.keys().filter(|(_, part)| present(part)).cloned().collect();
        Self {
            computer,
            zone,
            wishes: Vec::new(),
            held,
            users,
            again,
            trouble: BTreeMap::new(),
            restart: BTreeMap::new(),
            restart_put_off: None,
            in_progress: None,
        }
    }

    pub fn handle(&mut self, input: Input, now: Timestamp) {
        match input {
            Input::Wanted(wishes) => self.want(wishes),
            Input::LoggedOn(user) => self.log_on(user),
            Input::LoggedOff(user) => drop(self.users.remove(&user)),
            Input::Hurry(None) => self.trouble.clear(),
            Input::Hurry(Some(one)) => {
                self.trouble.retain(|(application, _), _| *application != one);
            }
            Input::Ended(ended) => self.end(ended, now),
        }
    }

    /// Trouble with an older version says nothing of a newer one.
    fn want(&mut self, wishes: Vec<Wish>) {
        let version = |wishes: &[Wish], id| {
            wishes.iter().find(|wish| wish.application == id).map(|wish| wish.version)
        };
        let before = std::mem::replace(&mut self.wishes, wishes);
        let after = &self.wishes;
        self.trouble.retain(|(id, _), _| version(&before, *id) == version(after, *id));
    }

    fn log_on(&mut self, user: String) {
        let part = Part::User(user.clone());
        let parts = self.held.keys().filter(|(_, other)| *other == part);
        self.again.extend(parts.cloned().collect::<Vec<_>>());
        self.trouble.retain(|(_, other), trouble| *other != part || trouble.why != Why::Declined);
        self.users.insert(user);
    }

    /// What shall be done now, if anything and nothing is in progress.
    pub fn poll_order(&mut self, now: Timestamp) -> Option<Order> {
        if self.in_progress.is_some() {
            return None;
        }
        let next = self.places().into_iter().find_map(|place| match self.next(&place, now) {
            Next::Now(order) => Some(order),
            Next::Nothing | Next::Wait(..) => None,
        });
        let order = next.or_else(|| self.restart_order(now))?;
        self.in_progress = Some(order.clone());
        Some(order)
    }

    /// The earliest instant at which something may be due that is not due now.
    pub fn poll_timeout(&self, now: Timestamp) -> Option<(Timestamp, Why)> {
        let waits = self.places().into_iter().filter_map(|place| match self.next(&place, now) {
            Next::Wait(why, Some(until)) => Some((until, why)),
            Next::Nothing | Next::Now(_) | Next::Wait(_, None) => None,
        });
        let put_off = self.restart_put_off.filter(|until| *until > now);
        let restart = put_off.map(|until| (until, Why::RestartDeclined));
        waits.chain(restart).min_by_key(|(until, _)| *until)
    }

    /// Where every part stands, and what it waits for.
    pub fn standings(&self, now: Timestamp) -> Vec<Standing> {
        self.places().into_iter().map(|place| self.standing(place, now)).collect()
    }

    fn standing(&self, place: Place, now: Timestamp) -> Standing {
        let held = self.held.get(&place);
        let state = match (self.doing(&place), self.next(&place, now)) {
            (Some(order), _) => State::InProgress(order.clone()),
            (None, Next::Now(order)) => State::Waiting(Why::Turn(Box::new(order)), None),
            (None, Next::Wait(Why::NextVerify, until)) => State::InPlace { until },
            (None, Next::Wait(why, until)) => State::Waiting(why, until),
            (None, Next::Nothing) => State::InPlace { until: None },
        };
        let wish = self.wish(place.0);
        Standing {
            wanted: wish.map(|wish| wish.version),
            installed: held.map(|held| held.version),
            drift: held.map_or(0, |held| held.drift),
            restart_pending: self.restart.contains_key(&place.0),
            last_error: self.trouble.get(&place).and_then(|trouble| trouble.why.error()),
            application: place.0,
            part: place.1,
            state,
        }
    }

    fn doing(&self, place: &Place) -> Option<&Order> {
        self.in_progress.as_ref().filter(|order| match order {
            Order::Distribute { application, part }
            | Order::Verify { application, part, .. }
            | Order::Uninstall { application, part } => (application, part) == (&place.0, &place.1),
            Order::Restart { .. } => false,
        })
    }

    fn wish(&self, id: ApplicationId) -> Option<&Wish> {
        self.wishes.iter().find(|wish| wish.application == id)
    }

    /// Every part there is something to say of: what is to go first, users' parts ahead of the
    /// machine's, then what is wanted in its order.
    fn places(&self) -> Vec<Place> {
        let gone = self.held.keys().filter(|(id, _)| self.wish(*id).is_none()).rev().cloned();
        let mut places: Vec<Place> = gone.collect();
        for wish in self.in_order() {
            places.push((wish.application, Part::Machine));
            let users = self.users.iter().filter(|user| wish.users.include(user));
            places.extend(users.map(|user| (wish.application, Part::User(user.clone()))));
            let absent = self.held.keys().filter(|(id, part)| {
                let away = |user: &String| !self.users.contains(user) || !wish.users.include(user);
                *id == wish.application && matches!(part, Part::User(user) if away(user))
            });
            places.extend(absent.cloned());
        }
        places
    }

    /// Dependencies stand before what needs them; otherwise as the set has them.
    fn in_order(&self) -> Vec<&Wish> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        for wish in &self.wishes {
            self.place_in_order(wish, &mut seen, &mut order);
        }
        order
    }

    fn place_in_order<'a>(
        &'a self,
        wish: &'a Wish,
        seen: &mut BTreeSet<ApplicationId>,
        order: &mut Vec<&'a Wish>,
    ) {
        if !seen.insert(wish.application) {
            return;
        }
        for need in &wish.needs {
            if let Some(needed) = self.wish(need.application) {
                self.place_in_order(needed, seen, order);
            }
        }
        order.push(wish);
    }

    fn next(&self, place: &Place, now: Timestamp) -> Next {
        let held = self.held.get(place);
        let Some(wish) = self.wish(place.0) else {
            return held.map_or(Next::Nothing, |held| self.next_of_gone(place, held, now));
        };
        let next = match (&place.1, held) {
            (Part::User(user), _) if !self.users.contains(user) => {
                let older = held.is_some_and(|held| held.version < wish.version);
                return if older { Next::Wait(Why::LogOn, None) } else { Next::Nothing };
            }
            (Part::User(user), _) if !wish.users.include(user) => return Next::Nothing,
            (_, Some(held)) if held.version >= wish.version => {
                self.next_of_held(place, held, wish, now)
            }
            (Part::Machine, _) => self.next_of_machine(place, wish, now),
            (Part::User(_), _) => self.next_of_user(place, wish),
        };
        self.unless_in_trouble(place, next, now)
    }

    /// What failed waits for its time, whatever is due.
    fn unless_in_trouble(&self, place: &Place, next: Next, now: Timestamp) -> Next {
        match (next, self.trouble.get(place)) {
            (Next::Now(_), Some(trouble)) if trouble.until > now => {
                Next::Wait(trouble.why.clone(), Some(trouble.until))
            }
            (next, _) => next,
        }
    }

    fn next_of_gone(&self, place: &Place, held: &Held, now: Timestamp) -> Next {
        if !held.uninstall_when_unassociated {
            return Next::Nothing;
        }
        let (application, part) = place.clone();
        match &part {
            Part::User(user) if !self.users.contains(user) => Next::Wait(Why::LogOn, None),
            _ => {
                let order = Next::Now(Order::Uninstall { application, part });
                self.unless_in_trouble(place, order, now)
            }
        }
    }

    fn next_of_held(&self, place: &Place, held: &Held, wish: &Wish, now: Timestamp) -> Next {
        let (application, part) = place.clone();
        if wish.always && self.again.contains(place) {
            return Next::Now(Order::Distribute { application, part });
        }
        let Some(policy) = wish.verify else { return Next::Nothing };
        let due = held.verified_at + policy.every;
        if due > now {
            return Next::Wait(Why::NextVerify, Some(due));
        }
        Next::Now(Order::Verify { application, part, repair: policy.repair })
    }

    fn next_of_machine(&self, place: &Place, wish: &Wish, now: Timestamp) -> Next {
        if let Some(wait) = self.needs(wish, &Part::Machine) {
            return wait;
        }
        let order = Order::Distribute { application: place.0, part: Part::Machine };
        match &wish.pre_install {
            crate::PreInstall::AsSoonAsAssociated => Next::Now(order),
            crate::PreInstall::No => {
                let used = self.users.iter().any(|user| wish.users.include(user));
                if used { Next::Now(order) } else { Next::Wait(Why::FirstUse, None) }
            }
            crate::PreInstall::Scheduled(when) => {
                match schedule::due(when, &self.zone, self.computer, place.0, now) {
                    Due::Now => Next::Now(order),
                    Due::At(at) => Next::Wait(Why::Schedule, Some(at)),
                    Due::Over => self.after_schedule(wish, order),
                }
            }
        }
    }

    /// What was not done ahead is done at first use.
    fn after_schedule(&self, wish: &Wish, order: Order) -> Next {
        let used = self.users.iter().any(|user| wish.users.include(user));
        if used { Next::Now(order) } else { Next::Wait(Why::ScheduleOver, None) }
    }

    fn next_of_user(&self, place: &Place, wish: &Wish) -> Next {
        let machine = self.held.get(&(place.0, Part::Machine));
        if machine.is_none_or(|held| held.version < wish.version) {
            return Next::Wait(Why::MachinePart, None);
        }
        if let Some(wait) = self.needs(wish, &place.1) {
            return wait;
        }
        let (application, part) = place.clone();
        Next::Now(Order::Distribute { application, part })
    }

    /// The first dependency that is wanted here and not in place.
    fn needs(&self, wish: &Wish, part: &Part) -> Option<Next> {
        let missing = wish.needs.iter().find(|need| {
            let place = (need.application, part.clone());
            let Some(needed) = self.wish(need.application) else { return false };
            if matches!(part, Part::User(user) if !needed.users.include(user)) {
                return false;
            }
            let there = self.held.get(&place).is_some_and(|held| held.version >= needed.version);
            let failed = self.trouble.contains_key(&place) && need.continue_if_it_fails;
            !there && !failed
        })?;
        Some(Next::Wait(Why::Dependency(missing.application), None))
    }

    fn restart_order(&self, now: Timestamp) -> Option<Order> {
        let put_off = self.restart_put_off.is_some_and(|until| until > now);
        let because: Vec<ApplicationId> = self.restart.keys().copied().collect();
        let ask = self.restart.values().any(|ask| *ask) && !self.users.is_empty();
        (!because.is_empty() && !put_off).then_some(Order::Restart { because, ask })
    }

    fn end(&mut self, ended: Ended, now: Timestamp) {
        let Some(order) = self.in_progress.take() else { return };
        let place = match order {
            Order::Distribute { application, part }
            | Order::Verify { application, part, .. }
            | Order::Uninstall { application, part } => (application, part),
            Order::Restart { .. } => return self.end_restart(&ended, now),
        };
        match ended {
            Ended::InPlace { held, restart, ask } => {
                self.settle(&place);
                self.held.insert(place.clone(), held);
                if restart {
                    *self.restart.entry(place.0).or_default() |= ask;
                }
            }
            Ended::Verified { drift } => {
                self.settle(&place);
                if let Some(held) = self.held.get_mut(&place) {
                    (held.drift, held.verified_at) = (drift, now);
                }
            }
            Ended::Uninstalled => {
                self.settle(&place);
                self.held.remove(&place);
            }
            Ended::Restarting => {}
            Ended::Unavailable { why } => {
                self.trouble(place, Why::Unavailable(why), LOOK_AGAIN, now);
            }
            Ended::Declined => self.trouble(place, Why::Declined, ASK_AGAIN, now),
            Ended::Failed { why } => {
                let attempts = self.trouble.get(&place).map_or(0, |trouble| trouble.attempts);
                let again = TRY_AGAIN[attempts.min(TRY_AGAIN.len() - 1)];
                self.trouble(place, Why::Failed(why), again, now);
            }
        }
    }

    fn end_restart(&mut self, ended: &Ended, now: Timestamp) {
        self.restart_put_off = match ended {
            Ended::Declined => Some(now + ASK_AGAIN),
            Ended::Failed { .. } => Some(now + LOOK_AGAIN),
            _ => None,
        };
        if self.restart_put_off.is_none() {
            self.restart.clear();
        }
    }

    fn settle(&mut self, place: &Place) {
        self.trouble.remove(place);
        self.again.remove(place);
    }

    fn trouble(&mut self, place: Place, why: Why, again: Span, now: Timestamp) {
        let attempts = self.trouble.get(&place).map_or(0, |trouble| trouble.attempts) + 1;
        self.trouble.insert(place, Trouble { why, attempts, until: now + again });
    }
}
