//! What an agent and a worker say to each other.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// From the agent to its worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// The first frame, and the only one of its kind.
    Begin(Box<Begin>),
    Answer {
        call: u64,
        answer: Answer,
    },
    /// End the script and say where it was.
    Stop(Stop),
}

/// What a script is given.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    pub code: String,
    /// What the script may keep in memory.
    pub memory_bytes: u64,
    /// How often the script may ask for something.
    pub operations: u32,
    /// Processor time after which the system ends the worker, should nothing else have.
    pub processor_seconds: u64,
    /// What `context.get` knows, by dotted names.
    pub context: BTreeMap<String, String>,
    pub facts: BTreeMap<String, String>,
}

/// Values of a context may be secrets.
impl fmt::Debug for Begin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begin")
            .field("code", &self.code.len())
            .field("memory_bytes", &self.memory_bytes)
            .field("operations", &self.operations)
            .finish_non_exhaustive()
    }
}

/// Why a script is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stop {
    Time,
    Cancelled,
}

/// From a worker to its agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromWorker {
    /// For the deployment's log; nothing is answered.
    Print(String),
    Call {
        id: u64,
        call: Call,
    },
    /// The last frame.
    End(Box<End>),
}

/// What a script asks for and waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    /// The kind of activity, and its parameters as JSON.
    Activity {
        kind: String,
        parameters: String,
    },
    /// A length of time as in workflow files.
    Sleep(String),
    Wmi(String),
    /// The text of a file in the depot.
    Depot(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// How an activity ended.
    Ended { event: String, outputs: BTreeMap<String, String>, note: Option<String> },
    /// A value as JSON.
    Value(String),
    /// It could not even be tried, in a sentence.
    Failed(String),
}

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub how: How,
    pub result: Option<String>,
    /// What the script set of the run's own variables.
    pub variables: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    /// Without naming an event, which is `ok`.
    Done,
    /// With the event that it names.
    Event(String),
    /// With an error that nothing caught.
    Threw {
        message: String,
        place: Option<Place>,
        stack: String,
    },
    Ended {
        limit: Limit,
        place: Option<Place>,
        stack: String,
    },
}

/// What ended a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    Time,
    Memory,
    Operations,
    Cancelled,
}

/// A place in a script's own text, both from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}
