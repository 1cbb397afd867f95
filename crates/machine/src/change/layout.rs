//! From changes to steps: which names are used, what is there now, whether there is room. Looks
//! and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::Path;

use application::{Before, Change};

use super::hive;
use super::journal::{Act, Built, Journal, Prior, PriorKind, Step};
use super::reach::{Held, Reach, canonical, folded, join, look, split};
use super::{ChangeError, Ground};
use crate::files::FileError;
use crate::folder::{Kind, Meta, PART_PREFIX};
use crate::registry::Registry;
use crate::spot::Spot;

pub(super) fn lay_out(
    changes: &[Change],
    note: &[u8],
    ground: &Ground,
    registry: &dyn Registry,
) -> Result<Journal, ChangeError> {
    let mut layout = Layout::new(changes, ground)?;
    let mut outlook = hive::Outlook::default();
    let mut steps = Vec::with_capacity(changes.len());
    for (change, wanted) in changes.iter().enumerate() {
        let act = match outlook.lay_out(wanted, registry)? {
            Some(act) => Act::Hive(act),
            None => layout.step(change, wanted)?,
        };
        steps.push(Step { change, act });
    }
    layout.check_room(ground)?;
    Ok(Journal { note: note.to_vec(), steps })
}

struct Layout<'g> {
    reach: Reach<'g>,
    /// Names of parts begin so.
    prefix: String,
    /// Folders that will be made, folded, and where they are built.
    made: BTreeMap<String, String>,
    /// Where folders are built.
    built: BTreeSet<String>,
    /// Folded paths that earlier steps take away.
    gone: BTreeSet<String>,
    /// Folders that will be removed, folded.
    emptied: BTreeSet<String>,
    /// Bytes that will be written, by the folder they are written to.
    writes: BTreeMap<String, u64>,
    keeps: u64,
}

impl<'g> Layout<'g> {
    fn new(changes: &[Change], ground: &'g Ground) -> Result<Self, ChangeError> {
        let mut emptied = BTreeSet::new();
        for change in changes {
            if let Change::RemoveFolder { path } = change {
                emptied.insert(folded(&place(path)?));
            }
        }
        // Nobody else's parts have these names.
        let id = RandomState::new().build_hasher().finish();
        Ok(Self {
            reach: Reach::new(ground)?,
            prefix: format!("{PART_PREFIX}{id:016x}"),
            made: BTreeMap::new(),
            built: BTreeSet::new(),
            gone: BTreeSet::new(),
            emptied,
            writes: BTreeMap::new(),
            keeps: 0,
        })
    }

    fn step(&mut self, number: usize, change: &Change) -> Result<Act, ChangeError> {
        match change {
            Change::WriteFile { path, before, content, .. } => {
                let path = place(path)?;
                let act = self.place(number, path, before, Built::File)?;
                let (Act::Place { part, .. } | Act::Within { part, .. }) = &act else {
                    return Ok(act);
                };
                let folder = self.standing(split(part).0);
                *self.writes.entry(folder).or_default() += content.size();
                Ok(act)
            }
            Change::CreateFolder { path } => {
                let path = place(path)?;
                let act = self.place(number, path.clone(), &Before::Absent, Built::Folder)?;
                if let Act::Place { part, .. } | Act::Within { part, .. } = &act {
                    self.made.insert(folded(&path), part.clone());
                    self.built.insert(part.clone());
                }
                Ok(act)
            }
            Change::RemoveFile { path, before } => {
                let path = place(path)?;
                let prior = self.found(&path, before)?;
                let prior = prior.ok_or_else(|| changed(&path, "there", "absent"))?;
                self.remove(number, path, prior)
            }
            Change::RemoveFolder { path } => {
                let path = place(path)?;
                let found = self.look(&path)?;
                let is_folder = |meta: &Meta| meta.kind == Kind::Folder;
                let Some(meta) = found.filter(is_folder) else {
                    return Err(changed(&path, "a folder", &self.told(&path, found.as_ref())));
                };
                self.remove(number, path, Prior::of(PriorKind::Folder, &meta))
            }
            // Those of the registry are laid out before.
            Change::CreateKey { key }
            | Change::DeleteKey { key }
            | Change::SetValue { key, .. }
            | Change::DeleteValue { key, .. } => Err(ChangeError::Root { key: key.clone() }),
        }
    }

    fn place(
        &mut self,
        number: usize,
        path: String,
        before: &Before,
        built: Built,
    ) -> Result<Act, ChangeError> {
        let (above, name) = split(&path);
        if let Some(folder) = self.made.get(&folded(above)) {
            if *before != Before::Absent {
                return Err(changed(&path, "there", "absent"));
            }
            return Ok(Act::Within { built, part: join(folder, name), path });
        }
        let prior = self.found(&path, before)?;
        if let Err(error) = self.reach.folder(above) {
            return Err(match error.kind() {
                io::ErrorKind::NotFound => {
                    ChangeError::NoFolder { folder: above.to_owned(), path: path.clone() }
                }
                _ => FileError::of(error, Path::new(above), "open the folder").into(),
            });
        }
        self.keeps += prior.as_ref().map_or(0, |prior| prior.size);
        let part = join(above, &format!("{}-{number}", self.prefix));
        let aside = format!("{part}-old");
        Ok(Act::Place { built, part, path, aside, prior })
    }

    /// What is removed stands aside beside the uppermost folder that is removed with it.
    fn remove(&mut self, number: usize, path: String, prior: Prior) -> Result<Act, ChangeError> {
        let mut above = split(&path).0;
        while self.emptied.contains(&folded(above)) {
            above = split(above).0;
        }
        let aside = join(above, &format!("{}-{number}-old", self.prefix));
        self.gone.insert(folded(&path));
        if prior.kind != PriorKind::Folder {
            self.keeps += prior.size;
        }
        Ok(Act::Remove { path, aside, prior })
    }

    /// What is at the path, which must be what the plan saw.
    fn found(&mut self, path: &str, before: &Before) -> Result<Option<Prior>, ChangeError> {
        let found = self.look(path)?;
        let same = match (before, &found) {
            (Before::Absent, None) => return Ok(None),
            (Before::File { size, mtime_ns }, Some(meta)) => {
                meta.kind == Kind::File && meta.size == *size && meta.mtime_ns == *mtime_ns
            }
            (Before::Link { target }, Some(meta)) if meta.kind == Kind::Link => {
                self.reach_link(path)? == *target
            }
            _ => false,
        };
        match found {
            Some(meta) if same && meta.kind == Kind::Link => {
                Ok(Some(Prior::of(PriorKind::Link, &meta)))
            }
            Some(meta) if same => Ok(Some(Prior::of(PriorKind::File, &meta))),
            _ => Err(changed(path, &planned(before), &self.told(path, found.as_ref()))),
        }
    }

    fn look(&mut self, path: &str) -> Result<Option<Meta>, FileError> {
        if self.gone.contains(&folded(path)) { Ok(None) } else { self.reach.look(path) }
    }

    fn reach_link(&mut self, path: &str) -> Result<String, FileError> {
        let read = |held: &Held| held.folder.read_link(&held.name);
        let target = self.reach.hold(path).and_then(|held| read(&held));
        let target = target.map_err(|error| FileError::of(error, Path::new(path), "read"))?;
        Ok(target.to_string_lossy().into_owned())
    }

    /// What is there, in words.
    fn told(&mut self, path: &str, meta: Option<&Meta>) -> String {
        let Some(meta) = meta else { return "absent".to_owned() };
        match meta.kind {
            Kind::File => planned(&Before::File { size: meta.size, mtime_ns: meta.mtime_ns }),
            Kind::Folder => "a folder".to_owned(),
            Kind::Link => {
                planned(&Before::Link { target: self.reach_link(path).unwrap_or_default() })
            }
            Kind::Other => "a device or pipe".to_owned(),
        }
    }

    /// The nearest folder above that is there already.
    fn standing(&self, folder: &str) -> String {
        let mut folder = folder;
        while self.built.contains(folder) {
            folder = split(folder).0;
        }
        folder.to_owned()
    }

    fn check_room(&self, ground: &Ground) -> Result<(), ChangeError> {
        ground.kept.check_room(self.keeps)?;
        let mut disks: BTreeMap<u64, (String, u64)> = BTreeMap::new();
        for (folder, bytes) in &self.writes {
            let real = super::reach::real(folder, ground.root.as_deref());
            let Some(disk) = real.ok().and_then(|real| super::attributes::disk(&real)) else {
                continue;
            };
            disks.entry(disk).or_insert_with(|| (folder.clone(), 0)).1 += bytes;
        }
        for (path, needed) in disks.into_values() {
            let real = super::reach::real(&path, ground.root.as_deref());
            match real.and_then(|real| crate::disk_free(&real)) {
                Ok(free) if free < needed => {
                    return Err(ChangeError::NoRoom { path, needed, free });
                }
                // Where the system does not tell, it is found out.
                _ => {}
            }
        }
        Ok(())
    }
}

impl Prior {
    fn of(kind: PriorKind, meta: &Meta) -> Self {
        Self {
            kind,
            inode: meta.inode,
            size: meta.size,
            mtime_ns: meta.mtime_ns,
            mode: meta.mode,
            owner: meta.owner,
            group: meta.group,
        }
    }

    /// Whether this is what stands under a name now, with the content it had.
    pub(super) fn is(&self, held: &Held) -> io::Result<bool> {
        let found = look(held)?;
        let same_content = |meta: &Meta| meta.size == self.size && meta.mtime_ns == self.mtime_ns;
        let is_folder = self.kind == PriorKind::Folder;
        Ok(found.is_some_and(|meta| self.is_of(&meta) && (is_folder || same_content(&meta))))
    }

    /// The same, also where a program that had it open goes on writing into it.
    pub(super) fn is_that(&self, held: &Held) -> io::Result<bool> {
        Ok(look(held)?.is_some_and(|meta| self.is_of(&meta)))
    }

    fn is_of(&self, meta: &Meta) -> bool {
        let kind = match meta.kind {
            Kind::File => Some(PriorKind::File),
            Kind::Link => Some(PriorKind::Link),
            Kind::Folder => Some(PriorKind::Folder),
            Kind::Other => None,
        };
        kind == Some(self.kind) && meta.inode == self.inode
    }
}

/// A path of a plan that is no root.
fn place(path: &str) -> Result<String, ChangeError> {
    if Spot::absolute(path, None)?.parent().is_none() {
        return Err(FileError::Root { path: path.into() }.into());
    }
    Ok(canonical(path)?)
}

fn planned(before: &Before) -> String {
    match before {
        Before::Absent => "absent".to_owned(),
        Before::File { size, mtime_ns } => {
            format!("a file of {size} bytes and the time {}", spelled(*mtime_ns))
        }
        Before::Link { target } => format!("a link to `{target}`"),
    }
}

/// Seconds since 1970 with a fraction.
fn spelled(mtime_ns: i64) -> String {
    const SECOND: i64 = 1_000_000_000;
    format!("{}.{:09}", mtime_ns.div_euclid(SECOND), mtime_ns.rem_euclid(SECOND))
}

pub(super) fn changed(path: &str, was: &str, is: &str) -> ChangeError {
    ChangeError::Changed { place: path.to_owned(), was: was.to_owned(), is: is.to_owned() }
}
