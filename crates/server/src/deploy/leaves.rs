//! The targets of a warrant as they are kept: run, name and leaf of each, in the order of the tree.
//! What a leaf holds is not looked at when it is read back, as its key would be dear to check
//! again.

use std::collections::HashMap;

use model::codec::{CodecError, Reader, Writer};
use model::{ComputerId, Digest, RunId};
use travel::Reach;
use trust::Leaf;

/// The first version did not say how a target is reached: all had agents.
const VERSION: u8 = 2;
const OVER_SSH: u8 = 1;

/// A target as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub run: RunId,
    pub computer: ComputerId,
    pub name: String,
    /// The encoded leaf.
    pub leaf: Vec<u8>,
    /// Of the leaf, as the tree has it.
    pub digest: Digest,
    pub reach: Reach,
}

impl Target {
    pub fn new(run: RunId, leaf: &Leaf, reach: Reach) -> Self {
        let name = leaf.told.get("name").cloned().unwrap_or_default();
        let (computer, digest) = (leaf.computer, leaf.digest());
        Self { run, computer, name, leaf: leaf.encode(), digest, reach }
    }
}

pub fn encode(targets: &[Target]) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(VERSION).list(targets, |out, target| {
        out.run(target.run).computer(target.computer).text(&target.name);
        out.bytes(&target.leaf).digest(&target.digest);
        out.u8(if target.reach == Reach::Ssh { OVER_SSH } else { 0 });
    });
    out.finish()
}

/// Only the names.
pub fn names(bytes: &[u8]) -> Result<HashMap<ComputerId, String>, CodecError> {
    let (version, mut from) = opened(bytes)?;
    let named = from.list(|from| {
        let (_, computer, name) = (from.run()?, from.computer()?, from.text()?);
        let _leaf = (from.bytes()?, from.digest()?, reach(version, from)?);
        Ok::<_, CodecError>((computer, name))
    })?;
    from.end()?;
    Ok(named.into_iter().collect())
}

pub fn decode(bytes: &[u8]) -> Result<Vec<Target>, CodecError> {
    let (version, mut from) = opened(bytes)?;
    let targets = from.list(|from| {
        Ok::<_, CodecError>(Target {
            run: from.run()?,
            computer: from.computer()?,
            name: from.text()?,
            leaf: from.bytes()?.to_vec(),
            digest: from.digest()?,
            reach: reach(version, from)?,
        })
    })?;
    from.end()?;
    Ok(targets)
}

fn reach(version: u8, from: &mut Reader<'_>) -> Result<Reach, CodecError> {
    match (version, if version > 1 { from.u8()? } else { 0 }) {
        (_, 0) => Ok(Reach::Agent),
        (_, OVER_SSH) => Ok(Reach::Ssh),
        _ => Err(CodecError("a way to reach a target that this program does not know")),
    }
}

fn opened(bytes: &[u8]) -> Result<(u8, Reader<'_>), CodecError> {
    let mut from = Reader::new(bytes);
    match from.u8()? {
        version @ 1..=VERSION => Ok((version, from)),
        _ => Err(CodecError("the list of its targets is newer than this program")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(reach: Reach) -> Target {
        let (run, computer) = (RunId::from_bytes([1; 16]), ComputerId::from_bytes([2; 16]));
        let (name, digest) = ("pc-1".to_owned(), Digest::from_bytes([3; 32]));
        Target { run, computer, name, leaf: b"leaf".to_vec(), digest, reach }
    }

    #[test]
    fn what_is_kept_is_read_back() {
        let targets = [target(Reach::Agent), target(Reach::Ssh)];
        assert_eq!(decode(&encode(&targets)).unwrap(), targets);
        assert_eq!(names(&encode(&targets)).unwrap().len(), 1);
    }

    #[test]
    fn targets_kept_before_there_were_any_without_agent_have_agents() {
        let kept = target(Reach::Agent);
        let mut old = Writer::new();
        old.u8(1).list(std::slice::from_ref(&kept), |out, target| {
            out.run(target.run).computer(target.computer).text(&target.name);
            out.bytes(&target.leaf).digest(&target.digest);
        });
        assert_eq!(decode(&old.finish()).unwrap(), [kept]);
    }
}
