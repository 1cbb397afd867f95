//! Putting files in place: part, permissions and time, name. Blocks.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};

use machine::{Cursor, FileError, Folder, Meta, Options, PART_PREFIX, put_in_place};

use super::plan::split;
use super::{FetchError, PlannedFile, PlannedLink, Rules};
use crate::hashing::{digest_of, digest_of_bytes, read_chunks};

/// A file that is in place, with what is now known of it.
pub(super) struct Placed {
    /// Index among the plan's files.
    pub(super) file: usize,
    /// Nothing when the name was taken meanwhile and may not be replaced.
    pub(super) meta: Option<Meta>,
}

pub(super) fn part_name(file: &PlannedFile) -> OsString {
    OsString::from(format!("{PART_PREFIX}{}", file.digest))
}

/// A file that arrived whole in memory.
pub(super) fn small(
    cursor: &mut Cursor,
    index: usize,
    file: &PlannedFile,
    bytes: &[u8],
    rules: Rules,
) -> Result<Placed, FetchError> {
    if digest_of_bytes(bytes) != file.digest {
        return Err(FetchError::Damaged { path: file.path.clone() });
    }
    let (above, name) = split(&file.path);
    let path = cursor.path(&above, &name);
    let folder = cursor
        .create(&above)
        .map_err(|error| FileError::of(error, &path, "create the folder for"))?;
    let part = part_name(file);
    let written = fresh_part(folder, &part).and_then(|mut to| {
        to.write_all(bytes)?;
        folder.finish(&to, file.mode, file.mtime_ms.saturating_mul(1_000_000))
    });
    let placed = written.map_err(|error| FileError::of(error, &path, "write"));
    finish(folder, index, file, placed, rules)
}

/// A second file with bytes that were fetched already: copied from the first.
pub(super) fn same_bytes(
    cursor: &mut Cursor,
    index: usize,
    file: &PlannedFile,
    first: &PlannedFile,
    rules: Rules,
) -> Result<Placed, FetchError> {
    let (above, name) = split(&first.path);
    let path = cursor.path(&above, &name);
    let from = cursor.open(&above).and_then(|folder| folder.read(&name));
    let mut from = from.map_err(|error| FileError::of(error, &path, "read"))?;
    let (above, name) = split(&file.path);
    let path = cursor.path(&above, &name);
    let folder = cursor
        .create(&above)
        .map_err(|error| FileError::of(error, &path, "create the folder for"))?;
    let part = part_name(file);
    let mut hasher = blake3::Hasher::new();
    let written = fresh_part(folder, &part).and_then(|mut to| {
        read_chunks(&mut from, u64::MAX, |bytes| {
            hasher.update(bytes);
            to.write_all(bytes)
        })?;
        folder.finish(&to, file.mode, file.mtime_ms.saturating_mul(1_000_000))
    });
    let mut placed =
        written.map_err(|error| FetchError::from(FileError::of(error, &path, "write")));
    if placed.is_ok() && digest_of(&hasher) != file.digest {
        placed = Err(FetchError::Damaged { path: file.path.clone() });
    }
    finish(folder, index, file, placed, rules)
}

/// Renames a written part into place; one that could not be written makes room again.
pub(super) fn finish(
    folder: &Folder,
    index: usize,
    file: &PlannedFile,
    written: Result<(), impl Into<FetchError>>,
    rules: Rules,
) -> Result<Placed, FetchError> {
    let options = Options { recursive: false, replace: rules.replace, force: rules.force };
    let (part, (_, name)) = (part_name(file), split(&file.path));
    let (part, name) = (part.as_os_str(), name.as_os_str());
    let placed = written
        .map_err(Into::into)
        .and_then(|()| put_in_place(folder, part, name, options).map_err(FetchError::from));
    let path = folder.path().join(name);
    let look = || folder.look(name).map_err(|error| FileError::of(error, &path, "look at"));
    match placed {
        Ok(true) => Ok(Placed { file: index, meta: look()? }),
        Ok(false) => {
            discard(folder, part);
            // Taken meanwhile: by this very file, when an earlier attempt had got this far.
            let ours = look()?.filter(|meta| {
                meta.size == file.size && meta.mtime_ns.div_euclid(1_000_000) == file.mtime_ms
            });
            Ok(Placed { file: index, meta: ours })
        }
        Err(error) => {
            discard(folder, part);
            Err(error)
        }
    }
}

pub(super) fn link(
    cursor: &mut Cursor,
    link: &PlannedLink,
    rules: Rules,
) -> Result<bool, FetchError> {
    let (above, name) = split(&link.path);
    let path = cursor.path(&above, &name);
    let folder = cursor
        .create(&above)
        .map_err(|error| FileError::of(error, &path, "create the folder for"))?;
    if folder.read_link(&name).is_ok_and(|target| target == OsStr::new(&link.target)) {
        return Ok(true);
    }
    let part =
        OsString::from(format!("{PART_PREFIX}{}", digest_of_bytes(link.path.as_str().as_bytes())));
    discard(folder, &part);
    folder
        .make_link(&part, OsStr::new(&link.target), false)
        .map_err(|error| FileError::of(error, &path, "make the link"))?;
    let options = Options { recursive: false, replace: rules.replace, force: rules.force };
    let placed = put_in_place(folder, &part, &name, options);
    if !matches!(placed, Ok(true)) {
        discard(folder, &part);
    }
    Ok(placed?)
}

/// An empty part, in place of whatever an earlier attempt left there.
pub(super) fn fresh_part(folder: &Folder, part: &OsStr) -> io::Result<std::fs::File> {
    match folder.create(part) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            folder.clear_read_only(part)?;
            folder.remove(part)?;
            folder.create(part)
        }
        created => created,
    }
}

/// What is not needed any more. That it cannot be removed is no reason to fail.
pub(super) fn discard(folder: &Folder, part: &OsStr) {
    let _ = folder.remove(part);
}
