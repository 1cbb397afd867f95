//! Secrets at rest and on their way: passwords that workflows use without ever holding them.
//!
//! At rest under the server's [`VaultKey`]; to an agent sealed to its [`SealingPublic`]. Either
//! form is a version byte, what the one-time key is derived with, and ChaCha20-Poly1305. A key
//! encrypts once, so its nonce is zero. What belongs to the secret is authenticated with it: its
//! name, and on the way the run that it is for. Owns the forms; where they are kept is the shell's.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use model::RunId;
use zeroize::Zeroizing;

use crate::{SealingKey, SealingPublic};

const VERSION: u8 = 1;
const KEPT_CONTEXT: &str = "deskhand 2026-11-21 secret kept by a server";
const SEALED_CONTEXT: &str = "deskhand 2026-11-21 secret sealed to an agent";
const NAME_CHARS_MAX: usize = 64;
/// The version and what the one-time key is derived with.
const HEAD_BYTES: usize = 33;

/// Longest secret: a password, a key, a token, a certificate.
pub const SECRET_BYTES_MAX: usize = 64 << 10;

/// The name of a secret: a letter or digit, then letters, digits, `-`, `_` and `.`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a name of a secret (letters, digits, `-`, `_` and `.`, beginning with a \
     letter or digit, at most {NAME_CHARS_MAX})"
)]
pub struct BadSecretName {
    text: String,
}

/// Says whether secrets may have this name.
pub fn check_secret_name(text: &str) -> Result<(), BadSecretName> {
    let is_first = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_rest = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if is_first && text.len() <= NAME_CHARS_MAX && text.chars().all(is_rest) {
        return Ok(());
    }
    Err(BadSecretName { text: text.to_owned() })
}

/// Why a secret stays closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CannotOpen {
    #[error("what holds the secret is damaged")]
    Damaged,
    #[error("the secret has form {0}, which this program does not know")]
    VersionUnknown(u8),
    /// Another key, another name or run, or changed bytes: nobody can tell which.
    #[error("the secret was closed with another key or for something else, or was changed")]
    NotOurs,
}

/// The key under which a server keeps secrets. Overwritten when dropped, never printed.
pub struct VaultKey(Zeroizing<[u8; 32]>);

impl VaultKey {
    /// The key made of 32 bytes of randomness.
    pub fn from_seed(random: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*random))
    }

    /// Encrypts a secret for keeping. `salt` is fresh randomness.
    pub fn close(&self, name: &str, secret: &[u8], salt: [u8; 32]) -> Vec<u8> {
        close(&self.derive(&salt), salt, &about_kept(name), secret)
    }

    pub fn open(&self, name: &str, kept: &[u8]) -> Result<Zeroizing<Vec<u8>>, CannotOpen> {
        let (salt, rest) = head(kept)?;
        open(&self.derive(salt), &about_kept(name), rest)
    }

    fn derive(&self, salt: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        derive(KEPT_CONTEXT, &[&self.0[..], salt])
    }
}

impl std::fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VaultKey(…)")
    }
}

impl SealingPublic {
    /// Seals a secret to this agent for one run. `ephemeral` is 32 bytes of fresh randomness;
    /// `None` when the agent's key is one that everybody could open.
    pub fn seal(
        &self,
        ephemeral: &[u8; 32],
        run: RunId,
        name: &str,
        secret: &[u8],
    ) -> Option<Vec<u8>> {
        let ephemeral = SealingKey::from_seed(ephemeral);
        let public = *ephemeral.public().as_bytes();
        let shared = ephemeral.agree(self)?;
        let key = derive(SEALED_CONTEXT, &[&shared[..], &public, self.as_bytes()]);
        Some(close(&key, public, &about_sealed(run, name), secret))
    }
}

impl SealingKey {
    /// Opens what was sealed to this agent for `run` under `name`.
    pub fn open(
        &self,
        run: RunId,
        name: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CannotOpen> {
        let (public, rest) = head(sealed)?;
        let shared = self.agree(&SealingPublic::from_bytes(*public)).ok_or(CannotOpen::NotOurs)?;
        let key = derive(SEALED_CONTEXT, &[&shared[..], public, self.public().as_bytes()]);
        open(&key, &about_sealed(run, name), rest)
    }
}

/// Names are compared without case.
fn about_kept(name: &str) -> Vec<u8> {
    name.to_lowercase().into_bytes()
}

fn about_sealed(run: RunId, name: &str) -> Vec<u8> {
    [run.as_bytes(), name.to_lowercase().as_bytes()].concat()
}

fn derive(context: &str, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    parts.iter().for_each(|part| _ = hasher.update(part));
    Zeroizing::new(*hasher.finalize().as_bytes())
}

fn cipher(key: &[u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Key::from(*key))
}

fn close(key: &[u8; 32], with: [u8; 32], about: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD_BYTES + secret.len() + 16);
    out.push(VERSION);
    out.extend_from_slice(&with);
    let payload = Payload { msg: secret, aad: about };
    // Fails only for messages longer than memory.
    out.extend(cipher(key).encrypt(&Nonce::default(), payload).unwrap_or_default());
    out
}

fn head(bytes: &[u8]) -> Result<(&[u8; 32], &[u8]), CannotOpen> {
    let (version, rest) = bytes.split_first().ok_or(CannotOpen::Damaged)?;
    if *version != VERSION {
        return Err(CannotOpen::VersionUnknown(*version));
    }
    rest.split_first_chunk().ok_or(CannotOpen::Damaged)
}

fn open(key: &[u8; 32], about: &[u8], rest: &[u8]) -> Result<Zeroizing<Vec<u8>>, CannotOpen> {
    let payload = Payload { msg: rest, aad: about };
    let opened = cipher(key).decrypt(&Nonce::default(), payload);
    opened.map(Zeroizing::new).map_err(|_| CannotOpen::NotOurs)
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn run(number: u8) -> RunId {
        RunId::from_bytes([number; 16])
    }

    #[test]
    fn only_the_agent_the_run_and_the_name_open_what_was_sealed() {
        let (agent, other) = (SealingKey::from_seed(&[1; 32]), SealingKey::from_seed(&[2; 32]));
        let sealed = agent.public().seal(&[3; 32], run(1), "bob", b"hunter2").unwrap();
        assert_eq!(agent.open(run(1), "BOB", &sealed).unwrap().as_slice(), b"hunter2");
        assert_eq!(other.open(run(1), "bob", &sealed), Err(CannotOpen::NotOurs));
        assert_eq!(agent.open(run(2), "bob", &sealed), Err(CannotOpen::NotOurs));
        assert_eq!(agent.open(run(1), "eve", &sealed), Err(CannotOpen::NotOurs));
        assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
        let weak = SealingPublic::from_bytes([0; 32]);
        assert_eq!(weak.seal(&[3; 32], run(1), "bob", b"hunter2"), None);
    }

    #[test]
    fn only_the_vault_and_the_name_open_what_is_kept() {
        let (vault, other) = (VaultKey::from_seed(&[1; 32]), VaultKey::from_seed(&[2; 32]));
        let kept = vault.close("bob", b"hunter2", [9; 32]);
        assert_eq!(vault.open("Bob", &kept).unwrap().as_slice(), b"hunter2");
        assert_eq!(vault.open("eve", &kept), Err(CannotOpen::NotOurs));
        assert_eq!(other.open("bob", &kept), Err(CannotOpen::NotOurs));
        assert!(!kept.windows(7).any(|part| part == b"hunter2"));
        assert_eq!(vault.open("bob", &[2; 60]), Err(CannotOpen::VersionUnknown(2)));
        assert_eq!(format!("{vault:?}"), "VaultKey(…)");
    }

    #[test]
    fn names_are_plain() {
        for name in ["bob", "bobs-password", "1.b_C"] {
            assert_eq!(check_secret_name(name), Ok(()), "{name}");
        }
        let long = "x".repeat(65);
        for name in ["", "-x", ".x", "a b", "a/b", "ü", "a{{b", &long] {
            assert!(check_secret_name(name).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn secrets_read_back(secret: Vec<u8>, seed: [u8; 32], name in "[a-z]{1,9}") {
            let agent = SealingKey::from_seed(&[1; 32]);
            let sealed = agent.public().seal(&seed, run(1), &name, &secret).unwrap();
            prop_assert_eq!(&*agent.open(run(1), &name, &sealed).unwrap(), &secret);
            let vault = VaultKey::from_seed(&[7; 32]);
            let kept = vault.close(&name, &secret, seed);
            prop_assert_eq!(&*vault.open(&name, &kept).unwrap(), &secret);
        }

        #[test]
        fn a_changed_bit_or_other_bytes_stay_closed(
            bytes: Vec<u8>,
            place: proptest::sample::Index,
            bit in 0u8..8,
        ) {
            let agent = SealingKey::from_seed(&[1; 32]);
            prop_assert!(agent.open(run(1), "a", &bytes).is_err());
            let mut sealed = agent.public().seal(&[3; 32], run(1), "a", b"secret").unwrap();
            sealed[place.index(HEAD_BYTES + 6 + 16)] ^= 1 << bit;
            // The highest bit of a point on the curve means nothing, yet it is part of the key.
            prop_assert!(agent.open(run(1), "a", &sealed).is_err());
        }
    }
}
