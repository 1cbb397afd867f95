//! Where an application's files come from.

use std::path::Path;

use application::Source;
use machine::change::Supply;
use machine::survey::FolderSource;

/// What an application brings: to be looked at by plans, to be read by transactions.
pub trait Provide: Source + Supply {
    /// Where the machine finds it (`%SOURCE_PATH%`); none where it has no path here.
    fn folder(&self) -> Option<&Path>;
}

impl Provide for FolderSource<'_> {
    fn folder(&self) -> Option<&Path> {
        Some(self.base())
    }
}
