//! The trust document: which keys an agent obeys, in which roles, and how many of them it takes.
//!
//! Numbered and signed: a higher number signed by the root keys of the one before replaces it, so
//! changing, revoking and m-of-n are new documents and never a new format (SK-05). The first one is
//! pinned by a fingerprint that came with the enrolment. Invariants: holders are in order of their
//! keys, no threshold exceeds its holders, the roles root and warrant are never empty, and a root
//! key has no end of its own: only a successor ends it, so an agent that slept through a change can
//! still follow it.

use std::collections::BTreeMap;
use std::fmt;

use model::Timestamp;

use crate::codec::{DecodeError, Reader, Writer};
use crate::{CLOCK_TOLERANCE, Fingerprint, KeyId, Refusal, Signed, SigningKey, VerifyingKey};

const VERSION: u8 = 1;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Signs the next trust document.
    Root,
    /// Vouches for the certificates of servers.
    Server,
    /// Signs warrants.
    Warrant,
    /// Signs warrants besides; without its signatures none counts, if there are operators.
    Operator,
    /// Signs new versions of the agent.
    Release,
}

impl Role {
    pub const ALL: [Self; 5] =
        [Self::Root, Self::Server, Self::Warrant, Self::Operator, Self::Release];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Server => "server",
            Self::Warrant => "warrant",
            Self::Operator => "operator",
            Self::Release => "release",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A key in a role, until its time there is over: the overlap of an old key with its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    pub key: VerifyingKey,
    pub until: Option<Timestamp>,
}

impl Holder {
    pub const fn of(key: VerifyingKey) -> Self {
        Self { key, until: None }
    }

    fn holds_at(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now <= until)
    }
}

/// The keys of one role and how many of them must sign.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoleKeys {
    holders: Vec<Holder>,
    threshold: u8,
}

impl RoleKeys {
    /// A role without keys takes threshold 0, any other at least 1 and at most its keys.
    pub fn new(mut holders: Vec<Holder>, threshold: u8) -> Result<Self, DocumentError> {
        holders.sort_by_key(|holder| holder.key);
        if holders.windows(2).any(|pair| pair[0].key == pair[1].key) {
            return Err(DocumentError("a key stands twice in a role"));
        }
        if usize::from(threshold) > holders.len() || (threshold == 0 && !holders.is_empty()) {
            return Err(DocumentError("a role needs at least one signature, at most all its keys"));
        }
        Ok(Self { holders, threshold })
    }

    pub fn holders(&self) -> &[Holder] {
        &self.holders
    }

    pub const fn threshold(&self) -> u8 {
        self.threshold
    }

    fn find(&self, id: KeyId) -> Option<&Holder> {
        self.holders.iter().find(|holder| holder.key.id() == id)
    }
}

/// Why such a document cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a possible trust document: {0}")]
pub struct DocumentError(&'static str);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustDocument {
    number: u64,
    valid_from: Timestamp,
    /// In the order of [`Role::ALL`].
    roles: [RoleKeys; 5],
}

impl TrustDocument {
    pub const PAYLOAD_TYPE: &str = "application/vnd.deskhand.trust";

    /// Roles that are not given have no keys.
    pub fn new(
        number: u64,
        valid_from: Timestamp,
        mut roles: BTreeMap<Role, RoleKeys>,
    ) -> Result<Self, DocumentError> {
        let roles = Role::ALL.map(|role| roles.remove(&role).unwrap_or_default());
        let document = Self { number, valid_from, roles };
        document.check_roles().map_err(DocumentError)?;
        Ok(document)
    }

    /// Number 1 of a deployment with a single key: it has every role, and there are no operators.
    pub fn founding(key: VerifyingKey, valid_from: Timestamp) -> Self {
        let roles = Role::ALL.map(|role| match role {
            Role::Operator => RoleKeys::default(),
            _ => RoleKeys { holders: vec![Holder::of(key)], threshold: 1 },
        });
        Self { number: 1, valid_from, roles }
    }

    /// The first document an agent takes: it must name the pinned key as a root key, and that key
    /// and enough root keys must have signed it.
    pub fn pinned(signed: &Signed, pin: Fingerprint, now: Timestamp) -> Result<Self, Refusal> {
        let document = Self::open(signed, now)?;
        let counted = document.check(signed, Role::Root, now)?;
        let is_pinned = |holder: &Holder| holder.key.fingerprint() == pin;
        let pinned = document.role(Role::Root).holders.iter().find(|holder| is_pinned(holder));
        if !pinned.is_some_and(|holder| counted.contains(&holder.key.id())) {
            let first = signed.signatures().first().map(|(id, _)| *id);
            return Err(first.map_or(NOT_SIGNED, |key| Refusal::UnknownKey { key }));
        }
        Ok(document)
    }

    /// The document that replaces this one: a higher number, signed by enough root keys of this one
    /// and, so that nobody is locked out by a mistake, by enough of its own.
    pub fn succeeds(&self, next: &Signed, now: Timestamp) -> Result<Self, Refusal> {
        let document = Self::open(next, now)?;
        if document.number <= self.number {
            let (have, offered) = (self.number, document.number);
            return Err(Refusal::OldDocument { have, offered });
        }
        self.check(next, Role::Root, now)?;
        document.check(next, Role::Root, now)?;
        Ok(document)
    }

    pub fn sign(&self, keys: &[&SigningKey]) -> Signed {
        let unsigned = Signed::new(Self::PAYLOAD_TYPE, self.encode());
        keys.iter().fold(unsigned, |signed, key| signed.signed_by(key))
    }

    pub const fn number(&self) -> u64 {
        self.number
    }

    pub const fn valid_from(&self) -> Timestamp {
        self.valid_from
    }

    pub const fn role(&self, role: Role) -> &RoleKeys {
        &self.roles[role as usize]
    }

    /// The keys that hold `role` now. Those of [`Role::Server`] are what a connection pins.
    pub fn keys(&self, role: Role, now: Timestamp) -> impl Iterator<Item = VerifyingKey> {
        let holders = self.role(role).holders.iter();
        holders.filter(move |holder| holder.holds_at(now)).map(|holder| holder.key)
    }

    /// The keys that signed `signed` in `role`, if they are enough.
    ///
    /// A signature of a key that this document does not know is passed over, as during a change of
    /// keys; a signature of a key that holds the role must fit, even when others would be enough.
    pub fn check(
        &self,
        signed: &Signed,
        role: Role,
        now: Timestamp,
    ) -> Result<Vec<KeyId>, Refusal> {
        let keys = self.role(role);
        let mut counted = Vec::new();
        let mut passed_over = None;
        for (id, signature) in signed.signatures() {
            match keys.find(*id) {
                Some(holder) if !signed.is_signed_by(&holder.key, signature) => {
                    return Err(Refusal::BadSignature { key: *id });
                }
                Some(holder) if holder.holds_at(now) => counted.push(*id),
                Some(_) => passed_over = Some(Refusal::KeyExpired { key: *id }),
                None if self.knows(*id) => {
                    passed_over.get_or_insert(Refusal::WrongRole { key: *id, role });
                }
                None => {
                    passed_over.get_or_insert(Refusal::UnknownKey { key: *id });
                }
            }
        }
        let (have, need) = (counted.len(), usize::from(keys.threshold));
        match passed_over {
            _ if have >= need && need > 0 => Ok(counted),
            Some(refusal) if have == 0 => Err(refusal),
            _ => Err(Refusal::NotEnoughSignatures { role, have, need: need.max(1) }),
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::versioned(VERSION)
            .raw(&self.number.to_be_bytes())
            .raw(&self.valid_from.as_millis().to_be_bytes());
        self.roles
            .iter()
            .fold(writer, |writer, role| {
                let writer = writer.raw(&[role.threshold]).length(role.holders.len());
                role.holders.iter().fold(writer, |writer, holder| {
                    let until = holder.until.map(|until| until.as_millis().to_be_bytes());
                    let until = until.as_ref().map(<[u8; 8]>::as_slice);
                    writer.raw(holder.key.as_bytes()).optional(until)
                })
            })
            .finish()
    }

    /// For reading back what was already trusted; what comes from elsewhere goes through
    /// [`Self::pinned`] or [`Self::succeeds`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("trust document", bytes);
        reader.version(VERSION)?;
        let number = reader.u64()?;
        let valid_from = Timestamp::from_millis(reader.i64()?);
        let mut roles = [const { RoleKeys { holders: Vec::new(), threshold: 0 } }; 5];
        for role in &mut roles {
            *role = decode_role(&mut reader)?;
        }
        let document = Self { number, valid_from, roles };
        document.check_roles().map_err(|why| reader.invalid(why))?;
        reader.end()?;
        Ok(document)
    }

    fn open(signed: &Signed, now: Timestamp) -> Result<Self, Refusal> {
        if signed.payload_type() != Self::PAYLOAD_TYPE {
            let (what, why) = ("trust document", "the envelope holds something else");
            return Err(DecodeError::Invalid { what, why }.into());
        }
        let document = Self::decode(signed.payload())?;
        if now + CLOCK_TOLERANCE < document.valid_from {
            return Err(Refusal::TooEarly { wait: document.valid_from.since(now) });
        }
        Ok(document)
    }

    fn knows(&self, id: KeyId) -> bool {
        self.roles.iter().any(|role| role.find(id).is_some())
    }

    fn check_roles(&self) -> Result<(), &'static str> {
        if [Role::Root, Role::Warrant].iter().any(|role| self.role(*role).holders.is_empty()) {
            return Err("the roles root and warrant need a key each");
        }
        if self.role(Role::Root).holders.iter().any(|holder| holder.until.is_some()) {
            return Err("a root key is ended by the next document, not by a date");
        }
        if self.role(Role::Server).threshold > 1 {
            return Err(
                "a server's certificate has one signature, so its role cannot ask for more",
            );
        }
        Ok(())
    }
}

const NOT_SIGNED: Refusal = Refusal::NotEnoughSignatures { role: Role::Root, have: 0, need: 1 };

fn decode_role(reader: &mut Reader<'_>) -> Result<RoleKeys, DecodeError> {
    let threshold = reader.u8()?;
    let mut holders: Vec<Holder> = Vec::new();
    for _ in 0..reader.length()? {
        let key = reader.key()?;
        if holders.last().is_some_and(|last| key <= last.key) {
            return Err(reader.invalid("its keys are not in ascending order"));
        }
        let until = reader.optional(Reader::i64)?.map(Timestamp::from_millis);
        holders.push(Holder { key, until });
    }
    RoleKeys::new(holders, threshold).map_err(|DocumentError(why)| reader.invalid(why))
}

#[cfg(test)]
mod tests;
