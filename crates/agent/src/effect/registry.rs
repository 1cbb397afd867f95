//! Registry: a script as one transaction, kept in the plan file from its beginning to its end.
//!
//! The file holds what is done and what was there before. One that is found at the beginning is an
//! earlier life's: what it changed is put back, and the script begins again; one that says that all
//! was done is answered from.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use format::parse_registry;
use machine::Identity;
use machine::registry::{
    Registry, RegistryBytesError, RegistryError, RegistryPlan, ScriptError, SystemRegistry,
};
use tokio_util::sync::CancellationToken;
use workflow::{Event, Report};

use super::who::{NoIdentity, Who};
use super::{interrupted, sentence};
use crate::state::write_durable;

/// First byte of a plan file: what is to be done follows, or how many statements changed something.
const PLANNED: u8 = b'P';
const DONE: u8 = b'D';

#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The first of what is wrong, and how much more is.
    #[error("the script cannot be read: {0}")]
    Script(String),
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Carry(#[from] ScriptError),
    #[error("what an earlier attempt changed cannot be put back")]
    Undo(#[source] RegistryError),
    #[error("what the script will change cannot be kept in {}", .path.display())]
    Keep { path: PathBuf, source: io::Error },
    #[error("what the script changed before cannot be read from {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is damaged", .path.display())]
    Damaged { path: PathBuf, source: RegistryBytesError },
}

pub(super) async fn run(
    script: String,
    who: Who,
    plan: Option<PathBuf>,
    cancel: &CancellationToken,
) -> Report {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    // On one thread from beginning to end: whoever acts as a user does so for its thread.
    let mut work = tokio::task::spawn_blocking(move || {
        // Said first, whatever else is wrong.
        SystemRegistry::open(None)?;
        let identity: Option<Identity> = who.resolve()?;
        let mut registry = SystemRegistry::open(identity.as_ref())?;
        carry_out(&mut registry, &script, plan.as_deref(), &seen)
    });
    let done = tokio::select! {
        done = &mut work => done,
        () = cancel.cancelled() => {
            stop.store(true, Ordering::Relaxed);
            work.await
        }
    };
    match done {
        Ok(Ok(changes)) => {
            let mut report = Report::of(Event::Ok);
            report.outputs.insert("changes".into(), changes.to_string());
            report
        }
        Ok(Err(Failure::Carry(ScriptError::Stopped))) => interrupted(),
        Ok(Err(error)) => Report::error(sentence(&error)),
        Err(error) => Report::error(format!("the agent failed in this activity: {error}")),
    }
}

fn carry_out(
    registry: &mut dyn Registry,
    script: &str,
    path: Option<&Path>,
    stop: &AtomicBool,
) -> Result<u64, Failure> {
    if let Some(path) = path
        && let Some(changes) = earlier(registry, path)?
    {
        return Ok(changes);
    }
    let parsed = parse_registry(script);
    if let Some(first) = parsed.problems.first() {
        let more = match parsed.problems.len() {
            1 => String::new(),
            count => format!(" ({} more)", count - 1),
        };
        let (line, column) = (first.line, first.column);
        let told = format!("line {line}, column {column}: {} [{}]{more}", first.what, first.code);
        return Err(Failure::Script(told));
    }
    let plan = RegistryPlan::make(registry, parsed.steps)?;
    if let Some(path) = path {
        keep(path, PLANNED, &plan.to_bytes())?;
    }
    let changes = plan.carry_out(registry, stop)?;
    if let Some(path) = path {
        keep(path, DONE, &changes.to_le_bytes())?;
    }
    Ok(changes)
}

/// Puts back what an earlier life began; answers when it had come to the end.
fn earlier(registry: &mut dyn Registry, path: &Path) -> Result<Option<u64>, Failure> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Failure::Read { path: path.to_owned(), source }),
    };
    let (kind, held) = bytes.split_at_checked(1).unwrap_or_default();
    if let (&[DONE], Ok(changes)) = (kind, <[u8; 8]>::try_from(held)) {
        return Ok(Some(u64::from_le_bytes(changes)));
    }
    let plan = RegistryPlan::from_bytes(if kind == [PLANNED] { held } else { &[] });
    let plan = plan.map_err(|source| Failure::Damaged { path: path.to_owned(), source })?;
    plan.undo(registry).map_err(Failure::Undo)?;
    Ok(None)
}

fn keep(path: &Path, kind: u8, held: &[u8]) -> Result<(), Failure> {
    write_durable(path, &[&[kind], held].concat())
        .map_err(|source| Failure::Keep { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use machine::registry::MemoryRegistry;
    use model::registry::{Data, Key};

    use super::*;

    static RUN: AtomicBool = AtomicBool::new(false);

    const SCENE: &str =
        "[HKLM\\Software\\Maker]\n\"v\"=\"old\"\n[HKLM\\Software\\Maker\\Sub]\n@=\"x\"";
    const SCRIPT: &str = "[HKLM\\Software\\Maker]?\n\"v\"==\"old\"\n[HKLM\\Software\\Maker]\n\
                          \"v\"=\"new\"\n\"w\"=dword:1\n[-HKLM\\Software\\Maker\\Sub]\n\
                          [HKLM\\Software\\Other\\Deep]\n\"z\"=hex:01\n";

    fn scene() -> MemoryRegistry {
        let mut registry = MemoryRegistry::default();
        carry_out(&mut registry, SCENE, None, &RUN).unwrap();
        registry
    }

    #[test]
    fn a_death_anywhere_is_finished_by_the_next_life() {
        let mut finished = scene();
        assert_eq!(carry_out(&mut finished, SCRIPT, None, &RUN).unwrap(), 5);
        for changes in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("1.1.plan");
            let mut registry = scene().dying_after(changes);
            let first = carry_out(&mut registry, SCRIPT, Some(&path), &RUN);
            assert!(path.is_file(), "what is changed is known before");
            // The end may not have been recorded either: it is told again, and nothing done twice.
            let mut registry = registry.revived();
            assert_eq!(carry_out(&mut registry, SCRIPT, Some(&path), &RUN).unwrap(), 5);
            assert!(registry == finished, "died after {changes} changes");
            if first.is_ok() {
                return;
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_changes_nothing() {
        let mut registry = scene();
        let mut failing =
            |script: &str| sentence(&carry_out(&mut registry, script, None, &RUN).unwrap_err());
        let told = failing("[HKLM\\Software\\Maker]\n\"v\"=word:1\n[HKXX]");
        assert_eq!(
            told,
            "the script cannot be read: line 2, column 5: `word` is no type of data [DH-G004] \
             (1 more)"
        );
        let told = failing("[HKLM\\Software\\Maker]?\n\"v\"==\"secret\"\n\"v\"=\"x\"");
        assert_eq!(
            told,
            "line 2: the value `v` of `HKEY_LOCAL_MACHINE\\Software\\Maker` holds something else"
        );
        assert!(registry == scene());
    }

    #[test]
    fn a_damaged_plan_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.1.plan");
        for bytes in [&b""[..], b"X", b"D123", b"P\x01"] {
            std::fs::write(&path, bytes).unwrap();
            let mut registry = scene();
            let error = carry_out(&mut registry, SCRIPT, Some(&path), &RUN).unwrap_err();
            assert!(matches!(error, Failure::Damaged { .. }), "{error}");
            assert!(registry == scene());
        }
    }

    #[test]
    fn a_stop_puts_back() {
        let mut registry = scene();
        let stopped = carry_out(&mut registry, SCRIPT, None, &AtomicBool::new(true));
        assert!(matches!(stopped, Err(Failure::Carry(ScriptError::Stopped))));
        assert!(registry == scene());
        let key = Key::parse(r"HKLM\Software\Maker").unwrap();
        assert_eq!(registry.value(&key, "v").unwrap(), Some(Data::text("old")));
    }
}
