//! Plans of whole documents on a machine in memory.

use model::registry::{Data, Key};
use model::{ApplicationId, Timestamp};

use super::*;
use crate::encoding::Convention;
use crate::testing::{Entry, Memory, MemorySource};
use crate::*;

pub(crate) fn given() -> Given {
    Given {
        answers: BTreeMap::new(),
        confirmed: BTreeMap::new(),
        unconfirmed: Unconfirmed::Skip,
        attributes: BTreeMap::new(),
        source_path: None,
        now: jiff::civil::date(2026, 11, 21).at(17, 5, 9, 0),
        convention: Convention::LINUX,
        launcher: None,
        kept_bytes_max: 1 << 30,
    }
}

pub(crate) fn application(items: Items) -> Application {
    Application {
        name: "Viewer".to_owned(),
        id: ApplicationId::from_bytes([7; 16]),
        version: 1,
        description: None,
        icon: None,
        folder: None,
        kind: Kind::Simple,
        source: None,
        target: None,
        macros: Vec::new(),
        items,
        scripts: Scripts::default(),
        launch: None,
        end: Vec::new(),
        pre_install: PreInstall::No,
        options: Options::default(),
        availability: None,
        dependencies: Vec::new(),
        supersedes: Vec::new(),
        uninstall: Uninstall::default(),
    }
}

/// One machine and what is on record there.
struct Bench {
    machine: Memory,
    source: MemorySource,
    installed: Option<Installed>,
    others: Vec<Installed>,
    given: Given,
}

impl Bench {
    fn new(family: Family) -> Self {
        let machine = Memory::new(family);
        let (source, installed, others) = (MemorySource::default(), None, Vec::new());
        Self { machine, source, installed, others, given: given() }
    }

    fn plan_for(&self, application: &Application, occasion: Occasion) -> Plan {
        let wish = Wish {
            application,
            part: &Part::Machine,
            occasion,
            installed: self.installed.as_ref(),
            others: &self.others,
            given: &self.given,
        };
        plan(&wish, &self.machine, &self.source)
    }

    fn plan(&self, application: &Application) -> Plan {
        self.plan_for(application, Occasion::Distribute)
    }

    fn distribute(&mut self, application: &Application) -> Plan {
        let plan = self.plan(application);
        assert_eq!(plan.findings, []);
        let kept = self.machine.apply(&plan.changes, &self.source);
        let at = Timestamp::from_millis(0);
        self.installed = Some(Installed::after(&plan, "Viewer", &kept, at).unwrap());
        plan
    }
}

fn text(text: &str) -> Text {
    Text::new(text)
}

fn copy(source: &str, target: &str, rule: FileRule) -> FileItem {
    let (shared, handling) = (false, Handling::default());
    FileItem::Copy { source: text(source), target: text(target), rule, shared, handling }
}

fn files(files: Vec<FileItem>) -> Application {
    application(Items { files, ..Items::default() })
}

#[test]
fn a_file_in_place_may_go_with_its_folder_later_in_the_same_plan() {
    let mut bench = Bench::new(Family::Linux);
    bench.source.put("viewer", Entry::file("x"));
    bench.machine.put("/opt/deep/viewer", Entry::file("x"));
    let (target, handling) = (text("/opt/deep"), Handling::default());
    let plan = bench.distribute(&files(vec![
        copy("%SOURCE_PATH%/viewer", "/opt/deep/viewer", FileRule::IfAbsent),
        FileItem::DeleteFolder { target, handling },
    ]));
    assert_eq!(bench.machine.entry("/opt/deep"), None);
    let priors = plan.owns.iter().map(|owned| &owned.thing);
    let kept = priors
        .filter(|thing| matches!(thing, Thing::Removed { path, .. } if path == "/opt/deep/viewer"));
    assert_eq!(kept.count(), 1, "{:?}", plan.owns);
}

#[test]
fn a_file_is_copied_once_and_found_in_place_afterwards() {
    let mut bench = Bench::new(Family::Linux);
    bench.source.put("viewer", Entry::file("new"));
    bench.machine.put("/opt/viewer", Entry::file("old one"));
    let viewer = files(vec![copy("%SOURCE_PATH%/viewer", "/opt/viewer", FileRule::Always)]);
    let plan = bench.distribute(&viewer);
    assert_eq!(
        plan.items[0].outcome,
        Outcome::Changed {
            before: "7 bytes of 2026-09-21 14:13".into(),
            after: "3 bytes of 2026-09-21 14:13".into()
        }
    );
    assert_eq!(bench.machine.bytes("/opt/viewer"), b"new");
    let again = bench.plan(&viewer);
    assert_eq!(again.changes, []);
    assert_eq!(again.items[0].outcome, Outcome::InPlace);
    assert_eq!(Installed::after(&again, "Viewer", &[], Timestamp::from_millis(0)).unwrap(), {
        bench.installed.clone().unwrap()
    });
}

#[test]
fn settings_of_one_ini_file_are_one_change() {
    let mut bench = Bench::new(Family::Linux);
    bench.machine.put("/etc/a.ini", Entry::file("[Main]\nA=1\n"));
    let setting = |name: &str, data: &str| IniSetting {
        section: text("main"),
        name: text(name),
        data: Some(text(data)),
        rule: IniRule::CreateAlways,
        handling: Handling::default(),
    };
    let settings = vec![setting("A", "2"), setting("B", "3")];
    let ini = vec![IniFile { path: text("/etc/a.ini"), settings }];
    let viewer = application(Items { ini, ..Items::default() });
    let plan = bench.distribute(&viewer);
    assert_eq!(plan.changes.len(), 1);
    assert_eq!(plan.items.iter().map(|item| item.changes.clone()).collect::<Vec<_>>(), [[0], [0]]);
    assert_eq!(bench.machine.bytes("/etc/a.ini"), b"[Main]\nA=2\nB=3\n");
    assert_eq!(bench.plan(&viewer).changes, []);
}

#[test]
fn registry_items_see_one_another() {
    let mut bench = Bench::new(Family::Windows);
    let key = Key::parse(r"HKLM\Software\Maker").unwrap();
    bench.machine.set_value(&key, "Path", Data::text("a"));
    let item = |name: &str, data: &str, rule| RegistryItem {
        view: View::Bits64,
        key: text(r"HKLM\Software\Maker"),
        entry: RegistryEntry::Value { name: text(name), data: Some(ValueData::Text(text(data))) },
        rule,
        handling: Handling::default(),
    };
    let registry =
        vec![item("Path", ";b", RegistryRule::Append), item("path", "x;", RegistryRule::Prepend)];
    let viewer = application(Items { registry, ..Items::default() });
    let plan = bench.distribute(&viewer);
    assert_eq!(plan.changes.len(), 1);
    assert_eq!(bench.machine.value(&key, "Path"), Ok(Some(Data::text("x;a;b"))));
    assert_eq!(bench.plan(&viewer).changes, []);
}

mod rules;
