//! What is simulated, and how badly it goes.

use std::fmt;
use std::str::FromStr;

use model::Span;

/// How many things go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faults {
    /// Nothing does: every machine is on and reached.
    None,
    /// Links break, machines are switched off at times, the server restarts now and then.
    Light,
    /// All of it all the time, between any two steps.
    Heavy,
}

/// A text that is no such word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not one of none, light, heavy")]
pub struct ParseFaultsError {
    text: String,
}

impl FromStr for Faults {
    type Err = ParseFaultsError;

    fn from_str(text: &str) -> Result<Self, ParseFaultsError> {
        match text {
            "none" => Ok(Self::None),
            "light" => Ok(Self::Light),
            "heavy" => Ok(Self::Heavy),
            _ => Err(ParseFaultsError { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Light => "light",
            Self::Heavy => "heavy",
        })
    }
}

/// How the simulated machines do, each of a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doing {
    /// An activity of a machine or of the server ends in `error`.
    pub error: u32,
    /// A file activity finds no file.
    pub no_file: u32,
    /// An Execution ends with an exit code that the workflow names, if it names any.
    pub named_exit: u32,
    /// How long an activity takes, at least and at most.
    pub lasts: (Span, Span),
}

impl Default for Doing {
    fn default() -> Self {
        Self {
            error: 60_000,
            no_file: 60_000,
            named_exit: 120_000,
            lasts: (Span::from_millis(50), Span::from_secs(40)),
        }
    }
}

/// One simulation: the same options give the same outcome, everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The text of the workflow file.
    pub workflow: String,
    /// How many computers it is deployed to.
    pub fleet: u32,
    pub seed: u64,
    pub faults: Faults,
    pub doing: Doing,
    /// People suspend, resume, abort, move the stop date and give machines up at random.
    pub has_people: bool,
    /// How many targets go on at once.
    pub max_targets: usize,
    /// The warrant permits a run to begin so long after the deployment …
    pub begin_within: Span,
    /// … and to last so long.
    pub run_limit: Span,
    /// Faults end by then, and what has not ended a hundred days later is told as unfinished.
    pub fault_time: Span,
    /// Whether [`crate::Outcome::events`] is wanted.
    pub keeps_events: bool,
}

impl Options {
    pub fn new(workflow: impl Into<String>, fleet: u32, seed: u64) -> Self {
        Self {
            workflow: workflow.into(),
            fleet,
            seed,
            faults: Faults::None,
            doing: Doing::default(),
            has_people: false,
            max_targets: 1_000,
            begin_within: Span::from_secs(30 * 86_400),
            run_limit: Span::from_secs(200 * 86_400),
            fault_time: Span::from_secs(1_800),
            keeps_events: false,
        }
    }
}
