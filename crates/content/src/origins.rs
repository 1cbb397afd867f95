//! Which files of the depot were written by targets, and by which.
//!
//! A mark is a depot path and the digest of what was written there: once an administrator puts
//! something else in that place it no longer applies. Marks are durable before the file is in
//! place, and harmless if it never arrives. The file is a list of records that only grows; it is
//! rewritten when opened. A record that was cut at the end is dropped.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use model::{ComputerId, Digest};

use crate::bytes::{BytesError, Input, Output};
use crate::path::DepotPath;

const VERSION: u8 = 1;

#[derive(Debug)]
pub(crate) struct Origins {
    path: PathBuf,
    marks: BTreeMap<DepotPath, Mark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) computer: ComputerId,
    pub(crate) digest: Digest,
}

impl Origins {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut marks = BTreeMap::new();
        match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(bytes) => {
                let mut input = Input(&bytes);
                input.version(VERSION).map_err(io::Error::other)?;
                while let Ok(read) = read_batch(&mut input) {
                    marks.extend(read);
                }
            }
        }
        let mut origins = Self { path: path.to_owned(), marks };
        origins.rewrite()?;
        Ok(origins)
    }

    /// Marks all of these, durably.
    pub(crate) fn mark(&mut self, marks: Vec<(DepotPath, Mark)>) -> io::Result<()> {
        let news: Vec<_> =
            marks.into_iter().filter(|(path, mark)| self.marks.get(path) != Some(mark)).collect();
        if news.is_empty() {
            return Ok(());
        }
        let mut file = File::options().append(true).open(&self.path)?;
        file.write_all(&batch(news.iter().map(|(path, mark)| (path, mark))))?;
        file.sync_data()?;
        self.marks.extend(news);
        Ok(())
    }

    pub(crate) fn of(&self, path: &DepotPath) -> Option<&Mark> {
        self.marks.get(path)
    }

    /// The marks of `folder` and of what lies below it.
    pub(crate) fn below(&self, folder: &DepotPath) -> Vec<(DepotPath, Mark)> {
        let all = self.marks.iter().filter(|(path, _)| folder.contains(path));
        all.map(|(path, mark)| (path.clone(), *mark)).collect()
    }

    fn rewrite(&mut self) -> io::Result<()> {
        let mut bytes = vec![VERSION];
        if !self.marks.is_empty() {
            bytes.extend(batch(self.marks.iter()));
        }
        let beside = self.path.with_extension("new");
        let mut file = File::create(&beside)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        fs::rename(beside, &self.path)
    }
}

/// Length, checksum, marks.
fn batch<'a>(marks: impl Iterator<Item = (&'a DepotPath, &'a Mark)>) -> Vec<u8> {
    let mut content = Output::default();
    for (path, mark) in marks {
        content.text(path.as_str());
        content.raw(mark.computer.as_bytes());
        content.digest(&mark.digest);
    }
    let mut out = Output::default();
    out.blob(&content.0);
    out.raw(blake3::hash(&content.0).as_bytes());
    out.0
}

fn read_batch(input: &mut Input<'_>) -> Result<Vec<(DepotPath, Mark)>, BytesError> {
    let content = input.blob()?;
    if blake3::hash(content).as_bytes() != &input.array::<32>()? {
        return Err(crate::bytes::wrong("its checksum differs"));
    }
    let mut content = Input(content);
    let mut marks = Vec::new();
    while content.end().is_err() {
        let path = content.path()?;
        let computer = ComputerId::from_bytes(content.array()?);
        marks.push((path, Mark { computer, digest: content.digest()? }));
    }
    Ok(marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_last_and_a_cut_record_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("origins");
        let path = |text: &str| text.parse::<DepotPath>().unwrap();
        let mark = |byte| Mark {
            computer: ComputerId::from_bytes([byte; 16]),
            digest: Digest::from_bytes([byte; 32]),
        };
        let mut origins = Origins::open(&file).unwrap();
        origins.mark(vec![(path("in/a"), mark(1)), (path("in/b"), mark(2))]).unwrap();
        origins.mark(vec![(path("in/a"), mark(3))]).unwrap();
        let mut bytes = fs::read(&file).unwrap();
        let origins = Origins::open(&file).unwrap();
        assert_eq!(origins.of(&path("in/a")), Some(&mark(3)));
        assert_eq!(origins.below(&path("in")).len(), 2);
        assert_eq!(origins.below(&path("i")).len(), 0);
        bytes.pop();
        fs::write(&file, bytes).unwrap();
        assert_eq!(Origins::open(&file).unwrap().of(&path("in/a")), Some(&mark(1)));
    }
}
