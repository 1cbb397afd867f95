//! Schedules: deployments that are made again and again.
//!
//! A schedule is a document that people write; what became of its starts is another one, written in
//! the transaction that makes the deployment. So a start is made once or, when the server dies
//! before, not yet: then it is one that was missed. When starts come is `deployment`'s to say.

mod state;

use std::sync::Arc;
use std::time::Duration;

use deployment::{Missed, Recurrence, RecurrenceError};
use jiff::tz::TimeZone;
use model::{DeploymentId, ParseSpanError, Span, Timestamp};
use store::{CommitError, ReadError, Write, rows};
use tokio::sync::{Mutex, Notify, watch};

use crate::actions::{self, ActionError};
use crate::clock::{Fresh, NoChance, now};
use crate::core::chain;
use crate::deploy::{Beside, deploy_beside};
use crate::hall::{About, Hall};
pub use state::{Start, State};

/// The kind of document that people write.
pub const KIND: &str = "schedule";
/// How long nothing is looked at when no start is due; queued ones wait for a deployment to end.
const LOOK_LAST: Duration = Duration::from_secs(600);
const LOOK_QUEUED: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Starts that wait for the former deployment.
const QUEUE_MAX: usize = 10;

/// What all who look at schedules share.
#[derive(Debug, Default)]
pub struct Schedules {
    /// Held from reading a state to writing it.
    turn: Mutex<()>,
    changed: Notify,
}

/// Why a schedule is none, or nothing was made of it.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    #[error("give a cron expression or an interval, one of them")]
    NoTime,
    #[error("`{0}` is not a time zone that this server knows")]
    Zone(String),
    #[error(transparent)]
    Recurrence(#[from] RecurrenceError),
    #[error(transparent)]
    Span(#[from] ParseSpanError),
    #[error("`{0}` is not what to do while the former deployment goes on")]
    Overlap(String),
    #[error("`{0}` is not what to do about missed starts")]
    Missed(String),
    #[error("no start lies within its dates")]
    Never,
    #[error("what is kept of it makes no sense: {0}")]
    Damaged(#[from] serde_json::Error),
    #[error(transparent)]
    Chance(#[from] NoChance),
    #[error("the schedules could not be read")]
    Read(#[from] ReadError),
    #[error("the schedule could not be kept")]
    Commit(#[from] CommitError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overlap {
    Skip,
    Queue,
    Parallel,
}

/// A schedule as it is understood.
pub struct Plan {
    pub spec: api::NewSchedule,
    pub recurrence: Recurrence,
    overlap: Overlap,
    missed: Missed,
    stop_after: Option<Span>,
}

impl Plan {
    /// `made` is what intervals count from where they have no beginning of their own.
    pub fn read(spec: api::NewSchedule, made: Timestamp) -> Result<Self, ScheduleError> {
        let from = spec.from.map(Timestamp::from_millis);
        let until = spec.until.map(Timestamp::from_millis);
        let recurrence = match (&spec.cron, &spec.every) {
            (Some(cron), None) => {
                let zone = TimeZone::get(&spec.zone)
                    .map_err(|_| ScheduleError::Zone(spec.zone.clone()))?;
                Recurrence::calendar(cron, zone)?
            }
            (None, Some(every)) => {
                let every: Span = every.parse()?;
                Recurrence::every(every, from.unwrap_or(made + every))?
            }
            _ => return Err(ScheduleError::NoTime),
        };
        let span = |text: &Option<String>| -> Result<Option<Span>, ParseSpanError> {
            text.as_deref().map(str::parse).transpose()
        };
        let jitter = span(&spec.jitter)?.unwrap_or_default();
        let overlap = match spec.overlap.as_str() {
            "skip" => Overlap::Skip,
            "queue" => Overlap::Queue,
            "parallel" => Overlap::Parallel,
            other => return Err(ScheduleError::Overlap(other.to_owned())),
        };
        let missed = match spec.missed.as_str() {
            "skip" => Missed::Skip,
            "once" => Missed::Once,
            "all" => Missed::All,
            other => return Err(ScheduleError::Missed(other.to_owned())),
        };
        let recurrence = recurrence.between(from, until)?.with_jitter(jitter, &spec.name);
        let stop_after = span(&spec.stop_after)?;
        Ok(Self { recurrence, overlap, missed, stop_after, spec })
    }

    /// The next instants at which it begins.
    pub fn upcoming(&self, state: &State, count: usize) -> Vec<Timestamp> {
        if self.spec.is_paused {
            return Vec::new();
        }
        let first = self.recurrence.next(state.decided());
        let next = |last: &Timestamp| self.recurrence.next(*last);
        let occurrences = std::iter::successors(first, next).take(count);
        occurrences.map(|occurrence| self.recurrence.begins(occurrence)).collect()
    }
}

/// The schedule of that name, as it is understood, with its document.
pub async fn find(
    hall: &Hall,
    name: &str,
) -> Result<Option<(rows::Document, Plan)>, ScheduleError> {
    let Some(document) = hall.store.document(KIND, name).await? else { return Ok(None) };
    let plan = plan(hall, &document).await?;
    Ok(Some((document, plan)))
}

pub async fn plan(hall: &Hall, document: &rows::Document) -> Result<Plan, ScheduleError> {
    let spec: api::NewSchedule = serde_json::from_slice(&document.body)?;
    let made = State::of(hall, &document.name).await?.made();
    Plan::read(spec, made)
}

/// Keeps a schedule; what it has made so far stays told where there is one of that name.
pub async fn put(hall: &Hall, mut spec: api::NewSchedule, by: &str) -> Result<(), ScheduleError> {
    let _turn = hall.schedules.turn.lock().await;
    let instant = now();
    spec.name = spec.name.trim().to_owned();
    let mut state = State::of(hall, &spec.name).await?;
    let known = hall.store.document(KIND, &spec.name).await?;
    let made = if known.is_some() { state.made() } else { instant };
    let plan = Plan::read(spec.clone(), made)?;
    if known.is_none() {
        state = State::new(instant);
    }
    // Starts from before the change, or while it was paused, were not missed.
    state.decide(instant);
    if !spec.is_paused && plan.recurrence.next(instant).is_none() {
        return Err(ScheduleError::Never);
    }
    let what = match (&known, spec.is_paused) {
        (None, _) => "was made",
        (Some(_), true) => "was changed; it is paused",
        (Some(_), false) => "was changed",
    };
    let text = format!("schedule {} {what}", spec.name);
    let document = rows::Document {
        kind: KIND.to_owned(),
        name: spec.name.clone(),
        body: serde_json::to_vec(&spec)?,
        updated_by: by.to_owned(),
        updated_at: instant,
    };
    let event = hall.event("schedule", About::NOTHING, by, text);
    let writes = vec![Write::PutDocument(document), state.write(&spec.name)?, event];
    hall.writer.submit(writes).await?;
    hall.changes.schedule(&spec.name);
    hall.schedules.changed.notify_one();
    Ok(())
}

pub async fn remove(hall: &Hall, name: &str, by: &str) -> Result<(), ScheduleError> {
    let _turn = hall.schedules.turn.lock().await;
    let mut writes = vec![Write::RemoveDocument { kind: KIND.to_owned(), name: name.to_owned() }];
    writes.extend(State::removal(hall, name).await?);
    let text = format!("schedule {name} was removed");
    writes.push(hall.event("schedule", About::NOTHING, by, text));
    hall.writer.submit(writes).await?;
    hall.changes.schedule(name);
    Ok(())
}

/// Makes a deployment of it now, whatever its dates say.
pub async fn run_now(hall: &Arc<Hall>, plan: &Plan, by: &str) -> Result<Start, ScheduleError> {
    let _turn = hall.schedules.turn.lock().await;
    let mut state = State::of(hall, &plan.spec.name).await?;
    let start = begin(hall, plan, &mut state, now(), by).await?;
    hall.schedules.changed.notify_one();
    Ok(start)
}

/// Makes deployments as they are due, until `stopping`.
pub async fn run(hall: Arc<Hall>, mut stopping: watch::Receiver<bool>) {
    loop {
        let wait = turn(&hall).await;
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return,
            () = hall.schedules.changed.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Looks at every schedule; how long until it is worth looking again.
async fn turn(hall: &Arc<Hall>) -> Duration {
    let documents = match hall.store.documents(KIND).await {
        Ok(documents) => documents,
        Err(error) => {
            tracing::error!(error = %chain(&error), "the schedules could not be read");
            return LOOK_AGAIN;
        }
    };
    let mut wait = LOOK_LAST;
    for document in documents {
        let looked = look(hall, &document).await;
        wait = wait.min(looked.unwrap_or_else(|error| {
            tracing::error!(schedule = document.name, error = %chain(&error), "not looked at");
            LOOK_AGAIN
        }));
    }
    wait
}

async fn look(hall: &Arc<Hall>, document: &rows::Document) -> Result<Duration, ScheduleError> {
    let _turn = hall.schedules.turn.lock().await;
    // It may have been changed or removed since the listing.
    let Some((_, plan)) = find(hall, &document.name).await? else { return Ok(LOOK_LAST) };
    if plan.spec.is_paused {
        return Ok(LOOK_LAST);
    }
    let mut state = State::of(hall, &plan.spec.name).await?;
    let instant = now();
    let due = plan.recurrence.due(state.decided(), instant, plan.missed);
    if let Some(last) = due.skipped_last {
        let note = match due.skipped {
            1 => "the server was not there when it was due".to_owned(),
            count => {
                format!("the server was not there when this and {} before were due", count - 1)
            }
        };
        state.decide(last);
        state.note(last, instant, note);
        keep(hall, &plan, &state).await?;
    }
    for occurrence in due.begin {
        state.decide(occurrence);
        decide(hall, &plan, &mut state, occurrence).await?;
    }
    if let Some(queued) = state.first_queued()
        && !goes_on(hall, &state).await?
    {
        state.unqueue();
        begin(hall, &plan, &mut state, queued, &by(&plan)).await?;
    }
    if state.first_queued().is_some() {
        return Ok(LOOK_QUEUED);
    }
    let next = plan.upcoming(&state, 1).first().copied();
    let wait = next.map_or(LOOK_LAST, |next| next.since(now()).as_duration());
    Ok(wait.min(LOOK_LAST))
}

/// What becomes of a start that is due, as the former deployment stands.
async fn decide(
    hall: &Arc<Hall>,
    plan: &Plan,
    state: &mut State,
    occurrence: Timestamp,
) -> Result<(), ScheduleError> {
    let is_free = plan.overlap == Overlap::Parallel || !goes_on(hall, state).await?;
    let former = state.last().map_or(String::new(), |id| id.to_string());
    match plan.overlap {
        _ if is_free && state.first_queued().is_none() => {
            begin(hall, plan, state, occurrence, &by(plan)).await?;
            return Ok(());
        }
        Overlap::Queue if state.queued().len() < QUEUE_MAX => state.queue(occurrence),
        Overlap::Queue => {
            state.note(occurrence, now(), format!("{QUEUE_MAX} starts wait already"));
        }
        Overlap::Skip | Overlap::Parallel => {
            state.note(occurrence, now(), format!("the former deployment {former} goes on"));
        }
    }
    keep(hall, plan, state).await
}

fn by(plan: &Plan) -> String {
    format!("schedule {}", plan.spec.name)
}

async fn keep(hall: &Hall, plan: &Plan, state: &State) -> Result<(), ScheduleError> {
    hall.writer.submit(vec![state.write(&plan.spec.name)?]).await?;
    hall.changes.schedule(&plan.spec.name);
    Ok(())
}

/// Whether the last deployment that was made has not ended.
async fn goes_on(hall: &Hall, state: &State) -> Result<bool, ScheduleError> {
    let Some(last) = state.last() else { return Ok(false) };
    let row = hall.store.deployment(last).await?;
    Ok(row.is_some_and(|row| row.status != deployment::Status::Ended.as_str()))
}

/// What a start deploys, as it stands now.
pub async fn wish(hall: &Hall, spec: &api::NewSchedule) -> Result<api::NewDeployment, ActionError> {
    let Some(action) = &spec.action else {
        return Ok(api::NewDeployment {
            workflow: Some(spec.workflow.clone()),
            revision: None,
            source: None,
            targets: spec.targets.clone(),
            variables: spec.variables.clone(),
            start: None,
            stop: None,
        });
    };
    actions::by_schedule(hall, action, &spec.variables, &spec.targets).await
}

/// Makes the deployment, and says so in the same transaction; or says why not.
async fn begin(
    hall: &Arc<Hall>,
    plan: &Plan,
    state: &mut State,
    due: Timestamp,
    by: &str,
) -> Result<Start, ScheduleError> {
    let instant = now();
    let id = DeploymentId::fresh(instant)?;
    let stop = plan.stop_after.map(|after| (instant + after).as_millis());
    let mut made = state.clone();
    made.started(due, instant, id);
    let beside = Beside { id: Some(id), writes: vec![made.write(&plan.spec.name)?], origin: None };
    let done = match wish(hall, &plan.spec).await {
        Ok(asked) => {
            let asked = api::NewDeployment { stop, ..asked };
            deploy_beside(hall, asked, by, beside).await.map(drop).map_err(|error| chain(&error))
        }
        Err(error) => Err(chain(&error)),
    };
    match done {
        Ok(()) => {
            *state = made;
            hall.changes.schedule(&plan.spec.name);
        }
        Err(text) => {
            tracing::warn!(schedule = plan.spec.name, "{text}");
            state.note(due, instant, format!("nothing was deployed: {text}"));
            keep(hall, plan, state).await?;
        }
    }
    Ok(state.newest().cloned().unwrap_or_default())
}
