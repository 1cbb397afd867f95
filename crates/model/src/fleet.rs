//! Computers of record.

use std::collections::BTreeMap;

use crate::ComputerId;

/// What is told of a computer to templates (`computer.name`, `computer.os` …): names to texts.
pub type Facts = BTreeMap<String, String>;

/// A machine on record, or a group: a computer whose members have it as parent (FL-01).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Computer {
    pub id: ComputerId,
    /// Unique among computers, compared without case.
    pub name: String,
    pub host_name: String,
    /// `linux`, `windows` or empty while unknown.
    pub os: String,
    pub parent: Option<ComputerId>,
    pub is_group: bool,
    pub facts: Facts,
}

impl Computer {
    /// What templates may say of this computer; bound by a warrant's leaf.
    pub fn told(&self) -> Facts {
        let mut told = self.facts.clone();
        told.insert("id".into(), self.id.to_string());
        told.insert("name".into(), self.name.clone());
        told.insert("host_name".into(), self.host_name.clone());
        told.insert("os".into(), self.os.clone());
        told
    }
}
