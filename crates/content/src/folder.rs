//! Folder objects: what a folder of the pinned depot holds, in the one form that is hashed.
//!
//! Version 1: the byte 1, a count, then entries in strictly rising order of their names' bytes,
//! each kind, mark, name and what belongs to the kind. There is one way to write a folder, and
//! decoding refuses every other: equal folders have equal digests.

use machine::check_portable_name;
use model::Digest;

use crate::bytes::{BytesError, Input, Output, wrong};

const VERSION: u8 = 1;
const LINK_MAX: usize = 4096;

/// The entries of one folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Folder {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// A target wrote it into the depot; uploads leave it out unless told otherwise.
    pub from_target: bool,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// `mode` holds the nine permission bits.
    File {
        size: u64,
        mode: u32,
        mtime_ms: i64,
        digest: Digest,
    },
    Folder {
        mode: u32,
        digest: Digest,
    },
    Link {
        target: String,
    },
    /// Asked for when the depot was pinned, and not there.
    Absent,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no folder object: {0}")]
pub struct FolderError(#[from] BytesError);

impl Folder {
    /// A folder of these entries, in any order.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self, FolderError> {
        entries.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        let twice = entries.windows(2).any(|pair| pair[0].name == pair[1].name);
        if twice {
            return Err(FolderError(wrong("a name stands there twice")));
        }
        entries.iter().try_for_each(check)?;
        Ok(Self { entries })
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn get(&self, name: &str) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|entry| entry.name.as_bytes().cmp(name.as_bytes()));
        self.entries.get(at.ok()?)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Output::default();
        out.byte(VERSION);
        out.count(self.entries.len());
        for entry in &self.entries {
            out.byte(match entry.what {
                What::File { .. } => 0,
                What::Folder { .. } => 1,
                What::Link { .. } => 2,
                What::Absent => 3,
            });
            out.byte(u8::from(entry.from_target));
            out.text(&entry.name);
            match &entry.what {
                What::File { size, mode, mtime_ms, digest } => {
                    out.u64(*size);
                    out.u32(*mode);
                    out.i64(*mtime_ms);
                    out.digest(digest);
                }
                What::Folder { mode, digest } => {
                    out.u32(*mode);
                    out.digest(digest);
                }
                What::Link { target } => out.text(target),
                What::Absent => {}
            }
        }
        out.0
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, FolderError> {
        let mut input = Input(bytes);
        input.version(VERSION)?;
        let count = input.u32()?;
        let mut entries: Vec<Entry> = Vec::new();
        for _ in 0..count {
            let entry = decode_entry(&mut input)?;
            check(&entry)?;
            if entries.last().is_some_and(|last| last.name.as_bytes() >= entry.name.as_bytes()) {
                return Err(FolderError(wrong("its names are not in order")));
            }
            entries.push(entry);
        }
        input.end()?;
        Ok(Self { entries })
    }

    pub fn digest(&self) -> Digest {
        Digest::from_bytes(*blake3::hash(&self.encode()).as_bytes())
    }
}

fn decode_entry(input: &mut Input<'_>) -> Result<Entry, BytesError> {
    let kind = input.byte()?;
    let from_target = input.flag()?;
    let name = input.text()?.to_owned();
    let what = match kind {
        0 => What::File {
            size: input.u64()?,
            mode: input.u32()?,
            mtime_ms: input.i64()?,
            digest: input.digest()?,
        },
        1 => What::Folder { mode: input.u32()?, digest: input.digest()? },
        2 => What::Link { target: input.text()?.to_owned() },
        3 => What::Absent,
        _ => return Err(wrong("an entry of an unknown kind")),
    };
    Ok(Entry { name, from_target, what })
}

fn check(entry: &Entry) -> Result<(), FolderError> {
    if check_portable_name(&entry.name).is_err() {
        return Err(FolderError(wrong("a name that is not allowed")));
    }
    let right = match &entry.what {
        What::File { size, mode, .. } => *mode <= 0o777 && i64::try_from(*size).is_ok(),
        What::Folder { mode, .. } => *mode <= 0o777,
        What::Link { target } => is_link_target(target),
        What::Absent => true,
    };
    if right { Ok(()) } else { Err(FolderError(wrong("an entry beyond its limits"))) }
}

pub(crate) fn is_link_target(target: &str) -> bool {
    !target.is_empty() && target.len() <= LINK_MAX && !target.contains('\0')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn what() -> impl Strategy<Value = What> {
        let digest = || any::<[u8; 32]>().prop_map(Digest::from_bytes);
        prop_oneof![
            (0..u64::MAX / 2, 0..0o1000u32, any::<i64>(), digest()).prop_map(
                |(size, mode, mtime_ms, digest)| What::File { size, mode, mtime_ms, digest }
            ),
            (0..0o1000u32, digest()).prop_map(|(mode, digest)| What::Folder { mode, digest }),
            "[a-z/.]{1,20}".prop_map(|target| What::Link { target }),
            Just(What::Absent),
        ]
    }

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let names = proptest::collection::btree_set("[a-zäA-Z0-9]{1,6}", 0..8);
        names
            .prop_flat_map(|names| {
                let count = names.len();
                let rest = proptest::collection::vec((any::<bool>(), what()), count);
                (Just(names), rest)
            })
            .prop_map(|(names, rest)| {
                let named = names.into_iter().zip(rest);
                named.map(|(name, (from_target, what))| Entry { name, from_target, what }).collect()
            })
    }

    proptest! {
        #[test]
        fn folders_read_back(entries in entries(), swap in any::<u8>()) {
            let folder = Folder::new(entries.clone()).unwrap();
            let bytes = folder.encode();
            prop_assert_eq!(Folder::decode(&bytes), Ok(folder.clone()));
            let mut other = entries;
            if !other.is_empty() {
                let at = usize::from(swap) % other.len();
                other.swap(0, at);
            }
            prop_assert_eq!(Folder::new(other).unwrap().digest(), folder.digest());
        }

        #[test]
        fn one_folder_has_one_form(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let bytes = [&[VERSION][..], &bytes].concat();
            if let Ok(folder) = Folder::decode(&bytes) {
                prop_assert_eq!(folder.encode(), bytes);
            }
        }
    }

    fn link(name: &str) -> Entry {
        Entry { name: name.into(), from_target: false, what: What::Link { target: "x".into() } }
    }

    #[test]
    fn every_other_form_is_refused() {
        let entry = |name: &str| {
            let mut out = Output::default();
            out.raw(&[2, 0]);
            out.text(name);
            out.text("x");
            out.0
        };
        let folder = |names: &[&str], tail: &[u8]| {
            let mut out = Output::default();
            out.byte(VERSION);
            out.count(names.len());
            names.iter().for_each(|name| out.raw(&entry(name)));
            out.raw(tail);
            Folder::decode(&out.0)
        };
        assert!(folder(&["a", "b"], &[]).is_ok());
        assert!(folder(&["b", "a"], &[]).is_err());
        assert!(folder(&["a", "a"], &[]).is_err());
        assert!(folder(&["a", "b"], &[0]).is_err());
        for name in ["", ".", "..", "a/b", "a\\b", "CON", "a:b", "a."] {
            assert!(folder(&[name], &[]).is_err(), "{name}");
            assert!(Folder::new(vec![link(name)]).is_err(), "{name}");
        }
        assert!(Folder::new(vec![link("a"), link("a")]).is_err());
        assert!(Folder::decode(&[2, 0, 0, 0, 0]).is_err());
    }
}
