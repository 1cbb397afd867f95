//! What a transaction writes down before it acts: three records, each made durable before the next
//! thing happens and never changed after.
//!
//! * `journal`: every step with the names it uses and what was there before.
//! * `staged`: that all that is new was built, and the inodes by which it is known.
//! * `done`: that the changes stay, and what has to be kept of what was there.
//!
//! A record is written under another name, synced and renamed; it ends with a hash of its bytes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use application::Kept;
use model::codec::{CodecError, Reader, Writer};

use super::hive;
use super::{ChangeError, Done};

pub(super) const JOURNAL: &str = "journal";
pub(super) const STAGED: &str = "staged";
pub(super) const DONE: &str = "done";

const VERSION: u8 = 2;
const HASH_BYTES: usize = 32;

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("`{}` cannot be read", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "`{}` is damaged ({why}); nothing is known of what was under way. Look for files whose \
         names begin with `.deskhand-part-`, then remove the folder",
        .path.display()
    )]
    Damaged { path: PathBuf, why: CodecError },
}

impl JournalError {
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Journal {
    /// For whoever asked.
    pub(super) note: Vec<u8>,
    /// In the order they are carried out.
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// The number of the change that it carries out.
    pub(super) change: usize,
    pub(super) act: Act,
}

/// Paths are canonical, and below the ground's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// Built at `part` and renamed to `path`; what was there goes to `part` or `aside`.
    Place {
        built: Built,
        part: String,
        path: String,
        aside: String,
        prior: Option<Prior>,
    },
    /// Built at `part` within a folder that is placed as a whole.
    Within {
        built: Built,
        part: String,
        path: String,
    },
    /// Renamed to `aside`.
    Remove {
        path: String,
        aside: String,
        prior: Prior,
    },
    Hive(hive::Act),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Built {
    File,
    Folder,
}

/// What stood at a path, as it can be recognised under another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prior {
    pub(super) kind: PriorKind,
    pub(super) inode: u64,
    pub(super) size: u64,
    pub(super) mtime_ns: i64,
    pub(super) mode: u32,
    pub(super) owner: u32,
    pub(super) group: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PriorKind {
    File,
    Link,
    Folder,
}

/// By the number of the step, the inode of what was built; 0 where nothing was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Staged {
    pub(super) inodes: Vec<u64>,
}

/// That the changes stay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Settled {
    pub(super) kept: Vec<Keeping>,
    /// Steps that wait for the machine's next start.
    pub(super) delayed: Vec<usize>,
    pub(super) reboot: Vec<String>,
}

/// What is kept of a step's prior state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keeping {
    pub(super) step: usize,
    pub(super) kept: Kept,
    /// It becomes the kept file itself; else a copy of it is kept already.
    pub(super) moves: bool,
}

impl Settled {
    /// For whoever asked.
    pub(super) fn done(&self, journal: &Journal, left: Vec<String>) -> Done {
        let change = |keeping: &Keeping| journal.steps[keeping.step].change;
        Done {
            kept: self.kept.iter().map(|one| (change(one), one.kept.clone())).collect(),
            reboot: self.reboot.clone(),
            left,
        }
    }
}

pub(super) fn is_there(folder: &Path) -> bool {
    folder.join(JOURNAL).exists()
}

impl Journal {
    pub(super) fn write(&self, folder: &Path) -> Result<(), ChangeError> {
        let mut out = Writer::new();
        out.bytes(&self.note).list(&self.steps, write_step);
        write(folder, JOURNAL, out)
    }

    /// Nothing where there is none.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, JournalError> {
        read(folder, JOURNAL, |input| {
            let note = input.bytes()?.to_vec();
            Ok(Self { note, steps: input.list(read_step)? })
        })
    }
}

impl Staged {
    pub(super) fn write(&self, folder: &Path) -> Result<(), ChangeError> {
        let mut out = Writer::new();
        out.list(&self.inodes, |out, inode| {
            out.u64(*inode);
        });
        write(folder, STAGED, out)
    }

    pub(super) fn read(folder: &Path, journal: &Journal) -> Result<Option<Self>, JournalError> {
        read(folder, STAGED, |input| {
            let inodes = input.list(Reader::u64)?;
            let fits = inodes.len() == journal.steps.len();
            fits.then_some(Self { inodes }).ok_or(CodecError("it belongs to another journal"))
        })
    }
}

impl Settled {
    pub(super) fn write(&self, folder: &Path) -> Result<(), ChangeError> {
        let mut out = Writer::new();
        out.list(&self.kept, |out, keeping| {
            let Kept { digest, size, mode, mtime_ns, is_link, rights } = &keeping.kept;
            out.len(keeping.step).digest(digest).u64(*size).u32(*mode);
            out.raw(&mtime_ns.to_le_bytes()).switch(*is_link).u64(*rights).switch(keeping.moves);
        });
        out.list(&self.delayed, |out, step| {
            out.len(*step);
        });
        out.list(&self.reboot, |out, reason| {
            out.text(reason);
        });
        write(folder, DONE, out)
    }

    pub(super) fn read(folder: &Path, journal: &Journal) -> Result<Option<Self>, JournalError> {
        let step = |input: &mut Reader<'_>| {
            let step = input.u32()? as usize;
            let there = step < journal.steps.len();
            there.then_some(step).ok_or(CodecError("it belongs to another journal"))
        };
        read(folder, DONE, |input| {
            let kept = input.list(|input| {
                let step = step(input)?;
                let kept = Kept {
                    digest: input.digest()?,
                    size: input.u64()?,
                    mode: input.u32()?,
                    mtime_ns: input.array().map(i64::from_le_bytes)?,
                    is_link: input.switch()?,
                    rights: input.u64()?,
                };
                Ok::<_, CodecError>(Keeping { step, kept, moves: input.switch()? })
            })?;
            Ok(Self { kept, delayed: input.list(step)?, reboot: input.list(Reader::text)? })
        })
    }
}

fn write_step(out: &mut Writer, step: &Step) {
    out.len(step.change);
    match &step.act {
        Act::Place { built, part, path, aside, prior } => {
            out.u8(b'P').switch(*built == Built::Folder).text(part).text(path).text(aside);
            out.option(prior.as_ref(), write_prior);
        }
        Act::Within { built, part, path } => {
            out.u8(b'W').switch(*built == Built::Folder).text(part).text(path);
        }
        Act::Remove { path, aside, prior } => {
            out.u8(b'R').text(path).text(aside);
            write_prior(out, prior);
        }
        Act::Hive(act) => {
            out.u8(b'H');
            act.write(out);
        }
    }
}

fn read_step(input: &mut Reader<'_>) -> Result<Step, CodecError> {
    let change = input.u32()? as usize;
    let built = |is_folder| if is_folder { Built::Folder } else { Built::File };
    let act = match input.u8()? {
        b'P' => Act::Place {
            built: built(input.switch()?),
            part: input.text()?,
            path: input.text()?,
            aside: input.text()?,
            prior: input.option(read_prior)?,
        },
        b'W' => {
            Act::Within { built: built(input.switch()?), part: input.text()?, path: input.text()? }
        }
        b'R' => {
            Act::Remove { path: input.text()?, aside: input.text()?, prior: read_prior(input)? }
        }
        b'H' => Act::Hive(hive::Act::read(input)?),
        _ => return Err(CodecError("an unknown step")),
    };
    Ok(Step { change, act })
}

fn write_prior(out: &mut Writer, prior: &Prior) {
    out.u8(match prior.kind {
        PriorKind::File => b'f',
        PriorKind::Link => b'l',
        PriorKind::Folder => b'd',
    });
    out.u64(prior.inode).u64(prior.size).raw(&prior.mtime_ns.to_le_bytes());
    out.u32(prior.mode).u32(prior.owner).u32(prior.group);
}

fn read_prior(input: &mut Reader<'_>) -> Result<Prior, CodecError> {
    let kind = match input.u8()? {
        b'f' => PriorKind::File,
        b'l' => PriorKind::Link,
        b'd' => PriorKind::Folder,
        _ => return Err(CodecError("an unknown kind of file")),
    };
    Ok(Prior {
        kind,
        inode: input.u64()?,
        size: input.u64()?,
        mtime_ns: input.array().map(i64::from_le_bytes)?,
        mode: input.u32()?,
        owner: input.u32()?,
        group: input.u32()?,
    })
}

fn write(folder: &Path, name: &'static str, payload: Writer) -> Result<(), ChangeError> {
    let path = folder.join(name);
    durably(folder, name, &sealed(payload)).map_err(|source| ChangeError::State {
        path,
        what: "written",
        source,
    })
}

fn durably(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = folder.join(format!("{name}.new"));
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(new, folder.join(name))?;
    super::attributes::sync_folder(folder)
}

fn sealed(payload: Writer) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(payload.finish());
    let hash = blake3::hash(&bytes);
    bytes.extend(hash.as_bytes());
    bytes
}

fn read<T>(
    folder: &Path,
    name: &'static str,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, CodecError>,
) -> Result<Option<T>, JournalError> {
    let path = folder.join(name);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(JournalError::Read { path, source }),
    };
    unsealed(&bytes, read).map(Some).map_err(|why| JournalError::Damaged { path, why })
}

fn unsealed<T>(
    bytes: &[u8],
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, CodecError>,
) -> Result<T, CodecError> {
    let (said, hash) = bytes
        .len()
        .checked_sub(HASH_BYTES)
        .map(|at| bytes.split_at(at))
        .ok_or(CodecError("it is cut short"))?;
    if blake3::hash(said).as_bytes() != hash {
        return Err(CodecError("its hash is another"));
    }
    let mut input = Reader::new(said);
    if input.u8()? != VERSION {
        return Err(CodecError("it is of another version"));
    }
    let value = read(&mut input)?;
    input.end().map(|()| value)
}

#[cfg(test)]
mod tests {
    use model::registry::{Data, Key};
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Journal {
        let prior = |kind| Prior {
            kind,
            inode: 7,
            size: 1 << 40,
            mtime_ns: -5,
            mode: 0o4755,
            owner: 1,
            group: 2,
        };
        let text = str::to_owned;
        let key = Key::parse(r"HKLM\Software\Maker").unwrap();
        let acts = [
            Act::Place {
                built: Built::File,
                part: text("/a/p"),
                path: text("/a/b"),
                aside: text("/a/o"),
                prior: Some(prior(PriorKind::Link)),
            },
            Act::Within { built: Built::Folder, part: text("/p/x"), path: text("/q/x") },
            Act::Remove { path: text("/a"), aside: text("/b"), prior: prior(PriorKind::Folder) },
            Act::Hive(hive::Act::SetValue {
                key,
                name: text("n"),
                before: None,
                data: Data::dword(3),
            }),
        ];
        let step = |(change, act)| Step { change, act };
        Journal { note: vec![1, 2], steps: acts.into_iter().enumerate().map(step).collect() }
    }

    #[test]
    fn records_read_back_and_every_damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (folder, journal) = (folder.path(), sample());
        assert!(Journal::read(folder).unwrap().is_none());
        journal.write(folder).unwrap();
        assert_eq!(Journal::read(folder).unwrap().unwrap(), journal);
        let staged = Staged { inodes: vec![1, 0, 3, 0] };
        staged.write(folder).unwrap();
        assert_eq!(Staged::read(folder, &journal).unwrap().unwrap(), staged);
        let kept = Kept {
            digest: model::Digest::from_bytes([9; 32]),
            size: 4,
            mode: 0o644,
            mtime_ns: -1,
            is_link: true,
            rights: 11,
        };
        let settled = Settled {
            kept: vec![Keeping { step: 3, kept, moves: true }],
            delayed: vec![1],
            reboot: vec!["why".to_owned()],
        };
        settled.write(folder).unwrap();
        assert_eq!(Settled::read(folder, &journal).unwrap().unwrap(), settled);

        let bytes = fs::read(folder.join(JOURNAL)).unwrap();
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 1;
            fs::write(folder.join(JOURNAL), wrong).unwrap();
            assert!(Journal::read(folder).unwrap_err().is_damage(), "{at}");
            fs::write(folder.join(JOURNAL), &bytes[..at]).unwrap();
            assert!(Journal::read(folder).unwrap_err().is_damage(), "{at}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>) {
            let _ = read_step(&mut Reader::new(&bytes));
            let _ = Reader::new(&bytes).list(read_step);
        }
    }
}
