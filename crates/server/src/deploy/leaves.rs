//! The targets of a warrant as they are kept: run, name and leaf of each, in the order of the tree.
//! What a leaf holds is not looked at when it is read back, as its key would be dear to check
//! again.

use std::collections::HashMap;

use model::codec::{CodecError, Reader, Writer};
use model::{ComputerId, Digest, RunId};
use trust::Leaf;

const VERSION: u8 = 1;

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
}

impl Target {
    pub fn new(run: RunId, leaf: &Leaf) -> Self {
        let name = leaf.told.get("name").cloned().unwrap_or_default();
        let (computer, digest) = (leaf.computer, leaf.digest());
        Self { run, computer, name, leaf: leaf.encode(), digest }
    }
}

pub fn encode(targets: &[Target]) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(VERSION).list(targets, |out, target| {
        out.run(target.run).computer(target.computer).text(&target.name);
        out.bytes(&target.leaf).digest(&target.digest);
    });
    out.finish()
}

/// Only the names.
pub fn names(bytes: &[u8]) -> Result<HashMap<ComputerId, String>, CodecError> {
    let mut from = opened(bytes)?;
    let named = from.list(|from| {
        let (_, computer, name) = (from.run()?, from.computer()?, from.text()?);
        let _leaf = (from.bytes()?, from.digest()?);
        Ok::<_, CodecError>((computer, name))
    })?;
    from.end()?;
    Ok(named.into_iter().collect())
}

pub fn decode(bytes: &[u8]) -> Result<Vec<Target>, CodecError> {
    let mut from = opened(bytes)?;
    let targets = from.list(|from| {
        Ok::<_, CodecError>(Target {
            run: from.run()?,
            computer: from.computer()?,
            name: from.text()?,
            leaf: from.bytes()?.to_vec(),
            digest: from.digest()?,
        })
    })?;
    from.end()?;
    Ok(targets)
}

fn opened(bytes: &[u8]) -> Result<Reader<'_>, CodecError> {
    let mut from = Reader::new(bytes);
    match from.u8()? {
        VERSION => Ok(from),
        _ => Err(CodecError("the list of its targets is newer than this program")),
    }
}
