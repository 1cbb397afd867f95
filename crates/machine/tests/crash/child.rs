//! What the traced child does. Its exit code says how it ended.

use std::path::Path;

use machine::change::{AfterDeath, ChangeError, Ground, Recovered, Transaction, forget, recover};

use super::file_registry::FileRegistry;
use super::scene::Scene;
use super::trace;

pub const APPLY: &str = "--apply";
pub const RECOVER: &str = "--recover";
/// Goes on where that is possible.
pub const FINISH: &str = "--finish";

/// All changes are made.
pub const DONE: i32 = 0;
/// None is.
pub const UNDONE: i32 = 10;
/// It says that it left something to be recovered.
pub const LEFT: i32 = 11;

pub fn registry(base: &Path) -> FileRegistry {
    FileRegistry::open(&base.join("registry"))
}

/// Carries out all changes of the scene.
pub fn apply(base: &Path) {
    let scene = Scene::new(base);
    let changes = scene.changes(scene.earlier());
    let (ground, shelf, work) = (scene.ground(), scene.shelf(), scene.work());
    let mut registry = registry(base);
    trace::begin();
    let prepared = Transaction::prepare(&work, &changes, b"note", &ground, &mut registry, &shelf);
    let mut transaction = match prepared {
        Ok(transaction) => transaction,
        Err(ChangeError::NotUndone { .. }) => return trace::end(LEFT),
        Err(_) => return trace::end(UNDONE),
    };
    let done = transaction.apply(&mut registry).and_then(|_| transaction.commit(&mut registry));
    let ended = match done {
        Ok(_) => transaction.forget().map_or(LEFT, |()| DONE),
        Err(ChangeError::Unsettled { .. }) => LEFT,
        Err(_) => transaction.undo(&mut registry).map_or(LEFT, |_| UNDONE),
    };
    trace::end(ended);
}

/// Recovers what another child left.
pub fn recover_there(base: &Path, after_death: AfterDeath) {
    let (scene, mut registry) = (Scene::new(base), registry(base));
    let (ground, work) = (Ground { after_death, ..scene.ground() }, scene.work());
    trace::begin();
    let ended = match recover(&work, &ground, &mut registry) {
        Ok(Some(Recovered::Done { .. })) if forget(&work).is_ok() => DONE,
        Ok(Some(Recovered::Undone { .. }) | None) => UNDONE,
        _ => LEFT,
    };
    trace::end(ended);
}
