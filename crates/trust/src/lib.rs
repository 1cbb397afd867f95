//! Who may command whom, and the proof of it: keys, signed envelopes, warrants over a hash tree of
//! targets, the trust document, enrolment tokens, the audit chain.
//!
//! Pure: reads no clock, makes no randomness, touches no file and no network; instants and random
//! bytes are arguments. Everything that is signed or hashed has one encoding: what decodes encodes
//! to the same bytes again, so a changed bit is either refused by the decoder or by a signature.
//!
//! Invariants: a [`Granted`] comes only out of [`verify`]; a secret is never printed by `Debug` and
//! is overwritten when dropped; a signature always covers the type of what is signed.

mod chain;
mod codec;
mod document;
pub mod key_file;
mod keys;
mod refusal;
mod release;
mod sealing;
mod secret;
mod signed;
mod spent;
mod succession;
mod target;
mod token;
mod verify;
mod wanted;
mod warrant;

pub use chain::{BrokenChain, ChainHash};
pub use codec::DecodeError;
pub use document::{DocumentError, Holder, Role, RoleKeys, TrustDocument};
pub use keys::{
    BadKey, Fingerprint, KeyId, ParseKeyNameError, Signature, SigningKey, VerifyingKey,
};
pub use refusal::Refusal;
pub use release::{Release, ReleaseError, ReleaseFile};
pub use sealing::{SealingKey, SealingPublic};
pub use secret::{BadSecretName, CannotOpen, SECRET_BYTES_MAX, VaultKey, check_secret_name};
pub use signed::Signed;
pub use spent::{Spending, Spent, Use};
pub use succession::Followed;
pub use target::{Leaf, NoTree, Proof, TargetTree};
pub use token::{ParseTokenError, Token, TokenSecret};
pub use verify::{CLOCK_TOLERANCE, Granted, Presented, Recipient, verify};
pub use wanted::{
    Wanted, WantedApplication, WantedGranted, WantedLeaf, WantedPresented, WantedSet,
};
pub use warrant::{Warrant, WarrantId, definition_digest, variables_digest};
