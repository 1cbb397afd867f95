//! Laws of orders, for sets, users, records and luck by chance.

use std::collections::BTreeSet;

use jiff::civil::{date, time};
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::{Clock, Dates, PreInstall, When};

const USERS: [&str; 3] = ["ada", "bob", "eve"];
const APPLICATIONS: u8 = 5;
const HOUR: i64 = 3_600;
/// More than any law here takes to come to rest.
const STEPS_MAX: usize = 2_000;

fn id(n: u8) -> ApplicationId {
    ApplicationId::from_bytes([n; 16])
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

/// What happens to a keeper from outside, or how an order ends.
#[derive(Debug, Clone)]
enum Act {
    Want(Vec<Wish>),
    LogOn(&'static str),
    LogOff(&'static str),
    Hurry(Option<u8>),
    /// The clock goes on, at most to where the keeper says that something is due.
    Pass(i64),
    /// The next order, if there is one.
    Order,
    End(How),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Well(Option<Restart>),
    Drifting(u32),
    Failing,
    Unavailable,
    Declining,
}

fn users() -> impl Strategy<Value = Users> {
    let named = prop::sample::subsequence(USERS.to_vec(), 0..=USERS.len());
    prop_oneof![
        Just(Users::Everyone),
        named.prop_map(|names| Users::Named(names.into_iter().map(str::to_owned).collect())),
    ]
}

/// In the first hours of the clock, or on days that are long over.
fn pre_install() -> impl Strategy<Value = PreInstall> {
    let scheduled = (0_i8..8, prop::bool::ANY, 0_u32..90).prop_map(|(hour, is_over, spread)| {
        let day = if is_over { date(1969, 12, 1) } else { date(1970, 1, 1) };
        PreInstall::Scheduled(When {
            dates: Dates::Days(vec![day]),
            from: time(hour, 0, 0, 0),
            until: Some(time(hour + 2, 0, 0, 0)),
            spread_minutes: spread,
            clock: Clock::Everywhere,
        })
    });
    prop_oneof![
        3 => Just(PreInstall::AsSoonAsAssociated),
        1 => Just(PreInstall::No),
        1 => scheduled,
    ]
}

fn wish(n: u8) -> impl Strategy<Value = Wish> {
    let needs = prop::collection::vec((0..APPLICATIONS, any::<bool>()), 0..3);
    let verify = prop::option::of((1_u64..50, any::<bool>()));
    let switches = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.9));
    (1_u16..4, pre_install(), users(), switches, needs, verify).prop_map(
        move |(version, pre_install, users, (always, uninstall, is_ready), needs, verify)| {
            // Larger ids need smaller ones: no circles.
            let needs =
                needs.into_iter().filter(|(needed, _)| *needed < n).map(|(needed, goes)| Needs {
                    application: id(needed),
                    continue_if_it_fails: goes,
                });
            let verify = verify.map(|(hours, repair)| VerifyPolicy {
                every: Span::from_secs(hours * HOUR as u64),
                repair,
            });
            Wish {
                application: id(n),
                version,
                pre_install,
                users,
                always,
                needs: needs.collect(),
                supersedes: Vec::new(),
                verify,
                uninstall,
                is_ready,
            }
        },
    )
}

/// Any of the applications, in any order.
fn set() -> impl Strategy<Value = Vec<Wish>> {
    let all: Vec<u8> = (0..APPLICATIONS).collect();
    prop::sample::subsequence(all, 0..=usize::from(APPLICATIONS))
        .prop_shuffle()
        .prop_flat_map(|chosen| chosen.into_iter().map(wish).collect::<Vec<_>>())
}

fn held() -> impl Strategy<Value = Vec<Held>> {
    let part = prop_oneof![
        2 => Just(Part::Machine),
        1 => prop::sample::select(USERS.to_vec()).prop_map(|user| Part::User(user.to_owned())),
    ];
    let one = (0..APPLICATIONS, part, 1_u16..4, -40..0_i64, any::<bool>());
    let one = one.prop_map(|(n, part, version, hours, goes)| Held {
        application: id(n),
        part,
        version,
        verified_at: at(hours * HOUR),
        drift: 0,
        uninstall_when_unassociated: goes,
    });
    prop::collection::vec(one, 0..6)
}

fn restart() -> impl Strategy<Value = Restart> {
    prop_oneof![Just(Restart::Awaited), any::<bool>().prop_map(|ask| Restart::Due { ask })]
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        3 => prop::option::of(restart()).prop_map(How::Well),
        1 => (0_u32..3).prop_map(How::Drifting),
        2 => Just(How::Failing),
        1 => Just(How::Unavailable),
        1 => Just(How::Declining),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let user = || prop::sample::select(USERS.to_vec());
    prop_oneof![
        1 => set().prop_map(Act::Want),
        2 => user().prop_map(Act::LogOn),
        2 => user().prop_map(Act::LogOff),
        1 => prop::option::of(0..APPLICATIONS).prop_map(Act::Hurry),
        4 => (0..30 * HOUR).prop_map(Act::Pass),
        8 => Just(Act::Order),
        8 => how().prop_map(Act::End),
    ]
}

fn opened() -> impl Strategy<Value = Keeper> {
    let users = prop::sample::subsequence(USERS.to_vec(), 0..=USERS.len());
    let restarts = prop::collection::btree_map((0..APPLICATIONS).prop_map(id), restart(), 0..2);
    (held(), users, restarts).prop_map(|(held, users, restarts)| {
        let users = users.into_iter().map(str::to_owned).collect();
        let known = Known { held, users, restarts, restart_put_off: None };
        Keeper::open(ComputerId::from_bytes([9; 16]), TimeZone::UTC, known)
    })
}

/// A keeper with its clock, and the order that somebody carries out.
#[derive(Debug)]
struct Scene {
    keeper: Keeper,
    now: Timestamp,
    order: Option<Order>,
    /// Until when a part is left alone, as the outcomes tell without looking into the keeper.
    alone: BTreeMap<Place, Timestamp>,
}

impl Scene {
    fn new(keeper: Keeper) -> Self {
        Self { keeper, now: at(0), order: None, alone: BTreeMap::new() }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Want(wishes) => {
                // Another version of it is another matter.
                let version = |all: &[Wish], id: ApplicationId| {
                    all.iter().find(|wish| wish.application == id).map(|wish| wish.version)
                };
                let before = &self.keeper.wishes;
                self.alone.retain(|(id, _), _| version(before, *id) == version(&wishes, *id));
                self.handle(Input::Wanted(wishes));
            }
            Act::LogOn(user) => {
                let part = Part::User(user.to_owned());
                self.alone.retain(|(_, other), _| *other != part);
                self.handle(Input::LoggedOn(user.to_owned()));
            }
            Act::LogOff(user) => self.handle(Input::LoggedOff(user.to_owned())),
            Act::Hurry(one) => {
                let one = one.map(id);
                self.alone.retain(|(id, _), _| one.is_some_and(|one| *id != one));
                self.handle(Input::Hurry(one));
            }
            Act::Pass(seconds) => {
                let later = self.now + Span::from_secs(seconds.unsigned_abs());
                let due = self.keeper.poll_timeout(self.now).map_or(later, |(due, _)| due);
                self.now = later.min(due);
            }
            Act::Order => self.poll(),
            Act::End(how) => self.end(how),
        }
        self.check();
    }

    fn handle(&mut self, input: Input) {
        self.keeper.handle(input, self.now);
    }

    fn poll(&mut self) {
        let order = self.keeper.poll_order(self.now);
        assert!(order.is_none() || self.order.is_none(), "two at once: {order:?}, {self:#?}");
        if let Some(place) = order.as_ref().and_then(place) {
            let until = self.alone.get(&place);
            assert!(until.is_none_or(|until| *until <= self.now), "{order:?} in {self:#?}");
        }
        self.order = self.order.take().or(order);
    }

    fn end(&mut self, how: How) {
        let Some(order) = self.order.take() else { return };
        let ended = self.ended(&order, how);
        if let Some(place) = place(&order) {
            let alone = match &ended {
                Ended::Failed { .. } => TRY_AGAIN.first().copied(),
                Ended::Unavailable { .. } => Some(LOOK_AGAIN),
                Ended::Declined => Some(ASK_AGAIN),
                _ => None,
            };
            match alone {
                Some(span) => drop(self.alone.insert(place, self.now + span)),
                None => drop(self.alone.remove(&place)),
            }
        }
        self.handle(Input::Ended(ended));
    }

    /// How such an order can end.
    fn ended(&self, order: &Order, how: How) -> Ended {
        match (how, order) {
            (How::Failing, _) => Ended::Failed { why: "no luck".into() },
            (How::Declining, Order::Distribute { .. } | Order::Restart { .. }) => Ended::Declined,
            (How::Unavailable, Order::Distribute { .. }) => {
                Ended::Unavailable { why: "no luck".into() }
            }
            (How::Drifting(drift), Order::Verify { .. }) => {
                Ended::Verified { drift, restart: None }
            }
            (_, Order::Verify { .. }) => Ended::Verified { drift: 0, restart: None },
            (_, Order::Uninstall { .. }) => Ended::Uninstalled { restart: None },
            (_, Order::Restart { .. }) => Ended::Restarting,
            (how, Order::Distribute { application, .. }) => {
                let version = self.keeper.wish(*application).map_or(1, |wish| wish.version);
                let restart = if let How::Well(restart) = how { restart } else { None };
                Ended::InPlace { version, restart }
            }
        }
    }

    /// What holds whatever happened.
    fn check(&self) {
        let timeout = self.keeper.poll_timeout(self.now);
        assert!(
            timeout.as_ref().is_none_or(|(due, _)| *due > self.now),
            "{timeout:?} in {self:#?}"
        );
        let standings = self.keeper.standings(self.now);
        let places: BTreeSet<_> =
            standings.iter().map(|one| (one.application, one.part.clone())).collect();
        assert_eq!(places.len(), standings.len(), "one standing for each part: {standings:#?}");
        let at_work = |one: &&Standing| matches!(one.state, State::InProgress(_));
        assert!(standings.iter().filter(at_work).count() <= 1, "{standings:#?}");
    }

    /// From here everything goes well and nobody comes or goes, for a week.
    fn settle(&mut self) {
        let week = self.now + Span::from_secs(7 * 24 * 3_600);
        for _ in 0..STEPS_MAX {
            self.act(Act::Order);
            if self.order.is_some() {
                self.act(Act::End(How::Well(None)));
                continue;
            }
            match self.keeper.poll_timeout(self.now) {
                Some((due, _)) if due < week => self.now = due,
                _ => return self.now = week,
            }
            // Who is woken has something to do, or knows of something later.
            self.check();
        }
        panic!("it never rests: {self:#?}");
    }
}

fn place(order: &Order) -> Option<Place> {
    order.place().map(|(id, part)| (id, part.clone()))
}

/// Whether the machine's part comes by itself: ahead, or because somebody is there who may use it;
/// so must what it needs.
fn comes(keeper: &Keeper, wish: &Wish) -> bool {
    let used = keeper.users.iter().any(|user| wish.users.include(user));
    let is_ahead = wish.pre_install == PreInstall::AsSoonAsAssociated;
    let needed = wish.needs.iter().filter_map(|need| keeper.wish(need.application));
    wish.is_ready && (used || is_ahead) && needed.into_iter().all(|needed| comes(keeper, needed))
}

proptest! {
    #[test]
    fn one_order_at_a_time_none_too_early_and_no_time_that_is_past(
        keeper in opened(),
        acts in prop::collection::vec(act(), 0..60),
    ) {
        let mut scene = Scene::new(keeper);
        scene.check();
        acts.into_iter().for_each(|act| scene.act(act));
    }

    #[test]
    fn when_nothing_fails_any_more_everything_wanted_is_in_place(
        keeper in opened(),
        acts in prop::collection::vec(act(), 0..40),
        wishes in set(),
        how in how(),
        last in any::<Index>(),
    ) {
        let mut scene = Scene::new(keeper);
        let last = last.index(acts.len() + 1);
        acts.into_iter().take(last).for_each(|act| scene.act(act));
        scene.act(Act::End(how));
        scene.act(Act::Want(wishes));
        scene.settle();
        let keeper = &scene.keeper;
        let is_in_place = |wish: &Wish, part: Part| {
            let held = keeper.held.get(&(wish.application, part));
            held.is_some_and(|held| held.version >= wish.version)
        };
        for wish in keeper.wishes.iter().filter(|wish| comes(keeper, wish)) {
            prop_assert!(is_in_place(wish, Part::Machine), "{wish:#?} in {scene:#?}");
            for user in keeper.users.iter().filter(|user| wish.users.include(user)) {
                prop_assert!(is_in_place(wish, Part::User(user.clone())), "{wish:#?} {scene:#?}");
            }
        }
        let is_wanted =
            |(id, part): &Place| keeper.wish(*id).is_some_and(|wish| wish.is_of(part));
        let is_reached = |part: &Part| match part {
            Part::Machine => true,
            Part::User(user) => keeper.users.contains(user),
        };
        for (place, held) in &keeper.held {
            let stays = is_wanted(place) || !is_reached(&place.1);
            prop_assert!(stays || !held.uninstall_when_unassociated, "{place:?} in {scene:#?}");
        }
    }

    /// The one thing a part is asked about when it is wanted no longer is what its last wish said.
    #[test]
    fn what_goes_is_what_the_last_set_said_that_it_was_in(
        keeper in opened(),
        acts in prop::collection::vec(act(), 0..60),
    ) {
        let mut scene = Scene::new(keeper);
        let said = scene.keeper.held.iter();
        let mut said: BTreeMap<Place, bool> =
            said.map(|(place, held)| (place.clone(), held.uninstall_when_unassociated)).collect();
        for act in acts {
            if let Act::Want(wishes) = &act {
                for wish in wishes {
                    let users = USERS.iter().map(|user| Part::User((*user).to_owned()));
                    let parts = users.chain([Part::Machine]).filter(|part| wish.is_of(part));
                    said.extend(parts.map(|part| ((wish.application, part), wish.uninstall)));
                }
            }
            scene.act(act);
            for (place, held) in &scene.keeper.held {
                prop_assert_eq!(Some(&held.uninstall_when_unassociated), said.get(place));
            }
        }
    }
}
