//! The targets of a warrant as they are kept: run, name and leaf of each, in the order of the tree.

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
        out.run(target.run).bytes(&target.leaf);
    });
    out.finish()
}

pub fn decode(bytes: &[u8]) -> Result<Vec<Target>, CodecError> {
    let mut from = Reader::new(bytes);
    if from.u8()? != VERSION {
        return Err(CodecError("the list of its targets is newer than this program"));
    }
    let targets = from.list(|from| {
        let (run, leaf) = (from.run()?, from.bytes()?);
        let leaf = Leaf::decode(leaf).map_err(|_| CodecError("a target's leaf is damaged"))?;
        Ok::<_, CodecError>(Target::new(run, &leaf))
    })?;
    from.end()?;
    Ok(targets)
}
