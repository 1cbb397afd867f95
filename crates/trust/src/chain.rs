//! The chain of hashes that shows whether a log was cut, reordered or edited.

use model::Digest;

/// The hash of an entry together with all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHash(Digest);

impl ChainHash {
    /// Where an empty log stands.
    pub const START: Self = Self(Digest::from_bytes([0; 32]));

    pub const fn from_digest(digest: Digest) -> Self {
        Self(digest)
    }

    pub const fn digest(&self) -> &Digest {
        &self.0
    }

    /// Where the log stands after `entry`.
    #[must_use]
    pub fn then(self, entry: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.0.as_bytes()).update(entry);
        Self(Digest::from_bytes(*hasher.finalize().as_bytes()))
    }

    /// Where the log stands after `entries` that say of themselves what they hash to.
    pub fn follow<'a>(
        self,
        entries: impl IntoIterator<Item = (&'a [u8], ChainHash)>,
    ) -> Result<Self, BrokenChain> {
        entries.into_iter().enumerate().try_fold(self, |at, (place, (entry, said))| {
            let next = at.then(entry);
            if next == said { Ok(next) } else { Err(BrokenChain { place }) }
        })
    }
}

/// A log that is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log was altered at or before entry {place}")]
pub struct BrokenChain {
    /// Counted from 0.
    pub place: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_missing_or_moved_entry_is_found() {
        let texts: [&[u8]; 3] = [b"one", b"two", b"three"];
        let mut at = ChainHash::START;
        let log = texts.map(|text| {
            at = at.then(text);
            (text, at)
        });
        assert_eq!(ChainHash::START.follow(log), Ok(at));
        let broken = |log: Vec<(&'static [u8], ChainHash)>| ChainHash::START.follow(log);
        let edited = vec![log[0], (b"2", log[1].1), log[2]];
        assert_eq!(broken(edited), Err(BrokenChain { place: 1 }));
        assert_eq!(broken(vec![log[0], log[2]]), Err(BrokenChain { place: 1 }));
        assert_eq!(broken(vec![log[1], log[0], log[2]]), Err(BrokenChain { place: 0 }));
    }
}
