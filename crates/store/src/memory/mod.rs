//! The database in memory, for simulators and tests: the same laws, nothing outlives the last
//! clone.
//!
//! Its futures are ready at the first poll and start no thread, so that a simulator decides the
//! order of everything.

mod applications;
mod apply;
mod read;
mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{ApplicationId, ComputerId, DeploymentId, Digest, RunId, ServerId, TokenId};

use self::table::Table;
use crate::rows::{
    Agent, Application, ApplicationState, Assigned, Association, Computer, Deployment,
    DeploymentCopy, Document, Effect, KeptMessage, LoggedEvent, Origin, Run, Server, Setting,
    Token, WantedSet, Warrant, Workflow,
};
use crate::store::StateKey;
use crate::{CommitError, Fence, Write};

/// Keeps everything in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    servers: Table<ServerId, Server>,
    computers: Table<ComputerId, Computer>,
    /// Lower-case name to computer.
    names: Table<String, ComputerId>,
    agents: Table<ComputerId, Agent>,
    agent_keys: Table<[u8; 32], ComputerId>,
    tokens: Table<TokenId, Token>,
    workflows: Table<(String, u64), Workflow>,
    deployments: Table<DeploymentId, Deployment>,
    origins: Table<Origin, DeploymentId>,
    deployment_records: Table<(DeploymentId, u64), Vec<u8>>,
    copies: Table<(DeploymentId, u64), DeploymentCopy>,
    warrants: Table<(DeploymentId, u64), Warrant>,
    runs: Table<RunId, Run>,
    journal: Table<(RunId, u64), Vec<u8>>,
    effects: Table<(RunId, u64, u64, u64), Effect>,
    events: Table<u64, LoggedEvent>,
    settings: Table<String, Setting>,
    messages: Table<u64, KeptMessage>,
    message_keys: Table<Digest, u64>,
    /// By kind, then by lower-case name.
    documents: Table<(String, String), Document>,
    applications: Table<(ApplicationId, u64), Application>,
    associations: Table<(ApplicationId, Assigned), Association>,
    wanted_sets: Table<ComputerId, WantedSet>,
    states: Table<StateKey, ApplicationState>,
}

/// Calls one method on every table.
macro_rules! every_table {
    ($state:ident, $method:ident) => {
        $state.servers.$method();
        $state.computers.$method();
        $state.names.$method();
        $state.agents.$method();
        $state.agent_keys.$method();
        $state.tokens.$method();
        $state.workflows.$method();
        $state.deployments.$method();
        $state.origins.$method();
        $state.deployment_records.$method();
        $state.copies.$method();
        $state.warrants.$method();
        $state.runs.$method();
        $state.journal.$method();
        $state.effects.$method();
        $state.events.$method();
        $state.settings.$method();
        $state.messages.$method();
        $state.message_keys.$method();
        $state.documents.$method();
        $state.applications.$method();
        $state.associations.$method();
        $state.wanted_sets.$method();
        $state.states.$method();
    };
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    /// A panic elsewhere cannot have left a commit half done: see [`State::commit`].
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn commit(&mut self, writes: Vec<Write>) -> Result<(), CommitError> {
        // What a commit that panicked has left.
        self.take_back();
        for (index, write) in writes.into_iter().enumerate() {
            if let Err(refusal) = self.apply(write) {
                self.take_back();
                return Err(CommitError::Refused { index, refusal });
            }
        }
        every_table!(self, keep);
        Ok(())
    }

    fn take_back(&mut self) {
        every_table!(self, take_back);
    }

    fn check_fence(&self, Fence { server, fence: ours }: Fence) -> Result<(), CommitError> {
        let held = self.fence(server).ok_or(CommitError::UnknownServer { server })?;
        if held > ours {
            return Err(CommitError::Fenced { server, held, ours });
        }
        Ok(())
    }
}
