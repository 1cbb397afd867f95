//! Carrying plans out, from the beginning as often as need be.
//!
//! A step whose work is found done counts as done. Files are written beside their place and renamed
//! into it, so that what is in place is always whole.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Action, Counts, FileError, FilePlan, Options, Step};
use crate::folder::{Cursor, Existing, Folder, Kind, Meta, PART_PREFIX, list_with_parts};
use crate::spot::Spot;

impl FilePlan {
    /// Does what is planned, as far as it has not been done. Blocks; looks at `stop` between files
    /// and now and then within large ones.
    pub fn carry_out(&self, stop: &AtomicBool) -> Result<Counts, FileError> {
        let mut counts = Counts { files: 0, skipped: self.skipped };
        match &self.action {
            Action::Transfer { moves, from, to, replace, force, steps } => {
                let rules = Rules { moves: *moves, replace: *replace, force: *force, stop };
                transfer(from, to, steps, &rules, &mut counts)?;
            }
            Action::Rename { folder, current, new, replace, force } => {
                rename(folder, current, new, *replace, *force)?;
                counts.files = 1;
            }
            Action::DeleteFiles { folder, force, steps } => {
                counts.files = delete_files(folder, steps, *force, stop)?;
            }
            Action::CreateFolders { folders } => {
                for folder in folders {
                    check(stop)?;
                    folder.create().map_err(|error| {
                        FileError::of(error, &folder.path(), "create the folder")
                    })?;
                }
            }
            Action::DeleteFolders { folders, recursive, force } => {
                for folder in folders {
                    delete_folder(folder, *recursive, *force, stop)?;
                }
            }
        }
        Ok(counts)
    }
}

struct Rules<'a> {
    moves: bool,
    replace: bool,
    force: bool,
    stop: &'a AtomicBool,
}

enum Done {
    Acted,
    Skipped,
}

fn check(stop: &AtomicBool) -> Result<(), FileError> {
    if stop.load(Ordering::Relaxed) { Err(FileError::Stopped) } else { Ok(()) }
}

fn transfer(
    from: &Spot,
    to: &Spot,
    steps: &[Step],
    rules: &Rules<'_>,
    counts: &mut Counts,
) -> Result<(), FileError> {
    let source = from.open().map_err(|error| FileError::of(error, &from.path(), "open"))?;
    let target =
        to.create().map_err(|error| FileError::of(error, &to.path(), "create the folder"))?;
    let (mut source, mut target) = (Cursor::new(source), Cursor::new(target));
    for step in steps {
        check(rules.stop)?;
        let path = target.path(&step.folder, &step.name);
        let into = target
            .create(&step.folder)
            .map_err(|error| FileError::of(error, &path, "create the folder for"))?;
        if step.kind == Kind::Folder {
            into.create_folder(&step.name)
                .map_err(|error| FileError::of(error, &path, "create the folder"))?;
            continue;
        }
        let old = source.path(&step.folder, &step.name);
        let done = match source.open(&step.folder) {
            Ok(folder) => one_file(step, Some(folder), into, &old, &path, rules)?,
            // A move that was carried out before has removed the emptied folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                one_file(step, None, into, &old, &path, rules)?
            }
            Err(error) => return Err(FileError::of(error, &old, "open the folder of")),
        };
        match done {
            Done::Acted => counts.files += 1,
            Done::Skipped => counts.skipped += 1,
        }
    }
    settle_folders(&mut source, &mut target, steps, rules.moves)
}

/// Folders get their permissions last, as these may forbid writing; emptied ones go after a move.
fn settle_folders(
    source: &mut Cursor,
    target: &mut Cursor,
    steps: &[Step],
    moves: bool,
) -> Result<(), FileError> {
    for step in steps.iter().rev().filter(|step| step.kind == Kind::Folder) {
        let path = target.path(&step.folder, &step.name);
        target
            .open(&step.folder)
            .and_then(|folder| folder.set_folder_mode(&step.name, step.mode))
            .map_err(|error| FileError::of(error, &path, "set the permissions of"))?;
        if moves {
            remove_emptied(source, step)?;
        }
    }
    Ok(())
}

/// A folder that got new or kept other files stays.
fn remove_emptied(cursor: &mut Cursor, step: &Step) -> Result<(), FileError> {
    let path = cursor.path(&step.folder, &step.name);
    let removed = cursor.open(&step.folder).and_then(|folder| folder.remove_folder(&step.name));
    match removed {
        Ok(()) => Ok(()),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::DirectoryNotEmpty
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::NotADirectory => Ok(()),
            _ => Err(FileError::of(error, &path, "remove the folder")),
        },
    }
}

fn one_file(
    step: &Step,
    from: Option<&Folder>,
    into: &Folder,
    old: &Path,
    path: &Path,
    rules: &Rules<'_>,
) -> Result<Done, FileError> {
    let look = |folder: &Folder, path: &Path| {
        folder.look(&step.name).map_err(|error| FileError::of(error, path, "look at"))
    };
    let taken = look(into, path)?;
    let is_ours = taken.is_some_and(|taken| taken.kind == step.kind && is_same(step, &taken));
    let there = from.map_or(Ok(None), |folder| look(folder, old))?;
    let (Some(from), Some(_)) = (from, there) else {
        // What was planned is gone from the source: done before if it has arrived.
        return if is_ours {
            Ok(Done::Acted)
        } else {
            Err(FileError::Vanished { path: old.into() })
        };
    };
    if is_ours && !rules.replace && leads_alike(step, from, into) {
        // Done before. A move to another file system may have been cut before its last step.
        if rules.moves {
            remove(from, &step.name, old, true)?;
        }
        return Ok(Done::Acted);
    }
    if let Some(taken) = taken {
        if !rules.replace {
            return Ok(Done::Skipped);
        }
        if taken.kind == Kind::Folder {
            return Err(FileError::FolderInTheWay { path: path.into() });
        }
        make_room(into, &step.name, path, rules.force)?;
    }
    let existing = if rules.replace { Existing::Replace } else { Existing::Keep };
    if rules.moves {
        match from.rename(&step.name, into, &step.name, existing) {
            Ok(()) => return Ok(Done::Acted),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Done::Skipped),
            Err(error) => return Err(FileError::of(error, old, "move")),
        }
    }
    match copy(step, from, into, existing, rules) {
        Ok(()) if rules.moves => remove(from, &step.name, old, true).map(|()| Done::Acted),
        Ok(()) => Ok(Done::Acted),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Done::Skipped),
        Err(error) => Err(FileError::of(error, path, "write")),
    }
}

/// A file that has arrived has the size and time of its source.
fn is_same(step: &Step, taken: &Meta) -> bool {
    let same_file = taken.size == step.size && taken.mtime_ns / 1000 == step.mtime_ns / 1000;
    step.kind != Kind::File || same_file
}

/// A link that has arrived has the text of its source.
fn leads_alike(step: &Step, from: &Folder, into: &Folder) -> bool {
    let read = |folder: &Folder| folder.read_link(&step.name).ok();
    step.kind != Kind::Link || read(from) == read(into)
}

/// Beside its place first, then into it.
fn copy(
    step: &Step,
    from: &Folder,
    into: &Folder,
    existing: Existing,
    rules: &Rules<'_>,
) -> io::Result<()> {
    let part = part_name(from.path(), &step.name);
    match into.remove(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            into.clear_read_only(&part)?;
            into.remove(&part)?;
        }
        _ => {}
    }
    let mut goes_on = || {
        let stopped = rules.stop.load(Ordering::Relaxed);
        if stopped { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    };
    let before = from.look(&step.name)?.ok_or(io::ErrorKind::NotFound)?;
    let copied = match before.kind {
        Kind::Link => from
            .read_link(&step.name)
            .and_then(|target| into.make_link(&part, &target, before.link_to_folder)),
        _ => from.copy_to(&step.name, into, &part, &mut goes_on),
    };
    let owned = copied.and_then(|()| if rules.moves { into.give(&part, &before) } else { Ok(()) });
    let placed = owned.and_then(|()| into.rename(&part, into, &step.name, existing));
    if placed.is_err() {
        // The copy failed; that its beginning could not be removed either adds nothing.
        let _ = into.clear_read_only(&part);
        let _ = into.remove(&part);
    }
    placed
}

/// The same for the same file in every attempt, so that a leftover is found again. (FNV-1a.)
fn part_name(folder: &Path, name: &OsStr) -> OsString {
    let bytes = folder.as_os_str().as_encoded_bytes().iter().chain(name.as_encoded_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    OsString::from(format!("{PART_PREFIX}{hash:016x}"))
}

/// Renames a finished part to its name, by the same rules as a copy: whether something was placed,
/// or the name was taken and `replace` not given.
pub fn put_in_place(
    folder: &Folder,
    part: &OsStr,
    name: &OsStr,
    options: Options,
) -> Result<bool, FileError> {
    let path = folder.path().join(name);
    let taken = folder.look(name).map_err(|error| FileError::of(error, &path, "look at"))?;
    let existing = if options.replace { Existing::Replace } else { Existing::Keep };
    match taken {
        Some(meta) if meta.kind == Kind::Folder => return Err(FileError::FolderInTheWay { path }),
        Some(_) if !options.replace => return Ok(false),
        Some(_) => make_room(folder, name, &path, options.force)?,
        None => {}
    }
    match folder.rename(part, folder, name, existing) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(FileError::of(error, &path, "write")),
    }
}

/// Takes the protection of a file away that is about to be replaced, or refuses to.
fn make_room(folder: &Folder, name: &OsStr, path: &Path, force: bool) -> Result<(), FileError> {
    let meta = folder.look(name).map_err(|error| FileError::of(error, path, "look at"))?;
    match meta {
        Some(meta) if meta.kind == Kind::File && meta.read_only => {
            if !force {
                return Err(FileError::ReadOnly { path: path.into() });
            }
            folder.clear_read_only(name).map_err(|error| FileError::of(error, path, "unprotect"))
        }
        _ => Ok(()),
    }
}

/// What is gone already is fine.
fn remove(folder: &Folder, name: &OsStr, path: &Path, force: bool) -> Result<(), FileError> {
    make_room(folder, name, path, force)?;
    match folder.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FileError::of(error, path, "delete"))
        }
        _ => Ok(()),
    }
}

fn rename(
    spot: &Spot,
    current: &OsStr,
    new: &OsStr,
    replace: bool,
    force: bool,
) -> Result<(), FileError> {
    let path = spot.path();
    let folder = spot.open().map_err(|error| FileError::of(error, &path, "open the folder"))?;
    let look = |name: &OsStr| {
        folder.look(name).map_err(|error| FileError::of(error, &path.join(name), "look at"))
    };
    if look(current)?.is_none() {
        let done = look(new)?.is_some();
        return if done { Ok(()) } else { Err(FileError::Vanished { path: path.join(current) }) };
    }
    let existing = if replace { Existing::Replace } else { Existing::Keep };
    if replace && current != new {
        make_room(&folder, new, &path.join(new), force)?;
    }
    if current == new {
        return Ok(());
    }
    folder.rename(current, &folder, new, existing).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => FileError::Exists { path: path.join(new) },
        _ => FileError::of(error, &path.join(current), "rename"),
    })
}

/// Deepest first, so that emptied folders can go.
fn delete_files(
    spot: &Spot,
    steps: &[Step],
    force: bool,
    stop: &AtomicBool,
) -> Result<u64, FileError> {
    let folder =
        spot.open().map_err(|error| FileError::of(error, &spot.path(), "open the folder"))?;
    let mut cursor = Cursor::new(folder);
    let mut files = 0;
    for step in steps.iter().rev() {
        check(stop)?;
        if step.kind == Kind::Folder {
            remove_emptied(&mut cursor, step)?;
            continue;
        }
        files += 1;
        let path = cursor.path(&step.folder, &step.name);
        match cursor.open(&step.folder) {
            Ok(folder) => remove(folder, &step.name, &path, force)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(FileError::of(error, &path, "open the folder of")),
        }
    }
    Ok(files)
}

fn delete_folder(
    spot: &Spot,
    recursive: bool,
    force: bool,
    stop: &AtomicBool,
) -> Result<(), FileError> {
    let path = spot.path();
    let fail = |error, path: &Path| FileError::of(error, path, "delete the folder");
    let Some((above, name)) = spot.parent() else { return Err(FileError::Root { path }) };
    let above = match above.open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(|error| fail(error, &path))?,
    };
    match above.look(&name).map_err(|error| fail(error, &path))?.map(|meta| meta.kind) {
        None => return Ok(()),
        Some(Kind::Link) => return above.remove(&name).map_err(|error| fail(error, &path)),
        Some(Kind::Folder) => {}
        Some(_) => return Err(FileError::NotAFolder { path }),
    }
    if recursive {
        let folder = above.open_folder(&name).map_err(|error| fail(error, &path))?;
        empty(folder, force, stop)?;
    }
    above.remove_folder(&name).map_err(|error| fail(error, &path))
}

fn empty(folder: Folder, force: bool, stop: &AtomicBool) -> Result<(), FileError> {
    let found = list_with_parts(&folder, true)?;
    let mut cursor = Cursor::new(folder);
    for found in found.into_iter().rev() {
        check(stop)?;
        let path: PathBuf = cursor.path(&found.folder, &found.name);
        let folder = cursor
            .open(&found.folder)
            .map_err(|error| FileError::of(error, &path, "open the folder of"))?;
        if found.meta.kind == Kind::Folder {
            folder
                .remove_folder(&found.name)
                .map_err(|error| FileError::of(error, &path, "delete the folder"))?;
        } else {
            remove(folder, &found.name, &path, force)?;
        }
    }
    Ok(())
}
