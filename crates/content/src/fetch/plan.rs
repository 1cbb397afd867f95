//! Comparing a listing with what is there. Blocks, and reads files whose hashes are not known.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;

use machine::{CaseRule, Cursor, FileError, Kind, Meta, Spot, check_own_name};
use model::{Digest, Timestamp};

use super::{
    FetchError, FetchOptions, FetchPlan, PlannedFile, PlannedFolder, PlannedLink, Rules, Todo,
};
use crate::cache::HashCache;
use crate::folder::What;
use crate::hashing::hash_file;
use crate::listing::{Listed, Listing};
use crate::path::DepotPath;

impl FetchPlan {
    /// What has to be done so that the chosen files of `listing` are in the folder `to`.
    pub fn of(
        listing: &Listing,
        to: &Spot,
        options: &FetchOptions,
        cache: &mut HashCache,
        now: Timestamp,
    ) -> Result<Self, FetchError> {
        let chosen: Vec<&Listed> =
            listing.entries.iter().filter(|listed| is_chosen(listed, options)).collect();
        if chosen.is_empty() {
            let filter = if options.filter.is_all() { "*" } else { options.filter.as_str() };
            let folder = listing.from.to_string().into();
            return Err(FileError::NoFile { folder, filter: filter.to_owned() }.into());
        }
        check_names(&chosen)?;
        let mut plan = Self {
            from: listing.from.clone(),
            to: to.clone(),
            rules: Rules { replace: options.replace, force: options.force, resume: options.resume },
            folders: Vec::new(),
            links: Vec::new(),
            files: Vec::with_capacity(chosen.len()),
            skipped: 0,
            fresh: true,
        };
        let mut there = There { cursor: open(to)?, cache, now };
        for listed in chosen {
            plan.add(listed, &mut there)?;
        }
        Ok(plan)
    }

    fn add(&mut self, listed: &Listed, there: &mut There<'_>) -> Result<(), FetchError> {
        let path = &listed.path;
        let taken = there.look(path)?;
        let at = || path.names().fold(self.to.path(), |at, name| at.join(name));
        match (&listed.entry.what, taken) {
            (What::Absent, _) => {}
            (What::Folder { mode, .. }, taken) => {
                match taken.map(|meta| meta.kind) {
                    None | Some(Kind::Folder) => {}
                    Some(Kind::Link) => return Err(FileError::Link { path: at() }.into()),
                    Some(_) => return Err(FileError::NotAFolder { path: at() }.into()),
                }
                self.folders.push(PlannedFolder { path: path.clone(), mode: *mode });
            }
            (_, Some(meta)) if meta.kind == Kind::Folder => {
                return Err(FileError::FolderInTheWay { path: at() }.into());
            }
            (_, Some(_)) if !self.rules.replace => self.skipped += 1,
            (What::Link { target }, taken) => {
                self.refuse_protected(taken, at)?;
                self.links.push(PlannedLink { path: path.clone(), target: target.clone() });
            }
            (What::File { size, mode, mtime_ms, digest }, taken) => {
                let mut file = PlannedFile {
                    path: path.clone(),
                    size: *size,
                    mode: *mode,
                    mtime_ms: *mtime_ms,
                    digest: *digest,
                    todo: Todo::Fetch,
                };
                if let Some(meta) = taken {
                    file.todo = there.compare(&file, &meta)?;
                }
                if file.todo == Todo::Fetch {
                    self.refuse_protected(taken, at)?;
                }
                self.files.push(file);
            }
        }
        Ok(())
    }

    fn refuse_protected(
        &self,
        taken: Option<Meta>,
        at: impl FnOnce() -> std::path::PathBuf,
    ) -> Result<(), FetchError> {
        let protected = taken.is_some_and(|meta| meta.kind == Kind::File && meta.read_only);
        if protected && !self.rules.force {
            return Err(FileError::ReadOnly { path: at() }.into());
        }
        Ok(())
    }
}

fn is_chosen(listed: &Listed, options: &FetchOptions) -> bool {
    if listed.entry.from_target && !options.from_targets {
        return false;
    }
    match listed.entry.what {
        What::Folder { .. } => options.recursive && options.filter.is_all(),
        What::Absent => false,
        _ => {
            let deep = listed.path.names().nth(1).is_some();
            (options.recursive || !deep) && options.filter.matches(OsStr::new(&listed.entry.name))
        }
    }
}

/// Before anything is fetched: every name can exist here, and no two are one.
fn check_names(chosen: &[&Listed]) -> Result<(), FetchError> {
    let mut seen: BTreeMap<String, &DepotPath> = BTreeMap::new();
    for listed in chosen {
        if listed.path.names().any(|name| check_own_name(name).is_err()) {
            return Err(FetchError::Name { path: listed.path.clone() });
        }
        if CaseRule::OWN == CaseRule::Insensitive {
            let folded = listed.path.as_str().to_uppercase();
            if let Some(other) = seen.insert(folded, &listed.path) {
                let (path, other) = (listed.path.clone(), other.clone());
                return Err(FetchError::SameName { path, other });
            }
        }
    }
    Ok(())
}

pub(super) fn open(to: &Spot) -> Result<Option<Cursor>, FileError> {
    match to.open() {
        Ok(folder) => Ok(Some(Cursor::new(folder))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::of(error, &to.path(), "open the folder")),
    }
}

/// The destination as it is.
pub(super) struct There<'a> {
    pub(super) cursor: Option<Cursor>,
    pub(super) cache: &'a mut HashCache,
    pub(super) now: Timestamp,
}

impl There<'_> {
    pub(super) fn look(&mut self, path: &DepotPath) -> Result<Option<Meta>, FileError> {
        let Some(cursor) = &mut self.cursor else { return Ok(None) };
        let (above, name) = split(path);
        let at = cursor.path(&above, &name);
        match cursor.open(&above).and_then(|folder| folder.look(&name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            looked => looked.map_err(|error| FileError::of(error, &at, "look at")),
        }
    }

    pub(super) fn compare(&mut self, file: &PlannedFile, meta: &Meta) -> Result<Todo, FileError> {
        if meta.kind != Kind::File || meta.size != file.size {
            return Ok(Todo::Fetch);
        }
        if self.digest(&file.path, meta)? != Some(file.digest) {
            return Ok(Todo::Fetch);
        }
        let other_mode = cfg!(target_os = "linux") && meta.mode & 0o777 != file.mode;
        let other_time = meta.mtime_ns.div_euclid(1_000_000) != file.mtime_ms;
        Ok(if other_mode || other_time { Todo::Adjust } else { Todo::Nothing })
    }

    /// From the cache, else from the bytes. A file that cannot be read is fetched anew.
    fn digest(&mut self, path: &DepotPath, meta: &Meta) -> Result<Option<Digest>, FileError> {
        let Some(cursor) = &mut self.cursor else { return Ok(None) };
        let (above, name) = split(path);
        let at = cursor.path(&above, &name);
        let key = at.to_string_lossy();
        if let Some(digest) = self.cache.get(&key, meta, self.now) {
            return Ok(Some(digest));
        }
        let opened = cursor.open(&above).and_then(|folder| folder.read(&name));
        let Ok(mut file) = opened else { return Ok(None) };
        let (digest, _) =
            hash_file(&mut file, u64::MAX).map_err(|error| FileError::of(error, &at, "read"))?;
        self.cache.put(&key, meta, digest, self.now);
        Ok(Some(digest))
    }
}

/// The names above and the last one.
pub(super) fn split(path: &DepotPath) -> (Vec<OsString>, OsString) {
    let mut names: Vec<OsString> = path.names().map(OsString::from).collect();
    let name = names.pop().unwrap_or_default();
    (names, name)
}
