//! INI files (AP-06).

use super::{Handling, Text};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IniFile {
    /// Without a folder: in `%*WinDir%`.
    pub path: Text,
    /// In order.
    pub settings: Vec<IniSetting>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IniSetting {
    pub section: Text,
    pub name: Text,
    /// `None` only where everything of that name is deleted.
    pub data: Option<Text>,
    pub rule: IniRule,
    pub handling: Handling,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IniRule {
    #[default]
    CreateAlways,
    CreateIfAbsent,
    CreateIfExists,
    /// Beside one of the same name.
    AddToSection,
    /// The data's first character is the separator.
    AppendToValue,
    Delete,
    /// The data's first character is the separator.
    RemoveFromValue,
}
