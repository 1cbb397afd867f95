//! The warrant: what is permitted, on which targets, when.
//!
//! Owns its encoding and its name; whether it is genuine and meant for this machine is
//! [`crate::verify`]'s to say. It names content by hash only, so nothing in it can be exchanged.

use std::collections::BTreeMap;
use std::fmt;

use model::{DeploymentId, Digest, Span, Timestamp};

use crate::codec::{DecodeError, Reader, Writer};
use crate::{KeyId, Signed, SigningKey};

const VERSION: u8 = 1;

/// A warrant's name: the hash of its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WarrantId(Digest);

impl WarrantId {
    pub const fn from_digest(digest: Digest) -> Self {
        Self(digest)
    }

    pub const fn digest(&self) -> &Digest {
        &self.0
    }
}

impl fmt::Display for WarrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Permission to carry one definition out, once, on each of the targets in a hash tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warrant {
    pub deployment: DeploymentId,
    /// [`definition_digest`] of the definition as it travels.
    pub definition: Digest,
    /// [`variables_digest`] of the values the run begins with.
    pub variables: Digest,
    /// The depot tree that may be drawn from, if any.
    pub depot_root: Option<Digest>,
    /// Root and size of the [`crate::TargetTree`].
    pub targets_root: Digest,
    pub targets_count: u32,
    pub not_before: Timestamp,
    /// A run may begin until then and last [`Self::run_limit`].
    pub begin_until: Timestamp,
    pub run_limit: Span,
    /// Who asked for it, in words.
    pub created_by: String,
    /// The key whose signature it must carry, whatever others it has.
    pub key: KeyId,
}

impl Warrant {
    pub const PAYLOAD_TYPE: &str = "application/vnd.deskhand.warrant";

    pub fn id(&self) -> WarrantId {
        Self::id_of(&self.encode())
    }

    pub(crate) fn id_of(payload: &[u8]) -> WarrantId {
        WarrantId(hash(payload))
    }

    /// The envelope, signed by `key`, which becomes [`Self::key`]. Operators add theirs with
    /// [`Signed::signed_by`].
    pub fn sign(mut self, key: &SigningKey) -> Signed {
        self.key = key.id();
        Signed::new(Self::PAYLOAD_TYPE, self.encode()).signed_by(key)
    }

    pub fn encode(&self) -> Vec<u8> {
        Writer::versioned(VERSION)
            .raw(self.deployment.as_bytes())
            .digest(self.definition)
            .digest(self.variables)
            .optional(self.depot_root.as_ref().map(|root| root.as_bytes().as_slice()))
            .digest(self.targets_root)
            .raw(&self.targets_count.to_be_bytes())
            .raw(&self.not_before.as_millis().to_be_bytes())
            .raw(&self.begin_until.as_millis().to_be_bytes())
            .raw(&self.run_limit.as_millis().to_be_bytes())
            .text(&self.created_by)
            .raw(self.key.as_bytes())
            .finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("warrant", bytes);
        reader.version(VERSION)?;
        let warrant = Self {
            deployment: DeploymentId::from_bytes(reader.array()?),
            definition: reader.digest()?,
            variables: reader.digest()?,
            depot_root: reader.optional(Reader::digest)?,
            targets_root: reader.digest()?,
            targets_count: reader.u32()?,
            not_before: Timestamp::from_millis(reader.i64()?),
            begin_until: Timestamp::from_millis(reader.i64()?),
            run_limit: Span::from_millis(reader.u64()?),
            created_by: reader.text()?.to_owned(),
            key: KeyId::from_bytes(reader.array()?),
        };
        reader.end()?;
        Ok(warrant)
    }
}

/// The hash by which a warrant names a definition: plain BLAKE3 of the bytes that travel.
pub fn definition_digest(definition: &[u8]) -> Digest {
    hash(definition)
}

/// The hash by which a warrant names variables: BLAKE3 of their canonical encoding.
pub fn variables_digest(variables: &BTreeMap<String, String>) -> Digest {
    hash(&Writer::versioned(VERSION).texts(variables).finish())
}

fn hash(bytes: &[u8]) -> Digest {
    Digest::from_bytes(*blake3::hash(bytes).as_bytes())
}
