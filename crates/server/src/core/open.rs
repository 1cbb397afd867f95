//! Opening the loop from the database: every deployment that has not ended, with all its runs.
//!
//! What cannot be read is set aside by itself and told; the rest goes on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use model::{ComputerId, DeploymentId, Outcome, RunId, ServerId, Timestamp};
use store::rows;
use store::{Page, ReadError, Store, Write};
use travel::{Call, Case, Effect, Giver, KeptRun, Permit};
use trust::TargetTree;
use workflow::{EffectId, Kind, Report, Side, Visit, Workflow};

use super::write::Tally;
use crate::deploy::leaves;
use crate::hall::{About, SELF, event};

/// The loop could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    #[error("the deployments could not be read")]
    Read(#[from] ReadError),
}

/// What is known of an open deployment beside what the loop knows.
#[derive(Debug)]
pub struct Known {
    pub row: rows::Deployment,
    pub names: HashMap<ComputerId, String>,
    pub tally: Tally,
    pub ended_at: Option<Timestamp>,
    /// The row has changes that are not written yet.
    pub is_altered: bool,
}

impl Known {
    pub fn new(row: rows::Deployment, names: HashMap<ComputerId, String>) -> Self {
        Self { row, names, tally: Tally::default(), ended_at: None, is_altered: false }
    }
}

/// Something that could not be opened.
#[derive(Debug)]
pub struct Aside {
    pub deployment: DeploymentId,
    pub run: Option<RunId>,
    pub why: String,
}

pub struct Opened {
    pub giver: Giver,
    pub known: BTreeMap<DeploymentId, Known>,
    pub aside: Vec<Aside>,
}

/// Which deployments the loop begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    NotEnded,
    /// Ended ones too: the first turn writes the row of every run anew, out of its journal.
    All,
}

pub async fn open(
    store: &dyn Store,
    which: Which,
    doing: &BTreeMap<EffectId, Option<Report>>,
    slots_max: usize,
    now: Timestamp,
) -> Result<Opened, OpeningError> {
    let (mut cases, mut effects) = (Vec::new(), Vec::new());
    let (mut known, mut aside) = (BTreeMap::new(), Vec::new());
    for row in store.deployments(Page::all()).await? {
        if which == Which::NotEnded && row.status == deployment::Status::Ended.as_str() {
            continue;
        }
        match read_case(store, &row, &mut effects).await? {
            Ok((case, names)) => {
                cases.push(case);
                known.insert(row.id, Known::new(row, names));
            }
            Err(why) => aside.push(Aside { deployment: row.id, run: None, why }),
        }
    }
    let runs: HashMap<RunId, DeploymentId> =
        cases.iter().flat_map(|case| case.runs.iter().map(|run| (run.run, case.id))).collect();
    let (giver, errors) = Giver::open_again(cases, effects, doing, slots_max, now);
    aside.extend(errors.into_iter().filter_map(|error| {
        let deployment = *runs.get(&error.run)?;
        Some(Aside { deployment, run: Some(error.run), why: error.why })
    }));
    Ok(Opened { giver, known, aside })
}

/// Logs what was set aside. A run among it is lost: nothing can be told of it any more, whoever
/// waits for its deployment need not wait for it, and its agent is told to end it.
pub async fn tell_aside(store: &dyn Store, server: ServerId, aside: &[Aside], now: Timestamp) {
    let mut writes = Vec::new();
    for found in aside {
        let row = match found.run {
            Some(run) => store.run(run).await.ok().flatten(),
            None => None,
        };
        let computer = row.as_ref().map(|row| row.computer);
        let about = About { deployment: Some(found.deployment), run: found.run, computer };
        let text = format!("set aside: {}", found.why);
        tracing::error!(deployment = %found.deployment, run = ?found.run, "{text}");
        writes.push(event(server, "damaged", about, SELF, text));
        writes.extend(row.filter(|row| row.outcome.is_none()).map(|row| {
            Write::PutRun(rows::Run {
                phase: "ended".into(),
                outcome: Some(Outcome::Lost),
                reason: format!("damaged at the server: {}", found.why),
                activity: String::new(),
                ended_at: Some(now),
                pending_reason: String::new(),
                next_attempt: None,
                ..row
            })
        }));
    }
    if !writes.is_empty()
        && let Err(error) = store.commit(writes).await
    {
        tracing::error!(error = %super::chain(&error), "could not log what was set aside");
    }
}

type Read<T> = Result<Result<T, String>, ReadError>;

/// A deployment that the loop has let go of, to be taken in again.
pub async fn open_one(
    store: &dyn Store,
    row: rows::Deployment,
) -> Result<Result<(Case, Known), String>, ReadError> {
    let mut effects = Vec::new();
    let read = read_case(store, &row, &mut effects).await?;
    Ok(read.map(|(case, names)| (case, Known::new(row, names))))
}

async fn read_case(
    store: &dyn Store,
    row: &rows::Deployment,
    effects: &mut Vec<(EffectId, Effect)>,
) -> Read<(Case, HashMap<ComputerId, String>)> {
    let copies = match copies(store, row).await? {
        Ok(copies) => copies,
        Err(why) => return Ok(Err(why)),
    };
    let mut records = Vec::new();
    for record in store.deployment_records(row.id, 0).await? {
        match deployment::decode_record(&record.bytes) {
            Ok(record) => records.push(record),
            Err(error) => return Ok(Err(format!("record {} of it: {error}", record.seq))),
        }
    }
    let (mut permits, mut targets) = (Vec::new(), Vec::new());
    for warrant in store.warrants(row.id).await? {
        let seq = warrant.seq;
        match permit(row, &copies, warrant) {
            Ok((permit, named)) => {
                permits.push(permit);
                targets.push(named);
            }
            Err(why) => return Ok(Err(format!("its warrant {seq}: {why}"))),
        }
    }
    let (mut runs, mut names) = (Vec::new(), HashMap::new());
    let (mut seen, mut current) = (HashSet::new(), HashSet::new());
    // A target's last warrant is the one that counts, and its last run the one that goes on.
    for (warrant, targets) in targets.into_iter().enumerate().rev() {
        let mut of_warrant = Vec::with_capacity(targets.len());
        for (index, target) in (0u32..).zip(targets).filter(|(_, target)| seen.insert(target.run)) {
            names.entry(target.computer).or_insert(target.name);
            of_warrant.push(KeptRun {
                run: target.run,
                computer: target.computer,
                warrant,
                index,
                leaf: target.leaf,
                reach: target.reach,
                is_replaced: !current.insert(target.computer),
                frames: Vec::new(),
            });
        }
        let mut journals = journals(store, &of_warrant).await?;
        for run in &mut of_warrant {
            run.frames = journals.remove(&run.run).unwrap_or_default();
            read_effects(store, &permits[warrant].workflow, run, effects).await?;
        }
        runs.append(&mut of_warrant);
    }
    let first = copies.first().map(|(_, workflow)| workflow.clone());
    let Some(first) = first else { return Ok(Err("it has no workflow".to_owned())) };
    let case = Case {
        id: row.id,
        schedule: schedule(row, &first),
        variables: Arc::new(row.variables.clone()),
        warrants: permits,
        records,
        runs,
    };
    Ok(Ok((case, names)))
}

type Copies = Vec<(Arc<[u8]>, Arc<Workflow>)>;

/// The copies of its workflow that the deployment has, from the first on.
async fn copies(store: &dyn Store, row: &rows::Deployment) -> Read<Copies> {
    let edited = store.deployment_copies(row.id).await?.into_iter().map(|copy| copy.definition);
    let mut copies = Vec::new();
    for definition in std::iter::once(row.definition.clone()).chain(edited) {
        match wire::definition::decode(&definition) {
            Ok(workflow) => copies.push((definition.into(), Arc::new(workflow))),
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
    Ok(Ok(copies))
}

fn permit(
    row: &rows::Deployment,
    copies: &Copies,
    warrant: rows::Warrant,
) -> Result<(Permit, Vec<leaves::Target>), String> {
    let targets = leaves::decode(&warrant.leaves).map_err(|error| error.to_string())?;
    let digests = targets.iter().map(|target| target.digest).collect();
    let tree = TargetTree::new(digests).map_err(|error| error.to_string())?;
    let number = usize::try_from(warrant.copy).ok().and_then(|number| number.checked_sub(1));
    let (definition, workflow) = number
        .and_then(|number| copies.get(number))
        .ok_or("the copy of the workflow that it permits is missing")?
        .clone();
    let needs_agent = schedule(row, &workflow).needs_agent;
    let (copy, envelope) = (warrant.copy, warrant.envelope.into());
    Ok((Permit { copy, workflow, definition, envelope, tree, needs_agent }, targets))
}

/// The dates of a deployment as they were made; where they were moved later, its records say. What
/// begins on the target begins only while its agent is there, so that a stop date still counts.
pub fn schedule(row: &rows::Deployment, workflow: &Workflow) -> deployment::Schedule {
    let start = workflow.activities.get(&workflow.start);
    let is_on_target = start.is_some_and(|activity| activity.kind.side() == Side::Target);
    let needs_agent = workflow.start_on_presence || is_on_target;
    deployment::Schedule { start: row.start, stop: row.stop, needs_agent }
}

/// The journals of these runs. The ids of a warrant's runs were made one after another, so hardly
/// any others lie between the first and the last.
async fn journals(
    store: &dyn Store,
    runs: &[KeptRun],
) -> Result<HashMap<RunId, Vec<Vec<u8>>>, ReadError> {
    let mut found = HashMap::with_capacity(runs.len());
    let (Some(first), Some(last)) =
        (runs.iter().map(|run| run.run).min(), runs.iter().map(|run| run.run).max())
    else {
        return Ok(found);
    };
    let before = u128::from_be_bytes(*first.as_bytes()).checked_sub(1);
    let mut page = Page { after: before.map(|id| RunId::from_bytes(id.to_be_bytes())), limit: 0 };
    page.limit = u32::try_from(runs.len()).unwrap_or(u32::MAX).max(64);
    loop {
        let journals = store.journals(page.clone()).await?;
        let Some(reached) = journals.last().map(|journal| journal.run) else { return Ok(found) };
        for journal in journals.into_iter().filter(|journal| journal.run <= last) {
            let frames = journal.records.into_iter().map(|record| record.bytes).collect();
            found.insert(journal.run, frames);
        }
        if reached >= last {
            return Ok(found);
        }
        page.after = Some(reached);
    }
}

async fn read_effects(
    store: &dyn Store,
    workflow: &Workflow,
    run: &KeptRun,
    effects: &mut Vec<(EffectId, Effect)>,
) -> Result<(), ReadError> {
    let has_effects = |kind: &Kind| kind.side() == Side::Server || matches!(kind, Kind::Script(_));
    if run.frames.is_empty() || !workflow.activities.values().any(|a| has_effects(&a.kind)) {
        return Ok(());
    }
    for row in store.effects(run.run).await? {
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let (attempt, visit) = (number(row.attempt), Visit(number(row.visit)));
        let report = read_report(&row.result);
        let effect = report.map_or_else(|| Effect::Begun(read_call(&row.call)), Effect::Ended);
        let id = EffectId::new(run.run, attempt, visit).part(number(row.part));
        effects.push((id, effect));
    }
    Ok(())
}

/// What a script called for; nothing for an activity.
fn read_call(bytes: &[u8]) -> Option<Call> {
    let mut from = model::codec::Reader::new(bytes);
    Some(Call { kind: from.text().ok()?, parameters: from.text().ok()? })
}

/// The report of an effect that has ended; what cannot be read counts as begun only.
fn read_report(result: &[u8]) -> Option<workflow::Report> {
    let mut from = model::codec::Reader::new(result);
    workflow::journal::read_report(&mut from).ok()
}
