//! Targets without agent: their runs stay at the server, and what is done on them is ordered there.

#![allow(clippy::unwrap_used, reason = "a test ends there")]

use std::collections::BTreeMap;
use std::sync::Arc;

use deployment::{Schedule, Scope};
use model::{ComputerId, DeploymentId, Outcome, RunId, Timestamp};
use travel::{
    Case, Effect, Giver, GiverInput, GiverOrder, GiverWrite, KeptRun, NewDeployment, NewTarget,
    Permit, Reach, ThereOrder, ToAgent,
};
use trust::{Leaf, SigningKey, TargetTree};
use workflow::{
    Activity, Command, Control, EffectId, Event, Execute, FolderList, Kind, Logging, OneRename,
    Report, Template, Visibility, Workflow,
};

const COMPUTER: fn() -> ComputerId = || ComputerId::from_bytes([1; 16]);
const RUN: fn() -> RunId = || RunId::from_bytes([2; 16]);
const DEPLOYMENT: fn() -> DeploymentId = || DeploymentId::from_bytes([3; 16]);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000 + seconds * 1_000)
}

fn text(text: &str) -> Template {
    Template::new(text).unwrap()
}

/// Folders on the target, a file renamed on the server, a command on the target.
fn workflow() -> Workflow {
    let activity = |kind: Kind, next: &[&str]| {
        let next = next.iter().map(|name| name.parse().unwrap()).collect();
        let on = BTreeMap::from([(Event::Ok, next)]);
        Activity { description: String::new(), timeout: None, kind, on }
    };
    let folders = FolderList::Joined(text("/opt/a"));
    let folders = Kind::CreateFolders { folders, on_server: false };
    let (current, new) = (text("a"), text("b"));
    let rename = OneRename { current, new, replace: false, force: false, on_server: true };
    let execute = Kind::Execute(Execute {
        command: Command::Shell(text("true")),
        folder: None,
        synchronous: true,
        log: Logging::Errors,
        visibility: Visibility::Default,
        environment: BTreeMap::new(),
    });
    let done = Kind::Success { message: Some(text("{{ agent.present }}")) };
    let activities = BTreeMap::from([
        ("folders".parse().unwrap(), activity(folders, &["rename"])),
        ("rename".parse().unwrap(), activity(Kind::Rename(rename), &["command"])),
        ("command".parse().unwrap(), activity(execute, &["done"])),
        ("done".parse().unwrap(), Activity { on: BTreeMap::new(), ..activity(done, &[]) }),
    ]);
    Workflow {
        name: "w".into(),
        description: String::new(),
        start_on_presence: false,
        start: "folders".parse().unwrap(),
        variables: BTreeMap::new(),
        activities,
    }
}

/// One server, and what it made durable.
struct Server {
    giver: Giver,
    frames: Vec<Vec<u8>>,
    effects: BTreeMap<EffectId, Effect>,
    orders: Vec<GiverOrder>,
}

fn leaf() -> Leaf {
    let key = SigningKey::from_seed(&[9; 32]).verifying_key();
    Leaf { computer: COMPUTER(), key, told: BTreeMap::new() }
}

/// What begins at an agent waits for it; what is done over SSH does not.
const SCHEDULE: Schedule = Schedule { start: None, stop: None, needs_agent: true };

impl Server {
    fn new() -> Self {
        let (giver, _) = Giver::open([], [], 10, at(0));
        let (frames, orders) = (Vec::new(), Vec::new());
        let mut server = Self { giver, frames, effects: BTreeMap::new(), orders };
        let target = NewTarget {
            computer: COMPUTER(),
            run: RUN(),
            leaf: leaf().encode(),
            reach: Reach::Ssh,
        };
        server.tell(GiverInput::Deploy(Box::new(NewDeployment {
            id: DEPLOYMENT(),
            schedule: SCHEDULE,
            workflow: Arc::new(workflow()),
            definition: b"definition".as_slice().into(),
            variables: Arc::default(),
            warrant: Arc::from([]),
            tree: TargetTree::new(vec![leaf().digest()]).unwrap(),
            targets: vec![target],
        })));
        server
    }

    fn tell(&mut self, input: GiverInput) {
        self.giver.handle(input, at(1));
        self.drain();
    }

    fn drain(&mut self) {
        for write in self.giver.take_writes() {
            match write {
                GiverWrite::Journal { frame, .. } => self.frames.push(frame),
                GiverWrite::Effect { effect, call, report } => {
                    let now = report.map_or(Effect::Begun(call), Effect::Ended);
                    self.effects.insert(effect, now);
                }
                _ => {}
            }
        }
        self.orders.extend(std::iter::from_fn(|| self.giver.poll_order()));
    }

    /// Opens again from what is durable.
    fn again(&mut self, doing: &BTreeMap<EffectId, Option<Report>>) {
        self.orders.clear();
        let kept = KeptRun {
            run: RUN(),
            computer: COMPUTER(),
            warrant: 0,
            index: 0,
            leaf: leaf().encode(),
            reach: Reach::Ssh,
            is_replaced: false,
            frames: self.frames.clone(),
        };
        let case = Case {
            id: DEPLOYMENT(),
            schedule: SCHEDULE,
            variables: Arc::default(),
            warrants: vec![Permit {
                copy: 1,
                workflow: Arc::new(workflow()),
                definition: b"definition".as_slice().into(),
                envelope: Arc::from([]),
                tree: TargetTree::new(vec![leaf().digest()]).unwrap(),
                needs_agent: false,
            }],
            records: vec![],
            runs: vec![kept],
        };
        let (giver, aside) = Giver::open_again([case], self.effects.clone(), doing, 10, at(2));
        assert!(aside.is_empty(), "{aside:?}");
        self.giver = giver;
        self.drain();
    }

    /// The one thing that was begun since this was last asked, and where.
    fn begun(&mut self) -> (EffectId, String) {
        let orders = std::mem::take(&mut self.orders);
        let mut begun = orders.into_iter().filter_map(|order| match order {
            GiverOrder::Begin { effect, activity, .. } => Some((effect, activity.to_string())),
            GiverOrder::There { order: ThereOrder::Begin { effect, activity, .. }, .. } => {
                Some((effect, format!("there: {activity}")))
            }
            GiverOrder::There { order: ThereOrder::Recover { effect }, .. } => {
                Some((effect, "there: recover".to_owned()))
            }
            _ => None,
        });
        let first = begun.next().expect("something begins");
        assert_eq!(begun.next(), None);
        first
    }

    fn ended(&mut self, effect: EffectId, event: Event) {
        self.tell(GiverInput::Ended { effect, report: Report::of(event) });
    }

    fn outcome(&self) -> Option<(Outcome, Option<String>)> {
        let outcome = self.giver.run(RUN()).unwrap().state().outcome();
        outcome.map(|(outcome, reason)| (outcome, reason.map(str::to_owned)))
    }

    fn until_the_command(&mut self) -> EffectId {
        for place in ["there: folders", "rename"] {
            let (effect, name) = self.begun();
            assert_eq!(name, place);
            self.ended(effect, Event::Ok);
        }
        let (effect, name) = self.begun();
        assert_eq!(name, "there: command");
        effect
    }
}

#[test]
fn a_run_without_agent_goes_its_way_at_the_server() {
    let mut server = Server::new();
    let command = server.until_the_command();
    assert_eq!(server.giver.view(RUN(), at(1)).unwrap().owner, "server");
    server.ended(command, Event::Exit(0));
    assert_eq!(server.outcome(), Some((Outcome::Success, Some("false".into()))));
    server.ended(command, Event::Error);
    assert_eq!(server.outcome().unwrap().0, Outcome::Success);
}

#[test]
fn a_server_that_died_does_again_what_may_be_done_again_and_nothing_else() {
    let mut server = Server::new();
    let (folders, _) = server.begun();
    server.again(&BTreeMap::new());
    assert_eq!(server.begun(), (folders, "there: folders".into()));
    server.ended(folders, Event::Ok);
    let (rename, _) = server.begun();
    server.ended(rename, Event::Ok);
    let (command, _) = server.begun();
    server.again(&BTreeMap::new());
    assert_eq!(server.begun(), (command, "there: recover".into()));
    server.ended(command, Event::Interrupted);
    assert_eq!(server.outcome().unwrap().0, Outcome::Failure);
}

#[test]
fn an_end_that_was_not_durable_is_told_once_more() {
    let mut server = Server::new();
    let command = server.until_the_command();
    server.again(&BTreeMap::from([(command, Some(Report::of(Event::Exit(0))))]));
    assert!(!server.orders.iter().any(|order| matches!(order, GiverOrder::There { .. })));
    assert_eq!(server.outcome().unwrap().0, Outcome::Success);
}

#[test]
fn people_end_such_a_run_at_once() {
    for is_lost in [false, true] {
        let mut server = Server::new();
        let command = server.until_the_command();
        let (deployment, scope, by) = (DEPLOYMENT(), Scope::All, "ann".to_owned());
        server.tell(if is_lost {
            GiverInput::CloseLost { deployment, scope, by }
        } else {
            GiverInput::Control { deployment, scope, control: Control::Abort, by }
        });
        let order = ThereOrder::Interrupt { effect: command };
        assert!(server.orders.contains(&GiverOrder::There { computer: COMPUTER(), order }));
        server.ended(command, Event::Interrupted);
        let expect = if is_lost { Outcome::Lost } else { Outcome::Aborted };
        assert_eq!(server.outcome().unwrap().0, expect);
    }
}

#[test]
fn an_agent_that_is_there_meanwhile_has_no_part_in_it() {
    let mut server = Server::new();
    let command = server.until_the_command();
    let (computer, session) = (COMPUTER(), 1);
    server.tell(GiverInput::Connected { computer, session, holdings: vec![] });
    server.tell(GiverInput::Disconnected { computer, session });
    assert_eq!(server.outcome(), None);
    server.tell(GiverInput::Connected { computer, session: 2, holdings: vec![] });
    let is_told = |order: &GiverOrder| {
        matches!(order, GiverOrder::Send { message: ToAgent::Give(_) | ToAgent::Fenced { .. }, .. })
    };
    assert!(!server.orders.iter().any(is_told));
    server.ended(command, Event::Exit(0));
    assert_eq!(server.outcome().unwrap().0, Outcome::Success);
}
