//! What machines are to have: a statement signed once over a hash tree of all of them.
//!
//! Shaped as a warrant is, but without an end: a machine goes by the last statement it has taken
//! until it is given one with a larger serial, so an old one cannot be played back. Owns the
//! statement, its leaves and the encoding of a set; what is in a set is named by hash only.

use model::{ApplicationId, ComputerId, Digest, Span, Timestamp};

use crate::codec::{DecodeError, Reader, Writer};
use crate::target::Leaf;
use crate::{KeyId, Proof, Refusal, Role, Signed, SigningKey, TrustDocument, VerifyingKey};

const VERSION: u8 = 1;

/// One application that a machine is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedApplication {
    pub application: ApplicationId,
    pub name: String,
    pub revision: u64,
    pub version: u16,
    /// Plain BLAKE3 of the document's text.
    pub document: Digest,
    /// The tree of its source folder.
    pub source: Option<Digest>,
    /// Whose parts are wanted, by log-on name; of whoever logs on when none.
    pub users: Option<Vec<String>>,
    /// It goes when it is not wanted any more.
    pub uninstall: bool,
    /// How often the machine looks whether all is as it was distributed.
    pub verify_every: Option<Span>,
    /// Whether it puts right what differs.
    pub repair: bool,
}

/// All that one machine is to have, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WantedSet {
    pub applications: Vec<WantedApplication>,
}

impl WantedSet {
    pub fn digest(&self) -> Digest {
        hash(&self.encode())
    }

    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::versioned(VERSION).length(self.applications.len());
        self.applications.iter().fold(writer, put_application).finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("set of wanted applications", bytes);
        reader.version(VERSION)?;
        let count = reader.length()?;
        let applications = (0..count).map(|_| read_application(&mut reader));
        let applications = applications.collect::<Result<Vec<_>, _>>()?;
        let mut seen = std::collections::BTreeSet::new();
        if !applications.iter().all(|wanted| seen.insert(wanted.application)) {
            return Err(reader.invalid("an application stands twice in it"));
        }
        reader.end()?;
        Ok(Self { applications })
    }
}

fn put_application(writer: Writer, wanted: &WantedApplication) -> Writer {
    let source = wanted.source.as_ref().map(|root| root.as_bytes().as_slice());
    let every = wanted.verify_every.map(|every| every.as_millis().to_be_bytes());
    let writer = writer
        .raw(wanted.application.as_bytes())
        .text(&wanted.name)
        .raw(&wanted.revision.to_be_bytes())
        .raw(&u32::from(wanted.version).to_be_bytes())
        .digest(wanted.document)
        .optional(source)
        .optional(every.as_ref().map(<[u8; 8]>::as_slice))
        .raw(&[u8::from(wanted.uninstall), u8::from(wanted.repair)]);
    match &wanted.users {
        None => writer.raw(&[0]),
        Some(users) => {
            let writer = writer.raw(&[1]).length(users.len());
            users.iter().fold(writer, |writer, user| writer.text(user))
        }
    }
}

fn read_application(reader: &mut Reader<'_>) -> Result<WantedApplication, DecodeError> {
    let application = ApplicationId::from_bytes(reader.array()?);
    let name = reader.text()?.to_owned();
    let (revision, version) = (reader.u64()?, reader.u32()?);
    let version = u16::try_from(version).map_err(|_| reader.invalid("a version is too large"))?;
    let (document, source) = (reader.digest()?, reader.optional(Reader::digest)?);
    let verify_every = reader.optional(Reader::u64)?.map(Span::from_millis);
    let (uninstall, repair) = (read_switch(reader)?, read_switch(reader)?);
    let users = reader.optional(|reader| {
        let count = reader.length()?;
        (0..count).map(|_| reader.text().map(str::to_owned)).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(WantedApplication {
        application,
        name,
        revision,
        version,
        document,
        source,
        users,
        uninstall,
        verify_every,
        repair,
    })
}

fn read_switch(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(reader.invalid("a yes or no is neither")),
    }
}

/// One machine in the tree: which key it proves itself with, and what it is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedLeaf {
    pub computer: ComputerId,
    pub key: VerifyingKey,
    /// [`WantedSet::digest`].
    pub set: Digest,
}

impl WantedLeaf {
    /// As the [`crate::TargetTree`] has it.
    pub fn digest(&self) -> Digest {
        Leaf::digest_of(&self.encode())
    }

    pub fn encode(&self) -> Vec<u8> {
        Writer::versioned(VERSION)
            .raw(self.computer.as_bytes())
            .raw(self.key.as_bytes())
            .digest(self.set)
            .finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("leaf of wanted applications", bytes);
        reader.version(VERSION)?;
        let computer = ComputerId::from_bytes(reader.array()?);
        let key = reader.key()?;
        let leaf = Self { computer, key, set: reader.digest()? };
        reader.end()?;
        Ok(leaf)
    }
}

/// The statement that is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Larger than that of every statement before.
    pub serial: u64,
    pub issued_at: Timestamp,
    /// Root and size of the [`crate::TargetTree`] over [`WantedLeaf`]s.
    pub targets_root: Digest,
    pub targets_count: u32,
    /// The key whose signature it must carry, whatever others it has.
    pub key: KeyId,
}

/// What a server presents to a machine; none of it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedPresented {
    /// A [`Signed`] envelope holding a [`Wanted`].
    pub envelope: Vec<u8>,
    /// A [`WantedLeaf`].
    pub leaf: Vec<u8>,
    /// A [`Proof`] for the leaf.
    pub proof: Vec<u8>,
    /// A [`WantedSet`].
    pub set: Vec<u8>,
}

/// A set that this machine is to have, and the serial that it is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedGranted {
    serial: u64,
    set: WantedSet,
}

impl WantedGranted {
    pub const fn serial(&self) -> u64 {
        self.serial
    }

    pub const fn set(&self) -> &WantedSet {
        &self.set
    }
}

impl Wanted {
    pub const PAYLOAD_TYPE: &str = "application/vnd.deskhand.wanted";

    /// The envelope, signed by `key`, which becomes [`Self::key`].
    pub fn sign(mut self, key: &SigningKey) -> Signed {
        self.key = key.id();
        Signed::new(Self::PAYLOAD_TYPE, self.encode()).signed_by(key)
    }

    pub fn encode(&self) -> Vec<u8> {
        Writer::versioned(VERSION)
            .raw(&self.serial.to_be_bytes())
            .raw(&self.issued_at.as_millis().to_be_bytes())
            .digest(self.targets_root)
            .raw(&self.targets_count.to_be_bytes())
            .raw(self.key.as_bytes())
            .finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("statement of wanted applications", bytes);
        reader.version(VERSION)?;
        let wanted = Self {
            serial: reader.u64()?,
            issued_at: Timestamp::from_millis(reader.i64()?),
            targets_root: reader.digest()?,
            targets_count: reader.u32()?,
            key: KeyId::from_bytes(reader.array()?),
        };
        reader.end()?;
        Ok(wanted)
    }

    /// What the machine `me` with `key` is to have, or why it takes nothing. `held` is the serial
    /// that it goes by; that one is taken again, an older one is not.
    pub fn verify(
        presented: &WantedPresented,
        (me, key): (ComputerId, VerifyingKey),
        trust: &TrustDocument,
        held: u64,
        now: Timestamp,
    ) -> Result<WantedGranted, Refusal> {
        let signed = Signed::decode(&presented.envelope)?;
        if signed.payload_type() != Self::PAYLOAD_TYPE {
            let (what, why) = ("statement of wanted applications", "the envelope holds another");
            return Err(DecodeError::Invalid { what, why }.into());
        }
        let signers = trust.check(&signed, Role::Warrant, now)?;
        if trust.role(Role::Operator).threshold() > 0 {
            trust.check(&signed, Role::Operator, now)?;
        }
        let wanted = Self::decode(signed.payload())?;
        if !signers.contains(&wanted.key) {
            return Err(Refusal::NotByNamedKey { key: wanted.key });
        }
        wanted.check_addressed(presented, me, key)?;
        if wanted.serial < held {
            return Err(Refusal::OldSet { have: held, offered: wanted.serial });
        }
        let set = WantedSet::decode(&presented.set)?;
        Ok(WantedGranted { serial: wanted.serial, set })
    }

    fn check_addressed(
        &self,
        presented: &WantedPresented,
        me: ComputerId,
        key: VerifyingKey,
    ) -> Result<(), Refusal> {
        let leaf = WantedLeaf::decode(&presented.leaf)?;
        if leaf.computer != me {
            return Err(Refusal::NotAddressedToMe { what: "computer" });
        }
        if leaf.key != key {
            return Err(Refusal::NotAddressedToMe { what: "key" });
        }
        if hash(&presented.set) != leaf.set {
            return Err(Refusal::SetAltered);
        }
        let proof = Proof::decode(&presented.proof)?;
        let digest = Leaf::digest_of(&presented.leaf);
        if !proof.holds(digest, self.targets_root, self.targets_count) {
            return Err(Refusal::BadProof);
        }
        Ok(())
    }
}

fn hash(bytes: &[u8]) -> Digest {
    Digest::from_bytes(*blake3::hash(bytes).as_bytes())
}

#[cfg(test)]
mod tests;
