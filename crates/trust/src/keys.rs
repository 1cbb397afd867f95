//! Ed25519 keys and their short and full names.
//!
//! Owns signing and checking of bytes; what may be signed is the business of [`crate::Signed`].
//! A [`VerifyingKey`] is always a point of large order, and signatures are checked strictly, so
//! one signature cannot be valid for two messages or two keys.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::Signer as _;
use zeroize::Zeroizing;

/// DER of a PKCS#8 version 1 Ed25519 private key (RFC 8410) up to the 32 bytes of the seed.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// DER of an Ed25519 SubjectPublicKeyInfo (RFC 8410) up to the 32 bytes of the key.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// The secret half of a key pair. Overwritten when dropped, never printed.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key made of 32 bytes of randomness.
    pub fn from_seed(random: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(random))
    }

    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    pub fn id(&self) -> KeyId {
        self.verifying_key().id()
    }

    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }

    /// PKCS#8 as RFC 8410 has it, which TLS libraries and OpenSSL read.
    pub fn to_pkcs8_der(&self) -> Zeroizing<Vec<u8>> {
        let mut der = Zeroizing::new(Vec::with_capacity(PKCS8_PREFIX.len() + 32));
        der.extend_from_slice(&PKCS8_PREFIX);
        der.extend_from_slice(self.0.as_bytes());
        der
    }

    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, BadKey> {
        let seed = der.strip_prefix(&PKCS8_PREFIX).ok_or(BadKey)?;
        seed.try_into().map(Self::from_seed).map_err(|_| BadKey)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id())
    }
}

/// Bytes that are not a usable Ed25519 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 key")]
pub struct BadKey;

/// The public half of a key pair.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BadKey> {
        match ed25519_dalek::VerifyingKey::from_bytes(bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(key)),
            _ => Err(BadKey),
        }
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    pub fn id(&self) -> KeyId {
        self.fingerprint().key_id()
    }

    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(*blake3::hash(self.as_bytes()).as_bytes())
    }

    /// Whether this key made `signature` over exactly `message`.
    pub fn has_signed(&self, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(message, &signature).is_ok()
    }

    /// SubjectPublicKeyInfo as RFC 8410 has it: what certificates and PEM files carry.
    pub fn to_spki_der(&self) -> Vec<u8> {
        [SPKI_PREFIX.as_slice(), self.as_bytes()].concat()
    }

    pub fn from_spki_der(der: &[u8]) -> Result<Self, BadKey> {
        let key = der.strip_prefix(&SPKI_PREFIX).ok_or(BadKey)?;
        key.try_into().map_err(|_| BadKey).and_then(Self::from_bytes)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.id())
    }
}

impl Ord for VerifyingKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl PartialOrd for VerifyingKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(")?;
        write_hex(f, &self.0[..8])?;
        f.write_str("…)")
    }
}

/// A key's short name: the first 16 bytes of the BLAKE3 of the public key, 32 hex digits.
///
/// Finds a key among those already trusted; it never makes one trusted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 16]);

impl KeyId {
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = ParseKeyNameError;

    fn from_str(text: &str) -> Result<Self, ParseKeyNameError> {
        parse_hex(text).map(Self).ok_or_else(|| ParseKeyNameError::new(text, "key id", 32))
    }
}

/// A key's full name: the BLAKE3 of the public key. This is what is pinned, and what two people
/// compare: sixteen groups of four hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The short name of the same key.
    pub fn key_id(&self) -> KeyId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.0[..16]);
        KeyId(id)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, group) in self.0.chunks_exact(2).enumerate() {
            if place > 0 {
                f.write_str("-")?;
            }
            write_hex(f, group)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = ParseKeyNameError;

    /// Groups may be parted by `-`, `:`, spaces or nothing.
    fn from_str(text: &str) -> Result<Self, ParseKeyNameError> {
        let digits: String = text.chars().filter(|c| !matches!(c, '-' | ':' | ' ')).collect();
        parse_hex(&digits).map(Self).ok_or_else(|| ParseKeyNameError::new(text, "fingerprint", 64))
    }
}

/// A text that is not a key id or a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what} (expected {digits} hex digits)")]
pub struct ParseKeyNameError {
    text: String,
    what: &'static str,
    digits: usize,
}

impl ParseKeyNameError {
    fn new(text: &str, what: &'static str, digits: usize) -> Self {
        Self { text: text.to_owned(), what, digits }
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_names_read_back() {
        let key = SigningKey::from_seed(&[7; 32]);
        let public = key.verifying_key();
        assert_eq!(VerifyingKey::from_bytes(public.as_bytes()), Ok(public));
        assert_eq!(VerifyingKey::from_spki_der(&public.to_spki_der()), Ok(public));
        let again = SigningKey::from_pkcs8_der(&key.to_pkcs8_der()).unwrap();
        assert_eq!(again.verifying_key(), public);
        assert_eq!(public.id().to_string().parse(), Ok(public.id()));
        let shown = public.fingerprint().to_string();
        assert_eq!(shown.len(), 79);
        assert_eq!(shown.parse(), Ok(public.fingerprint()));
        assert_eq!(shown.replace('-', " ").parse(), Ok(public.fingerprint()));
        assert!("12-34".parse::<Fingerprint>().is_err());
        assert!("xyz".parse::<KeyId>().is_err());
    }

    #[test]
    fn only_the_key_and_the_message_fit() {
        let key = SigningKey::from_seed(&[1; 32]);
        let signature = key.sign(b"message");
        assert!(key.verifying_key().has_signed(b"message", &signature));
        assert!(!key.verifying_key().has_signed(b"Message", &signature));
        let other = SigningKey::from_seed(&[2; 32]).verifying_key();
        assert!(!other.has_signed(b"message", &signature));
    }

    #[test]
    fn weak_keys_and_secrets_stay_out() {
        let mut identity = [0; 32];
        identity[0] = 1;
        for weak in [[0; 32], identity] {
            assert_eq!(VerifyingKey::from_bytes(&weak), Err(BadKey));
        }
        let key = SigningKey::from_seed(&[0xab; 32]);
        assert!(!format!("{key:?}").contains("abab"));
    }
}
