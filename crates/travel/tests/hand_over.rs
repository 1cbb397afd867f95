//! Hand-overs by hand: one server, one agent, and what must not go wrong between them.

#![allow(clippy::unwrap_used, reason = "a test ends there")]

use std::collections::BTreeMap;
use std::sync::Arc;

use deployment::{Schedule, Scope};
use model::{ComputerId, DeploymentId, Outcome, RunId, Span, Timestamp};
use travel::{
    Case, Effect, Give, Giver, GiverInput, GiverOrder, GiverWrite, Kept, KeptRun, Me,
    NewDeployment, NewTarget, Package, Permit, Reach, Taker, TakerInput, TakerOrder, TakerWrite,
    ToAgent, ToServer,
};
use trust::{Leaf, SigningKey, Spending, Spent, TargetTree, TrustDocument, Warrant};
use workflow::journal::{Chain, recover};
use workflow::{
    Activity, Command, Control, Execute, Kind, Logging, OneRename, Phase, Record, Report, Template,
    Visibility, Workflow,
};

const COMPUTER: fn() -> ComputerId = || ComputerId::from_bytes([1; 16]);
const RUN: fn() -> RunId = || RunId::from_bytes([2; 16]);
const DEPLOYMENT: fn() -> DeploymentId = || DeploymentId::from_bytes([3; 16]);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000 + seconds * 1_000)
}

/// A Wait of a minute beside one Execution.
fn workflow() -> Workflow {
    let activity = |kind: Kind, next: &[&str]| {
        let next = next.iter().map(|name| name.parse().unwrap()).collect();
        let on = BTreeMap::from([(workflow::Event::Ok, next)]);
        Activity { description: String::new(), timeout: None, kind, on }
    };
    let execute = Kind::Execute(Execute {
        command: Command::Shell(Template::new("true").unwrap()),
        folder: None,
        synchronous: true,
        log: Logging::Errors,
        visibility: Visibility::Default,
        environment: BTreeMap::new(),
    });
    let wait = Kind::Wait { duration: Template::new("60s").unwrap() };
    let activities = BTreeMap::from([
        ("start".parse().unwrap(), activity(Kind::Empty, &["work", "pause"])),
        ("work".parse().unwrap(), Activity { on: BTreeMap::new(), ..activity(execute, &[]) }),
        ("pause".parse().unwrap(), Activity { on: BTreeMap::new(), ..activity(wait, &[]) }),
    ]);
    Workflow {
        name: "w".into(),
        description: String::new(),
        start_on_presence: false,
        start: "start".parse().unwrap(),
        variables: BTreeMap::new(),
        activities,
    }
}

fn parse(_: &[u8]) -> Result<Workflow, String> {
    Ok(workflow())
}

struct Both {
    giver: Giver,
    taker: Taker,
    frames: Vec<Vec<u8>>,
    /// What the agent made durable.
    package: Option<Package>,
    disk: Vec<Vec<u8>>,
    spent: Vec<Spending>,
    begun: Vec<TakerOrder>,
}

fn agent_key() -> SigningKey {
    SigningKey::from_seed(&[9; 32])
}

fn taker(spent: &[Spending], kept: Option<(Package, Vec<Vec<u8>>)>) -> Taker {
    let key = agent_key().verifying_key();
    let me = Me { computer: COMPUTER(), key, told: BTreeMap::new() };
    let trust =
        TrustDocument::founding(SigningKey::from_seed(&[8; 32]).verifying_key(), at(-99_999));
    let spent = Spent::restore(Timestamp::from_millis(i64::MIN), spent.iter().copied());
    let kept = kept.map(|(package, frames)| Kept {
        journal: recover(package.run, &frames.concat()).unwrap(),
        package,
    });
    let (taker, aside) = Taker::open(me, trust, spent, parse, kept);
    assert!(aside.is_empty(), "{aside:?}");
    taker
}

impl Both {
    fn new(begin_until: Timestamp) -> Self {
        let definition: Arc<[u8]> = b"definition".as_slice().into();
        let leaf =
            Leaf { computer: COMPUTER(), key: agent_key().verifying_key(), told: BTreeMap::new() };
        let tree = TargetTree::new(vec![leaf.digest()]).unwrap();
        let key = SigningKey::from_seed(&[8; 32]);
        let warrant = Warrant {
            deployment: DEPLOYMENT(),
            definition: trust::definition_digest(&definition),
            variables: trust::variables_digest(&BTreeMap::new()),
            depot_root: None,
            targets_root: tree.root(),
            targets_count: 1,
            not_before: at(-9_999),
            begin_until,
            run_limit: Span::from_secs(3_600),
            created_by: "ann".into(),
            key: key.id(),
        };
        let new = NewDeployment {
            id: DEPLOYMENT(),
            schedule: Schedule { start: None, stop: None, needs_agent: false },
            workflow: Arc::new(workflow()),
            definition,
            variables: Arc::default(),
            warrant: warrant.sign(&key).encode().into(),
            tree,
            targets: vec![NewTarget {
                computer: COMPUTER(),
                run: RUN(),
                leaf: leaf.encode(),
                reach: Reach::Agent,
            }],
        };
        let (giver, _) = Giver::open([], [], 10, at(0));
        let (frames, disk, spent, begun) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let taker = taker(&[], None);
        let mut both = Self { giver, taker, frames, package: None, disk, spent, begun };
        both.tell(GiverInput::Deploy(Box::new(new)), at(0));
        both
    }

    fn tell(&mut self, input: GiverInput, now: Timestamp) -> Vec<ToAgent> {
        self.giver.handle(input, now);
        for write in self.giver.take_writes() {
            if let GiverWrite::Journal { frame, .. } = write {
                self.frames.push(frame);
            }
        }
        std::iter::from_fn(|| self.giver.poll_order())
            .filter_map(|order| match order {
                GiverOrder::Send { message, .. } => Some(message),
                _ => None,
            })
            .collect()
    }

    fn connect(&mut self, session: u64, now: Timestamp) -> Vec<ToAgent> {
        let holdings = self.taker.holdings();
        let said = self.tell_agent(TakerInput::Linked, now);
        assert!(said.is_empty(), "{said:?}");
        self.tell(GiverInput::Connected { computer: COMPUTER(), session, holdings }, now)
    }

    fn tell_agent(&mut self, input: TakerInput, now: Timestamp) -> Vec<ToServer> {
        self.taker.handle(input, now);
        self.drain_agent()
    }

    fn drain_agent(&mut self) -> Vec<ToServer> {
        while let Some(write) = self.taker.poll_write() {
            match write {
                TakerWrite::Take { package, frames } => {
                    (self.package, self.disk) = (Some(*package), frames);
                }
                TakerWrite::Append { frame, .. } => self.disk.push(frame),
                TakerWrite::Spend(spending) => self.spent.push(spending),
                TakerWrite::Forget { .. } => (self.package, self.disk) = (None, Vec::new()),
            }
        }
        let mut said = Vec::new();
        while let Some(order) = self.taker.poll_order() {
            match order {
                TakerOrder::Send(message) => said.push(message),
                TakerOrder::Begin { .. } => self.begun.push(order),
                _ => {}
            }
        }
        said
    }

    fn hear_all(&mut self, said: Vec<ToAgent>, now: Timestamp) -> Vec<ToServer> {
        said.into_iter().flat_map(|m| self.tell_agent(TakerInput::Message(m), now)).collect()
    }

    fn answer_all(&mut self, session: u64, said: Vec<ToServer>, now: Timestamp) -> Vec<ToAgent> {
        let computer = COMPUTER();
        let input = |message| GiverInput::Message { computer, session, message };
        said.into_iter().flat_map(|message| self.tell(input(message), now)).collect()
    }

    fn order(&mut self, control: Control, now: Timestamp) -> Vec<ToAgent> {
        let (deployment, scope, by) = (DEPLOYMENT(), Scope::All, "ann".into());
        self.tell(GiverInput::Control { deployment, scope, control, by }, now)
    }

    fn journal(&self) -> Vec<Record> {
        let mut chain = Chain::new(RUN());
        self.disk.iter().map(|frame| chain.read(frame).unwrap().0).collect()
    }

    fn outcome(&self) -> Option<Outcome> {
        self.giver.run(RUN()).unwrap().state().outcome().map(|(outcome, _)| outcome)
    }
}

fn give(said: &[ToAgent]) -> Give {
    let found = said.iter().find_map(|message| match message {
        ToAgent::Give(give) => Some((**give).clone()),
        _ => None,
    });
    found.unwrap()
}

#[test]
fn orders_given_while_a_run_is_on_its_way_are_obeyed_before_it_begins() {
    for (control, phase) in [(Control::Abort, None), (Control::Suspend, Some(Phase::Going))] {
        let mut both = Both::new(at(9_999));
        let lost = both.connect(1, at(1));
        give(&lost);
        both.tell(GiverInput::Disconnected { computer: COMPUTER(), session: 1 }, at(2));
        both.order(control, at(3));
        let said = both.connect(2, at(4));
        let answers = both.hear_all(said, at(4));
        both.answer_all(2, answers, at(4));
        assert!(both.begun.is_empty(), "{control:?}: {:?}", both.begun);
        let work = "work".parse().unwrap();
        let begins = |record: &Record| {
            if let Record::Began { activity, .. } = record { *activity == work } else { false }
        };
        assert!(!both.journal().iter().any(begins), "{control:?}");
        if phase.is_none() {
            assert_eq!(both.outcome(), Some(Outcome::Aborted));
        }
    }
}

#[test]
fn a_refused_run_is_not_taken_when_it_is_given_again_and_ends_beside_a_wait() {
    let mut both = Both::new(at(100));
    let said = both.connect(1, at(1));
    let refusal = both.hear_all(said.clone(), at(5_000));
    assert!(matches!(refusal.as_slice(), [ToServer::Refused { .. }]), "{refusal:?}");
    // The agent's clock was put right, and the server had said it twice.
    let again = both.hear_all(said, at(2));
    assert!(matches!(again.as_slice(), [ToServer::Refused { .. }]), "{again:?}");
    both.answer_all(1, refusal, at(3));
    both.answer_all(1, again, at(3));
    assert_eq!(both.outcome(), Some(Outcome::Refused));
    assert!(both.begun.is_empty());
}

#[test]
fn an_agent_that_goes_on_with_what_the_server_closed_is_fenced() {
    let mut both = Both::new(at(9_999));
    let said = both.connect(1, at(1));
    let taken = both.hear_all(said, at(1));
    let (run, epoch) = (RUN(), workflow::Epoch(1));
    let refusal = ToServer::Refused { run, epoch, reason: "another time".into() };
    both.answer_all(1, vec![refusal], at(2));
    let answers = both.answer_all(1, taken, at(2));
    assert!(answers.contains(&ToAgent::Fenced { run }), "{answers:?}");
    both.hear_all(answers, at(2));
    let (_, held) = both.taker.runs().next().unwrap();
    assert!(matches!(held.state().phase(), Phase::Concluding { outcome: Outcome::Aborted, .. }));
}

#[test]
fn a_warrant_is_spent_though_the_agent_died_before_it_said_so() {
    let mut both = Both::new(at(9_999));
    let said = both.connect(1, at(1));
    let late = give(&said);
    both.hear_all(said, at(1));
    // It died between keeping the run and remembering the warrant.
    both.spent.clear();
    both.taker = taker(&both.spent, Some((both.package.clone().unwrap(), both.disk.clone())));
    both.drain_agent();
    assert_eq!(both.spent.len(), 1);
    // Long after the run was forgotten somebody repeats the hand-over.
    both.taker = taker(&both.spent, None);
    let answer = both.hear_all(vec![ToAgent::Give(Box::new(late))], at(900));
    assert!(matches!(answer.as_slice(), [ToServer::Refused { .. }]), "{answer:?}");
}

#[test]
fn a_wait_lasts_as_long_whatever_the_clocks_say() {
    for apart in [-3_000, 0, 3_000] {
        let mut both = Both::new(at(99_999));
        let said = both.connect(1, at(10));
        both.hear_all(said, at(10 + apart));
        let (_, run) = both.taker.runs().next().unwrap();
        let until = run.state().in_progress().values().find_map(|progress| progress.until);
        assert!(until.is_some_and(|until| until <= at(70 + apart)), "{until:?}");
        let limit = both.taker.poll_timeout();
        assert!(limit.is_some_and(|limit| limit <= at(70 + apart)), "{limit:?}");
    }
}

#[test]
fn a_clock_set_back_does_not_put_repetitions_off() {
    let mut both = Both::new(at(9_999));
    both.connect(1, at(5_000));
    assert!(both.giver.poll_timeout(at(5_000)).is_some_and(|next| next <= at(5_015)));
    both.tell(GiverInput::Tick, at(0));
    assert!(both.giver.poll_timeout(at(0)).is_some_and(|next| next <= at(15)));
}

#[test]
fn a_run_lasts_no_longer_than_its_warrant_permits_by_its_own_clock() {
    let mut both = Both::new(at(99_999));
    let said = both.connect(1, at(10));
    both.hear_all(said, at(2_010));
    both.taker = taker(&both.spent, Some((both.package.clone().unwrap(), both.disk.clone())));
    both.drain_agent();
    both.tell_agent(TakerInput::Tick, at(3_700));
    let is_going =
        |both: &Both| both.taker.runs().any(|(_, run)| matches!(run.state().phase(), Phase::Going));
    assert!(is_going(&both));
    both.tell_agent(TakerInput::Tick, at(5_700));
    assert!(!is_going(&both));
}

#[test]
fn a_run_that_was_refused_for_want_of_room_is_not_taken_when_it_is_given_again() {
    let mut both = Both::new(at(9_999));
    let said = both.connect(1, at(1));
    let (run, epoch) = (RUN(), give(&said).epoch);
    both.taker.refuse(run, epoch, "no room".into());
    let refusal = both.drain_agent();
    assert!(matches!(refusal.as_slice(), [ToServer::Refused { .. }]), "{refusal:?}");
    // There is room again when the server, which has not heard of it, says it once more.
    let again = both.hear_all(said, at(20));
    assert!(matches!(again.as_slice(), [ToServer::Refused { .. }]), "{again:?}");
    both.answer_all(1, refusal, at(21));
    assert_eq!(both.outcome(), Some(Outcome::Refused));
    assert!(both.begun.is_empty() && both.disk.is_empty());
}

#[test]
fn a_greeting_that_is_told_late_does_not_lose_the_run() {
    let mut both = Both::new(at(9_999));
    let said = both.connect(2, at(1));
    let answers = both.hear_all(said, at(1));
    both.answer_all(2, answers, at(1));
    let computer = COMPUTER();
    both.tell(GiverInput::Disconnected { computer, session: 2 }, at(2));
    // Said before the run was there, on a connection that the agent gave up.
    both.tell(GiverInput::Connected { computer, session: 1, holdings: vec![] }, at(3));
    assert_eq!(both.outcome(), None);
    assert!(!both.giver.is_connected(computer));
    both.connect(3, at(4));
    assert_eq!(both.outcome(), None);
}

#[test]
fn what_the_server_still_does_or_just_did_survives_opening_again() {
    let mut graph = workflow();
    let rename = Kind::Rename(OneRename {
        current: Template::new("a").unwrap(),
        new: Template::new("b").unwrap(),
        replace: false,
        force: false,
        on_server: true,
    });
    let on = BTreeMap::new();
    let rename = Activity { description: String::new(), timeout: None, kind: rename, on };
    graph.activities = BTreeMap::from([("start".parse().unwrap(), rename)]);
    let leaf =
        Leaf { computer: COMPUTER(), key: agent_key().verifying_key(), told: BTreeMap::new() };
    let case = |frames: Vec<Vec<u8>>| Case {
        id: DEPLOYMENT(),
        schedule: Schedule { start: None, stop: None, needs_agent: false },
        variables: Arc::default(),
        warrants: vec![Permit {
            copy: 1,
            workflow: Arc::new(graph.clone()),
            definition: b"definition".as_slice().into(),
            envelope: Arc::from([]),
            tree: TargetTree::new(vec![leaf.digest()]).unwrap(),
            needs_agent: false,
        }],
        records: vec![],
        runs: vec![KeptRun {
            run: RUN(),
            computer: COMPUTER(),
            warrant: 0,
            index: 0,
            leaf: leaf.encode(),
            reach: Reach::Agent,
            is_replaced: false,
            frames,
        }],
    };
    let (mut giver, aside) = Giver::open([case(vec![])], [], 10, at(0));
    assert!(aside.is_empty(), "{aside:?}");
    giver.handle(GiverInput::Tick, at(1));
    let (mut frames, mut effects) = (Vec::new(), Vec::new());
    for write in giver.take_writes() {
        match write {
            GiverWrite::Journal { frame, .. } => frames.push(frame),
            GiverWrite::Effect { effect, .. } => effects.push((effect, Effect::Begun(None))),
            _ => {}
        }
    }
    let (effect, _) = effects[0];
    let outcome = |doing: BTreeMap<_, _>| {
        let (mut giver, _) =
            Giver::open_again([case(frames.clone())], effects.clone(), &doing, 10, at(2));
        giver.take_writes();
        assert!(
            !std::iter::from_fn(|| giver.poll_order())
                .any(|order| matches!(order, GiverOrder::Begin { .. }))
        );
        giver.run(RUN()).unwrap().state().outcome().map(|(outcome, _)| outcome)
    };
    assert_eq!(outcome(BTreeMap::new()), Some(Outcome::Failure));
    assert_eq!(outcome(BTreeMap::from([(effect, None)])), None);
    let ended = Report::of(workflow::Event::Ok);
    assert_eq!(outcome(BTreeMap::from([(effect, Some(ended))])), Some(Outcome::Success));
}

#[test]
fn an_agent_that_was_rolled_back_does_not_do_again_what_it_has_done() {
    let mut both = Both::new(at(9_999));
    let said = both.connect(1, at(1));
    let answers = both.hear_all(said, at(1));
    both.answer_all(1, answers, at(1));
    let journal = both.journal();
    let taken = journal.iter().position(|record| matches!(record, Record::Taken { .. })).unwrap();
    let (package, older) = (both.package.clone().unwrap(), both.disk[..=taken].to_vec());
    assert!(older.len() < both.disk.len());
    both.tell(GiverInput::Disconnected { computer: COMPUTER(), session: 1 }, at(2));
    both.taker = taker(&both.spent, Some((package, older)));
    both.drain_agent();
    let said = both.connect(2, at(3));
    assert!(said.contains(&ToAgent::Fenced { run: RUN() }), "{said:?}");
    both.hear_all(said, at(3));
    assert!(
        !both.taker.runs().any(|(_, run)| matches!(run.state().phase(), Phase::Going)),
        "it goes on"
    );
}
