//! What is wrong with a workflow before anybody uses it (WF-05).
//!
//! [`check`] looks at a whole [`Workflow`] and says everything at once; it never stops at the first
//! finding and never changes anything. What is an error here is refused before a run begins. The
//! reasons are those of "Meaning of a run" in the design: what the engine would do is what is told.

mod closest;
pub mod code;
mod graph;
mod joins;
mod names;
mod parameters;
mod paths;
mod transitions;

use graph::Graph;

use crate::{ActivityName, Event, Workflow};

pub use closest::closest;
pub use names::{is_variable_name, unquoted};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    /// The workflow is refused.
    Error,
}

/// What part of a workflow a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Site {
    Workflow,
    Start,
    Variable(String),
    Activity(ActivityName),
    Parameter(ActivityName, &'static str),
    Transition(ActivityName, Event),
}

impl Site {
    /// The activity this is in, if it is in one.
    pub fn activity(&self) -> Option<&ActivityName> {
        match self {
            Self::Workflow | Self::Start | Self::Variable(_) => None,
            Self::Activity(name) | Self::Parameter(name, _) | Self::Transition(name, _) => {
                Some(name)
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// Stable, for `deskhand explain`; one of [`code::ALL`].
    pub code: &'static str,
    pub site: Site,
    pub message: String,
    pub hint: String,
}

/// All findings: those of the workflow, its start and its variables, then those of its activities
/// in the order of their names.
pub fn check(workflow: &Workflow) -> Vec<Finding> {
    let mut report = Report::default();
    names::check_variables(workflow, &mut report);
    if workflow.activities.is_empty() {
        report.error(
            code::EMPTY,
            Site::Workflow,
            "the workflow has no activities",
            "write at least one under `activities:` and name it in `start:`",
        );
        return report.into_findings();
    }
    let graph = Graph::new(workflow);
    transitions::check(workflow, &graph, &mut report);
    joins::check(&graph, &mut report);
    parameters::check(workflow, &mut report);
    names::check(workflow, &graph, &mut report);
    report.into_findings()
}

/// Findings after which nothing is suggested any more.
const SUGGESTIONS_MAX: usize = 200;

/// Findings as they are collected.
#[derive(Default)]
struct Report {
    findings: Vec<Finding>,
}

impl Report {
    fn error(
        &mut self,
        code: &'static str,
        site: Site,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let (message, hint) = (message.into(), hint.into());
        self.findings.push(Finding { severity: Severity::Error, code, site, message, hint });
    }

    fn warning(
        &mut self,
        code: &'static str,
        site: Site,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let (message, hint) = (message.into(), hint.into());
        self.findings.push(Finding { severity: Severity::Warning, code, site, message, hint });
    }

    /// `did you mean …?`, or what is said otherwise. After many findings no longer: comparing all
    /// with all would take long, and nobody reads that far.
    fn suggest<'a>(
        &self,
        wrong: &str,
        known: impl IntoIterator<Item = &'a str>,
        otherwise: impl Into<String>,
    ) -> String {
        let is_readable = self.findings.len() < SUGGESTIONS_MAX;
        match is_readable.then(|| closest(wrong, known)).flatten() {
            Some(near) => format!("did you mean `{near}`?"),
            None => otherwise.into(),
        }
    }

    fn into_findings(mut self) -> Vec<Finding> {
        self.findings.sort_by(|one, other| {
            let activity = |finding: &Finding| finding.site.activity().cloned();
            activity(one).cmp(&activity(other)).then_with(|| one.site.cmp(&other.site))
        });
        self.findings
    }
}

/// `a`, `b` and `c`.
fn listed(names: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
