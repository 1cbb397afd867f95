//! How a target's part in a deployment ended: a closed list.

use std::fmt;
use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    Success,
    Failure,
    Aborted,
    /// The run never started; the reason says why.
    NotBegun,
    /// The agent refused the warrant or the definition.
    Refused,
    /// The machine never returned and somebody closed its run.
    Lost,
}

impl Outcome {
    pub const ALL: [Self; 6] =
        [Self::Success, Self::Failure, Self::Aborted, Self::NotBegun, Self::Refused, Self::Lost];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Aborted => "aborted",
            Self::NotBegun => "not_begun",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Outcome {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text).ok_or(())
    }
}
