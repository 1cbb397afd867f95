//! What is remembered of a run: decisions, never rendered parameters.
//!
//! The sequence of records is the only truth about a run; everything else is the fold of it.

use std::collections::BTreeMap;
use std::fmt;

use model::{Outcome, RunId, Span, Timestamp};

use crate::{ActivityName, Event};

/// One stay of a run in an activity, numbered from 1 through the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Visit(pub u32);

impl fmt::Display for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How often a run has changed hands; the higher epoch owns the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u32);

/// What its doer remembers an effect by, so that nothing is done twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId {
    pub run: RunId,
    pub attempt: u32,
    pub visit: Visit,
    /// What the visit's script asked for, numbered from 1; 0 is the activity itself.
    pub part: u32,
}

impl EffectId {
    /// The effect of an activity.
    pub const fn new(run: RunId, attempt: u32, visit: Visit) -> Self {
        Self { run, attempt, visit, part: 0 }
    }

    /// Something that the script of this effect asked for.
    #[must_use]
    pub const fn part(self, part: u32) -> Self {
        Self { part, ..self }
    }

    /// The effect of the activity that this is a part of, or itself.
    #[must_use]
    pub const fn whole(self) -> Self {
        self.part(0)
    }
}

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.run, self.attempt, self.visit)?;
        match self.part {
            0 => Ok(()),
            part => write!(f, ".{part}"),
        }
    }
}

/// Names to texts that an ended activity leaves for those after it.
pub type Outputs = BTreeMap<String, String>;

/// How an effect ended, as its doer tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub event: Event,
    pub outputs: Outputs,
    /// What a script set of the run's variables.
    pub variables: BTreeMap<String, String>,
    /// What people are told: the error, in a sentence.
    pub note: Option<String>,
}

impl Report {
    pub fn of(event: Event) -> Self {
        Self { event, outputs: Outputs::new(), variables: BTreeMap::new(), note: None }
    }

    pub fn error(note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..Self::of(Event::Error) }
    }
}

/// Who later activities of a branch act as, as an Impersonate found him.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunAs {
    pub user: String,
    /// Empty where there is none.
    pub domain: String,
    /// The name under which the password is kept; none for whoever is logged on.
    pub secret: Option<String>,
}

impl RunAs {
    /// Nobody: branches of different users were joined, and none of them counts.
    pub fn nobody() -> Self {
        Self { user: String::new(), domain: String::new(), secret: None }
    }

    pub fn is_nobody(&self) -> bool {
        self.user.is_empty()
    }
}

/// What people order of a run while it goes on. Orders are numbered for each run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Control {
    /// Begin nothing new; what is in progress ends.
    Suspend,
    Resume,
    /// End everything in progress and the run.
    Abort,
}

impl Control {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Abort => "abort",
        }
    }
}

/// Where a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At the server, to be handed over.
    Server,
    /// On the target from the beginning: `deskhand run`, no server anywhere.
    Target,
}

/// What a transition left from: an activity's visit and the event whose transition fired.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    pub activity: ActivityName,
    pub event: Event,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.activity, self.event)
    }
}

/// One decision of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// The run begins at Start.
    Opened {
        place: Place,
        at: Timestamp,
    },
    /// An activity begins. `by` is the transition that led to it, none at Start.
    Began {
        visit: Visit,
        activity: ActivityName,
        by: Option<Cause>,
        at: Timestamp,
        /// When a Wait is over.
        until: Option<Timestamp>,
        /// When its timeout strikes.
        deadline: Option<Timestamp>,
    },
    /// An activity that takes no time began and ended: Jump, Empty, Synchronization.
    Passed {
        visit: Visit,
        activity: ActivityName,
        by: Option<Cause>,
        at: Timestamp,
    },
    /// An activity in progress is being ended and will end with `event`.
    Stopping {
        visit: Visit,
        event: Event,
        at: Timestamp,
    },
    Ended {
        visit: Visit,
        report: Report,
        at: Timestamp,
    },
    /// The run will end so; what is in progress is interrupted first. First in the journal wins.
    Concluding {
        outcome: Outcome,
        reason: Option<String>,
        by: Option<ActivityName>,
        at: Timestamp,
    },
    /// The run will begin again at Start, not before `not_before`.
    Retrying {
        activity: ActivityName,
        not_before: Timestamp,
        at: Timestamp,
    },
    /// The run began again at Start.
    Restarted {
        attempt: u32,
        at: Timestamp,
    },
    /// A person's order number `number` counts from here.
    Controlled {
        number: u64,
        control: Control,
        at: Timestamp,
    },
    /// The server gives the run away; from here on it only repeats that.
    Giving {
        epoch: Epoch,
        at: Timestamp,
    },
    /// The agent owns the run; what remains of each visit's time begins anew by its clock.
    Taken {
        epoch: Epoch,
        remaining: Vec<Remaining>,
        at: Timestamp,
    },
    /// The machine is about to be switched off by `visit`: the agent gives the run back, and from
    /// here on does nothing for it.
    Returning {
        epoch: Epoch,
        visit: Visit,
        at: Timestamp,
    },
    /// The server owns the run again.
    Regained {
        epoch: Epoch,
        remaining: Vec<Remaining>,
        at: Timestamp,
    },
    /// The run has ended; nothing follows.
    Closed {
        outcome: Outcome,
        reason: Option<String>,
        at: Timestamp,
    },
}

/// What is left of a visit's times when a run changes hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remaining {
    pub visit: Visit,
    pub until: Option<Span>,
    pub deadline: Option<Span>,
}

impl Record {
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Opened { at, .. }
            | Self::Began { at, .. }
            | Self::Passed { at, .. }
            | Self::Stopping { at, .. }
            | Self::Ended { at, .. }
            | Self::Concluding { at, .. }
            | Self::Retrying { at, .. }
            | Self::Restarted { at, .. }
            | Self::Controlled { at, .. }
            | Self::Giving { at, .. }
            | Self::Taken { at, .. }
            | Self::Returning { at, .. }
            | Self::Regained { at, .. }
            | Self::Closed { at, .. } => *at,
        }
    }

    /// The record's kind in words, for listings and errors.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::Began { .. } => "began",
            Self::Passed { .. } => "passed",
            Self::Stopping { .. } => "stopping",
            Self::Ended { .. } => "ended",
            Self::Concluding { .. } => "concluding",
            Self::Retrying { .. } => "retrying",
            Self::Restarted { .. } => "restarted",
            Self::Controlled { .. } => "controlled",
            Self::Giving { .. } => "giving",
            Self::Taken { .. } => "taken",
            Self::Returning { .. } => "returning",
            Self::Regained { .. } => "regained",
            Self::Closed { .. } => "closed",
        }
    }
}
