//! File activities: planned, the plan made durable, then carried out.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use machine::{Counts, FileError, FilePlan, Operation, PlanBytesError};
use tokio_util::sync::CancellationToken;
use workflow::{Event, Outputs, Report};

use super::{interrupted, sentence};
use crate::state::write_durable;

#[derive(Debug, thiserror::Error)]
enum FilesError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the list of files cannot be kept in {}", .path.display())]
    Keep { path: PathBuf, source: io::Error },
    #[error("the list of files in {} cannot be read", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the list of files in {} is damaged", .path.display())]
    Damaged { path: PathBuf, source: PlanBytesError },
}

/// Carries an operation out. With `plan` the list it acts on is kept there first, and one that is
/// there already is what it goes on with.
pub(super) async fn run(
    operation: Operation,
    plan: Option<PathBuf>,
    cancel: &CancellationToken,
) -> Report {
    let named = outputs_of(&operation);
    let plan = plan.filter(|_| is_listed(&operation));
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    let mut work =
        tokio::task::spawn_blocking(move || carry_out(&operation, plan.as_deref(), &seen));
    let done = tokio::select! {
        done = &mut work => done,
        () = cancel.cancelled() => {
            stop.store(true, Ordering::Relaxed);
            work.await
        }
    };
    match done {
        Ok(Ok(counts)) => report(counts, named),
        Ok(Err(FilesError::File(FileError::Stopped))) => interrupted(),
        Ok(Err(FilesError::File(error))) if error.is_no_file() => Report {
            outputs: none_of(named),
            note: Some(error.to_string()),
            ..Report::of(Event::NoFile)
        },
        Ok(Err(error)) => Report::error(sentence(&error)),
        Err(error) => Report::error(format!("the agent failed in this activity: {error}")),
    }
}

/// Whether what an operation acts on is a list that changes with the acting.
fn is_listed(operation: &Operation) -> bool {
    matches!(operation, Operation::Copy(_) | Operation::Move(_) | Operation::DeleteFiles { .. })
}

fn carry_out(
    operation: &Operation,
    path: Option<&Path>,
    stop: &AtomicBool,
) -> Result<Counts, FilesError> {
    let plan = match path {
        Some(path) => match std::fs::read(path) {
            Ok(bytes) => FilePlan::from_bytes(&bytes)
                .map_err(|source| FilesError::Damaged { path: path.to_owned(), source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let plan = FilePlan::of(operation)?;
                write_durable(path, &plan.to_bytes())
                    .map_err(|source| FilesError::Keep { path: path.to_owned(), source })?;
                plan
            }
            Err(source) => return Err(FilesError::Read { path: path.to_owned(), source }),
        },
        None => FilePlan::of(operation)?,
    };
    Ok(plan.carry_out(stop)?)
}

fn outputs_of(operation: &Operation) -> &'static [&'static str] {
    match operation {
        Operation::Copy(_) | Operation::Move(_) => &["files", "skipped"],
        Operation::DeleteFiles { .. } => &["files"],
        Operation::Rename { .. }
        | Operation::CreateFolders { .. }
        | Operation::DeleteFolders { .. } => &[],
    }
}

fn none_of(named: &[&str]) -> Outputs {
    named.iter().map(|name| ((*name).to_owned(), "0".to_owned())).collect()
}

fn report(counts: Counts, named: &[&str]) -> Report {
    let mut report = Report::of(Event::Ok);
    for name in named {
        let count = if *name == "files" { counts.files } else { counts.skipped };
        report.outputs.insert((*name).to_owned(), count.to_string());
    }
    report
}
