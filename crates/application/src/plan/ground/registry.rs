//! The registry's part of the ground.

use std::collections::BTreeMap;

use model::registry::{Data, Key, folded};

use super::{Ground, place_of};
use crate::{Change, SurveyError};

#[derive(Default)]
pub struct Registry {
    keys: BTreeMap<Key, KeyState>,
    values: BTreeMap<(Key, String), ValueState>,
    /// Names of values that were touched, by key.
    names: BTreeMap<Key, Vec<String>>,
    /// Keys that were touched, by the key that they are in.
    children: BTreeMap<Key, Vec<Key>>,
}

struct KeyState {
    was: bool,
    is: bool,
    change: Option<usize>,
}

#[derive(Default)]
struct ValueState {
    was: Option<Data>,
    is: Option<Data>,
    change: Option<usize>,
}

/// Numbers of changes, and keys that were made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeysDone {
    pub changes: Vec<usize>,
    pub keys: Vec<Key>,
}

fn value_id(key: &Key, name: &str) -> (Key, String) {
    (key.folded(), folded(name))
}

impl Ground<'_> {
    pub fn key_exists(&self, key: &Key) -> Result<bool, SurveyError> {
        match self.registry.keys.get(&key.folded()) {
            Some(state) => Ok(state.is),
            None => self.survey.key_exists(key),
        }
    }

    pub fn value(&self, key: &Key, name: &str) -> Result<Option<Data>, SurveyError> {
        match self.registry.values.get(&value_id(key, name)) {
            Some(state) => Ok(state.is.clone()),
            None if self.key_exists(key)? => self.survey.value(key, name),
            None => Ok(None),
        }
    }

    pub fn original_value(&self, key: &Key, name: &str) -> Result<Option<Data>, SurveyError> {
        match self.registry.values.get(&value_id(key, name)) {
            Some(state) => Ok(state.was.clone()),
            None => self.survey.value(key, name),
        }
    }

    /// Names of the keys directly below.
    pub fn keys_below(&self, key: &Key) -> Result<Vec<Key>, SurveyError> {
        let was = self.survey.key_exists(key)?;
        let names = if was { self.survey.keys(key)? } else { Vec::new() };
        let mut keys: Vec<Key> = names.iter().map(|name| key.child(name)).collect();
        for touched in self.registry.children.get(&key.folded()).into_iter().flatten() {
            if !keys.iter().any(|key| key.folded() == touched.folded()) {
                keys.push(touched.clone());
            }
        }
        let mut there = Vec::new();
        for key in keys {
            if self.key_exists(&key)? {
                there.push(key);
            }
        }
        Ok(there)
    }

    pub fn values_of(&self, key: &Key) -> Result<Vec<(String, Data)>, SurveyError> {
        let was = self.survey.key_exists(key)?;
        let mut names: Vec<String> = match was {
            true => self.survey.values(key)?.into_iter().map(|(name, _)| name).collect(),
            false => Vec::new(),
        };
        for touched in self.registry.names.get(&key.folded()).into_iter().flatten() {
            if !names.iter().any(|name| folded(name) == folded(touched)) {
                names.push(touched.clone());
            }
        }
        let mut values = Vec::new();
        for name in names {
            if let Some(data) = self.value(key, &name)? {
                values.push((name, data));
            }
        }
        Ok(values)
    }

    /// With those that it is in.
    pub fn create_key(&mut self, key: &Key) -> Result<KeysDone, SurveyError> {
        if key.is_root() || self.key_exists(key)? {
            return Ok(KeysDone::default());
        }
        let mut done = match key.parent() {
            Some(parent) => self.create_key(&parent)?,
            None => KeysDone::default(),
        };
        let state = self.key_state(key)?;
        state.is = true;
        let was = state.was;
        let change = (!was).then(|| Change::CreateKey { key: key.clone() });
        done.changes.push(self.put_key(key, change));
        if !was {
            done.keys.push(key.clone());
        } else {
            // It is not removed after all, but what was in it is.
            for name in self.registry.names.get(&key.folded()).cloned().unwrap_or_default() {
                done.changes.extend(self.put_value(key, &name));
            }
        }
        Ok(done)
    }

    /// With the keys that it is in.
    pub fn set_value(
        &mut self,
        key: &Key,
        name: &str,
        data: &Data,
    ) -> Result<KeysDone, SurveyError> {
        let mut done = self.create_key(key)?;
        self.value_state(key, name)?.is = Some(data.clone());
        done.changes.extend(self.put_value(key, name));
        Ok(done)
    }

    pub fn delete_value(&mut self, key: &Key, name: &str) -> Result<Vec<usize>, SurveyError> {
        self.value_state(key, name)?.is = None;
        Ok(self.put_value(key, name).into_iter().collect())
    }

    /// With its values; no key is below it by then.
    pub fn delete_key(&mut self, key: &Key) -> Result<Vec<usize>, SurveyError> {
        for (name, _) in self.values_of(key)? {
            self.value_state(key, &name)?.is = None;
        }
        for name in self.registry.names.get(&key.folded()).cloned().unwrap_or_default() {
            let state = self.registry.values.get_mut(&value_id(key, &name));
            if let Some(number) = state.and_then(|state| state.change.take()) {
                self.changes[number] = None;
            }
        }
        let state = self.key_state(key)?;
        state.is = false;
        let was = state.was;
        if let Some(number) = state.change.take() {
            self.changes[number] = None;
        }
        let change = was.then(|| Change::DeleteKey { key: key.clone() });
        Ok(vec![self.put_key(key, change)])
    }

    fn key_state(&mut self, key: &Key) -> Result<&mut KeyState, SurveyError> {
        let id = key.folded();
        if !self.registry.keys.contains_key(&id) {
            let was = self.survey.key_exists(key)?;
            if let Some(parent) = key.parent() {
                self.registry.children.entry(parent.folded()).or_default().push(key.clone());
            }
            self.registry.keys.insert(id.clone(), KeyState { was, is: was, change: None });
        }
        let state = self.registry.keys.get_mut(&id);
        state.ok_or_else(|| SurveyError::new(key, "it was not looked at"))
    }

    fn value_state(&mut self, key: &Key, name: &str) -> Result<&mut ValueState, SurveyError> {
        let id = value_id(key, name);
        if !self.registry.values.contains_key(&id) {
            let was =
                if self.survey.key_exists(key)? { self.survey.value(key, name)? } else { None };
            self.registry.names.entry(key.folded()).or_default().push(name.to_owned());
            let state = ValueState { is: was.clone(), was, change: None };
            self.registry.values.insert(id.clone(), state);
        }
        let state = self.registry.values.get_mut(&id);
        state.ok_or_else(|| SurveyError::new(key, "it was not looked at"))
    }

    fn put_key(&mut self, key: &Key, change: Option<Change>) -> usize {
        let next = self.changes.len();
        let state = self.registry.keys.get_mut(&key.folded());
        let number = state.map_or(next, |state| place_of(&mut state.change, &self.changes));
        self.put(number, change)
    }

    /// The change that leads from what a value was to what it is.
    fn put_value(&mut self, key: &Key, name: &str) -> Option<usize> {
        let state = self.registry.values.get_mut(&value_id(key, name))?;
        let (key, name) = (key.clone(), name.to_owned());
        let change = match (state.was.clone(), state.is.clone()) {
            (was, is) if was == is => None,
            (before, Some(data)) => Some(Change::SetValue { key, name, before, data }),
            (Some(before), None) => Some(Change::DeleteValue { key, name, before }),
            (None, None) => None,
        };
        let number = place_of(&mut state.change, &self.changes);
        Some(self.put(number, change))
    }
}
