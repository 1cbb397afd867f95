//! A registry in memory, on which scripts can be tried and faults made.

use std::collections::BTreeMap;
use std::io;

use model::registry::{Data, Key, Root, folded};

use super::{Registry, RegistryError};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    spelled: Key,
    /// By their folded names.
    values: BTreeMap<String, (String, Data)>,
    protection: Vec<u8>,
}

/// A registry of its own; a clone is another one. The roots are there from the beginning.
#[derive(Debug, Clone)]
pub struct MemoryRegistry {
    /// By their folded names.
    nodes: BTreeMap<Key, Node>,
    fault: Fault,
}

/// Which changes fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Only the one after so many.
    Once(usize),
    /// All after so many, as if the machine had died there.
    Dead(usize),
}

impl Default for MemoryRegistry {
    fn default() -> Self {
        let mut nodes = BTreeMap::new();
        for key in Root::ALL.iter().filter_map(|root| Key::new(*root, "").ok()) {
            nodes.insert(key.clone(), Node::new(key));
        }
        Self { nodes, fault: Fault::None }
    }
}

/// The same content; faults do not count.
impl PartialEq for MemoryRegistry {
    fn eq(&self, other: &Self) -> bool {
        self.nodes == other.nodes
    }
}

impl Node {
    fn new(spelled: Key) -> Self {
        Self { spelled, values: BTreeMap::new(), protection: b"inherited".to_vec() }
    }
}

impl MemoryRegistry {
    /// The same, whose change after so many others fails.
    #[must_use]
    pub fn failing_once_after(mut self, changes: usize) -> Self {
        self.fault = Fault::Once(changes);
        self
    }

    /// The same, in which nothing can be changed after so many changes.
    #[must_use]
    pub fn dying_after(mut self, changes: usize) -> Self {
        self.fault = Fault::Dead(changes);
        self
    }

    /// The same without faults, as after a new start.
    #[must_use]
    pub fn revived(mut self) -> Self {
        self.fault = Fault::None;
        self
    }

    fn change(&mut self, key: &Key) -> Result<(), RegistryError> {
        let fails = match &mut self.fault {
            Fault::None => false,
            Fault::Once(0) => {
                self.fault = Fault::None;
                true
            }
            Fault::Dead(0) => true,
            Fault::Once(left) | Fault::Dead(left) => {
                *left -= 1;
                false
            }
        };
        let source = || io::Error::other("a fault");
        if fails {
            return Err(RegistryError::Call {
                key: key.clone(),
                what: "changed",
                source: source(),
            });
        }
        Ok(())
    }

    fn node(&mut self, key: &Key) -> Result<&mut Node, RegistryError> {
        let missing = || RegistryError::Missing { key: key.clone() };
        self.nodes.get_mut(&key.folded()).ok_or_else(missing)
    }
}

impl Registry for MemoryRegistry {
    fn exists(&self, key: &Key) -> Result<bool, RegistryError> {
        Ok(self.nodes.contains_key(&key.folded()))
    }

    fn value(&self, key: &Key, name: &str) -> Result<Option<Data>, RegistryError> {
        let node = self.nodes.get(&key.folded());
        Ok(node.and_then(|node| node.values.get(&folded(name))).map(|(_, data)| data.clone()))
    }

    fn keys(&self, key: &Key) -> Result<Vec<String>, RegistryError> {
        let folded = key.folded();
        let below = self
            .nodes
            .values()
            .filter(|node| node.spelled.folded().parent().is_some_and(|parent| parent == folded));
        let name = |node: &Node| node.spelled.path().rsplit('\\').next().map(str::to_owned);
        Ok(below.filter_map(name).collect())
    }

    fn values(&self, key: &Key) -> Result<Vec<(String, Data)>, RegistryError> {
        let node = self.nodes.get(&key.folded());
        Ok(node.into_iter().flat_map(|node| node.values.values().cloned()).collect())
    }

    fn is_link(&self, _key: &Key) -> Result<bool, RegistryError> {
        Ok(false)
    }

    fn protection(&self, key: &Key) -> Result<Vec<u8>, RegistryError> {
        Ok(self.nodes.get(&key.folded()).map_or_else(Vec::new, |node| node.protection.clone()))
    }

    fn create(&mut self, key: &Key) -> Result<bool, RegistryError> {
        if self.exists(key)? {
            return Ok(false);
        }
        if let Some(parent) = key.parent() {
            self.create(&parent)?;
        }
        self.change(key)?;
        self.nodes.insert(key.folded(), Node::new(key.clone()));
        Ok(true)
    }

    fn delete(&mut self, key: &Key) -> Result<bool, RegistryError> {
        if !self.exists(key)? {
            return Ok(false);
        }
        self.change(key)?;
        if !self.keys(key)?.is_empty() || key.is_root() {
            return Err(RegistryError::Denied { key: key.clone() });
        }
        self.nodes.remove(&key.folded());
        Ok(true)
    }

    fn set(&mut self, key: &Key, name: &str, data: &Data) -> Result<(), RegistryError> {
        self.change(key)?;
        let node = self.node(key)?;
        let entry = node.values.entry(folded(name));
        // The first spelling stays, as on Windows.
        entry.or_insert_with(|| (name.to_owned(), data.clone())).1 = data.clone();
        Ok(())
    }

    fn delete_value(&mut self, key: &Key, name: &str) -> Result<bool, RegistryError> {
        self.change(key)?;
        Ok(self.node(key).is_ok_and(|node| node.values.remove(&folded(name)).is_some()))
    }

    fn protect(&mut self, key: &Key, protection: &[u8]) -> Result<(), RegistryError> {
        self.change(key)?;
        self.node(key)?.protection = protection.to_vec();
        Ok(())
    }

    fn flush(&mut self, _key: &Key) -> Result<(), RegistryError> {
        Ok(())
    }
}
