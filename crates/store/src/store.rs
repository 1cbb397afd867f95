//! The interface of every database, and how lists are asked for.
//!
//! Laws, kept by all implementors and checked by the conformance suite:
//! * a commit is all or nothing, and durable when it returns;
//! * a read sees every commit that returned before the read began;
//! * clones share one database;
//! * dropping the future of a commit leaves it done or not done, never half;
//! * names of computers, workflows and documents are compared in lower case, and lists by name
//!   are in that order.

use std::future::Future;
use std::pin::Pin;

use model::{ApplicationId, ComputerId, DeploymentId, Digest, RunId, ServerId, Timestamp, TokenId};

use crate::rows::{
    Agent, Application, ApplicationState, Association, Computer, Deployment, DeploymentCopy,
    Document, Effect, KeptMessage, LoggedEvent, Origin, Record, Run, RunCount, RunJournal, Server,
    Setting, Token, WantedHead, WantedSet, Warrant, Workflow,
};
use crate::{CommitError, Fence, ReadError, Write};

/// The answer to a question.
pub type Read<'a, T> = Pin<Box<dyn Future<Output = Result<T, ReadError>> + Send + 'a>>;

/// The end of a commit.
pub type Commit<'a> = Pin<Box<dyn Future<Output = Result<(), CommitError>> + Send + 'a>>;

/// Part of a list: at most `limit` rows that come after the one named, in the order of that list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<K> {
    pub after: Option<K>,
    pub limit: u32,
}

impl<K> Page<K> {
    pub const fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }

    pub const fn after(key: K, limit: u32) -> Self {
        Self { after: Some(key), limit }
    }

    pub const fn all() -> Self {
        Self::first(u32::MAX)
    }
}

/// What is not given does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ComputerFilter {
    /// Part of the name or host name, compared without case.
    pub search: Option<String>,
    /// Direct members of this group.
    pub parent: Option<ComputerId>,
    pub is_group: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    pub deployment: Option<DeploymentId>,
    pub computer: Option<ComputerId>,
    /// Without an outcome, or with one.
    pub is_open: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateFilter {
    pub computer: Option<ComputerId>,
    pub application: Option<ApplicationId>,
}

/// The order of application states: computer, application, user.
pub type StateKey = (ComputerId, ApplicationId, String);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    pub kind: Option<String>,
    pub computer: Option<ComputerId>,
    pub deployment: Option<DeploymentId>,
    pub run: Option<RunId>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Behind this place in the log.
    pub behind: Option<u64>,
}

pub trait Store: Send + Sync + 'static {
    /// Carries out all writes in one transaction, or none; durable when it returns.
    fn commit(&self, writes: Vec<Write>) -> Commit<'_>;

    /// The same, refused when the server's row holds a higher fence or there is no such server.
    fn commit_fenced(&self, fence: Fence, writes: Vec<Write>) -> Commit<'_>;

    /// Forgets every [`Run`]; the journals stay.
    fn clear_projections(&self) -> Commit<'_>;

    /// By name.
    fn servers(&self) -> Read<'_, Vec<Server>>;
    fn server(&self, id: ServerId) -> Read<'_, Option<Server>>;

    /// By name; the key of the page is a name.
    fn computers(&self, filter: ComputerFilter, page: Page<String>) -> Read<'_, Vec<Computer>>;
    fn computer(&self, id: ComputerId) -> Read<'_, Option<Computer>>;
    fn computer_by_name<'a>(&'a self, name: &'a str) -> Read<'a, Option<Computer>>;
    /// Everything in the group, groups among it and what is in them, without the group itself;
    /// by name.
    fn computers_in(&self, group: ComputerId) -> Read<'_, Vec<Computer>>;

    /// By computer.
    fn agents(&self, page: Page<ComputerId>) -> Read<'_, Vec<Agent>>;
    fn agent(&self, computer: ComputerId) -> Read<'_, Option<Agent>>;
    fn agent_by_key(&self, signing_key: [u8; 32]) -> Read<'_, Option<Agent>>;

    /// By id, which is by time.
    fn tokens(&self) -> Read<'_, Vec<Token>>;
    fn token(&self, id: TokenId) -> Read<'_, Option<Token>>;
    fn token_by_secret(&self, secret_digest: Digest) -> Read<'_, Option<Token>>;

    /// The latest revision of each, by name.
    fn workflows(&self) -> Read<'_, Vec<Workflow>>;
    /// That revision, or the latest.
    fn workflow<'a>(&'a self, name: &'a str, revision: Option<u64>) -> Read<'a, Option<Workflow>>;
    /// All revisions, oldest first.
    fn workflow_revisions<'a>(&'a self, name: &'a str) -> Read<'a, Vec<Workflow>>;

    /// Latest first.
    fn deployments(&self, page: Page<DeploymentId>) -> Read<'_, Vec<Deployment>>;
    fn deployment(&self, id: DeploymentId) -> Read<'_, Option<Deployment>>;
    /// What that activity has started.
    fn deployment_by_origin(&self, origin: Origin) -> Read<'_, Option<Deployment>>;
    fn deployment_records(&self, id: DeploymentId, from_seq: u64) -> Read<'_, Vec<Record>>;
    /// Edited copies of its workflow, by number.
    fn deployment_copies(&self, deployment: DeploymentId) -> Read<'_, Vec<DeploymentCopy>>;
    /// By number.
    fn warrants(&self, deployment: DeploymentId) -> Read<'_, Vec<Warrant>>;

    /// By id, which is by time.
    fn runs(&self, filter: RunFilter, page: Page<RunId>) -> Read<'_, Vec<Run>>;
    /// By target, then by id.
    fn runs_of(&self, deployment: DeploymentId) -> Read<'_, Vec<Run>>;
    /// Without those that were replaced.
    fn run_counts(&self, deployment: DeploymentId) -> Read<'_, Vec<RunCount>>;
    fn run(&self, id: RunId) -> Read<'_, Option<Run>>;
    fn journal(&self, run: RunId, from_seq: u64) -> Read<'_, Vec<Record>>;
    /// Journals of runs without an outcome, by id, empty ones too. Fewer than `limit` may come
    /// when they are long; none come only at the end.
    fn journals_of_open_runs(&self, page: Page<RunId>) -> Read<'_, Vec<RunJournal>>;
    /// Every journal, in the same way, whether a [`Run`] is known for it or not.
    fn journals(&self, page: Page<RunId>) -> Read<'_, Vec<RunJournal>>;
    /// By attempt, then by visit.
    fn effects(&self, run: RunId) -> Read<'_, Vec<Effect>>;

    /// Latest first; the key of the page is a place in the log.
    fn events(&self, filter: EventFilter, page: Page<u64>) -> Read<'_, Vec<LoggedEvent>>;
    /// By key.
    fn settings(&self) -> Read<'_, Vec<Setting>>;
    fn setting<'a>(&'a self, key: &'a str) -> Read<'a, Option<Setting>>;

    /// All or only those that nobody has read, latest first; the key of the page is a number.
    fn messages(&self, is_unread: bool, page: Page<u64>) -> Read<'_, Vec<KeptMessage>>;
    fn message(&self, seq: u64) -> Read<'_, Option<KeptMessage>>;
    fn message_by_key(&self, key: Digest) -> Read<'_, Option<KeptMessage>>;

    /// The latest revision of each, by name.
    fn applications(&self) -> Read<'_, Vec<Application>>;
    /// That revision, or the latest.
    fn application(
        &self,
        id: ApplicationId,
        revision: Option<u64>,
    ) -> Read<'_, Option<Application>>;
    /// The one that has the name in its latest revision.
    fn application_by_name<'a>(&'a self, name: &'a str) -> Read<'a, Option<Application>>;
    /// All revisions, oldest first.
    fn application_revisions(&self, id: ApplicationId) -> Read<'_, Vec<Application>>;
    /// By application, then by kind and name of whom it is for.
    fn associations(&self) -> Read<'_, Vec<Association>>;
    /// By computer.
    fn wanted_sets(&self) -> Read<'_, Vec<WantedSet>>;
    fn wanted_set(&self, computer: ComputerId) -> Read<'_, Option<WantedSet>>;
    /// The same without contents, by computer: of all machines this is read often.
    fn wanted_heads(&self) -> Read<'_, Vec<WantedHead>>;
    fn application_states(
        &self,
        filter: StateFilter,
        page: Page<StateKey>,
    ) -> Read<'_, Vec<ApplicationState>>;

    /// Of one kind, by name.
    fn documents<'a>(&'a self, kind: &'a str) -> Read<'a, Vec<Document>>;
    fn document<'a>(&'a self, kind: &'a str, name: &'a str) -> Read<'a, Option<Document>>;
}
