//! A registry in one file, which outlives the program: every change is a rename.

use std::fs;
use std::path::{Path, PathBuf};

use machine::registry::{MemoryRegistry, Registry, RegistryError};
use model::codec::{CodecError, Reader, Writer};
use model::registry::{Data, Key, Root};

pub struct FileRegistry {
    path: PathBuf,
    inner: MemoryRegistry,
}

impl FileRegistry {
    pub fn open(path: &Path) -> Self {
        let mut inner = MemoryRegistry::default();
        if let Ok(bytes) = fs::read(path) {
            for saved in Reader::new(&bytes).list(read_key).unwrap() {
                inner.create(&saved.key).unwrap();
                inner.protect(&saved.key, &saved.protection).unwrap();
                for (name, data) in &saved.values {
                    inner.set(&saved.key, name, data).unwrap();
                }
            }
        }
        Self { path: path.to_owned(), inner }
    }

    fn save(&mut self, key: &Key) -> Result<(), RegistryError> {
        let mut keys = Vec::new();
        let mut waiting: Vec<Key> =
            Root::ALL.iter().map(|root| Key::new(*root, "").unwrap()).collect();
        while let Some(key) = waiting.pop() {
            waiting.extend(self.inner.keys(&key)?.iter().map(|name| key.child(name)));
            keys.push(key);
        }
        let mut out = Writer::new();
        out.list(&keys, |out, key| {
            out.text(&key.to_string()).bytes(&self.inner.protection(key).unwrap());
            out.list(&self.inner.values(key).unwrap(), |out, (name, data)| {
                out.text(name).u32(data.kind).bytes(&data.bytes);
            });
        });
        let new = self.path.with_extension("new");
        let saved = fs::write(&new, out.finish()).and_then(|()| fs::rename(new, &self.path));
        saved.map_err(|source| RegistryError::Call { key: key.clone(), what: "saved", source })
    }

    /// What is in memory is what is in the file, or the change is not made.
    fn change<T>(
        &mut self,
        key: &Key,
        act: impl FnOnce(&mut MemoryRegistry) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let before = self.inner.clone();
        let done = act(&mut self.inner).and_then(|done| self.save(key).map(|()| done));
        if done.is_err() {
            self.inner = before;
        }
        done
    }
}

struct Saved {
    key: Key,
    protection: Vec<u8>,
    values: Vec<(String, Data)>,
}

fn read_key(input: &mut Reader<'_>) -> Result<Saved, CodecError> {
    let key = Key::parse(&input.text()?).unwrap();
    let protection = input.bytes()?.to_vec();
    let values = input.list(|input| {
        let (name, kind) = (input.text()?, input.u32()?);
        Ok::<_, CodecError>((name, Data { kind, bytes: input.bytes()?.to_vec() }))
    })?;
    Ok(Saved { key, protection, values })
}

impl Registry for FileRegistry {
    fn exists(&self, key: &Key) -> Result<bool, RegistryError> {
        self.inner.exists(key)
    }

    fn value(&self, key: &Key, name: &str) -> Result<Option<Data>, RegistryError> {
        self.inner.value(key, name)
    }

    fn keys(&self, key: &Key) -> Result<Vec<String>, RegistryError> {
        self.inner.keys(key)
    }

    fn values(&self, key: &Key) -> Result<Vec<(String, Data)>, RegistryError> {
        self.inner.values(key)
    }

    fn is_link(&self, key: &Key) -> Result<bool, RegistryError> {
        self.inner.is_link(key)
    }

    fn protection(&self, key: &Key) -> Result<Vec<u8>, RegistryError> {
        self.inner.protection(key)
    }

    fn create(&mut self, key: &Key) -> Result<bool, RegistryError> {
        self.change(key, |inner| inner.create(key))
    }

    fn delete(&mut self, key: &Key) -> Result<bool, RegistryError> {
        self.change(key, |inner| inner.delete(key))
    }

    fn set(&mut self, key: &Key, name: &str, data: &Data) -> Result<(), RegistryError> {
        self.change(key, |inner| inner.set(key, name, data))
    }

    fn delete_value(&mut self, key: &Key, name: &str) -> Result<bool, RegistryError> {
        self.change(key, |inner| inner.delete_value(key, name))
    }

    fn protect(&mut self, key: &Key, protection: &[u8]) -> Result<(), RegistryError> {
        self.change(key, |inner| inner.protect(key, protection))
    }

    fn flush(&mut self, key: &Key) -> Result<(), RegistryError> {
        let synced = [self.path.as_path(), self.path.parent().unwrap()].into_iter();
        let synced = synced.map(|path| fs::File::open(path).and_then(|file| file.sync_all()));
        let synced: std::io::Result<()> = synced.collect();
        synced.map_err(|source| RegistryError::Call { key: key.clone(), what: "flushed", source })
    }
}
