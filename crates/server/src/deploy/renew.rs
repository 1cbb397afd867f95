//! What changes in a deployment after it was made: its own copy of the workflow, targets that begin
//! anew, a stop date that becomes later.
//!
//! An edit keeps another copy and changes nothing that goes on or waits. Beginning anew signs
//! another warrant for chosen targets, with a copy of the workflow and with what is on record of
//! them now. Copy, warrant and what the loop makes of them are durable together or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use deployment::{Phase, Scope};
use model::{ComputerId, Digest, Outcome, RunId, Timestamp};
use store::{CommitError, Refusal, Write, rows};
use travel::{GiverInput, NewTarget, Permit, Renewal, Stale};
use trust::TargetTree;
use workflow::Workflow;

use super::leaves::{self, Target};
use super::{DeployError, check_secrets, check_variables, pins, sign, targets};
use crate::clock::{Fresh, now};
use crate::core::{self, Gone, schedule};
use crate::hall::{About, Hall};
use crate::views;
use crate::workflows::{self, ApplyError};

/// How often it is tried anew when targets go on in between.
const TRIES: u32 = 8;

/// A copy of a deployment's workflow, to be permitted.
struct Chosen {
    number: u64,
    definition: Vec<u8>,
    depot_root: Option<Digest>,
    workflow: Arc<Workflow>,
}

/// Targets to begin, and what they go by.
struct Wish {
    chosen: Chosen,
    /// Each with its run where it has one that has not begun.
    targets: BTreeMap<ComputerId, Option<RunId>>,
    /// Warrants that the deployment has.
    warrants: usize,
    stop: Option<Option<Timestamp>>,
    text: String,
}

/// Keeps another copy of the deployment's workflow, for its next restart.
pub async fn edit(
    hall: &Arc<Hall>,
    row: &rows::Deployment,
    source: &str,
    by: &str,
) -> Result<api::DeploymentEdited, DeployError> {
    let checked = workflows::check(source);
    let findings = checked.findings;
    let Some(workflow) = checked.workflow else {
        return Err(ApplyError::Wrong(findings).into());
    };
    check_variables(&workflow, &row.variables)?;
    check_secrets(hall, &workflow).await?;
    let instant = now();
    let pinned = pins::pin(hall, &workflow, &row.variables, instant).await?;
    loop {
        let last = hall.store.deployment_copies(row.id).await?.last().map(|copy| copy.number);
        let copy = rows::DeploymentCopy {
            deployment: row.id,
            number: last.unwrap_or(1) + 1,
            definition: wire::definition::encode(&workflow, source),
            depot_root: pinned.as_ref().map(|pinned| pinned.root),
            created_by: by.to_owned(),
            created_at: instant,
        };
        let about = About { deployment: Some(row.id), ..About::NOTHING };
        let text = format!("its copy of the workflow was edited: copy {}", copy.number);
        let event = hall.event("deployment", about, by, text);
        match hall.writer.submit(vec![Write::PutDeploymentCopy(copy.clone()), event]).await {
            Ok(()) => {
                let copy = Some(views::deployment_copy(&copy, String::new()));
                return Ok(api::DeploymentEdited { copy, findings });
            }
            // Somebody else edited it meanwhile.
            Err(CommitError::Refused { refusal: Refusal::CopyGap { .. }, .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Begins targets anew that have ended or not begun.
pub async fn restart(
    hall: &Arc<Hall>,
    row: rows::Deployment,
    asked: &api::Restart,
    scope: &Scope,
    by: &str,
) -> Result<api::Restarted, DeployError> {
    let sets = Sets::of(&asked.which)?;
    let stop = asked.stop.map(|stop| Some(Timestamp::from_millis(stop)));
    if stop.unwrap_or(row.stop).is_some_and(|stop| stop <= now()) {
        return Err(DeployError::Stopped);
    }
    for _ in 0..TRIES {
        let (all, warrants) = targets_of(hall, &row).await?;
        let chosen = copy(hall, &row, asked.copy).await?;
        check_secrets(hall, &chosen.workflow).await?;
        let meant = all.into_iter().filter(|(computer, ..)| scope.holds(*computer));
        let targets: BTreeMap<ComputerId, Option<RunId>> = meant
            .filter(|(.., phase)| sets.hold(*phase))
            .map(|(computer, run, phase)| (computer, (phase == Phase::Pending).then_some(run)))
            .collect();
        if targets.is_empty() {
            return Err(targets::TargetError::NoneSuch(sets.names).into());
        }
        let (number, count) = (chosen.number, targets.len());
        let text = format!("{count} of its targets begin anew with copy {number}");
        let wish = Wish { chosen, targets, warrants, stop, text };
        if let Ok((names, left_out)) = begin(hall, &row, wish, by).await? {
            let computers = names.into_iter().map(|(_, name)| name).collect();
            return Ok(api::Restarted { copy: number, computers, left_out });
        }
    }
    Err(DeployError::Contended)
}

/// Moves the stop date to one that the warrants of the targets that have not begun do not permit:
/// they get others, with the copy of the workflow that they had.
pub async fn prolong(
    hall: &Arc<Hall>,
    row: &rows::Deployment,
    stop: Option<Timestamp>,
    by: &str,
) -> Result<(), DeployError> {
    for _ in 0..TRIES {
        let (all, warrants) = targets_of(hall, row).await?;
        let pending = all.into_iter().filter(|(.., phase)| *phase == Phase::Pending);
        let pending: Vec<(ComputerId, RunId)> =
            pending.map(|(computer, run, _)| (computer, run)).collect();
        let runs: Vec<RunId> = pending.iter().map(|(_, run)| *run).collect();
        let copies = hall
            .core
            .ask(move |giver, _| runs.iter().map(|run| giver.copy_of(*run)).collect::<Vec<_>>());
        let mut by_copy: BTreeMap<u64, BTreeMap<ComputerId, Option<RunId>>> = BTreeMap::new();
        for ((computer, run), copy) in pending.into_iter().zip(copies.await?) {
            by_copy.entry(copy.unwrap_or(1)).or_default().insert(computer, Some(run));
        }
        let Some((number, targets)) = by_copy.iter().next_back() else {
            let input = GiverInput::StopMoved { deployment: row.id, at: stop, by: by.to_owned() };
            hall.core.input(input).await?;
            return Ok(hall.core.settle().await?);
        };
        // Targets of one copy each time; those of others follow when these have theirs.
        let (targets, is_last) = (targets.clone(), by_copy.len() == 1);
        let chosen = copy(hall, row, Some(*number)).await?;
        let text = "the stop date was moved".to_owned();
        let wish = Wish { chosen, targets, warrants, stop: Some(stop), text };
        match begin(hall, row, wish, by).await? {
            Ok(_) if is_last => return Ok(()),
            Ok(_) => return prolong_others(hall, row, by_copy, stop, by).await,
            Err(Stale) => {}
        }
    }
    Err(DeployError::Contended)
}

/// The targets of older copies, after those of the newest.
async fn prolong_others(
    hall: &Arc<Hall>,
    row: &rows::Deployment,
    mut by_copy: BTreeMap<u64, BTreeMap<ComputerId, Option<RunId>>>,
    stop: Option<Timestamp>,
    by: &str,
) -> Result<(), DeployError> {
    by_copy.pop_last();
    for (number, targets) in by_copy {
        let mut is_done = false;
        for _ in 0..TRIES {
            let (all, warrants) = targets_of(hall, row).await?;
            let still: BTreeSet<ComputerId> = all
                .into_iter()
                .filter(|(.., phase)| *phase == Phase::Pending)
                .map(|(computer, ..)| computer)
                .collect();
            let mut targets = targets.clone();
            targets.retain(|computer, _| still.contains(computer));
            let chosen = copy(hall, row, Some(number)).await?;
            let text = "the stop date was moved".to_owned();
            let wish = Wish { chosen, targets, warrants, stop: Some(stop), text };
            if wish.targets.is_empty() || begin(hall, row, wish, by).await?.is_ok() {
                is_done = true;
                break;
            }
        }
        if !is_done {
            return Err(DeployError::Contended);
        }
    }
    Ok(())
}

type Targets = Vec<(ComputerId, RunId, Phase)>;

/// The targets as the loop has them, which takes the deployment in if it has let go of it; and how
/// many warrants there are.
async fn targets_of(hall: &Hall, row: &rows::Deployment) -> Result<(Targets, usize), DeployError> {
    let id = row.id;
    if let Some(found) = hall.core.ask(move |giver, _| giver.targets(id)).await? {
        return Ok(found);
    }
    let row = hall.store.deployment(id).await?.unwrap_or_else(|| row.clone());
    match core::open_one(hall.store.as_ref(), row).await? {
        Ok((case, known)) => hall.core.load(case, known).await?,
        Err(why) => return Err(DeployError::Damaged(why)),
    }
    let found = hall.core.ask(move |giver, _| giver.targets(id)).await?;
    Ok(found.ok_or(Gone)?)
}

async fn copy(
    hall: &Hall,
    row: &rows::Deployment,
    number: Option<u64>,
) -> Result<Chosen, DeployError> {
    let mut edited = hall.store.deployment_copies(row.id).await?;
    let number = number.unwrap_or_else(|| edited.last().map_or(1, |copy| copy.number));
    let place = edited.iter().position(|copy| copy.number == number);
    let (definition, depot_root) = match place.map(|place| edited.swap_remove(place)) {
        Some(copy) => (copy.definition, copy.depot_root),
        None if number == 1 => (row.definition.clone(), row.depot_root),
        None => return Err(DeployError::UnknownCopy(number)),
    };
    if depot_root.is_some_and(|root| hall.depot.objects.folder(&root).is_err()) {
        return Err(DeployError::FilesGone);
    }
    let workflow = wire::definition::decode(&definition)
        .map_err(|error| DeployError::Damaged(error.to_string()))?;
    Ok(Chosen { number, definition, depot_root, workflow: Arc::new(workflow) })
}

type Begun = (Vec<(ComputerId, String)>, Vec<String>);

/// Signs a warrant for the targets and has the loop begin them; tells who was left out and why.
async fn begin(
    hall: &Arc<Hall>,
    row: &rows::Deployment,
    wish: Wish,
    by: &str,
) -> Result<Result<Begun, Stale>, DeployError> {
    let Wish { chosen, targets: wanted, warrants, stop, text } = wish;
    let instant = now();
    let found = targets::of(hall, wanted.keys().copied().collect()).await?;
    let mut targets = Vec::with_capacity(found.leaves.len());
    for (leaf, reach) in &found.leaves {
        let run = match wanted.get(&leaf.computer).copied().flatten() {
            Some(run) => run,
            None => RunId::fresh(instant)?,
        };
        targets.push(Target::new(run, leaf, *reach));
    }
    let tree = TargetTree::new(targets.iter().map(|target| target.digest).collect())?;
    let permitted = rows::Deployment {
        definition: chosen.definition,
        depot_root: chosen.depot_root,
        stop: stop.unwrap_or(row.stop),
        created_by: by.to_owned(),
        ..row.clone()
    };
    let envelope = sign(hall, &permitted, &tree, instant);
    let about = About { deployment: Some(row.id), ..About::NOTHING };
    let writes = vec![
        Write::PutWarrant(rows::Warrant {
            deployment: row.id,
            seq: warrants as u64 + 1,
            copy: chosen.number,
            envelope: envelope.clone(),
            leaves: leaves::encode(&targets),
            created_by: by.to_owned(),
            created_at: instant,
        }),
        hall.event("deployment", about, by, text),
    ];
    let names: Vec<(ComputerId, String)> =
        targets.iter().map(|target| (target.computer, target.name.clone())).collect();
    let new_target = |target: Target| {
        let Target { run, computer, leaf, reach, .. } = target;
        NewTarget { computer, run, leaf, reach }
    };
    let renewal = Renewal {
        deployment: row.id,
        number: warrants + 1,
        permit: Permit {
            copy: chosen.number,
            needs_agent: schedule(row, &chosen.workflow).needs_agent,
            workflow: chosen.workflow,
            definition: permitted.definition.into(),
            envelope: envelope.into(),
            tree,
        },
        stop,
        by: by.to_owned(),
        targets: targets.into_iter().map(new_target).collect(),
    };
    let renewed = hall.core.renew(renewal, names.clone(), writes).await?;
    Ok(renewed.map(|()| (names, found.left_out)))
}

/// Which targets are meant, by how far they are.
struct Sets {
    names: Vec<String>,
    outcomes: BTreeSet<Outcome>,
    has_pending: bool,
}

impl Sets {
    fn of(names: &[String]) -> Result<Self, DeployError> {
        let is_pending = |name: &&String| name.as_str() == "pending";
        let has_pending = names.iter().any(|name| is_pending(&name) || name == "all");
        let others: Vec<String> = names.iter().filter(|name| !is_pending(name)).cloned().collect();
        let outcomes = if others.is_empty() && has_pending {
            BTreeSet::new()
        } else {
            targets::outcomes(&others)?
        };
        let mut names = names.to_vec();
        if names.is_empty() {
            names.push("failed".to_owned());
        }
        Ok(Self { names, outcomes, has_pending })
    }

    fn hold(&self, phase: Phase) -> bool {
        match phase {
            Phase::Pending => self.has_pending,
            Phase::Begun => false,
            Phase::Ended(outcome) => self.outcomes.contains(&outcome),
        }
    }
}
