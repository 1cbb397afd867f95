//! Applications: what is published, for whom, and how it stands on each machine.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Finding;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewApplication {
    /// The application file.
    pub text: String,
}

/// A revision of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Application {
    pub id: String,
    pub name: String,
    pub version: u16,
    pub revision: u64,
    /// Plain BLAKE3 of the text, in hex.
    pub digest: String,
    /// The pinned tree of its source folder.
    #[serde(default)]
    pub source: Option<String>,
    pub source_files: u64,
    pub source_bytes: u64,
    pub published_by: String,
    pub published_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Published {
    pub application: Application,
    /// False where the latest revision was the same already.
    pub is_new: bool,
    #[serde(default)]
    pub findings: Vec<Finding>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApplicationDetail {
    /// The latest revision, or the one that was asked for.
    pub application: Application,
    pub text: String,
    /// All, oldest first.
    pub revisions: Vec<Application>,
    pub associations: Vec<Association>,
}

/// Whom an application is for; exactly one is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Assigned {
    /// By name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computer: Option<String>,
    /// By name or id; everything in it, whoever is in it at the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Those that it chooses at the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// By log-on name, on every machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewAssociation {
    /// By name or id.
    pub application: String,
    pub to: Assigned,
    /// What comes first on a machine: smaller before larger.
    #[serde(default = "priority")]
    pub priority: u32,
    /// Whether it is uninstalled when the association goes; as its file says where nothing is said.
    #[serde(default)]
    pub uninstall: Option<bool>,
    /// How often machines look whether all is as it was distributed, in seconds; 0 for never.
    #[serde(default = "verify_every_s")]
    pub verify_every_s: u64,
    /// Whether they put right what differs, or only tell it.
    #[serde(default = "repair")]
    pub repair: bool,
}

const fn priority() -> u32 {
    100
}

const fn verify_every_s() -> u64 {
    3_600
}

const fn repair() -> bool {
    true
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Association {
    pub application: String,
    pub application_id: String,
    /// With names where there are some.
    pub to: Assigned,
    pub priority: u32,
    #[serde(default)]
    pub uninstall: Option<bool>,
    /// 0 for never.
    pub verify_every_s: u64,
    pub repair: bool,
    pub created_by: String,
    pub created_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AssociationGone {
    /// By name or id.
    pub application: String,
    pub to: Assigned,
}

/// How a part of an application stands on a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApplicationState {
    pub computer: String,
    pub computer_id: String,
    pub application: String,
    pub application_id: String,
    /// None for the machine's own part.
    #[serde(default)]
    pub user: Option<String>,
    /// None when it is not wanted any more.
    #[serde(default)]
    pub wanted: Option<u16>,
    #[serde(default)]
    pub installed: Option<u16>,
    /// `ok`, `pending`, `working`, `failed`, `drifted`, `untold` (nothing was heard of it yet).
    pub state: String,
    pub drift: u64,
    #[serde(default)]
    pub error: Option<String>,
    /// What it waits for.
    #[serde(default)]
    pub pending: Option<String>,
    #[serde(default)]
    pub next_attempt: Option<i64>,
    /// When the server heard it.
    #[serde(default)]
    pub told_at: Option<i64>,
}

/// What a machine is to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComputerApplications {
    pub computer: String,
    /// Of what it was told last; none where it was told nothing.
    #[serde(default)]
    pub serial: Option<u64>,
    /// The machine has taken that.
    pub is_taken: bool,
    #[serde(default)]
    pub told_at: Option<i64>,
    pub applications: Vec<WantedApplication>,
    pub states: Vec<ApplicationState>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WantedApplication {
    pub application: String,
    pub application_id: String,
    pub version: u16,
    /// Whose parts are wanted; of whoever logs on when none.
    #[serde(default)]
    pub users: Option<Vec<String>>,
    pub uninstall: bool,
    pub verify_every_s: u64,
    pub repair: bool,
}
