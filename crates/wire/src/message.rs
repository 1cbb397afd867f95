//! The messages as protobuf, and their reading: every field checked before it becomes one of ours.
//!
//! Field numbers are never used again. An unknown field is ignored only where a hello has agreed on
//! a protocol that knows it; what must not be ignored travels in definitions, whose capabilities an
//! agent checks.

pub(crate) mod pb;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{ComputerId, DeploymentId, Digest, Facts, RunId, Span, TokenId};
use prost::Message as _;
use travel::{Call, Give, Holding, ToAgent, ToServer};
use trust::WantedPresented;
use workflow::{ActivityName, Control, EffectId, Epoch, Remaining, Report, Visit};

use crate::update::{self, Update, UpdateNews};
use crate::wake::Mac;
use crate::wanted::{self, Standings, WantedNews};
use pb::*;

/// Bytes that are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    #[error("the message is no protobuf: {0}")]
    Protobuf(#[from] prost::DecodeError),
    #[error("the message has no content that this version knows")]
    Empty,
    #[error("`{0}` is missing or makes no sense")]
    Field(&'static str),
}

/// The range of protocols a program speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocols {
    pub min: u32,
    pub max: u32,
}

impl Protocols {
    pub const OURS: Self = Self { min: 1, max: 1 };

    /// The highest that both speak.
    pub fn agree(self, other: Self) -> Option<u32> {
        let highest = self.max.min(other.max);
        (highest >= self.min.max(other.min)).then_some(highest)
    }
}

/// How an agent begins a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    pub protocols: Protocols,
    pub agent_version: String,
    pub capabilities: Vec<String>,
    /// Counts this agent's connections; one that goes back tells a copied or rolled-back disk.
    pub counter: u64,
    pub boot_id: String,
    pub facts: Facts,
    /// The number of the trust document it holds.
    pub trust_number: u64,
    pub holdings: Vec<Holding>,
}

/// How a machine asks to be enrolled; its key is the one its connection proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enroll {
    pub protocols: Protocols,
    pub agent_version: String,
    pub token: TokenId,
    pub secret: [u8; 32],
    pub sealing_key: [u8; 32],
    /// The name it would like; empty for its host name.
    pub name: String,
    pub facts: Facts,
}

/// Which of a command's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    Out,
    Err,
}

/// A piece of a command's output: never before the run's records, never instead of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub effect: EffectId,
    pub stream: Stream,
    pub offset: u64,
    pub bytes: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromAgent {
    Hello(Hello),
    Enroll(Enroll),
    Run(ToServer),
    Log(Log),
    /// The number of the trust document it holds from now on.
    TrustHeld(u64),
    Update(UpdateNews),
    /// Whose signals it hears: a hint at who is in its network, proved by nobody.
    Neighbours(Vec<ComputerId>),
    /// What became of the last set of wanted applications.
    Wanted(WantedNews),
    Standings(Standings),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromServer {
    /// The answer to a hello. `trust` is every signed trust document newer than the agent's, oldest
    /// first.
    Welcome {
        protocol: u32,
        server: String,
        trust: Vec<Vec<u8>>,
    },
    Enrolled {
        computer: ComputerId,
        name: String,
        /// Every signed trust document, oldest first.
        trust: Vec<Vec<u8>>,
    },
    /// The keys were changed: the signed trust documents that lead there, oldest first.
    Trust(Vec<Vec<u8>>),
    /// The connection ends; `code` is for machines, `reason` for the log.
    Rejected {
        code: String,
        reason: String,
    },
    Run(ToAgent),
    /// A new version of the agent is there.
    Update(Update),
    /// Send the packet that wakes this machine into the agent's own networks.
    Wake {
        mac: Mac,
        port: u16,
    },
    /// The applications that this machine is to have.
    Wanted(WantedPresented),
}

impl FromAgent {
    pub fn encode(self) -> Vec<u8> {
        let content = match self {
            Self::Hello(hello) => PbAgentContent::Hello(put_hello(hello)),
            Self::Enroll(enroll) => PbAgentContent::Enroll(put_enroll(enroll)),
            Self::Run(ToServer::Frames { run, epoch, first, frames }) => {
                let run = run.as_bytes().to_vec();
                PbAgentContent::Frames(PbFrames { run, epoch: epoch.0, first, frames })
            }
            Self::Run(ToServer::Refused { run, epoch, reason }) => {
                let run = run.as_bytes().to_vec();
                PbAgentContent::Refused(PbRefused { run, epoch: epoch.0, reason })
            }
            Self::Run(ToServer::Ask { effect, activity, call }) => PbAgentContent::Ask(PbAsk {
                effect: Some(put_effect(effect)),
                activity: activity.to_string(),
                call: call.map(|Call { kind, parameters }| PbCall { kind, parameters }),
            }),
            Self::Run(ToServer::Cancel { effect }) => PbAgentContent::Cancel(put_effect(effect)),
            Self::Update(news) => PbAgentContent::Update(update::put_news(news)),
            Self::Neighbours(computers) => PbAgentContent::Neighbours(PbNeighbours {
                computers: computers.iter().flat_map(ComputerId::as_bytes).copied().collect(),
            }),
            Self::Log(log) => PbAgentContent::Log(PbLog {
                effect: Some(put_effect(log.effect)),
                is_err: log.stream == Stream::Err,
                offset: log.offset,
                bytes: log.bytes,
            }),
            Self::TrustHeld(number) => PbAgentContent::TrustHeld(number),
            Self::Wanted(news) => PbAgentContent::Wanted(wanted::put_news(news)),
            Self::Standings(all) => PbAgentContent::Standings(wanted::put_standings(all)),
        };
        PbFromAgent { content: Some(content) }.encode_to_vec()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let content = PbFromAgent::decode(bytes)?.content.ok_or(MessageError::Empty)?;
        Ok(match content {
            PbAgentContent::Hello(hello) => Self::Hello(read_hello(hello)?),
            PbAgentContent::Enroll(enroll) => Self::Enroll(read_enroll(enroll)?),
            PbAgentContent::Frames(frames) => Self::Run(ToServer::Frames {
                run: run_id(&frames.run)?,
                epoch: Epoch(frames.epoch),
                first: frames.first,
                frames: frames.frames,
            }),
            PbAgentContent::Refused(refused) => Self::Run(ToServer::Refused {
                run: run_id(&refused.run)?,
                epoch: Epoch(refused.epoch),
                reason: refused.reason,
            }),
            PbAgentContent::Ask(ask) => Self::Run(ToServer::Ask {
                effect: read_effect(ask.effect)?,
                activity: name(&ask.activity)?,
                call: ask.call.map(|PbCall { kind, parameters }| Call { kind, parameters }),
            }),
            PbAgentContent::Cancel(effect) => {
                Self::Run(ToServer::Cancel { effect: read_effect(Some(effect))? })
            }
            PbAgentContent::Update(news) => Self::Update(update::read_news(news)?),
            PbAgentContent::Neighbours(PbNeighbours { computers }) => {
                Self::Neighbours(read_neighbours(&computers)?)
            }
            PbAgentContent::Log(log) => Self::Log(Log {
                effect: read_effect(log.effect)?,
                stream: if log.is_err { Stream::Err } else { Stream::Out },
                offset: log.offset,
                bytes: log.bytes,
            }),
            PbAgentContent::TrustHeld(number) => Self::TrustHeld(number),
            PbAgentContent::Wanted(news) => Self::Wanted(wanted::read_news(news)),
            PbAgentContent::Standings(all) => Self::Standings(wanted::read_standings(all)?),
        })
    }
}

impl FromServer {
    pub fn encode(self) -> Vec<u8> {
        let content = match self {
            Self::Welcome { protocol, server, trust } => {
                PbServerContent::Welcome(PbWelcome { protocol, server, trust })
            }
            Self::Enrolled { computer, name, trust } => {
                let computer = computer.as_bytes().to_vec();
                PbServerContent::Enrolled(PbEnrolled { computer, name, trust })
            }
            Self::Rejected { code, reason } => {
                PbServerContent::Rejected(PbRejected { code, reason })
            }
            Self::Trust(documents) => PbServerContent::Trust(PbTrust { documents }),
            Self::Run(message) => put_to_agent(message),
            Self::Update(update) => PbServerContent::Update(update::put(update)),
            Self::Wanted(presented) => PbServerContent::Wanted(wanted::put(presented)),
            Self::Wake { mac, port } => {
                PbServerContent::Wake(PbWake { mac: mac.bytes().to_vec(), port: u32::from(port) })
            }
        };
        PbFromServer { content: Some(content) }.encode_to_vec()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let content = PbFromServer::decode(bytes)?.content.ok_or(MessageError::Empty)?;
        Ok(match content {
            PbServerContent::Welcome(PbWelcome { protocol, server, trust }) => {
                Self::Welcome { protocol, server, trust }
            }
            PbServerContent::Enrolled(enrolled) => Self::Enrolled {
                computer: ComputerId::from_bytes(array(&enrolled.computer, "computer")?),
                name: enrolled.name,
                trust: enrolled.trust,
            },
            PbServerContent::Rejected(PbRejected { code, reason }) => {
                Self::Rejected { code, reason }
            }
            PbServerContent::Trust(PbTrust { documents }) => Self::Trust(documents),
            PbServerContent::Update(update) => Self::Update(update::read(update)),
            PbServerContent::Wanted(presented) => Self::Wanted(wanted::read(presented)),
            PbServerContent::Wake(PbWake { mac, port }) => Self::Wake {
                mac: Mac::new(array(&mac, "mac")?).ok_or(MessageError::Field("mac"))?,
                port: u16::try_from(port).map_err(|_| MessageError::Field("port"))?,
            },
            other => Self::Run(read_to_agent(other)?),
        })
    }
}

/// No agent tells of more neighbours.
pub const NEIGHBOURS_MAX: usize = 10_000;

fn read_neighbours(bytes: &[u8]) -> Result<Vec<ComputerId>, MessageError> {
    let (ids, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() || ids.len() > NEIGHBOURS_MAX {
        return Err(MessageError::Field("computers"));
    }
    Ok(ids.iter().map(|id| ComputerId::from_bytes(*id)).collect())
}

fn put_to_agent(message: ToAgent) -> PbServerContent {
    match message {
        ToAgent::Give(give) => PbServerContent::Give(put_give(*give)),
        ToAgent::Acked { run, frames } => {
            PbServerContent::Acked(PbCount { run: run.as_bytes().to_vec(), frames })
        }
        ToAgent::Resend { run, from } => {
            PbServerContent::Resend(PbCount { run: run.as_bytes().to_vec(), frames: from })
        }
        ToAgent::Control { run, number, control } => PbServerContent::Control(PbControl {
            run: run.as_bytes().to_vec(),
            number,
            control: control.as_str().to_owned(),
        }),
        ToAgent::Answer { effect, report } => PbServerContent::Answer(PbAnswer {
            effect: Some(put_effect(effect)),
            event: report.event.to_string(),
            outputs: report.outputs.into_iter().collect(),
            note: report.note,
        }),
        ToAgent::Forget { run } => PbServerContent::Forget(run.as_bytes().to_vec()),
        ToAgent::Fenced { run } => PbServerContent::Fenced(run.as_bytes().to_vec()),
    }
}

fn read_to_agent(content: PbServerContent) -> Result<ToAgent, MessageError> {
    Ok(match content {
        PbServerContent::Give(give) => ToAgent::Give(Box::new(read_give(give)?)),
        PbServerContent::Acked(count) => {
            ToAgent::Acked { run: run_id(&count.run)?, frames: count.frames }
        }
        PbServerContent::Resend(count) => {
            ToAgent::Resend { run: run_id(&count.run)?, from: count.frames }
        }
        PbServerContent::Control(control) => ToAgent::Control {
            run: run_id(&control.run)?,
            number: control.number,
            control: read_control(&control.control)?,
        },
        PbServerContent::Answer(answer) => ToAgent::Answer {
            effect: read_effect(answer.effect)?,
            report: Report {
                event: answer.event.parse().map_err(|_| MessageError::Field("event"))?,
                outputs: answer.outputs.into_iter().collect(),
                variables: BTreeMap::new(),
                note: answer.note,
            },
        },
        PbServerContent::Forget(run) => ToAgent::Forget { run: run_id(&run)? },
        PbServerContent::Fenced(run) => ToAgent::Fenced { run: run_id(&run)? },
        PbServerContent::Welcome(_)
        | PbServerContent::Enrolled(_)
        | PbServerContent::Rejected(_)
        | PbServerContent::Trust(_)
        | PbServerContent::Update(_)
        | PbServerContent::Wanted(_)
        | PbServerContent::Wake(_) => return Err(MessageError::Empty),
    })
}

fn put_hello(hello: Hello) -> PbHello {
    let holding = |held: Holding| PbHolding {
        run: held.run.as_bytes().to_vec(),
        epoch: held.epoch.0,
        frames: held.frames,
        head: held.head.as_bytes().to_vec(),
        is_leaving: held.is_leaving,
    };
    PbHello {
        protocol_min: hello.protocols.min,
        protocol_max: hello.protocols.max,
        agent_version: hello.agent_version,
        capabilities: hello.capabilities,
        counter: hello.counter,
        boot_id: hello.boot_id,
        facts: hello.facts.into_iter().collect(),
        trust_number: hello.trust_number,
        holdings: hello.holdings.into_iter().map(holding).collect(),
    }
}

fn read_hello(hello: PbHello) -> Result<Hello, MessageError> {
    let holding = |held: PbHolding| {
        Ok(Holding {
            run: run_id(&held.run)?,
            epoch: Epoch(held.epoch),
            frames: held.frames,
            head: Digest::from_bytes(array(&held.head, "head")?),
            is_leaving: held.is_leaving,
        })
    };
    Ok(Hello {
        protocols: Protocols { min: hello.protocol_min, max: hello.protocol_max },
        agent_version: hello.agent_version,
        capabilities: hello.capabilities,
        counter: hello.counter,
        boot_id: hello.boot_id,
        facts: hello.facts.into_iter().collect(),
        trust_number: hello.trust_number,
        holdings: hello.holdings.into_iter().map(holding).collect::<Result<_, MessageError>>()?,
    })
}

fn put_enroll(enroll: Enroll) -> PbEnroll {
    PbEnroll {
        protocol_min: enroll.protocols.min,
        protocol_max: enroll.protocols.max,
        agent_version: enroll.agent_version,
        token: enroll.token.as_bytes().to_vec(),
        secret: enroll.secret.to_vec(),
        sealing_key: enroll.sealing_key.to_vec(),
        name: enroll.name,
        facts: enroll.facts.into_iter().collect(),
    }
}

fn read_enroll(enroll: PbEnroll) -> Result<Enroll, MessageError> {
    Ok(Enroll {
        protocols: Protocols { min: enroll.protocol_min, max: enroll.protocol_max },
        agent_version: enroll.agent_version,
        token: TokenId::from_bytes(array(&enroll.token, "token")?),
        secret: array(&enroll.secret, "secret")?,
        sealing_key: array(&enroll.sealing_key, "sealing_key")?,
        name: enroll.name,
        facts: enroll.facts.into_iter().collect(),
    })
}

fn put_give(give: Give) -> PbGive {
    let remaining = |rest: Remaining| PbRemaining {
        visit: rest.visit.0,
        until_ms: rest.until.map(Span::as_millis),
        deadline_ms: rest.deadline.map(Span::as_millis),
    };
    PbGive {
        run: give.run.as_bytes().to_vec(),
        deployment: give.deployment.as_bytes().to_vec(),
        epoch: give.epoch.0,
        warrant: give.warrant.to_vec(),
        leaf: give.leaf,
        proof: give.proof,
        definition: give.definition.to_vec(),
        variables: give.variables.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        secrets: give.secrets.into_iter().collect(),
        first: give.first,
        frames: give.frames,
        remaining: give.remaining.into_iter().map(remaining).collect(),
    }
}

fn read_give(give: PbGive) -> Result<Give, MessageError> {
    let remaining = |rest: PbRemaining| Remaining {
        visit: Visit(rest.visit),
        until: rest.until_ms.map(Span::from_millis),
        deadline: rest.deadline_ms.map(Span::from_millis),
    };
    Ok(Give {
        run: run_id(&give.run)?,
        deployment: DeploymentId::from_bytes(array(&give.deployment, "deployment")?),
        epoch: Epoch(give.epoch),
        warrant: give.warrant.into(),
        leaf: give.leaf,
        proof: give.proof,
        definition: give.definition.into(),
        variables: Arc::new(give.variables.into_iter().collect::<BTreeMap<_, _>>()),
        secrets: give.secrets.into_iter().collect(),
        first: give.first,
        frames: give.frames,
        remaining: give.remaining.into_iter().map(remaining).collect(),
    })
}

fn put_effect(effect: EffectId) -> PbEffect {
    let EffectId { run, attempt, visit, part } = effect;
    PbEffect { run: run.as_bytes().to_vec(), attempt, visit: visit.0, part }
}

fn read_effect(effect: Option<PbEffect>) -> Result<EffectId, MessageError> {
    let effect = effect.ok_or(MessageError::Field("effect"))?;
    let whole = EffectId::new(run_id(&effect.run)?, effect.attempt, Visit(effect.visit));
    Ok(whole.part(effect.part))
}

fn read_control(text: &str) -> Result<Control, MessageError> {
    let all = [Control::Suspend, Control::Resume, Control::Abort];
    all.into_iter().find(|control| control.as_str() == text).ok_or(MessageError::Field("control"))
}

fn run_id(bytes: &[u8]) -> Result<RunId, MessageError> {
    array(bytes, "run").map(RunId::from_bytes)
}

fn name(text: &str) -> Result<ActivityName, MessageError> {
    text.parse().map_err(|_| MessageError::Field("activity"))
}

fn array<const N: usize>(bytes: &[u8], field: &'static str) -> Result<[u8; N], MessageError> {
    bytes.try_into().map_err(|_| MessageError::Field(field))
}
