//! `deskhand workflow`: workflow files, here and on the server.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde::Serialize;
use workflow::Severity;

use crate::connection::Connection;
use crate::output::{self, Table};
use crate::trouble::{FAILED, Trouble};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say what is wrong with workflow files; needs no server
    Check {
        /// Files, `-` for standard input
        #[arg(required = true)]
        file: Vec<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Keep workflows on the server; one that is there gets a new revision
    Apply {
        /// Files, `-` for standard input
        #[arg(required = true)]
        file: Vec<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// All workflows on the server
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// What a workflow on the server does
    Show {
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the file as it was applied
    Export { name: String },
    /// Print the JSON Schema for editors
    Schema,
    /// Print what scripts can call, as TypeScript declarations for editors
    ScriptTypes,
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let connection = args.connection;
    match args.action {
        Action::Check { file, json } => {
            return check(&file, json, |source| format::parse_workflow(source).problems);
        }
        Action::Apply { file, json } => return apply(&connection, &file, json).await,
        Action::List { json } => list(&connection.client()?.workflows().await?, json)?,
        Action::Show { name, json } => show(&connection.client()?.workflow(&name).await?, json)?,
        Action::Export { name } => {
            output::text(&connection.client()?.workflow(&name).await?.source)?;
        }
        Action::Schema => output::text(&format::workflow_schema())?,
        Action::ScriptTypes => output::text(&format::script_declarations())?,
    }
    Ok(super::DONE)
}

/// What was found in one file, for scripts.
#[derive(Serialize)]
struct Checked {
    file: String,
    findings: Vec<api::Finding>,
}

/// Tells what a reader finds in files; one that cannot be read keeps nobody from the others.
pub fn check(
    files: &[PathBuf],
    json: bool,
    problems_of: impl Fn(&str) -> Vec<format::Problem>,
) -> Result<ExitCode> {
    let mut all = Vec::new();
    let (mut errors, mut warnings) = (0, 0);
    let mut unread = None;
    for file in files {
        let source = match read(file) {
            Ok(source) => source,
            Err(error) => {
                // The others are checked nevertheless.
                if let Some(before) = unread.replace(error) {
                    output::note(format!("error: {before:#}"));
                }
                continue;
            }
        };
        let problems = problems_of(&source);
        let is_error = |problem: &&format::Problem| problem.severity == Severity::Error;
        let found = problems.iter().filter(is_error).count();
        errors += found;
        warnings += problems.len() - found;
        let name = shown(file);
        if json {
            let findings = problems.iter().map(finding).collect();
            all.push(Checked { file: name, findings });
        } else {
            for problem in &problems {
                output::line(problem.render(&name))?;
            }
        }
    }
    if json {
        output::json(&all)?;
    } else {
        output::note(counted(files.len(), errors, warnings));
    }
    if let Some(error) = unread {
        return Err(error);
    }
    Ok(if errors > 0 { ExitCode::from(FAILED) } else { super::DONE })
}

fn counted(files: usize, errors: usize, warnings: usize) -> String {
    let many = |count: usize, one: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    };
    let files = many(files, "file");
    match (errors, warnings) {
        (0, 0) => format!("{files}: all is well"),
        (errors, warnings) => {
            format!("{files}: {}, {}", many(errors, "error"), many(warnings, "warning"))
        }
    }
}

fn finding(problem: &format::Problem) -> api::Finding {
    api::Finding {
        severity: match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
        .into(),
        code: problem.code.into(),
        line: problem.line,
        column: problem.column,
        message: problem.what.clone(),
        hint: problem.hint.clone(),
    }
}

async fn apply(connection: &Connection, files: &[PathBuf], json: bool) -> Result<ExitCode> {
    let mut sources = Vec::new();
    for file in files {
        let source = read(file)?;
        if !accept(&source, &shown(file)) {
            return Ok(ExitCode::from(FAILED));
        }
        sources.push((file, source));
    }
    let client = connection.client()?;
    let mut applied = Vec::new();
    let mut is_well = true;
    for (file, source) in sources {
        let checked = client.apply_workflow(source).await?;
        match &checked.workflow {
            Some(kept) if !json => {
                let name = output::clean(&kept.name);
                output::note(format!("Applied {name}, revision {}.", kept.revision));
            }
            Some(_) => {}
            None => {
                is_well = false;
                note_findings(&shown(file), &checked.findings);
            }
        }
        applied.push(checked);
    }
    if json {
        output::json(&applied)?;
    }
    Ok(if is_well { super::DONE } else { ExitCode::from(FAILED) })
}

/// Says on standard error what is wrong with a file; false when it cannot be used.
pub fn accept(source: &str, name: &str) -> bool {
    let parsed = format::parse_workflow(source);
    for problem in &parsed.problems {
        output::note(problem.render(name));
    }
    !parsed.has_errors()
}

/// Findings of the server, which has no source lines to show.
pub fn note_findings(name: &str, findings: &[api::Finding]) {
    for api::Finding { severity, code, line, column, message, hint } in findings {
        output::note(output::clean_lines(&format!(
            "{name}:{line}:{column}: {severity}[{code}]: {message}\n  hint: {hint}"
        )));
    }
}

pub fn read(file: &Path) -> Result<String> {
    let read = if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    let bytes = read.with_context(|| format!("cannot read {}", shown(file)))?;
    String::from_utf8(bytes).map_err(|error| {
        let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        let what = format!("{}:{line}: this is not UTF-8 text", shown(file));
        Trouble::new("DH-F001", what, "save the file with the encoding UTF-8").into()
    })
}

pub fn shown(file: &Path) -> String {
    if file.as_os_str() == "-" { "stdin".to_owned() } else { file.display().to_string() }
}

fn list(workflows: &[api::Workflow], json: bool) -> Result<()> {
    if json {
        return output::json(&workflows);
    }
    let mut table = Table::new(&["NAME", "REVISION", "CHANGED", "BY", "DESCRIPTION"]);
    for workflow in workflows {
        table.row([
            workflow.name.as_str().into(),
            workflow.revision.to_string().into(),
            output::stamp(workflow.created_at).into(),
            workflow.created_by.as_str().into(),
            workflow.description.as_str().into(),
        ]);
    }
    super::print_or_note(&table, "no workflows; keep one with `deskhand workflow apply FILE`")
}

fn show(kept: &api::Workflow, json: bool) -> Result<()> {
    if json {
        return output::json(kept);
    }
    output::line(format!("{}, revision {}", output::clean(&kept.name), kept.revision))?;
    let by = output::clean(&kept.created_by);
    output::line(format!("applied by {by}, {}", output::stamp(kept.created_at)))?;
    if !kept.description.is_empty() {
        output::line(output::clean_lines(&kept.description))?;
    }
    let Some(workflow) = format::parse_workflow(&kept.source).workflow else { return Ok(()) };
    for (name, value) in &workflow.variables {
        output::line(format!("  {name} = {}", output::clean(value)))?;
    }
    output::line("")?;
    let mut table = Table::new(&["ACTIVITY", "DOES", "THEN"]);
    for (name, activity) in &workflow.activities {
        let is_start = *name == workflow.start;
        let mark = if is_start { format!("{name} (start)") } else { name.to_string() };
        table.row([mark.into(), activity.kind.name().into(), then(activity).into()]);
    }
    Ok(table.print()?)
}

/// `ok: upload, scan; error: failed`.
fn then(activity: &workflow::Activity) -> String {
    if let workflow::Kind::Jump { to } = &activity.kind {
        return format!("-> {to}");
    }
    let transitions = activity.on.iter().map(|(event, targets)| {
        let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
        format!("{event}: {}", targets.join(", "))
    });
    transitions.collect::<Vec<_>>().join("; ")
}
