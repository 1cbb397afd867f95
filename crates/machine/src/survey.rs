//! The machine as plans ask it: files, folders, environment, facts, registry. Reading only.
//!
//! [`SystemSurvey`] is this machine, or the folder that stands for its root, as itself or as one of
//! its users, logged on or not. [`FolderSource`] is a folder that an application draws from. What
//! was hashed before is remembered by whoever asks, behind [`Digests`].

mod facts;
#[cfg(target_os = "linux")]
#[path = "survey/folders/linux.rs"]
mod folders;
#[cfg(windows)]
#[path = "survey/folders/windows.rs"]
mod folders;
mod node;
mod source;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use application::{Disk, EDITED_BYTES_MAX, Family, Node, Survey, SurveyError};
use model::Digest;
use model::registry::{Data, Key};

use crate::account::Account;
use crate::folder::{Meta, is_part};
use crate::home::Home;
use crate::registry::{Registry, RegistryError, SystemRegistry};
use crate::spot::{Spot, SpotError};

pub use source::FolderSource;

/// Contents that were hashed before, by the path they were found at. What it answers must be of a
/// file with exactly this meta.
pub trait Digests: Sync {
    fn get(&self, path: &str, meta: &Meta) -> Option<Digest>;

    /// `meta` was looked at before the file was read, and again after.
    fn put(&self, path: &str, meta: &Meta, digest: Digest);
}

/// Remembers nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoDigests;

impl Digests for NoDigests {
    fn get(&self, _: &str, _: &Meta) -> Option<Digest> {
        None
    }

    fn put(&self, _: &str, _: &Meta, _: Digest) {}
}

/// Why a machine cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenSurveyError {
    #[error("{} cannot be the root: {source}", .path.display())]
    Root { path: PathBuf, source: io::Error },
    #[error("the registry of `{user}` cannot be opened: {source}")]
    Registry { user: String, source: RegistryError },
    #[error("a user's home cannot be used")]
    Home(#[from] SpotError),
}

/// This machine, or what stands for it below a folder.
pub struct SystemSurvey<'a> {
    root: Option<PathBuf>,
    user: Option<Account>,
    /// Of a user who is not who asks.
    home: Option<Home>,
    facts: BTreeMap<String, String>,
    registry: Option<SystemRegistry>,
    digests: &'a dyn Digests,
}

impl<'a> SystemSurvey<'a> {
    /// With `root`, paths are put under that folder and there is no registry. With `user`, special
    /// folders, environment and `HKEY_CURRENT_USER` are that user's, whose hive is loaded for as
    /// long as this lives.
    pub fn open(
        root: Option<&Path>,
        user: Option<Account>,
        digests: &'a dyn Digests,
    ) -> Result<Self, OpenSurveyError> {
        let absolute = |path: &Path| {
            std::path::absolute(path)
                .map_err(|source| OpenSurveyError::Root { path: path.to_owned(), source })
        };
        let root = root.map(absolute).transpose()?;
        let facts = facts::all(root.as_deref());
        let registry = registry(root.is_some(), user.as_ref())?;
        let other = user.as_ref().filter(|user| !user.is_own());
        let home = other.map(|user| Home::new(&user.home, root.as_deref())).transpose()?;
        Ok(Self { root, user, home, facts, registry, digests })
    }

    /// The machine's facts, by name.
    pub fn facts(&self) -> &BTreeMap<String, String> {
        &self.facts
    }

    /// Where a path of the machine really is.
    pub fn real(&self, path: &str) -> Result<PathBuf, SurveyError> {
        Ok(self.spot(path)?.path())
    }

    fn spot(&self, path: &str) -> Result<Spot, SurveyError> {
        let spot = Spot::absolute(path, self.root.as_deref());
        spot.map_err(|why| SurveyError::new(path, why))
    }

    /// The file at a path, as far as no link leads out of a home.
    fn file(&self, path: &str) -> io::Result<node::File> {
        let spot = Spot::absolute(path, self.root.as_deref()).map_err(io::Error::other)?;
        let (above, name) = spot.parent().ok_or(io::ErrorKind::IsADirectory)?;
        Ok(node::File { folder: Home::open(self.home.as_ref(), &above.path())?, name })
    }

    fn asked(&self, key: &Key) -> Result<&SystemRegistry, SurveyError> {
        let none = || SurveyError::new(key, RegistryError::NotHere);
        self.registry.as_ref().ok_or_else(none)
    }
}

fn registry(
    has_root: bool,
    user: Option<&Account>,
) -> Result<Option<SystemRegistry>, OpenSurveyError> {
    if has_root || !cfg!(windows) {
        return Ok(None);
    }
    let opened = match user {
        Some(account) => SystemRegistry::open_of(account),
        None => SystemRegistry::open(None),
    };
    let name = || user.map_or_else(|| "the system".into(), |user| user.name.clone());
    opened.map(Some).map_err(|source| OpenSurveyError::Registry { user: name(), source })
}

impl Survey for SystemSurvey<'_> {
    fn family(&self) -> Family {
        if cfg!(windows) { Family::Windows } else { Family::Linux }
    }

    fn fact(&self, name: &str) -> Option<String> {
        self.facts.get(&name.to_lowercase()).cloned()
    }

    fn environment(&self, name: &str) -> Option<String> {
        match &self.user {
            Some(user) => folders::environment_of(user, self.registry.as_ref(), name),
            None => std::env::var(name).ok(),
        }
    }

    fn special_folder(&self, name: &str) -> Option<String> {
        let home = self.root.as_deref();
        folders::special(name, self.user.as_ref(), self.registry.as_ref(), home)
    }

    fn node(&self, path: &str) -> Result<Option<Node>, SurveyError> {
        node::look(&self.real(path)?).map_err(|why| SurveyError::new(path, why))
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, SurveyError> {
        node::names(&self.real(folder)?).map_err(|why| SurveyError::new(folder, why))
    }

    fn digest(&self, path: &str) -> Result<Digest, SurveyError> {
        let digest = self.file(path).and_then(|file| file.digest(self.digests));
        digest.map_err(|why| SurveyError::new(path, why))
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, SurveyError> {
        let read = self.file(path).and_then(|file| file.read_whole(EDITED_BYTES_MAX));
        read.map_err(|why| SurveyError::new(path, why))
    }

    fn read_part(&self, path: &str, offset: u64, length: usize) -> Result<Vec<u8>, SurveyError> {
        let read = self.file(path).and_then(|file| file.read_part(offset, length));
        read.map_err(|why| SurveyError::new(path, why))
    }

    fn disk(&self, path: &str) -> Result<Disk, SurveyError> {
        let real = self.real(path)?;
        let there = real.ancestors().find(|path| path.exists()).unwrap_or(&real);
        let free = crate::disk_free(there).map_err(|why| SurveyError::new(path, why))?;
        let unknown = || SurveyError::new(path, "nobody knows which disk it is on");
        Ok(Disk { id: crate::change::disk(there).ok_or_else(unknown)?, free })
    }

    fn has_registry(&self) -> bool {
        self.registry.is_some()
    }

    fn key_exists(&self, key: &Key) -> Result<bool, SurveyError> {
        self.asked(key)?.exists(key).map_err(|why| SurveyError::new(key, why))
    }

    fn value(&self, key: &Key, name: &str) -> Result<Option<Data>, SurveyError> {
        self.asked(key)?.value(key, name).map_err(|why| SurveyError::new(key, why))
    }

    fn keys(&self, key: &Key) -> Result<Vec<String>, SurveyError> {
        let listed = there(self.asked(key)?.keys(key));
        listed.map(sorted).map_err(|why| SurveyError::new(key, why))
    }

    fn values(&self, key: &Key) -> Result<Vec<(String, Data)>, SurveyError> {
        there(self.asked(key)?.values(key)).map_err(|why| SurveyError::new(key, why))
    }
}

/// A key that is not there has nothing in it.
fn there<T>(listed: Result<Vec<T>, RegistryError>) -> Result<Vec<T>, RegistryError> {
    match listed {
        Err(RegistryError::Missing { .. }) => Ok(Vec::new()),
        listed => listed,
    }
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

/// `%NAME%` replaced by what it stands for; what stands for nothing is left.
#[cfg(windows)]
pub(crate) fn expanded(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        match after.split_once('%').and_then(|(name, rest)| Some((value(name)?, rest))) {
            Some((value, behind)) => {
                out.push_str(&value);
                rest = behind;
            }
            None => {
                out.push('%');
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests;
