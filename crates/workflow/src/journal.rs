//! Records as bytes: what lies in files, in the database, and travels.
//!
//! A frame is `version (1) | body length (4, little endian) | predecessor's hash (32) | body |
//! checksum (4)`; the body's first byte is the record's kind. Frames of one run form a chain: each
//! holds the hash of the one before, the first the hash of the run's id. A torn tail is told apart
//! from damage in the middle.

use model::{Digest, Outcome, RunId, Span, Timestamp};

use crate::record::{Cause, Control, Epoch, Outputs, Place, Record, Remaining, Report, Visit};
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
    Content(&'static str),
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
        write_record(&mut frame, record);
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
        let mut reader = Reader { rest: &content[HEAD..] };
        let record = read_record(&mut reader)?;
        if !reader.rest.is_empty() {
            return Err(FrameError::Content("bytes are left over"));
        }
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
    if total > FRAME_BYTES_MAX { Err(FrameError::Content("it is too long")) } else { Ok(total) }
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
            Err(FrameError::Torn) => break,
            // A crash while appending: nothing sound stands behind the damaged frame.
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

fn write_record(out: &mut Vec<u8>, record: &Record) {
    match record {
        Record::Opened { place, at } => {
            out.push(1);
            out.push(u8::from(*place == Place::Target));
            put_time(out, *at);
        }
        Record::Began { visit, activity, by, at, until, deadline } => {
            out.push(2);
            put_visit(out, *visit);
            put_text(out, activity.as_str());
            put_option(out, by.as_ref(), put_cause);
            put_time(out, *at);
            put_option(out, until.as_ref(), |out, at| put_time(out, *at));
            put_option(out, deadline.as_ref(), |out, at| put_time(out, *at));
        }
        Record::Passed { visit, activity, by, at } => {
            out.push(3);
            put_visit(out, *visit);
            put_text(out, activity.as_str());
            put_option(out, by.as_ref(), put_cause);
            put_time(out, *at);
        }
        Record::Stopping { visit, event, at } => {
            out.push(4);
            put_visit(out, *visit);
            put_text(out, &event.to_string());
            put_time(out, *at);
        }
        Record::Ended { visit, report, at } => {
            out.push(5);
            put_visit(out, *visit);
            put_report(out, report);
            put_time(out, *at);
        }
        Record::Concluding { outcome, reason, by, at } => {
            out.push(6);
            put_text(out, outcome.as_str());
            put_option(out, reason.as_ref(), |out, text| put_text(out, text));
            put_option(out, by.as_ref(), |out, name| put_text(out, name.as_str()));
            put_time(out, *at);
        }
        Record::Retrying { activity, not_before, at } => {
            out.push(7);
            put_text(out, activity.as_str());
            put_time(out, *not_before);
            put_time(out, *at);
        }
        Record::Restarted { attempt, at } => {
            out.push(8);
            out.extend(attempt.to_le_bytes());
            put_time(out, *at);
        }
        Record::Controlled { number, control, at } => {
            out.push(9);
            out.extend(number.to_le_bytes());
            put_text(out, control.as_str());
            put_time(out, *at);
        }
        Record::Giving { epoch, at } => {
            out.push(10);
            out.extend(epoch.0.to_le_bytes());
            put_time(out, *at);
        }
        Record::Taken { epoch, remaining, at } => {
            out.push(11);
            out.extend(epoch.0.to_le_bytes());
            put_len(out, remaining.len());
            for rest in remaining {
                put_visit(out, rest.visit);
                put_option(out, rest.until.as_ref(), |out, span| put_span(out, *span));
                put_option(out, rest.deadline.as_ref(), |out, span| put_span(out, *span));
            }
            put_time(out, *at);
        }
        Record::Closed { outcome, reason, at } => {
            out.push(12);
            put_text(out, outcome.as_str());
            put_option(out, reason.as_ref(), |out, text| put_text(out, text));
            put_time(out, *at);
        }
    }
}

fn read_record(from: &mut Reader<'_>) -> Result<Record, FrameError> {
    Ok(match from.byte()? {
        1 => {
            let place = match from.byte()? {
                0 => Place::Server,
                1 => Place::Target,
                _ => return Err(FrameError::Content("unknown place")),
            };
            Record::Opened { place, at: from.time()? }
        }
        2 => Record::Began {
            visit: from.visit()?,
            activity: from.name()?,
            by: from.option(Reader::cause)?,
            at: from.time()?,
            until: from.option(Reader::time)?,
            deadline: from.option(Reader::time)?,
        },
        3 => Record::Passed {
            visit: from.visit()?,
            activity: from.name()?,
            by: from.option(Reader::cause)?,
            at: from.time()?,
        },
        4 => Record::Stopping { visit: from.visit()?, event: from.event()?, at: from.time()? },
        5 => Record::Ended { visit: from.visit()?, report: from.report()?, at: from.time()? },
        6 => Record::Concluding {
            outcome: from.outcome()?,
            reason: from.option(Reader::text)?,
            by: from.option(Reader::name)?,
            at: from.time()?,
        },
        7 => Record::Retrying {
            activity: from.name()?,
            not_before: from.time()?,
            at: from.time()?,
        },
        8 => Record::Restarted { attempt: from.u32()?, at: from.time()? },
        9 => Record::Controlled {
            number: from.u64()?,
            control: from.control()?,
            at: from.time()?,
        },
        10 => Record::Giving { epoch: Epoch(from.u32()?), at: from.time()? },
        11 => Record::Taken {
            epoch: Epoch(from.u32()?),
            remaining: from.list(Reader::remaining)?,
            at: from.time()?,
        },
        12 => Record::Closed {
            outcome: from.outcome()?,
            reason: from.option(Reader::text)?,
            at: from.time()?,
        },
        _ => return Err(FrameError::Content("unknown kind of record")),
    })
}

fn put_len(out: &mut Vec<u8>, length: usize) {
    out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_len(out, text.len());
    out.extend(text.as_bytes());
}

fn put_visit(out: &mut Vec<u8>, visit: Visit) {
    out.extend(visit.0.to_le_bytes());
}

fn put_time(out: &mut Vec<u8>, at: Timestamp) {
    out.extend(at.as_millis().to_le_bytes());
}

fn put_span(out: &mut Vec<u8>, span: Span) {
    out.extend(span.as_millis().to_le_bytes());
}

fn put_option<T: ?Sized>(out: &mut Vec<u8>, value: Option<&T>, put: impl Fn(&mut Vec<u8>, &T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

fn put_cause(out: &mut Vec<u8>, cause: &Cause) {
    put_text(out, cause.activity.as_str());
    put_text(out, &cause.event.to_string());
}

/// A report's bytes: also how results of effects are remembered and answered.
pub fn put_report(out: &mut Vec<u8>, report: &Report) {
    put_text(out, &report.event.to_string());
    put_len(out, report.outputs.len());
    for (name, value) in &report.outputs {
        put_text(out, name);
        put_text(out, value);
    }
    put_option(out, report.note.as_ref(), |out, text| put_text(out, text));
}

/// Reads what [`put_report`] wrote.
pub fn read_report(bytes: &[u8]) -> Result<Report, FrameError> {
    Reader { rest: bytes }.report()
}

struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], FrameError> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or(FrameError::Content("it is cut short"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        self.take(N)?.try_into().map_err(|_| FrameError::Content("it is cut short"))
    }

    fn byte(&mut self) -> Result<u8, FrameError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, FrameError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, FrameError> {
        self.array().map(u64::from_le_bytes)
    }

    fn time(&mut self) -> Result<Timestamp, FrameError> {
        self.array().map(i64::from_le_bytes).map(Timestamp::from_millis)
    }

    fn span(&mut self) -> Result<Span, FrameError> {
        self.u64().map(Span::from_millis)
    }

    fn visit(&mut self) -> Result<Visit, FrameError> {
        self.u32().map(Visit)
    }

    fn text(&mut self) -> Result<String, FrameError> {
        let length = self.u32()? as usize;
        let bytes = self.take(length)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| FrameError::Content("a text is not UTF-8"))
    }

    fn name(&mut self) -> Result<ActivityName, FrameError> {
        self.text()?.parse().map_err(|_| FrameError::Content("a name is none"))
    }

    fn event(&mut self) -> Result<Event, FrameError> {
        self.text()?.parse().map_err(|_| FrameError::Content("an event is none"))
    }

    fn outcome(&mut self) -> Result<Outcome, FrameError> {
        self.text()?.parse().map_err(|()| FrameError::Content("an outcome is none"))
    }

    fn control(&mut self) -> Result<Control, FrameError> {
        match self.text()?.as_str() {
            "suspend" => Ok(Control::Suspend),
            "resume" => Ok(Control::Resume),
            "abort" => Ok(Control::Abort),
            _ => Err(FrameError::Content("an order is none")),
        }
    }

    fn cause(&mut self) -> Result<Cause, FrameError> {
        Ok(Cause { activity: self.name()?, event: self.event()? })
    }

    fn remaining(&mut self) -> Result<Remaining, FrameError> {
        Ok(Remaining {
            visit: self.visit()?,
            until: self.option(Self::span)?,
            deadline: self.option(Self::span)?,
        })
    }

    fn report(&mut self) -> Result<Report, FrameError> {
        let event = self.event()?;
        let pairs = self.list(|reader| Ok((reader.text()?, reader.text()?)))?;
        let outputs: Outputs = pairs.into_iter().collect();
        Ok(Report { event, outputs, note: self.option(Self::text)? })
    }

    fn option<T>(
        &mut self,
        read: impl Fn(&mut Self) -> Result<T, FrameError>,
    ) -> Result<Option<T>, FrameError> {
        match self.byte()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(FrameError::Content("a switch is neither on nor off")),
        }
    }

    fn list<T>(
        &mut self,
        read: impl Fn(&mut Self) -> Result<T, FrameError>,
    ) -> Result<Vec<T>, FrameError> {
        let count = self.u32()?;
        (0..count).map(|_| read(self)).collect()
    }
}
