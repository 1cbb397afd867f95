//! What was there before a transaction: kept, put back, swept.

use std::collections::BTreeSet;
#[cfg(unix)]
use std::fs;
#[cfg(unix)]
use std::io::{self, Write};

use application::{Change, Content, Meta};
use machine::change::{ChangeError, KeptStore, Transaction};
use machine::registry::MemoryRegistry;

#[cfg(unix)]
use super::scene::{bytes, prepared};
use super::scene::{carry_out, path, picture};
use super::with_scene;

/// What was kept goes back with all that belonged to it.
#[test]
fn what_was_kept_is_put_back_as_it_was() {
    with_scene(|scene| {
        scene.set_up();
        let names: &[&str] =
            if cfg!(unix) { &["replaced", "gone", "link"] } else { &["replaced", "gone"] };
        let pictured = || {
            let mut all = picture(&scene.root());
            all.retain(|name, _| names.iter().any(|one| name.ends_with(one)));
            all
        };
        let before = pictured();
        let remove =
            |name: &&str| Change::RemoveFile { path: path(name), before: scene.before(name) };
        let changes: Vec<Change> = names.iter().map(remove).collect();
        let done = carry_out(scene, &changes, &mut MemoryRegistry::default());
        let back = |(at, kept): &(usize, application::Kept)| {
            scene.write_change(names[*at], Content::Kept(kept.clone()), Meta::default())
        };
        let changes: Vec<Change> = done.iter().map(back).collect();
        carry_out(scene, &changes, &mut MemoryRegistry::default());
        assert_eq!(pictured(), before);
    });
}

/// Configuration that all users have alike is each one's own all the same.
#[cfg(unix)]
#[test]
fn files_with_the_same_content_get_back_what_belonged_to_each() {
    with_scene(|scene| {
        use std::os::unix::fs::chown;
        let names = ["of-ada", "of-bob", "of-all"];
        for name in names {
            scene.write(name, "the same");
        }
        let is_root = rustix::process::geteuid().is_root();
        if is_root {
            chown(scene.real("of-ada"), Some(1234), Some(1234)).unwrap();
            chown(scene.real("of-bob"), Some(4321), Some(4321)).unwrap();
        }
        let file = fs::File::open(scene.real("of-bob")).unwrap();
        let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let flags = rustix::fs::XattrFlags::empty();
        let has_note = rustix::fs::fsetxattr(&file, "user.note", b"bob's", flags).is_ok();
        let _ = rustix::fs::fsetxattr(&file, "security.capability", &capability, flags);
        let capability_of = |name: &str| {
            let mut room = [0u8; 64];
            let path = scene.real(name);
            let length = rustix::fs::lgetxattr(path, "security.capability", &mut room[..]);
            room[..length.unwrap_or(0)].to_vec()
        };
        let (before, capability) = (picture(&scene.root()), capability_of("of-bob"));
        let remove =
            |name: &&str| Change::RemoveFile { path: path(name), before: scene.before(name) };
        let changes: Vec<Change> = names.iter().map(remove).collect();
        let done = carry_out(scene, &changes, &mut MemoryRegistry::default());
        let rights: BTreeSet<u64> = done.iter().map(|(_, kept)| kept.rights).collect();
        assert_eq!(rights.len(), if is_root { 3 } else { 1 + usize::from(has_note) });
        let back = |(at, kept): &(usize, application::Kept)| {
            scene.write_change(names[*at], Content::Kept(kept.clone()), Meta::default())
        };
        let changes: Vec<Change> = done.iter().map(back).collect();
        carry_out(scene, &changes, &mut MemoryRegistry::default());
        assert_eq!(picture(&scene.root()), before);
        assert_eq!(capability_of("of-bob"), capability);
    });
}

/// A program that has a file open goes on with it, wherever the file stands meanwhile.
#[cfg(unix)]
#[test]
fn what_is_written_into_the_old_file_meanwhile_is_not_lost() {
    for is_committed in [false, true] {
        with_scene(|scene| {
            scene.set_up();
            let changes = [scene.write_change("replaced", bytes("new"), Meta::default())];
            let ground = scene.ground();
            let mut registry = MemoryRegistry::default();
            let log = scene.real("replaced");
            let mut open = fs::File::options().append(true).open(&log).unwrap();
            let mut transaction = prepared(scene, &changes, &mut registry).unwrap();
            transaction.apply(&mut registry).unwrap();
            open.write_all(b", and more").unwrap();
            if is_committed {
                let done = transaction.commit(&mut registry).unwrap();
                assert_eq!(fs::read_to_string(&log).unwrap(), "new");
                let kept = ground.kept.read(&done.kept[0].1).unwrap();
                assert_eq!(io::read_to_string(kept).unwrap(), "old text, and more");
            } else {
                transaction.undo(&mut registry).unwrap();
                assert_eq!(fs::read_to_string(&log).unwrap(), "old text, and more");
            }
        });
    }
}

#[test]
fn the_limit_of_what_is_kept_is_checked_before_anything_is_done() {
    with_scene(|scene| {
        scene.set_up();
        let before = picture(&scene.root());
        let mut ground = scene.ground();
        let used = ground.kept.bytes().unwrap();
        ground.kept = KeptStore::open(&scene.base.join("kept"), used + 12).unwrap();
        let changes = [Change::RemoveFile { path: path("gone"), before: scene.before("gone") }];
        let (shelf, mut registry) = (scene.shelf(), MemoryRegistry::default());
        let error =
            Transaction::prepare(&scene.work(), &changes, b"", &ground, &mut registry, &shelf)
                .unwrap_err();
        assert!(matches!(error, ChangeError::KeptLimit { needed: 13, free: 12 }), "{error}");
        assert_eq!(error.code(), "DH-U002");
        assert_eq!(picture(&scene.root()), before);
    });
}

#[test]
fn what_no_record_names_is_swept_from_the_kept() {
    with_scene(|scene| {
        scene.set_up();
        let remove =
            |name: &&str| Change::RemoveFile { path: path(name), before: scene.before(name) };
        let changes: Vec<Change> = ["gone", "stays"].iter().map(remove).collect();
        let done = carry_out(scene, &changes, &mut MemoryRegistry::default());
        let (store, live) = (scene.ground().kept, &done[1].1);
        let swept = store.sweep(&BTreeSet::from([live.digest])).unwrap();
        // One of them was there before.
        assert_eq!((swept.removed, swept.bytes_left), (2, done[1].1.size));
        assert!(store.holds(live) && !store.holds(&done[0].1));
    });
}
