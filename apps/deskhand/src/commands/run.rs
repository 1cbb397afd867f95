//! `deskhand run`: a workflow file on this machine, without a server.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use agent::local::{self, LocalResult, LocalRun, Progress};
use anyhow::Result;
use model::Outcome;
use serde::Serialize;
use workflow::ActivityName;

use super::{pair, workflow as files};
use crate::interrupt;
use crate::output::{self, Cell, Table};
use crate::results::StepResult;
use crate::trouble::{FAILED, Trouble};

const ABORTED: u8 = 3;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  the workflow reached success
  1  it failed, or the file has errors
  2  wrong usage
  3  it was aborted (Ctrl-C)

`upload`, `download` and activities on the server end in `error`: there is no server here.")]
pub struct Args {
    /// A workflow file, `-` for standard input
    file: PathBuf,
    /// Put the workflow's paths under this folder (no sandbox: commands are not confined)
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// A value for a variable of the workflow
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    var: Vec<(String, String)>,
    /// Print JSON: outcome, path, outputs
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let source = files::read(&args.file)?;
    if !files::accept(&source, &files::shown(&args.file)) {
        return Ok(ExitCode::from(FAILED));
    }
    let parsed = format::parse_workflow(&source);
    let Some(workflow) = parsed.workflow else { return Ok(ExitCode::from(FAILED)) };
    if let Some((name, _)) =
        args.var.iter().find(|(name, _)| !workflow.variables.contains_key(name))
    {
        let names: Vec<&str> = workflow.variables.keys().map(String::as_str).collect();
        let hint = format!("its variables: {}", names.join(", "));
        return Err(Trouble::usage(format!("the workflow has no variable `{name}`"), hint).into());
    }
    let what =
        LocalRun { workflow, variables: args.var.into_iter().collect(), root: args.root.clone() };
    let teller = Teller::new();
    let result =
        local::run(what, interrupt::asked(), move |progress| teller.tell(&progress)).await?;
    if args.json {
        output::json(&Shown::of(&result))?;
    } else {
        print(&result)?;
    }
    Ok(match result.outcome {
        Outcome::Success => super::DONE,
        Outcome::Aborted => ExitCode::from(ABORTED),
        _ => ExitCode::from(FAILED),
    })
}

/// The result for scripts; times are milliseconds since 1970 UTC.
#[derive(Serialize)]
struct Shown {
    outcome: &'static str,
    reason: Option<String>,
    unhandled: Vec<String>,
    path: Vec<StepResult>,
    outputs: BTreeMap<String, BTreeMap<String, String>>,
}

impl Shown {
    fn of(result: &LocalResult) -> Self {
        let path = result.path.iter().map(|step| StepResult {
            activity: step.activity.to_string(),
            event: step.event.as_ref().map(ToString::to_string),
            begin: step.begin.as_millis(),
            end: step.end.map(model::Timestamp::as_millis),
        });
        let outputs = result.outputs.iter().map(|(name, outputs)| {
            let outputs = outputs.iter().map(|(key, value)| (key.to_string(), value.to_string()));
            (name.to_string(), outputs.collect())
        });
        Self {
            outcome: result.outcome.as_str(),
            reason: result.reason.clone(),
            unhandled: result.unhandled.iter().map(ToString::to_string).collect(),
            path: path.collect(),
            outputs: outputs.collect(),
        }
    }
}

fn print(result: &LocalResult) -> Result<()> {
    let now = output::now();
    let mut table = Table::new(&["ACTIVITY", "EVENT", "TIME", "NOTE"]);
    for step in &result.path {
        let event = step.event.as_ref().map(ToString::to_string);
        let event = event.unwrap_or_else(|| "interrupted".into());
        let end = step.end.map(model::Timestamp::as_millis);
        table.row([
            step.activity.as_str().into(),
            Cell::state(&event),
            output::took(Some(step.begin.as_millis()), end, now).into(),
            step.note.as_deref().unwrap_or_default().into(),
        ]);
    }
    table.print()?;
    let paint = output::paint_stdout();
    let outcome = paint.state(result.outcome.as_str(), result.outcome.as_str());
    let reason = result.reason.as_deref().filter(|reason| !reason.is_empty());
    match reason {
        Some(reason) => output::line(format!("{outcome}: {}", output::clean(reason)))?,
        None => output::line(outcome)?,
    }
    if !result.unhandled.is_empty() {
        let names: Vec<String> = result.unhandled.iter().map(ToString::to_string).collect();
        output::note(format!("errors without a transition: {}", names.join(", ")));
    }
    Ok(())
}

/// Says on standard error what goes on.
struct Teller {
    began: Instant,
    /// Output that is not a whole line yet.
    open: Mutex<BTreeMap<(ActivityName, bool), Vec<u8>>>,
}

impl Teller {
    fn new() -> Self {
        Self { began: Instant::now(), open: Mutex::default() }
    }

    fn tell(&self, progress: &Progress) {
        match progress {
            Progress::Began { activity } => self.say(&format!("{activity} ...")),
            Progress::Ended { activity, event, note } => {
                self.rest(activity);
                let note = note.as_deref().map(|note| format!(" ({note})")).unwrap_or_default();
                self.say(&format!("{activity}: {event}{note}"));
            }
            Progress::Output { activity, stream, bytes } => {
                let key = (activity.clone(), matches!(stream, wire::Stream::Err));
                let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
                let kept = open.entry(key).or_default();
                kept.extend_from_slice(bytes);
                let Some(end) = kept.iter().rposition(|byte| *byte == b'\n') else { return };
                let whole: Vec<u8> = kept.drain(..=end).collect();
                lines(activity, &whole);
            }
        }
    }

    /// What a command said last may have no line break.
    fn rest(&self, activity: &ActivityName) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for is_error in [false, true] {
            if let Some(rest) = open.remove(&(activity.clone(), is_error)) {
                lines(activity, &rest);
            }
        }
    }

    fn say(&self, text: &str) {
        let since = self.began.elapsed().as_secs_f64();
        output::note(format!("{since:7.2} s  {}", output::clean(text)));
    }
}

fn lines(activity: &ActivityName, bytes: &[u8]) {
    for line in machine::decode_output(bytes).lines() {
        output::note(format!("           {activity} | {}", output::clean_lines(line)));
    }
}
