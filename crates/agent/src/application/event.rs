//! What people see while a step is carried out.

use machine::{ServiceEnd, Stream};

/// Parts of a step, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    EndPrograms,
    ScriptBefore,
    /// New content is built beside its place.
    Prepare,
    Change,
    Packages,
    ScriptAfter,
    /// What was changed is made to last.
    Settle,
    RollBack,
}

impl Phase {
    /// In words, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EndPrograms => "ending programs",
            Self::ScriptBefore => "script before",
            Self::Prepare => "preparing",
            Self::Change => "changing",
            Self::Packages => "packages",
            Self::ScriptAfter => "script after",
            Self::Settle => "making it last",
            Self::RollBack => "undoing",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Began(Phase),
    /// Processes of that name or path, so many.
    Ended {
        name: String,
        count: usize,
    },
    Service {
        name: String,
        how: ServiceEnd,
    },
    Output {
        phase: Phase,
        stream: Stream,
        bytes: Vec<u8>,
    },
    /// Something worth knowing that stops nothing.
    Note(String),
}
