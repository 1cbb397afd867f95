//! A source during whose reading something else happens on the machine.

use std::fmt;
use std::io;
use std::path::Path;

use agent::application::Provide;
use application::{Node, Source, SurveyError};
use machine::change::{Supplied, Supply};
use machine::survey::{FolderSource, NoDigests};
use model::Digest;

/// Called with the name of each file before it is read.
type Meddle<'a> = dyn Fn(&str) -> io::Result<()> + Sync + 'a;

pub struct Meddling<'a> {
    inner: FolderSource<'a>,
    meddle: Box<Meddle<'a>>,
}

impl<'a> Meddling<'a> {
    pub fn new(source: &Path, meddle: impl Fn(&str) -> io::Result<()> + Sync + 'a) -> Self {
        Self { inner: FolderSource::new(source, &NoDigests), meddle: Box::new(meddle) }
    }
}

impl fmt::Debug for Meddling<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meddling")
    }
}

impl Supply for Meddling<'_> {
    fn open(&self, path: &str, digest: &Digest) -> io::Result<Supplied> {
        (self.meddle)(path)?;
        self.inner.open(path, digest)
    }
}

impl Source for Meddling<'_> {
    fn node(&self, path: &str) -> Result<Option<Node>, SurveyError> {
        self.inner.node(path)
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, SurveyError> {
        self.inner.names(folder)
    }

    fn digest(&self, path: &str) -> Result<Digest, SurveyError> {
        self.inner.digest(path)
    }

    fn read_part(&self, path: &str, offset: u64, length: usize) -> Result<Vec<u8>, SurveyError> {
        self.inner.read_part(path, offset, length)
    }
}

impl Provide for Meddling<'_> {
    fn folder(&self) -> Option<&Path> {
        self.inner.folder()
    }
}
