//! `deskhand app verify`: what differs from what was distributed here, and putting it right.

use std::process::ExitCode;

use agent::application::{Driver, Record, Step};
use anyhow::Result;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::course::trouble;
use super::here::{self, CHANGES, EXIT_CODES, FINDINGS, IN_PLACE, Machine};
use super::shown::{self, ShownStep, Style};
use super::telling::{self, Ended, ShownEnd};
use crate::output;
use crate::trouble::FAILED;

#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Args {
    /// Names or ids of applications that are here; all when none is given
    application: Vec<String>,
    #[command(flatten)]
    machine: Machine,
    /// Put right what differs
    #[arg(long)]
    repair: bool,
    /// Show what is in place too
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, cancel: &CancellationToken) -> Result<ExitCode> {
    let mut driver = if args.repair { args.machine.open()? } else { args.machine.look()? };
    let records = here::chosen(&driver, &args.application)?;
    let digests = driver.digests();
    let mut steps = Vec::new();
    for record in &records {
        let source = here::source_of(record, &*digests);
        steps.push(driver.verify(record, &source).map_err(|error| trouble(&error))?);
    }
    driver.remember();
    if !args.json {
        steps.iter().try_for_each(|step| shown::print(step, Style { all: args.all }))?;
    }
    let mut ended = Vec::new();
    if args.repair {
        for (record, step) in records.iter().zip(&steps) {
            ended.extend(repair(&mut driver, record, step, cancel));
        }
    }
    if args.json {
        output::json(&Shown {
            steps: steps.iter().map(ShownStep::of).collect(),
            repaired: ended.iter().map(ShownEnd::of).collect(),
        })?;
    } else if steps.is_empty() {
        output::note("nothing is on record here");
    }
    Ok(ExitCode::from(exit_code(&steps, &ended, args.repair)))
}

#[derive(Serialize)]
struct Shown {
    steps: Vec<ShownStep>,
    repaired: Vec<ShownEnd>,
}

fn repair(
    driver: &mut Driver,
    record: &Record,
    step: &Step,
    cancel: &CancellationToken,
) -> Option<Ended> {
    if step.changes_nothing() {
        return None;
    }
    let digests = driver.digests();
    let source = here::source_of(record, &*digests);
    Some(telling::carry_out(driver, step, &source, cancel))
}

fn exit_code(steps: &[Step], ended: &[Ended], repair: bool) -> u8 {
    let drifted = |step: &Step| shown::counts(step).changed > 0;
    if ended.iter().any(|ended| ended.result.is_err()) {
        FAILED
    } else if steps.iter().any(Step::is_refused) {
        FINDINGS
    } else if !repair && steps.iter().any(drifted) {
        CHANGES
    } else {
        IN_PLACE
    }
}
