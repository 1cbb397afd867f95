//! Applications of the fleet: published, withdrawn, and how they stand on machines.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use api::ApplicationState;

use crate::commands::{DONE, print_or_note, workflow};
use crate::connection::Connection;
use crate::output::{self, Cell, Table};
use crate::trouble::FAILED;

#[derive(Debug, clap::Args)]
pub struct Publish {
    /// Application files, or `-` for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Args)]
pub struct Published {
    /// One application with its text, revisions and associations, by name or id
    name: Option<String>,
    /// That revision of it
    #[arg(long, requires = "name", value_name = "NUMBER")]
    revision: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Args)]
pub struct Withdraw {
    /// By name or id
    #[arg(required = true)]
    name: Vec<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Args)]
pub struct State {
    /// Of this application only, by name or id
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// Of this computer only; also what it is to have and has not told anything of
    #[arg(long, value_name = "NAME")]
    computer: Option<String>,
    /// Only what is not as it should be
    #[arg(long)]
    not_ok: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub async fn publish(args: Publish) -> Result<ExitCode> {
    let client = args.connection.client()?;
    let (mut published, mut is_well) = (Vec::new(), true);
    for file in &args.files {
        let (text, shown) = (workflow::read(file)?, workflow::shown(file));
        if !accept(&text, &shown) {
            is_well = false;
            continue;
        }
        let done = client.publish(&text).await?;
        // Warnings of the file itself were told with their lines.
        let of_server = |found: &&api::Finding| found.code.starts_with("DH-A");
        let findings: Vec<_> = done.findings.iter().filter(of_server).cloned().collect();
        workflow::note_findings(&shown, &findings);
        if !args.json {
            output::line(told(&done))?;
        }
        published.push(done);
    }
    if args.json {
        output::json(&published)?;
    }
    Ok(if is_well { DONE } else { ExitCode::from(FAILED) })
}

fn accept(text: &str, name: &str) -> bool {
    let parsed = format::parse_application(text);
    for problem in &parsed.problems {
        output::note(problem.render(name));
    }
    !parsed.has_errors()
}

fn told(done: &api::Published) -> String {
    let api::Application { name, version, revision, source_files, source_bytes, .. } =
        &done.application;
    let name = output::clean(name);
    if !done.is_new {
        return format!("{name} version {version} is published already (revision {revision})");
    }
    let source = match done.application.source {
        Some(_) => format!(", {source_files} files, {}", output::bytes(*source_bytes)),
        None => String::new(),
    };
    format!("{name} version {version} is published (revision {revision}{source})")
}

pub async fn published(args: Published) -> Result<ExitCode> {
    let client = args.connection.client()?;
    if let Some(name) = &args.name {
        let detail = client.application(name, args.revision).await?;
        if args.json {
            output::json(&detail)?;
        } else {
            show(&detail)?;
        }
        return Ok(DONE);
    }
    let all = client.applications().await?;
    if args.json {
        output::json(&all)?;
        return Ok(DONE);
    }
    let mut table = Table::new(&["NAME", "VERSION", "REVISION", "SOURCE", "PUBLISHED", "ID"]);
    for application in &all {
        table.row(row(application));
    }
    let otherwise = "nothing is published; `deskhand app publish FILE` publishes an application";
    print_or_note(&table, otherwise)?;
    Ok(DONE)
}

fn row(application: &api::Application) -> [Cell; 6] {
    let source = application.source.as_ref().map(|_| output::bytes(application.source_bytes));
    [
        application.name.as_str().into(),
        application.version.to_string().into(),
        application.revision.to_string().into(),
        source.unwrap_or_default().into(),
        output::stamp(application.published_at).into(),
        application.id.as_str().into(),
    ]
}

fn show(detail: &api::ApplicationDetail) -> Result<()> {
    let mut table = Table::new(&["NAME", "VERSION", "REVISION", "SOURCE", "PUBLISHED", "ID"]);
    detail.revisions.iter().for_each(|application| table.row(row(application)));
    table.print()?;
    for association in &detail.associations {
        output::line(format!("for {}", super::super::association::whom(&association.to)))?;
    }
    output::line("")?;
    Ok(output::text(&output::clean_lines(&detail.text))?)
}

pub async fn withdraw(args: Withdraw) -> Result<ExitCode> {
    let client = args.connection.client()?;
    for name in &args.name {
        client.withdraw(name).await?;
    }
    Ok(DONE)
}

pub async fn state(args: State) -> Result<ExitCode> {
    let client = args.connection.client()?;
    let mut states = match (&args.computer, &args.app) {
        (Some(computer), None) => client.computer_applications(computer).await?.states,
        (computer, app) => client.application_states(computer.as_deref(), app.as_deref()).await?,
    };
    if args.not_ok {
        states.retain(|state| state.state != "ok");
    }
    if args.json {
        output::json(&states)?;
        return Ok(DONE);
    }
    let now = output::now();
    let mut table = Table::new(&[
        "COMPUTER",
        "APPLICATION",
        "USER",
        "WANTED",
        "INSTALLED",
        "STATE",
        "DRIFT",
        "WHY",
        "TOLD",
    ]);
    for state in &states {
        let version = |version: Option<u16>| version.map_or("-".to_owned(), |it| it.to_string());
        let told = state.told_at.map(|at| output::ago_or_ahead(at, now));
        table.row([
            state.computer.as_str().into(),
            state.application.as_str().into(),
            state.user.clone().unwrap_or_default().into(),
            version(state.wanted).into(),
            version(state.installed).into(),
            Cell::state(&state.state),
            if state.drift > 0 { state.drift.to_string() } else { String::new() }.into(),
            why(state, now).into(),
            told.unwrap_or_default().into(),
        ]);
    }
    print_or_note(&table, "nothing is known of applications there")?;
    Ok(DONE)
}

/// The last error, what it waits for, and when it is tried again.
fn why(state: &ApplicationState, now: i64) -> String {
    let mut parts = Vec::new();
    parts.extend(state.error.clone());
    parts.extend(state.pending.as_ref().map(|pending| format!("waits for {pending}")));
    let next = state.next_attempt.map(|at| format!("next {}", output::ago_or_ahead(at, now)));
    parts.extend(next);
    parts.join("; ")
}
