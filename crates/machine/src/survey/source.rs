//! A folder that an application draws from: beside its file, or unpacked from the depot.

use std::io;
use std::path::{Path, PathBuf};

use application::{Node, Source, SurveyError};
use model::Digest;

use super::{Digests, node};
use crate::change::{Supplied, Supply};
use crate::spot::Spot;

/// Paths below it have `/` between their names and cannot leave it; links in it are not followed.
pub struct FolderSource<'a> {
    base: PathBuf,
    digests: &'a dyn Digests,
}

impl<'a> FolderSource<'a> {
    pub fn new(base: &Path, digests: &'a dyn Digests) -> Self {
        Self { base: base.to_owned(), digests }
    }

    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Where a path of the source really is.
    pub fn real(&self, path: &str) -> Result<PathBuf, SurveyError> {
        Ok(self.spot(path)?.path())
    }

    fn spot(&self, path: &str) -> Result<Spot, SurveyError> {
        let mut names: Vec<&str> = Vec::new();
        for name in path.split('/').filter(|name| !matches!(*name, "" | ".")) {
            crate::check_own_name(name)
                .map_err(|problem| SurveyError::new(path, format!("`{name}` {problem}")))?;
            names.push(name);
        }
        Ok(Spot::confined(&self.base, names))
    }

    /// Folders on the way that are links do not count as folders.
    fn is_within(&self, spot: &Spot) -> bool {
        spot.parent().is_none_or(|(parent, _)| parent.open().is_ok())
    }
}

impl Supply for FolderSource<'_> {
    fn open(&self, path: &str, _digest: &Digest) -> io::Result<Supplied> {
        let spot = self.spot(path).map_err(io::Error::other)?;
        node::File::of(&spot)?.open().map(Supplied::File)
    }
}

impl Source for FolderSource<'_> {
    fn node(&self, path: &str) -> Result<Option<Node>, SurveyError> {
        let spot = self.spot(path)?;
        if !self.is_within(&spot) {
            return Ok(None);
        }
        node::look(&spot.path()).map_err(|why| SurveyError::new(path, why))
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, SurveyError> {
        let spot = self.spot(folder)?;
        if spot.open().is_err() {
            return Ok(Vec::new());
        }
        node::names(&spot.path()).map_err(|why| SurveyError::new(folder, why))
    }

    fn digest(&self, path: &str) -> Result<Digest, SurveyError> {
        let file = node::File::of(&self.spot(path)?);
        let digest = file.and_then(|file| file.digest(self.digests));
        digest.map_err(|why| SurveyError::new(path, why))
    }

    fn read_part(&self, path: &str, offset: u64, length: usize) -> Result<Vec<u8>, SurveyError> {
        let file = node::File::of(&self.spot(path)?);
        let read = file.and_then(|file| file.read_part(offset, length));
        read.map_err(|why| SurveyError::new(path, why))
    }
}
