//! Putting what was built into its place.

use std::io;
use std::path::Path;

use super::journal::{Act, Built, Journal, Prior, PriorKind, Staged};
use super::layout::changed;
use super::reach::{Held, Reach, look};
use super::{ChangeError, Ground, attributes};
use crate::files::FileError;
use crate::folder::Existing;
use crate::registry::Registry;

/// What was done differently from what was laid out.
#[derive(Default)]
pub(super) struct Acted {
    /// Steps that have to wait for the next start, for another program holds their file.
    pub(super) delayed: Vec<usize>,
    pub(super) reboot: Vec<String>,
}

/// Carries all steps out, in order. A step that was carried out before is recognised.
pub(super) fn act(
    journal: &Journal,
    staged: &Staged,
    ground: &Ground,
    registry: &mut dyn Registry,
) -> Result<Acted, ChangeError> {
    let mut acting = Acting { reach: Reach::new(ground)?, ground };
    let mut acted = Acted::default();
    for (at, step) in journal.steps.iter().enumerate() {
        let (path, outcome) = match &step.act {
            Act::Place { part, path, aside, prior: Some(prior), .. } => {
                let names = Names { part, path, aside };
                (path, acting.replace(&names, prior, staged.inodes[at])?)
            }
            Act::Place { built, part, path, .. } => {
                let outcome = acting.place(part, path, staged.inodes[at])?;
                if *built == Built::Folder {
                    acting.reach.close_all();
                }
                (path, outcome)
            }
            Act::Remove { path, aside, prior } => (path, acting.remove(path, aside, prior)?),
            Act::Hive(act) => {
                act.act(registry)?;
                continue;
            }
            Act::Within { .. } => continue,
        };
        match outcome {
            Outcome::Done => {}
            Outcome::InUse => acted.reboot.push(format!("`{path}` is in use")),
            Outcome::Delayed => {
                acted.delayed.push(at);
                acted.reboot.push(format!("`{path}` is in use and replaced at the next start"));
            }
        }
    }
    Ok(acted)
}

enum Outcome {
    Done,
    /// A program goes on with what was there.
    InUse,
    /// A program does not let go of it.
    Delayed,
}

struct Names<'a> {
    part: &'a str,
    path: &'a str,
    aside: &'a str,
}

struct Acting<'g> {
    reach: Reach<'g>,
    ground: &'g Ground,
}

impl Acting<'_> {
    fn hold(&mut self, path: &str) -> Result<Held, ChangeError> {
        let held = self.reach.hold(path);
        Ok(held.map_err(|error| FileError::of(error, Path::new(path), "open the folder of"))?)
    }

    fn rename(&self, from: &Held, to: &Held) -> io::Result<()> {
        attributes::with_patience(self.ground.patience, || {
            from.folder.rename(&from.name, &to.folder, &to.name, Existing::Keep)
        })
    }

    /// Where nothing was.
    fn place(&mut self, part: &str, path: &str, inode: u64) -> Result<Outcome, ChangeError> {
        let (from, to) = (self.hold(part)?, self.hold(path)?);
        match self.rename(&from, &to) {
            Ok(()) => Ok(Outcome::Done),
            Err(error) if is_at(&to, inode) => {
                // Only what is there already can have left its part.
                let gone = error.kind() == io::ErrorKind::NotFound;
                if gone { Ok(Outcome::Done) } else { Err(failed(error, path, "write")) }
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(changed(path, "absent", "something"))
            }
            Err(error) => Err(failed(error, path, "write")),
        }
    }

    fn replace(
        &mut self,
        names: &Names<'_>,
        prior: &Prior,
        inode: u64,
    ) -> Result<Outcome, ChangeError> {
        let (part, place) = (self.hold(names.part)?, self.hold(names.path)?);
        let aside = self.hold(names.aside)?;
        let wrong = |error| failed(error, names.path, "replace");
        if is_at(&place, inode) {
            return Ok(Outcome::Done);
        }
        if look(&aside).map_err(wrong)?.is_none() {
            match attributes::exchange(&part, &place) {
                Ok(true) => {
                    if prior.is(&part).map_err(wrong)? {
                        return Ok(Outcome::Done);
                    }
                    attributes::exchange(&part, &place).map_err(wrong)?;
                    return Err(changed(names.path, "what it was", "something else"));
                }
                Ok(false) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(changed(names.path, "there", "absent"));
                }
                Err(error) => return Err(wrong(error)),
            }
            if let Some(outcome) = self.set_aside(&place, &aside, names.path, prior)? {
                return Ok(outcome);
            }
        }
        let in_use = attributes::is_in_use(&aside);
        self.rename(&part, &place).map_err(wrong)?;
        Ok(if in_use { Outcome::InUse } else { Outcome::Done })
    }

    /// Nothing where it succeeded.
    fn set_aside(
        &self,
        place: &Held,
        aside: &Held,
        path: &str,
        prior: &Prior,
    ) -> Result<Option<Outcome>, ChangeError> {
        match self.rename(place, aside) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(changed(path, "there", "absent"));
            }
            Err(error) => {
                return match FileError::of(error, Path::new(path), "replace") {
                    FileError::InUse { .. } if cfg!(windows) => Ok(Some(Outcome::Delayed)),
                    error => Err(error.into()),
                };
            }
        }
        if prior.is(aside).map_err(|error| failed(error, path, "look at"))? {
            return Ok(None);
        }
        self.rename(aside, place).map_err(|error| failed(error, path, "put back"))?;
        Err(changed(path, "what it was", "something else"))
    }

    fn remove(&mut self, path: &str, aside: &str, prior: &Prior) -> Result<Outcome, ChangeError> {
        let to = self.hold(aside)?;
        if look(&to).map_err(|error| failed(error, path, "delete"))?.is_some() {
            return Ok(Outcome::Done);
        }
        let from = self.hold(path)?;
        if prior.kind == PriorKind::Folder {
            self.must_be_empty(path)?;
            self.reach.close_all();
        }
        let outcome = self.set_aside(&from, &to, path, prior)?;
        let in_use = || if attributes::is_in_use(&to) { Outcome::InUse } else { Outcome::Done };
        Ok(outcome.unwrap_or_else(in_use))
    }

    fn must_be_empty(&mut self, path: &str) -> Result<(), ChangeError> {
        let entries = self.reach.folder(path).and_then(|folder| folder.entries());
        let entries = entries.map_err(|error| failed(error, path, "read the folder"))?;
        if entries.is_empty() {
            return Ok(());
        }
        Err(ChangeError::NotEmpty { place: path.to_owned() })
    }
}

fn is_at(held: &Held, inode: u64) -> bool {
    look(held).is_ok_and(|meta| meta.is_some_and(|meta| meta.inode == inode))
}

fn failed(error: io::Error, path: &str, doing: &'static str) -> ChangeError {
    FileError::of(error, Path::new(path), doing).into()
}
