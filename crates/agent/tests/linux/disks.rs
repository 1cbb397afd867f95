//! Disks that are full, become full, or may not be written.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use agent::application::{Failure, Step};
use application::Severity;
use tempfile::TempDir;

use super::machine_of_test::Machine;
use super::meddling::Meddling;
use super::mounts::{fill, protect, resize, small_disk, unprotect, with_own_mounts};
use super::tree::tree;

const MB: u64 = 1 << 20;

/// Folders for a test, and what is copied: two files of 300 KB.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("source")).unwrap();
        for (name, byte) in [("a.bin", 7), ("b.bin", 8)] {
            fs::write(folder.path().join("source").join(name), vec![byte; 300 << 10]).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Copies the source into each of the folders, in order.
fn document(folders: &[&Path]) -> String {
    let mut text = "application: Disks\nid: 01890a5d-ac96-774b-bcce-b302099a8061\nversion: 1\n\
                    files:\n"
        .to_owned();
    for folder in folders {
        text += &format!("  - {{ copy: '%SOURCE_PATH%/*', to: '{}/app' }}\n", folder.display());
    }
    text
}

/// What was there before: one file that is replaced.
fn set_up(disk: &Path) -> BTreeMap<PathBuf, String> {
    fs::create_dir_all(disk.join("app")).unwrap();
    fs::write(disk.join("app/a.bin"), "before").unwrap();
    fs::write(disk.join("other"), "not ours").unwrap();
    tree(disk)
}

fn told(failure: &Failure) -> (&'static str, String) {
    (failure.source.code(), failure.sentence())
}

/// It failed with this, and the machine is as it was.
fn undone(failed: &Failure, code: &str, words: &[&str]) {
    let (found, sentence) = told(failed);
    assert_eq!(found, code, "{sentence}");
    assert_eq!(failed.remains, Vec::<String>::new(), "{sentence}");
    for word in words {
        assert!(sentence.contains(word), "{word}: {sentence}");
    }
}

fn works(machine: &mut Machine, step: &Step, disk: &Path) {
    machine.carry_out(step).unwrap();
    assert_eq!(fs::read(disk.join("app/b.bin")).unwrap().len(), 300 << 10);
}

#[test]
fn a_disk_that_is_too_small_is_found_by_the_plan() {
    with_own_mounts("disks::a_disk_that_is_too_small_is_found_by_the_plan", || {
        let scene = Scene::new();
        let disk = small_disk(&scene.path("disk"), MB / 2);
        let machine = Machine::new(&scene.path("source"));
        let step = machine.consider(&document(&[&disk]));
        let found: Vec<_> =
            step.plan.findings.iter().map(|found| (found.severity, found.code)).collect();
        assert_eq!(found, [(Severity::Error, "DH-P013")]);
        let message = &step.plan.findings[0].message;
        assert!(message.contains("needs 600 KB and has 512 KB free"), "{message}");
        assert!(step.is_refused());
    });
}

#[test]
fn a_disk_that_fills_up_leaves_all_as_it_was() {
    with_own_mounts("disks::a_disk_that_fills_up_leaves_all_as_it_was", || {
        let scene = Scene::new();
        let disk = small_disk(&scene.path("disk"), MB);
        let before = set_up(&disk);
        let mut machine = Machine::new(&scene.path("source"));
        let step = machine.consider(&document(&[&disk]));

        // Between the plan and its beginning.
        let filler = fill(&disk);
        let failed = machine.carry_out(&step).unwrap_err();
        fs::remove_file(&filler).unwrap();
        undone(&failed, "DH-U002", &["needs 614400 bytes", "0 free"]);
        assert_eq!(tree(&disk), before);

        // While its files are being written.
        let filler = Mutex::new(None);
        let source = Meddling::new(&scene.path("source"), |name| {
            if name == "b.bin" {
                assert!(fs::read_dir(disk.join("app")).unwrap().count() > 1, "a is built");
                *filler.lock().unwrap() = Some(fill(&disk));
            }
            Ok(())
        });
        let failed = machine.carry_out_from(&step, &source).unwrap_err();
        fs::remove_file(filler.lock().unwrap().take().unwrap()).unwrap();
        undone(&failed, "DH-U002", &["no space left on the disk"]);
        assert_eq!(tree(&disk), before);
        works(&mut machine, &step, &disk);
        machine.uninstall();
        assert_eq!(tree(&disk), before);
    });
}

#[test]
fn a_full_disk_of_the_state_leaves_all_as_it_was() {
    with_own_mounts("disks::a_full_disk_of_the_state_leaves_all_as_it_was", || {
        let scene = Scene::new();
        let small = small_disk(&scene.path("small"), MB);
        let (disk, state) = (scene.path("disk"), tempfile::tempdir_in(&small).unwrap());
        set_up(&disk);
        fs::write(disk.join("app/a.bin"), vec![1; 2 << 20]).unwrap();
        let before = tree(&disk);
        let mut machine = Machine::with_state_in(state, &scene.path("source"));
        let step = machine.consider(&document(&[&disk]));

        // What is replaced does not fit into what is kept.
        let failed = machine.carry_out(&step).unwrap_err();
        undone(&failed, "DH-U002", &["kept", "space"]);
        assert_eq!(tree(&disk), before);
        // No note can be written.
        let filler = fill(&small);
        let failed = machine.carry_out(&step).unwrap_err();
        undone(&failed, "DH-U002", &["doing"]);
        assert_eq!(tree(&disk), before);
        fs::remove_file(filler).unwrap();
        resize(&small, 4 * MB);
        works(&mut machine, &step, &disk);
        machine.uninstall();
        assert_eq!(tree(&disk), before);
    });
}

#[test]
fn a_folder_that_may_not_be_written_leaves_all_as_it_was() {
    with_own_mounts("disks::a_folder_that_may_not_be_written_leaves_all_as_it_was", || {
        let scene = Scene::new();
        let (free, bound) = (scene.path("free"), scene.path("bound"));
        let before = (set_up(&free), set_up(&bound));
        protect(&bound);
        let mut machine = Machine::new(&scene.path("source"));
        let step = machine.consider(&document(&[&free, &bound]));
        let failed = machine.carry_out(&step).unwrap_err();
        undone(&failed, "DH-U004", &["no permission to write", "bound/app"]);
        assert_eq!((tree(&free), tree(&bound)), before);
    });
}

/// Not even undoing works; what was begun is undone as soon as it does.
#[test]
fn a_disk_that_becomes_read_only_is_put_right_later() {
    with_own_mounts("disks::a_disk_that_becomes_read_only_is_put_right_later", || {
        let scene = Scene::new();
        let disk = scene.path("disk");
        let before = set_up(&disk);
        let mut machine = Machine::new(&scene.path("source"));
        let step = machine.consider(&document(&[&disk]));
        for (fails, code) in [(true, "DH-U005"), (false, "DH-U004")] {
            let source = Meddling::new(&scene.path("source"), |name| match name {
                "b.bin" => {
                    protect(&disk);
                    if fails { Err(io::Error::other("and the source is gone")) } else { Ok(()) }
                }
                _ => Ok(()),
            });
            let failed = machine.carry_out_from(&step, &source).unwrap_err();
            assert_eq!(failed.source.code(), code, "{}", failed.sentence());
            assert_eq!(failed.remains.len(), 1, "{:?}", failed.remains);
            assert_ne!(tree(&disk), before, "a part of it stands there");
            machine.driver.recover(&mut |_| ()).unwrap_err();
            unprotect(&disk);
            let recovered = machine.driver.recover(&mut |_| ()).unwrap().unwrap();
            assert_eq!((recovered.application.as_str(), recovered.is_done), ("Disks", false));
            assert_eq!(tree(&disk), before);
        }
        works(&mut machine, &step, &disk);
    });
}
