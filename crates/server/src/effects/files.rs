//! File operations confined to the depot (AC-15..AC-20 `on_server`).
//!
//! Paths cannot leave the depot whatever they render to. The work itself blocks and has a thread
//! of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use content::DepotPath;
use machine::{CaseRule, Counts, FileError, FilePlan, Filter, Operation, Options, Spot, Transfer};
use workflow::{Context, Event, FileMove, FolderList, Kind, Report, Template};

use super::{Depot, Job, text};

pub async fn carry_out(depot: Depot, job: Job) -> Report {
    let Job { kind, context, cancel, .. } = job;
    let stop = Stop(Arc::new(AtomicBool::new(false)));
    let is_stopped = stop.0.clone();
    let mut doing = tokio::task::spawn_blocking(move || match operation(&depot, &kind, &context) {
        Ok(work) => act(&depot, &work, &is_stopped),
        Err(why) => Report::error(why),
    });
    let ended = tokio::select! {
        ended = &mut doing => ended,
        () = cancel.cancelled() => {
            stop.0.store(true, Ordering::Relaxed);
            doing.await
        }
    };
    ended.unwrap_or_else(|error| Report::error(format!("the server's own fault: {error}")))
}

/// Stops the work when nobody waits for it any more.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// An operation, and where marks of origin follow it.
struct Work {
    operation: Operation,
    marks: Option<(DepotPath, DepotPath)>,
}

fn operation(depot: &Depot, kind: &Kind, context: &Context) -> Result<Work, String> {
    let place = |text: &Template| path(text, context);
    let spot = |text: &Template| place(text).map(|path| path.under(&depot.path));
    let plain = |operation| Ok(Work { operation, marks: None });
    match kind {
        Kind::Move(files) => transfer(depot, files, context, Operation::Move),
        Kind::Copy(files) => transfer(depot, files, context, Operation::Copy),
        Kind::Rename(rename) => {
            let (current, new) = (place(&rename.current)?, text(&rename.new, context)?);
            let renamed = current.parent().and_then(|(above, _)| above.join(&new).ok());
            let operation = Operation::Rename {
                current: current.under(&depot.path),
                new,
                replace: rename.replace,
                force: rename.force,
            };
            Ok(Work { operation, marks: renamed.map(|renamed| (current, renamed)) })
        }
        Kind::DeleteFiles { folder, filter, recursive, force, .. } => {
            plain(Operation::DeleteFiles {
                folder: spot(folder)?,
                filter: filter_of(filter, context)?,
                recursive: *recursive,
                force: *force,
            })
        }
        Kind::CreateFolders { folders, .. } => {
            plain(Operation::CreateFolders { folders: spots(depot, folders, context)? })
        }
        Kind::DeleteFolders { folders, recursive, force, .. } => plain(Operation::DeleteFolders {
            folders: spots(depot, folders, context)?,
            recursive: *recursive,
            force: *force,
        }),
        other => Err(format!("`{}` is not carried out by the server", other.name())),
    }
}

fn transfer(
    depot: &Depot,
    files: &FileMove,
    context: &Context,
    make: impl FnOnce(Transfer) -> Operation,
) -> Result<Work, String> {
    let (from, to) = (path(&files.from, context)?, path(&files.to, context)?);
    let (recursive, replace, force) = (files.recursive, files.replace, files.force);
    let operation = make(Transfer {
        from: from.under(&depot.path),
        to: to.under(&depot.path),
        filter: filter_of(&files.filter, context)?,
        options: Options { recursive, replace, force },
    });
    Ok(Work { operation, marks: Some((from, to)) })
}

fn act(depot: &Depot, work: &Work, stop: &AtomicBool) -> Report {
    let plan = match FilePlan::of(&work.operation) {
        Ok(plan) => plan,
        Err(error) => return failed(&error),
    };
    if let Some((from, to)) = &work.marks
        && let Err(error) = depot.objects.marks_follow(from, to)
    {
        return Report::error(crate::core::chain(&error));
    }
    match plan.carry_out(stop) {
        Ok(counts) => done(&work.operation, counts),
        Err(error) => failed(&error),
    }
}

fn done(operation: &Operation, counts: Counts) -> Report {
    let mut report = Report::of(Event::Ok);
    let mut put = |name: &str, count: u64| {
        report.outputs.insert(name.to_owned(), count.to_string());
    };
    match operation {
        Operation::Copy(_) | Operation::Move(_) => {
            put("files", counts.files);
            put("skipped", counts.skipped);
        }
        Operation::DeleteFiles { .. } => put("files", counts.files),
        Operation::Rename { .. }
        | Operation::CreateFolders { .. }
        | Operation::DeleteFolders { .. } => {}
    }
    report
}

fn failed(error: &FileError) -> Report {
    let event = if error.is_no_file() { Event::NoFile } else { Event::Error };
    let note = Some(crate::core::chain(error));
    Report { note, ..Report::of(event) }
}

/// A path of the depot.
pub fn path(template: &Template, context: &Context) -> Result<DepotPath, String> {
    read_path(&text(template, context)?)
}

/// A path of the depot as it is written. `\` parts names as well, as people of Windows write it.
pub fn read_path(text: &str) -> Result<DepotPath, String> {
    text.replace('\\', "/").parse().map_err(|error| format!("{error}"))
}

/// The folders of a list, one at least.
pub fn folders(list: &FolderList, context: &Context) -> Result<Vec<DepotPath>, String> {
    let texts: Vec<String> = match list {
        FolderList::Joined(all) => {
            text(all, context)?.split(';').map(|one| one.trim().to_owned()).collect()
        }
        FolderList::Each(each) => {
            each.iter().map(|one| text(one, context)).collect::<Result<_, _>>()?
        }
    };
    let named: Vec<&String> = texts.iter().filter(|text| !text.is_empty()).collect();
    if named.is_empty() {
        return Err("no folder is named: `folders` is empty".into());
    }
    named.into_iter().map(|text| read_path(text)).collect()
}

fn filter_of(template: &Template, context: &Context) -> Result<Filter, String> {
    Filter::parse(&text(template, context)?, CaseRule::OWN).map_err(|error| error.to_string())
}

fn spots(depot: &Depot, list: &FolderList, context: &Context) -> Result<Vec<Spot>, String> {
    let folders = folders(list, context)?;
    Ok(folders.iter().map(|folder| folder.under(&depot.path)).collect())
}
