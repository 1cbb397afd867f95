//! What may be written, and why a list of writes may be refused.
//!
//! A [`Write`] is data. A commit carries its writes out in the order given, except that journal
//! records, deployment records, runs, effects and events, on which no other kind depends, may be
//! carried out together at the end.

use model::{ApplicationId, ComputerId, DeploymentId, RunId, ServerId, Timestamp, TokenId};

use crate::DatabaseError;
use crate::rows::{
    Agent, Application, ApplicationState, Assigned, Association, Computer, Deployment,
    DeploymentCopy, Document, Effect, Event, Message, Origin, Reading, Run, Server, Setting, Token,
    WantedSet, Warrant, Workflow,
};

/// One change. `Put…` writes the row whether it was there or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Refused when it would lower the fence or take another server's name.
    PutServer(Server),
    /// Refused when the name is taken, or the parent is missing, no group, or inside the computer.
    PutComputer(Computer),
    /// Takes its agent, wanted set and application states along. Refused while it is a group with
    /// members.
    RemoveComputer(ComputerId),
    /// Refused when another computer's agent has the same signing key.
    PutAgent(Agent),
    /// Refused when there is no such agent.
    TouchAgent {
        computer: ComputerId,
        last_seen: Timestamp,
        counter: u64,
        address: String,
    },
    /// The agent holds that trust document. Refused when there is no such agent.
    AgentTrust {
        computer: ComputerId,
        number: u64,
    },
    PutToken(Token),
    /// Takes one use, at the time `at`. Refused when none is left, it expired or was revoked.
    UseToken {
        id: TokenId,
        at: Timestamp,
    },
    RevokeToken(TokenId),
    /// Refused when the revision is not the one after the last.
    PutWorkflow(Workflow),
    /// Refused when its origin has started another.
    PutDeployment(Deployment),
    /// Refused when `seq` is not the one after the last.
    AppendDeploymentRecord {
        deployment: DeploymentId,
        seq: u64,
        bytes: Vec<u8>,
    },
    /// Refused when the number is not the one after the last; the first is 2.
    PutDeploymentCopy(DeploymentCopy),
    /// Refused when the deployment has another warrant with that number.
    PutWarrant(Warrant),
    /// Refused when the run is of another deployment or computer.
    PutRun(Run),
    /// Refused when `seq` is not the one after the last: no gaps, no overwriting.
    AppendJournal {
        run: RunId,
        seq: u64,
        bytes: Vec<u8>,
    },
    /// Refused when another result is already remembered for the same effect. An empty result means
    /// that it has begun; that one is replaced, once.
    PutEffect(Effect),
    AppendEvent(Event),
    PutSetting(Setting),
    /// Does nothing when a message with that key is there.
    PutMessage(Message),
    /// The first reading counts. Refused when there is no such message.
    ReadMessage {
        seq: u64,
        reading: Reading,
    },
    PutDocument(Document),
    /// Refused when there is no such document.
    RemoveDocument {
        kind: String,
        name: String,
    },
    /// Refused when the revision is not the one after the last, or the name is another's.
    PutApplication(Application),
    /// All its revisions. Refused when there is none, or while it is associated.
    RemoveApplication(ApplicationId),
    /// Refused when there is no such application.
    PutAssociation(Association),
    /// Refused when there is no such association.
    RemoveAssociation {
        application: ApplicationId,
        to: Assigned,
    },
    /// Refused when there is no such computer, or its serial is not larger than the last.
    PutWantedSet(WantedSet),
    /// The machine holds the set with that serial. Does nothing when it has none.
    WantedSetTaken {
        computer: ComputerId,
        serial: u64,
    },
    /// The envelope of all sets with that serial has more signatures. Does nothing when there are
    /// none.
    SignWantedSets {
        serial: u64,
        envelope: Vec<u8>,
    },
    /// Does nothing when a later one is there. Refused when there is no such computer.
    PutApplicationState(ApplicationState),
    /// Does nothing when it is not there.
    RemoveApplicationState {
        computer: ComputerId,
        application: ApplicationId,
        user: String,
    },
}

/// What a server proves when it writes: that nobody has taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    pub server: ServerId,
    pub fence: u64,
}

/// Why nothing was written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// `index` is the place of the refused write in the list.
    #[error("write {index} was refused")]
    Refused {
        index: usize,
        #[source]
        refusal: Refusal,
    },
    #[error(
        "another server took over from {server}: the database holds fence {held}, this is {ours}"
    )]
    Fenced { server: ServerId, held: u64, ours: u64 },
    #[error("{server} is not a server of this database")]
    UnknownServer { server: ServerId },
    #[error("the database could not commit")]
    Database(#[from] DatabaseError),
    /// The [`crate::Writer`] has been stopped.
    #[error("the server is stopping and takes no more writes")]
    Stopped,
}

/// A law that a write would have broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the journal of run {run} goes on with record {expected}, not {got}")]
    JournalGap { run: RunId, expected: u64, got: u64 },
    #[error("the records of deployment {deployment} go on with {expected}, not {got}")]
    DeploymentGap { deployment: DeploymentId, expected: u64, got: u64 },
    #[error("workflow `{name}` goes on with revision {expected}, not {got}; read it again first")]
    RevisionGap { name: String, expected: u64, got: u64 },
    #[error("there is no computer {0}")]
    NoComputer(ComputerId),
    #[error("the name `{name}` is taken by {by}; names are compared without case")]
    NameTaken { name: String, by: String },
    #[error("the group {parent} that `{name}` should be in does not exist")]
    NoParent { name: String, parent: ComputerId },
    #[error("`{parent}`, where `{name}` should be in, is a computer and not a group")]
    ParentIsNoGroup { name: String, parent: String },
    #[error("the group `{name}` cannot be in `{parent}`, because `{parent}` is in `{name}`")]
    GroupInItself { name: String, parent: String },
    #[error("the group `{name}` has members; move or remove them first")]
    GroupHasMembers { name: String },
    #[error("computer {0} has no agent")]
    NoAgent(ComputerId),
    #[error("the agent key of computer {computer} already belongs to computer {owner}")]
    KeyTaken { computer: ComputerId, owner: ComputerId },
    #[error("there is no token {0}")]
    NoToken(TokenId),
    #[error("token {0} has no uses left")]
    TokenSpent(TokenId),
    #[error("token {0} has expired")]
    TokenExpired(TokenId),
    #[error("token {0} was revoked")]
    TokenRevoked(TokenId),
    #[error(
        "the copies of deployment {deployment} go on with {expected}, not {got}; read them again"
    )]
    CopyGap { deployment: DeploymentId, expected: u64, got: u64 },
    #[error("deployment {deployment} has another warrant {seq}; a warrant is never changed")]
    WarrantDiffers { deployment: DeploymentId, seq: u64 },
    #[error("run {0} belongs to another deployment or computer")]
    RunMoved(RunId),
    #[error(
        "attempt {attempt}, visit {visit}, part {part} of run {run} already has another result"
    )]
    EffectDiffers { run: RunId, attempt: u64, visit: u64, part: u64 },
    #[error("the fence of server {server} is {held} and cannot go back to {got}")]
    FenceWentBack { server: ServerId, held: u64, got: u64 },
    #[error("there is no {kind} `{name}`")]
    NoDocument { kind: String, name: String },
    #[error(
        "attempt {}, visit {} of run {} has started deployment {by}",
        .origin.attempt, .origin.visit, .origin.run
    )]
    OriginTaken { origin: Origin, by: DeploymentId },
    #[error("there is no message {0}")]
    NoMessage(u64),
    #[error(
        "application `{name}` goes on with revision {expected}, not {got}; read it again first"
    )]
    PublicationGap { name: String, expected: u64, got: u64 },
    #[error("there is no application {0}")]
    NoApplication(ApplicationId),
    #[error("application {0} is associated; remove its associations first")]
    ApplicationInUse(ApplicationId),
    #[error("application {application} is not associated with that {kind}: {name}")]
    NoAssociation { application: ApplicationId, kind: &'static str, name: String },
    #[error("computer {computer} was told set {held} and cannot be told {got} after it")]
    SerialWentBack { computer: ComputerId, held: u64, got: u64 },
    #[error("{what} is too large a number: {number}")]
    TooLarge { what: &'static str, number: u64 },
}

/// Records and revisions count from here.
pub(crate) const FIRST: u64 = 1;
/// The deployment itself holds the first copy.
pub(crate) const FIRST_COPY: u64 = 2;

/// The form in which names are compared.
pub(crate) fn name_key(name: &str) -> String {
    name.to_lowercase()
}

impl Token {
    /// One use of this token at the time `at`.
    pub(crate) fn take_use(&mut self, at: Timestamp) -> Result<(), Refusal> {
        if self.revoked {
            return Err(Refusal::TokenRevoked(self.id));
        }
        if at >= self.expires_at {
            return Err(Refusal::TokenExpired(self.id));
        }
        self.uses_left = self.uses_left.checked_sub(1).ok_or(Refusal::TokenSpent(self.id))?;
        Ok(())
    }
}

/// Refuses numbers that a database's signed 64 bits cannot hold.
pub(crate) fn check_numbers(write: &Write) -> Result<(), Refusal> {
    let numbers: &[(&'static str, u64)] = match write {
        Write::PutServer(server) => &[("fence", server.fence)],
        Write::PutAgent(agent) => {
            &[("counter", agent.counter), ("trust document", agent.trust_number)]
        }
        Write::AgentTrust { number, .. } => &[("trust document", *number)],
        Write::TouchAgent { counter, .. } => &[("counter", *counter)],
        Write::PutDeployment(Deployment { revision, origin: Some(origin), .. }) => {
            let Origin { attempt, visit, part, .. } = origin;
            &[("revision", *revision), ("attempt", *attempt), ("visit", *visit), ("part", *part)]
        }
        Write::PutDeployment(deployment) => &[("revision", deployment.revision)],
        Write::PutWarrant(warrant) => &[("seq", warrant.seq), ("copy", warrant.copy)],
        Write::PutRun(run) => &[
            ("warrant", run.warrant),
            ("copy", run.copy),
            ("target", run.target),
            ("epoch", run.epoch),
        ],
        Write::ReadMessage { seq, .. } => &[("number", *seq)],
        Write::PutApplication(row) => &[("files", row.source_files), ("bytes", row.source_bytes)],
        Write::PutWantedSet(row) => &[("serial", row.serial), ("serial", row.taken)],
        Write::WantedSetTaken { serial, .. } | Write::SignWantedSets { serial, .. } => {
            &[("serial", *serial)]
        }
        Write::PutApplicationState(row) => &[("drift", row.drift)],
        Write::PutEffect(Effect { attempt, visit, part, .. }) => {
            &[("attempt", *attempt), ("visit", *visit), ("part", *part)]
        }
        // The law that a number follows the last one bounds it.
        Write::PutWorkflow(_)
        | Write::PutDeploymentCopy(_)
        | Write::AppendDeploymentRecord { .. }
        | Write::AppendJournal { .. }
        | Write::PutComputer(_)
        | Write::RemoveComputer(_)
        | Write::PutToken(_)
        | Write::UseToken { .. }
        | Write::RevokeToken(_)
        | Write::AppendEvent(_)
        | Write::PutSetting(_)
        | Write::PutMessage(_)
        | Write::PutDocument(_)
        | Write::RemoveApplication(_)
        | Write::PutAssociation(_)
        | Write::RemoveAssociation { .. }
        | Write::RemoveApplicationState { .. }
        | Write::RemoveDocument { .. } => &[],
    };
    match numbers.iter().find(|(_, number)| i64::try_from(*number).is_err()) {
        Some(&(what, number)) => Err(Refusal::TooLarge { what, number }),
        None => Ok(()),
    }
}
