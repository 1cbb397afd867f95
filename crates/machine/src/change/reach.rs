//! From the paths of a plan to open folders.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Ground;
use crate::files::FileError;
use crate::folder::{Folder, Meta};
use crate::home::Home;
use crate::spot::{Spot, SpotError};

/// Folders kept open at a time; plans go from folder to folder.
const OPEN_MAX: usize = 8;

/// Opens the folders that paths lie in, and keeps the last ones open.
pub(super) struct Reach<'g> {
    root: Option<&'g Path>,
    home: Option<Home>,
    /// The last used one at the end.
    open: Vec<(String, Rc<Folder>)>,
}

/// A path's folder, open, and the name in it.
pub(super) struct Held {
    pub(super) folder: Rc<Folder>,
    pub(super) name: OsString,
}

impl<'g> Reach<'g> {
    pub(super) fn new(ground: &'g Ground) -> Result<Self, SpotError> {
        let root = ground.root.as_deref();
        let home = ground.owner.as_ref().map(|owner| Home::new(&owner.home, root));
        Ok(Self { root, home: home.transpose()?, open: Vec::new() })
    }

    /// The folder of a canonical path; `NotFound` where there is none.
    pub(super) fn hold(&mut self, path: &str) -> io::Result<Held> {
        let (above, name) = split(path);
        Ok(Held { folder: self.folder(above)?, name: name.into() })
    }

    pub(super) fn folder(&mut self, path: &str) -> io::Result<Rc<Folder>> {
        if let Some(at) = self.open.iter().position(|(open, _)| open == path) {
            let found = self.open.remove(at);
            let folder = Rc::clone(&found.1);
            self.open.push(found);
            return Ok(folder);
        }
        let folder = Rc::new(Home::open(self.home.as_ref(), &real(path, self.root)?)?);
        if self.open.len() == OPEN_MAX {
            self.open.remove(0);
        }
        self.open.push((path.to_owned(), Rc::clone(&folder)));
        Ok(folder)
    }

    /// After a folder has been renamed, paths may lead elsewhere.
    pub(super) fn close_all(&mut self) {
        self.open.clear();
    }

    /// What is known of a path; nothing also where its folder is not there.
    pub(super) fn look(&mut self, path: &str) -> Result<Option<Meta>, FileError> {
        let looked = match self.hold(path) {
            Ok(held) => look(&held),
            Err(error) if is_nothing(&error) => return Ok(None),
            Err(error) => Err(error),
        };
        looked.map_err(|error| FileError::of(error, Path::new(path), "look at"))
    }
}

/// The folder of a path is not there, or is no folder: so nothing is at the path.
pub(super) fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// What is known of a name, with its inode on Windows too.
pub(super) fn look(held: &Held) -> io::Result<Option<Meta>> {
    super::attributes::look(held)
}

/// A path of a plan as this machine writes it, without `.`, `..` and doubled separators.
pub(super) fn canonical(path: &str) -> Result<String, SpotError> {
    let spot = Spot::absolute(path, None)?;
    // It was made from text.
    Ok(spot.path().to_string_lossy().into_owned())
}

/// Where a canonical path is with regard to the root.
pub(super) fn real(path: &str, root: Option<&Path>) -> io::Result<PathBuf> {
    match root {
        None => Ok(PathBuf::from(path)),
        Some(_) => Spot::absolute(path, root).map(|spot| spot.path()).map_err(io::Error::other),
    }
}

/// The folder and the name of a canonical path that is no root.
pub(super) fn split(path: &str) -> (&str, &str) {
    let path = Path::new(path);
    let above = path.parent().and_then(Path::to_str).unwrap_or("");
    (above, path.file_name().and_then(OsStr::to_str).unwrap_or(""))
}

pub(super) fn join(folder: &str, name: &str) -> String {
    let joined = Path::new(folder).join(name);
    joined.to_string_lossy().into_owned()
}

/// The same for two spellings of one path.
pub(super) fn folded(path: &str) -> String {
    if cfg!(windows) { path.to_uppercase() } else { path.to_owned() }
}
