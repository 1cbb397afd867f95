//! A machine in memory, for tests: it is surveyed, and carries changes out as `machine` does.
//!
//! Strict where a machine is strict: a change that does not fit what is there panics, so a plan
//! that could not be carried out fails its test.

use std::collections::BTreeMap;

use model::Digest;
use model::registry::{Data, Key, folded};

use crate::plan::{ground, place};
use crate::{
    Before, Change, Content, Disk, Family, FileNode, Kept, Meta, Node, Source, Survey, SurveyError,
};

/// Nanoseconds that every file written without a time of its own has.
pub const WRITTEN_NS: i64 = 1_790_000_000_000_000_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    File { bytes: Vec<u8>, mtime_ns: i64, mode: u32 },
    Link(String),
    Folder,
    Device,
}

impl Entry {
    pub fn file(bytes: impl Into<Vec<u8>>) -> Self {
        Self::File { bytes: bytes.into(), mtime_ns: WRITTEN_NS, mode: 0o644 }
    }
}

/// Paths as they are first written; compared as the family compares them.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    pub family: Family,
    entries: BTreeMap<String, (String, Entry)>,
    keys: BTreeMap<Key, Key>,
    values: BTreeMap<(Key, String), (String, Data)>,
    pub environment: BTreeMap<String, String>,
    pub folders: BTreeMap<String, String>,
    pub facts: BTreeMap<String, String>,
    /// Bytes on its only disk, however much is written.
    pub free: u64,
    /// What was kept, by its digest.
    kept: BTreeMap<Digest, Vec<u8>>,
}

impl Memory {
    pub fn new(family: Family) -> Self {
        let mut memory = Self {
            family,
            entries: BTreeMap::new(),
            keys: BTreeMap::new(),
            values: BTreeMap::new(),
            environment: BTreeMap::new(),
            folders: BTreeMap::new(),
            facts: BTreeMap::new(),
            free: 1 << 40,
            kept: BTreeMap::new(),
        };
        let root = if family == Family::Linux { "/" } else { r"C:\" };
        memory.put(root, Entry::Folder);
        memory
    }

    fn id(&self, path: &str) -> String {
        place::folded(self.family, path).into_owned()
    }

    /// With the folders it is in.
    pub fn put(&mut self, path: &str, entry: Entry) -> &mut Self {
        if let Some(parent) = place::parent(self.family, path).map(str::to_owned)
            && self.entry(&parent).is_none()
        {
            self.put(&parent, Entry::Folder);
        }
        let id = self.id(path);
        self.entries.insert(id, (path.to_owned(), entry));
        self
    }

    pub fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.get(&self.id(path)).map(|(_, entry)| entry)
    }

    pub fn take(&mut self, path: &str) -> Option<Entry> {
        self.entries.remove(&self.id(path)).map(|(_, entry)| entry)
    }

    /// Of a file; panics where there is none.
    pub fn bytes(&self, path: &str) -> &[u8] {
        match self.entry(path) {
            Some(Entry::File { bytes, .. }) => bytes,
            other => panic!("{path} is {other:?}"),
        }
    }

    /// Paths and what is there.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.values().map(|(path, entry)| (path.as_str(), entry))
    }

    pub fn set_value(&mut self, key: &Key, name: &str, data: Data) -> &mut Self {
        self.put_key(key);
        self.values.insert((key.folded(), folded(name)), (name.to_owned(), data));
        self
    }

    pub fn put_key(&mut self, key: &Key) {
        if let Some(parent) = key.parent() {
            self.put_key(&parent);
        }
        self.keys.entry(key.folded()).or_insert_with(|| key.clone());
    }

    /// As text, with what each value holds, for comparing.
    pub fn registry(&self) -> Vec<String> {
        let keys = self.keys.values().filter(|key| !key.is_root()).map(Key::to_string);
        let value = |((key, _), (name, data)): (&(Key, String), &(String, Data))| {
            format!("{key} @ {name} = {} {:?}", data.kind, data.bytes)
        };
        keys.chain(self.values.iter().map(value)).collect()
    }

    /// Carries changes out; what each of them replaced.
    pub fn apply(&mut self, changes: &[Change], source: &dyn Source) -> Vec<(usize, Kept)> {
        let mut kept = Vec::new();
        for (number, change) in changes.iter().enumerate() {
            match change {
                Change::WriteFile { path, before, content, meta } => {
                    kept.extend(self.keep(path, before).map(|kept| (number, kept)));
                    let entry = self.written(path, content, *meta, source);
                    self.assert_parent(path);
                    self.entries.insert(self.id(path), (path.clone(), entry));
                }
                Change::RemoveFile { path, before } => {
                    kept.extend(self.keep(path, before).map(|kept| (number, kept)));
                    assert!(self.take(path).is_some(), "{path} is not there to be removed");
                }
                Change::CreateFolder { path } => {
                    self.assert_parent(path);
                    assert!(self.entry(path).is_none(), "{path} is there already");
                    self.entries.insert(self.id(path), (path.clone(), Entry::Folder));
                }
                Change::RemoveFolder { path } => {
                    assert_eq!(self.names_in(path), Vec::<String>::new(), "{path} is not empty");
                    assert_eq!(self.take(path), Some(Entry::Folder), "{path} is no folder");
                }
                registry => self.apply_to_registry(registry),
            }
        }
        kept
    }

    fn apply_to_registry(&mut self, change: &Change) {
        match change {
            Change::CreateKey { key } => {
                let parent = key.parent().map(|parent| parent.folded());
                let is_there = parent.is_some_and(|parent| self.has_key(&parent));
                assert!(is_there, "the key above {key} is not there");
                assert!(!self.has_key(key), "{key} is there already");
                self.keys.insert(key.folded(), key.clone());
            }
            Change::DeleteKey { key } => {
                let below = |other: &&Key| other.folded() != key.folded() && key.contains(other);
                assert_eq!(self.keys.values().find(below), None, "a key is below {key}");
                assert!(self.keys.remove(&key.folded()).is_some(), "{key} is not there");
                self.values.retain(|(holder, _), _| *holder != key.folded());
            }
            Change::SetValue { key, name, before, data } => {
                assert!(self.has_key(key), "{key} is not there");
                assert_eq!(self.data(key, name), before.clone(), "{key} {name}");
                let id = (key.folded(), folded(name));
                self.values.insert(id, (name.clone(), data.clone()));
            }
            Change::DeleteValue { key, name, before } => {
                assert_eq!(self.data(key, name), Some(before.clone()), "{key} {name}");
                self.values.remove(&(key.folded(), folded(name)));
            }
            other => panic!("{other:?} is no change of a registry"),
        }
    }

    fn has_key(&self, key: &Key) -> bool {
        key.is_root() || self.keys.contains_key(&key.folded())
    }

    fn data(&self, key: &Key, name: &str) -> Option<Data> {
        self.values.get(&(key.folded(), folded(name))).map(|(_, data)| data.clone())
    }

    fn assert_parent(&self, path: &str) {
        let parent = place::parent(self.family, path).unwrap_or(path);
        let is_there = matches!(self.entry(parent), Some(Entry::Folder | Entry::Link(_)));
        assert!(is_there, "the folder of {path} is not there");
    }

    fn keep(&mut self, path: &str, before: &Before) -> Option<Kept> {
        let (bytes, mtime_ns, mode, is_link) = match (self.entry(path).cloned(), before) {
            (None, Before::Absent) => return None,
            (
                Some(Entry::File { bytes, mtime_ns, mode }),
                Before::File { size, mtime_ns: seen },
            ) => {
                assert_eq!((*size, *seen), (bytes.len() as u64, mtime_ns), "{path} is another one");
                (bytes, mtime_ns, mode, false)
            }
            (Some(Entry::Link(target)), Before::Link { target: seen }) => {
                assert_eq!(*seen, target, "{path} is another link");
                (target.into_bytes(), 0, 0, true)
            }
            (there, before) => panic!("{path} is {there:?}, planned was {before:?}"),
        };
        let (digest, size) = (ground::digest_of(&bytes), bytes.len() as u64);
        self.kept.insert(digest, bytes);
        Some(Kept { digest, size, mode, mtime_ns, is_link, rights: 0 })
    }

    fn written(&self, path: &str, content: &Content, meta: Meta, source: &dyn Source) -> Entry {
        let bytes = match content {
            Content::Bytes(bytes) => bytes.to_vec(),
            Content::Source { path, digest, size } => {
                let bytes = source.read_part(path, 0, usize::MAX).expect("it is there");
                assert_eq!((ground::digest_of(&bytes), bytes.len() as u64), (*digest, *size));
                bytes
            }
            Content::Machine { path, .. } => self.bytes(path).to_vec(),
            Content::Kept(kept) => {
                let bytes = self.kept[&kept.digest].clone();
                let Kept { mtime_ns, mode, is_link, .. } = *kept;
                return match is_link {
                    true => Entry::Link(String::from_utf8(bytes).expect("a path")),
                    false => Entry::File { bytes, mtime_ns, mode },
                };
            }
        };
        let old_mode = match self.entry(path) {
            Some(Entry::File { mode, .. }) => *mode,
            _ => 0o644,
        };
        Entry::File {
            bytes,
            mtime_ns: meta.mtime_ns.unwrap_or(WRITTEN_NS),
            mode: meta.mode.unwrap_or(old_mode),
        }
    }

    fn names_in(&self, folder: &str) -> Vec<String> {
        let folder = self.id(folder);
        let names = self.entries.values().filter_map(|(path, _)| {
            let (parent, name) = place::split(self.family, path)?;
            (self.id(parent) == folder).then(|| name.to_owned())
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    fn file(&self, path: &str) -> Result<&[u8], SurveyError> {
        match self.entry(path) {
            Some(Entry::File { bytes, .. }) => Ok(bytes),
            _ => Err(SurveyError::new(path, "it is no file")),
        }
    }
}

fn lookup(map: &BTreeMap<String, String>, name: &str) -> Option<String> {
    map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
}

fn node(entry: &Entry) -> Node {
    match entry {
        Entry::File { bytes, mtime_ns, mode } => {
            Node::File(FileNode { size: bytes.len() as u64, mtime_ns: *mtime_ns, mode: *mode })
        }
        Entry::Link(target) => Node::Link { target: target.clone() },
        Entry::Folder => Node::Folder,
        Entry::Device => Node::Other,
    }
}

fn part(bytes: &[u8], offset: u64, length: usize) -> Vec<u8> {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    bytes[start..start.saturating_add(length).min(bytes.len())].to_vec()
}

impl Survey for Memory {
    fn family(&self) -> Family {
        self.family
    }

    fn fact(&self, name: &str) -> Option<String> {
        self.facts.get(name).cloned()
    }

    fn environment(&self, name: &str) -> Option<String> {
        match self.family {
            Family::Linux => self.environment.get(name).cloned(),
            Family::Windows => lookup(&self.environment, name),
        }
    }

    fn special_folder(&self, name: &str) -> Option<String> {
        lookup(&self.folders, name)
    }

    fn node(&self, path: &str) -> Result<Option<Node>, SurveyError> {
        Ok(self.entry(path).map(node))
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, SurveyError> {
        match self.entry(folder) {
            Some(Entry::Folder) => Ok(self.names_in(folder)),
            _ => Err(SurveyError::new(folder, "it is no folder")),
        }
    }

    fn digest(&self, path: &str) -> Result<Digest, SurveyError> {
        Ok(ground::digest_of(self.file(path)?))
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, SurveyError> {
        Ok(self.file(path)?.to_vec())
    }

    fn read_part(&self, path: &str, offset: u64, length: usize) -> Result<Vec<u8>, SurveyError> {
        Ok(part(self.file(path)?, offset, length))
    }

    fn disk(&self, _: &str) -> Result<Disk, SurveyError> {
        Ok(Disk { id: 1, free: self.free })
    }

    fn has_registry(&self) -> bool {
        self.family == Family::Windows
    }

    fn key_exists(&self, key: &Key) -> Result<bool, SurveyError> {
        Ok(self.has_key(key))
    }

    fn value(&self, key: &Key, name: &str) -> Result<Option<Data>, SurveyError> {
        Ok(self.data(key, name))
    }

    fn keys(&self, key: &Key) -> Result<Vec<String>, SurveyError> {
        let below = self
            .keys
            .values()
            .filter(|other| other.parent().is_some_and(|parent| parent.folded() == key.folded()));
        let name = |key: &Key| key.path().rsplit('\\').next().unwrap_or_default().to_owned();
        Ok(below.map(name).collect())
    }

    fn values(&self, key: &Key) -> Result<Vec<(String, Data)>, SurveyError> {
        let values = self.values.iter().filter(|((holder, _), _)| *holder == key.folded());
        Ok(values.map(|(_, value)| value.clone()).collect())
    }
}

/// What an application brings, in memory.
#[derive(Debug, Clone, Default)]
pub struct MemorySource {
    entries: BTreeMap<String, Entry>,
}

impl MemorySource {
    /// With the folders it is in.
    pub fn put(&mut self, path: &str, entry: Entry) -> &mut Self {
        let mut folder = path;
        while let Some((parent, _)) = folder.rsplit_once('/') {
            self.entries.insert(parent.to_owned(), Entry::Folder);
            folder = parent;
        }
        self.entries.insert(String::new(), Entry::Folder);
        self.entries.insert(path.to_owned(), entry);
        self
    }
}

impl Source for MemorySource {
    fn node(&self, path: &str) -> Result<Option<Node>, SurveyError> {
        Ok(self.entries.get(path).map(node))
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, SurveyError> {
        let below = |path: &String| {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            (parent == folder && !path.is_empty()).then(|| name.to_owned())
        };
        Ok(self.entries.keys().filter_map(below).collect())
    }

    fn digest(&self, path: &str) -> Result<Digest, SurveyError> {
        Ok(ground::digest_of(&self.read_part(path, 0, usize::MAX)?))
    }

    fn read_part(&self, path: &str, offset: u64, length: usize) -> Result<Vec<u8>, SurveyError> {
        match self.entries.get(path) {
            Some(Entry::File { bytes, .. }) => Ok(part(bytes, offset, length)),
            _ => Err(SurveyError::new(path, "it is no file")),
        }
    }
}
