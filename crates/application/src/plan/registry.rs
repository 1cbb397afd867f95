//! Settings of the registry (AP-04).
//!
//! What programs of 32 bits see is kept by Windows under other keys; items of that view become
//! items of those keys here ([`view`]), and nothing below knows of views. *Append* and *prepend*
//! follow the manual: the text is added as it stands, with its separator. What the record says was
//! added and is still there is not added again.

mod append;
mod view;

use model::registry::{Data, Key, check_value_name};

pub use append::without;

use super::make::{Act, Planner, Refusal};
use super::settle::Claim;
use super::{Group, ItemPlace, Outcome, words};
use crate::{RegistryEntry, RegistryItem, RegistryRule, Text, ValueData};

const GROUP: Group = Group::Registry;
/// Keys that nothing deletes: a root, and what is right below one of these.
const KEPT_DEPTH: usize = 1;

impl RegistryRule {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::CreateAlways => "create_always",
            Self::CreateIfAbsent => "create_if_absent",
            Self::CreateIfExists => "create_if_exists",
            Self::Delete => "delete",
            Self::Append => "append",
            Self::Prepend => "prepend",
        }
    }
}

impl Planner<'_> {
    pub fn plan_registry(&mut self) {
        for (index, item) in self.wish.application.items.registry.iter().enumerate() {
            self.item = Some(index);
            let is_of_user = self.is_key_of_user(&item.key) || self.names_user(texts(item));
            if !self.wants(item.handling, is_of_user) {
                continue;
            }
            let place = (index, None);
            if let Err(refusal) = self.plan_registry_item(place, item) {
                self.refuse(GROUP, place, refusal);
            }
        }
    }

    fn plan_registry_item(&mut self, at: ItemPlace, item: &RegistryItem) -> Result<(), Refusal> {
        let written = self.expand(&item.key)?;
        let key = Key::parse(&written)
            .map_err(|why| Refusal::new("DH-P006", format!("`{written}` is no key: {why}")))?;
        let key = view::seen_by(item.view, key);
        let (target, name) = match &item.entry {
            RegistryEntry::Key => (key.to_string(), None),
            RegistryEntry::Value { name, .. } => {
                let name = self.expand(name)?;
                let shown = if name.is_empty() { "(default)" } else { &name };
                (format!("{key}\\{shown}"), Some(name))
            }
        };
        let (outcome, changes) = if !self.ground.survey.has_registry() {
            (left("the registry is a part of Windows"), Vec::new())
        } else {
            match (&item.entry, name) {
                (RegistryEntry::Value { data, .. }, Some(name)) => {
                    check_value_name(&name).map_err(|why| {
                        Refusal::new("DH-P006", format!("no value can be named `{name}`: {why}"))
                    })?;
                    self.plan_value(&key, &name, item.rule, data.as_ref())?
                }
                _ if item.rule == RegistryRule::Delete => self.delete_tree(&key)?,
                _ => self.plan_key(&key, item.rule)?,
            }
        };
        self.put(GROUP, at, Act { target, rule: item.rule.word(), outcome, changes });
        Ok(())
    }

    fn plan_key(
        &mut self,
        key: &Key,
        rule: RegistryRule,
    ) -> Result<(Outcome, Vec<usize>), Refusal> {
        let is_there = self.ground.key_exists(key)?;
        if !is_there && rule == RegistryRule::CreateIfExists {
            return Ok((left("the key is not there"), Vec::new()));
        }
        let done = self.ground.create_key(key)?;
        self.claim_keys(GROUP, done.keys);
        self.claim(GROUP, Claim::Key { key: key.clone() });
        let outcome = match is_there {
            true => Outcome::InPlace,
            false => changed(words::ABSENT, "a key"),
        };
        Ok((outcome, done.changes))
    }

    fn delete_tree(&mut self, key: &Key) -> Result<(Outcome, Vec<usize>), Refusal> {
        if key.path().split('\\').count() <= KEPT_DEPTH {
            let message = format!("`{key}` stays: no application deletes keys that stand so high");
            return Err(Refusal::new("DH-P002", message));
        }
        if !self.ground.key_exists(key)? {
            self.claim(GROUP, Claim::Key { key: key.clone() });
            return Ok((Outcome::InPlace, Vec::new()));
        }
        let mut keys = vec![key.clone()];
        let mut next = 0;
        while let Some(key) = keys.get(next).cloned() {
            keys.extend(self.ground.keys_below(&key)?);
            next += 1;
        }
        let (mut changes, mut values) = (Vec::new(), 0);
        for key in keys.iter().rev() {
            for (name, _) in self.ground.values_of(key)? {
                values += 1;
                self.claim(GROUP, Claim::Value { key: key.clone(), name });
            }
            changes.extend(self.ground.delete_key(key)?);
            self.claim(GROUP, Claim::Key { key: key.clone() });
        }
        let before = format!("a key with {} below it and {values} values", keys.len() - 1);
        Ok((changed(&before, words::ABSENT), changes))
    }

    fn plan_value(
        &mut self,
        key: &Key,
        name: &str,
        rule: RegistryRule,
        data: Option<&ValueData>,
    ) -> Result<(Outcome, Vec<usize>), Refusal> {
        let there = self.ground.value(key, name)?;
        let claim = Claim::Value { key: key.clone(), name: name.to_owned() };
        if rule == RegistryRule::Delete {
            let changes = match there {
                Some(_) => self.ground.delete_value(key, name)?,
                None => Vec::new(),
            };
            self.claim(GROUP, claim);
            let outcome = match there {
                Some(data) => changed(&words::data(Some(&data)), words::ABSENT),
                None => Outcome::InPlace,
            };
            return Ok((outcome, changes));
        }
        let data = data.ok_or_else(|| {
            Refusal::new("DH-P006", format!("the value `{name}` of `{key}` has no data"))
        })?;
        let data = self.data_of(data)?;
        let wanted = match (rule, &there) {
            (RegistryRule::CreateIfExists, None) => {
                return Ok((left("the value is not there"), Vec::new()));
            }
            (RegistryRule::CreateIfAbsent, Some(found)) if !found.says(&data) => {
                return Ok((left("the value is there"), Vec::new()));
            }
            (RegistryRule::Append | RegistryRule::Prepend, _) => {
                let record = self.recorded_value(key, name);
                append::joined(rule, there.as_ref(), &data, record)
                    .map_err(|why| Refusal::new("DH-P006", format!("`{key}\\{name}` {why}")))?
            }
            _ => data,
        };
        self.claim(GROUP, claim);
        if there.as_ref().is_some_and(|found| found.says(&wanted)) {
            return Ok((Outcome::InPlace, Vec::new()));
        }
        let done = self.ground.set_value(key, name, &wanted)?;
        self.claim_keys(GROUP, done.keys);
        let before = words::data(there.as_ref());
        Ok((changed(&before, &words::data(Some(&wanted))), done.changes))
    }

    fn data_of(&self, data: &ValueData) -> Result<Data, Refusal> {
        Ok(match data {
            ValueData::Text(text) => self.text_data(text, Data::TEXT)?,
            ValueData::ExpandedText(text) => self.text_data(text, Data::EXPANDED_TEXT)?,
            ValueData::Binary(bytes) => Data { kind: Data::BINARY, bytes: bytes.clone() },
            ValueData::Dword(number) => Data::dword(*number),
            ValueData::Qword(number) => {
                Data { kind: words::QWORD, bytes: number.to_le_bytes().into() }
            }
            ValueData::Texts(texts) => {
                let mut entries = Vec::new();
                for text in texts {
                    let entry = self.expand(text)?;
                    if entry.is_empty() || entry.contains('\0') {
                        let message = "an entry of a list of texts is empty or holds a zero";
                        return Err(Refusal::new("DH-P006", message));
                    }
                    entries.push(entry);
                }
                append::texts(&entries)
            }
            ValueData::Raw { kind, bytes } => Data { kind: *kind, bytes: bytes.clone() },
        })
    }

    fn text_data(&self, text: &Text, kind: u32) -> Result<Data, Refusal> {
        let text = self.expand(text)?;
        if text.contains('\0') {
            return Err(Refusal::new("DH-P006", "a text with a zero in it ends there"));
        }
        Ok(Data { kind, ..Data::text(&text) })
    }
}

fn left(why: &str) -> Outcome {
    Outcome::Skipped { why: why.to_owned() }
}

fn changed(before: &str, after: &str) -> Outcome {
    Outcome::Changed { before: before.to_owned(), after: after.to_owned() }
}

/// All that is in an item but its key.
fn texts(item: &RegistryItem) -> Vec<&Text> {
    let RegistryEntry::Value { name, data } = &item.entry else { return Vec::new() };
    let data = match data {
        Some(ValueData::Text(text) | ValueData::ExpandedText(text)) => vec![text],
        Some(ValueData::Texts(texts)) => texts.iter().collect(),
        _ => Vec::new(),
    };
    data.into_iter().chain([name]).collect()
}

/// What one application has made of a value.
#[derive(Debug, Clone, Copy)]
pub struct Made<'m> {
    pub prior: Option<&'m Data>,
    pub ours: Option<&'m Data>,
}

/// Whether what one application has made of a value leaves what another one has made of it: both
/// are the same, or one was joined to the other.
pub fn go_together(one: Made<'_>, other: Made<'_>) -> bool {
    let (Some(ours), Some(theirs)) = (one.ours, other.ours) else {
        return one.ours.is_none() && other.ours.is_none();
    };
    let was_joined = |made: Made<'_>| {
        made.prior.zip(made.ours).is_some_and(|(prior, ours)| append::is_joined(ours, prior))
    };
    ours.says(theirs)
        || (was_joined(one) && append::holds(ours, theirs))
        || (was_joined(other) && append::holds(theirs, ours))
}
