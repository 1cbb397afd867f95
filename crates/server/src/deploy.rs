//! Making a deployment: workflow, targets, pinned content, warrant; all of it kept at once or none.
//!
//! What is made here is what an administrator asked for at that moment: the definition's text, the
//! facts of each target, the tree of the depot. Nothing of it changes later. Invariant: the loop
//! hears of a deployment only when all its rows are durable.

mod foresee;
pub mod leaves;
mod pins;
mod preview;
mod reach;
mod renew;
mod resign;
mod targets;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use content::PinError;
use model::{ComputerId, DeploymentId, RunId, Span, Timestamp};
use store::{CommitError, ReadError, Write, rows};
use travel::{NewDeployment, NewTarget, Reach};
use trust::{NoTree, TargetTree, Warrant, definition_digest, variables_digest};
use workflow::Workflow;

use crate::actions::ActionError;
use crate::channels::ChannelError;
use crate::clock::{Fresh, NoChance, now};
use crate::core::{Gone, Known, schedule};
use crate::hall::{About, Hall};
use crate::secrets;
use crate::views;
use crate::workflows::{self, ApplyError};
use leaves::Target;
pub use preview::preview;
pub use renew::{edit, prolong, restart};
pub use resign::resign;
pub use targets::{TargetError, check as check_targets, computer};

/// A run may begin for so long when no stop date says otherwise.
const BEGIN_WITHIN: Span = Span::from_secs(30 * 86_400);
/// How long a run may last.
const RUN_LIMIT: Span = Span::from_secs(90 * 86_400);
/// Machines whose clocks are late shall not refuse what may begin now.
const CLOCKS_LATE_MS: i64 = 86_400_000;

/// Targets that a note names.
const NAMED_MAX: usize = 5;

/// Why nothing was deployed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    #[error("name a workflow, or give its source")]
    NoWorkflow,
    #[error("there is no workflow `{0}`")]
    UnknownWorkflow(String),
    #[error("there is no revision {revision} of workflow `{name}`")]
    UnknownRevision { name: String, revision: u64 },
    #[error(transparent)]
    Workflow(#[from] ApplyError),
    #[error("the workflow names secrets that this server does not keep: {}", .0.join(", "))]
    UnknownSecrets(Vec<String>),
    #[error("the workflow has no variable {}", .0.join(", "))]
    UnknownVariables(Vec<String>),
    #[error("there is no published application `{0}`")]
    UnknownApplication(String),
    #[error("the application `{0}` is not the same for every target")]
    ApplicationName(String),
    #[error("the stop date is not after the start date and now")]
    Dates,
    #[error("the stop date has passed")]
    Stopped,
    #[error("the deployment has no copy {0} of its workflow")]
    UnknownCopy(u64),
    #[error("the files that this copy uploads are not kept any more")]
    FilesGone,
    #[error("the deployment is damaged: {0}")]
    Damaged(String),
    #[error("the workflows would start each other without end: {}", .0.join(" > "))]
    Loop(Vec<String>),
    #[error(transparent)]
    Action(#[from] ActionError),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Targets(#[from] TargetError),
    #[error("the files to be uploaded could not be taken in from the depot")]
    Pin(#[from] PinError),
    #[error(transparent)]
    Tree(#[from] NoTree),
    #[error(transparent)]
    Chance(#[from] NoChance),
    #[error("the database could not be read")]
    Read(#[from] ReadError),
    #[error("the deployment could not be kept")]
    Commit(#[from] CommitError),
    #[error("deployments were changed in between each time it was tried")]
    Contended,
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// The workflow of a new deployment, and what was found beside.
struct Chosen {
    row: rows::Workflow,
    workflow: Workflow,
    findings: Vec<api::Finding>,
}

/// What a deployment is made with beside what was asked.
#[derive(Debug, Default)]
pub struct Beside {
    /// Its id, where it has to be known before.
    pub id: Option<DeploymentId>,
    /// Written in the transaction that makes it.
    pub writes: Vec<Write>,
    /// The activity that starts it, when it is one.
    pub origin: Option<rows::Origin>,
}

pub async fn deploy(
    hall: &Arc<Hall>,
    asked: api::NewDeployment,
    by: &str,
) -> Result<api::Deployed, DeployError> {
    deploy_beside(hall, asked, by, Beside::default()).await
}

pub async fn deploy_beside(
    hall: &Arc<Hall>,
    asked: api::NewDeployment,
    by: &str,
    beside: Beside,
) -> Result<api::Deployed, DeployError> {
    let mut chosen = choose(hall, &asked, by).await?;
    check_variables(&chosen.workflow, &asked.variables)?;
    check_secrets(hall, &chosen.workflow).await?;
    foresee::check_loops(hall, &chosen.workflow).await?;
    chosen.findings.extend(foresee::warnings(hall, &chosen.workflow).await?);
    let instant = now();
    let (start, stop) = dates(&asked, instant)?;
    let found = targets::find(hall, &asked.targets).await?;
    let id = match beside.id {
        Some(id) => id,
        None => DeploymentId::fresh(instant)?,
    };
    let pinned = pins::pin(hall, &chosen.workflow, &asked.variables, instant).await?;
    let row = rows::Deployment {
        id,
        name: chosen.workflow.name.clone(),
        workflow: chosen.row.name.clone(),
        revision: chosen.row.revision,
        definition: wire::definition::encode(&chosen.workflow, &chosen.row.source),
        variables: asked.variables,
        depot_root: pinned.as_ref().map(|pinned| pinned.root),
        start,
        stop,
        status: deployment::Status::Starting.as_str().to_owned(),
        created_by: by.to_owned(),
        created_at: instant,
        server: hall.server,
        origin: beside.origin,
    };
    let made = make(hall, row, &found, instant)?;
    let Made { row, targets, tree, envelope } = made;
    let mut all = writes(hall, &row, &targets, &envelope);
    all.extend(beside.writes);
    hall.writer.submit(all).await?;
    drop(pinned);
    let notes = notes(hall, &chosen.workflow, &targets, &found.left_out);
    let counts = BTreeMap::from([("pending".to_owned(), targets.len() as u64)]);
    let deployed = api::Deployed {
        deployment: views::deployment(&row, counts),
        findings: chosen.findings,
        left_out: found.left_out,
        notes,
    };
    begin(hall, row, chosen.workflow, targets, tree, envelope).await?;
    Ok(deployed)
}

async fn choose(hall: &Hall, asked: &api::NewDeployment, by: &str) -> Result<Chosen, DeployError> {
    if let Some(source) = &asked.source {
        let (row, workflow, findings) = workflows::apply(hall, source, by).await?;
        return Ok(Chosen { row, workflow, findings });
    }
    let name = asked.workflow.clone().ok_or(DeployError::NoWorkflow)?;
    let row = row_of(hall, &name, asked.revision).await?;
    let checked = workflows::check(&row.source);
    match checked.workflow {
        Some(workflow) => Ok(Chosen { row, workflow, findings: checked.findings }),
        None => Err(ApplyError::Wrong(checked.findings).into()),
    }
}

/// The latest revision unless one is named.
async fn row_of(
    hall: &Hall,
    name: &str,
    revision: Option<u64>,
) -> Result<rows::Workflow, DeployError> {
    let row = hall.store.workflow(name, revision).await?;
    row.ok_or_else(|| match revision {
        Some(revision) => DeployError::UnknownRevision { name: name.to_owned(), revision },
        None => DeployError::UnknownWorkflow(name.to_owned()),
    })
}

fn check_variables(
    workflow: &Workflow,
    given: &BTreeMap<String, String>,
) -> Result<(), DeployError> {
    let unknown: Vec<String> =
        given.keys().filter(|name| !workflow.variables.contains_key(*name)).cloned().collect();
    if unknown.is_empty() { Ok(()) } else { Err(DeployError::UnknownVariables(unknown)) }
}

async fn check_secrets(hall: &Hall, workflow: &Workflow) -> Result<(), DeployError> {
    let names = workflow.secrets().into_iter().map(str::to_owned);
    let unknown = secrets::unknown(hall, names).await?;
    if unknown.is_empty() { Ok(()) } else { Err(DeployError::UnknownSecrets(unknown)) }
}

type Dates = (Option<Timestamp>, Option<Timestamp>);

fn dates(asked: &api::NewDeployment, now: Timestamp) -> Result<Dates, DeployError> {
    let start = asked.start.map(Timestamp::from_millis);
    let stop = asked.stop.map(Timestamp::from_millis);
    match stop {
        Some(stop) if stop <= now.max(start.unwrap_or(now)) => Err(DeployError::Dates),
        _ => Ok((start, stop)),
    }
}

/// What people should know of the ways to its targets before it begins.
fn notes(hall: &Hall, workflow: &Workflow, targets: &[Target], left_out: &[String]) -> Vec<String> {
    let (all, mut notes) = (targets.len(), Vec::new());
    let count = targets.iter().filter(|target| target.reach == Reach::Ssh).count();
    if !left_out.is_empty() {
        notes.push(format!("nothing is deployed where there is no way: {}", few(left_out)));
    }
    if count > 0 {
        notes.push(format!(
            "{count} of {all} targets have no agent and are reached over SSH: their runs go on \
             while this server runs and reaches them"
        ));
    }
    if workflow.start_on_presence && count > 0 {
        notes.push(
            "`start_on_presence` needs an agent: where there is none the run begins at once".into(),
        );
    }
    if workflow.start_on_presence
        && count < all
        && hall.reach.detection.borrow().iter().next().is_none()
    {
        notes.push(
            "`start_on_presence`, but this server hears signals of presence nowhere: an agent that \
             only listens is called every now and then instead of when it shows itself; `deskhand \
             server set --detection \"INET::1738\"` has the server hear them"
                .into(),
        );
    }
    notes
}

/// The first of them, and how many more there are.
fn few(all: &[String]) -> String {
    let mut text = all.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join("; ");
    if let Some(more) = all.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        text.push_str(&format!("; and {more} more"));
    }
    text
}

struct Made {
    row: rows::Deployment,
    targets: Vec<Target>,
    tree: TargetTree,
    envelope: Vec<u8>,
}

/// The leaves, the tree over them and the signed warrant.
fn make(
    hall: &Hall,
    row: rows::Deployment,
    found: &targets::Found,
    instant: Timestamp,
) -> Result<Made, DeployError> {
    let mut targets = Vec::with_capacity(found.leaves.len());
    for (leaf, reach) in &found.leaves {
        targets.push(Target::new(RunId::fresh(instant)?, leaf, *reach));
    }
    let tree = TargetTree::new(targets.iter().map(|target| target.digest).collect())?;
    let envelope = sign(hall, &row, &tree, instant);
    Ok(Made { row, targets, tree, envelope })
}

/// The signed warrant for what the row says and the targets of the tree.
fn sign(hall: &Hall, row: &rows::Deployment, tree: &TargetTree, instant: Timestamp) -> Vec<u8> {
    let late = Timestamp::from_millis(instant.as_millis().saturating_sub(CLOCKS_LATE_MS));
    hall.identity.sign(Warrant {
        deployment: row.id,
        definition: definition_digest(&row.definition),
        variables: variables_digest(&row.variables),
        depot_root: row.depot_root,
        targets_root: tree.root(),
        targets_count: tree.count(),
        not_before: row.start.unwrap_or(late),
        begin_until: row.stop.unwrap_or(instant.max(row.start.unwrap_or(instant)) + BEGIN_WITHIN),
        run_limit: RUN_LIMIT,
        created_by: row.created_by.clone(),
        key: hall.identity.key_id(),
    })
}

/// Everything of the deployment, for one transaction.
fn writes(hall: &Hall, row: &rows::Deployment, targets: &[Target], envelope: &[u8]) -> Vec<Write> {
    let about = About { deployment: Some(row.id), ..About::NOTHING };
    let count = match targets.len() {
        1 => "1 target".to_owned(),
        count => format!("{count} targets"),
    };
    let text = format!("{} revision {} to {count}", row.workflow, row.revision);
    let warrant = rows::Warrant {
        deployment: row.id,
        seq: 1,
        copy: 1,
        envelope: envelope.to_vec(),
        leaves: leaves::encode(targets),
        created_by: row.created_by.clone(),
        created_at: row.created_at,
    };
    let mut writes = Vec::with_capacity(targets.len() + 3);
    writes.push(Write::PutDeployment(row.clone()));
    writes.push(Write::PutWarrant(warrant));
    writes.push(hall.event("deployment", about, &row.created_by, text));
    let run = |(target, index): (&Target, u64)| {
        Write::PutRun(rows::Run {
            run: target.run,
            deployment: row.id,
            computer: target.computer,
            warrant: 1,
            copy: 1,
            is_replaced: false,
            target: index,
            phase: "pending".to_owned(),
            epoch: 0,
            owner: "server".to_owned(),
            outcome: None,
            reason: String::new(),
            activity: String::new(),
            began_at: None,
            ended_at: None,
            pending_reason: String::new(),
            next_attempt: None,
            updated_at: row.created_at,
        })
    };
    writes.extend(targets.iter().zip(0u64..).map(run));
    writes
}

/// Tells the loop, once everything is durable.
async fn begin(
    hall: &Hall,
    row: rows::Deployment,
    workflow: Workflow,
    targets: Vec<Target>,
    tree: TargetTree,
    envelope: Vec<u8>,
) -> Result<(), DeployError> {
    let mut names: HashMap<ComputerId, String> = HashMap::with_capacity(targets.len());
    let mut new_targets = Vec::with_capacity(targets.len());
    for target in targets {
        names.insert(target.computer, target.name);
        let Target { run, computer, leaf, reach, .. } = target;
        new_targets.push(NewTarget { computer, run, leaf, reach });
    }
    let new = NewDeployment {
        id: row.id,
        schedule: schedule(&row, &workflow),
        workflow: Arc::new(workflow),
        definition: row.definition.clone().into(),
        variables: Arc::new(row.variables.clone()),
        warrant: envelope.into(),
        tree,
        targets: new_targets,
    };
    hall.core.deploy(new, Known::new(row, names)).await?;
    Ok(hall.core.settle().await?)
}
