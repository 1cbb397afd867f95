//! A workflow on this machine, with no server anywhere: `deskhand run FILE`.
//!
//! The journal lives in memory: a run that is cut is over. Activities of the server, uploads and
//! downloads end in an error that says so.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use model::{Facts, Outcome, RunId, Timestamp};
use tokio::sync::mpsc;
use wire::Stream;
use workflow::{
    ActivityName, Cause, Context, Control, Event, Input, Order, Outputs, Place, Report, Run, Side,
    Workflow,
};

use crate::clock::{NoChance, now, random};
use crate::driver;
use crate::effect::{Doer, Job};
use crate::effects::Effects;
use crate::secrets::Secrets;

/// What shall be run.
#[derive(Debug, Clone)]
pub struct LocalRun {
    pub workflow: Workflow,
    /// In place of the workflow's own values.
    pub variables: BTreeMap<String, String>,
    /// Stands for the machine's root in every path.
    pub root: Option<PathBuf>,
}

/// What people see while it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Began { activity: ActivityName },
    Ended { activity: ActivityName, event: Event, note: Option<String> },
    Output { activity: ActivityName, stream: Stream, bytes: Vec<u8> },
}

/// One activity's part in the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalStep {
    pub activity: ActivityName,
    pub event: Option<Event>,
    pub note: Option<String>,
    pub begin: Timestamp,
    pub end: Option<Timestamp>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalResult {
    pub outcome: Outcome,
    pub reason: Option<String>,
    /// Errors that nothing followed.
    pub unhandled: Vec<Cause>,
    pub path: Vec<LocalStep>,
    pub outputs: BTreeMap<ActivityName, Outputs>,
}

/// Why it could not even begin.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    #[error(transparent)]
    Chance(#[from] NoChance),
    #[error("the workflow cannot be run: {0}")]
    Workflow(#[from] workflow::ReplayError),
    #[error("the run came to nonsense: {0}")]
    Engine(#[from] workflow::Refused),
    #[error("{} cannot be made: {source}", .path.display())]
    Root { path: PathBuf, source: std::io::Error },
}

/// Runs a workflow to its end. Once `abort` is ready the run is aborted: what is in progress is
/// ended with all it started, and the outcome is `aborted`. `on_progress` is told as things happen.
pub async fn run(
    what: LocalRun,
    abort: impl Future<Output = ()>,
    on_progress: impl Fn(Progress) + Send + Sync + 'static,
) -> Result<LocalResult, LocalError> {
    let id = RunId::new(now(), random()?);
    let root = match what.root {
        Some(path) => {
            let made = std::path::absolute(&path)
                .and_then(|path| std::fs::create_dir_all(&path).map(|()| path));
            Some(made.map_err(|source| LocalError::Root { path, source })?)
        }
        None => None,
    };
    let base = context(id, &what.workflow, what.variables);
    let workflow = Arc::new(what.workflow);
    let mut run = Run::open(id, Place::Target, workflow, base, [])?;
    let on_progress = Arc::new(on_progress);
    let mut showing = Showing { told: on_progress.clone(), names: BTreeMap::new(), steps: 0 };
    let (pieces, mut shown) = mpsc::unbounded_channel();
    let show = Arc::new(move |log: wire::Log| drop(pieces.send(log)));
    let (said, mut inputs) = mpsc::channel(64);
    let mut effects = Effects::new(
        Doer { root, show, transfers: None, power: None, server: None, hands: None },
        said,
    );
    let mut abort = pin!(abort);
    let mut is_aborted = false;
    run.handle(Input::Open, now())?;
    loop {
        act(&mut run, &mut effects, &mut showing)?;
        showing.look(&run);
        if run.state().outcome().is_some() {
            break;
        }
        let due = run.poll_timeout().map(|(at, _)| at);
        let input = tokio::select! {
            biased;
            Some(log) = shown.recv() => {
                showing.output(log);
                continue;
            }
            Some(driver::Input::Ended { effect, report }) = inputs.recv() => {
                effects.forget(effect);
                Input::Ended { effect, report }
            }
            () = &mut abort, if !is_aborted => {
                is_aborted = true;
                Input::Control { number: 1, control: Control::Abort }
            }
            () = driver::due(due) => Input::Tick,
        };
        run.handle(input, now())?;
    }
    while let Ok(log) = shown.try_recv() {
        showing.output(log);
    }
    Ok(result(&run))
}

fn context(id: RunId, workflow: &Workflow, given: BTreeMap<String, String>) -> Context {
    let mut computer = machine::facts();
    let host_name = computer.get("host_name").cloned().unwrap_or_default();
    computer.insert("name".into(), host_name);
    computer.insert("id".into(), String::new());
    let mut variables = workflow.variables.clone();
    variables.extend(given);
    Context {
        computer,
        deployment: Facts::from([
            ("id".into(), id.to_string()),
            ("name".into(), workflow.name.clone()),
        ]),
        agent: Facts::from([
            ("present".into(), "true".into()),
            ("version".into(), crate::VERSION.into()),
        ]),
        variables,
        ..Context::default()
    }
}

/// Begins and ends what was decided. Nothing is durable, so there is nothing to wait for.
fn act(
    run: &mut Run,
    effects: &mut Effects,
    showing: &mut Showing<impl Fn(Progress)>,
) -> Result<(), LocalError> {
    loop {
        while run.poll_record().is_some() {}
        showing.look(run);
        let Some(order) = run.poll_order() else { return Ok(()) };
        match order {
            Order::Begin { effect, side: Side::Server, .. } => {
                let note = "this activity needs a server, and there is none here";
                run.handle(Input::Ended { effect, report: Report::error(note) }, now())?;
            }
            Order::Begin { effect, activity, .. } => {
                let Some(found) = run.workflow().activities.get(&activity) else { continue };
                let (activity, context) = (found.clone(), run.context());
                let run_as = run.run_as(effect).cloned();
                let (depot, folder, secrets) = (None, None, Secrets::default());
                effects.begin(Job { effect, activity, context, depot, folder, run_as, secrets });
            }
            Order::Recover { effect, .. } => effects.recover(effect),
            Order::Interrupt { effect, .. } => effects.interrupt(effect),
            Order::PowerOff { effect } => effects.power_off(effect, PathBuf::new()),
        }
    }
}

/// What has been told of the path.
struct Showing<F> {
    told: Arc<F>,
    names: BTreeMap<workflow::Visit, (ActivityName, bool)>,
    /// Visits before this one have all been told to their ends.
    steps: usize,
}

impl<F: Fn(Progress)> Showing<F> {
    fn look(&mut self, run: &Run) {
        let path = run.state().path();
        for step in &path[self.steps.min(path.len())..] {
            let known = self.names.entry(step.visit).or_insert_with(|| {
                (self.told)(Progress::Began { activity: step.activity.clone() });
                (step.activity.clone(), false)
            });
            if let ((Some(event), note), false) = (step.told(run.workflow()), known.1) {
                known.1 = true;
                let activity = step.activity.clone();
                (self.told)(Progress::Ended { activity, event, note });
            }
        }
        while path.get(self.steps).is_some_and(|step| step.event.is_some()) {
            self.steps += 1;
        }
    }

    fn output(&self, log: wire::Log) {
        if let Some((activity, _)) = self.names.get(&log.effect.visit) {
            let (activity, stream) = (activity.clone(), log.stream);
            (self.told)(Progress::Output { activity, stream, bytes: log.bytes });
        }
    }
}

fn result(run: &Run) -> LocalResult {
    let state = run.state();
    let (outcome, reason) = match state.outcome() {
        Some((outcome, reason)) => (outcome, reason.map(str::to_owned)),
        None => (Outcome::Failure, None),
    };
    let steps = state.path().iter().map(|step| (step, step.told(run.workflow())));
    let steps = steps.map(|(step, (event, note))| LocalStep {
        activity: step.activity.clone(),
        event,
        note,
        begin: step.begin,
        end: step.end,
    });
    LocalResult {
        outcome,
        reason,
        unhandled: state.unhandled().to_vec(),
        path: steps.collect(),
        outputs: state.outputs().clone(),
    }
}
