//! `deskhand simulate`: a workflow on a pretended fleet, with faults on purpose.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use sim::{Faults, Options, Outcome};

use super::{deploy, workflow};
use crate::connection::Connection;
use crate::output::{self, Cell, Table};
use crate::trouble::FAILED;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A workflow file, or a workflow on the server by name
    #[arg(value_name = "WORKFLOW|FILE")]
    workflow: String,
    /// How many computers there are
    #[arg(
        long,
        default_value_t = 100,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    fleet: u32,
    /// From which all chance comes: the same seed gives the same story
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// How much goes wrong with machines, links and disks: none, light, heavy
    #[arg(long, default_value = "light", value_name = "HOW")]
    faults: Faults,
    /// People suspend, resume, abort and close at random
    #[arg(long)]
    people: bool,
    /// Runs in progress at once
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = at_least_one)]
    max_targets: usize,
    /// Print all that happened
    #[arg(long)]
    events: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("a whole number from 1".to_owned()),
    }
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let Some(source) = source(&args).await? else { return Ok(ExitCode::from(FAILED)) };
    let options = Options {
        faults: args.faults,
        has_people: args.people,
        max_targets: args.max_targets,
        keeps_events: args.events,
        ..Options::new(source, args.fleet, args.seed)
    };
    let outcome = sim::run(&options)?;
    if args.json {
        output::json(&as_json(&outcome, &options))?;
    } else {
        events(&outcome)?;
        show(&outcome, &options)?;
    }
    for violation in &outcome.violations {
        output::note(format!("a law of Deskhand was broken: {}", output::clean(violation)));
    }
    Ok(if outcome.violations.is_empty() { super::DONE } else { ExitCode::from(FAILED) })
}

/// The workflow's text; `None` when a file has errors, which have been told.
async fn source(args: &Args) -> Result<Option<String>> {
    if !deploy::is_file(&args.workflow) {
        return Ok(Some(args.connection.client()?.workflow(&args.workflow).await?.source));
    }
    let file = Path::new(&args.workflow);
    let source = workflow::read(file)?;
    Ok(workflow::accept(&source, &workflow::shown(file)).then_some(source))
}

fn events(outcome: &Outcome) -> Result<()> {
    for event in &outcome.events {
        let at = output::spell(millis(event.at));
        output::line(format!("{at:>12}  {}: {}", event.whom, output::clean(&event.text)))?;
    }
    Ok(())
}

fn show(outcome: &Outcome, options: &Options) -> Result<()> {
    output::line(format!(
        "{} computers, seed {}, faults {}: {} of simulated time, {} faults in {} steps",
        options.fleet,
        options.seed,
        options.faults,
        output::spell(millis(outcome.lasted)),
        outcome.faults,
        outcome.steps
    ))?;
    let mut counts = Table::new(&["OUTCOME", "RUNS"]);
    for (ended, runs) in &outcome.counts {
        counts.row([Cell::state(ended.as_str()), runs.to_string().into()]);
    }
    if outcome.unfinished > 0 {
        counts.row(["unfinished".into(), outcome.unfinished.to_string().into()]);
    }
    print("How runs ended", &counts)?;
    let mut reasons = Table::new(&["RUNS", "REASON"]);
    for (reason, runs) in &outcome.reasons {
        reasons.row([runs.to_string().into(), reason.into()]);
    }
    print("Why runs did not succeed", &reasons)?;
    let mut paths = Table::new(&["FROM", "EVENT", "TO", "RUNS", "TIMES"]);
    for (way, (runs, times)) in &outcome.transitions {
        paths.row([
            way.from.as_str().into(),
            way.event.as_str().into(),
            way.to.as_str().into(),
            runs.to_string().into(),
            times.to_string().into(),
        ]);
    }
    print("Ways that were taken", &paths)
}

fn print(title: &str, table: &Table) -> Result<()> {
    if table.is_empty() {
        return Ok(());
    }
    output::line(format!("\n{title}"))?;
    Ok(table.print()?)
}

fn as_json(outcome: &Outcome, options: &Options) -> Value {
    let transitions = outcome.transitions.iter().map(|(way, (runs, times))| {
        json!({ "from": way.from, "event": way.event, "to": way.to, "runs": runs, "times": times })
    });
    let activities = outcome.activities.iter().map(|((activity, event), times)| {
        json!({ "activity": activity, "event": event, "times": times })
    });
    let runs = outcome.runs.iter().map(|run| {
        let path = run
            .path
            .iter()
            .map(|(activity, event)| json!({ "activity": activity, "event": event }));
        json!({
            "computer": run.computer,
            "outcome": run.outcome.map(model::Outcome::as_str),
            "reason": run.reason,
            "path": path.collect::<Value>(),
        })
    });
    let events = outcome
        .events
        .iter()
        .map(|event| json!({ "at": millis(event.at), "whom": event.whom, "text": event.text }));
    let counts = outcome.counts.iter().map(|(ended, runs)| (ended.to_string(), json!(runs)));
    json!({
        "fleet": options.fleet,
        "seed": options.seed,
        "faults": options.faults.to_string(),
        "outcomes": counts.collect::<serde_json::Map<_, _>>(),
        "unfinished": outcome.unfinished,
        "reasons": outcome.reasons,
        "activities": activities.collect::<Value>(),
        "transitions": transitions.collect::<Value>(),
        "runs": runs.collect::<Value>(),
        "lasted_ms": millis(outcome.lasted),
        "steps": outcome.steps,
        "faults_done": outcome.faults,
        "events": events.collect::<Value>(),
        "violations": outcome.violations,
    })
}

fn millis(span: model::Span) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
