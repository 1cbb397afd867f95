//! Records as bytes: what lies in files, in the database, and travels.
//!
//! A frame is `version (1) | body length (4, little endian) | predecessor's hash (32) | body |
//! checksum (4)`; the body's first byte is the record's kind. Frames of one run form a chain: each
//! holds the hash of the one before, the first the hash of the run's id. A torn tail is told apart
//! from damage in the middle.

use model::codec::{CodecError, Reader, Writer};
use model::{Digest, Outcome, RunId};

use crate::record::{Cause, Control, Epoch, Place, Record, Remaining, Report, Visit};
use crate::{ActivityName, Event};

const VERSION: u8 = 1;
const HEAD: usize = 1 + 4 + 32;
const TAIL: usize = 4;
/// A frame larger than this is nothing that this program wrote.
pub const FRAME_BYTES_MAX: usize = 4 << 20;

/// Bytes that are no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("the frame ends early")]
    Torn,
    #[error("frame version {0} is newer than this program")]
    Version(u8),
    #[error("the checksum does not match: the frame is damaged")]
    Checksum,
    #[error("the frame does not follow the one before it")]
    Chain,
    #[error("the frame's content makes no sense: {0}")]
    Content(#[from] CodecError),
}

/// The head of a run's chain: what the next frame must refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    head: Digest,
    frames: u64,
}

impl Chain {
    pub fn new(run: RunId) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"deskhand run 1").update(run.as_bytes());
        Self { head: Digest::from_bytes(*hasher.finalize().as_bytes()), frames: 0 }
    }

    /// The hash of the last frame.
    pub fn head(&self) -> Digest {
        self.head
    }

    /// Frames so far: the sequence number of the next one.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Frames `record` as the next of the chain.
    pub fn push(&mut self, record: &Record) -> Vec<u8> {
        let mut frame = Vec::with_capacity(HEAD + 64 + TAIL);
        frame.push(VERSION);
        frame.extend([0; 4]);
        frame.extend(self.head.as_bytes());
        frame.extend(encode(record));
        let length = u32::try_from(frame.len() - HEAD).unwrap_or(u32::MAX);
        frame[1..5].copy_from_slice(&length.to_le_bytes());
        let checksum = blake3::hash(&frame);
        frame.extend(&checksum.as_bytes()[..TAIL]);
        self.advance(&frame);
        frame
    }

    /// Reads the frame at the beginning of `bytes`, which must follow the chain; says its length.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(Record, usize), FrameError> {
        let length = frame_len(bytes)?;
        let frame = bytes.get(..length).ok_or(FrameError::Torn)?;
        let (content, checksum) = frame.split_at(length - TAIL);
        if blake3::hash(content).as_bytes()[..TAIL] != *checksum {
            return Err(FrameError::Checksum);
        }
        if content[5..HEAD] != *self.head.as_bytes() {
            return Err(FrameError::Chain);
        }
        let mut reader = Reader::new(&content[HEAD..]);
        let record = decode(&mut reader)?;
        reader.end()?;
        self.advance(frame);
        Ok((record, length))
    }

    fn advance(&mut self, frame: &[u8]) {
        self.head = Digest::from_bytes(*blake3::hash(frame).as_bytes());
        self.frames += 1;
    }
}

/// The length of the frame that begins `bytes`.
pub fn frame_len(bytes: &[u8]) -> Result<usize, FrameError> {
    let (version, rest) = bytes.split_first().ok_or(FrameError::Torn)?;
    if *version != VERSION {
        return Err(FrameError::Version(*version));
    }
    let length: [u8; 4] = rest.get(..4).and_then(|b| b.try_into().ok()).ok_or(FrameError::Torn)?;
    let total = HEAD + TAIL + u32::from_le_bytes(length) as usize;
    if total > FRAME_BYTES_MAX { Err(CodecError("it is too long").into()) } else { Ok(total) }
}

/// A journal as it was found.
#[derive(Debug)]
pub struct Recovered {
    pub records: Vec<Record>,
    pub frames: Vec<Vec<u8>>,
    pub chain: Chain,
    /// Bytes that hold whole frames; what follows is a torn tail to be cut off.
    pub sound_bytes: usize,
}

/// Damage that is not a torn tail: the run must be set aside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} at byte {offset}: {error}")]
pub struct Damaged {
    pub seq: u64,
    pub offset: usize,
    pub error: FrameError,
}

/// Reads a journal file that may end in a torn frame or in room allocated ahead (zeros).
pub fn recover(run: RunId, bytes: &[u8]) -> Result<Recovered, Damaged> {
    let mut chain = Chain::new(run);
    let (mut records, mut frames, mut offset) = (Vec::new(), Vec::new(), 0);
    while offset < bytes.len() {
        let rest = &bytes[offset..];
        if rest.iter().all(|byte| *byte == 0) {
            break;
        }
        match chain.read(rest) {
            Ok((record, length)) => {
                records.push(record);
                frames.push(rest[..length].to_vec());
                offset += length;
            }
            // A crash while appending: nothing sound stands behind the damaged frame.
            Err(FrameError::Torn) if !has_sound_frame(&rest[1..]) => break,
            Err(FrameError::Checksum) if is_torn_write(rest) => break,
            Err(error) => return Err(Damaged { seq: chain.frames(), offset, error }),
        }
    }
    Ok(Recovered { records, frames, chain, sound_bytes: offset })
}

/// Whether a frame with a wrong checksum is the last thing written: nothing but zeros follows.
fn is_torn_write(bytes: &[u8]) -> bool {
    let Ok(length) = frame_len(bytes) else { return false };
    bytes.get(length..).is_none_or(|after| after.iter().all(|byte| *byte == 0))
}

/// Whether a whole frame stands anywhere in `bytes`: then what is before it was written long ago.
fn has_sound_frame(bytes: &[u8]) -> bool {
    let is_sound = |at: usize| {
        let rest = &bytes[at..];
        let Ok(length) = frame_len(rest) else { return false };
        rest.get(..length).is_some_and(|frame| {
            let (content, checksum) = frame.split_at(length - TAIL);
            blake3::hash(content).as_bytes()[..TAIL] == *checksum
        })
    };
    (0..bytes.len()).any(is_sound)
}

fn encode(record: &Record) -> Vec<u8> {
    let mut out = Writer::new();
    match record {
        Record::Opened { place, .. } => {
            out.u8(1).switch(*place == Place::Target);
        }
        Record::Began { visit, activity, by, until, deadline, .. } => {
            out.u8(2).u32(visit.0).text(activity.as_str()).option(by.as_ref(), put_cause);
            out.option(*until, |out, at| _ = out.time(at));
            out.option(*deadline, |out, at| _ = out.time(at));
        }
        Record::Passed { visit, activity, by, .. } => {
            out.u8(3).u32(visit.0).text(activity.as_str()).option(by.as_ref(), put_cause);
        }
        Record::Stopping { visit, event, .. } => {
            out.u8(4).u32(visit.0).text(&event.to_string());
        }
        Record::Ended { visit, report, .. } => {
            put_report(out.u8(5).u32(visit.0), report);
        }
        Record::Concluding { outcome, reason, by, .. } => {
            out.u8(6)
                .text(outcome.as_str())
                .option(reason.as_ref(), |out, text| _ = out.text(text));
            out.option(by.as_ref(), |out, name| _ = out.text(name.as_str()));
        }
        Record::Retrying { activity, not_before, .. } => {
            out.u8(7).text(activity.as_str()).time(*not_before);
        }
        Record::Restarted { attempt, .. } => {
            out.u8(8).u32(*attempt);
        }
        Record::Controlled { number, control, .. } => {
            out.u8(9).u64(*number).text(control.as_str());
        }
        Record::Giving { epoch, .. } => {
            out.u8(10).u32(epoch.0);
        }
        Record::Taken { epoch, remaining, .. } => {
            out.u8(11).u32(epoch.0).list(remaining, put_remaining);
        }
        Record::Returning { epoch, visit, .. } => {
            out.u8(13).u32(epoch.0).u32(visit.0);
        }
        Record::Regained { epoch, remaining, .. } => {
            out.u8(14).u32(epoch.0).list(remaining, put_remaining);
        }
        Record::Closed { outcome, reason, .. } => {
            out.u8(12)
                .text(outcome.as_str())
                .option(reason.as_ref(), |out, text| _ = out.text(text));
        }
    }
    out.time(record.at());
    out.finish()
}

fn decode(from: &mut Reader<'_>) -> Result<Record, CodecError> {
    Ok(match from.u8()? {
        1 => {
            let place = if from.switch()? { Place::Target } else { Place::Server };
            Record::Opened { place, at: from.time()? }
        }
        2 => Record::Began {
            visit: read_visit(from)?,
            activity: read_name(from)?,
            by: from.option(read_cause)?,
            until: from.option(Reader::time)?,
            deadline: from.option(Reader::time)?,
            at: from.time()?,
        },
        3 => Record::Passed {
            visit: read_visit(from)?,
            activity: read_name(from)?,
            by: from.option(read_cause)?,
            at: from.time()?,
        },
        4 => Record::Stopping {
            visit: read_visit(from)?,
            event: read_event(from)?,
            at: from.time()?,
        },
        5 => {
            Record::Ended { visit: read_visit(from)?, report: read_report(from)?, at: from.time()? }
        }
        6 => Record::Concluding {
            outcome: read_outcome(from)?,
            reason: from.option(Reader::text)?,
            by: from.option(read_name)?,
            at: from.time()?,
        },
        7 => Record::Retrying {
            activity: read_name(from)?,
            not_before: from.time()?,
            at: from.time()?,
        },
        8 => Record::Restarted { attempt: from.u32()?, at: from.time()? },
        9 => Record::Controlled {
            number: from.u64()?,
            control: read_control(from)?,
            at: from.time()?,
        },
        10 => Record::Giving { epoch: Epoch(from.u32()?), at: from.time()? },
        11 => Record::Taken {
            epoch: Epoch(from.u32()?),
            remaining: from.list(read_remaining)?,
            at: from.time()?,
        },
        12 => Record::Closed {
            outcome: read_outcome(from)?,
            reason: from.option(Reader::text)?,
            at: from.time()?,
        },
        13 => Record::Returning {
            epoch: Epoch(from.u32()?),
            visit: read_visit(from)?,
            at: from.time()?,
        },
        14 => Record::Regained {
            epoch: Epoch(from.u32()?),
            remaining: from.list(read_remaining)?,
            at: from.time()?,
        },
        _ => return Err(CodecError("unknown kind of record")),
    })
}

fn put_cause(out: &mut Writer, cause: &Cause) {
    out.text(cause.activity.as_str()).text(&cause.event.to_string());
}

/// A report's bytes: also how results of effects are remembered and answered.
pub fn put_report(out: &mut Writer, report: &Report) {
    out.text(&report.event.to_string()).map(&report.outputs).map(&report.variables);
    out.option(report.note.as_ref(), |out, text| _ = out.text(text));
}

pub fn put_remaining(out: &mut Writer, rest: &Remaining) {
    out.u32(rest.visit.0);
    out.option(rest.until, |out, span| _ = out.span(span));
    out.option(rest.deadline, |out, span| _ = out.span(span));
}

/// Reads what [`put_report`] wrote.
pub fn read_report(from: &mut Reader<'_>) -> Result<Report, CodecError> {
    Ok(Report {
        event: read_event(from)?,
        outputs: from.map()?,
        variables: from.map()?,
        note: from.option(Reader::text)?,
    })
}

/// Reads what [`put_remaining`] wrote.
pub fn read_remaining(from: &mut Reader<'_>) -> Result<Remaining, CodecError> {
    Ok(Remaining {
        visit: read_visit(from)?,
        until: from.option(Reader::span)?,
        deadline: from.option(Reader::span)?,
    })
}

fn read_visit(from: &mut Reader<'_>) -> Result<Visit, CodecError> {
    from.u32().map(Visit)
}

fn read_name(from: &mut Reader<'_>) -> Result<ActivityName, CodecError> {
    from.text()?.parse().map_err(|_| CodecError("a name is none"))
}

fn read_event(from: &mut Reader<'_>) -> Result<Event, CodecError> {
    from.text()?.parse().map_err(|_| CodecError("an event is none"))
}

fn read_outcome(from: &mut Reader<'_>) -> Result<Outcome, CodecError> {
    from.text()?.parse().map_err(|()| CodecError("an outcome is none"))
}

/// Reads the name of an order.
pub fn read_control(from: &mut Reader<'_>) -> Result<Control, CodecError> {
    let text = from.text()?;
    let all = [Control::Suspend, Control::Resume, Control::Abort];
    all.into_iter().find(|control| control.as_str() == text).ok_or(CodecError("an order is none"))
}

fn read_cause(from: &mut Reader<'_>) -> Result<Cause, CodecError> {
    Ok(Cause { activity: read_name(from)?, event: read_event(from)? })
}
