//! What only Windows has: files that other programs hold, the system's own registry.

use std::fs;
use std::os::windows::fs::OpenOptionsExt;
use std::process::Command;

use application::Meta;
use machine::change::Transaction;
use machine::registry::{MemoryRegistry, Registry, SystemRegistry};
use model::registry::Key;

use super::scene::{bytes, carry_out, key, path, prepared, registry_picture, set_up_registry};
use super::with_scene;

/// A program that holds a file without letting others rename it makes it wait for the next start.
#[test]
fn a_file_in_use_waits_for_the_next_start() {
    with_scene(|scene| {
        scene.set_up();
        let changes = [
            scene.write_change("replaced", bytes("new"), Meta::default()),
            scene.write_change("new", bytes("fine"), Meta::default()),
        ];
        let mut registry = MemoryRegistry::default();
        // Others may read it.
        let holder =
            fs::File::options().read(true).share_mode(1).open(scene.real("replaced")).unwrap();
        let mut transaction = prepared(scene, &changes, &mut registry).unwrap();
        let reboot = transaction.apply(&mut registry).unwrap().reboot;
        assert_eq!(reboot.len(), 1, "{reboot:?}");
        assert!(reboot[0].contains(&path("replaced")), "{reboot:?}");
        assert_eq!(transaction.delayed(), [0]);
        let done = transaction.commit(&mut registry).unwrap();
        assert_eq!((done.kept.len(), done.reboot), (1, reboot));
        drop(holder);
        assert_eq!(fs::read_to_string(scene.real("replaced")).unwrap(), "old text");
        assert_eq!(fs::read_to_string(scene.real("new")).unwrap(), "fine");
        transaction.forget().unwrap();
        let noted = pending_renames();
        let place = scene.real("replaced").to_string_lossy().into_owned();
        let at = noted.iter().position(|path| path.ends_with(&place)).unwrap();
        assert!(noted[at - 1].contains(".deskhand-part-"), "{noted:?}");
        // What Wine carries out at its start is told by a program of its own.
        let started = Command::new("wineboot").status().unwrap();
        assert!(started.success());
        assert_eq!(fs::read_to_string(scene.real("replaced")).unwrap(), "new");
        assert!(!pending_renames().iter().any(|path| path.ends_with(&place)));
    });
}

/// By pairs: from where, and to where; empty where it is removed.
fn pending_renames() -> Vec<String> {
    let key = Key::parse(r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager").unwrap();
    let registry = SystemRegistry::open(None).unwrap();
    let data = registry.value(&key, "PendingFileRenameOperations").unwrap();
    let bytes = data.map(|data| data.bytes).unwrap_or_default();
    let units: Vec<u16> =
        bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    units.split(|unit| *unit == 0).map(String::from_utf16_lossy).collect()
}

/// One that is let go of soon is waited for.
#[test]
fn a_file_that_is_held_for_a_moment_is_waited_for() {
    with_scene(|scene| {
        scene.set_up();
        let changes = [scene.write_change("replaced", bytes("new"), Meta::default())];
        let mut ground = scene.ground();
        ground.patience = std::time::Duration::from_secs(20);
        let (shelf, mut registry) = (scene.shelf(), MemoryRegistry::default());
        let mut transaction =
            Transaction::prepare(&scene.work(), &changes, b"", &ground, &mut registry, &shelf)
                .unwrap();
        let holder =
            fs::File::options().read(true).share_mode(1).open(scene.real("replaced")).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::yield_now();
                drop(holder);
            });
            assert_eq!(transaction.apply(&mut registry).unwrap().reboot, Vec::<String>::new());
        });
        transaction.commit(&mut registry).unwrap();
        assert_eq!(fs::read_to_string(scene.real("replaced")).unwrap(), "new");
    });
}

/// As a scanner does: nobody else may even read the file.
#[test]
fn a_file_that_nobody_may_read_is_waited_for_and_told() {
    with_scene(|scene| {
        scene.set_up();
        let changes = [
            scene.write_change("new", bytes("fine"), Meta::default()),
            scene.write_change("replaced", bytes("new"), Meta::default()),
        ];
        let (mut ground, shelf) = (scene.ground(), scene.shelf());
        let mut registry = MemoryRegistry::default();
        let hold = || fs::File::options().read(true).share_mode(0).open(scene.real("replaced"));
        let holder = hold().unwrap();
        let prepared =
            Transaction::prepare(&scene.work(), &changes, b"", &ground, &mut registry, &shelf);
        let error = prepared.unwrap_err();
        assert_eq!(error.code(), "DH-U003", "{error}");
        drop(holder);
        assert!(!scene.real("new").exists());
        assert_eq!(fs::read_to_string(scene.real("replaced")).unwrap(), "old text");

        ground.patience = std::time::Duration::from_secs(20);
        let holder = hold().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::yield_now();
                drop(holder);
            });
            let mut transaction =
                Transaction::prepare(&scene.work(), &changes, b"", &ground, &mut registry, &shelf)
                    .unwrap();
            transaction.apply(&mut registry).unwrap();
            transaction.commit(&mut registry).unwrap();
        });
        assert_eq!(fs::read_to_string(scene.real("replaced")).unwrap(), "new");
    });
}

#[test]
fn the_registry_of_the_system_is_changed_and_put_back() {
    with_scene(|scene| {
        let kept = scene.set_up();
        let mut registry = SystemRegistry::open(None).unwrap();
        let clear = |registry: &mut SystemRegistry| {
            for name in [r"New\Deep", "New", "Kept", r"Old\Below", "Old"] {
                registry.delete(&key(name)).unwrap();
            }
        };
        clear(&mut registry);
        set_up_registry(&mut registry);
        let before = registry_picture(&registry);
        let changes = scene.changes(kept);
        let mut transaction = prepared(scene, &changes, &mut registry).unwrap();
        transaction.apply(&mut registry).unwrap();
        assert_ne!(registry_picture(&registry), before);
        transaction.undo(&mut registry).unwrap();
        assert_eq!(registry_picture(&registry), before);

        carry_out(scene, &changes, &mut registry);
        let after = registry_picture(&registry);
        let mut model = MemoryRegistry::default();
        set_up_registry(&mut model);
        let registry_alone = |change: &&application::Change| {
            use application::Change;
            !matches!(
                change,
                Change::WriteFile { .. }
                    | Change::RemoveFile { .. }
                    | Change::CreateFolder { .. }
                    | Change::RemoveFolder { .. }
            )
        };
        let changes: Vec<_> = changes.iter().filter(registry_alone).cloned().collect();
        carry_out(scene, &changes, &mut model);
        clear(&mut registry);
        assert_eq!(after, registry_picture(&model));
    });
}
