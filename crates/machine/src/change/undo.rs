//! Putting everything back, from wherever it is. Each step is recognised at the names it left, so
//! that this may be cut off and begun again.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::journal::{Act, Built, Journal, Prior, PriorKind, Staged};
use super::reach::{Held, Reach, is_nothing, look, real, split};
use super::{Ground, UndoError, Undone, attributes, hive};
use crate::files::FileError;
use crate::folder::{Existing, Kind};
use crate::home::Home;
use crate::registry::Registry;

/// Puts back what was changed. Without `staged` nothing had been put into its place yet. Goes on
/// after a failure, so that as much as possible is as before.
pub(super) fn undo(
    journal: &Journal,
    staged: Option<&Staged>,
    ground: &Ground,
    registry: &mut dyn Registry,
) -> Result<Undone, UndoError> {
    let mut undoing = Undoing {
        reach: Reach::new(ground)?,
        ground,
        undone: Undone::default(),
        touched: BTreeSet::new(),
    };
    let mut errors = Vec::new();
    for (at, step) in journal.steps.iter().enumerate().rev() {
        let inode = staged.and_then(|staged| staged.inodes.get(at).copied());
        let result = match &step.act {
            Act::Hive(_) if staged.is_none() => Ok(()),
            Act::Hive(act) => undoing.hive(act, registry),
            act => undoing.step(act, inode),
        };
        errors.extend(result.err());
    }
    errors.extend(undoing.make_durable(journal, staged, registry).err());
    let others = errors.len().saturating_sub(1);
    match errors.into_iter().next() {
        None => Ok(undoing.undone),
        Some(first) => Err(first.with_others(others)),
    }
}

struct Undoing<'g> {
    reach: Reach<'g>,
    ground: &'g Ground,
    undone: Undone,
    /// Folders in which names changed.
    touched: BTreeSet<String>,
}

impl Undoing<'_> {
    fn hive(&mut self, act: &hive::Act, registry: &mut dyn Registry) -> Result<(), UndoError> {
        match act.undo(registry) {
            Ok(left) => self.undone.left.extend(left.map(|key| key.to_string())),
            Err(source) => {
                return Err(UndoError::Registry { key: act.key().clone(), others: 0, source });
            }
        }
        Ok(())
    }

    fn step(&mut self, act: &Act, inode: Option<u64>) -> Result<(), UndoError> {
        let (path, result) = match act {
            Act::Place { part, path, aside, prior: Some(prior), .. } => {
                (path, self.replaced((part, aside), path, prior, inode))
            }
            Act::Place { built, part, path, .. } | Act::Within { built, part, path } => {
                (path, self.built(*built, part, path, inode))
            }
            Act::Remove { path, aside, prior } => (path, self.removed(path, aside, prior)),
            Act::Hive(_) => return Ok(()),
        };
        match result {
            Ok(()) => Ok(()),
            Err(Failure::InTheWay(aside)) => {
                Err(UndoError::InTheWay { path: path.clone(), aside: aside.to_owned() })
            }
            Err(Failure::Io(error)) => Err(UndoError::File {
                path: path.clone(),
                others: 0,
                source: FileError::of(error, Path::new(path), "put back"),
            }),
        }
    }

    /// `inode` is that of what was built.
    fn replaced<'a>(
        &mut self,
        (part, aside): (&'a str, &'a str),
        path: &str,
        prior: &Prior,
        inode: Option<u64>,
    ) -> Result<(), Failure<'a>> {
        let Some(old) = self.there(aside)? else {
            return match self.there(part)? {
                Some(old) if inode.is_some() && prior.is_that(&old)? => {
                    self.put_back(&old, part, path)
                }
                Some(held) => Ok(self.remove(&held, Built::File, part)?),
                None => Ok(()),
            };
        };
        self.put_back(&old, aside, path)?;
        match self.there(part)? {
            Some(held) => Ok(self.remove(&held, Built::File, part)?),
            None => Ok(()),
        }
    }

    fn removed<'a>(
        &mut self,
        path: &str,
        aside: &'a str,
        prior: &Prior,
    ) -> Result<(), Failure<'a>> {
        let Some(old) = self.there(aside)? else { return Ok(()) };
        if prior.kind == PriorKind::Folder {
            self.reach.close_all();
        }
        self.put_back(&old, aside, path)
    }

    /// Also over what is there: it is the new one, or came between.
    fn put_back<'a>(&mut self, old: &Held, aside: &'a str, path: &str) -> Result<(), Failure<'a>> {
        let place = self.reach.hold(path)?;
        let renamed = attributes::with_patience(self.ground.patience, || {
            attributes::unprotect(&place)?;
            old.folder.rename(&old.name, &place.folder, &place.name, Existing::Replace)
        });
        self.touch(path);
        self.touch(aside);
        match renamed {
            Err(_) if self.is_in_the_way(&place) => Err(Failure::InTheWay(aside)),
            renamed => Ok(renamed?),
        }
    }

    fn is_in_the_way(&self, place: &Held) -> bool {
        look(place).is_ok_and(|meta| meta.is_some_and(|meta| meta.kind == Kind::Folder))
    }

    /// What was made where nothing was, wherever it is.
    fn built<'a>(
        &mut self,
        built: Built,
        part: &str,
        path: &str,
        inode: Option<u64>,
    ) -> Result<(), Failure<'a>> {
        if let Some(held) = self.there(part)? {
            return Ok(self.remove(&held, built, part)?);
        }
        let Some(inode) = inode else { return Ok(()) };
        let Some(held) = self.there(path)? else { return Ok(()) };
        let is_ours = look(&held)?.is_some_and(|meta| meta.inode == inode);
        if is_ours { Ok(self.remove(&held, built, path)?) } else { Ok(()) }
    }

    fn remove(&mut self, held: &Held, built: Built, path: &str) -> io::Result<()> {
        self.touch(path);
        let removed = attributes::with_patience(self.ground.patience, || match built {
            Built::File => {
                attributes::unprotect(held)?;
                held.folder.remove(&held.name)
            }
            Built::Folder => held.folder.remove_folder(&held.name),
        });
        match removed {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                self.undone.left.push(path.to_owned());
                Ok(())
            }
            removed => removed,
        }
    }

    /// The name, if something has it.
    fn there(&mut self, path: &str) -> io::Result<Option<Held>> {
        let held = match self.reach.hold(path) {
            // Whoever made a link of the folder has taken away what was in it.
            Err(error) if is_nothing(&error) || Home::is_left(&error) => return Ok(None),
            held => held?,
        };
        Ok(held.folder.look(&held.name)?.map(|_| held))
    }

    fn touch(&mut self, path: &str) {
        let folder = split(path).0;
        if !self.touched.contains(folder) {
            self.touched.insert(folder.to_owned());
        }
    }

    fn make_durable(
        &mut self,
        journal: &Journal,
        staged: Option<&Staged>,
        registry: &mut dyn Registry,
    ) -> Result<(), UndoError> {
        let root = self.ground.root.as_deref();
        let real = |folder: &String| real(folder, root).ok().filter(|real| real.exists());
        let folders: BTreeSet<PathBuf> = self.touched.iter().filter_map(real).collect();
        attributes::sync_folders(&folders).map_err(|source| UndoError::State {
            path: folders.first().cloned().unwrap_or_default(),
            what: "made durable",
            source,
        })?;
        if staged.is_none() {
            return Ok(());
        }
        let acts = journal.steps.iter().filter_map(|step| match &step.act {
            Act::Hive(act) => Some(act),
            _ => None,
        });
        match acts.clone().next() {
            None => Ok(()),
            Some(first) => hive::flush(acts, registry).map_err(|source| UndoError::Registry {
                key: first.key().clone(),
                others: 0,
                source,
            }),
        }
    }
}

enum Failure<'a> {
    /// A folder stands there; the former content stays aside.
    InTheWay(&'a str),
    Io(io::Error),
}

impl From<io::Error> for Failure<'_> {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
