//! Orders in their order, and what they wait for.

use jiff::civil::{date, time};

use super::*;
use crate::{Clock, Dates, PreInstall, When};

fn id(n: u8) -> ApplicationId {
    ApplicationId::from_bytes([n; 16])
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

fn wish(n: u8) -> Wish {
    Wish {
        application: id(n),
        version: 1,
        pre_install: PreInstall::AsSoonAsAssociated,
        users: Users::Everyone,
        always: false,
        needs: Vec::new(),
        supersedes: Vec::new(),
        verify: None,
        uninstall: false,
        is_ready: true,
    }
}

fn held(n: u8, part: Part) -> Held {
    Held {
        application: id(n),
        part,
        version: 1,
        verified_at: at(0),
        drift: 0,
        uninstall_when_unassociated: false,
    }
}

fn keeper(held: Vec<Held>, users: &[&str]) -> Keeper {
    let users = users.iter().map(|user| (*user).to_owned()).collect();
    open(Known { held, users, ..Known::default() })
}

fn open(known: Known) -> Keeper {
    Keeper::open(ComputerId::from_bytes([9; 16]), TimeZone::UTC, known)
}

fn user(name: &str) -> Part {
    Part::User(name.to_owned())
}

fn distribute(n: u8, part: Part) -> Option<Order> {
    Some(Order::Distribute { application: id(n), part })
}

fn uninstall(n: u8, part: Part) -> Option<Order> {
    Some(Order::Uninstall { application: id(n), part })
}

fn done(keeper: &mut Keeper, now: Timestamp) {
    keeper.handle(Input::Ended(Ended::InPlace { version: 1, restart: None }), now);
}

#[test]
fn dependencies_come_first_and_the_machine_before_its_users() {
    let mut keeper = keeper(vec![], &["ada"]);
    let needs = vec![Needs { application: id(2), continue_if_it_fails: false }];
    keeper.handle(Input::Wanted(vec![Wish { needs, ..wish(1) }, wish(2)]), at(0));
    for (n, part) in [(2, Part::Machine), (2, user("ada")), (1, Part::Machine), (1, user("ada"))] {
        assert_eq!(keeper.poll_order(at(1)), distribute(n, part.clone()));
        assert_eq!(keeper.poll_order(at(1)), None, "one at a time");
        done(&mut keeper, at(1));
    }
    assert_eq!(keeper.poll_order(at(1)), None);
    assert_eq!(keeper.poll_timeout(at(1)), None);
}

#[test]
fn what_failed_is_tried_again_later_and_does_not_hold_up_others() {
    let mut keeper = keeper(vec![], &[]);
    let continue_if_it_fails = true;
    let needs = vec![Needs { application: id(1), continue_if_it_fails }];
    let strict = vec![Needs { application: id(1), continue_if_it_fails: false }];
    let wishes = vec![wish(1), Wish { needs, ..wish(2) }, Wish { needs: strict, ..wish(3) }];
    keeper.handle(Input::Wanted(wishes), at(0));
    assert_eq!(keeper.poll_order(at(0)), distribute(1, Part::Machine));
    keeper.handle(Input::Ended(Ended::Failed { why: "the disk is full".into() }), at(0));
    assert_eq!(keeper.poll_order(at(0)), distribute(2, Part::Machine));
    done(&mut keeper, at(0));
    assert_eq!(keeper.poll_order(at(0)), None);
    let (until, why) = keeper.poll_timeout(at(0)).unwrap();
    assert_eq!((until, why), (at(60), Why::Failed("the disk is full".into())));
    let standings = keeper.standings(at(0));
    assert_eq!(standings[0].last_error.as_deref(), Some("the disk is full"));
    assert_eq!(standings[2].state, State::Waiting(Why::Dependency(id(1)), None));
    assert_eq!(keeper.poll_order(at(60)), distribute(1, Part::Machine));
    keeper.handle(Input::Ended(Ended::Failed { why: "again".into() }), at(60));
    assert_eq!(keeper.poll_timeout(at(60)).unwrap().0, at(60 + 300));
    keeper.handle(Input::Hurry(Some(id(1))), at(61));
    assert_eq!(keeper.poll_order(at(61)), distribute(1, Part::Machine));
}

#[test]
fn users_parts_wait_for_their_log_on() {
    let mut keeper = keeper(vec![held(1, Part::Machine), held(1, user("bob"))], &[]);
    let named = Users::Named(["ada".to_owned(), "bob".to_owned()].into());
    keeper.handle(Input::Wanted(vec![Wish { users: named, always: true, ..wish(1) }]), at(0));
    assert_eq!(keeper.poll_order(at(0)), distribute(1, Part::Machine), "each time: at the start");
    done(&mut keeper, at(0));
    assert_eq!(keeper.poll_order(at(0)), None);
    for name in ["ada", "bob"] {
        keeper.handle(Input::LoggedOn(name.into()), at(1));
        assert_eq!(keeper.poll_order(at(1)), distribute(1, user(name)));
        done(&mut keeper, at(1));
        assert_eq!(keeper.poll_order(at(1)), None);
    }
    keeper.handle(Input::LoggedOn("eve".into()), at(2));
    assert_eq!(keeper.poll_order(at(2)), None, "not associated with her");
    keeper.handle(Input::LoggedOff("bob".into()), at(3));
    keeper.handle(Input::LoggedOn("bob".into()), at(4));
    assert_eq!(keeper.poll_order(at(4)), distribute(1, user("bob")), "each time: at each log-on");
}

#[test]
fn what_is_no_longer_associated_goes_if_it_shall_users_parts_first() {
    let goes = |part| Held { uninstall_when_unassociated: true, ..held(1, part) };
    let stays = held(2, Part::Machine);
    let mut keeper = keeper(vec![goes(Part::Machine), goes(user("ada")), stays], &["ada"]);
    keeper.handle(Input::Wanted(vec![]), at(0));
    for part in [user("ada"), Part::Machine] {
        assert_eq!(keeper.poll_order(at(0)), uninstall(1, part));
        keeper.handle(Input::Ended(Ended::Uninstalled { restart: None }), at(0));
    }
    assert_eq!(keeper.poll_order(at(0)), None);
    assert_eq!(keeper.standings(at(0)).len(), 1);
}

#[test]
fn a_users_part_goes_with_the_association_of_that_user_while_others_keep_theirs() {
    let all = [Part::Machine, user("ada"), user("bob"), user("eve")];
    let mut keeper = keeper(all.map(|part| held(1, part)).to_vec(), &["ada", "bob"]);
    let named = |names: &[&str], uninstall| {
        let users = Users::Named(names.iter().map(|name| (*name).to_owned()).collect());
        Input::Wanted(vec![Wish { users, uninstall, ..wish(1) }])
    };
    keeper.handle(named(&["ada", "bob", "eve"], true), at(0));
    assert_eq!(keeper.poll_order(at(0)), None);
    // What the set says that is without them does not count for them.
    keeper.handle(named(&["ada"], false), at(1));
    assert_eq!(keeper.poll_order(at(1)), uninstall(1, user("bob")));
    keeper.handle(Input::Ended(Ended::Uninstalled { restart: None }), at(1));
    assert_eq!(keeper.poll_order(at(1)), None, "the others' parts stay");
    let of_eve = |keeper: &Keeper| {
        let all = keeper.standings(at(1)).into_iter();
        all.into_iter().find(|one| one.part == user("eve")).map(|one| (one.state, one.wanted))
    };
    assert_eq!(of_eve(&keeper), Some((State::Waiting(Why::LogOn, None), None)));
    keeper.handle(Input::LoggedOn("eve".into()), at(2));
    assert_eq!(keeper.poll_order(at(2)), uninstall(1, user("eve")));
    keeper.handle(Input::Ended(Ended::Uninstalled { restart: None }), at(2));
    assert_eq!(of_eve(&keeper), None);
    keeper.handle(named(&[], false), at(3));
    assert_eq!(keeper.poll_order(at(3)), None, "the last set with her says that it stays");
    let parts: Vec<_> = keeper.held().map(|held| held.part.clone()).collect();
    assert_eq!(parts, [Part::Machine, user("ada")]);
}

#[test]
fn what_is_unwanted_before_it_has_come_goes_again() {
    let mut keeper = keeper(vec![], &[]);
    keeper.handle(Input::Wanted(vec![Wish { uninstall: true, ..wish(1) }]), at(0));
    assert_eq!(keeper.poll_order(at(0)), distribute(1, Part::Machine));
    keeper.handle(Input::Wanted(vec![]), at(0));
    done(&mut keeper, at(0));
    assert_eq!(keeper.poll_order(at(0)), uninstall(1, Part::Machine));
}

#[test]
fn without_its_files_nothing_is_done_to_what_is_here_but_what_goes() {
    let bob = Held { uninstall_when_unassociated: true, ..held(1, user("bob")) };
    let mut keeper = keeper(vec![held(1, Part::Machine), bob], &["ada", "bob"]);
    let users = Users::Named(["ada".to_owned()].into());
    let verify = Some(VerifyPolicy { every: Span::from_secs(1), repair: true });
    let unready = Wish { users, verify, always: true, is_ready: false, ..wish(1) };
    keeper.handle(Input::Wanted(vec![unready]), at(9));
    assert_eq!(keeper.poll_order(at(9)), uninstall(1, user("bob")));
    keeper.handle(Input::Ended(Ended::Uninstalled { restart: None }), at(9));
    assert_eq!((keeper.poll_order(at(9)), keeper.poll_timeout(at(9))), (None, None));
}

#[test]
fn a_larger_version_is_distributed_and_trouble_with_the_old_one_forgotten() {
    let mut keeper = keeper(vec![held(1, Part::Machine)], &[]);
    keeper.handle(Input::Wanted(vec![wish(1)]), at(0));
    assert_eq!(keeper.poll_order(at(0)), None);
    keeper.handle(Input::Wanted(vec![Wish { version: 2, ..wish(1) }]), at(0));
    assert_eq!(keeper.poll_order(at(0)), distribute(1, Part::Machine));
    keeper.handle(Input::Ended(Ended::Unavailable { why: "os.family is linux".into() }), at(0));
    assert_eq!(keeper.poll_order(at(1)), None);
    keeper.handle(Input::Wanted(vec![Wish { version: 3, ..wish(1) }]), at(2));
    assert_eq!(keeper.poll_order(at(2)), distribute(1, Part::Machine));
}

#[test]
fn it_is_looked_at_again_as_the_policy_says() {
    let verify = Some(VerifyPolicy { every: Span::from_secs(3_600), repair: true });
    let mut keeper = keeper(vec![held(1, Part::Machine)], &[]);
    keeper.handle(Input::Wanted(vec![Wish { verify, ..wish(1) }]), at(0));
    assert_eq!(keeper.poll_order(at(10)), None);
    assert_eq!(keeper.poll_timeout(at(10)), Some((at(3_600), Why::NextVerify)));
    let order = Order::Verify { application: id(1), part: Part::Machine, repair: true };
    assert_eq!(keeper.poll_order(at(3_600)), Some(order));
    keeper.handle(Input::Ended(Ended::Verified { drift: 2, restart: None }), at(3_700));
    assert_eq!(keeper.standings(at(3_700))[0].drift, 2);
    assert_eq!(keeper.poll_timeout(at(3_700)).unwrap().0, at(7_300));
}

#[test]
fn restarts_come_last_and_may_be_put_off() {
    let mut keeper = keeper(vec![], &["ada"]);
    let users = Users::Named(BTreeSet::new());
    keeper.handle(
        Input::Wanted(vec![Wish { users: users.clone(), ..wish(1) }, Wish { users, ..wish(2) }]),
        at(0),
    );
    for (n, restart) in [(1, Restart::Due { ask: true }), (2, Restart::Awaited)] {
        assert_eq!(keeper.poll_order(at(0)), distribute(n, Part::Machine));
        let ended = Ended::InPlace { version: 1, restart: Some(restart) };
        keeper.handle(Input::Ended(ended), at(0));
    }
    let restart = Order::Restart { because: vec![id(1)], ask: true };
    assert_eq!(keeper.poll_order(at(0)), Some(restart.clone()));
    keeper.handle(Input::Ended(Ended::Declined), at(0));
    assert_eq!(keeper.poll_order(at(1)), None);
    let pending: Vec<bool> =
        keeper.standings(at(1)).iter().map(|standing| standing.restart_pending).collect();
    assert_eq!(pending, [true, true], "also where nobody but a person restarts it");
    assert_eq!(keeper.poll_order(at(24 * 3_600)), Some(restart));
    assert_eq!(keeper.poll_timeout(at(24 * 3_600)), None, "it is being asked for");
    keeper.handle(Input::Ended(Ended::Restarting), at(24 * 3_600));
    assert_eq!(keeper.poll_order(at(24 * 3_600)), None);
    assert!(keeper.standings(at(24 * 3_600))[0].restart_pending, "until the machine has been");
}

#[test]
fn a_restart_that_is_needed_outlives_the_agent() {
    let known = |restart, restart_put_off| Known {
        held: vec![held(1, Part::Machine)],
        restarts: [(id(1), restart)].into(),
        restart_put_off,
        ..Known::default()
    };
    let mut keeper = open(known(Restart::Due { ask: true }, Some(at(50))));
    keeper.handle(Input::Wanted(vec![wish(1)]), at(0));
    assert!(keeper.standings(at(0))[0].restart_pending);
    assert_eq!(keeper.poll_order(at(0)), None);
    assert_eq!(keeper.poll_timeout(at(0)), Some((at(50), Why::RestartDeclined)));
    let restart = Order::Restart { because: vec![id(1)], ask: false };
    assert_eq!(keeper.poll_order(at(50)), Some(restart), "nobody is there to be asked");
    let mut keeper = open(known(Restart::Awaited, None));
    keeper.handle(Input::Wanted(vec![wish(1)]), at(0));
    assert!(keeper.standings(at(0))[0].restart_pending);
    assert_eq!(keeper.poll_order(at(0)), None);
}

#[test]
fn what_is_not_installed_ahead_waits_for_a_user() {
    let mut keeper = keeper(vec![], &[]);
    keeper.handle(Input::Wanted(vec![Wish { pre_install: PreInstall::No, ..wish(1) }]), at(0));
    assert_eq!(keeper.poll_order(at(0)), None);
    assert_eq!(keeper.standings(at(0))[0].state, State::Waiting(Why::FirstUse, None));
    keeper.handle(Input::LoggedOn("ada".into()), at(1));
    assert_eq!(keeper.poll_order(at(1)), distribute(1, Part::Machine));
}

#[test]
fn a_clock_that_was_ahead_holds_nothing_up_once_it_is_right() {
    let year = 365 * 24 * 3_600;
    let verify = Some(VerifyPolicy { every: Span::from_secs(60), repair: false });
    let here = Held { verified_at: at(year), ..held(2, Part::Machine) };
    let mut keeper = keeper(vec![here], &[]);
    keeper.handle(Input::Wanted(vec![wish(1), Wish { verify, ..wish(2) }]), at(year));
    assert_eq!(keeper.poll_order(at(year)), distribute(1, Part::Machine));
    keeper.handle(Input::Ended(Ended::Failed { why: "no luck".into() }), at(year));
    assert_eq!(keeper.poll_order(at(year)), None);
    assert_eq!(keeper.poll_order(at(0)), distribute(1, Part::Machine));
    let restart = Some(Restart::Due { ask: false });
    keeper.handle(Input::Ended(Ended::InPlace { version: 1, restart }), at(0));
    let verify = Order::Verify { application: id(2), part: Part::Machine, repair: false };
    assert_eq!(keeper.poll_order(at(0)), Some(verify));
    keeper.handle(Input::Ended(Ended::Verified { drift: 0, restart: None }), at(0));
    let restart = Some(Order::Restart { because: vec![id(1)], ask: false });
    assert_eq!(keeper.poll_order(at(1)), restart);
    keeper.handle(Input::Ended(Ended::Declined), at(year));
    assert_eq!(keeper.poll_order(at(2)), restart);
}

#[test]
fn what_another_one_has_taken_the_place_of_does_not_come() {
    let mut keeper = keeper(vec![held(1, Part::Machine), held(1, user("ada"))], &["ada"]);
    let successor = Wish { supersedes: vec![id(1)], ..wish(2) };
    keeper.handle(Input::Wanted(vec![wish(1), successor]), at(0));
    assert_eq!(keeper.poll_order(at(0)), distribute(2, Part::Machine));
    // Whoever carries it out takes the other one away first.
    done(&mut keeper, at(0));
    keeper.handle(Input::OnRecord([(id(2), Part::Machine)].into()), at(0));
    assert_eq!(keeper.poll_order(at(0)), distribute(2, user("ada")));
    done(&mut keeper, at(0));
    assert_eq!(keeper.poll_order(at(0)), None);
    let standings = keeper.standings(at(0));
    assert_eq!((standings[0].application, standings[0].installed), (id(1), None));
    assert_eq!(standings[0].state, State::Waiting(Why::Superseded(id(2)), None));
    keeper.handle(Input::Wanted(vec![wish(1)]), at(0));
    assert_eq!(keeper.poll_order(at(0)), distribute(1, Part::Machine));
}

#[test]
fn a_schedule_is_kept_by_the_machines_own_clock_and_what_it_missed_waits_for_a_user() {
    let rome = TimeZone::get("Europe/Rome").unwrap();
    let when = When {
        dates: Dates::Days(vec![date(1970, 1, 2)]),
        from: time(9, 0, 0, 0),
        until: Some(time(10, 0, 0, 0)),
        spread_minutes: 0,
        clock: Clock::Local,
    };
    let pre_install = PreInstall::Scheduled(when);
    let hour = |hours: i64| at(hours * 3_600);
    let opened = || {
        let computer = ComputerId::from_bytes([9; 16]);
        let mut keeper = Keeper::open(computer, rome.clone(), Known::default());
        let pre_install = pre_install.clone();
        keeper.handle(Input::Wanted(vec![Wish { pre_install, ..wish(1) }]), hour(0));
        keeper
    };
    let mut keeper = opened();
    assert_eq!(keeper.poll_order(hour(31)), None);
    assert_eq!(keeper.poll_timeout(hour(31)), Some((hour(32), Why::Schedule)));
    assert_eq!(keeper.poll_order(hour(32)), distribute(1, Part::Machine));
    let mut keeper = opened();
    assert_eq!(keeper.poll_order(hour(33)), None);
    assert_eq!(keeper.standings(hour(33))[0].state, State::Waiting(Why::ScheduleOver, None));
    keeper.handle(Input::LoggedOn("ada".into()), hour(34));
    assert_eq!(keeper.poll_order(hour(34)), distribute(1, Part::Machine));
}

/// Two with one name and one version are two, where their ids differ.
#[test]
fn another_id_is_another_application() {
    let mut keeper = keeper(vec![held(1, Part::Machine)], &[]);
    keeper.handle(Input::Wanted(vec![wish(2)]), at(0));
    assert_eq!(keeper.poll_order(at(0)), distribute(2, Part::Machine));
}
