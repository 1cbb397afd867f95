//! The targets of a warrant as a hash tree: one signature over the root serves any number of them.
//!
//! Shaped as RFC 6962 has it (a node without a sibling moves up unchanged), hashed with BLAKE3,
//! leaves and nodes told apart by their first byte. Owns leaf, tree and proof; knows no signature.

use model::{ComputerId, Digest, Facts};

use crate::VerifyingKey;
use crate::codec::{DecodeError, Reader, Writer};

const VERSION: u8 = 1;
const LEAF: u8 = 0;
const NODE: u8 = 1;
/// Enough for a tree of `u32::MAX` leaves.
const DEPTH_MAX: usize = 32;

/// One target: which computer, which key it proves itself with, and what templates are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    pub computer: ComputerId,
    pub key: VerifyingKey,
    pub told: Facts,
}

impl Leaf {
    pub fn digest(&self) -> Digest {
        Self::digest_of(&self.encode())
    }

    /// Of a leaf of any kind of tree.
    pub(crate) fn digest_of(encoded: &[u8]) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[LEAF]).update(encoded);
        Digest::from_bytes(*hasher.finalize().as_bytes())
    }

    pub fn encode(&self) -> Vec<u8> {
        Writer::versioned(VERSION)
            .raw(self.computer.as_bytes())
            .raw(self.key.as_bytes())
            .texts(&self.told)
            .finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("target leaf", bytes);
        reader.version(VERSION)?;
        let computer = ComputerId::from_bytes(reader.array()?);
        let key = reader.key()?;
        let leaf = Self { computer, key, told: reader.texts()? };
        reader.end()?;
        Ok(leaf)
    }
}

/// Why there is no tree over what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoTree {
    #[error("a warrant needs at least one target")]
    NoTargets,
    #[error("a warrant cannot have more than {} targets", u32::MAX)]
    TooManyTargets,
}

/// The tree over all targets, kept whole so that proofs are cheap: 64 bytes for each target.
#[derive(Debug, Clone)]
pub struct TargetTree {
    /// Leaves first, root last; never empty, and neither is a level.
    levels: Vec<Vec<Digest>>,
    count: u32,
    root: Digest,
}

impl TargetTree {
    /// The tree over `leaves` ([`Leaf::digest`]), whose order gives each its index.
    pub fn new(leaves: Vec<Digest>) -> Result<Self, NoTree> {
        let count = u32::try_from(leaves.len()).map_err(|_| NoTree::TooManyTargets)?;
        let mut levels = Vec::new();
        let mut level = leaves;
        while level.len() > 1 {
            let above = level.chunks(2).map(parent).collect();
            levels.push(std::mem::replace(&mut level, above));
        }
        let root = *level.first().ok_or(NoTree::NoTargets)?;
        levels.push(level);
        Ok(Self { levels, count, root })
    }

    pub const fn root(&self) -> Digest {
        self.root
    }

    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The proof that the leaf at `index` is in the tree; `None` beyond the last.
    pub fn proof(&self, index: u32) -> Option<Proof> {
        if index >= self.count {
            return None;
        }
        let mut place = index as usize;
        let mut path = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            path.extend(level.get(place ^ 1));
            place /= 2;
        }
        Some(Proof { index, path })
    }
}

fn parent(pair: &[Digest]) -> Digest {
    match pair {
        [left, right] => node(left, right),
        alone => alone[0],
    }
}

fn node(left: &Digest, right: &Digest) -> Digest {
    let mut bytes = [NODE; 65];
    bytes[1..33].copy_from_slice(left.as_bytes());
    bytes[33..].copy_from_slice(right.as_bytes());
    Digest::from_bytes(*blake3::hash(&bytes).as_bytes())
}

/// The siblings on the way from one leaf to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    index: u32,
    path: Vec<Digest>,
}

impl Proof {
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// Whether the leaf with this digest is at this index of the tree with `root` and `count`.
    pub fn holds(&self, leaf: Digest, root: Digest, count: u32) -> bool {
        if self.index >= count {
            return false;
        }
        let (mut place, mut last) = (self.index, count - 1);
        let mut siblings = self.path.iter();
        let mut hash = leaf;
        while last > 0 {
            // The last of an odd number has no sibling and moves up as it is.
            if place % 2 == 1 || place < last {
                let Some(sibling) = siblings.next() else { return false };
                hash = if place % 2 == 1 { node(sibling, &hash) } else { node(&hash, sibling) };
            }
            place /= 2;
            last /= 2;
        }
        siblings.next().is_none() && hash == root
    }

    pub fn encode(&self) -> Vec<u8> {
        let writer =
            Writer::versioned(VERSION).raw(&self.index.to_be_bytes()).length(self.path.len());
        self.path.iter().fold(writer, |writer, digest| writer.digest(*digest)).finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("target proof", bytes);
        reader.version(VERSION)?;
        let index = reader.u32()?;
        let length = reader.length()?;
        if length > DEPTH_MAX {
            return Err(reader.invalid("it is longer than any tree is deep"));
        }
        let path = (0..length).map(|_| reader.digest()).collect::<Result<_, _>>()?;
        reader.end()?;
        Ok(Self { index, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(count: u32) -> Vec<Digest> {
        (0..count).map(|n| Leaf::digest_of(&n.to_be_bytes())).collect()
    }

    #[test]
    fn every_leaf_of_every_small_tree_has_its_proof_and_no_other() {
        for count in 1..=40 {
            let leaves = digests(count);
            let tree = TargetTree::new(leaves.clone()).unwrap();
            assert_eq!(tree.count(), count);
            for index in 0..count {
                let proof = tree.proof(index).unwrap();
                assert_eq!(Proof::decode(&proof.encode()).as_ref(), Ok(&proof));
                for (other, leaf) in leaves.iter().enumerate() {
                    let holds = proof.holds(*leaf, tree.root(), count);
                    assert_eq!(holds, other == index as usize, "{count} {index} {other}");
                }
                for wrong in 0..count {
                    let moved = Proof { index: wrong, path: proof.path.clone() };
                    let holds = moved.holds(leaves[index as usize], tree.root(), count);
                    assert_eq!(holds, wrong == index);
                }
            }
            assert_eq!(tree.proof(count), None);
        }
        assert_eq!(TargetTree::new(Vec::new()).unwrap_err(), NoTree::NoTargets);
    }

    #[test]
    fn the_shape_is_that_of_rfc_6962() {
        let leaves = digests(5);
        let four = node(&node(&leaves[0], &leaves[1]), &node(&leaves[2], &leaves[3]));
        assert_eq!(TargetTree::new(leaves.clone()).unwrap().root(), node(&four, &leaves[4]));
    }

    #[test]
    fn a_node_is_no_leaf() {
        let leaves = digests(4);
        let tree = TargetTree::new(leaves.clone()).unwrap();
        let inner = node(&leaves[0], &leaves[1]);
        let proof = Proof { index: 0, path: vec![node(&leaves[2], &leaves[3])] };
        assert!(proof.holds(inner, tree.root(), 2));
        let as_leaf = [leaves[0].as_bytes().as_slice(), leaves[1].as_bytes()].concat();
        assert_ne!(Leaf::digest_of(&as_leaf), inner);
        assert!(!proof.holds(inner, tree.root(), 4));
    }
}
