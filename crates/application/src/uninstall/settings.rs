//! Keys and values of the registry.

use model::registry::{Data, Key};

use super::{Leaving, Outcome, Undone, changed, left, words};
use crate::plan::Thing;
use crate::plan::registry::{Made, without};

impl Leaving<'_> {
    /// Keys that the application removed, the outer ones first.
    pub fn put_back_keys(&mut self) {
        let mut keys: Vec<(usize, &Key)> = self
            .things()
            .filter_map(|(at, owned)| match &owned.thing {
                Thing::RemovedKey { key } => Some((at, key)),
                _ => None,
            })
            .collect();
        keys.sort_by_key(|(_, key)| key.path().len());
        for (at, key) in keys {
            let undone = self.put_back_key(key);
            self.put(at, undone);
        }
    }

    fn put_back_key(&mut self, key: &Key) -> Undone {
        if self.ground.key_exists(key)? {
            return Ok((Outcome::InPlace, Vec::new()));
        }
        let done = self.ground.create_key(key)?;
        Ok((changed(words::ABSENT, "a key"), done.changes))
    }

    pub fn undo_values(&mut self) {
        for (at, owned) in self.things() {
            if let Thing::Value { key, name, prior, ours } = &owned.thing {
                let same = |other: &Thing| match other {
                    Thing::Value { ours: theirs, .. } => theirs == ours,
                    _ => false,
                };
                let undone = match self.holder(&owned.thing, same) {
                    Some(kept) => Ok((kept, Vec::new())),
                    None => self.undo_value(
                        key,
                        name,
                        Made { prior: prior.as_ref(), ours: ours.as_ref() },
                    ),
                };
                self.put(at, undone);
            }
        }
    }

    fn undo_value(&mut self, key: &Key, name: &str, made: Made<'_>) -> Undone {
        let says = |one: Option<&Data>, other: Option<&Data>| match (one, other) {
            (Some(one), Some(other)) => one.says(other),
            (one, other) => one.is_none() && other.is_none(),
        };
        let now = self.ground.value(key, name)?;
        if says(now.as_ref(), made.prior) {
            return Ok((Outcome::InPlace, Vec::new()));
        }
        let back = match (&now, says(now.as_ref(), made.ours)) {
            (_, true) => made.prior.cloned(),
            (Some(now), false) => match without(now, made) {
                Some(back) => Some(back),
                None => return Ok((left("it was changed since"), Vec::new())),
            },
            (None, false) => return Ok((left("it was removed since"), Vec::new())),
        };
        let changes = match &back {
            Some(data) => self.ground.set_value(key, name, data)?.changes,
            None => self.ground.delete_value(key, name)?,
        };
        Ok((changed(words::data(now.as_ref()), words::data(back.as_ref())), changes))
    }

    /// Keys that the application made, the inner ones first.
    pub fn remove_keys(&mut self) {
        let mut keys: Vec<(usize, &Key)> = self
            .things()
            .filter_map(|(at, owned)| match &owned.thing {
                Thing::Key { key } => Some((at, key)),
                _ => None,
            })
            .collect();
        keys.sort_by_key(|(_, key)| std::cmp::Reverse(key.path().len()));
        for (at, key) in keys {
            let undone = self.remove_key(at, key);
            self.put(at, undone);
        }
    }

    fn remove_key(&mut self, at: usize, key: &Key) -> Undone {
        let thing = &self.leave.record.owns[at].thing;
        if let Some(kept) = self.holder(thing, |theirs| matches!(theirs, Thing::Key { .. })) {
            return Ok((kept, Vec::new()));
        }
        if !self.ground.key_exists(key)? {
            return Ok((Outcome::InPlace, Vec::new()));
        }
        let is_empty =
            self.ground.keys_below(key)?.is_empty() && self.ground.values_of(key)?.is_empty();
        if !is_empty {
            return Ok((left("something is in it"), Vec::new()));
        }
        Ok((changed("an empty key", words::ABSENT), self.ground.delete_key(key)?))
    }
}
