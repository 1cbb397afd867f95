//! What is wrong with a workflow before anybody uses it (WF-05).

use crate::{ActivityName, Event, Workflow};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    /// The workflow is refused.
    Error,
}

/// What part of a workflow a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Site {
    Workflow,
    Start,
    Variable(String),
    Activity(ActivityName),
    Parameter(ActivityName, &'static str),
    Transition(ActivityName, Event),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// Stable, for `deskhand explain`: `DH-W001` …
    pub code: &'static str,
    pub site: Site,
    pub message: String,
    pub hint: String,
}

/// All findings, in the order of the activities' names.
pub fn check(_workflow: &Workflow) -> Vec<Finding> {
    Vec::new()
}
