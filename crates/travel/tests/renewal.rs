//! Targets that begin anew under another warrant: all or none, and the same after reopening.

#![allow(clippy::unwrap_used, reason = "a test ends there")]

use std::collections::BTreeMap;
use std::sync::Arc;

use deployment::{Schedule, Scope};
use model::{ComputerId, DeploymentId, Outcome, RunId, Timestamp};
use travel::{
    Case, Giver, GiverInput, GiverWrite, KeptRun, NewDeployment, NewTarget, Permit, Reach, Renewal,
    Stale,
};
use trust::{Leaf, SigningKey, TargetTree};
use workflow::{Activity, Control, Execute, Kind, Logging, Template, Visibility, Workflow};

const ID: fn() -> DeploymentId = || DeploymentId::from_bytes([3; 16]);
const SCHEDULE: Schedule = Schedule { start: None, stop: None, needs_agent: true };

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

fn computer(number: u8) -> ComputerId {
    ComputerId::from_bytes([number; 16])
}

fn run(number: u8) -> RunId {
    RunId::from_bytes([number; 16])
}

fn workflow(name: &str) -> Arc<Workflow> {
    let kind = Kind::Execute(Execute {
        command: workflow::Command::Shell(Template::new("true").unwrap()),
        folder: None,
        synchronous: true,
        log: Logging::Errors,
        visibility: Visibility::Default,
        environment: BTreeMap::new(),
    });
    let work = Activity { description: String::new(), timeout: None, kind, on: BTreeMap::new() };
    Arc::new(Workflow {
        name: name.into(),
        description: String::new(),
        start_on_presence: false,
        start: "work".parse().unwrap(),
        variables: BTreeMap::new(),
        activities: BTreeMap::from([("work".parse().unwrap(), work)]),
    })
}

fn leaf(number: u8) -> Leaf {
    let key = SigningKey::from_seed(&[number; 32]).verifying_key();
    Leaf { computer: computer(number), key, told: BTreeMap::new() }
}

fn target(number: u8, run_number: u8) -> NewTarget {
    NewTarget {
        computer: computer(number),
        run: run(run_number),
        leaf: leaf(number).encode(),
        reach: Reach::Agent,
    }
}

fn permit(copy: u64, numbers: &[u8]) -> Permit {
    Permit {
        copy,
        workflow: workflow(&format!("copy {copy}")),
        definition: Arc::from([]),
        envelope: Arc::from([]),
        tree: TargetTree::new(numbers.iter().map(|number| leaf(*number).digest()).collect())
            .unwrap(),
        needs_agent: true,
    }
}

fn renewal(number: usize, targets: Vec<NewTarget>) -> Renewal {
    let numbers: Vec<u8> = targets.iter().map(|target| target.computer.as_bytes()[0]).collect();
    let permit = permit(2, &numbers);
    Renewal { deployment: ID(), permit, number, stop: None, by: "ann".into(), targets }
}

/// Two targets that have not begun, as their agents are away.
fn pending() -> Giver {
    let (mut giver, _) = Giver::open([], [], 10, at(0));
    let Permit { workflow, definition, envelope, tree, .. } = permit(1, &[1, 2]);
    let new = NewDeployment {
        id: ID(),
        schedule: SCHEDULE,
        workflow,
        definition,
        variables: Arc::default(),
        warrant: envelope,
        tree,
        targets: vec![target(1, 1), target(2, 2)],
    };
    giver.handle(GiverInput::Deploy(Box::new(new)), at(0));
    giver.take_writes();
    giver
}

#[test]
fn nothing_is_done_when_the_deployment_has_gone_on_meanwhile() {
    let mut giver = pending();
    for wrong in [
        renewal(1, vec![target(1, 1)]),
        renewal(3, vec![target(1, 1)]),
        // A pending target keeps its run.
        renewal(2, vec![target(1, 1), target(2, 9)]),
        renewal(2, vec![target(7, 7)]),
    ] {
        assert_eq!(giver.renew(wrong, at(1)), Err(Stale));
        assert!(giver.take_writes().is_empty());
        assert_eq!(giver.targets(ID()).unwrap().1, 1);
    }
    assert_eq!(giver.copy_of(run(1)), Some(1));
}

#[test]
fn ended_and_pending_targets_begin_anew_and_stay_so_after_reopening() {
    let mut giver = pending();
    let scope = Scope::Some([computer(1)].into());
    let (deployment, control) = (ID(), Control::Abort);
    let abort = GiverInput::Control { deployment, scope, control, by: "ann".into() };
    giver.handle(abort, at(1));
    let mut writes = giver.take_writes();
    giver.renew(renewal(2, vec![target(1, 11), target(2, 2)]), at(2)).unwrap();
    writes.extend(giver.take_writes());

    let check = |giver: &Giver| {
        let copies = [run(1), run(11), run(2)].map(|run| giver.copy_of(run));
        assert_eq!(copies, [Some(1), Some(2), Some(2)]);
        let old = giver.view(run(1), at(3)).unwrap();
        assert_eq!((old.is_replaced, old.outcome), (true, Some(Outcome::NotBegun)));
        let views = giver.views(ID(), at(3));
        let runs: Vec<RunId> = views.iter().map(|view| view.run).collect();
        assert_eq!(runs, [run(11), run(2)]);
        assert!(views.iter().all(|view| view.phase == "pending" && !view.is_replaced));
        let name = giver.run(run(11)).unwrap().workflow().name.clone();
        assert_eq!(name, "copy 2");
    };
    check(&giver);

    let (mut frames, mut records) = (Vec::new(), Vec::new());
    for write in writes {
        match write {
            GiverWrite::Journal { run: of, frame, .. } if of == run(1) => frames.push(frame),
            GiverWrite::DeploymentRecord { bytes, .. } => {
                records.push(deployment::decode_record(&bytes).unwrap());
            }
            _ => {}
        }
    }
    let kept = |number: u8, of: u8, warrant, is_replaced, frames| KeptRun {
        run: run(of),
        computer: computer(number),
        warrant,
        index: u32::from(number) - 1,
        leaf: leaf(number).encode(),
        reach: Reach::Agent,
        is_replaced,
        frames,
    };
    let case = Case {
        id: ID(),
        schedule: SCHEDULE,
        variables: Arc::default(),
        warrants: vec![permit(1, &[1, 2]), permit(2, &[1, 2])],
        records,
        runs: vec![
            kept(1, 11, 1, false, Vec::new()),
            kept(2, 2, 1, false, Vec::new()),
            kept(1, 1, 0, true, frames),
        ],
    };
    let (mut again, aside) = Giver::open([case], [], 10, at(3));
    assert!(aside.is_empty(), "{aside:?}");
    check(&again);
    // The abort from before was not for the run that begins now.
    let (computer, session, holdings) = (computer(1), 1, Vec::new());
    again.handle(GiverInput::Connected { computer, session, holdings }, at(4));
    let view = again.view(run(11), at(4)).unwrap();
    assert_eq!((view.owner, view.outcome), ("giving", None));
}
