//! What is said over the HTTP API: requests and answers, shared by server and client.
//!
//! Times are milliseconds since 1970-01-01 UTC; ids are UUIDs as text. Nothing here is used inside
//! the engines; the server converts.

mod action;
mod application;
mod deployment;
mod fleet;
mod keys;
mod message;
mod release;
mod schedule;
mod secret;
mod server;
mod signature;
mod ssh;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use action::{Action, ActionResult, ActionRun, NewAction};
pub use application::{
    Application, ApplicationDetail, ApplicationState, Assigned, Association, AssociationGone,
    ComputerApplications, NewApplication, NewAssociation, Published, WantedApplication,
};
pub use deployment::{
    ControlRequest, Deployed, Deployment, DeploymentCopy, DeploymentDetail, DeploymentEdited,
    DeploymentPlan, Finding, Log, NewDeployment, NewWorkflow, PlannedTarget, Restart, Restarted,
    Run, RunDetail, RunPath, Step, Targets, Waiting, Workflow, WorkflowChecked,
};
pub use fleet::{
    Agent, Call, Called, Computer, Event, NewComputer, NewToken, Server, ServerSettings, Signals,
    Token, TokenMade, Wake, Woken,
};
pub use keys::{
    Key, KeyRevocation, KeyRotation, Keys, KeysChanged, LaggingAgent, SignedDocument, TrustDocument,
};

pub use server::{
    LogSettings, LoggedError, Refreshed, Reloaded, ServerChange, ServerRecord, ServerStatus,
};

pub use message::{
    Channel, ChannelTest, Delivered, MailChannel, Message, NamedChannel, WebhookChannel,
};
pub use release::{Installer, NewRelease, NewUpdate, Program, Release, Update, UpdateMachine};
pub use secret::{NewSecret, Secret, SecretTest};
pub use signature::{ComputerToSign, SignedEnvelope, ToSign, Unsigned};
pub use ssh::{SshLogin, SshPolicy, SshTested, SshTrust, SshTrusted, SshWay};

pub use schedule::{NewSchedule, Schedule, ScheduleStart};

/// What went wrong: a code for machines, a sentence for people, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `DH-A…`, explained by `deskhand explain`.
    pub code: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What is wrong with the workflow, when it is that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Listing<T> {
    pub items: Vec<T>,
    /// Give it as `after` to read on; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One live change, as a server-sent event tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    Deployment {
        deployment: Deployment,
    },
    Run {
        run: Run,
    },
    /// A schedule was changed, removed, or has begun something.
    Schedule {
        name: String,
    },
    /// Output of a command, as it comes.
    Output {
        run: String,
        computer: String,
        activity: String,
        stream: String,
        text: String,
    },
    /// A message for administrators came, or was read.
    Message {
        message: Message,
    },
    /// The reader was too slow and missed changes: read anew.
    Missed,
}

/// `GET /api/health`, the one operation that needs no authorization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    pub status: String,
    pub version: String,
}
