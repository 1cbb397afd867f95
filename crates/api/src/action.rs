//! Named actions of the server.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Action {
    pub name: String,
    /// `deployment`, `message`, `command` or `http`.
    pub kind: String,
    pub description: String,
    /// With the value each has when none is given; without one it must be given.
    pub parameters: BTreeMap<String, Option<String>>,
    /// The file as it was set; empty in listings.
    #[serde(default)]
    pub source: String,
    pub updated_by: String,
    pub updated_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewAction {
    pub source: String,
}

/// A start of an action by a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionRun {
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// By name or id.
    #[serde(default)]
    pub computers: Vec<String>,
    /// Those that a query chooses as well.
    #[serde(default)]
    pub query: Option<String>,
    /// Wait for the end of a deployment that it starts.
    #[serde(default)]
    pub wait: bool,
}

/// How a start ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionResult {
    pub computer: Option<String>,
    /// `ok`, `error` or `interrupted`.
    pub event: String,
    pub note: Option<String>,
    pub outputs: BTreeMap<String, String>,
}
