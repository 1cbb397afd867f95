//! Transactions on real files and a real registry: whole, or not at all.

mod kept;
#[allow(dead_code)] // The test of crashes has this module too.
mod scene;
#[cfg(windows)]
mod windows;

use std::fs;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use application::{Before, Change, Content, Meta};
use machine::change::{
    AfterDeath, ChangeError, Recovered, Supplied, Supply, Transaction, forget, pending, recover,
};
use machine::registry::{MemoryRegistry, Registry};
use model::Digest;
use scene::{
    Scene, bytes, carry_out, key, path, picture, prepared, registry_picture, set_up_registry,
};

fn registry() -> MemoryRegistry {
    let mut registry = MemoryRegistry::default();
    set_up_registry(&mut registry);
    registry
}

fn with_scene(test: impl FnOnce(&Scene)) {
    let base = tempfile::tempdir().unwrap();
    test(&Scene::new(base.path()));
}

#[test]
fn what_is_undone_is_as_it_was() {
    with_scene(|scene| {
        let kept = scene.set_up();
        let mut registry = registry();
        let (before, registry_before) = (picture(&scene.root()), registry.clone());
        let changes = scene.changes(kept);
        let mut transaction = prepared(scene, &changes, &mut registry).unwrap();
        transaction.apply(&mut registry).unwrap();
        assert_ne!(picture(&scene.root()), before);
        assert!(registry != registry_before);
        assert_eq!(transaction.undo(&mut registry).unwrap().left, Vec::<String>::new());
        assert_eq!(picture(&scene.root()), before);
        assert!(registry == registry_before);
        assert_eq!(pending(&scene.work()).unwrap(), None);
    });
}

#[test]
fn what_is_committed_is_there_and_what_was_is_kept() {
    with_scene(|scene| {
        let kept = scene.set_up();
        let mut registry = registry();
        let changes = scene.changes(kept);
        let done = carry_out(scene, &changes, &mut registry);
        let read = |name: &str| fs::read_to_string(scene.real(name)).unwrap();
        assert_eq!(read("new"), "new text");
        assert_eq!(read("replaced"), scene::SOURCE_TEXT);
        assert_eq!(read("made/deep/a"), scene::SOURCE_TEXT);
        assert_eq!(read("swap/inner"), "left alone");
        assert_eq!(read("twice-b"), "a file with two names");
        assert_eq!(read("earlier"), "what an earlier application replaced");
        assert!(!scene.real("old").exists() && !scene.real("gone").exists());
        let names = picture(&scene.root());
        let part = |name: &&std::path::PathBuf| machine::is_part(name.file_name().unwrap());
        assert_eq!(names.keys().find(part), None);

        let store = scene.ground().kept;
        let files = done.iter().filter(|(_, kept)| !kept.is_link);
        let mut contents: Vec<String> = files
            .map(|(_, kept)| std::io::read_to_string(store.read(kept).unwrap()).unwrap())
            .collect();
        contents.sort();
        let mut expect = [
            "a file that becomes a folder",
            "a file with two names",
            "in a folder that goes",
            "old text",
            "to be removed",
        ];
        expect.sort_unstable();
        assert_eq!(contents, expect);
        let told = registry_picture(&registry);
        assert!(told.contains_key(&key(r"New\Deep").to_string()));
        assert!(!told.contains_key(&key("Old").to_string()));
        assert_eq!(registry.value(&key("Kept"), "two").unwrap(), None);
    });
}

#[test]
fn what_the_plan_did_not_see_is_left_alone() {
    with_scene(|scene| {
        scene.set_up();
        let before = picture(&scene.root());
        let absent = |name: &str| Change::WriteFile {
            path: path(name),
            before: Before::Absent,
            content: bytes("x"),
            meta: Meta::default(),
        };
        let other = |name: &str| Change::WriteFile {
            path: path(name),
            before: Before::File { size: 1, mtime_ns: 5 },
            content: bytes("x"),
            meta: Meta::default(),
        };
        let cases = [
            absent("stays"),
            other("stays"),
            other("not there"),
            absent("old"),
            Change::RemoveFile { path: path("not there"), before: Before::Absent },
            Change::RemoveFolder { path: path("stays") },
            Change::RemoveFolder { path: path("old") },
            Change::CreateFolder { path: path("old") },
            absent("no folder/x"),
            Change::DeleteKey { key: key("Old") },
            Change::CreateKey { key: key("Kept") },
        ];
        for wrong in cases {
            let mut registry = registry();
            let fine = absent("fine");
            let changes = [fine, wrong.clone()];
            let prepared = prepared(scene, &changes, &mut registry);
            let error = match prepared {
                Err(error) => error,
                Ok(mut transaction) => {
                    let error = transaction.apply(&mut registry).unwrap_err();
                    transaction.undo(&mut registry).unwrap();
                    error
                }
            };
            let expected = matches!(
                error,
                ChangeError::Changed { .. }
                    | ChangeError::NotEmpty { .. }
                    | ChangeError::NoFolder { .. }
            );
            assert!(expected, "{wrong:?}: {error}");
            assert_eq!(picture(&scene.root()), before, "{wrong:?}");
        }
    });
}

/// Somebody else writes between the preparation and the act.
#[test]
fn what_changes_meanwhile_is_left_alone() {
    for name in ["new", "replaced", "gone"] {
        with_scene(|scene| {
            let kept = scene.set_up();
            let mut registry = registry();
            let changes = scene.changes(kept);
            let mut transaction = prepared(scene, &changes, &mut registry).unwrap();
            scene.write(name, "by somebody else");
            let error = transaction.apply(&mut registry).unwrap_err();
            assert!(matches!(error, ChangeError::Changed { .. }), "{name}: {error}");
            assert_eq!(error.code(), "DH-U001");
            transaction.undo(&mut registry).unwrap();
            assert_eq!(fs::read_to_string(scene.real(name)).unwrap(), "by somebody else");
            assert_eq!(fs::read_to_string(scene.real("stays")).unwrap(), "left alone");
            assert!(!scene.real("made").exists());
        });
    }
}

#[test]
fn folders_that_others_use_meanwhile_stay() {
    with_scene(|scene| {
        let kept = scene.set_up();
        let mut registry = registry();
        let changes = scene.changes(kept);
        let mut transaction = prepared(scene, &changes, &mut registry).unwrap();
        transaction.apply(&mut registry).unwrap();
        scene.write("made/by others", "theirs");
        registry.create(&key(r"New\Theirs")).unwrap();
        let left = transaction.undo(&mut registry).unwrap().left;
        assert_eq!(left, [key("New").to_string(), path("made")]);
        assert_eq!(fs::read_to_string(scene.real("made/by others")).unwrap(), "theirs");
        assert!(!scene.real("made/b").exists());
    });
}

#[test]
fn what_the_source_gives_must_be_what_was_planned() {
    with_scene(|scene| {
        scene.set_up();
        let before = picture(&scene.root());
        let content = |path: &str, size| Content::Source {
            path: path.to_owned(),
            digest: scene::digest(scene::SOURCE_TEXT.as_bytes()),
            size,
        };
        let size = scene::SOURCE_TEXT.len() as u64;
        fs::write(scene.base.join("source/other"), "FROM the source\n").unwrap();
        for (content, code) in [
            (content("a", size - 1), "DH-U001"),
            (content("a", size + 1), "DH-U001"),
            (content("other", size), "DH-U001"),
            (content("nowhere", size), "DH-U004"),
        ] {
            let changes = [
                scene.write_change("new", bytes("fine"), Meta::default()),
                scene.write_change("replaced", content, Meta::default()),
            ];
            let mut registry = MemoryRegistry::default();
            let error = prepared(scene, &changes, &mut registry).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert_eq!(picture(&scene.root()), before);
        }
    });
}

/// A transaction that is dropped is one whose program died.
#[test]
fn one_that_was_cut_off_is_found_and_undone_or_finished() {
    for after_death in [AfterDeath::Undo, AfterDeath::Finish] {
        with_scene(|scene| {
            let kept = scene.set_up();
            let mut registry = registry();
            let changes = scene.changes(kept);
            let (mut ground, shelf) = (scene.ground(), scene.shelf());
            ground.after_death = after_death;
            let before = picture(&scene.root());
            let work = scene.work();
            let mut transaction =
                Transaction::prepare(&work, &changes, b"whose", &ground, &mut registry, &shelf)
                    .unwrap();
            let busy = recover(&work, &ground, &mut registry).unwrap_err();
            assert_eq!(busy.code(), "DH-U003");
            transaction.apply(&mut registry).unwrap();
            drop(transaction);

            assert_eq!(pending(&work).unwrap().as_deref(), Some(&b"whose"[..]));
            let again = Transaction::prepare(&work, &changes, b"", &ground, &mut registry, &shelf);
            assert!(matches!(again.unwrap_err(), ChangeError::Unfinished { .. }));
            let recovered = recover(&work, &ground, &mut registry).unwrap().unwrap();
            match (after_death, recovered) {
                (AfterDeath::Undo, Recovered::Undone { note, .. }) => {
                    assert_eq!(note, b"whose");
                    assert_eq!(picture(&scene.root()), before);
                }
                (AfterDeath::Finish, Recovered::Done { done, .. }) => {
                    assert!(done.kept.len() >= 5);
                    let again = recover(&work, &ground, &mut registry).unwrap().unwrap();
                    assert!(matches!(again, Recovered::Done { done: told, .. } if told == done));
                    forget(&work).unwrap();
                }
                (_, other) => panic!("{other:?}"),
            }
            assert_eq!(recover(&work, &ground, &mut registry).unwrap(), None);
        });
    }
}

#[test]
fn every_failure_of_the_registry_is_undone() {
    with_scene(|scene| {
        let kept = scene.set_up();
        let changes = scene.changes(kept);
        let before = picture(&scene.root());
        for at in 0.. {
            let mut registry = registry().failing_once_after(at);
            let ground = scene.ground();
            let mut transaction = prepared(scene, &changes, &mut registry).unwrap();
            let applied = transaction.apply(&mut registry);
            let undone = transaction.undo(&mut registry);
            if applied.is_ok() {
                assert!(at >= 8, "{at}");
                undone.unwrap_err();
                recover(&scene.work(), &ground, &mut registry).unwrap();
            }
            assert_eq!(picture(&scene.root()), before, "{at}");
            assert!(registry == self::registry(), "{at}");
            if applied.is_ok() {
                break;
            }
        }
        for at in 0..20 {
            let mut dying = registry().dying_after(at);
            let ground = scene.ground();
            let mut transaction = prepared(scene, &changes, &mut dying).unwrap();
            let _ = transaction.apply(&mut dying);
            let _ = transaction.undo(&mut dying);
            let mut revived = dying.revived();
            recover(&scene.work(), &ground, &mut revived).unwrap();
            assert_eq!(picture(&scene.root()), before, "{at}");
            assert!(revived == registry(), "{at}");
        }
    });
}

/// A content that is made while it is read, and how much was asked for at a time.
struct Endless {
    left: u64,
    most: Arc<AtomicUsize>,
}

impl Read for Endless {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.most.fetch_max(room.len(), Ordering::Relaxed);
        let count = room.len().min(usize::try_from(self.left).unwrap());
        room[..count].fill(7);
        self.left -= count as u64;
        Ok(count)
    }
}

struct Spring {
    bytes: u64,
    most: Arc<AtomicUsize>,
}

impl Supply for Spring {
    fn open(&self, _path: &str, _digest: &Digest) -> io::Result<Supplied> {
        let (left, most) = (self.bytes, Arc::clone(&self.most));
        Ok(Supplied::Stream(Box::new(Endless { left, most })))
    }
}

#[test]
fn large_contents_pass_in_small_pieces() {
    with_scene(|scene| {
        scene.set_up();
        let size = 64 << 20;
        let most = Arc::new(AtomicUsize::new(0));
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(Endless { left: size, most: Arc::default() }).unwrap();
        let digest = Digest::from_bytes(*hasher.finalize().as_bytes());
        let content = Content::Source { path: "spring".to_owned(), digest, size };
        let changes = [scene.write_change("large", content, Meta::default())];
        let (ground, mut registry) = (scene.ground(), MemoryRegistry::default());
        let spring = Spring { bytes: size, most: Arc::clone(&most) };
        let mut transaction =
            Transaction::prepare(&scene.work(), &changes, b"", &ground, &mut registry, &spring)
                .unwrap();
        transaction.apply(&mut registry).unwrap();
        transaction.commit(&mut registry).unwrap();
        assert_eq!(fs::metadata(scene.real("large")).unwrap().len(), size);
        assert!(most.load(Ordering::Relaxed) <= 256 << 10);
    });
}

#[test]
fn a_disk_that_is_too_small_is_found_out_before_anything_is_done() {
    with_scene(|scene| {
        scene.set_up();
        let before = picture(&scene.root());
        let digest = scene::digest(b"");
        let content = Content::Source { path: "a".to_owned(), digest, size: 1 << 60 };
        let changes = [scene.write_change("new", content, Meta::default())];
        let mut registry = MemoryRegistry::default();
        let error = prepared(scene, &changes, &mut registry).unwrap_err();
        assert!(matches!(error, ChangeError::NoRoom { .. }), "{error}");
        assert_eq!(picture(&scene.root()), before);
    });
}

/// So many that several are written at a time.
#[test]
fn many_files_are_put_in_place_or_none() {
    with_scene(|scene| {
        scene.set_up();
        let before = picture(&scene.root());
        let content = |at: usize| match at {
            150 => {
                Content::Source { path: "nowhere".to_owned(), digest: scene::digest(b""), size: 0 }
            }
            _ => bytes(&format!("text {at}")),
        };
        let folder = Change::CreateFolder { path: path("many") };
        let file = |at: usize| Change::WriteFile {
            path: path(&format!("many/{at}")),
            before: Before::Absent,
            content: content(at),
            meta: Meta::default(),
        };
        let mut changes: Vec<Change> = std::iter::once(folder).chain((0..300).map(file)).collect();
        let mut registry = MemoryRegistry::default();
        let error = prepared(scene, &changes, &mut registry).unwrap_err();
        assert!(matches!(error, ChangeError::Supply { .. }), "{error}");
        assert_eq!(picture(&scene.root()), before);
        changes.remove(151);
        carry_out(scene, &changes, &mut registry);
        let text = fs::read_to_string(scene.real("many/299")).unwrap();
        assert_eq!(text, "text 299");
        assert_eq!(fs::read_dir(scene.real("many")).unwrap().count(), 299);
    });
}

#[cfg(unix)]
#[test]
fn a_file_that_is_replaced_leaves_its_rights_to_the_new_one() {
    with_scene(|scene| {
        scene.set_up();
        let told = |text: &str| {
            let all = picture(&scene.root());
            let (_, told) = all.into_iter().find(|(path, _)| path.ends_with("replaced")).unwrap();
            assert!(told.starts_with(&format!("{text:?}")), "{told}");
            told.split_once(", mode").unwrap().1.to_owned()
        };
        let before = told("old text");
        let changes = [scene.write_change("replaced", bytes("new"), Meta::default())];
        carry_out(scene, &changes, &mut MemoryRegistry::default());
        assert_eq!(told("new"), before);
        let meta = Meta { mode: Some(0o600), mtime_ns: None };
        let changes = [scene.write_change("replaced", bytes("newer"), meta)];
        carry_out(scene, &changes, &mut MemoryRegistry::default());
        assert_eq!(told("newer"), before.replace("100640", "100600"));
    });
}
