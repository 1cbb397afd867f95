//! The end of a transaction: the decision that its changes stay, and tidying up after it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use application::Kept;
use model::Digest;

use super::journal::{Act, Journal, Keeping, Prior, PriorKind, Settled};
use super::kept::digest_of;
use super::reach::{Held, Reach, real, split};
use super::{ChangeError, Done, Ground, UndoError, attributes, hive};
use crate::files::FileError;
use crate::folder::Existing;
use crate::registry::Registry;

/// Makes what was applied durable, and finds out what has to be kept of what was there.
pub(super) fn decide(
    journal: &Journal,
    delayed: &[usize],
    reboot: &[String],
    ground: &Ground,
    registry: &mut dyn Registry,
) -> Result<Settled, ChangeError> {
    hive::flush(hive_acts(journal), registry)?;
    let touched = touched(journal, ground.root.as_deref());
    attributes::sync_folders(&touched).map_err(|error| {
        let path = touched.first().map_or(Path::new(""), PathBuf::as_path);
        FileError::of(error, path, "make durable")
    })?;
    let mut reach = Reach::new(ground)?;
    let mut kept = Vec::new();
    for (at, step) in journal.steps.iter().enumerate() {
        let Some((path, names, prior)) = prior(&step.act) else { continue };
        if prior.kind == PriorKind::Folder {
            continue;
        }
        let is_delayed = delayed.contains(&at);
        let failed = |error| FileError::of(error, Path::new(path), "keep what was at");
        let found =
            if is_delayed { reach.hold(path).map(Some) } else { old(&mut reach, &names, prior) };
        let held = found
            .map_err(failed)?
            .ok_or_else(|| super::layout::changed(path, "set aside", "gone from there"))?;
        let mut keeping = keep(&held, prior, ground).map_err(failed)?;
        keeping.moves &= !is_delayed;
        if !keeping.moves && prior.kind == PriorKind::File {
            copy(&held, &keeping.kept, ground).map_err(|source| {
                let path = ground.kept.folder().to_owned();
                ChangeError::State { path, what: "written", source }
            })?;
        }
        kept.push(Keeping { step: at, ..keeping });
    }
    Ok(Settled { kept, delayed: delayed.to_vec(), reboot: reboot.to_vec() })
}

/// What is to be kept of what stands aside.
fn keep(held: &Held, prior: &Prior, ground: &Ground) -> io::Result<Keeping> {
    let store = &ground.kept;
    if prior.kind == PriorKind::Link {
        let target = held.folder.read_link(&held.name)?;
        let target = target.to_string_lossy();
        let kept = Kept {
            digest: Digest::from_bytes(*blake3::hash(target.as_bytes()).as_bytes()),
            size: target.len() as u64,
            mode: prior.mode,
            mtime_ns: prior.mtime_ns,
            is_link: true,
            rights: attributes::rights_of_link(prior.owner, prior.group),
        };
        store.keep_text(&kept, target.as_bytes(), prior)?;
        return Ok(Keeping { step: 0, kept, moves: false });
    }
    let mut file = attributes::with_patience(ground.patience, || held.folder.read(&held.name))?;
    let (digest, size) = digest_of(&mut file)?;
    let (mode, rights) = (attributes::mode(&file)?, attributes::rights(&file)?);
    let kept = Kept { digest, size, mode, mtime_ns: prior.mtime_ns, is_link: false, rights };
    let moves = attributes::can_move(&file, store.folder())?;
    Ok(Keeping { step: 0, kept, moves })
}

fn copy(held: &Held, kept: &Kept, ground: &Ground) -> io::Result<()> {
    ground.kept.copy(kept, &mut held.folder.read(&held.name)?)
}

/// Removes what stands aside, as far as it is still there, or makes it the kept one. Goes on after
/// a failure.
pub(super) fn settle(
    journal: &Journal,
    settled: &Settled,
    ground: &Ground,
) -> Result<Done, UndoError> {
    let mut reach = Reach::new(ground)?;
    let mut left = Vec::new();
    let mut errors = Vec::new();
    let mut error_at = |path: &str, error: io::Error| {
        let source = FileError::of(error, Path::new(path), "tidy up after");
        errors.push(UndoError::File { path: path.to_owned(), others: 0, source });
    };
    for keeping in &settled.kept {
        let Some((path, names, prior)) = prior(&journal.steps[keeping.step].act) else { continue };
        if settled.delayed.contains(&keeping.step) {
            continue;
        }
        let tidied = match old(&mut reach, &names, prior) {
            Ok(Some(held)) => tidy(&held, keeping, ground),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        tidied.unwrap_or_else(|error| error_at(path, error));
    }
    for step in &journal.steps {
        if let Act::Remove { path, aside, prior } = &step.act
            && prior.kind == PriorKind::Folder
        {
            match remove_folder(&mut reach, path, aside) {
                Ok(true) => {}
                Ok(false) => left.push(path.clone()),
                Err(error) => error_at(path, error),
            }
        }
    }
    for at in &settled.delayed {
        let (Act::Place { path, .. } | Act::Remove { path, .. }) = &journal.steps[*at].act else {
            continue;
        };
        at_restart(&journal.steps[*at].act, ground).unwrap_or_else(|error| error_at(path, error));
    }
    let touched = touched(journal, ground.root.as_deref());
    let synced = attributes::sync_folders(&touched)
        .and_then(|()| attributes::sync_folder(ground.kept.folder()));
    synced.unwrap_or_else(|error| error_at(&ground.kept.folder().to_string_lossy(), error));
    let others = errors.len().saturating_sub(1);
    match errors.into_iter().next() {
        None => Ok(settled.done(journal, left)),
        Some(first) => Err(first.with_others(others)),
    }
}

fn tidy(held: &Held, keeping: &Keeping, ground: &Ground) -> io::Result<()> {
    let kept = &keeping.kept;
    if keeping.moves && !ground.kept.holds(kept) {
        let from = held.folder.path().join(&held.name);
        return attributes::with_patience(ground.patience, || {
            fs::rename(&from, ground.kept.path(kept))
        });
    }
    let removed = attributes::with_patience(ground.patience, || {
        attributes::unprotect(held)?;
        held.folder.remove(&held.name)
    });
    // A program that still runs is removed at the next start.
    removed.or_else(|error| {
        let path = held.folder.path().join(&held.name);
        attributes::at_restart(&path, None).map_err(|_| error)
    })
}

/// Whether it is gone; one that is not empty any more stays, under its name.
fn remove_folder(reach: &mut Reach<'_>, path: &str, aside: &str) -> io::Result<bool> {
    let held = reach.hold(aside)?;
    match held.folder.remove_folder(&held.name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            let place = reach.hold(path)?;
            held.folder.rename(&held.name, &place.folder, &place.name, Existing::Keep)?;
            Ok(false)
        }
        removed => removed.map(|()| true),
    }
}

fn at_restart(act: &Act, ground: &Ground) -> io::Result<()> {
    let real = |path: &str| real(path, ground.root.as_deref());
    match act {
        Act::Place { part, path, .. } => attributes::at_restart(&real(part)?, Some(&real(path)?)),
        Act::Remove { path, .. } => attributes::at_restart(&real(path)?, None),
        Act::Within { .. } | Act::Hive(_) => Ok(()),
    }
}

/// Names under which the old one may stand.
struct Names<'a> {
    part: Option<&'a str>,
    aside: &'a str,
}

fn prior(act: &Act) -> Option<(&str, Names<'_>, &Prior)> {
    match act {
        Act::Place { part, path, aside, prior: Some(prior), .. } => {
            Some((path, Names { part: Some(part), aside }, prior))
        }
        Act::Remove { path, aside, prior } => Some((path, Names { part: None, aside }, prior)),
        _ => None,
    }
}

/// What stands aside, if it still does.
fn old(reach: &mut Reach<'_>, names: &Names<'_>, prior: &Prior) -> io::Result<Option<Held>> {
    let held = reach.hold(names.aside)?;
    if held.folder.look(&held.name)?.is_some() {
        return Ok(Some(held));
    }
    let Some(part) = names.part else { return Ok(None) };
    let held = reach.hold(part)?;
    Ok(if prior.is_that(&held)? { Some(held) } else { None })
}

fn hive_acts(journal: &Journal) -> impl Iterator<Item = &hive::Act> {
    journal.steps.iter().filter_map(|step| match &step.act {
        Act::Hive(act) => Some(act),
        _ => None,
    })
}

/// The folders in which names changed.
fn touched(journal: &Journal, root: Option<&Path>) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for step in &journal.steps {
        match &step.act {
            Act::Place { path, .. } => drop(folders.insert(split(path).0)),
            Act::Remove { path, aside, .. } => {
                folders.insert(split(path).0);
                folders.insert(split(aside).0);
            }
            Act::Within { .. } | Act::Hive(_) => {}
        }
    }
    let real = |folder: &str| real(folder, root).ok().filter(|real| real.exists());
    folders.into_iter().filter_map(real).collect()
}
