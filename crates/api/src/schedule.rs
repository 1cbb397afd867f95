//! Deployments that are made again and again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Targets;

/// What is deployed to whom, and when. Its targets are chosen anew each time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewSchedule {
    pub name: String,
    /// The workflow, in its latest revision each time; empty where an action is named.
    #[serde(default)]
    pub workflow: String,
    /// Instead of a workflow an action that starts one; `variables` are its parameters.
    #[serde(default)]
    pub action: Option<String>,
    /// Those of the action when nobody is named.
    #[serde(default)]
    pub targets: Targets,
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// `minute hour day month weekday`, with the seconds before if there are six fields.
    #[serde(default)]
    pub cron: Option<String>,
    /// Or so often: `6h`. Counted from `from`, or from when the schedule was made.
    #[serde(default)]
    pub every: Option<String>,
    /// The time zone of the cron expression, by its IANA name.
    #[serde(default = "utc")]
    pub zone: String,
    /// Nothing is made before.
    #[serde(default)]
    pub from: Option<i64>,
    /// Nothing is made after.
    #[serde(default)]
    pub until: Option<i64>,
    /// Each start comes up to so much later.
    #[serde(default)]
    pub jitter: Option<String>,
    /// While the former deployment goes on: `skip`, `queue` or `parallel`.
    #[serde(default = "skip")]
    pub overlap: String,
    /// Starts that nobody was there for: `skip`, `once` (one makes up for all) or `all`.
    #[serde(default = "once")]
    pub missed: String,
    /// The stop date of each deployment, so long after its start.
    #[serde(default)]
    pub stop_after: Option<String>,
    #[serde(default)]
    pub is_paused: bool,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn skip() -> String {
    "skip".to_owned()
}

fn once() -> String {
    "once".to_owned()
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Schedule {
    pub schedule: NewSchedule,
    pub changed_by: String,
    pub changed_at: i64,
    /// The next starts; none while it is paused or when it is over.
    pub next: Vec<i64>,
    /// Starts that wait for the former deployment to end.
    pub queued: Vec<i64>,
    /// What became of the last starts, oldest first.
    pub history: Vec<ScheduleStart>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleStart {
    /// When it was due.
    pub due: i64,
    pub at: i64,
    /// The deployment that was made; none when it was skipped or failed.
    pub deployment: Option<String>,
    /// The status of that deployment now.
    #[serde(default)]
    pub status: Option<String>,
    /// Why there is none, or who was left out.
    #[serde(default)]
    pub note: String,
}
