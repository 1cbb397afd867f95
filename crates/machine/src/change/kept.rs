//! What stood in the way of changes: contents by hash, kept so that they can be put back.
//!
//! A file that has no other name becomes the kept one itself, with whatever belongs to it; of
//! others a copy is kept. A link is kept as a file that holds its target. The same content is kept
//! once for each owner and rights that it had, for it goes back with these. Within a limit: what
//! would go beyond is refused before anything is changed. What no record names any more is removed
//! by [`KeptStore::sweep`].

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use application::Kept;
use model::Digest;

use super::journal::Prior;
use super::{ChangeError, attributes};

/// Names of copies that are still being written begin so.
const NEW_PREFIX: &str = "new-";
const BETWEEN: char = '-';

/// A folder of kept contents.
#[derive(Debug, Clone)]
pub struct KeptStore {
    folder: PathBuf,
    bytes_max: u64,
}

/// What a [`KeptStore::sweep`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    pub removed: u64,
    pub bytes_removed: u64,
    pub bytes_left: u64,
}

impl KeptStore {
    /// Makes the folder where missing, for the machine alone. At most `bytes_max` are kept in it.
    pub fn open(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        crate::protect_folder(folder)?;
        Ok(Self { folder: folder.to_owned(), bytes_max })
    }

    /// Bytes that are kept now.
    pub fn bytes(&self) -> io::Result<u64> {
        self.list()?.map(|entry| entry.map(|(_, size)| size)).sum()
    }

    /// A kept content, with the mode, owner and time it had.
    pub fn read(&self, kept: &Kept) -> io::Result<File> {
        File::open(self.path(kept))
    }

    pub fn holds(&self, kept: &Kept) -> bool {
        self.path(kept).exists()
    }

    /// Removes what is not `live`. Not while a transaction is under way.
    pub fn sweep(&self, live: &BTreeSet<Digest>) -> io::Result<Swept> {
        let mut swept = Swept::default();
        for entry in self.list()? {
            let (name, size) = entry?;
            let digest = name.split(BETWEEN).next().and_then(|digest| digest.parse().ok());
            if digest.is_some_and(|digest| live.contains(&digest)) {
                swept.bytes_left += size;
            } else {
                attributes::remove_file(&self.folder.join(name))?;
                swept.removed += 1;
                swept.bytes_removed += size;
            }
        }
        Ok(swept)
    }

    pub(super) fn check_room(&self, needed: u64) -> Result<(), ChangeError> {
        let failed =
            |source| ChangeError::State { path: self.folder.clone(), what: "read", source };
        let free = self.bytes_max.saturating_sub(self.bytes().map_err(failed)?);
        if needed > free { Err(ChangeError::KeptLimit { needed, free }) } else { Ok(()) }
    }

    pub(super) fn path(&self, kept: &Kept) -> PathBuf {
        self.folder.join(name(kept))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps a copy of a file that stays where it is, durable once this returns.
    pub(super) fn copy(&self, kept: &Kept, from: &mut File) -> io::Result<()> {
        self.add(kept, |new| {
            let (copied, _) = digest_of(&mut Teed { from, to: new })?;
            if copied != kept.digest {
                return Err(io::Error::other("it changes while it is kept"));
            }
            attributes::keep(from, new)
        })
    }

    /// Keeps the target of a link.
    pub(super) fn keep_text(&self, kept: &Kept, text: &[u8], prior: &Prior) -> io::Result<()> {
        self.add(kept, |new| {
            new.write_all(text)?;
            attributes::give(new, prior.owner, prior.group)
        })
    }

    fn add(&self, kept: &Kept, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        if self.holds(kept) {
            return Ok(());
        }
        let path = self.folder.join(format!("{NEW_PREFIX}{}", name(kept)));
        let mut new = File::create(&path)?;
        fill(&mut new)?;
        new.sync_all()?;
        drop(new);
        fs::rename(&path, self.path(kept))?;
        attributes::sync_folder(&self.folder)
    }

    fn list(&self) -> io::Result<impl Iterator<Item = io::Result<(String, u64)>>> {
        let entries = fs::read_dir(&self.folder)?;
        Ok(entries.map(|entry| {
            let entry = entry?;
            Ok((entry.file_name().to_string_lossy().into_owned(), entry.metadata()?.len()))
        }))
    }
}

/// The digest, and what tells it from the same content with other rights.
fn name(kept: &Kept) -> String {
    match kept.rights {
        0 => kept.digest.to_string(),
        rights => format!("{}{BETWEEN}{rights:016x}", kept.digest),
    }
}

/// Writes what is read.
struct Teed<'a> {
    from: &'a mut File,
    to: &'a mut File,
}

impl Read for Teed<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(room)?;
        self.to.write_all(&room[..count])?;
        Ok(count)
    }
}

/// The digest of all that is left to read, and how much that was.
pub(super) fn digest_of(from: &mut impl Read) -> io::Result<(Digest, u64)> {
    let mut hasher = blake3::Hasher::new();
    let mut room = vec![0; 128 << 10];
    let mut size = 0;
    loop {
        match from.read(&mut room) {
            Ok(0) => return Ok((Digest::from_bytes(*hasher.finalize().as_bytes()), size)),
            Ok(count) => {
                hasher.update(&room[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
