//! Every kind of activity against every fault: it fails, tells twice, dies before and after every
//! record.
//!
//! The list is complete: [`covers`] names every kind without a catch-all, so a new one does not
//! compile until it is here.

#![allow(clippy::unwrap_used, reason = "a test ends there")]

mod random;

use std::collections::{BTreeMap, BTreeSet};

use model::Outcome;
use random::{Life, kinds, name};
use workflow::{
    Activity, Event, Input, Kind, Order, Place, Record, Report, ShutdownMethod, Side, Workflow,
};

/// The kinds that these tests know.
fn covers(kind: &Kind) -> &'static str {
    match kind {
        Kind::Success { .. } => "success",
        Kind::Failure { .. } => "failure",
        Kind::Retry { .. } => "retry",
        Kind::Jump { .. } => "jump",
        Kind::Empty => "empty",
        Kind::Synchronization => "synchronization",
        Kind::Wait { .. } => "wait",
        Kind::Execute(_) => "execute",
        Kind::Upload { .. } => "upload",
        Kind::Download(_) => "download",
        Kind::Move(_) => "move",
        Kind::Copy(_) => "copy",
        Kind::Rename(_) => "rename",
        Kind::DeleteFiles { .. } => "delete_files",
        Kind::CreateFolders { .. } => "create_folders",
        Kind::DeleteFolders { .. } => "delete_folders",
        Kind::Choose { .. } => "choose",
        Kind::Impersonate(_) => "impersonate",
        Kind::Shutdown(shutdown) => match shutdown.method {
            ShutdownMethod::Restart => "restart",
            ShutdownMethod::PowerOff => "power_off",
        },
        Kind::Registry { .. } => "registry",
        Kind::Script(_) => "script",
        Kind::WakeOnLan(_) => "wake_on_lan",
        Kind::Action(_) => "action",
        Kind::Message(_) => "message",
        Kind::Application(_) => "application",
        Kind::NotYet { .. } => "not_yet",
    }
}

const KINDS: usize = 27;

/// Start goes to the activity; `ok` to `good`, anything else to `bad`.
fn around(kind: Kind) -> Workflow {
    let activity = |kind: Kind, on: &[(Event, &str)]| Activity {
        description: String::new(),
        timeout: None,
        kind,
        on: on.iter().map(|(event, to)| (event.clone(), vec![name(to)])).collect(),
    };
    let kind = if let Kind::Jump { .. } = kind { Kind::Jump { to: name("good") } } else { kind };
    let ends = matches!(
        kind,
        Kind::Success { .. } | Kind::Failure { .. } | Kind::Retry { .. } | Kind::Jump { .. }
    );
    let on: &[(Event, &str)] =
        if ends { &[] } else { &[(Event::Ok, "good"), (Event::Error, "bad")] };
    let activities = BTreeMap::from([
        (name("start"), activity(Kind::Empty, &[(Event::Ok, "it")])),
        (name("it"), activity(kind, on)),
        (name("good"), activity(Kind::Success { message: None }, &[])),
        (name("bad"), activity(Kind::Failure { message: None }, &[])),
    ]);
    Workflow {
        name: "around".into(),
        description: String::new(),
        start_on_presence: false,
        start: name("start"),
        variables: BTreeMap::new(),
        activities,
    }
}

fn is_carried_out(kind: &Kind) -> bool {
    kind.side() != Side::Any
}

fn begun() -> impl Iterator<Item = (Kind, Life)> {
    kinds().into_iter().map(|kind| (kind.clone(), Life::new(around(kind), Place::Target)))
}

fn report(life: &mut Life, event: &Event) {
    for effect in std::mem::take(&mut life.open_effects) {
        life.tell(Input::Ended { effect, report: Report::of(event.clone()) });
    }
}

#[test]
fn every_kind_is_here() {
    let known: BTreeSet<&str> = kinds().iter().map(covers).collect();
    assert_eq!(known.len(), KINDS, "{known:?}");
}

#[test]
fn it_fails() {
    for (kind, mut life) in begun() {
        if is_carried_out(&kind) {
            report(&mut life, &Event::Error);
            let outcome = life.run.state().outcome().map(|(outcome, _)| outcome);
            assert_eq!(outcome, Some(Outcome::Failure), "{}", kind.name());
        }
    }
}

#[test]
fn it_tells_twice() {
    for (kind, mut life) in begun() {
        let effects = life.open_effects.clone();
        report(&mut life, &Event::Ok);
        let journal = life.journal.clone();
        for effect in effects {
            life.tell(Input::Ended { effect, report: Report::of(Event::Error) });
        }
        assert_eq!(life.journal, journal, "{}", kind.name());
    }
}

#[test]
fn its_owner_dies_before_and_after_every_record() {
    for (kind, mut life) in begun() {
        report(&mut life, &Event::Ok);
        life.finish();
        let whole = life.journal.clone();
        for durable in 0..=whole.len() {
            let mut again = Life::new(around(kind.clone()), Place::Target);
            again.journal = whole[..durable].to_vec();
            again.now = life.now;
            again.die(durable);
            check_orders(&kind, &whole[..durable], &again);
            report(&mut again, &Event::Ok);
            again.finish();
            let outcome = again.run.state().outcome();
            assert!(outcome.is_some(), "{} stands still after {durable} records", kind.name());
        }
    }
}

/// Begun and not ended: again from the beginning where that does no harm, else only recovered.
fn check_orders(kind: &Kind, durable: &[Record], life: &Life) {
    let is_begun = matches!(durable.last(), Some(Record::Began { .. }));
    if !is_begun || !is_carried_out(kind) {
        return;
    }
    let is_again = kind.can_be_redone() || kind.side() == Side::Server;
    let (began, recovered) =
        life.orders.iter().fold((0, 0), |(began, recovered), order| match order {
            Order::Begin { .. } => (began + 1, recovered),
            Order::Recover { .. } => (began, recovered + 1),
            Order::Interrupt { .. } | Order::PowerOff { .. } => (began, recovered),
        });
    let expected = if is_again { (1, 0) } else { (0, 1) };
    assert_eq!((began, recovered), expected, "{}", kind.name());
}
