//! One computer's session: orders go, reports come, content is served beside.
//!
//! Lives in a task of its own until the connection is cut, the way to the computer is changed, or
//! nothing was ordered for a while. Whoever waits for a report learns of the end as of a cut.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use model::{ComputerId, Digest};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use trust::SealingPublic;
use wire::carry::{self, Accepted, Side, carry};
use wire::temporary::{self, Begin, FromTemporary, TemporaryHello, ToTemporary};
use workflow::{EffectId, Report};

use super::start::{StartError, Started};
use super::way::Allowed;
use crate::hall::{About, Hall};
use crate::logs::LogReader;

const HELLO_WITHIN: Duration = Duration::from_secs(30);
/// How often the agent is told that the server is there.
const HERE_AFTER: Duration = Duration::from_secs(15);
/// How long an agent may take to remove itself.
const GOODBYE_WITHIN: Duration = Duration::from_secs(15);
const ORDERS_MAX: usize = 256;

/// Something to be done on the computer.
pub enum Order {
    Begin { begin: Box<Begin>, definition: Arc<[u8]> },
    Recover { effect: EffectId },
    Interrupt { effect: EffectId },
    PowerOff { effect: EffectId },
}

type Asked = (Order, Option<oneshot::Sender<Report>>);

/// The way to a session. Nothing waits here but for room in its queue.
#[derive(Debug)]
pub struct Session {
    orders: mpsc::Sender<Asked>,
    way: Allowed,
    pub boot_id: String,
    pub hello: TemporaryHello,
    pub sealing: SealingPublic,
}

impl Session {
    pub async fn begin(
        hall: Arc<Hall>,
        computer: ComputerId,
        started: Started,
        way: Allowed,
        ending: CancellationToken,
    ) -> Result<Self, StartError> {
        let Started { connection, stream, ended } = started;
        let name = connection.name.clone();
        let failed = |why: &str| StartError::Start { name: name.clone(), why: why.to_owned() };
        let (opener, mut accepted) = carry(stream, Side::Server);
        let greeting = async {
            let mut control = accepted.next().await?;
            let hello = temporary::next(&mut control).await.ok()??;
            Some((control, hello))
        };
        let greeted = timeout(HELLO_WITHIN, greeting).await.ok().flatten();
        let Some((control, hello)) = greeted else {
            connection.close().await;
            return Err(failed("it said nothing"));
        };
        let Ok(FromTemporary::Hello(hello)) = FromTemporary::decode(&hello) else {
            connection.close().await;
            return Err(failed("it did not say who it is"));
        };
        let text = format!("an agent was started over SSH as {}", connection.name);
        tracing::info!(%computer, "{text}");
        let event = hall.event("ssh", About::computer(computer), crate::hall::SELF, text);
        drop(hall.writer.submit(vec![event]));
        tokio::spawn(serve_content(hall.clone(), computer, accepted));
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        let (from, to) = tokio::io::split(control);
        let idle = Duration::from_secs(way.policy.idle_s.max(1));
        let logs = LogReader::new(hall.clone(), computer);
        let (waiting, defined) = (HashMap::new(), BTreeSet::new());
        let actor = Actor { to, ordered, waiting, defined, idle, logs, hall, computer };
        tokio::spawn(async move {
            actor.run(from, &ending).await;
            // Without a carrier its input ends, and it removes what it made.
            drop(opener);
            let mut ended = ended;
            // One that does not end in time is cut.
            drop(timeout(GOODBYE_WITHIN, ended.wait_for(|over| *over)).await);
            connection.close().await;
        });
        let sealing = SealingPublic::from_bytes(hello.sealing_key);
        Ok(Self { orders, way, boot_id: hello.boot_id.clone(), hello, sealing })
    }

    /// Whether it stands, and came about by this way.
    pub fn is_for(&self, way: &Allowed) -> bool {
        !self.orders.is_closed() && self.way == *way
    }

    /// Orders something and waits for its report; none comes when the session ends before.
    pub async fn order(&self, order: Order) -> Option<Report> {
        let (answer, report) = oneshot::channel();
        self.orders.send((order, Some(answer))).await.ok()?;
        report.await.ok()
    }

    /// Orders that the machine goes off, as that effect has prepared.
    pub async fn power_off(&self, effect: EffectId) {
        let _ended = self.orders.send((Order::PowerOff { effect }, None)).await;
    }

    /// Orders an effect's end; the report goes to whoever waits for it.
    pub async fn interrupt(&self, effect: EffectId) {
        // A session that has ended has interrupted everything.
        let _ended = self.orders.send((Order::Interrupt { effect }, None)).await;
    }
}

struct Actor {
    to: WriteHalf<carry::Stream>,
    ordered: mpsc::Receiver<Asked>,
    waiting: HashMap<EffectId, oneshot::Sender<Report>>,
    /// Definitions that the agent was told.
    defined: BTreeSet<Digest>,
    idle: Duration,
    logs: LogReader,
    hall: Arc<Hall>,
    computer: ComputerId,
}

impl Actor {
    async fn run(mut self, from: ReadHalf<carry::Stream>, ending: &CancellationToken) {
        let (said, mut heard) = mpsc::channel(ORDERS_MAX);
        let listening = tokio::spawn(listen(from, said));
        let mut here = tokio::time::interval(HERE_AFTER);
        let mut quiet_since = Instant::now();
        loop {
            let is_idle = self.waiting.is_empty();
            let done = tokio::select! {
                () = ending.cancelled() => break,
                asked = self.ordered.recv() => match asked {
                    Some(asked) => self.obey(asked).await,
                    None => break,
                },
                message = heard.recv() => match message {
                    Some(message) => self.hear(message).await,
                    None => break,
                },
                _ = here.tick() => self.say(&ToTemporary::Here).await,
                () = tokio::time::sleep_until(quiet_since + self.idle), if is_idle => break,
            };
            if done.is_err() {
                break;
            }
            if !self.waiting.is_empty() {
                quiet_since = Instant::now();
            }
        }
        listening.abort();
        tracing::info!(computer = %self.computer, "a session over SSH ended");
    }

    async fn say(&mut self, message: &ToTemporary) -> Result<(), ()> {
        let saying = async {
            temporary::put(&mut self.to, &message.encode()).await?;
            self.to.flush().await
        };
        timeout(HELLO_WITHIN, saying).await.map_err(drop)?.map_err(drop)
    }

    async fn obey(&mut self, (order, answer): Asked) -> Result<(), ()> {
        let message = match order {
            Order::Begin { begin, definition } => {
                let digest = begin.definition;
                if self.defined.insert(digest) {
                    let definition = definition.to_vec();
                    self.say(&ToTemporary::Define { digest, definition }).await?;
                }
                self.wait_for(begin.effect, answer);
                ToTemporary::Begin(begin)
            }
            Order::Recover { effect } => {
                self.wait_for(effect, answer);
                ToTemporary::Recover { effect }
            }
            Order::Interrupt { effect } => ToTemporary::Interrupt { effect },
            Order::PowerOff { effect } => ToTemporary::PowerOff { effect },
        };
        self.say(&message).await
    }

    fn wait_for(&mut self, effect: EffectId, answer: Option<oneshot::Sender<Report>>) {
        if let Some(answer) = answer {
            self.waiting.insert(effect, answer);
        }
    }

    /// What the other side says is believed of what was ordered of it, and of nothing else.
    async fn hear(&mut self, message: FromTemporary) -> Result<(), ()> {
        match message {
            FromTemporary::Ended { effect, report } => {
                if let Some(answer) = self.waiting.remove(&effect) {
                    let _waits_no_more = answer.send(report);
                }
                Ok(())
            }
            FromTemporary::Log(log) => {
                let taken = self.logs.take(log).await;
                taken.map_err(|why| self.refused(&why))
            }
            FromTemporary::Hello(_) => {
                self.refused("it greeted a second time");
                Err(())
            }
        }
    }

    fn refused(&self, why: &str) {
        let text = format!("the session over SSH was closed: {why}");
        self.hall.log("refused", About::computer(self.computer), "agent", text);
    }
}

async fn listen(mut from: ReadHalf<carry::Stream>, said: mpsc::Sender<FromTemporary>) {
    while let Ok(Some(bytes)) = temporary::next(&mut from).await {
        let Ok(message) = FromTemporary::decode(&bytes) else { return };
        if said.send(message).await.is_err() {
            return;
        }
    }
}

/// Answers the agent's requests for content, each over a stream of its own.
async fn serve_content(hall: Arc<Hall>, computer: ComputerId, mut accepted: Accepted) {
    while let Some(stream) = accepted.next().await {
        tokio::spawn(crate::gateway::serve_target(hall.clone(), stream, computer));
    }
}
