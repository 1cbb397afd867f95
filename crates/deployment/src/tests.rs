//! Dates, orders and readiness of a deployment's targets.

use super::*;

const AT: fn(i64) -> Timestamp = Timestamp::from_millis;

fn computer(n: u8) -> ComputerId {
    ComputerId::from_bytes([n; 16])
}

fn run(n: u8) -> RunId {
    RunId::from_bytes([n; 16])
}

fn schedule() -> Schedule {
    Schedule { start: None, stop: None, needs_agent: true }
}

fn deployment(schedule: Schedule) -> Deployment {
    Deployment::open(schedule, (1..=3).map(|n| (computer(n), run(n), Phase::Pending)), [])
}

fn orders(deployment: &mut Deployment) -> Vec<Order> {
    std::iter::from_fn(|| deployment.poll_order()).collect()
}

#[test]
fn targets_begin_when_their_agent_is_there() {
    let mut deployment = deployment(schedule());
    assert_eq!(deployment.begin_next(AT(1)), None);
    assert_eq!(deployment.pending(computer(2), AT(1)), Some(Pending::Offline));
    deployment.handle(Input::Connected(computer(2)), AT(1));
    assert_eq!(deployment.pending(computer(2), AT(1)), Some(Pending::Slot));
    assert_eq!(deployment.begin_next(AT(1)), Some((computer(2), run(2))));
    assert_eq!(deployment.begin_next(AT(1)), None);
    assert_eq!(deployment.status(), Status::Running);
}

#[test]
fn dates_bound_the_beginning_only() {
    let dates = Schedule { start: Some(AT(10)), stop: Some(AT(20)), needs_agent: true };
    let mut deployment = deployment(dates);
    deployment.handle(Input::Connected(computer(1)), AT(1));
    assert_eq!(deployment.begin_next(AT(9)), None);
    assert_eq!(deployment.pending(computer(1), AT(9)), Some(Pending::NotBefore(AT(10))));
    assert_eq!(deployment.poll_timeout(AT(9)), Some(AT(10)));
    assert_eq!(deployment.begin_next(AT(10)), Some((computer(1), run(1))));
    deployment.handle(Input::Tick, AT(20));
    let given_up = orders(&mut deployment);
    assert_eq!(given_up.len(), 2, "{given_up:?}");
    assert_eq!(deployment.status(), Status::Running);
    deployment.handle(Input::Ended(computer(1), Outcome::Success), AT(30));
    assert_eq!(deployment.status(), Status::Ended);
}

#[test]
fn nothing_begins_at_the_stop_date_though_nobody_told_the_time() {
    let dates = Schedule { start: None, stop: Some(AT(20)), needs_agent: true };
    let mut deployment = deployment(dates);
    deployment.handle(Input::Connected(computer(1)), AT(1));
    assert_eq!(deployment.begin_next(AT(20)), None);
    assert_eq!(deployment.begin_next(AT(19)), Some((computer(1), run(1))));
}

#[test]
fn orders_reach_those_they_are_for_and_survive_reopening() {
    let mut deployment = deployment(schedule());
    deployment.handle(Input::Connected(computer(1)), AT(1));
    deployment.begin_next(AT(1));
    let scope = Scope::Some([computer(1), computer(2)].into());
    let suspend = Input::Control { scope, control: Control::Suspend, by: "ann".into() };
    deployment.handle(suspend, AT(2));
    let passed_on = orders(&mut deployment);
    assert!(matches!(passed_on.as_slice(), [Order::Control { number: 1, .. }]), "{passed_on:?}");
    let record = deployment.poll_record().unwrap();
    let record = decode_record(&encode_record(&record)).unwrap();
    let targets: Vec<_> = deployment.targets().collect();
    let mut again = Deployment::open(schedule(), targets, [record]);
    again.handle(Input::Connected(computer(2)), AT(3));
    assert_eq!(again.pending(computer(2), AT(3)), Some(Pending::Suspended));
    let resume = Input::Control { scope: Scope::All, control: Control::Resume, by: "ann".into() };
    again.handle(resume, AT(4));
    assert_eq!(again.begin_next(AT(4)), Some((computer(2), run(2))));
}

#[test]
fn abort_ends_what_is_pending_at_once() {
    let mut deployment = deployment(schedule());
    let abort = Input::Control { scope: Scope::All, control: Control::Abort, by: "ann".into() };
    deployment.handle(abort, AT(2));
    assert_eq!(orders(&mut deployment).len(), 3);
    assert_eq!(deployment.status(), Status::Ended);
}

#[test]
fn targets_that_ended_or_are_pending_begin_anew() {
    let dates = Schedule { start: None, stop: None, needs_agent: true };
    let mut deployment = deployment(dates);
    deployment.handle(Input::Connected(computer(1)), AT(1));
    assert_eq!(deployment.begin_next(AT(1)), Some((computer(1), run(1))));
    deployment.handle(Input::Ended(computer(1), Outcome::Failure), AT(2));
    let scope = Scope::Some([computer(2)].into());
    let suspend = Input::Control { scope, control: Control::Suspend, by: "ann".into() };
    deployment.handle(suspend, AT(3));
    let targets = BTreeMap::from([(computer(1), run(11)), (computer(2), run(2))]);
    let renew = Input::Renew { targets, copy: 2, needs_agent: false, by: "ann".into() };
    deployment.handle(renew, AT(4));
    assert_eq!(deployment.begin_next(AT(4)), Some((computer(1), run(11))));
    assert_eq!(deployment.begin_next(AT(4)), Some((computer(2), run(2))));
    assert_eq!(deployment.pending(computer(3), AT(4)), Some(Pending::Offline));
    let records: Vec<Record> = std::iter::from_fn(|| deployment.poll_record()).collect();
    let again: Vec<Record> =
        records.iter().map(|record| decode_record(&encode_record(record)).unwrap()).collect();
    assert_eq!(records, again);
    assert!(matches!(records[1], Record::Renewed { copy: 2, resumes: false, .. }), "{records:?}");
}

#[test]
fn a_deployment_that_ended_suspended_goes_on_when_begun_anew() {
    let mut deployment = deployment(schedule());
    for control in [Control::Suspend, Control::Abort] {
        let order = Input::Control { scope: Scope::All, control, by: "ann".into() };
        deployment.handle(order, AT(1));
    }
    assert_eq!(deployment.status(), Status::Ended);
    let targets = BTreeMap::from([(computer(1), run(11))]);
    let renew = Input::Renew { targets, copy: 2, needs_agent: false, by: "ann".into() };
    deployment.handle(renew, AT(2));
    assert_eq!(deployment.status(), Status::Running);
    assert_eq!(deployment.begin_next(AT(2)), Some((computer(1), run(11))));
    let records: Vec<Record> = std::iter::from_fn(|| deployment.poll_record()).collect();
    let targets: Vec<_> = deployment.targets().collect();
    assert_ne!(Deployment::open(schedule(), targets, records).status(), Status::Suspended);
}
