//! Applications on a machine below a folder.

#![allow(clippy::unwrap_used)] // A test that cannot set its scene up fails there.

use std::path::{Path, PathBuf};

use application::keeper::Restart;
use application::{Part, Reboot};
use machine::survey::FolderSource;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::{
    Answers, Considered, Document, Done, Driver, Event, Failure, Order, Place, Reason, Step,
};
use crate::keeper::{Brought, Came, Hands};

const VIEWER: &str = r#"
application: Viewer
id: 01890a5d-ac96-774b-bcce-b302099a8057
version: 1
files:
  - { copy: "%SOURCE_PATH%/viewer.conf", to: /etc/viewer.conf }
"#;

struct Bench {
    folder: TempDir,
    runtime: Runtime,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap(), runtime: Runtime::new().unwrap() };
        for folder in ["root/etc", "source"] {
            std::fs::create_dir_all(bench.path(folder)).unwrap();
        }
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn open(&self) -> Driver {
        let place = Place::of(Some(&self.path("root")), Some(&self.path("state"))).unwrap();
        Driver::open(place, self.runtime.handle().clone()).unwrap()
    }

    fn distribution(&self, driver: &Driver, text: &str) -> Step {
        let digests = driver.digests();
        let order = Order {
            document: &document(text),
            source: &FolderSource::new(&self.path("source"), &*digests),
            part: &Part::Machine,
            reason: Reason::Asked,
            force: false,
            answers: &Answers::default(),
        };
        match driver.consider(&order).unwrap() {
            Considered::Step(step) => *step,
            other => panic!("{other:?}"),
        }
    }

    fn carry_out(&self, driver: &mut Driver, step: &Step) -> (Result<Done, Failure>, Vec<String>) {
        let digests = driver.digests();
        let source = FolderSource::new(&self.path("source"), &*digests);
        let mut notes = Vec::new();
        let mut tell = |event| {
            if let Event::Note(text) = event {
                notes.push(text);
            }
        };
        let done = driver.carry_out(step, &source, &mut tell, &CancellationToken::new());
        (done, notes)
    }
}

fn document(text: &str) -> Document {
    let parsed = format::parse_application(text);
    let application = parsed.application.unwrap_or_else(|| panic!("{:?}", parsed.problems));
    Document { text: text.to_owned(), application }
}

fn files_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_record_that_cannot_be_written_is_written_at_the_next_start() {
    let bench = Bench::new();
    bench.write("root/etc/viewer.conf", "by hand");
    bench.write("source/viewer.conf", "of the viewer");
    let mut driver = bench.open();
    let step = bench.distribution(&driver, VIEWER);
    let in_the_way = bench.path(&format!("state/records/{}.record", step.id()));
    std::fs::create_dir_all(in_the_way.join("full")).unwrap();
    let (done, notes) = bench.carry_out(&mut driver, &step);
    assert_eq!(done.unwrap().changes, 1);
    assert!(notes.iter().any(|note| note.contains("next start")), "{notes:?}");
    assert_eq!(files_in(&bench.path("state/kept")), 1, "what it replaced is still kept");

    let (again, _) = bench.carry_out(&mut driver, &step);
    assert_eq!(again.unwrap_err().source.code(), "DH-U005", "its note must not be lost");
    drop(driver);

    std::fs::remove_dir_all(&in_the_way).unwrap();
    let mut driver = bench.open();
    assert!(driver.recover(&mut |_| {}).unwrap().unwrap().is_done);
    let step = driver.uninstall(&driver.records()[0], false).unwrap();
    bench.carry_out(&mut driver, &step).0.unwrap();
    assert_eq!(bench.read("root/etc/viewer.conf"), "by hand");
    assert_eq!(files_in(&bench.path("state/kept")), 0);
}

#[test]
fn restarts_are_as_the_application_says_and_whoever_orders_it() {
    let bench = Bench::new();
    bench.write("source/viewer.conf", "of the viewer");
    let (awaited, due) = (Some(Restart::Awaited), Some(Restart::Due { ask: true }));
    let mut driver = bench.open();
    let mut step = bench.distribution(&driver, VIEWER);
    step.prompt_reboot = true;
    let in_use = ["a file is in use".to_owned()];
    for (by_itself, reboot, why, expect) in [
        (false, Reboot::IfNeeded, &in_use[..], awaited),
        (false, Reboot::Always, &[], awaited),
        (true, Reboot::IfNeeded, &[], None),
        (true, Reboot::IfNeeded, &in_use, due),
        (true, Reboot::Always, &[], due),
        (true, Reboot::Never, &[], None),
        (true, Reboot::Never, &in_use, awaited),
    ] {
        if by_itself {
            driver.restart_by_itself();
        }
        step.reboot = reboot;
        assert_eq!(driver.restart(&step, why), expect, "{by_itself} {reboot:?} {why:?}");
    }
    step.reboot = Reboot::Always;
    assert_eq!(bench.carry_out(&mut driver, &step).0.unwrap().restart, due);
    // What is done each time restarts nothing where nothing had to be changed.
    let script = "options: { distribute_always: true, reboot: always }\n\
                  scripts: { before: { run: exit 0 } }\n";
    let again = bench.distribution(&driver, &format!("{VIEWER}{script}"));
    assert!(!again.changes_nothing());
    assert_eq!(driver.restart(&again, &[]), None);
    let noted = |driver: &Driver| driver.restarts().get(&step.id()).copied();
    drop(driver);
    assert_eq!(noted(&bench.open()), due, "the next start of the agent knows it");
}

const HELPER: &str = r#"
application: Helper
id: 01890a5d-ac96-774b-bcce-b302099a8058
version: 1
scripts: { before: { run: exit 1 } }
"#;

const ADDITION: &str = r#"
application: Addition
id: 01890a5d-ac96-774b-bcce-b302099a8059
version: 1
dependencies: [ { application: 01890a5d-ac96-774b-bcce-b302099a8058 } ]
"#;

const WHOLE: &str = r#"
application: Whole
id: 01890a5d-ac96-774b-bcce-b302099a805a
version: 1
dependencies:
  - { application: 01890a5d-ac96-774b-bcce-b302099a8059, continue_if_it_fails: true }
"#;

/// The helper may fail, for the addition may; the addition is nothing without it.
#[test]
fn what_cannot_do_without_a_failed_one_is_left_out() {
    let bench = Bench::new();
    let place = Place::of(Some(&bench.path("root")), Some(&bench.path("state"))).unwrap();
    let hands = Hands::new(place, None, bench.runtime.handle().clone());
    let brought = [WHOLE, ADDITION, HELPER]
        .map(|text| Brought { document: document(text), source: bench.path("source") });
    let came = hands.distribute_all(&brought, &Part::Machine, &CancellationToken::new()).unwrap();
    assert!(matches!(came, Came::InPlace { version: 1, .. }), "{came:?}");
    let driver = bench.open();
    let names: Vec<&str> =
        driver.records().iter().map(|record| record.installed.name.as_str()).collect();
    assert_eq!(names, ["Whole"]);
}

const PREDECESSOR: &str = r#"
application: Old viewer
id: 01890a5d-ac96-774b-bcce-b302099a805b
version: 4
files: [ { copy: "%SOURCE_PATH%/viewer.conf", to: /etc/old.conf } ]
"#;

#[test]
fn what_takes_anothers_place_comes_after_it_has_gone() {
    let bench = Bench::new();
    bench.write("source/viewer.conf", "of the viewer");
    let place = Place::of(Some(&bench.path("root")), Some(&bench.path("state"))).unwrap();
    let hands = Hands::new(place, None, bench.runtime.handle().clone());
    let come = |text: &str| {
        let (document, source) = (document(text), bench.path("source"));
        let brought = [Brought { document, source }];
        hands.distribute_all(&brought, &Part::Machine, &CancellationToken::new()).unwrap()
    };
    come(PREDECESSOR);
    assert!(bench.path("root/etc/old.conf").exists());
    let successor = format!("{VIEWER}supersedes: [ 01890a5d-ac96-774b-bcce-b302099a805b ]\n");
    let elsewhere =
        format!("{successor}availability: {{ file_exists: /etc/nothing-of-the-kind }}\n");
    assert!(matches!(come(&elsewhere), Came::Unavailable(_)));
    assert!(bench.path("root/etc/old.conf").exists(), "nothing has taken its place");
    come(&successor);
    assert!(!bench.path("root/etc/old.conf").exists());
    let (here, _) = hands.on_record().unwrap();
    let names: Vec<&str> = here.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["Viewer"]);
}

#[test]
fn nobody_is_asked_about_a_restart_where_nothing_is_shown() {
    let bench = Bench::new();
    let driver = bench.open();
    for (options, expect) in [
        ("prompt_reboot: true, show_progress: true", true),
        ("prompt_reboot: true", false),
        ("show_progress: true", false),
    ] {
        let text = format!("{HELPER}pre_install: no\noptions: {{ {options} }}\n");
        assert_eq!(bench.distribution(&driver, &text).prompt_reboot, expect, "{options}");
    }
}
