//! What people ordered of a deployment, and how it is kept.

use std::collections::BTreeSet;

use model::codec::{CodecError, Reader, Writer};
use model::{ComputerId, Timestamp};
use workflow::Control;

/// Which targets an order is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    All,
    Some(BTreeSet<ComputerId>),
}

impl Scope {
    pub fn holds(&self, computer: ComputerId) -> bool {
        match self {
            Self::All => true,
            Self::Some(chosen) => chosen.contains(&computer),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    Controlled {
        scope: Scope,
        control: Control,
        by: String,
        at: Timestamp,
    },
    StopMoved {
        stop: Option<Timestamp>,
        by: String,
        at: Timestamp,
    },
    /// These targets begin anew, with that copy of the workflow. Orders from before are not theirs.
    /// A deployment that had ended is not suspended any more.
    Renewed {
        targets: BTreeSet<ComputerId>,
        copy: u64,
        resumes: bool,
        by: String,
        at: Timestamp,
    },
}

const VERSION: u8 = 1;

pub fn encode_record(record: &Record) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(VERSION);
    match record {
        Record::Controlled { scope, control, by, at } => {
            out.u8(1);
            match scope {
                Scope::All => _ = out.switch(false),
                Scope::Some(chosen) => {
                    out.switch(true).len(chosen.len());
                    chosen.iter().for_each(|id| _ = out.computer(*id));
                }
            }
            out.text(control.as_str()).text(by).time(*at);
        }
        Record::StopMoved { stop, by, at } => {
            out.u8(2).option(*stop, |out, stop| _ = out.time(stop)).text(by).time(*at);
        }
        Record::Renewed { targets, copy, resumes, by, at } => {
            out.u8(3).len(targets.len());
            targets.iter().for_each(|id| _ = out.computer(*id));
            out.u64(*copy).switch(*resumes).text(by).time(*at);
        }
    }
    out.finish()
}

pub fn decode_record(bytes: &[u8]) -> Result<Record, CodecError> {
    let mut from = Reader::new(bytes);
    if from.u8()? != VERSION {
        return Err(CodecError("the record's version is newer than this program"));
    }
    let record = match from.u8()? {
        1 => {
            let scope = match from.option(|from| from.list(Reader::computer))? {
                None => Scope::All,
                Some(chosen) => Scope::Some(chosen.into_iter().collect()),
            };
            let control = workflow::journal::read_control(&mut from)?;
            Record::Controlled { scope, control, by: from.text()?, at: from.time()? }
        }
        2 => Record::StopMoved {
            stop: from.option(Reader::time)?,
            by: from.text()?,
            at: from.time()?,
        },
        3 => Record::Renewed {
            targets: from.list(Reader::computer)?.into_iter().collect(),
            copy: from.u64()?,
            resumes: from.switch()?,
            by: from.text()?,
            at: from.time()?,
        },
        _ => return Err(CodecError("unknown kind of record")),
    };
    from.end()?;
    Ok(record)
}
