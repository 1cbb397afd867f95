//! Workflows, deployments, runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Workflow {
    pub name: String,
    pub revision: u64,
    pub description: String,
    /// The file as it was applied; empty in listings.
    #[serde(default)]
    pub source: String,
    pub created_by: String,
    pub created_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewWorkflow {
    pub source: String,
}

/// Something found wrong with a workflow file, with its place (from 1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// `error` or `warning`.
    pub severity: String,
    pub code: String,
    pub line: usize,
    pub column: usize,
    pub message: String,
    pub hint: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkflowChecked {
    /// Absent when an error was found; nothing was kept then.
    pub workflow: Option<Workflow>,
    pub findings: Vec<Finding>,
}

/// Who: computers by name or id, groups by name with all below them, those that a query chooses
/// now, or everybody. What is given adds up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Targets {
    #[serde(default)]
    pub computers: Vec<String>,
    #[serde(default)]
    pub groups: Vec<String>,
    /// The condition of an SQL `WHERE` over the fleet, such as `os = 'windows'`.
    #[serde(default)]
    pub query: Option<String>,
    #[serde(default)]
    pub everybody: bool,
    /// Over SSH even where there is an agent.
    #[serde(default)]
    pub over_ssh: bool,
    /// Targets of an earlier deployment, by the end of their run: `failed` (failure, refused, lost,
    /// aborted), `not_begun`, `all`, or an outcome's name.
    #[serde(default)]
    pub retry_of: Option<String>,
    #[serde(default)]
    pub retry_which: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewDeployment {
    /// A workflow by name (its latest revision unless `revision` is given).
    #[serde(default)]
    pub workflow: Option<String>,
    #[serde(default)]
    pub revision: Option<u64>,
    /// Or a workflow file itself, which is applied first.
    #[serde(default)]
    pub source: Option<String>,
    pub targets: Targets,
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    #[serde(default)]
    pub start: Option<i64>,
    #[serde(default)]
    pub stop: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deployed {
    pub deployment: Deployment,
    /// Warnings about the workflow, and targets left out with the reason.
    pub findings: Vec<Finding>,
    pub left_out: Vec<String>,
    /// What people should know of the ways to the targets.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// What a deployment would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentPlan {
    pub workflow: String,
    /// Of a workflow that the server keeps; none of a file.
    pub revision: Option<u64>,
    pub targets: Vec<PlannedTarget>,
    pub left_out: Vec<String>,
    /// What people should know of the ways to the targets.
    pub notes: Vec<String>,
    pub findings: Vec<Finding>,
    /// Of the depot, that runs may draw on: all that is named without what only a run knows.
    pub files: u64,
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedTarget {
    pub computer: String,
    /// `agent` or `ssh`.
    pub way: String,
    pub is_connected: bool,
    /// What has to happen before its run begins; nothing when it would begin at once.
    pub waits_for: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deployment {
    pub id: String,
    pub name: String,
    pub workflow: String,
    pub revision: u64,
    /// `starting`, `running`, `suspended`, `ended`.
    pub status: String,
    pub start: Option<i64>,
    pub stop: Option<i64>,
    pub created_by: String,
    pub created_at: i64,
    pub targets: u64,
    /// Runs by phase (`pending`, `running`, …) and, once ended, by outcome (`success`, …).
    pub counts: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentDetail {
    pub deployment: Deployment,
    /// Values that it was deployed with beside the workflow's own.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// The last run of each target.
    pub runs: Vec<Run>,
    /// Runs of targets that have begun anew since.
    #[serde(default)]
    pub earlier_runs: Vec<Run>,
    /// Its copies of the workflow, as they were edited.
    #[serde(default)]
    pub copies: Vec<DeploymentCopy>,
}

/// A deployment's own copy of its workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentCopy {
    /// From 1, which is what it was deployed with.
    pub number: u64,
    pub created_by: String,
    pub created_at: i64,
    /// The workflow file; empty in listings.
    #[serde(default)]
    pub source: String,
}

/// What came of editing a deployment's copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentEdited {
    /// Absent when an error was found; nothing was kept then.
    pub copy: Option<DeploymentCopy>,
    pub findings: Vec<Finding>,
}

/// Begin targets of a deployment anew, inside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Restart {
    /// Computers by name or id; empty means all targets.
    #[serde(default)]
    pub computers: Vec<String>,
    /// `failed` (failure, refused, lost, aborted), `not_begun`, `pending`, `all` that have ended,
    /// or an outcome; `failed` when empty.
    #[serde(default)]
    pub which: Vec<String>,
    /// Which copy of the workflow; the newest when absent.
    #[serde(default)]
    pub copy: Option<u64>,
    /// The stop date from now on; as it was when absent.
    #[serde(default)]
    pub stop: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Restarted {
    /// The copy of the workflow that they go by.
    pub copy: u64,
    pub computers: Vec<String>,
    pub left_out: Vec<String>,
}

const fn first_copy() -> u64 {
    1
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Waiting {
    pub code: String,
    pub text: String,
    pub next: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    pub id: String,
    pub deployment: String,
    pub computer_id: String,
    pub computer: String,
    /// Which of the deployment's copies of its workflow it goes by.
    #[serde(default = "first_copy")]
    pub copy: u64,
    /// It has ended, and its target has begun anew.
    #[serde(default)]
    pub is_replaced: bool,
    /// `pending`, `running`, `ending`, `retrying`, `suspended`, `ended`.
    pub phase: String,
    pub owner: String,
    pub is_connected: bool,
    pub outcome: Option<String>,
    pub reason: Option<String>,
    pub activities: Vec<String>,
    pub began_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub waiting: Option<Waiting>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    pub attempt: u32,
    pub visit: u32,
    pub activity: String,
    pub event: Option<String>,
    pub note: Option<String>,
    pub begin: i64,
    pub end: Option<i64>,
}

/// The way one run took, in a listing of all runs of its deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunPath {
    pub run: String,
    pub path: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunDetail {
    pub run: Run,
    pub path: Vec<Step>,
    pub unhandled: Vec<String>,
    pub outputs: BTreeMap<String, BTreeMap<String, String>>,
}

/// `suspend`, `resume`, `abort`, `close` (give up machines that will not return).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ControlRequest {
    pub control: String,
    /// Computers by name or id; empty means all targets.
    #[serde(default)]
    pub computers: Vec<String>,
}

/// Output of one run's commands, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Log {
    pub computer: String,
    pub activity: String,
    pub attempt: u32,
    pub visit: u32,
    /// `out` or `err`.
    pub stream: String,
    pub text: String,
    /// Bytes that were left out in the middle.
    pub left_out: u64,
}
