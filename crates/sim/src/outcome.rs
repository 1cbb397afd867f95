//! What came of a simulation, for people, programs and tests.

use std::collections::BTreeMap;

use model::{Outcome as RunOutcome, Span};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// Since the simulation began.
    pub at: Span,
    /// `server`, `people`, or a computer's name.
    pub whom: String,
    pub text: String,
}

/// A transition of the workflow: what left where, by which event, to what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Transition {
    pub from: String,
    /// As the workflow names it.
    pub event: String,
    pub to: String,
}

/// How one computer fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fared {
    pub computer: String,
    /// None when the run had not ended when the simulation did.
    pub outcome: Option<RunOutcome>,
    pub reason: Option<String>,
    /// Activities and the events they ended with, in order.
    pub path: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// How many runs ended how.
    pub counts: BTreeMap<RunOutcome, u32>,
    /// Runs that had not ended: a workflow that goes on for ever, or a fault of ours.
    pub unfinished: u32,
    /// Why runs failed, and how many.
    pub reasons: BTreeMap<String, u32>,
    /// How often each activity ended with each event.
    pub activities: BTreeMap<(String, String), u32>,
    /// How many runs took each transition at least once, and how often it was taken in all.
    pub transitions: BTreeMap<Transition, (u32, u32)>,
    pub runs: Vec<Fared>,
    /// How long it took, in simulated time.
    pub lasted: Span,
    /// Events of the simulation itself, as a measure of its size.
    pub steps: u64,
    /// Things that went wrong on purpose: crashes, cuts, losses, failed writes, clock jumps.
    pub faults: u64,
    /// Kept when the options say so.
    pub events: Vec<Happened>,
    /// Laws that were broken: faults of Deskhand, never of the workflow.
    pub violations: Vec<String>,
}
