//! A script as a transaction: what must hold is tested, what was there is written down, and only
//! then is anything changed.
//!
//! What was there before is taken once, before the first change, so putting it back never depends
//! on how far the script came: it can be done again as often as it is cut off.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use model::registry::{Data, Key, Operation, Step, folded};

use super::{Registry, RegistryError};

/// Of what is written down before the first change.
const BEFORE_BYTES_MAX: usize = 64 << 20;

/// Why a script was not carried out. Unless it says otherwise, nothing is changed.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    #[error("line {line}: the key `{key}` does not exist")]
    NoKey { line: usize, key: Key },
    #[error("line {line}: {} does not exist", value_of(.key, .name))]
    NoValue { line: usize, key: Key, name: String },
    /// What it holds may be a secret and is not told.
    #[error("line {line}: {} holds something else", value_of(.key, .name))]
    OtherValue { line: usize, key: Key, name: String },
    #[error("line {line}")]
    Step { line: usize, source: RegistryError },
    #[error("what the script changed cannot be made to last")]
    Flush { source: RegistryError },
    #[error("stopped")]
    Stopped,
    #[error(
        "{why}; what was changed before cannot be put back, so the script is carried out in part"
    )]
    NotUndone { why: String, source: RegistryError },
}

fn value_of(key: &Key, name: &str) -> String {
    if name.is_empty() {
        format!("the default value of `{key}`")
    } else {
        format!("the value `{name}` of `{key}`")
    }
}

/// What a script does, and all that is needed to undo it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryPlan {
    pub(super) steps: Vec<Step>,
    pub(super) before: Before,
}

/// How the registry was where the script changes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Before {
    /// Keys that were not there, only the uppermost ones.
    pub(super) absent: Vec<Key>,
    /// Trees to be deleted: each key before those below it.
    pub(super) trees: Vec<Tree>,
    pub(super) values: Vec<(Key, String, Option<Data>)>,
}

pub(super) type Tree = Vec<Branch>;

/// One key of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Branch {
    pub(super) key: Key,
    pub(super) protection: Vec<u8>,
    pub(super) values: Vec<(String, Data)>,
}

impl RegistryPlan {
    /// Tests what stands before the first change and notes what the changes will touch.
    pub fn make(registry: &dyn Registry, steps: Vec<Step>) -> Result<Self, ScriptError> {
        for step in steps.iter().take_while(|step| step.operation.is_test()) {
            test(registry, step)?;
        }
        let mut taking =
            Taking { registry, before: Before::default(), seen: BTreeSet::new(), size: 0 };
        for Step { line, operation } in &steps {
            taking.take(operation).map_err(|source| ScriptError::Step { line: *line, source })?;
        }
        Ok(Self { before: taking.before, steps })
    }

    /// Carries the script out and makes it last; answers how many statements changed something.
    /// On any failure what was changed is put back.
    pub fn carry_out(
        &self,
        registry: &mut dyn Registry,
        stop: &AtomicBool,
    ) -> Result<u64, ScriptError> {
        let failed = match self.all_steps(registry, stop) {
            Ok(changes) => return Ok(changes),
            Err(error) => error,
        };
        match self.undo(registry) {
            Ok(()) => Err(failed),
            Err(source) => {
                let why = match std::error::Error::source(&failed) {
                    Some(cause) => format!("{failed}: {cause}"),
                    None => failed.to_string(),
                };
                Err(ScriptError::NotUndone { why, source })
            }
        }
    }

    fn all_steps(
        &self,
        registry: &mut dyn Registry,
        stop: &AtomicBool,
    ) -> Result<u64, ScriptError> {
        let mut changes = 0;
        for step in &self.steps {
            if stop.load(Ordering::Relaxed) {
                return Err(ScriptError::Stopped);
            }
            let line = step.line;
            if step.operation.is_test() {
                test(registry, step)?;
            } else if change(registry, &step.operation)
                .map_err(|source| ScriptError::Step { line, source })?
            {
                changes += 1;
            }
        }
        self.flush(registry).map_err(|source| ScriptError::Flush { source })?;
        Ok(changes)
    }

    /// Puts everything back as it was; what is as it was already is left alone.
    pub fn undo(&self, registry: &mut dyn Registry) -> Result<(), RegistryError> {
        for key in &self.before.absent {
            delete_tree(registry, key)?;
        }
        for tree in &self.before.trees {
            put_back(registry, tree)?;
        }
        for (key, name, data) in &self.before.values {
            match data {
                Some(data) => {
                    registry.create(key)?;
                    if registry.value(key, name)?.as_ref() != Some(data) {
                        registry.set(key, name, data)?;
                    }
                }
                None if registry.value(key, name)?.is_some() => {
                    registry.delete_value(key, name)?;
                }
                None => {}
            }
        }
        self.flush(registry)
    }

    fn flush(&self, registry: &mut dyn Registry) -> Result<(), RegistryError> {
        let changed = self.steps.iter().map(|step| &step.operation).filter(|one| !one.is_test());
        let mut hives = BTreeSet::new();
        for key in changed.map(Operation::key) {
            let mut parts = key.path().split('\\').take(1);
            let hive = (key.root(), folded(parts.next().unwrap_or_default()));
            if hives.insert(hive) {
                registry.flush(key)?;
            }
        }
        Ok(())
    }
}

fn test(registry: &dyn Registry, step: &Step) -> Result<(), ScriptError> {
    let line = step.line;
    let failed = |source| ScriptError::Step { line, source };
    match &step.operation {
        Operation::TestKey { key } if !registry.exists(key).map_err(failed)? => {
            Err(ScriptError::NoKey { line, key: key.clone() })
        }
        Operation::TestValue { key, name } | Operation::CompareValue { key, name, .. } => {
            let (key, name) = (key.clone(), name.clone());
            match (registry.value(&key, &name).map_err(failed)?, &step.operation) {
                (None, _) => Err(ScriptError::NoValue { line, key, name }),
                (Some(is), Operation::CompareValue { data, .. }) if !is.says(data) => {
                    Err(ScriptError::OtherValue { line, key, name })
                }
                (Some(_), _) => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Answers whether anything was not so before.
fn change(registry: &mut dyn Registry, operation: &Operation) -> Result<bool, RegistryError> {
    match operation {
        Operation::CreateKey { key } => registry.create(key),
        Operation::DeleteKey { key } => delete_tree(registry, key),
        Operation::SetValue { key, name, data } => {
            let created = registry.create(key)?;
            if !created && registry.value(key, name)?.as_ref() == Some(data) {
                return Ok(false);
            }
            registry.set(key, name, data).map(|()| true)
        }
        Operation::DeleteValue { key, name } => {
            if registry.value(key, name)?.is_none() {
                return Ok(false);
            }
            registry.delete_value(key, name)
        }
        Operation::TestKey { .. }
        | Operation::TestValue { .. }
        | Operation::CompareValue { .. } => Ok(false),
    }
}

/// Answers whether the key was there.
fn delete_tree(registry: &mut dyn Registry, key: &Key) -> Result<bool, RegistryError> {
    if !registry.exists(key)? {
        return Ok(false);
    }
    let mut all = vec![key.clone()];
    let mut at = 0;
    while let Some(key) = all.get(at).cloned() {
        if registry.is_link(&key)? {
            return Err(RegistryError::Link { key });
        }
        all.extend(registry.keys(&key)?.iter().map(|name| key.child(name)));
        at += 1;
    }
    // Those below stand after those above.
    for key in all.iter().rev() {
        registry.delete(key)?;
    }
    Ok(true)
}

fn put_back(registry: &mut dyn Registry, tree: &Tree) -> Result<(), RegistryError> {
    let known: BTreeSet<Key> = tree.iter().map(|branch| branch.key.folded()).collect();
    for Branch { key, protection, values } in tree {
        let was_made = registry.create(key)?;
        for name in registry.keys(key)? {
            if !known.contains(&key.child(&name).folded()) {
                delete_tree(registry, &key.child(&name))?;
            }
        }
        for (name, data) in values {
            if registry.value(key, name)?.as_ref() != Some(data) {
                registry.set(key, name, data)?;
            }
        }
        let kept: BTreeSet<String> = values.iter().map(|(name, _)| folded(name)).collect();
        for (name, _) in registry.values(key)? {
            if !kept.contains(&folded(&name)) {
                registry.delete_value(key, &name)?;
            }
        }
        let differs = || Ok::<_, RegistryError>(registry.protection(key)? != *protection);
        if !protection.is_empty() && (was_made || differs()?) {
            registry.protect(key, protection)?;
        }
    }
    Ok(())
}

/// Notes how it was, operation by operation, each place once.
struct Taking<'r> {
    registry: &'r dyn Registry,
    before: Before,
    /// Values that were noted, by folded names.
    seen: BTreeSet<(Key, String)>,
    size: usize,
}

impl Taking<'_> {
    fn take(&mut self, operation: &Operation) -> Result<(), RegistryError> {
        match operation {
            Operation::CreateKey { key } => self.absence(key),
            Operation::DeleteKey { key } => self.tree(key),
            Operation::SetValue { key, name, .. } => {
                self.absence(key)?;
                self.value(key, name)
            }
            Operation::DeleteValue { key, name } => self.value(key, name),
            Operation::TestKey { .. }
            | Operation::TestValue { .. }
            | Operation::CompareValue { .. } => Ok(()),
        }
    }

    fn absence(&mut self, key: &Key) -> Result<(), RegistryError> {
        let mut uppermost = None;
        let mut above = Some(key.clone());
        while let Some(key) = above.filter(|key| !key.is_root()) {
            if self.registry.exists(&key)? {
                break;
            }
            above = key.parent();
            uppermost = Some(key);
        }
        let Some(key) = uppermost else { return Ok(()) };
        if !self.before.absent.iter().any(|absent| absent.folded() == key.folded()) {
            self.before.absent.push(key);
        }
        Ok(())
    }

    fn value(&mut self, key: &Key, name: &str) -> Result<(), RegistryError> {
        if !self.registry.exists(key)? || !self.seen.insert((key.folded(), folded(name))) {
            return Ok(());
        }
        let data = self.registry.value(key, name)?;
        self.count(key, data.as_ref().map_or(0, |data| data.bytes.len()))?;
        self.before.values.push((key.clone(), name.to_owned(), data));
        Ok(())
    }

    fn tree(&mut self, key: &Key) -> Result<(), RegistryError> {
        let root = |tree: &Tree| tree.first().is_some_and(|branch| branch.key.contains(key));
        if !self.registry.exists(key)? || self.before.trees.iter().any(root) {
            return Ok(());
        }
        let mut tree = Tree::new();
        let mut waiting = vec![key.clone()];
        while let Some(key) = waiting.pop() {
            if self.registry.is_link(&key)? {
                return Err(RegistryError::Link { key });
            }
            let values = self.registry.values(&key)?;
            let protection = self.registry.protection(&key)?;
            let held = values.iter().map(|(name, data)| name.len() + data.bytes.len());
            self.count(&key, held.sum::<usize>() + protection.len() + key.path().len())?;
            waiting.extend(self.registry.keys(&key)?.iter().map(|name| key.child(name)));
            tree.push(Branch { key, protection, values });
        }
        self.before.trees.push(tree);
        Ok(())
    }

    fn count(&mut self, key: &Key, bytes: usize) -> Result<(), RegistryError> {
        self.size += bytes;
        if self.size > BEFORE_BYTES_MAX {
            return Err(RegistryError::TooMuch { key: key.clone() });
        }
        Ok(())
    }
}
