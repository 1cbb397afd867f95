//! Making plans: looks and lists, changes nothing.

use std::ffi::{OsStr, OsString};
use std::io;

use super::{Action, FileError, FilePlan, Operation, Step, Transfer};
use crate::filter::Filter;
use crate::folder::{Cursor, Folder, Found, Kind, list, list_with_parts};
use crate::name::check_own_name;
use crate::spot::{Containment, Spot};

impl FilePlan {
    /// Lists what the operation will act on and finds what stands in its way.
    pub fn of(operation: &Operation) -> Result<Self, FileError> {
        match operation {
            Operation::Copy(transfer) => plan_transfer(transfer, false),
            Operation::Move(transfer) => plan_transfer(transfer, true),
            Operation::Rename { current, new, replace, force } => {
                plan_rename(current, new, *replace, *force)
            }
            Operation::DeleteFiles { folder, filter, recursive, force } => {
                plan_delete_files(folder, filter, *recursive, *force)
            }
            Operation::CreateFolders { folders } => {
                Ok(plain(Action::CreateFolders { folders: folders.clone() }))
            }
            Operation::DeleteFolders { folders, recursive, force } => {
                for folder in folders {
                    check_deletable(folder, *recursive, *force)?;
                }
                Ok(plain(Action::DeleteFolders {
                    folders: folders.clone(),
                    recursive: *recursive,
                    force: *force,
                }))
            }
        }
    }
}

fn plain(action: Action) -> FilePlan {
    FilePlan { action, skipped: 0 }
}

fn plan_transfer(transfer: &Transfer, moves: bool) -> Result<FilePlan, FileError> {
    let Transfer { from, to, filter, options } = transfer;
    let source = open_source(from)?;
    let into_itself = match from.contains(to) {
        Containment::Same => true,
        Containment::Below => options.recursive,
        Containment::Apart => false,
    };
    if into_itself {
        return Err(FileError::IntoItself { from: from.path(), to: to.path() });
    }
    if moves && options.recursive && from.is_root() {
        return Err(FileError::Root { path: from.path() });
    }
    let mut found = choose(&source, filter, options.recursive)?;
    found.retain(|found| found.meta.kind != Kind::Other);
    if found.is_empty() {
        return Err(FileError::NoFile { folder: from.path(), filter: shown(filter) });
    }
    let mut skipped = 0;
    let mut steps = Vec::with_capacity(found.len());
    let mut destination = existing(to)?.map(Cursor::new);
    let mut source = Cursor::new(source);
    for found in found {
        let taken = destination.as_mut().map_or(Ok(None), |at| look(at, &found))?;
        if let Some((path, taken)) = taken {
            match (found.meta.kind, taken.kind) {
                (Kind::Folder, Kind::Folder) => {}
                (Kind::Folder, Kind::Link) => return Err(FileError::Link { path }),
                (Kind::Folder, _) => return Err(FileError::NotAFolder { path }),
                (_, Kind::Folder) => return Err(FileError::FolderInTheWay { path }),
                _ if !options.replace => {
                    skipped += 1;
                    continue;
                }
                _ if taken.read_only && taken.kind == Kind::File && !options.force => {
                    return Err(FileError::ReadOnly { path });
                }
                _ => {}
            }
        }
        if found.meta.kind == Kind::File {
            check_readable(&mut source, &found)?;
        }
        steps.push(Step::of(found));
    }
    let action = Action::Transfer {
        moves,
        from: from.clone(),
        to: to.clone(),
        replace: options.replace,
        force: options.force,
        steps,
    };
    Ok(FilePlan { action, skipped })
}

/// An unreadable file is better found before the first file was touched.
fn check_readable(source: &mut Cursor, found: &Found) -> Result<(), FileError> {
    let path = source.path(&found.folder, &found.name);
    if found.meta.mode & 0o444 == 0o444 {
        return Ok(());
    }
    let opened = source.open(&found.folder).and_then(|folder| folder.read(&found.name));
    opened.map(drop).map_err(|error| FileError::of(error, &path, "read"))
}

fn plan_rename(
    current: &Spot,
    new: &str,
    replace: bool,
    force: bool,
) -> Result<FilePlan, FileError> {
    check_own_name(new).map_err(|problem| FileError::Name { name: new.to_owned(), problem })?;
    let Some((folder, old)) = current.parent() else {
        return Err(FileError::Root { path: current.path() });
    };
    let no_file =
        || FileError::NoFile { folder: folder.path(), filter: old.to_string_lossy().into_owned() };
    let Some(opened) = existing(&folder)? else { return Err(no_file()) };
    let look = |name: &OsStr| {
        opened
            .look(name)
            .map_err(|error| FileError::of(error, &opened.path().join(name), "look at"))
    };
    if look(&old)?.is_none() {
        return Err(no_file());
    }
    let new = OsString::from(new);
    // On Windows a change of case alone finds the file itself.
    let itself = cfg!(windows)
        && old.to_string_lossy().to_lowercase() == new.to_string_lossy().to_lowercase();
    if old != new
        && !itself
        && let Some(taken) = look(&new)?
    {
        let path = opened.path().join(&new);
        if taken.kind == Kind::Folder {
            return Err(FileError::FolderInTheWay { path });
        }
        if !replace {
            return Err(FileError::Exists { path });
        }
        if taken.read_only && taken.kind == Kind::File && !force {
            return Err(FileError::ReadOnly { path });
        }
    }
    Ok(plain(Action::Rename { folder, current: old, new, replace: replace || itself, force }))
}

fn plan_delete_files(
    folder: &Spot,
    filter: &Filter,
    recursive: bool,
    force: bool,
) -> Result<FilePlan, FileError> {
    let opened = open_source(folder)?;
    if recursive && folder.is_root() {
        return Err(FileError::Root { path: folder.path() });
    }
    let found = choose(&opened, filter, recursive)?;
    if found.is_empty() {
        return Err(FileError::NoFile { folder: folder.path(), filter: shown(filter) });
    }
    if !force {
        check_writable(&opened, &found)?;
    }
    let steps = found.into_iter().map(Step::of).collect();
    Ok(plain(Action::DeleteFiles { folder: folder.clone(), force, steps }))
}

fn check_deletable(spot: &Spot, recursive: bool, force: bool) -> Result<(), FileError> {
    let path = spot.path();
    let Some((above, name)) = spot.parent() else { return Err(FileError::Root { path }) };
    let Some(above) = existing(&above)? else { return Ok(()) };
    let meta = above.look(&name).map_err(|error| FileError::of(error, &path, "look at"))?;
    match meta.map(|meta| meta.kind) {
        None | Some(Kind::Link) => return Ok(()),
        Some(Kind::Folder) => {}
        Some(_) => return Err(FileError::NotAFolder { path }),
    }
    if spot.is_root() {
        return Err(FileError::Root { path });
    }
    let folder =
        above.open_folder(&name).map_err(|error| FileError::of(error, &path, "read the folder"))?;
    if !recursive {
        let empty = list_with_parts(&folder, false)?.is_empty();
        return if empty { Ok(()) } else { Err(FileError::NotEmpty { path }) };
    }
    if force { Ok(()) } else { check_writable(&folder, &list_with_parts(&folder, true)?) }
}

fn check_writable(folder: &Folder, found: &[Found]) -> Result<(), FileError> {
    let stays = |found: &&Found| found.meta.kind == Kind::File && found.meta.read_only;
    match found.iter().find(stays) {
        None => Ok(()),
        Some(found) => {
            let below = found.folder.iter().fold(folder.path().to_owned(), |path, n| path.join(n));
            Err(FileError::ReadOnly { path: below.join(&found.name) })
        }
    }
}

/// What the filter chooses; folders only when everything is chosen.
fn choose(folder: &Folder, filter: &Filter, recursive: bool) -> Result<Vec<Found>, FileError> {
    let mut found = list(folder, recursive)?;
    found.retain(|found| match found.meta.kind {
        Kind::Folder => recursive && filter.is_all(),
        _ => filter.matches(&found.name),
    });
    Ok(found)
}

fn open_source(spot: &Spot) -> Result<Folder, FileError> {
    existing(spot)?.ok_or_else(|| FileError::SourceMissing { path: spot.path() })
}

fn existing(spot: &Spot) -> Result<Option<Folder>, FileError> {
    match spot.open() {
        Ok(folder) => Ok(Some(folder)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::of(error, &spot.path(), "open the folder")),
    }
}

/// What has the same name in the destination.
fn look(
    destination: &mut Cursor,
    found: &Found,
) -> Result<Option<(std::path::PathBuf, crate::folder::Meta)>, FileError> {
    let path = destination.path(&found.folder, &found.name);
    let looked = match destination.open(&found.folder) {
        Ok(folder) => folder.look(&found.name),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let looked = looked.map_err(|error| FileError::of(error, &path, "look at"))?;
    Ok(looked.map(|meta| (path, meta)))
}

fn shown(filter: &Filter) -> String {
    if filter.is_all() { "*".to_owned() } else { filter.as_str().to_owned() }
}

impl Step {
    fn of(found: Found) -> Self {
        let Found { folder, name, meta } = found;
        let (kind, size, mtime_ns, mode) = (meta.kind, meta.size, meta.mtime_ns, meta.mode);
        Self { folder, name, kind, size, mtime_ns, mode }
    }
}
