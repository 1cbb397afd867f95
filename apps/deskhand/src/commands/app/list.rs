//! `deskhand app list`: applications that are on this machine.

use std::process::ExitCode;

use agent::application::{Reason, Record};
use anyhow::Result;
use serde::Serialize;

use super::here::{self, Machine};
use super::shown;
use crate::commands::DONE;
use crate::output::{self, Cell, Table};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    machine: Machine,
    /// Do not look whether something differs
    #[arg(long)]
    quick: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let driver = args.machine.look()?;
    let digests = driver.digests();
    let rows = driver.records().iter().map(|record| {
        let drift = if args.quick {
            None
        } else {
            let source = here::source_of(record, &*digests);
            let step = driver.verify(record, &source);
            Some(step.map(|step| shown::counts(&step).changed).map_err(|e| here::sentence(&e)))
        };
        Row::of(record, drift)
    });
    let rows: Vec<Row> = rows.collect();
    driver.remember();
    if args.json {
        output::json(&rows)?;
        return Ok(DONE);
    }
    let mut table = Table::new(&["APPLICATION", "VERSION", "PART", "SINCE", "DRIFT", "ID"]);
    for row in &rows {
        let drift = match (&row.drift, &row.error) {
            (Some(0), _) => "none".to_owned(),
            (Some(count), _) => format!("{count} items"),
            (None, Some(error)) => error.clone(),
            (None, None) => "?".to_owned(),
        };
        table.row([
            row.application.as_str().into(),
            row.version.to_string().into(),
            row.user.as_deref().map_or_else(|| "machine".to_owned(), ToOwned::to_owned).into(),
            output::stamp(row.since).into(),
            Cell::from(drift),
            row.id.as_str().into(),
        ]);
    }
    if table.is_empty() {
        output::note("no application is on record here");
    } else {
        table.print()?;
    }
    Ok(DONE)
}

/// One record for scripts; times are milliseconds since 1970 UTC.
#[derive(Serialize)]
struct Row {
    application: String,
    id: String,
    version: u16,
    /// None: the machine's part.
    user: Option<String>,
    since: i64,
    /// Distributed because another application needs it.
    needed: bool,
    /// Items that differ; none when that was not or could not be looked at.
    drift: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Row {
    fn of(record: &Record, drift: Option<Result<usize, String>>) -> Self {
        let (drift, error) = match drift {
            None => (None, None),
            Some(Ok(count)) => (Some(count), None),
            Some(Err(error)) => (None, Some(error)),
        };
        let installed = &record.installed;
        Self {
            application: installed.name.clone(),
            id: record.id().to_string(),
            version: installed.version,
            user: here::user_of(&installed.part),
            since: installed.at.as_millis(),
            needed: record.reason == Reason::Needed,
            drift,
            error,
        }
    }
}
