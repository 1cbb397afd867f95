//! A release of the agent: which programs are one version, signed by the role `release`.
//!
//! Names programs by their hash, so that who carries them counts for nothing. Invariant: a version
//! is a safe name of a folder on every system.

use std::collections::BTreeMap;

use model::{Digest, Timestamp};

use crate::codec::{DecodeError, Reader, Writer};
use crate::{Refusal, Role, Signed, SigningKey, TrustDocument};

const VERSION: u8 = 1;
const WHAT: &str = "release";

/// The program for one platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseFile {
    /// Plain BLAKE3 of its bytes.
    pub digest: Digest,
    pub size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    version: String,
    /// A machine takes no release made before the last one it took, so that an old version with
    /// known faults cannot be played back. Going back on purpose takes a new signature.
    made_at: Timestamp,
    /// By platform, as `linux-x86_64`.
    files: BTreeMap<String, ReleaseFile>,
}

/// Why such a release cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    #[error(
        "`{0}` cannot be a version: 1 to 64 of the characters A-Z a-z 0-9 . + - _, the first a \
         letter or digit"
    )]
    Version(String),
    #[error("`{0}` is no platform; write it as `linux-x86_64`")]
    Platform(String),
    #[error("a release needs at least one program")]
    Empty,
}

impl Release {
    pub const PAYLOAD_TYPE: &str = "application/vnd.deskhand.release";

    pub fn new(
        version: &str,
        made_at: Timestamp,
        files: BTreeMap<String, ReleaseFile>,
    ) -> Result<Self, ReleaseError> {
        if !is_name(version) {
            return Err(ReleaseError::Version(version.to_owned()));
        }
        if let Some(wrong) = files.keys().find(|name| !is_name(name) || !name.contains('-')) {
            return Err(ReleaseError::Platform(wrong.clone()));
        }
        if files.is_empty() {
            return Err(ReleaseError::Empty);
        }
        Ok(Self { version: version.to_owned(), made_at, files })
    }

    /// The release in an envelope that enough keys of the role `release` have signed.
    pub fn verify(signed: &Signed, trust: &TrustDocument, now: Timestamp) -> Result<Self, Refusal> {
        if signed.payload_type() != Self::PAYLOAD_TYPE {
            let why = "the envelope holds something else";
            return Err(DecodeError::Invalid { what: WHAT, why }.into());
        }
        trust.check(signed, Role::Release, now)?;
        Ok(Self::decode(signed.payload())?)
    }

    pub fn sign(&self, key: &SigningKey) -> Signed {
        Signed::new(Self::PAYLOAD_TYPE, self.encode()).signed_by(key)
    }

    pub fn version(&self) -> &str {
        &self.version
    }

    pub const fn made_at(&self) -> Timestamp {
        self.made_at
    }

    pub const fn files(&self) -> &BTreeMap<String, ReleaseFile> {
        &self.files
    }

    pub fn encode(&self) -> Vec<u8> {
        let head = Writer::versioned(VERSION)
            .text(&self.version)
            .raw(&self.made_at.as_millis().to_be_bytes())
            .length(self.files.len());
        self.files
            .iter()
            .fold(head, |out, (platform, file)| {
                out.text(platform).digest(file.digest).raw(&file.size.to_be_bytes())
            })
            .finish()
    }

    /// What an envelope holds; untrusted unless it comes out of [`Self::verify`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(WHAT, bytes);
        reader.version(VERSION)?;
        let version = reader.text()?.to_owned();
        let made_at = Timestamp::from_millis(reader.i64()?);
        let mut files = BTreeMap::new();
        for _ in 0..reader.length()? {
            let platform = reader.text()?.to_owned();
            if files.last_key_value().is_some_and(|(last, _)| platform <= *last) {
                return Err(reader.invalid("its platforms are not in ascending order"));
            }
            files.insert(platform, ReleaseFile { digest: reader.digest()?, size: reader.u64()? });
        }
        let why = "a version or platform in it is none";
        let invalid = reader.invalid(why);
        reader.end()?;
        Self::new(&version, made_at, files).map_err(|_| invalid)
    }
}

fn is_name(text: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    (1..=64).contains(&text.len())
        && text.chars().all(is_good)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        // Windows drops a dot at the end of a name.
        && !text.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Holder, RoleKeys};

    const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn release() -> Release {
        let file = |byte| ReleaseFile { digest: Digest::from_bytes([byte; 32]), size: 9 };
        let files = BTreeMap::from([
            ("linux-x86_64".to_owned(), file(1)),
            ("windows-x86_64".to_owned(), file(2)),
        ]);
        Release::new("0.2.0-rc.1+7", NOW, files).unwrap()
    }

    #[test]
    fn releases_read_back_and_need_their_role() {
        let trust = TrustDocument::founding(key(1).verifying_key(), NOW);
        let signed = release().sign(&key(1));
        let read = Signed::decode(&signed.encode()).unwrap();
        assert_eq!(Release::verify(&read, &trust, NOW), Ok(release()));
        let stranger = release().sign(&key(2));
        let refused = Release::verify(&stranger, &trust, NOW);
        assert!(matches!(refused, Err(Refusal::UnknownKey { .. })));
        let as_trust = Signed::new(TrustDocument::PAYLOAD_TYPE, release().encode());
        let refused = Release::verify(&as_trust.signed_by(&key(1)), &trust, NOW);
        assert!(matches!(refused, Err(Refusal::Malformed(_))));
    }

    #[test]
    fn a_warrant_key_releases_nothing() {
        let roles = |role| match role {
            Role::Release => vec![Holder::of(key(2).verifying_key())],
            Role::Operator => Vec::new(),
            _ => vec![Holder::of(key(1).verifying_key())],
        };
        let keys = |role| {
            let holders: Vec<Holder> = roles(role);
            let threshold = u8::from(!holders.is_empty());
            (role, RoleKeys::new(holders, threshold).unwrap())
        };
        let all = Role::ALL.into_iter().map(keys).collect();
        let trust = TrustDocument::new(1, NOW, all).unwrap();
        let refused = Release::verify(&release().sign(&key(1)), &trust, NOW);
        assert!(matches!(refused, Err(Refusal::WrongRole { .. })));
        assert!(Release::verify(&release().sign(&key(2)), &trust, NOW).is_ok());
    }

    #[test]
    fn bytes_that_were_changed_are_refused_or_another_release() {
        let bytes = release().encode();
        for end in 0..bytes.len() {
            assert!(Release::decode(&bytes[..end]).is_err());
        }
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x21;
            if let Ok(other) = Release::decode(&changed) {
                assert_eq!(other.encode(), changed);
                assert_ne!(other, release());
            }
        }
    }

    #[test]
    fn versions_are_names_of_folders() {
        let files = release().files().clone();
        for wrong in ["", "..", ".a", "a/b", "a\\b", "a b", "1.", "ä", &"1".repeat(65)] {
            let made = Release::new(wrong, NOW, files.clone());
            assert_eq!(made, Err(ReleaseError::Version(wrong.to_owned())));
        }
        assert_eq!(Release::new("1", NOW, BTreeMap::new()), Err(ReleaseError::Empty));
    }
}
