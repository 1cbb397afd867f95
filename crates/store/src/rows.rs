//! What the database keeps, as plain data: one struct per kind of row.
//!
//! Texts called `created_by` or `who` name the person or program that did it, as the server knows
//! them. Lists and maps keep their order.

mod application;

use std::collections::BTreeMap;

use model::{ComputerId, DeploymentId, Digest, Outcome, RunId, ServerId, Timestamp, TokenId};

pub use application::{
    Application, ApplicationState, Assigned, Association, WantedHead, WantedSet,
};

/// A deployment server of this database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub id: ServerId,
    pub name: String,
    /// The computer of record that it runs on, when that is one.
    pub computer: Option<ComputerId>,
    /// Folder of its depot.
    pub depot: String,
    /// Addresses told to agents, in order of preference.
    pub presence: Vec<String>,
    pub agent_listen: String,
    pub api_listen: String,
    /// Runs it lets be in progress at once.
    pub max_targets: u32,
    pub is_default: bool,
    /// Until then no other server may take over what this one does.
    pub lease_until: Timestamp,
    /// Raised by whoever takes over; a holder of a lower one may write no more.
    pub fence: u64,
    pub created_by: String,
    pub created_at: Timestamp,
}

/// A machine of record or a group, and who put it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Computer {
    pub computer: model::Computer,
    pub created_by: String,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AgentState {
    /// Made itself known; a person has yet to approve it.
    Pending,
    Enrolled,
    Revoked,
}

impl AgentState {
    pub const ALL: [Self; 3] = [Self::Pending, Self::Enrolled, Self::Revoked];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Enrolled => "enrolled",
            Self::Revoked => "revoked",
        }
    }
}

/// The agent of a computer. A computer has at most one; a new enrolment replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    pub computer: ComputerId,
    /// Ed25519; no two agents have the same.
    pub signing_key: [u8; 32],
    pub sealing_key: [u8; 32],
    pub version: String,
    /// The protocol version spoken last.
    pub protocol: u32,
    pub capabilities: Vec<String>,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// Connections counted by the agent; one that goes back tells a copied disk.
    pub counter: u64,
    pub address: String,
    pub state: AgentState,
    /// The number of the trust document it holds; 0 while that is not known.
    pub trust_number: u64,
}

/// Permission to enrol agents. The secret itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    pub secret_digest: Digest,
    pub created_by: String,
    pub created_at: Timestamp,
    /// From then on it is refused.
    pub expires_at: Timestamp,
    pub uses_left: u32,
    pub note: String,
    pub revoked: bool,
}

/// One revision of a workflow as people wrote it. Revisions count from 1 and are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    /// Compared without case.
    pub name: String,
    pub revision: u64,
    pub source: String,
    pub description: String,
    pub created_by: String,
    pub created_at: Timestamp,
}

/// One use of a workflow on chosen targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    pub id: DeploymentId,
    pub name: String,
    pub workflow: String,
    pub revision: u64,
    /// The definition as the bytes that were hashed for the warrant.
    pub definition: Vec<u8>,
    pub variables: BTreeMap<String, String>,
    /// Root of the depot tree it draws from.
    pub depot_root: Option<Digest>,
    pub start: Option<Timestamp>,
    pub stop: Option<Timestamp>,
    pub status: String,
    pub created_by: String,
    pub created_at: Timestamp,
    /// The server that conducts it.
    pub server: ServerId,
    /// None starts two.
    pub origin: Option<Origin>,
}

/// The activity of a run that started a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    pub run: RunId,
    pub attempt: u64,
    pub visit: u64,
    /// What the activity, a script, called for; 0 for the activity itself.
    pub part: u64,
}

/// A deployment's own copy of its workflow after an edit. They count from 2 and are kept: the first
/// is the deployment's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentCopy {
    pub deployment: DeploymentId,
    pub number: u64,
    pub definition: Vec<u8>,
    /// Root of the depot tree it draws from.
    pub depot_root: Option<Digest>,
    pub created_by: String,
    pub created_at: Timestamp,
}

/// Signed permission for some targets of a deployment; it may have several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warrant {
    pub deployment: DeploymentId,
    /// Counts from 1 within the deployment.
    pub seq: u64,
    /// The deployment's copy of the workflow that it permits.
    pub copy: u64,
    pub envelope: Vec<u8>,
    /// What the leaves of its tree were made of, so that proofs can be made again.
    pub leaves: Vec<u8>,
    pub created_by: String,
    pub created_at: Timestamp,
}

/// Where a run stands: a projection of its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub run: RunId,
    pub deployment: DeploymentId,
    pub computer: ComputerId,
    /// Which warrant of the deployment covers it.
    pub warrant: u64,
    /// The deployment's copy of the workflow that it goes by.
    pub copy: u64,
    /// It has ended, and its target has another run in this deployment.
    pub is_replaced: bool,
    /// Which leaf of that warrant is this target.
    pub target: u64,
    pub phase: String,
    /// Raised with each hand-over.
    pub epoch: u64,
    /// Who interprets it now.
    pub owner: String,
    /// Set once, when it has ended.
    pub outcome: Option<Outcome>,
    pub reason: String,
    /// What is in progress.
    pub activity: String,
    pub began_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// Why it does not go on, as people are told.
    pub pending_reason: String,
    pub next_attempt: Option<Timestamp>,
    pub updated_at: Timestamp,
}

/// One record of a journal. `seq` counts from 1 without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub seq: u64,
    pub bytes: Vec<u8>,
}

/// A run's whole journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunJournal {
    pub run: RunId,
    pub records: Vec<Record>,
}

/// How many runs of a deployment are in one phase with one outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunCount {
    pub phase: String,
    pub outcome: Option<Outcome>,
    pub runs: u64,
}

/// The result of a server-side effect, remembered by the id of the effect so that it is not
/// carried out twice. Empty while it has only begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    pub run: RunId,
    pub attempt: u64,
    pub visit: u64,
    /// What the activity, a script, called for; 0 for the activity itself.
    pub part: u64,
    /// What that was, as it was first put; empty once there is a result.
    pub call: Vec<u8>,
    pub result: Vec<u8>,
}

/// A line of the audit log: refusals, sign-ons, who did what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub at: Timestamp,
    pub server: Option<ServerId>,
    pub kind: String,
    pub computer: Option<ComputerId>,
    pub deployment: Option<DeploymentId>,
    pub run: Option<RunId>,
    pub who: String,
    pub text: String,
}

/// An event with its place in the log, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    pub seq: u64,
    pub event: Event,
}

/// A named thing of which there are few: an action, a channel, a schedule. Its body is for whoever
/// wrote it to understand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub kind: String,
    /// Compared without case, within its kind.
    pub name: String,
    pub body: Vec<u8>,
    pub updated_by: String,
    pub updated_at: Timestamp,
}

/// A message for whoever administers the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The same for the same sending.
    pub key: Digest,
    pub at: Timestamp,
    /// Whom it is meant for, as its sender wrote it.
    pub to: String,
    pub subject: String,
    pub text: String,
    pub computer: Option<ComputerId>,
    pub deployment: Option<DeploymentId>,
    pub run: Option<RunId>,
}

/// A message with its number, counted from 1, and who has read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptMessage {
    pub seq: u64,
    pub message: Message,
    pub read: Option<Reading>,
}

/// That a message was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    pub by: String,
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub key: String,
    pub value: Vec<u8>,
}
