//! The agent's loop: runs taken, interpreted, reported.
//!
//! A run is taken only under a warrant that names this computer and this key, once. From then on it
//! goes on whether or not the server can be reached. Everything the server says is checked; nothing
//! is done before it is durable.

mod asked;
mod take;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use model::{ComputerId, DeploymentId, Digest, Facts, RunId, Span, Timestamp};
use trust::{Granted, Presented, Recipient, Spending, Spent, TrustDocument, Use, VerifyingKey};
use workflow::journal::{Chain, Recovered};
use workflow::{
    ActivityName, Context, Control, EffectId, Epoch, Input, Order, Owner, Phase, Place, Record,
    Report, Run, RunAs, Side, Workflow,
};

use crate::{Call, Give, Holding, REPEAT_AFTER, ToAgent, ToServer};

/// How long a machine that is to be switched off waits for the server to have the run.
const LEAVE_WITHIN: Span = Span::from_secs(60);
/// Runs not held for which orders are remembered.
const EARLY_MAX: usize = 1_000;

/// Reads a definition's bytes; the error says what this agent lacks or does not understand.
pub type Parse = fn(&[u8]) -> Result<Workflow, String>;

/// Who this agent is.
#[derive(Debug, Clone)]
pub struct Me {
    pub computer: ComputerId,
    pub key: VerifyingKey,
    /// What templates are told as `agent.*`.
    pub told: Facts,
}

/// What came with a run and is kept beside its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    pub run: RunId,
    pub deployment: DeploymentId,
    pub epoch: Epoch,
    pub warrant: Arc<[u8]>,
    pub leaf: Vec<u8>,
    pub definition: Arc<[u8]>,
    pub variables: Arc<BTreeMap<String, String>>,
    /// Sealed to this agent, by name.
    pub secrets: BTreeMap<String, Vec<u8>>,
}

/// A run as it was found on disk.
#[derive(Debug)]
pub struct Kept {
    pub package: Package,
    pub journal: Recovered,
}

/// A run on disk that makes no sense; it is left where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    pub run: RunId,
    pub why: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakerInput {
    /// A connection stands and the server has been told the holdings.
    Linked,
    Unlinked,
    Message(ToAgent),
    Ended {
        effect: EffectId,
        report: Report,
    },
    /// A script asks the server for something, as a part of its effect; asked twice, it is asked
    /// once. [`TakerOrder::Answered`] follows.
    Asked {
        effect: EffectId,
        call: Call,
    },
    /// The script does not wait for that any more.
    Unasked {
        effect: EffectId,
    },
    /// The machine was started anew since it was to be switched off for this run, or it cannot be
    /// switched off.
    CameBack {
        run: RunId,
    },
    Tick,
}

/// What must be durable before any order is acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakerWrite {
    /// Keep the package and these first frames.
    Take {
        package: Box<Package>,
        frames: Vec<Vec<u8>>,
    },
    Append {
        run: RunId,
        frame: Vec<u8>,
    },
    Spend(Spending),
    /// Drop the run's files.
    Forget {
        run: RunId,
    },
}

/// What is to be done once all writes are durable.
#[derive(Debug, Clone, PartialEq)]
pub enum TakerOrder {
    Send(ToServer),
    /// Carry the activity out on this machine.
    Begin {
        effect: EffectId,
        activity: ActivityName,
        workflow: Arc<Workflow>,
        context: Box<Context>,
        run_as: Option<RunAs>,
    },
    /// End what a dead agent left running for the effect, then report `interrupted`.
    Recover {
        effect: EffectId,
    },
    Interrupt {
        effect: EffectId,
    },
    /// What a script asked the server for has ended.
    Answered {
        effect: EffectId,
        report: Report,
    },
    /// Switch the machine off, unless it was started anew since that was prepared; tell
    /// [`TakerInput::CameBack`] when it is on nevertheless.
    PowerOff {
        effect: EffectId,
    },
    /// For this machine's log: what was refused or went wrong, and why.
    Note {
        run: RunId,
        text: String,
    },
    /// The run has ended or was dropped; transfers kept for it may go.
    Over {
        run: RunId,
    },
}

#[derive(Debug)]
struct Held {
    package: Package,
    run: Run,
    chain: Chain,
    frames: Vec<Vec<u8>>,
    /// Frames the server confirmed.
    acked: u64,
    /// Frames sent on this link; `None` until the server said where to begin.
    sent: Option<u64>,
    is_fenced: bool,
    is_over: bool,
    end_by: Option<Timestamp>,
    leaving: Option<Leaving>,
    /// What scripts wait for from the server. It dies with this agent, as its scripts do.
    asked: BTreeMap<EffectId, Call>,
}

/// The machine goes off, once the server has the run again or has not answered for a while.
#[derive(Debug, Clone, Copy)]
struct Leaving {
    effect: EffectId,
    at: Timestamp,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The server has yet to say that it has everything.
    Telling,
    Ordered,
    /// It is on again.
    Back,
}

#[derive(Debug)]
pub struct Taker {
    me: Me,
    trust: TrustDocument,
    parse: Parse,
    spent: Spent,
    runs: BTreeMap<RunId, Held>,
    is_linked: bool,
    /// People's orders for runs that are on their way here, told on this link.
    early: BTreeMap<RunId, BTreeMap<u64, Control>>,
    /// Hand-overs that were refused on this link: the server closes those runs, so a repetition
    /// must not be taken.
    refused: BTreeSet<(RunId, Epoch)>,
    repeat_at: Timestamp,
    /// When it was last told something.
    now: Timestamp,
    writes: VecDeque<TakerWrite>,
    orders: VecDeque<TakerOrder>,
}

impl Taker {
    /// Opens what is on disk; what makes no sense is set aside. `now` bounds nothing yet.
    pub fn open(
        me: Me,
        trust: TrustDocument,
        spent: Spent,
        parse: Parse,
        kept: impl IntoIterator<Item = Kept>,
    ) -> (Self, Vec<SetAside>) {
        let mut taker = Self {
            me,
            trust,
            parse,
            spent,
            runs: BTreeMap::new(),
            is_linked: false,
            early: BTreeMap::new(),
            refused: BTreeSet::new(),
            repeat_at: Timestamp::EPOCH,
            now: Timestamp::EPOCH,
            writes: VecDeque::new(),
            orders: VecDeque::new(),
        };
        let mut aside = Vec::new();
        for kept in kept {
            let run = kept.package.run;
            if let Err(why) = taker.open_kept(kept) {
                aside.push(SetAside { run, why });
            }
        }
        let runs: Vec<RunId> = taker.runs.keys().copied().collect();
        runs.into_iter().for_each(|run| taker.pump(run));
        (taker, aside)
    }

    fn open_kept(&mut self, kept: Kept) -> Result<(), String> {
        let Kept { package, journal } = kept;
        let (warrant, told) = self.permitted(&package)?;
        let workflow = Arc::new((self.parse)(&package.definition)?);
        let base = self.context(&workflow, &package, told);
        let is_taking = |record: &&Record| matches!(record, Record::Taken { .. });
        let taken_at = journal.records.iter().find(is_taking).map(Record::at);
        let run = Run::open(package.run, Place::Target, workflow, base, journal.records)
            .map_err(|error| error.to_string())?;
        let run_id = package.run;
        let (id, begin_until) = (warrant.id(), warrant.begin_until);
        let spending = Spending { warrant: id, run: run_id, begin_until };
        if matches!(self.spent.check(id, begin_until, run_id), Ok(Use::First)) {
            // It died between keeping the run and remembering its warrant.
            self.writes.push_back(TakerWrite::Spend(spending));
        }
        self.spent.spend(&spending);
        let is_over = run.state().outcome().is_some();
        let end_by = taken_at.map(|at| at + warrant.run_limit);
        let held = Held {
            package,
            run,
            chain: journal.chain,
            frames: journal.frames,
            acked: 0,
            sent: None,
            is_fenced: false,
            is_over,
            end_by,
            leaving: None,
            asked: BTreeMap::new(),
        };
        self.runs.insert(run_id, held);
        Ok(())
    }

    /// What a kept run was permitted by; its signatures were checked before it was kept.
    fn permitted(&self, package: &Package) -> Result<(trust::Warrant, Facts), String> {
        let signed = trust::Signed::decode(&package.warrant).map_err(|error| error.to_string())?;
        let warrant =
            trust::Warrant::decode(signed.payload()).map_err(|error| error.to_string())?;
        let leaf = trust::Leaf::decode(&package.leaf).map_err(|error| error.to_string())?;
        Ok((warrant, leaf.told))
    }

    pub fn me(&self) -> &Me {
        &self.me
    }

    pub fn trust(&self) -> &TrustDocument {
        &self.trust
    }

    /// Takes a newer trust document, checked and kept; warrants to come are judged by it.
    pub fn renew_trust(&mut self, trust: TrustDocument) {
        self.trust = trust;
    }

    /// What the server is told on connecting.
    pub fn holdings(&self) -> Vec<Holding> {
        let holding = |held: &Held| Holding {
            run: held.package.run,
            epoch: held.run.state().epoch(),
            frames: held.chain.frames(),
            head: held.chain.head(),
            is_leaving: held.leaving.is_some_and(|leaving| leaving.stage != Stage::Back),
        };
        self.runs.values().map(holding).collect()
    }

    /// The runs held, for `status` and the simulator.
    pub fn runs(&self) -> impl Iterator<Item = (&Package, &Run)> {
        self.runs.values().map(|held| (&held.package, &held.run))
    }

    pub fn handle(&mut self, input: TakerInput, now: Timestamp) {
        // A clock that was set back must not put repetitions off.
        self.repeat_at = self.repeat_at.min(now + REPEAT_AFTER);
        self.now = now;
        match input {
            TakerInput::Linked => self.link(now),
            TakerInput::Unlinked => self.is_linked = false,
            TakerInput::Message(message) => self.hear(message, now),
            TakerInput::Ended { effect, report } => {
                if let Some(held) = self.runs.get_mut(&effect.run) {
                    held.asked.retain(|asked, _| asked.whole() != effect);
                }
                self.step(effect.run, Input::Ended { effect, report }, now);
            }
            TakerInput::Asked { effect, call } => self.asked(effect, call),
            TakerInput::Unasked { effect } => self.unasked(effect),
            TakerInput::CameBack { run } => self.came_back(run),
            TakerInput::Tick => self.tick(now),
        }
    }

    pub fn poll_write(&mut self) -> Option<TakerWrite> {
        self.writes.pop_front()
    }

    /// The next order; only to be asked once every write has been taken and made durable.
    pub fn poll_order(&mut self) -> Option<TakerOrder> {
        debug_assert!(self.writes.is_empty(), "writes must be durable before orders are acted on");
        self.orders.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let of_run = |held: &Held| {
            let limit = held.end_by.filter(|_| is_going(&held.run));
            let timer = held.run.poll_timeout().map(|(at, _)| at);
            let leave = held.leaving.filter(|leaving| leaving.stage == Stage::Telling);
            let leave = leave.map(|leaving| leaving.at);
            [limit, timer, leave].into_iter().flatten().min()
        };
        let repeat = (self.is_linked && !self.runs.is_empty()).then_some(self.repeat_at);
        self.runs.values().filter_map(of_run).chain(repeat).min()
    }

    fn link(&mut self, now: Timestamp) {
        self.is_linked = true;
        self.repeat_at = now + REPEAT_AFTER;
        self.early.clear();
        self.refused.clear();
        for held in self.runs.values_mut() {
            held.sent = None;
        }
    }

    fn tick(&mut self, now: Timestamp) {
        let due: Vec<RunId> = self.runs.keys().copied().collect();
        for run in due {
            self.leave(run, |leaving| leaving.at <= now);
            let Some(held) = self.runs.get_mut(&run) else { continue };
            if held.run.poll_timeout().is_some_and(|(at, _)| at <= now) {
                self.step(run, Input::Tick, now);
            } else if is_going(&held.run) && held.end_by.is_some_and(|end| end <= now) {
                let reason = "it lasted longer than its warrant permits".to_owned();
                self.step(run, Input::Fail { reason }, now);
            }
        }
        if self.is_linked && self.repeat_at <= now {
            self.repeat_at = now + REPEAT_AFTER;
            self.say_again();
        }
    }

    /// What the server has not confirmed is said once more.
    fn say_again(&mut self) {
        let runs: Vec<RunId> = self.runs.keys().copied().collect();
        for run in runs {
            let Some(held) = self.runs.get_mut(&run) else { continue };
            let is_behind = held.acked < held.chain.frames();
            if is_behind || held.is_over {
                held.sent = Some(held.acked);
                self.send_frames(run, true);
            }
            self.ask_again(run);
        }
    }

    fn hear(&mut self, message: ToAgent, now: Timestamp) {
        match message {
            // It is given again when this machine is back.
            ToAgent::Give(_) if self.is_leaving() => {}
            ToAgent::Give(give) => self.take(*give, now),
            ToAgent::Acked { run, frames } => self.acknowledged(run, frames, false),
            ToAgent::Resend { run, from } => self.acknowledged(run, from, true),
            ToAgent::Control { run, number, control } if !self.runs.contains_key(&run) => {
                if self.early.len() < EARLY_MAX || self.early.contains_key(&run) {
                    self.early.entry(run).or_default().insert(number, control);
                }
            }
            ToAgent::Control { run, number, control } => {
                self.step(run, Input::Control { number, control }, now);
            }
            ToAgent::Answer { effect, report } if effect.part > 0 => self.answered(effect, report),
            ToAgent::Answer { effect, report } => {
                self.step(effect.run, Input::Ended { effect, report }, now);
            }
            ToAgent::Forget { run } => self.forget(run),
            ToAgent::Fenced { run } => self.fenced(run, now),
        }
    }

    fn acknowledged(&mut self, run: RunId, frames: u64, send: bool) {
        let Some(held) = self.runs.get_mut(&run) else { return };
        if frames > held.chain.frames() {
            return;
        }
        held.acked = held.acked.max(frames);
        let has_all = frames == held.chain.frames();
        if held.sent.is_none() || send {
            held.sent = Some(frames);
            self.send_frames(run, false);
            self.ask_again(run);
        }
        self.leave(run, |_| has_all);
    }

    fn forget(&mut self, run: RunId) {
        let is_leaving = |leaving: Leaving| leaving.stage != Stage::Back;
        let may_go = |held: &Held| {
            let is_away = !held.run.is_acting() && !held.leaving.is_some_and(is_leaving);
            held.run.state().outcome().is_some() || is_away
        };
        if self.runs.get(&run).is_some_and(may_go) {
            self.drop_run(run);
        }
    }

    /// Orders the machine off when a run has prepared it and it is time.
    fn leave(&mut self, run: RunId, is_time: impl FnOnce(&Leaving) -> bool) {
        let leaving = self.runs.get_mut(&run).and_then(|held| held.leaving.as_mut());
        if let Some(leaving) = leaving.filter(|leaving| leaving.stage == Stage::Telling)
            && is_time(leaving)
        {
            leaving.stage = Stage::Ordered;
            self.orders.push_back(TakerOrder::PowerOff { effect: leaving.effect });
        }
    }

    fn came_back(&mut self, run: RunId) {
        let leaving = self.runs.get_mut(&run).and_then(|held| held.leaving.as_mut());
        leaving.into_iter().for_each(|leaving| leaving.stage = Stage::Back);
    }

    /// Whether this machine is about to go off.
    pub fn is_leaving(&self) -> bool {
        let mut leaving = self.runs.values().filter_map(|held| held.leaving);
        leaving.any(|leaving| leaving.stage != Stage::Back)
    }

    fn drop_run(&mut self, run: RunId) {
        self.runs.remove(&run);
        self.writes.push_back(TakerWrite::Forget { run });
    }

    fn fenced(&mut self, run: RunId, now: Timestamp) {
        let Some(held) = self.runs.get_mut(&run) else { return };
        held.is_fenced = true;
        let text = "the server closed this run without this machine; it ends here".to_owned();
        self.orders.push_back(TakerOrder::Note { run, text });
        self.step(run, Input::Control { number: u64::MAX, control: Control::Abort }, now);
        let is_idle = |held: &Held| held.run.state().outcome().is_some() || !held.run.is_acting();
        if self.runs.get(&run).is_some_and(is_idle) {
            self.drop_run(run);
        }
    }

    fn step(&mut self, run: RunId, input: Input, now: Timestamp) {
        let Some(held) = self.runs.get_mut(&run) else { return };
        if let Err(error) = held.run.handle(input, now) {
            let text = error.to_string();
            self.orders.push_back(TakerOrder::Note { run, text });
        }
        self.pump(run);
    }

    /// Takes what a run decided: records to be kept, then orders, then frames to be sent.
    fn pump(&mut self, id: RunId) {
        let Some(held) = self.runs.get_mut(&id) else { return };
        while let Some(record) = held.run.poll_record() {
            let frame = held.chain.push(&record);
            held.frames.push(frame.clone());
            self.writes.push_back(TakerWrite::Append { run: id, frame });
        }
        self.send_frames(id, false);
        let Some(held) = self.runs.get_mut(&id) else { return };
        while let Some(order) = held.run.poll_order() {
            let order = match order {
                Order::Begin { effect, activity, side: Side::Server } => {
                    if !self.is_linked || held.sent.is_none() {
                        continue;
                    }
                    TakerOrder::Send(ToServer::Ask { effect, activity, call: None })
                }
                Order::Begin { effect, activity, .. } => TakerOrder::Begin {
                    effect,
                    activity,
                    workflow: held.run.workflow().clone(),
                    context: Box::new(held.run.context()),
                    run_as: held.run.run_as(effect).cloned(),
                },
                Order::Recover { effect, .. } => TakerOrder::Recover { effect },
                Order::Interrupt { effect, side: Side::Server } => {
                    TakerOrder::Send(ToServer::Cancel { effect })
                }
                Order::Interrupt { effect, .. } => TakerOrder::Interrupt { effect },
                Order::PowerOff { effect } => {
                    let at = if self.is_linked { self.now + LEAVE_WITHIN } else { self.now };
                    held.leaving = Some(Leaving { effect, at, stage: Stage::Telling });
                    continue;
                }
            };
            self.orders.push_back(order);
        }
        if held.run.state().outcome().is_some() && !held.is_over {
            held.is_over = true;
            self.orders.push_back(TakerOrder::Over { run: id });
            if held.is_fenced {
                self.drop_run(id);
            }
        }
    }

    /// Sends what the server has not been sent on this link; with `poke`, nothing new as well.
    fn send_frames(&mut self, run: RunId, poke: bool) {
        let Some(held) = self.runs.get_mut(&run) else { return };
        let (true, Some(first), false) = (self.is_linked, held.sent, held.is_fenced) else {
            return;
        };
        let frames: Vec<Vec<u8>> = held.frames.get(first as usize..).unwrap_or_default().to_vec();
        if frames.is_empty() && !poke {
            return;
        }
        held.sent = Some(held.chain.frames());
        let epoch = held.run.state().epoch();
        self.orders.push_back(TakerOrder::Send(ToServer::Frames { run, epoch, first, frames }));
    }

    /// Asks the server again for everything that its side still owes this run.
    fn ask_again(&mut self, run: RunId) {
        let Some(held) = self.runs.get(&run) else { return };
        if held.is_fenced || !self.is_linked {
            return;
        }
        let attempt = held.run.state().attempt();
        for (visit, progress) in held.run.state().in_progress() {
            let kind =
                held.run.workflow().activities.get(&progress.activity).map(|found| &found.kind);
            if kind.is_some_and(|kind| kind.side() == Side::Server) {
                let effect = EffectId::new(run, attempt, *visit);
                let activity = progress.activity.clone();
                let ask = ToServer::Ask { effect, activity, call: None };
                self.orders.push_back(TakerOrder::Send(ask));
            }
        }
        let asked: Vec<EffectId> = held.asked.keys().copied().collect();
        asked.into_iter().for_each(|effect| self.ask(effect));
    }

    /// A secret of `run`, sealed to this agent.
    pub fn sealed_secrets(&self, run: RunId) -> BTreeMap<String, Vec<u8>> {
        self.runs.get(&run).map(|held| held.package.secrets.clone()).unwrap_or_default()
    }

    /// The digest that content may be drawn from for `run`, as its warrant says.
    pub fn depot_root(&self, run: RunId) -> Option<Digest> {
        let held = self.runs.get(&run)?;
        self.permitted(&held.package).ok()?.0.depot_root
    }
}

fn is_going(run: &Run) -> bool {
    run.is_acting() && matches!(run.state().phase(), Phase::Going | Phase::Retrying { .. })
}

/// `deployment.*`: only what the warrant or the hashed definition says.
pub(crate) fn deployment_facts(id: DeploymentId, workflow: &Workflow) -> Facts {
    Facts::from([("id".into(), id.to_string()), ("name".into(), workflow.name.clone())])
}
