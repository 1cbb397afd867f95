//! The part of a transaction that is in the registry.

use std::collections::{BTreeMap, BTreeSet};

use application::Change;
use model::codec::{CodecError, Reader, Writer};
use model::registry::{Data, Key, Root, folded};

use super::ChangeError;
use crate::registry::{Registry, RegistryError};

/// A change with what was there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    CreateKey { key: Key },
    DeleteKey { key: Key, protection: Vec<u8>, values: Vec<(String, Data)> },
    SetValue { key: Key, name: String, before: Option<Data>, data: Data },
    DeleteValue { key: Key, name: String, before: Data },
}

/// The registry as it will be while steps are laid out.
#[derive(Default)]
pub(super) struct Outlook {
    /// By folded key, whether it will be there.
    keys: BTreeMap<Key, bool>,
    values: BTreeMap<(Key, String), Option<Data>>,
}

impl Outlook {
    /// The step for a change of the registry; nothing for one of a file.
    pub(super) fn lay_out(
        &mut self,
        change: &Change,
        registry: &dyn Registry,
    ) -> Result<Option<Act>, ChangeError> {
        let act = match change {
            Change::CreateKey { key } => {
                self.must_be(key, false, registry)?;
                self.keys.insert(key.folded(), true);
                Act::CreateKey { key: key.clone() }
            }
            Change::DeleteKey { key } => self.delete_key(key, registry)?,
            Change::SetValue { key, name, before, data } => {
                self.must_be(key, true, registry)?;
                self.must_hold(key, name, before.as_ref(), registry)?;
                self.values.insert((key.folded(), folded(name)), Some(data.clone()));
                let (key, name, before) = (key.clone(), name.clone(), before.clone());
                Act::SetValue { key, name, before, data: data.clone() }
            }
            Change::DeleteValue { key, name, before } => {
                self.must_hold(key, name, Some(before), registry)?;
                self.values.insert((key.folded(), folded(name)), None);
                Act::DeleteValue { key: key.clone(), name: name.clone(), before: before.clone() }
            }
            _ => return Ok(None),
        };
        Ok(Some(act))
    }

    fn delete_key(&mut self, key: &Key, registry: &dyn Registry) -> Result<Act, ChangeError> {
        if key.is_root() {
            return Err(ChangeError::Root { key: key.clone() });
        }
        self.must_be(key, true, registry)?;
        if registry.is_link(key)? {
            return Err(RegistryError::Link { key: key.clone() }.into());
        }
        self.keys.insert(key.folded(), false);
        let (protection, values) = (registry.protection(key)?, registry.values(key)?);
        Ok(Act::DeleteKey { key: key.clone(), protection, values })
    }

    fn must_be(&self, key: &Key, there: bool, registry: &dyn Registry) -> Result<(), ChangeError> {
        let is = match self.keys.get(&key.folded()) {
            Some(is) => *is,
            None => registry.exists(key)?,
        };
        let said = |there| if there { "there" } else { "absent" };
        if is == there { Ok(()) } else { Err(changed(key, said(there), said(is))) }
    }

    fn must_hold(
        &self,
        key: &Key,
        name: &str,
        before: Option<&Data>,
        registry: &dyn Registry,
    ) -> Result<(), ChangeError> {
        let is = match self.values.get(&(key.folded(), folded(name))) {
            Some(is) => is.clone(),
            None if self.keys.contains_key(&key.folded()) => None,
            None => registry.value(key, name)?,
        };
        must_equal(key, name, before, is.as_ref())
    }
}

fn changed(place: &impl ToString, was: &str, is: &str) -> ChangeError {
    ChangeError::Changed { place: place.to_string(), was: was.into(), is: is.into() }
}

/// What values hold may be a secret and is not told.
fn must_equal(
    key: &Key,
    name: &str,
    was: Option<&Data>,
    is: Option<&Data>,
) -> Result<(), ChangeError> {
    let said = |data: Option<&Data>| if data.is_some() { "a value" } else { "absent" };
    let place = format!("{key}, {}", if name.is_empty() { "its default value" } else { name });
    match (was, is) {
        _ if was == is => Ok(()),
        (Some(_), Some(_)) => Err(changed(&place, "a value", "another one")),
        _ => Err(changed(&place, said(was), said(is))),
    }
}

impl Act {
    pub(super) fn key(&self) -> &Key {
        match self {
            Self::CreateKey { key }
            | Self::DeleteKey { key, .. }
            | Self::SetValue { key, .. }
            | Self::DeleteValue { key, .. } => key,
        }
    }

    /// Makes the change, unless it is made; what is not as it was is an error.
    pub(super) fn act(&self, registry: &mut dyn Registry) -> Result<(), ChangeError> {
        match self {
            Self::CreateKey { key } => drop(registry.create(key)?),
            Self::DeleteKey { key, .. } => {
                if registry.exists(key)? && !registry.keys(key)?.is_empty() {
                    return Err(ChangeError::NotEmpty { place: key.to_string() });
                }
                registry.delete(key)?;
            }
            Self::SetValue { key, name, before, data } => {
                let is = registry.value(key, name)?;
                if is.as_ref() != Some(data) {
                    must_equal(key, name, before.as_ref(), is.as_ref())?;
                    registry.set(key, name, data)?;
                }
            }
            Self::DeleteValue { key, name, before } => {
                if let Some(is) = registry.value(key, name)? {
                    must_equal(key, name, Some(before), Some(&is))?;
                    registry.delete_value(key, name)?;
                }
            }
        }
        Ok(())
    }

    /// Puts back what was there; answers the key if it stays because of what is in it.
    pub(super) fn undo(&self, registry: &mut dyn Registry) -> Result<Option<Key>, RegistryError> {
        match self {
            Self::CreateKey { key } => {
                if !registry.exists(key)? {
                    return Ok(None);
                }
                if !registry.keys(key)?.is_empty() || !registry.values(key)?.is_empty() {
                    return Ok(Some(key.clone()));
                }
                registry.delete(key)?;
            }
            Self::DeleteKey { key, protection, values } => {
                let made = registry.create(key)?;
                for (name, data) in values {
                    put_back(registry, key, name, Some(data))?;
                }
                let differs = made || registry.protection(key)? != *protection;
                if !protection.is_empty() && differs {
                    registry.protect(key, protection)?;
                }
            }
            Self::SetValue { key, name, before, .. } => {
                put_back(registry, key, name, before.as_ref())?;
            }
            Self::DeleteValue { key, name, before } => {
                put_back(registry, key, name, Some(before))?;
            }
        }
        Ok(None)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        let letter = match self {
            Self::CreateKey { .. } => b'C',
            Self::DeleteKey { .. } => b'D',
            Self::SetValue { .. } => b'S',
            Self::DeleteValue { .. } => b'R',
        };
        out.u8(letter).text(self.key().root().short_name()).text(self.key().path());
        match self {
            Self::CreateKey { .. } => {}
            Self::DeleteKey { protection, values, .. } => {
                out.bytes(protection).list(values, |out, (name, data)| {
                    out.text(name);
                    write_data(out, data);
                });
            }
            Self::SetValue { name, before, data, .. } => {
                out.text(name).option(before.as_ref(), write_data);
                write_data(out, data);
            }
            Self::DeleteValue { name, before, .. } => {
                out.text(name);
                write_data(out, before);
            }
        }
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let letter = input.u8()?;
        let root = Root::by_name(&input.text()?).ok_or(CodecError("an unknown root"))?;
        let key = Key::new(root, &input.text()?).map_err(|_| CodecError("a key that cannot be"))?;
        Ok(match letter {
            b'C' => Self::CreateKey { key },
            b'D' => {
                let protection = input.bytes()?.to_vec();
                let value = |input: &mut Reader<'_>| {
                    Ok::<_, CodecError>((input.text()?, read_data(input)?))
                };
                Self::DeleteKey { key, protection, values: input.list(value)? }
            }
            b'S' => {
                let (name, before) = (input.text()?, input.option(read_data)?);
                Self::SetValue { key, name, before, data: read_data(input)? }
            }
            b'R' => Self::DeleteValue { key, name: input.text()?, before: read_data(input)? },
            _ => return Err(CodecError("an unknown change of the registry")),
        })
    }
}

/// A value as it was; where its key is gone too, that is put back by another step.
fn put_back(
    registry: &mut dyn Registry,
    key: &Key,
    name: &str,
    before: Option<&Data>,
) -> Result<(), RegistryError> {
    let is = registry.value(key, name)?;
    match before {
        Some(data) if is.as_ref() != Some(data) => {
            registry.create(key)?;
            registry.set(key, name, data)
        }
        None if is.is_some() => registry.delete_value(key, name).map(drop),
        _ => Ok(()),
    }
}

/// Makes what was done last.
pub(super) fn flush<'a>(
    acts: impl Iterator<Item = &'a Act>,
    registry: &mut dyn Registry,
) -> Result<(), RegistryError> {
    let mut hives = BTreeSet::new();
    for key in acts.map(Act::key) {
        let hive = key.path().split('\\').next().unwrap_or_default();
        if hives.insert((key.root(), folded(hive))) {
            registry.flush(key)?;
        }
    }
    Ok(())
}

fn write_data(out: &mut Writer, data: &Data) {
    out.u32(data.kind).bytes(&data.bytes);
}

fn read_data(input: &mut Reader<'_>) -> Result<Data, CodecError> {
    Ok(Data { kind: input.u32()?, bytes: input.bytes()?.to_vec() })
}
