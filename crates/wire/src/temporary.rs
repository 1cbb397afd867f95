//! What a server says to an agent that it started over SSH, and what that agent answers.
//!
//! Both speak over the standard input and output of the agent: a greeting line from each, so that
//! whatever a log-in shell or `sudo` wrote before is passed over, then a [`crate::carry`] carrier.
//! Its first stream, opened by the agent, holds these messages, each behind its length; the agent
//! opens further ones for content, by the same requests as over HTTPS. There is no run here and no
//! journal: the server has both, and orders activities one by one. Who may give these orders was
//! proved by the log-in.

use std::collections::BTreeMap;
use std::io;

use model::codec::{CodecError, Reader, Writer};
use model::{Digest, Facts, RunId};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use workflow::journal::{put_report, read_report};
use workflow::{ActivityName, Context, EffectId, Report, RunAs, Visit};

use crate::message::{Log, Stream};

/// What an agent writes first.
pub const AGENT_GREETING: &[u8] = b"deskhand-agent over stdio 1\n";
/// What the server writes once it has read that.
pub const SERVER_GREETING: &[u8] = b"deskhand server over stdio 1\n";
/// What may stand before a greeting: a password line, words of a log-in shell.
pub const NOISE_BYTES_MAX: usize = 64 << 10;

/// What an agent over standard input and output is told.
#[derive(Debug, Clone, PartialEq)]
pub enum ToTemporary {
    /// A definition that activities are taken from, by its digest.
    Define {
        digest: Digest,
        definition: Vec<u8>,
    },
    Begin(Box<Begin>),
    /// End what carries the mark of this effect, then report it interrupted.
    Recover {
        effect: EffectId,
    },
    /// End the effect and all it started; its report follows.
    Interrupt {
        effect: EffectId,
    },
    /// Switch the machine off, as this effect, a Shutdown, has prepared.
    PowerOff {
        effect: EffectId,
    },
    /// The server is there; without these the agent ends itself.
    Here,
}

/// An activity to be carried out.
#[derive(Clone, PartialEq)]
pub struct Begin {
    pub effect: EffectId,
    /// Of a definition that was told before.
    pub definition: Digest,
    pub activity: ActivityName,
    pub context: Context,
    /// The tree that its deployment may draw from.
    pub depot: Option<Digest>,
    pub run_as: Option<RunAs>,
    /// Sealed to the key that the agent made for this session, by name.
    pub secrets: BTreeMap<String, Vec<u8>>,
}

impl std::fmt::Debug for Begin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Begin")
            .field("effect", &self.effect)
            .field("activity", &self.activity)
            .finish_non_exhaustive()
    }
}

/// What such an agent tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromTemporary {
    Hello(TemporaryHello),
    Ended { effect: EffectId, report: Report },
    Log(Log),
}

/// Who it is, first of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemporaryHello {
    pub version: String,
    pub boot_id: String,
    pub facts: Facts,
    /// Made for this session; what is sealed to it nobody can open later.
    pub sealing_key: [u8; 32],
}

const DEFINE: u8 = 1;
const BEGIN: u8 = 2;
const RECOVER: u8 = 3;
const INTERRUPT: u8 = 4;
const HERE: u8 = 5;
const POWER_OFF: u8 = 6;
const HELLO: u8 = 1;
const ENDED: u8 = 2;
const LOG: u8 = 3;

impl ToTemporary {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        match self {
            Self::Define { digest, definition } => {
                out.u8(DEFINE).digest(digest).bytes(definition);
            }
            Self::Begin(begin) => put_begin(out.u8(BEGIN), begin),
            Self::Recover { effect } => put_effect(out.u8(RECOVER), *effect),
            Self::Interrupt { effect } => put_effect(out.u8(INTERRUPT), *effect),
            Self::PowerOff { effect } => put_effect(out.u8(POWER_OFF), *effect),
            Self::Here => _ = out.u8(HERE),
        }
        out.finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut from = Reader::new(bytes);
        let message = match from.u8()? {
            DEFINE => Self::Define { digest: from.digest()?, definition: from.bytes()?.to_vec() },
            BEGIN => Self::Begin(Box::new(read_begin(&mut from)?)),
            RECOVER => Self::Recover { effect: read_effect(&mut from)? },
            INTERRUPT => Self::Interrupt { effect: read_effect(&mut from)? },
            POWER_OFF => Self::PowerOff { effect: read_effect(&mut from)? },
            HERE => Self::Here,
            _ => return Err(CodecError("an order that this version does not know")),
        };
        from.end()?;
        Ok(message)
    }
}

impl FromTemporary {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        match self {
            Self::Hello(hello) => {
                out.u8(HELLO).text(&hello.version).text(&hello.boot_id).map(&hello.facts);
                out.raw(&hello.sealing_key);
            }
            Self::Ended { effect, report } => {
                put_effect(out.u8(ENDED), *effect);
                put_report(&mut out, report);
            }
            Self::Log(log) => {
                put_effect(out.u8(LOG), log.effect);
                out.switch(log.stream == Stream::Err).u64(log.offset).bytes(&log.bytes);
            }
        }
        out.finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut from = Reader::new(bytes);
        let message = match from.u8()? {
            HELLO => Self::Hello(TemporaryHello {
                version: from.text()?,
                boot_id: from.text()?,
                facts: from.map()?,
                sealing_key: from.array()?,
            }),
            ENDED => {
                let effect = read_effect(&mut from)?;
                Self::Ended { effect, report: read_report(&mut from)? }
            }
            LOG => {
                let effect = read_effect(&mut from)?;
                let stream = if from.switch()? { Stream::Err } else { Stream::Out };
                let (offset, bytes) = (from.u64()?, from.bytes()?.to_vec());
                Self::Log(Log { effect, stream, offset, bytes })
            }
            _ => return Err(CodecError("a message that this version does not know")),
        };
        from.end()?;
        Ok(message)
    }
}

fn put_effect(out: &mut Writer, effect: EffectId) {
    out.run(effect.run).u32(effect.attempt).u32(effect.visit.0);
}

fn read_effect(from: &mut Reader<'_>) -> Result<EffectId, CodecError> {
    let run: RunId = from.run()?;
    Ok(EffectId::new(run, from.u32()?, Visit(from.u32()?)))
}

fn read_name(from: &mut Reader<'_>) -> Result<ActivityName, CodecError> {
    from.text()?.parse().map_err(|_| CodecError("no name of an activity"))
}

fn put_begin(out: &mut Writer, begin: &Begin) {
    put_effect(out, begin.effect);
    out.digest(&begin.definition).text(begin.activity.as_str());
    let context = &begin.context;
    out.map(&context.computer).map(&context.deployment).map(&context.run).map(&context.agent);
    out.map(&context.variables).len(context.outputs.len());
    for (activity, outputs) in &context.outputs {
        out.text(activity.as_str()).map(outputs);
    }
    out.option(begin.depot.as_ref(), |out, depot| _ = out.digest(depot));
    out.option(begin.run_as.as_ref(), |out, run_as| {
        out.text(&run_as.user).text(&run_as.domain);
        out.option(run_as.secret.as_ref(), |out, name| _ = out.text(name));
    });
    out.len(begin.secrets.len());
    for (name, secret) in &begin.secrets {
        out.text(name).bytes(secret);
    }
}

fn read_begin(from: &mut Reader<'_>) -> Result<Begin, CodecError> {
    let effect = read_effect(from)?;
    let (definition, activity) = (from.digest()?, read_name(from)?);
    let mut context = Context {
        computer: from.map()?,
        deployment: from.map()?,
        run: from.map()?,
        agent: from.map()?,
        variables: from.map()?,
        ..Context::default()
    };
    let outputs = from.list(|from| Ok::<_, CodecError>((read_name(from)?, from.map()?)))?;
    context.outputs = outputs.into_iter().collect();
    let depot = from.option(Reader::digest)?;
    let run_as = from.option(|from| {
        Ok::<_, CodecError>(RunAs {
            user: from.text()?,
            domain: from.text()?,
            secret: from.option(Reader::text)?,
        })
    })?;
    let secret =
        |from: &mut Reader<'_>| Ok::<_, CodecError>((from.text()?, from.bytes()?.to_vec()));
    let secrets = from.list(secret)?.into_iter().collect();
    Ok(Begin { effect, definition, activity, context, depot, run_as, secrets })
}

/// Writes one message behind its length. The caller flushes.
pub async fn put<W: AsyncWrite + Unpin>(out: &mut W, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    out.write_all(&length.to_be_bytes()).await?;
    out.write_all(message).await
}

/// The next message; none at an end between two.
pub async fn next<R: AsyncRead + Unpin>(from: &mut R) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 4];
    if from.read(&mut head[..1]).await? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut head[1..]).await?;
    let length = u32::from_be_bytes(head) as usize;
    if length > crate::MESSAGE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too long"));
    }
    let mut message = vec![0; length];
    from.read_exact(&mut message).await?;
    Ok(Some(message))
}

/// Reads up to the end of `greeting`, passing over what stands before it. Nothing behind it is
/// touched.
pub async fn await_greeting<R: AsyncRead + Unpin>(from: &mut R, greeting: &[u8]) -> io::Result<()> {
    let mut seen = Vec::new();
    while !seen.ends_with(greeting) {
        if seen.len() == NOISE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "there came no greeting"));
        }
        let mut byte = [0];
        if from.read(&mut byte).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        seen.push(byte[0]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use workflow::Event;

    use super::*;

    fn effect() -> EffectId {
        EffectId::new(RunId::from_bytes([1; 16]), 2, Visit(3))
    }

    fn begin() -> ToTemporary {
        let outputs = BTreeMap::from([("stdout".to_owned(), "x".to_owned())]);
        let context = Context {
            variables: BTreeMap::from([("a".into(), "b".into())]),
            outputs: BTreeMap::from([("first".parse().unwrap(), outputs)]),
            ..Context::default()
        };
        let secret = Some("bob".to_owned());
        ToTemporary::Begin(Box::new(Begin {
            effect: effect(),
            definition: Digest::from_bytes([4; 32]),
            activity: "work".parse().unwrap(),
            context,
            depot: Some(Digest::from_bytes([5; 32])),
            run_as: Some(RunAs { user: "bob".into(), domain: String::new(), secret }),
            secrets: BTreeMap::from([("bob".into(), vec![1, 2])]),
        }))
    }

    #[test]
    fn what_is_told_is_read() {
        let (digest, definition) = (Digest::from_bytes([4; 32]), b"text".to_vec());
        for message in [
            ToTemporary::Define { digest, definition },
            begin(),
            ToTemporary::Recover { effect: effect() },
            ToTemporary::Interrupt { effect: effect() },
            ToTemporary::PowerOff { effect: effect() },
            ToTemporary::Here,
        ] {
            assert_eq!(ToTemporary::decode(&message.encode()), Ok(message));
        }
        let hello = TemporaryHello {
            version: "1".into(),
            boot_id: "b".into(),
            facts: Facts::from([("os".into(), "linux".into())]),
            sealing_key: [7; 32],
        };
        let log = Log { effect: effect(), stream: Stream::Err, offset: 9, bytes: vec![1] };
        for message in [
            FromTemporary::Hello(hello),
            FromTemporary::Ended { effect: effect(), report: Report::of(Event::Exit(3)) },
            FromTemporary::Log(log),
        ] {
            assert_eq!(FromTemporary::decode(&message.encode()), Ok(message));
        }
        assert!(!format!("{:?}", begin()).contains('['), "secrets are not shown");
    }

    proptest! {
        #[test]
        fn nonsense_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            // Whatever it is, it is read or refused, and never more than what came.
            let _ = ToTemporary::decode(&bytes);
            let _ = FromTemporary::decode(&bytes);
        }

        #[test]
        fn damage_is_refused_or_something_else(at in 0usize..120, byte in any::<u8>()) {
            let mut bytes = begin().encode();
            let at = at.min(bytes.len() - 1);
            bytes[at] = byte;
            let _ = ToTemporary::decode(&bytes);
            bytes.truncate(at);
            prop_assert!(ToTemporary::decode(&bytes).is_err());
        }
    }

    #[tokio::test]
    async fn greetings_are_found_behind_noise() {
        let mut bytes = b"Last login: today\ndeskhand-ag".to_vec();
        bytes.extend(AGENT_GREETING);
        bytes.extend(b"rest");
        let mut from = bytes.as_slice();
        await_greeting(&mut from, AGENT_GREETING).await.unwrap();
        assert_eq!(from, b"rest");
        let noise = vec![b'x'; NOISE_BYTES_MAX + 1];
        assert!(await_greeting(&mut noise.as_slice(), AGENT_GREETING).await.is_err());
    }

    #[tokio::test]
    async fn messages_stand_behind_their_lengths() {
        let mut bytes = Vec::new();
        put(&mut bytes, b"one").await.unwrap();
        put(&mut bytes, b"").await.unwrap();
        let mut from = bytes.as_slice();
        assert_eq!(next(&mut from).await.unwrap(), Some(b"one".to_vec()));
        assert_eq!(next(&mut from).await.unwrap(), Some(Vec::new()));
        assert_eq!(next(&mut from).await.unwrap(), None);
        assert!(next(&mut &bytes[..5]).await.is_err());
        assert!(next(&mut [0xff; 9].as_slice()).await.is_err());
    }
}
