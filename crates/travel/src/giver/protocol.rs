//! What the loop is told, and what it says: inputs, writes, orders.

use std::collections::BTreeMap;
use std::sync::Arc;

use deployment::{Schedule, Scope};
use model::{ComputerId, DeploymentId, RunId, Timestamp};
use trust::TargetTree;
use workflow::{ActivityName, Context, Control, EffectId, Report, Workflow};

use super::{Reach, ThereOrder};
use crate::message::{Call, Holding, ToAgent, ToServer};

/// A target of a new deployment, in the order of the warrant's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTarget {
    pub computer: ComputerId,
    pub run: RunId,
    /// The encoded leaf.
    pub leaf: Vec<u8>,
    pub reach: Reach,
}

/// A deployment to begin, its rows already on their way into the database.
#[derive(Debug, Clone)]
pub struct NewDeployment {
    pub id: DeploymentId,
    pub schedule: Schedule,
    pub workflow: Arc<Workflow>,
    pub definition: Arc<[u8]>,
    pub variables: Arc<BTreeMap<String, String>>,
    pub warrant: Arc<[u8]>,
    pub tree: TargetTree,
    pub targets: Vec<NewTarget>,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum GiverInput {
    Deploy(Box<NewDeployment>),
    Control {
        deployment: DeploymentId,
        scope: Scope,
        control: Control,
        by: String,
    },
    StopMoved {
        deployment: DeploymentId,
        at: Option<Timestamp>,
        by: String,
    },
    /// Give up machines that will not return; their runs never go on anywhere.
    CloseLost {
        deployment: DeploymentId,
        scope: Scope,
        by: String,
    },
    SetMaxTargets(usize),
    Connected {
        computer: ComputerId,
        session: u64,
        holdings: Vec<Holding>,
    },
    Disconnected {
        computer: ComputerId,
        session: u64,
    },
    Message {
        computer: ComputerId,
        session: u64,
        message: ToServer,
    },
    /// An activity of the server ended, or one that it does on a target without agent.
    Ended {
        effect: EffectId,
        report: Report,
    },
    Tick,
}

/// What must be durable, all in one transaction, before any order is acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GiverWrite {
    DeploymentRecord {
        deployment: DeploymentId,
        seq: u64,
        bytes: Vec<u8>,
    },
    Journal {
        run: RunId,
        seq: u64,
        frame: Vec<u8>,
    },
    /// An activity of the server begins (no report) or has ended. With what a script called for,
    /// where it begins for one.
    Effect {
        effect: EffectId,
        call: Option<Call>,
        report: Option<Report>,
    },
    /// For the log of events: who did what to whom, what was refused and why.
    Event {
        kind: &'static str,
        computer: Option<ComputerId>,
        run: Option<RunId>,
        text: String,
    },
}

/// What is to be done once all writes are durable.
#[derive(Debug, Clone, PartialEq)]
pub enum GiverOrder {
    Send {
        computer: ComputerId,
        session: u64,
        message: ToAgent,
    },
    /// Carry an activity of the server out.
    Begin {
        effect: EffectId,
        activity: ActivityName,
        /// What the activity, a script, calls for.
        call: Option<Call>,
        workflow: Arc<Workflow>,
        context: Box<Context>,
        /// It was begun before the loop was opened, and nobody knows how far it came.
        again: bool,
    },
    Interrupt {
        effect: EffectId,
    },
    /// For a target without agent, whose runs never leave the server.
    There {
        computer: ComputerId,
        order: ThereOrder,
    },
    /// Tell connected agents of the trust document of now.
    TellTrust,
    /// An agent spoke of a run that is not open here: forget or fence it, as the database says.
    LookUp {
        computer: ComputerId,
        session: u64,
        run: RunId,
    },
}

/// What became of an effect of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// With what a script called for, where it is for one.
    Begun(Option<Call>),
    Ended(Report),
}
