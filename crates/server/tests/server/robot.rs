//! An agent that takes runs and pretends to carry them out: the real taker, without a disk.

use std::collections::BTreeMap;

use model::{RunId, Timestamp};
use serde_json::Value;
use travel::{Call, Me, Taker, TakerInput, TakerOrder, ToAgent};
use trust::Spent;
use wire::{FromAgent, FromServer};
use workflow::{EffectId, Event, Kind, Report};

use crate::agent::{Agent, Link};
use crate::house::PATIENCE;

pub fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

pub struct Robot {
    pub agent: Agent,
    pub link: Link,
    pub taker: Taker,
    /// Activities that do not end by themselves.
    pub held: BTreeMap<String, workflow::EffectId>,
    pub holds: Vec<String>,
    /// What scripts asked the server for, as it ended.
    pub answered: Vec<Report>,
}

impl Robot {
    pub async fn start(mut agent: Agent) -> Self {
        let me =
            Me { computer: agent.computer, key: agent.key.verifying_key(), told: BTreeMap::new() };
        let parse = |bytes: &[u8]| wire::definition::decode(bytes).map_err(|e| e.to_string());
        let (trust, spent) = (agent.trust.clone(), Spent::default());
        let (mut taker, _) = Taker::open(me, trust, spent, parse, []);
        let link = agent.connect(taker.holdings()).await.unwrap();
        taker.handle(TakerInput::Linked, now());
        Self { agent, link, taker, held: BTreeMap::new(), holds: Vec::new(), answered: Vec::new() }
    }

    /// Connects anew after the link was lost.
    pub async fn again(&mut self) {
        self.taker.handle(TakerInput::Unlinked, now());
        self.link = self.agent.connect(self.taker.holdings()).await.unwrap();
        self.taker.handle(TakerInput::Linked, now());
        self.act().await;
    }

    /// Does what it is told until it has nothing more to do with any run.
    pub async fn until_forgotten(&mut self) {
        while let Some(message) = self.link.next().await {
            let is_over = matches!(message, FromServer::Run(ToAgent::Forget { .. }));
            self.take(message).await;
            if is_over && self.taker.runs().next().is_none() {
                return;
            }
        }
        panic!("the link ended");
    }

    /// Does what it is told until `name` is in progress.
    pub async fn until_held(&mut self, name: &str) -> workflow::EffectId {
        loop {
            if let Some(effect) = self.held.get(name) {
                return *effect;
            }
            let message = self.link.next().await.expect("a link");
            self.take(message).await;
        }
    }

    pub async fn end(&mut self, name: &str, report: Report) {
        let effect = self.held.remove(name).expect("in progress");
        self.taker.handle(TakerInput::Ended { effect, report }, now());
        self.act().await;
    }

    /// Asks the server as a script would, and waits for the answer.
    pub async fn call(&mut self, effect: EffectId, kind: &str, parameters: &Value) -> Report {
        self.ask(effect, kind, parameters).await;
        self.until_answered().await
    }

    pub async fn ask(&mut self, effect: EffectId, kind: &str, parameters: &Value) {
        let call = Call { kind: kind.to_owned(), parameters: parameters.to_string() };
        self.taker.handle(TakerInput::Asked { effect, call }, now());
        self.act().await;
    }

    pub async fn until_answered(&mut self) -> Report {
        loop {
            if let Some(report) = self.answered.pop() {
                return report;
            }
            let next = tokio::time::timeout(PATIENCE, self.link.next()).await;
            let message = next.expect("an answer").expect("a link");
            self.take(message).await;
        }
    }

    pub fn run(&self) -> RunId {
        self.taker.runs().next().expect("a run").0.run
    }

    pub async fn take(&mut self, message: FromServer) {
        if let FromServer::Run(message) = message {
            self.taker.handle(TakerInput::Message(message), now());
            self.act().await;
        }
    }

    async fn act(&mut self) {
        loop {
            while self.taker.poll_write().is_some() {}
            let Some(order) = self.taker.poll_order() else { return };
            match order {
                TakerOrder::Send(message) => self.link.send(FromAgent::Run(message)).await,
                TakerOrder::Begin { effect, activity, workflow, .. } => {
                    if self.holds.iter().any(|name| name == activity.as_str()) {
                        self.held.insert(activity.to_string(), effect);
                        continue;
                    }
                    let kind = &workflow.activities[&activity].kind;
                    let event =
                        if let Kind::Execute(_) = kind { Event::Exit(0) } else { Event::Ok };
                    let report = Report::of(event);
                    self.taker.handle(TakerInput::Ended { effect, report }, now());
                }
                TakerOrder::Recover { effect } | TakerOrder::Interrupt { effect } => {
                    let report = Report::of(Event::Interrupted);
                    self.taker.handle(TakerInput::Ended { effect, report }, now());
                }
                TakerOrder::PowerOff { effect } => {
                    self.taker.handle(TakerInput::CameBack { run: effect.run }, now());
                }
                TakerOrder::Answered { report, .. } => self.answered.push(report),
                TakerOrder::Note { .. } | TakerOrder::Over { .. } => {}
            }
        }
    }
}
