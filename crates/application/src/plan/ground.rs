//! The machine as the plan so far leaves it: what is there, and the changes over it.
//!
//! Each path, key and value that was looked at or changed is held once, so later items see what
//! earlier ones do and several acts on one thing are one change. Invariant: a folder's creation
//! stands before that of what is in it, and its removal behind.

mod registry;

use std::collections::BTreeMap;

use model::Digest;
use model::registry::folded as folded_name;

use super::place;
use crate::{
    Before, Change, Content, EDITED_BYTES_MAX, Family, FileNode, Meta, Node, Source, Survey,
    SurveyError,
};

pub struct Ground<'g> {
    pub survey: &'g dyn Survey,
    pub source: &'g dyn Source,
    pub family: Family,
    paths: BTreeMap<String, Path>,
    /// Paths that were touched, by the folder that they are in.
    children: BTreeMap<String, Vec<String>>,
    registry: registry::Registry,
    changes: Vec<Option<Change>>,
}

/// What is known of one path.
struct Path {
    path: String,
    original: Option<Node>,
    now: Now,
    change: Option<usize>,
}

enum Now {
    AsItWas,
    Absent,
    Folder,
    File(Written),
}

/// A file that the plan writes.
#[derive(Debug, Clone)]
pub struct Written {
    pub content: Content,
    pub digest: Digest,
    pub size: u64,
    pub meta: Meta,
}

impl Written {
    pub fn bytes(bytes: Vec<u8>) -> Self {
        Self {
            digest: digest_of(&bytes),
            size: bytes.len() as u64,
            content: Content::Bytes(bytes.into()),
            meta: Meta::default(),
        }
    }
}

pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(*blake3::hash(bytes).as_bytes())
}

/// What stands where a file was to be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroundError {
    #[error(transparent)]
    Survey(#[from] SurveyError),
    #[error("`{path}` is a folder")]
    IsFolder { path: String },
    #[error("`{path}` is no folder")]
    NoFolder { path: String },
    #[error("`{path}` is neither a file nor a folder")]
    IsOther { path: String },
    #[error("`{path}` is too large to be edited: it has more than {EDITED_BYTES_MAX} bytes")]
    Large { path: String },
}

impl<'g> Ground<'g> {
    pub fn new(survey: &'g dyn Survey, source: &'g dyn Source) -> Self {
        Self {
            survey,
            source,
            family: survey.family(),
            paths: BTreeMap::new(),
            children: BTreeMap::new(),
            registry: registry::Registry::default(),
            changes: Vec::new(),
        }
    }

    /// What stands there once the changes so far are made.
    pub fn node(&self, path: &str) -> Result<Option<Node>, SurveyError> {
        let Some(known) = self.paths.get(&*place::folded(self.family, path)) else {
            return self.survey.node(path);
        };
        Ok(match &known.now {
            Now::AsItWas => known.original.clone(),
            Now::Absent => None,
            Now::Folder => Some(Node::Folder),
            Now::File(written) => Some(Node::File(FileNode {
                size: written.size,
                mtime_ns: written.meta.mtime_ns.unwrap_or(i64::MAX),
                mode: written.meta.mode.unwrap_or(0),
            })),
        })
    }

    /// What stood there before the first change.
    pub fn original(&self, path: &str) -> Result<Option<Node>, SurveyError> {
        match self.paths.get(&*place::folded(self.family, path)) {
            Some(known) => Ok(known.original.clone()),
            None => self.survey.node(path),
        }
    }

    fn written(&self, path: &str) -> Option<&Written> {
        match &self.paths.get(&*place::folded(self.family, path))?.now {
            Now::File(written) => Some(written),
            _ => None,
        }
    }

    /// Of a file.
    pub fn digest(&self, path: &str) -> Result<Digest, SurveyError> {
        match self.written(path) {
            Some(written) => Ok(written.digest),
            None => self.survey.digest(path),
        }
    }

    pub fn read_part(
        &self,
        path: &str,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, SurveyError> {
        match self.written(path).map(|written| &written.content) {
            None => self.survey.read_part(path, offset, length),
            Some(Content::Source { path, .. }) => self.source.read_part(path, offset, length),
            Some(Content::Machine { path, .. }) => self.survey.read_part(path, offset, length),
            Some(Content::Bytes(bytes)) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let end = start.saturating_add(length).min(bytes.len());
                Ok(bytes[start..end].to_vec())
            }
            Some(Content::Kept(_)) => Err(SurveyError::new(path, "it is not back yet")),
        }
    }

    /// A whole file that is to be edited; `None` where there is none.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, GroundError> {
        let path_owned = || path.to_owned();
        let file = match self.node(path)? {
            None => return Ok(None),
            Some(Node::File(file)) => file,
            Some(Node::Folder) => return Err(GroundError::IsFolder { path: path_owned() }),
            Some(_) => return Err(GroundError::IsOther { path: path_owned() }),
        };
        if file.size > EDITED_BYTES_MAX {
            return Err(GroundError::Large { path: path_owned() });
        }
        if self.written(path).is_none() {
            return Ok(Some(self.survey.read(path)?));
        }
        let length = usize::try_from(file.size).unwrap_or(usize::MAX);
        Ok(Some(self.read_part(path, 0, length)?))
    }

    /// In a folder, sorted; nothing where it is not there.
    pub fn names(&self, folder: &str) -> Result<Vec<String>, SurveyError> {
        let is_there = matches!(self.survey.node(folder)?, Some(Node::Folder));
        let mut names = if is_there { self.survey.names(folder)? } else { Vec::new() };
        if let Some(touched) = self.children.get(&*place::folded(self.family, folder)) {
            for path in touched {
                let Some((_, name)) = place::split(self.family, path) else { continue };
                let same = |other: &String| match self.family {
                    Family::Linux => other == name,
                    Family::Windows => folded_name(other) == folded_name(name),
                };
                names.retain(|other| !same(other));
                if self.node(path)?.is_some() {
                    names.push(name.to_owned());
                }
            }
            names.sort();
        }
        Ok(names)
    }

    /// Makes or replaces a file, its folders before it; the numbers of the changes, and the
    /// folders that were made.
    pub fn write(&mut self, path: &str, file: Written) -> Result<Done, GroundError> {
        if let Some(Node::Folder) = self.node(path)? {
            return Err(GroundError::IsFolder { path: path.to_owned() });
        }
        let mut done = match place::parent(self.family, path) {
            Some(parent) => self.create_folder(parent)?,
            None => return Err(GroundError::IsFolder { path: path.to_owned() }),
        };
        let known = self.known(path)?;
        let before = known.before()?;
        let change = Change::WriteFile {
            path: known.path.clone(),
            before,
            content: file.content.clone(),
            meta: file.meta,
        };
        known.now = Now::File(file);
        done.changes.push(self.put_path(path, Some(change)));
        Ok(done)
    }

    /// A file or a link; nothing where there is none.
    pub fn remove(&mut self, path: &str) -> Result<Done, GroundError> {
        if self.node(path)? == Some(Node::Folder) {
            return Err(GroundError::IsFolder { path: path.to_owned() });
        }
        let known = self.known(path)?;
        let before = known.before()?;
        let change = (before != Before::Absent)
            .then(|| Change::RemoveFile { path: known.path.clone(), before });
        known.now = Now::Absent;
        Ok(Done { changes: vec![self.put_path(path, change)], folders: Vec::new() })
    }

    /// With those that it is in.
    pub fn create_folder(&mut self, path: &str) -> Result<Done, GroundError> {
        match self.node(path)? {
            Some(Node::Folder) => return Ok(Done::default()),
            // A link to a folder is taken as the machine takes it.
            Some(Node::Link { .. }) => return Ok(Done::default()),
            Some(_) => return Err(GroundError::NoFolder { path: path.to_owned() }),
            None => {}
        }
        let mut done = match place::parent(self.family, path) {
            Some(parent) => self.create_folder(parent)?,
            None => return Err(GroundError::NoFolder { path: path.to_owned() }),
        };
        let known = self.known(path)?;
        let was_folder = known.original == Some(Node::Folder);
        if !was_folder && known.original.is_some() {
            return Err(GroundError::NoFolder { path: path.to_owned() });
        }
        known.now = if was_folder { Now::AsItWas } else { Now::Folder };
        let change = (!was_folder).then(|| Change::CreateFolder { path: known.path.clone() });
        done.changes.push(self.put_path(path, change));
        if !was_folder {
            done.folders.push(path.to_owned());
        }
        Ok(done)
    }

    /// Which must be empty by then.
    pub fn remove_folder(&mut self, path: &str) -> Result<Done, GroundError> {
        let known = self.known(path)?;
        let was_folder = known.original == Some(Node::Folder);
        known.now = Now::Absent;
        // Behind the removal of what was in it, wherever its own change stood.
        if let Some(number) = known.change.take() {
            self.changes[number] = None;
        }
        let change = was_folder.then(|| Change::RemoveFolder { path: path.to_owned() });
        Ok(Done { changes: vec![self.put_path(path, change)], folders: Vec::new() })
    }

    fn known(&mut self, path: &str) -> Result<&mut Path, SurveyError> {
        let key = place::folded(self.family, path).into_owned();
        if !self.paths.contains_key(&key) {
            let original = self.survey.node(path)?;
            if let Some(parent) = place::parent(self.family, path) {
                let parent = place::folded(self.family, parent).into_owned();
                self.children.entry(parent).or_default().push(path.to_owned());
            }
            let new = Path { path: path.to_owned(), original, now: Now::AsItWas, change: None };
            self.paths.insert(key.clone(), new);
        }
        self.paths.get_mut(&key).ok_or_else(|| SurveyError::new(path, "it was not looked at"))
    }

    /// The change of a path, in place of the one it had.
    fn put_path(&mut self, path: &str, change: Option<Change>) -> usize {
        let next = self.changes.len();
        let known = self.paths.get_mut(&*place::folded(self.family, path));
        let number = known.map_or(next, |known| place_of(&mut known.change, &self.changes));
        self.put(number, change)
    }

    fn put(&mut self, number: usize, change: Option<Change>) -> usize {
        if number == self.changes.len() {
            self.changes.push(change);
        } else {
            self.changes[number] = change;
        }
        number
    }

    /// Drops the writing of files that come out as they were; the changes that are left, and for
    /// each number the new one.
    pub fn finish(&mut self) -> Result<(Vec<Change>, Vec<Option<usize>>), SurveyError> {
        let numbers = self.changes.iter().enumerate();
        let written: Vec<(usize, String)> = numbers
            .filter_map(|(number, change)| match change {
                Some(Change::WriteFile { path, .. }) => Some((number, path.clone())),
                _ => None,
            })
            .collect();
        for (number, path) in written {
            if self.is_as_it_was(&path)? {
                self.changes[number] = None;
                if let Some(known) = self.paths.get_mut(&*place::folded(self.family, &path)) {
                    known.now = Now::AsItWas;
                }
            }
        }
        let mut left = Vec::new();
        let renumber = |change: &mut Option<Change>| {
            let change = change.take()?;
            left.push(change);
            Some(left.len() - 1)
        };
        let numbers = self.changes.iter_mut().map(renumber).collect();
        Ok((left, numbers))
    }

    fn is_as_it_was(&self, path: &str) -> Result<bool, SurveyError> {
        let (Some(written), Some(Node::File(was))) = (self.written(path), self.original(path)?)
        else {
            return Ok(false);
        };
        let rest_holds = match &written.content {
            Content::Kept(kept) => {
                !kept.is_link && (kept.mode, kept.mtime_ns) == (was.mode, was.mtime_ns)
            }
            _ => written.meta.mode.is_none_or(|mode| mode == was.mode & 0o7777),
        };
        Ok(rest_holds && was.size == written.size && self.survey.digest(path)? == written.digest)
    }
}

/// Where a change goes: where one stands already, or at the end, behind what it needs by now.
fn place_of(known: &mut Option<usize>, changes: &[Option<Change>]) -> usize {
    let standing = known.filter(|number| changes.get(*number).is_some_and(Option::is_some));
    *known.insert(standing.unwrap_or(changes.len()))
}

impl Path {
    fn before(&self) -> Result<Before, GroundError> {
        let path = || self.path.clone();
        match &self.original {
            None => Ok(Before::Absent),
            Some(Node::File(file)) => Ok(Before::File { size: file.size, mtime_ns: file.mtime_ns }),
            Some(Node::Link { target }) => Ok(Before::Link { target: target.clone() }),
            Some(Node::Folder) => Err(GroundError::IsFolder { path: path() }),
            Some(Node::Other) => Err(GroundError::IsOther { path: path() }),
        }
    }
}

/// What one act came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Numbers of changes.
    pub changes: Vec<usize>,
    /// That were made.
    pub folders: Vec<String>,
}
