//! `deskhand app uninstall`: what was here before an application comes back.

use std::process::ExitCode;

use agent::application::{Driver, Reason, Record, Step};
use anyhow::Result;
use application::Part;
use model::ApplicationId;
use tokio_util::sync::CancellationToken;

use super::apply::agreed_or;
use super::course::trouble;
use super::here::{self, CHANGES, EXIT_CODES, FINDINGS, IN_PLACE, Machine};
use super::shown::{self, Style};
use super::telling::{self, Ended, Results};
use crate::output;
use crate::trouble::{FAILED, Trouble};

#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Args {
    /// The name or id of an application that is here, or its file
    application: String,
    #[command(flatten)]
    machine: Machine,
    /// Only this user's part
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Also where its document forbids it, or another application needs it
    #[arg(long)]
    force: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Only show what would be done
    #[arg(long)]
    plan: bool,
    /// Print JSON; asks nothing
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, cancel: &CancellationToken) -> Result<ExitCode> {
    let mut driver = if args.plan { args.machine.look()? } else { args.machine.open()? };
    let mut records = here::chosen(&driver, std::slice::from_ref(&args.application))?;
    if let Some(user) = &args.user {
        records.retain(|record| record.installed.part == Part::User(user.clone()));
        if records.is_empty() {
            let what = format!("user `{user}` has no part of `{}` here", args.application);
            let hint = "`deskhand app list` shows whose parts are here";
            return Err(Trouble::new("DH-U013", what, hint).into());
        }
    }
    // Users' parts go before the machine's.
    records.reverse();
    let steps: Result<Vec<Step>> = records
        .iter()
        .map(|record| driver.uninstall(record, args.force).map_err(|error| trouble(&error)))
        .collect();
    let steps = steps?;
    if !args.json {
        steps.iter().try_for_each(|step| shown::print(step, Style { all: false }))?;
    }
    if steps.iter().any(Step::is_refused) {
        return Ok(ExitCode::from(FINDINGS));
    }
    if args.plan {
        return Ok(ExitCode::from(CHANGES));
    }
    if !agreed_or(args.yes || args.json, "Uninstall this?")? {
        output::note("nothing was changed");
        return Ok(ExitCode::from(CHANGES));
    }
    let mut ended = go(&mut driver, &records, args.force, cancel)?;
    // What they needed goes after them, and what that needed in turn.
    let mut needs = needs(&records);
    while ended.iter().all(|ended| ended.result.is_ok()) {
        let records = unneeded(&driver, &needs);
        if records.is_empty() {
            break;
        }
        needs.extend(self::needs(&records));
        ended.extend(go(&mut driver, &records, false, cancel)?);
    }
    if args.json {
        output::json(&Results::of(&ended))?;
    }
    let failed = ended.iter().any(|ended| ended.result.is_err());
    Ok(ExitCode::from(if failed { FAILED } else { IN_PLACE }))
}

fn go(
    driver: &mut Driver,
    records: &[Record],
    force: bool,
    cancel: &CancellationToken,
) -> Result<Vec<Ended>> {
    let mut all = Vec::new();
    for record in records {
        let step = driver.uninstall(record, force).map_err(|error| trouble(&error))?;
        let digests = driver.digests();
        let source = here::source_of(record, &*digests);
        let ended = telling::carry_out(driver, &step, &source, cancel);
        let is_over = ended.result.is_err();
        all.push(ended);
        if is_over {
            break;
        }
    }
    Ok(all)
}

/// What these applications needed.
fn needs(records: &[Record]) -> Vec<ApplicationId> {
    let needs = records.iter().filter_map(Record::application);
    needs.flat_map(|one| one.dependencies.into_iter().map(|needed| needed.application)).collect()
}

/// Of those, what is here for others only, of which none is left.
fn unneeded(driver: &Driver, needs: &[ApplicationId]) -> Vec<Record> {
    let goes = |record: &&Record| {
        needs.contains(&record.id())
            && record.reason == Reason::Needed
            && driver.needed_by(record.id()).is_empty()
    };
    let mut records: Vec<Record> = driver.records().iter().filter(goes).cloned().collect();
    records.reverse();
    records
}
