//! Text files (AP-07; REFERENCE 1.2 for search types and result actions).

use super::{Handling, Text};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFile {
    /// A bare name is looked for along PATH, else made in PATH's first folder.
    pub path: Text,
    pub no_reboot_if_modified: bool,
    /// In order.
    pub changes: Vec<Change>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub edit: Edit,
    pub handling: Handling,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// As the first lines.
    Prepend { text: Text },
    /// As the last lines.
    Append { text: Text },
    Search {
        find: Text,
        how: SearchType,
        case_sensitive: bool,
        /// Every occurrence, not only the first.
        all: bool,
        action: ResultAction,
        /// What the action inserts; empty for those that insert nothing.
        text: Text,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SearchType {
    #[default]
    Substring,
    WholeWord,
    StartOfLine,
    EndOfLine,
    EntireLine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultAction {
    AddLineAfter,
    AddLineBefore,
    AddWordAfter,
    AddWordBefore,
    DeleteString,
    DeleteWord,
    DeleteLine,
    DeleteAllLinesAfter,
    DeleteAllLinesBefore,
    ReplaceString,
    ReplaceWord,
    ReplaceLine,
    AppendLine,
    PrependLine,
    AppendToFileIfNotFound,
    PrependToFileIfNotFound,
}
