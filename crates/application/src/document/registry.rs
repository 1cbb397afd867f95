//! Settings of the Windows registry (AP-04).

use super::{Handling, Text};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryItem {
    pub view: View,
    /// With its root: `HKLM\Software\Maker`.
    pub key: Text,
    pub entry: RegistryEntry,
    pub rule: RegistryRule,
    pub handling: Handling,
}

/// Which programs see it where Windows keeps both apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    #[default]
    Bits64,
    Bits32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryEntry {
    Key,
    /// The empty name is the key's default value. No data where it is deleted.
    Value {
        name: Text,
        data: Option<ValueData>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueData {
    Text(Text),
    ExpandedText(Text),
    Binary(Vec<u8>),
    Dword(u32),
    Texts(Vec<Text>),
    Qword(u64),
    /// Any other type by its number, with its bytes; `REG_NONE` is 0.
    Raw {
        kind: u32,
        bytes: Vec<u8>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegistryRule {
    #[default]
    CreateAlways,
    CreateIfAbsent,
    CreateIfExists,
    /// A key with all below it.
    Delete,
    /// Texts only; the separator is part of the data. Of texts in a list: as the last entry.
    Append,
    Prepend,
}
