//! Why an agent does not do what it is asked: a closed list, each with a word for programs.

use model::{RunId, Span};

use crate::codec::DecodeError;
use crate::{KeyId, Role, WarrantId};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Malformed(DecodeError),
    #[error("the {what} has version {version}, which this agent is too old or too new for")]
    VersionUnknown { what: &'static str, version: u8 },
    #[error("it is signed with key {key}, which this machine does not trust")]
    UnknownKey { key: KeyId },
    #[error("it is signed with key {key}, whose time for that is over")]
    KeyExpired { key: KeyId },
    #[error("it is signed with key {key}, which may not sign as {role}")]
    WrongRole { key: KeyId, role: Role },
    #[error("it has {have} of the {need} signatures needed as {role}")]
    NotEnoughSignatures { role: Role, have: usize, need: usize },
    #[error("the signature of key {key} does not fit: the content was altered")]
    BadSignature { key: KeyId },
    #[error("it names key {key} as its signer but lacks that key's signature")]
    NotByNamedKey { key: KeyId },
    #[error("it is addressed to another {what}, not to this one")]
    NotAddressedToMe { what: &'static str },
    #[error("nothing proves that this target is among those of the warrant")]
    BadProof,
    #[error("the definition is not the one that was signed")]
    DefinitionAltered,
    #[error("the variables are not the ones that were signed")]
    VariablesAltered,
    #[error("it may not begin for another {wait} by this machine's clock")]
    TooEarly { wait: Span },
    #[error("the time to begin was over {late} ago by this machine's clock")]
    TooLate { late: Span },
    #[error("warrant {warrant} was used for run {first} and does not permit run {asked} as well")]
    AnotherRun { warrant: WarrantId, first: RunId, asked: RunId },
    #[error("trust document {offered} is not newer than {have}, which this machine has")]
    OldDocument { have: u64, offered: u64 },
    #[error("set {offered} of wanted applications is older than {have}, which this machine has")]
    OldSet { have: u64, offered: u64 },
    #[error("the set of wanted applications is not the one that was signed")]
    SetAltered,
}

impl Refusal {
    /// One word that never changes, for logs and the wire.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::VersionUnknown { .. } => "version_unknown",
            Self::UnknownKey { .. } => "unknown_key",
            Self::KeyExpired { .. } => "key_expired",
            Self::WrongRole { .. } => "wrong_role",
            Self::NotEnoughSignatures { .. } => "not_enough_signatures",
            Self::BadSignature { .. } => "bad_signature",
            Self::NotByNamedKey { .. } => "not_by_named_key",
            Self::NotAddressedToMe { .. } => "not_addressed_to_me",
            Self::BadProof => "bad_proof",
            Self::DefinitionAltered => "definition_altered",
            Self::VariablesAltered => "variables_altered",
            Self::TooEarly { .. } => "too_early",
            Self::TooLate { .. } => "too_late",
            Self::AnotherRun { .. } => "another_run",
            Self::OldDocument { .. } => "old_document",
            Self::OldSet { .. } => "old_set",
            Self::SetAltered => "set_altered",
        }
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::VersionUnknown { what, version } => Self::VersionUnknown { what, version },
            other => Self::Malformed(other),
        }
    }
}
