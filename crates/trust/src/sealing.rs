//! The X25519 pair of an agent: secrets for one machine are sealed to its public half.
//!
//! Apart from the signing key, so that a key which proves identity never decrypts anything. Owns
//! the pair and the agreement; what is sealed with it is the business of `secret`.

use std::fmt;

use zeroize::Zeroizing;

/// The secret half. Overwritten when dropped, never printed.
#[derive(Clone)]
pub struct SealingKey(x25519_dalek::StaticSecret);

impl SealingKey {
    /// The key made of 32 bytes of randomness.
    pub fn from_seed(random: &[u8; 32]) -> Self {
        Self(x25519_dalek::StaticSecret::from(*random))
    }

    pub fn public(&self) -> SealingPublic {
        SealingPublic(*x25519_dalek::PublicKey::from(&self.0).as_bytes())
    }

    /// For keeping it in a file that only its owner reads.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// What this key and `theirs` have in common; `None` when `theirs` is a point of small order,
    /// which would make the secret known to everybody. To be fed to a key derivation, not used raw.
    pub fn agree(&self, theirs: &SealingPublic) -> Option<Zeroizing<[u8; 32]>> {
        let shared = self.0.diffie_hellman(&x25519_dalek::PublicKey::from(theirs.0));
        shared.was_contributory().then(|| Zeroizing::new(*shared.as_bytes()))
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({:?})", self.public())
    }
}

/// The public half.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SealingPublic([u8; 32]);

impl SealingPublic {
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SealingPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingPublic(")?;
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_agree() {
        let (ours, theirs) = (SealingKey::from_seed(&[1; 32]), SealingKey::from_seed(&[2; 32]));
        assert_eq!(ours.agree(&theirs.public()), theirs.agree(&ours.public()));
        assert!(ours.agree(&SealingPublic::from_bytes([0; 32])).is_none());
        assert_eq!(SealingKey::from_seed(&ours.to_bytes()).public(), ours.public());
    }
}
