//! Files that other programs hold, on Windows.

use std::fs;
use std::os::windows::fs::OpenOptionsExt;

use application::Meta;
use machine::change::Transaction;
use machine::registry::MemoryRegistry;

use super::scene::{bytes, path};
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
        let (ground, shelf) = (scene.ground(), scene.shelf());
        let mut registry = MemoryRegistry::default();
        // Others may read it.
        let holder =
            fs::File::options().read(true).share_mode(1).open(scene.real("replaced")).unwrap();
        let mut transaction =
            Transaction::prepare(&scene.work(), &changes, b"", &ground, &mut registry, &shelf)
                .unwrap();
        let reboot = transaction.apply(&mut registry).unwrap().reboot;
        assert_eq!(reboot.len(), 1, "{reboot:?}");
        assert!(reboot[0].contains(&path("replaced")), "{reboot:?}");
        assert_eq!(transaction.delayed(), [0]);
        let done = transaction.commit(&mut registry).unwrap();
        assert_eq!((done.kept.len(), done.reboot), (1, reboot));
        drop(holder);
        assert_eq!(fs::read_to_string(scene.real("replaced")).unwrap(), "old text");
        assert_eq!(fs::read_to_string(scene.real("new")).unwrap(), "fine");
    });
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
