//! Reading from memory.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;

use model::{ApplicationId, ComputerId, DeploymentId, Digest, RunId, ServerId, TokenId};

use super::{MemoryStore, State};
use crate::rows::{
    Agent, Application, ApplicationState, Association, Computer, Deployment, DeploymentCopy,
    Document, Effect, KeptMessage, LoggedEvent, Origin, Record, Run, RunCount, RunJournal, Server,
    Setting, Token, WantedHead, WantedSet, Warrant, Workflow,
};
use crate::store::{
    Commit, ComputerFilter, EventFilter, Page, Read, RunFilter, StateFilter, StateKey, Store,
};
use crate::write::name_key;
use crate::{Fence, Write};

impl MemoryStore {
    fn read<T: Send + 'static>(&self, read: impl FnOnce(&State) -> T) -> Read<'_, T> {
        Box::pin(ready(Ok(read(&self.lock()))))
    }
}

impl Store for MemoryStore {
    fn commit(&self, writes: Vec<Write>) -> Commit<'_> {
        Box::pin(async move { self.lock().commit(writes) })
    }

    fn commit_fenced(&self, fence: Fence, writes: Vec<Write>) -> Commit<'_> {
        Box::pin(async move {
            let mut state = self.lock();
            state.check_fence(fence)?;
            state.commit(writes)
        })
    }

    fn clear_projections(&self) -> Commit<'_> {
        Box::pin(async move {
            self.lock().runs.clear();
            Ok(())
        })
    }

    fn servers(&self) -> Read<'_, Vec<Server>> {
        self.read(|state| {
            let mut all: Vec<_> = state.servers.values().cloned().collect();
            all.sort_by_cached_key(|server| name_key(&server.name));
            all
        })
    }

    fn server(&self, id: ServerId) -> Read<'_, Option<Server>> {
        self.read(|state| state.servers.get(&id).cloned())
    }

    fn computers(&self, filter: ComputerFilter, page: Page<String>) -> Read<'_, Vec<Computer>> {
        self.read(|state| state.computers(&filter, &page))
    }

    fn computer(&self, id: ComputerId) -> Read<'_, Option<Computer>> {
        self.read(|state| state.computers.get(&id).cloned())
    }

    fn computer_by_name<'a>(&'a self, name: &'a str) -> Read<'a, Option<Computer>> {
        self.read(|state| {
            let id = state.names.get(&name_key(name))?;
            state.computers.get(id).cloned()
        })
    }

    fn computers_in(&self, group: ComputerId) -> Read<'_, Vec<Computer>> {
        self.read(|state| state.computers_in(group))
    }

    fn agents(&self, page: Page<ComputerId>) -> Read<'_, Vec<Agent>> {
        self.read(|state| {
            let rows = state.agents.values().filter(|row| Some(row.computer) > page.after);
            rows.take(page.limit as usize).cloned().collect()
        })
    }

    fn agent(&self, computer: ComputerId) -> Read<'_, Option<Agent>> {
        self.read(|state| state.agents.get(&computer).cloned())
    }

    fn agent_by_key(&self, signing_key: [u8; 32]) -> Read<'_, Option<Agent>> {
        self.read(|state| {
            let computer = state.agent_keys.get(&signing_key)?;
            state.agents.get(computer).cloned()
        })
    }

    fn tokens(&self) -> Read<'_, Vec<Token>> {
        self.read(|state| state.tokens.values().cloned().collect())
    }

    fn token(&self, id: TokenId) -> Read<'_, Option<Token>> {
        self.read(|state| state.tokens.get(&id).cloned())
    }

    fn token_by_secret(&self, secret_digest: Digest) -> Read<'_, Option<Token>> {
        self.read(|state| {
            state.tokens.values().find(|token| token.secret_digest == secret_digest).cloned()
        })
    }

    fn workflows(&self) -> Read<'_, Vec<Workflow>> {
        self.read(|state| {
            let mut latest = BTreeMap::new();
            for ((key, _), workflow) in state.workflows.range(..) {
                latest.insert(key, workflow);
            }
            latest.into_values().cloned().collect()
        })
    }

    fn workflow<'a>(&'a self, name: &'a str, revision: Option<u64>) -> Read<'a, Option<Workflow>> {
        self.read(|state| {
            let mut revisions = state.workflow_revisions(name);
            match revision {
                Some(wanted) => revisions.find(|workflow| workflow.revision == wanted),
                None => revisions.next_back(),
            }
            .cloned()
        })
    }

    fn workflow_revisions<'a>(&'a self, name: &'a str) -> Read<'a, Vec<Workflow>> {
        self.read(|state| state.workflow_revisions(name).cloned().collect())
    }

    fn deployments(&self, page: Page<DeploymentId>) -> Read<'_, Vec<Deployment>> {
        self.read(|state| {
            let rows = state.deployments.values().rev();
            let rows = rows.filter(|row| page.after.is_none_or(|after| row.id < after));
            rows.take(page.limit as usize).cloned().collect()
        })
    }

    fn deployment(&self, id: DeploymentId) -> Read<'_, Option<Deployment>> {
        self.read(|state| state.deployments.get(&id).cloned())
    }

    fn deployment_by_origin(&self, origin: Origin) -> Read<'_, Option<Deployment>> {
        self.read(|state| state.deployments.get(state.origins.get(&origin)?).cloned())
    }

    fn deployment_records(&self, id: DeploymentId, from_seq: u64) -> Read<'_, Vec<Record>> {
        self.read(|state| {
            let rows = state.deployment_records.range((id, from_seq)..=(id, u64::MAX));
            rows.map(|((_, seq), bytes)| Record { seq: *seq, bytes: bytes.clone() }).collect()
        })
    }

    fn deployment_copies(&self, deployment: DeploymentId) -> Read<'_, Vec<DeploymentCopy>> {
        self.read(|state| {
            let rows = state.copies.range((deployment, 0)..=(deployment, u64::MAX));
            rows.map(|(_, copy)| copy.clone()).collect()
        })
    }

    fn warrants(&self, deployment: DeploymentId) -> Read<'_, Vec<Warrant>> {
        self.read(|state| {
            let rows = state.warrants.range((deployment, 0)..=(deployment, u64::MAX));
            rows.map(|(_, warrant)| warrant.clone()).collect()
        })
    }

    fn runs(&self, filter: RunFilter, page: Page<RunId>) -> Read<'_, Vec<Run>> {
        self.read(|state| {
            let rows = state.runs.values().filter(|row| Some(row.run) > page.after);
            let rows = rows.filter(|row| fits_run(&filter, row));
            rows.take(page.limit as usize).cloned().collect()
        })
    }

    fn runs_of(&self, deployment: DeploymentId) -> Read<'_, Vec<Run>> {
        self.read(|state| {
            let rows = state.runs.values().filter(|row| row.deployment == deployment);
            let mut rows: Vec<_> = rows.cloned().collect();
            rows.sort_by_key(|row| (row.target, row.run));
            rows
        })
    }

    fn run_counts(&self, deployment: DeploymentId) -> Read<'_, Vec<RunCount>> {
        self.read(|state| {
            let mut counts = BTreeMap::new();
            let is_meant = |row: &&Run| row.deployment == deployment && !row.is_replaced;
            for run in state.runs.values().filter(is_meant) {
                let outcome = run.outcome.map(model::Outcome::as_str);
                let key = (run.phase.clone(), outcome);
                counts.entry(key).or_insert((run.outcome, 0)).1 += 1;
            }
            let counts = counts.into_iter();
            counts.map(|((phase, _), (outcome, runs))| RunCount { phase, outcome, runs }).collect()
        })
    }

    fn run(&self, id: RunId) -> Read<'_, Option<Run>> {
        self.read(|state| state.runs.get(&id).cloned())
    }

    fn journal(&self, run: RunId, from_seq: u64) -> Read<'_, Vec<Record>> {
        self.read(|state| state.journal(run, from_seq))
    }

    fn journals_of_open_runs(&self, page: Page<RunId>) -> Read<'_, Vec<RunJournal>> {
        self.read(|state| {
            let rows = state.runs.values().filter(|row| row.outcome.is_none());
            state.journals_of(rows.map(|row| row.run), &page)
        })
    }

    fn journals(&self, page: Page<RunId>) -> Read<'_, Vec<RunJournal>> {
        self.read(|state| {
            let runs: BTreeSet<_> = state.journal.range(..).map(|((run, _), _)| *run).collect();
            state.journals_of(runs.into_iter(), &page)
        })
    }

    fn effects(&self, run: RunId) -> Read<'_, Vec<Effect>> {
        self.read(|state| {
            let rows = state.effects.range((run, 0, 0, 0)..=(run, u64::MAX, u64::MAX, u64::MAX));
            rows.map(|(_, effect)| effect.clone()).collect()
        })
    }

    fn events(&self, filter: EventFilter, page: Page<u64>) -> Read<'_, Vec<LoggedEvent>> {
        self.read(|state| {
            let rows = state.events.range(..page.after.unwrap_or(u64::MAX)).rev();
            let rows = rows.map(|(_, row)| row).filter(|row| fits_event(&filter, row));
            rows.take(page.limit as usize).cloned().collect()
        })
    }

    fn settings(&self) -> Read<'_, Vec<Setting>> {
        self.read(|state| state.settings.values().cloned().collect())
    }

    fn setting<'a>(&'a self, key: &'a str) -> Read<'a, Option<Setting>> {
        self.read(|state| state.settings.get(&key.to_owned()).cloned())
    }

    fn messages(&self, is_unread: bool, page: Page<u64>) -> Read<'_, Vec<KeptMessage>> {
        self.read(|state| {
            let rows = state.messages.range(..page.after.unwrap_or(u64::MAX)).rev();
            let rows = rows.map(|(_, row)| row).filter(|row| !is_unread || row.read.is_none());
            rows.take(page.limit as usize).cloned().collect()
        })
    }

    fn message(&self, seq: u64) -> Read<'_, Option<KeptMessage>> {
        self.read(|state| state.messages.get(&seq).cloned())
    }

    fn message_by_key(&self, key: Digest) -> Read<'_, Option<KeptMessage>> {
        self.read(|state| state.messages.get(state.message_keys.get(&key)?).cloned())
    }

    fn applications(&self) -> Read<'_, Vec<Application>> {
        self.read(State::latest_applications)
    }

    fn application(
        &self,
        id: ApplicationId,
        revision: Option<u64>,
    ) -> Read<'_, Option<Application>> {
        self.read(|state| {
            let mut revisions = state.revisions_of(id);
            match revision {
                Some(wanted) => revisions.find(|row| row.revision == wanted),
                None => revisions.next_back(),
            }
            .cloned()
        })
    }

    fn application_by_name<'a>(&'a self, name: &'a str) -> Read<'a, Option<Application>> {
        self.read(|state| {
            let key = name_key(name);
            state.latest_applications().into_iter().find(|row| name_key(&row.name) == key)
        })
    }

    fn application_revisions(&self, id: ApplicationId) -> Read<'_, Vec<Application>> {
        self.read(|state| state.revisions_of(id).cloned().collect())
    }

    fn associations(&self) -> Read<'_, Vec<Association>> {
        self.read(State::sorted_associations)
    }

    fn wanted_sets(&self) -> Read<'_, Vec<WantedSet>> {
        self.read(|state| state.wanted_sets.values().cloned().collect())
    }

    fn wanted_heads(&self) -> Read<'_, Vec<WantedHead>> {
        self.read(State::wanted_heads)
    }

    fn wanted_set(&self, computer: ComputerId) -> Read<'_, Option<WantedSet>> {
        self.read(|state| state.wanted_sets.get(&computer).cloned())
    }

    fn application_states(
        &self,
        filter: StateFilter,
        page: Page<StateKey>,
    ) -> Read<'_, Vec<ApplicationState>> {
        self.read(|state| state.application_states(&filter, &page))
    }

    fn documents<'a>(&'a self, kind: &'a str) -> Read<'a, Vec<Document>> {
        self.read(|state| {
            let rows = state.documents.range((kind.to_owned(), String::new())..);
            rows.take_while(|((held, _), _)| held == kind).map(|(_, row)| row.clone()).collect()
        })
    }

    fn document<'a>(&'a self, kind: &'a str, name: &'a str) -> Read<'a, Option<Document>> {
        self.read(|state| state.documents.get(&(kind.to_owned(), name_key(name))).cloned())
    }
}

impl State {
    fn computers(&self, filter: &ComputerFilter, page: &Page<String>) -> Vec<Computer> {
        let after = page.after.as_deref().map(name_key);
        let rows = self.names.range(..).filter(|(key, _)| Some(*key) > after.as_ref());
        rows.filter_map(|(_, id)| self.computers.get(id))
            .filter(|row| fits_computer(filter, row))
            .take(page.limit as usize)
            .cloned()
            .collect()
    }

    fn computers_in(&self, group: ComputerId) -> Vec<Computer> {
        let mut groups = vec![group];
        let mut found = BTreeMap::new();
        while let Some(group) = groups.pop() {
            for row in self.computers.values().filter(|row| row.computer.parent == Some(group)) {
                found.insert(name_key(&row.computer.name), row.clone());
                groups.extend(row.computer.is_group.then_some(row.computer.id));
            }
        }
        found.into_values().collect()
    }

    fn workflow_revisions(&self, name: &str) -> impl DoubleEndedIterator<Item = &Workflow> {
        let key = name_key(name);
        let all = (key.clone(), 0)..=(key, u64::MAX);
        self.workflows.range(all).map(|(_, workflow)| workflow)
    }

    fn journal(&self, run: RunId, from_seq: u64) -> Vec<Record> {
        let rows = self.journal.range((run, from_seq)..=(run, u64::MAX));
        rows.map(|((_, seq), bytes)| Record { seq: *seq, bytes: bytes.clone() }).collect()
    }

    fn journals_of(
        &self,
        runs: impl Iterator<Item = RunId>,
        page: &Page<RunId>,
    ) -> Vec<RunJournal> {
        let runs = runs.filter(|run| Some(*run) > page.after).take(page.limit as usize);
        runs.map(|run| RunJournal { run, records: self.journal(run, 0) }).collect()
    }
}

fn fits_computer(filter: &ComputerFilter, row: &Computer) -> bool {
    let computer = &row.computer;
    let found = |part: &String| {
        let part = name_key(part);
        name_key(&computer.name).contains(&part) || name_key(&computer.host_name).contains(&part)
    };
    filter.search.as_ref().is_none_or(found)
        && filter.parent.is_none_or(|parent| computer.parent == Some(parent))
        && filter.is_group.is_none_or(|is_group| computer.is_group == is_group)
}

fn fits_run(filter: &RunFilter, row: &Run) -> bool {
    filter.deployment.is_none_or(|deployment| row.deployment == deployment)
        && filter.computer.is_none_or(|computer| row.computer == computer)
        && filter.is_open.is_none_or(|is_open| row.outcome.is_none() == is_open)
}

fn fits_event(filter: &EventFilter, row: &LoggedEvent) -> bool {
    let event = &row.event;
    filter.kind.as_ref().is_none_or(|kind| event.kind == *kind)
        && (filter.computer.is_none() || event.computer == filter.computer)
        && (filter.deployment.is_none() || event.deployment == filter.deployment)
        && (filter.run.is_none() || event.run == filter.run)
        && filter.from.is_none_or(|from| event.at >= from)
        && filter.until.is_none_or(|until| event.at < until)
        && filter.behind.is_none_or(|seq| row.seq > seq)
}
