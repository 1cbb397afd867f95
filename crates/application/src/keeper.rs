//! What an agent does about the applications its machine should have, and why it waits.
//!
//! Owns the order of things: one application at a time, dependencies first, the machine's part
//! ahead of its users' parts. Pure: what is wanted, what is on record, who is logged on and what
//! became of an order come in as [`Input`]; what shall be done goes out as [`Order`]. Nothing here
//! needs a journal of its own: opened with what the agent keeps ([`Known`]), it goes on where it
//! was. Only the counts of failures are forgotten, so a restart tries again at once. A clock that
//! was ahead and is put right holds nothing up: nobody waits longer than was meant.

mod places;
mod standing;
mod wish;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use model::{ApplicationId, ComputerId, Span, Timestamp};

pub use standing::{Ended, Held, Restart, Standing, State, Why};
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

/// What the agent knows when it starts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Known {
    /// What is on record at this machine.
    pub held: Vec<Held>,
    /// Who is logged on.
    pub users: BTreeSet<String>,
    /// Which applications need a restart of the machine that has not been since.
    pub restarts: BTreeMap<ApplicationId, Restart>,
    /// Until when nobody is asked for that restart again.
    pub restart_put_off: Option<Timestamp>,
}

/// What became known.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// All that this machine should have, in order; takes the place of what was wanted before.
    Wanted(Vec<Wish>),
    LoggedOn(String),
    LoggedOff(String),
    /// Somebody wants it looked at or tried now, whatever it waits for; of all when none is named.
    Hurry(Option<ApplicationId>),
    /// All parts that are on record now: what is not among them has gone by other ways.
    OnRecord(BTreeSet<(ApplicationId, Part)>),
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

impl Order {
    /// The part it is about; none of a restart.
    pub fn place(&self) -> Option<(ApplicationId, &Part)> {
        match self {
            Self::Distribute { application, part }
            | Self::Verify { application, part, .. }
            | Self::Uninstall { application, part } => Some((*application, part)),
            Self::Restart { .. } => None,
        }
    }
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
    restarts: BTreeMap<ApplicationId, Restart>,
    restart_put_off: Option<Timestamp>,
    in_progress: Option<InProgress>,
}

#[derive(Debug)]
struct InProgress {
    order: Order,
    /// What it brings goes when it is wanted no longer, even if that is before it has ended.
    uninstall: bool,
}

/// What went wrong last, and when it is tried again.
#[derive(Debug, Clone)]
struct Trouble {
    why: Why,
    attempts: usize,
    until: Timestamp,
    wait: Span,
}

/// What a part is about to have done to it.
enum Next {
    Nothing,
    Now(Order),
    Wait(Why, Option<Timestamp>),
}

impl Keeper {
    pub fn open(computer: ComputerId, zone: TimeZone, known: Known) -> Self {
        let Known { held, users, restarts, restart_put_off } = known;
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
            restart_put_off: restart_put_off.filter(|_| !restarts.is_empty()),
            restarts,
            in_progress: None,
        }
    }

    /// What goes when it is wanted no longer: of what is here, and of what is just coming.
    pub fn going(&self) -> impl Iterator<Item = (ApplicationId, &Part)> {
        let coming = self.in_progress.iter().filter(|doing| doing.uninstall);
        let held = self.held.values().filter(|held| held.uninstall_when_unassociated);
        let held = held.map(|held| (held.application, &held.part));
        held.chain(coming.filter_map(|doing| doing.order.place()))
    }

    /// What is on record here, with what shall become of it.
    pub fn held(&self) -> impl Iterator<Item = &Held> {
        self.held.values()
    }

    /// Until when a restart that is needed is put off.
    pub fn restart_put_off(&self) -> Option<Timestamp> {
        self.restart_put_off
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
            Input::OnRecord(here) => self.held.retain(|place, _| here.contains(place)),
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
        self.take_over_what_goes();
    }

    /// Whether a part goes some day is said by the last set that it was wanted in.
    fn take_over_what_goes(&mut self) {
        let wanted = |id: ApplicationId, part: &Part| {
            let wish = self.wishes.iter().find(|wish| wish.application == id)?;
            wish.is_of(part).then_some(wish.uninstall)
        };
        for ((id, part), held) in &mut self.held {
            let goes = wanted(*id, part).unwrap_or(held.uninstall_when_unassociated);
            held.uninstall_when_unassociated = goes;
        }
        if let Some(InProgress { order, uninstall }) = &mut self.in_progress
            && let Some((id, part)) = order.place()
        {
            *uninstall = wanted(id, part).unwrap_or(*uninstall);
        }
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
        let uninstall = order.place().is_some_and(|(id, part)| {
            let held = self.held.get(&(id, part.clone()));
            let wish = self.wish(id).filter(|wish| wish.is_of(part));
            let held = held.is_some_and(|held| held.uninstall_when_unassociated);
            wish.map_or(held, |wish| wish.uninstall)
        });
        self.in_progress = Some(InProgress { order: order.clone(), uninstall });
        Some(order)
    }

    /// The earliest instant at which something may be due that is not due now.
    pub fn poll_timeout(&self, now: Timestamp) -> Option<(Timestamp, Why)> {
        let waits = self.places().into_iter().filter_map(|place| match self.next(&place, now) {
            Next::Wait(why, Some(until)) => Some((until, why)),
            Next::Nothing | Next::Now(_) | Next::Wait(_, None) => None,
        });
        let put_off = self.restart_put_off.filter(|until| is_ahead(*until, ASK_AGAIN, now));
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
        let wish = self.wish(place.0).filter(|wish| wish.is_of(&place.1));
        Standing {
            wanted: wish.map(|wish| wish.version),
            installed: held.map(|held| held.version),
            drift: held.map_or(0, |held| held.drift),
            restart_pending: self.restarts.contains_key(&place.0),
            last_error: self.trouble.get(&place).and_then(|trouble| trouble.why.error()),
            application: place.0,
            part: place.1,
            state,
        }
    }

    fn doing(&self, place: &Place) -> Option<&Order> {
        let order = self.in_progress.as_ref().map(|doing| &doing.order);
        order.filter(|order| order.place() == Some((place.0, &place.1)))
    }

    fn wish(&self, id: ApplicationId) -> Option<&Wish> {
        self.wishes.iter().find(|wish| wish.application == id)
    }

    fn next(&self, place: &Place, now: Timestamp) -> Next {
        let held = self.held.get(place);
        let Some(wish) = self.wish(place.0).filter(|wish| wish.is_of(&place.1)) else {
            return held.map_or(Next::Nothing, |held| self.next_of_gone(place, held, now));
        };
        if !wish.is_ready {
            return Next::Wait(Why::Files, None);
        }
        if let Some(by) = self.superseded_by(place.0).filter(|_| held.is_none()) {
            return Next::Wait(Why::Superseded(by), None);
        }
        let next = match (&place.1, held) {
            (Part::User(user), _) if !self.users.contains(user) => {
                let older = held.is_some_and(|held| held.version < wish.version);
                return if older { Next::Wait(Why::LogOn, None) } else { Next::Nothing };
            }
            (_, Some(held)) if held.version >= wish.version => {
                self.next_of_held(place, held, wish, now)
            }
            (Part::Machine, _) => self.next_of_machine(place, wish, now),
            (Part::User(_), _) => self.next_of_user(place, wish),
        };
        self.unless_in_trouble(place, next, now)
    }

    /// What is here and has taken the place of that one.
    fn superseded_by(&self, id: ApplicationId) -> Option<ApplicationId> {
        let takes = |wish: &&Wish| {
            let place = (wish.application, Part::Machine);
            wish.supersedes.contains(&id) && self.held.contains_key(&place)
        };
        self.wishes.iter().find(takes).map(|wish| wish.application)
    }

    /// What failed waits for its time, whatever is due.
    fn unless_in_trouble(&self, place: &Place, next: Next, now: Timestamp) -> Next {
        match (next, self.trouble.get(place)) {
            (Next::Now(_), Some(trouble)) if is_ahead(trouble.until, trouble.wait, now) => {
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
        if is_ahead(due, policy.every, now) {
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
        let put_off = self.restart_put_off.is_some_and(|until| is_ahead(until, ASK_AGAIN, now));
        let due =
            self.restarts.iter().filter(|(_, restart)| matches!(restart, Restart::Due { .. }));
        let because: Vec<ApplicationId> = due.map(|(id, _)| *id).collect();
        let asks = self.restarts.values().any(|one| matches!(one, Restart::Due { ask: true }));
        let ask = asks && !self.users.is_empty();
        (!because.is_empty() && !put_off).then_some(Order::Restart { because, ask })
    }

    fn end(&mut self, ended: Ended, now: Timestamp) {
        let Some(InProgress { order, uninstall }) = self.in_progress.take() else { return };
        let Some((application, part)) = order.place() else {
            return self.end_restart(&ended, now);
        };
        let place = (application, part.clone());
        match ended {
            Ended::InPlace { version, restart } => {
                self.settle(&place, restart);
                let held = Held {
                    application,
                    part: place.1.clone(),
                    version,
                    verified_at: now,
                    drift: 0,
                    uninstall_when_unassociated: uninstall,
                };
                self.held.insert(place, held);
            }
            Ended::Verified { drift, restart } => {
                self.settle(&place, restart);
                if let Some(held) = self.held.get_mut(&place) {
                    (held.drift, held.verified_at) = (drift, now);
                }
            }
            Ended::Uninstalled { restart } => {
                self.settle(&place, restart);
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

    /// A machine that restarts takes the agent with it; where it does not, it has to still.
    fn end_restart(&mut self, ended: &Ended, now: Timestamp) {
        let again = if *ended == Ended::Declined { ASK_AGAIN } else { LOOK_AGAIN };
        self.restart_put_off = Some(now + again);
    }

    fn settle(&mut self, place: &Place, restart: Option<Restart>) {
        self.trouble.remove(place);
        self.again.remove(place);
        if let Some(restart) = restart {
            let known = self.restarts.entry(place.0).or_insert(restart);
            *known = restart.max(*known);
        }
    }

    fn trouble(&mut self, place: Place, why: Why, again: Span, now: Timestamp) {
        let attempts = self.trouble.get(&place).map_or(0, |trouble| trouble.attempts) + 1;
        let trouble = Trouble { why, attempts, until: now + again, wait: again };
        self.trouble.insert(place, trouble);
    }
}

/// What is waited for so long is still to come.
fn is_ahead(until: Timestamp, wait: Span, now: Timestamp) -> bool {
    now < until && until <= now + wait
}
