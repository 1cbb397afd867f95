//! Random workflows and random lives of runs, from a number.

#![allow(clippy::unwrap_used, dead_code, reason = "a test ends there; each uses some of it")]

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{RunId, Span, Timestamp};
use workflow::{
    Action, Activity, ActivityName, ApplicationAction, Channel, Command, Context, Control,
    EffectId, Event, Execute, FileMove, FolderList, Impersonate, Input, Kind, Logging, Message,
    OneApplication, OneRename, Order, Place, Record, Report, Run, Script, Shutdown, ShutdownMethod,
    Template, Transfer, Visibility, WakeOnLan, WakeThrough, Workflow,
};

/// Numbers from a number (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

pub fn name(text: &str) -> ActivityName {
    text.parse().unwrap()
}

pub fn text(source: &str) -> Template {
    Template::new(source).unwrap()
}

pub fn run_id() -> RunId {
    RunId::from_bytes([3; 16])
}

/// One of each kind, with the side it is carried out on where there is a choice.
pub fn kinds() -> Vec<Kind> {
    let files = |on_server| FileMove {
        from: text("a"),
        to: text("b"),
        filter: text(""),
        recursive: false,
        replace: false,
        force: false,
        on_server,
    };
    let transfer = || Transfer {
        from: text("a"),
        to: text("/b"),
        filter: text(""),
        recursive: false,
        replace: false,
        force: false,
        resume: true,
    };
    let folders = || FolderList::Each(vec![text("/a"), text("/b")]);
    let (recursive, force) = (false, false);
    let mut all = vec![
        Kind::Success { message: None },
        Kind::Failure { message: Some(text("{{ activities.a1.stdout }}")) },
        Kind::Retry { limit: 2, delay: Span::from_secs(5) },
        Kind::Jump { to: name("a0") },
        Kind::Empty,
        Kind::Synchronization,
        Kind::Wait { duration: text("7s") },
        Kind::Wait { duration: text("{{ activities.a2.exit_code }}s") },
        Kind::Execute(Execute {
            command: Command::Shell(text("true")),
            folder: None,
            synchronous: true,
            log: Logging::Errors,
            visibility: Visibility::Default,
            environment: BTreeMap::new(),
        }),
        Kind::Upload { transfer: transfer(), from_targets: false },
        Kind::Download(transfer()),
        Kind::NotYet { name: "later".into() },
    ];
    all.extend(on_the_target());
    all.extend(of_the_server());
    for on_server in [false, true] {
        let rename = OneRename {
            current: text("a"),
            new: text("b"),
            replace: false,
            force: false,
            on_server,
        };
        let (folder, filter) = (text("/a"), text(""));
        all.extend([
            Kind::Move(files(on_server)),
            Kind::Copy(files(on_server)),
            Kind::Rename(rename),
            Kind::DeleteFiles { folder, filter, recursive, force, on_server },
            Kind::CreateFolders { folders: folders(), on_server },
            Kind::DeleteFolders { folders: folders(), recursive, force, on_server },
        ]);
    }
    all
}

fn on_the_target() -> Vec<Kind> {
    let shutdown = |method| {
        let (delay, message, force) = (Span::ZERO, None, false);
        Kind::Shutdown(Shutdown { method, delay, message, force })
    };
    let impersonate = |user: Option<&str>| {
        let (user, secret) = (user.map(text), user.map(|_| "password".to_owned()));
        Kind::Impersonate(Impersonate { user, domain: None, secret })
    };
    vec![
        Kind::Choose { value: text("true") },
        Kind::Choose { value: text("{{ activities.a1.stdout }}") },
        impersonate(Some("bob")),
        impersonate(None),
        shutdown(ShutdownMethod::Restart),
        shutdown(ShutdownMethod::PowerOff),
        Kind::Registry { script: text(r"[HKLM\Software]?") },
        Kind::Application(OneApplication {
            application: text("Viewer"),
            action: ApplicationAction::Distribute,
        }),
        Kind::Script(Script {
            code: "return 1".into(),
            depot: Vec::new(),
            memory_mb: 64,
            deposit: Vec::new(),
            actions: Vec::new(),
            messages: false,
            operations: 10,
        }),
    ]
}

fn of_the_server() -> Vec<Kind> {
    vec![
        Kind::WakeOnLan(WakeOnLan { address: None, through: WakeThrough::Any, port: 9 }),
        Kind::Action(Action { name: text("a"), parameters: BTreeMap::new(), wait: true }),
        Kind::Message(Message {
            channel: Channel::Internal,
            to: Vec::new(),
            subject: text("s"),
            text: text("t"),
        }),
    ]
}

/// A graph of anything with anything, mostly nonsense: the engine must bear it.
pub fn workflow(dice: &mut Dice) -> Workflow {
    let count = 2 + dice.below(9);
    let all = kinds();
    let names: Vec<ActivityName> = (0..count).map(|n| name(&format!("a{n}"))).collect();
    let mut activities = BTreeMap::new();
    for own in &names {
        let mut kind = all[dice.below(all.len())].clone();
        if let Kind::Jump { to } = &mut kind {
            *to = names[dice.below(count)].clone();
        }
        let mut on = BTreeMap::new();
        for event in [Event::Ok, Event::Error, Event::Exit(3), Event::Timeout, Event::Interrupted] {
            if dice.one_in(2) {
                let to = (0..=dice.below(3)).map(|_| names[dice.below(count)].clone()).collect();
                on.insert(event, to);
            }
        }
        let timeout = dice.one_in(4).then(|| Span::from_secs(dice.below(20) as u64));
        activities.insert(own.clone(), Activity { description: String::new(), timeout, kind, on });
    }
    Workflow {
        name: "random".into(),
        description: String::new(),
        start_on_presence: false,
        start: name("a0"),
        variables: BTreeMap::new(),
        activities,
    }
}

pub fn open(workflow: &Arc<Workflow>, place: Place, journal: &[Record]) -> Run {
    let base = Context::default();
    Run::open(run_id(), place, workflow.clone(), base, journal.iter().cloned()).unwrap()
}

/// A run with everything around it that a doer and a disk are.
pub struct Life {
    pub workflow: Arc<Workflow>,
    pub place: Place,
    pub run: Run,
    pub journal: Vec<Record>,
    pub open_effects: Vec<EffectId>,
    pub orders: Vec<Order>,
    pub now: i64,
    controls: u64,
}

impl Life {
    pub fn new(workflow: Workflow, place: Place) -> Self {
        let workflow = Arc::new(workflow);
        let run = open(&workflow, place, &[]);
        let (journal, orders, open_effects) = (Vec::new(), Vec::new(), Vec::new());
        let mut life =
            Self { workflow, place, run, journal, open_effects, orders, now: 1_000, controls: 0 };
        life.tell(Input::Open);
        life
    }

    pub fn tell(&mut self, input: Input) {
        self.run.handle(input, Timestamp::from_millis(self.now)).unwrap();
        self.drain();
    }

    pub fn drain(&mut self) {
        self.journal.extend(std::iter::from_fn(|| self.run.poll_record()));
        while let Some(order) = self.run.poll_order() {
            let (Order::Begin { effect, .. }
            | Order::Recover { effect, .. }
            | Order::Interrupt { effect, .. }
            | Order::PowerOff { effect }) = &order;
            if !matches!(order, Order::PowerOff { .. }) {
                self.open_effects.push(*effect);
            }
            self.orders.push(order);
        }
    }

    /// The owner dies; so much of its journal was durable.
    pub fn die(&mut self, durable: usize) {
        self.journal.truncate(durable);
        self.open_effects.clear();
        self.orders.clear();
        self.run = open(&self.workflow, self.place, &self.journal);
        if self.journal.is_empty() {
            self.tell(Input::Open);
        } else {
            self.drain();
            self.tell(Input::Tick);
        }
    }

    pub fn step(&mut self, dice: &mut Dice) {
        match dice.below(10) {
            0..6 if !self.open_effects.is_empty() => {
                let index = dice.below(self.open_effects.len());
                let effect = self.open_effects[index];
                if !dice.one_in(5) {
                    self.open_effects.remove(index);
                }
                let events = [Event::Ok, Event::Ok, Event::Error, Event::Exit(3), Event::Exit(0)];
                let mut report = Report::of(events[dice.below(events.len())].clone());
                report.outputs.insert("exit_code".into(), dice.below(9).to_string());
                self.tell(Input::Ended { effect, report });
            }
            6 if dice.one_in(4) => {
                self.controls += 1;
                let all = [Control::Suspend, Control::Resume, Control::Resume, Control::Abort];
                let known = if dice.one_in(3) { 4 } else { 3 };
                let control = all[dice.below(known)];
                self.tell(Input::Control { number: self.controls, control });
            }
            7 if dice.one_in(10) => self.now -= dice.below(60_000) as i64,
            8 if dice.one_in(30) => self.tell(Input::Fail { reason: "enough".into() }),
            _ => {
                self.now += dice.below(9_000) as i64;
                self.tell(Input::Tick);
            }
        }
    }

    /// Lets everything end: effects answer, time passes, nothing is held.
    pub fn finish(&mut self) {
        for _ in 0..400 {
            if self.run.state().outcome().is_some() || self.journal.len() > 400 {
                return;
            }
            if self.run.state().is_suspended() {
                self.controls += 1;
                self.tell(Input::Control { number: self.controls, control: Control::Resume });
            }
            for effect in std::mem::take(&mut self.open_effects) {
                self.tell(Input::Ended { effect, report: Report::of(Event::Ok) });
            }
            if let Some((at, _)) = self.run.poll_timeout() {
                self.now = self.now.max(at.as_millis());
                self.tell(Input::Tick);
            }
        }
    }
}
