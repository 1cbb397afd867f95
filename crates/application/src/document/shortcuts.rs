//! Icons and shortcuts (AP-03).

use super::{Handling, Text};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShortcutItem {
    /// A program group: a sub-folder of the start menu.
    Group {
        name: Text,
        for_all: bool,
        delete: bool,
        handling: Handling,
    },
    Create {
        shortcut: Box<Shortcut>,
        handling: Handling,
    },
    Delete {
        name: Text,
        place: Place,
        for_all: bool,
        handling: Handling,
    },
}

impl ShortcutItem {
    pub fn handling(&self) -> Handling {
        match self {
            Self::Group { handling, .. }
            | Self::Create { handling, .. }
            | Self::Delete { handling, .. } => *handling,
        }
    }

    /// For everybody who uses the machine, or for each user.
    pub fn is_for_all(&self) -> bool {
        match self {
            Self::Group { for_all, .. } | Self::Delete { for_all, .. } => *for_all,
            Self::Create { shortcut, .. } => shortcut.for_all,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortcut {
    /// What people read; the file's name is made from it.
    pub name: Text,
    pub place: Place,
    pub for_all: bool,
    pub target: Text,
    pub arguments: Option<Text>,
    pub working_folder: Option<Text>,
    pub description: Option<Text>,
    /// A file, and which of the icons in it.
    pub icon: Option<(Text, u32)>,
    pub window: Window,
    pub as_administrator: bool,
    /// In a terminal (Linux).
    pub terminal: bool,
    /// Of the start menu (Linux): `Office`, `Graphics`.
    pub categories: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Desktop,
    /// In the group, made where missing; else at the top of the programs.
    StartMenu {
        group: Option<Text>,
    },
    /// Begun when a user logs on.
    Startup,
    Folder(Text),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Window {
    #[default]
    Normal,
    Minimized,
    Maximized,
}
