//! Files and folders (AP-05).

use super::{Handling, Text};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileItem {
    /// One file, or with wildcards in the source's name several, whose target is then a folder.
    Copy {
        source: Text,
        target: Text,
        rule: FileRule,
        shared: bool,
        handling: Handling,
    },
    /// What is not there is fine. The target's name may have wildcards.
    Delete {
        target: Text,
        shared: bool,
        handling: Handling,
    },
    CopyFolder {
        source: Text,
        target: Text,
        subfolders: bool,
        rule: FileRule,
        shared: bool,
        handling: Handling,
    },
    CreateFolder {
        target: Text,
        handling: Handling,
    },
    /// With everything in it.
    DeleteFolder {
        target: Text,
        handling: Handling,
    },
}

impl FileItem {
    pub fn handling(&self) -> Handling {
        match self {
            Self::Copy { handling, .. }
            | Self::Delete { handling, .. }
            | Self::CopyFolder { handling, .. }
            | Self::CreateFolder { handling, .. }
            | Self::DeleteFolder { handling, .. } => *handling,
        }
    }

    pub fn target(&self) -> &Text {
        match self {
            Self::Copy { target, .. }
            | Self::Delete { target, .. }
            | Self::CopyFolder { target, .. }
            | Self::CreateFolder { target, .. }
            | Self::DeleteFolder { target, .. } => target,
        }
    }
}

/// When a file is copied; with *delete* the manual's nine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileRule {
    #[default]
    Always,
    IfExists,
    IfAbsent,
    /// Newer, or absent.
    IfNewer,
    IfNewerAndExists,
    /// By the version resource; where only one side has a version it counts as newer, where none
    /// has, as [`Self::IfNewer`]. Copied when absent.
    IfNewerVersion,
    RequestConfirmation,
    /// Time (beyond 2 s) or size differ; copied when absent.
    IfDifferent,
}
