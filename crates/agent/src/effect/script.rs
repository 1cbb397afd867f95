//! Script: a worker process that only thinks, and this agent, which does what it asks for.
//!
//! What a script asks for is carried out as activities are, under the script's effect: output goes
//! to the same log, and ending the effect ends it. Nothing is kept for a second time: a script that
//! was cut off is `interrupted`, whatever it had done.

mod asked;
mod ending;
mod talk;

use std::collections::BTreeMap;
use std::time::Duration;

use machine::WorkerSpec;
use model::Span;
use script::{Begin, FrameError, ToWorker};
use tokio_util::sync::CancellationToken;
use workflow::{Context, Report, Script};

use super::{Doer, Job, sentence};
use asked::Asked;
use talk::Talk;

/// How long a script may take whose activity has no timeout.
const TIME_MAX: Span = Span::from_millis(10 * 60 * 1000);
/// What the processor may be used beyond the script's time, by a worker that hears nothing.
const PROCESSOR_SECONDS: u64 = 5;
/// How long a worker that was told to end, or has said how it ended, may go on.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why it cannot be told how a script ended.
#[derive(Debug, thiserror::Error)]
enum ScriptError {
    #[error("the worker for the script cannot be started")]
    Start(#[source] std::io::Error),
    #[error("what the script's worker says makes no sense")]
    Frame(#[from] FrameError),
    #[error("the script's worker cannot be spoken to")]
    Pipe(#[from] std::io::Error),
    #[error("the script's worker asked for more than its limit allows")]
    Insolent,
    #[error("the script's worker heard nothing any more and was ended")]
    Deaf,
    #[error("{0}")]
    Died(String),
}

pub(super) async fn run(
    doer: &Doer,
    script: &Script,
    job: Job,
    cancel: &CancellationToken,
) -> Report {
    match try_run(doer, script, job, cancel).await {
        Ok(report) => report,
        Err(error) => Report::error(sentence(&error)),
    }
}

async fn try_run(
    doer: &Doer,
    script: &Script,
    job: Job,
    cancel: &CancellationToken,
) -> Result<Report, ScriptError> {
    let time = job.activity.timeout.unwrap_or(TIME_MAX);
    let begin = begin(script, &job.context, time);
    let spec = WorkerSpec {
        program: own_program(),
        arguments: vec![crate::script_worker::SUBCOMMAND.to_owned()],
        memory_bytes: begin.memory_bytes,
        effect: format!("{}.worker", job.effect),
    };
    let (worker, pipes) = machine::start_worker(&spec).map_err(ScriptError::Start)?;
    let asked = Asked::new(doer, job);
    let mut talk = Talk::new(&asked, pipes, script.operations);
    let said = talk.until_the_end(&ToWorker::Begin(Box::new(begin)), time, cancel).await;
    // What it began and nobody waits for any more ends with it.
    asked.end();
    let last_words = talk.finish().await;
    let code = worker.finish(PATIENCE).await;
    match said? {
        Some(end) => Ok(ending::report(end, script, time, &asked)),
        None => Err(ScriptError::Died(ending::of_worker(code, &last_words))),
    }
}

/// This very program, even when its file has been replaced meanwhile.
fn own_program() -> std::path::PathBuf {
    if cfg!(target_os = "linux") {
        return "/proc/self/exe".into();
    }
    std::env::current_exe().unwrap_or_default()
}

fn begin(script: &Script, context: &Context, time: Span) -> Begin {
    Begin {
        code: script.code.clone(),
        memory_bytes: u64::from(script.memory_mb) << 20,
        operations: script.operations,
        processor_seconds: time.as_duration().as_secs().saturating_add(PROCESSOR_SECONDS),
        context: named(context),
        facts: machine::facts(),
    }
}

/// What templates may speak of, by the names that they use.
fn named(context: &Context) -> BTreeMap<String, String> {
    let Context { computer, deployment, run, agent, variables, outputs } = context;
    let mut all = variables.clone();
    for (root, of) in
        [("computer", computer), ("deployment", deployment), ("run", run), ("agent", agent)]
    {
        all.extend(of.iter().map(|(name, text)| (format!("{root}.{name}"), text.clone())));
    }
    for (activity, of) in outputs {
        let named = |(name, text): (&String, &String)| {
            (format!("activities.{activity}.{name}"), text.clone())
        };
        all.extend(of.iter().map(named));
    }
    all
}
