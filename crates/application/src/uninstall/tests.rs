//! What stays, what goes, and what is told where somebody changed something since.

use std::slice;

use model::registry::{Data, Key};
use model::{ApplicationId, Timestamp};

use super::*;
use crate::plan::tests::{application, given};
use crate::testing::{Entry, Memory, MemorySource};
use crate::{
    Application, Family, FileItem, FileRule, Handling, IniFile, IniRule, IniSetting, Items,
    Occasion, Part, RegistryEntry, RegistryItem, RegistryRule, Text, TextChange, TextEdit,
    TextFile, ValueData, View, Wish, plan,
};

fn text(text: &str) -> Text {
    Text::new(text)
}

fn file(target: &str, shared: bool) -> FileItem {
    FileItem::Copy {
        source: text("%SOURCE_PATH%/a"),
        target: text(target),
        rule: FileRule::Always,
        shared,
        handling: Handling::default(),
    }
}

fn ini(path: &str, section: &str, name: &str, data: &str, rule: IniRule) -> IniFile {
    let setting = IniSetting {
        section: text(section),
        name: text(name),
        data: Some(text(data)),
        rule,
        handling: Handling::default(),
    };
    IniFile { path: text(path), settings: vec![setting] }
}

fn append(path: &str, line: &str) -> TextFile {
    let edit = TextEdit::Append { text: text(line) };
    let changes = vec![TextChange { edit, handling: Handling::default() }];
    TextFile { path: text(path), no_reboot_if_modified: true, changes }
}

fn value(name: &str, data: &str, rule: RegistryRule) -> RegistryItem {
    RegistryItem {
        view: View::Bits64,
        key: text(r"HKLM\Software\Maker"),
        entry: RegistryEntry::Value { name: text(name), data: Some(ValueData::Text(text(data))) },
        rule,
        handling: Handling::default(),
    }
}

fn named(number: u8, items: Items) -> Application {
    let mut application = application(items);
    application.id = ApplicationId::from_bytes([number; 16]);
    application.name = format!("App{number}");
    application
}

fn source() -> MemorySource {
    let mut source = MemorySource::default();
    source.put("a", Entry::file("ours"));
    source
}

fn distribute(machine: &mut Memory, application: &Application, others: &[Installed]) -> Installed {
    let (given, source) = (given(), source());
    let (part, occasion, installed) = (&Part::Machine, Occasion::Distribute, None);
    let wish = Wish { application, part, occasion, installed, others, given: &given };
    let plan = plan(&wish, machine, &source);
    assert!(!plan.is_refused(), "{:?}", plan.findings);
    let kept = machine.apply(&plan.changes, &source);
    Installed::after(&plan, &application.name, &kept, Timestamp::from_millis(0)).unwrap()
}

fn take_away(machine: &mut Memory, record: &Installed, others: &[Installed]) -> Vec<String> {
    let (how, given) = (Uninstall::default(), given());
    let plan = uninstall(&Leave { record, others, how: &how, given: &given }, machine);
    assert_eq!(plan.findings, []);
    machine.apply(&plan.changes, &source());
    let why = |item: &Planned| match &item.outcome {
        Outcome::Skipped { why } => Some(format!("{}: {why}", item.target)),
        _ => None,
    };
    plan.items.iter().filter_map(why).collect()
}

#[test]
fn what_was_changed_since_stays_and_is_told() {
    let mut machine = Memory::new(Family::Linux);
    machine.put("/etc/a.ini", Entry::file("[S]\nkept=1\nk=1\n"));
    machine.put("/etc/motd", Entry::file("hello\n"));
    let items = Items {
        files: vec![file("/opt/app/changed", false), file("/opt/app/same", false)],
        ini: vec![
            ini("/etc/a.ini", "S", "k", "2", IniRule::CreateAlways),
            ini("/etc/a.ini", "S", "dev", "x", IniRule::AddToSection),
        ],
        text: vec![append("/etc/motd", "by app")],
        ..Items::default()
    };
    let record = distribute(&mut machine, &named(1, items), &[]);
    machine.put("/opt/app/changed", Entry::file("mine"));
    machine.put("/etc/a.ini", Entry::file("[S]\nkept=9\nk=7\ndev=x\ndev=y\n"));
    machine.put("/etc/motd", Entry::file("hello\nby app\nby me\n"));
    let mut told = take_away(&mut machine, &record, &[]);
    told.sort();
    assert_eq!(
        told,
        [
            "/etc/a.ini [S] k: it was changed since",
            "/opt/app/changed: it was changed since",
            "/opt/app: something is in it",
            "/opt: something is in it",
        ]
    );
    assert_eq!(machine.bytes("/opt/app/changed"), b"mine");
    assert_eq!(machine.entry("/opt/app/same"), None);
    assert_eq!(machine.bytes("/etc/a.ini"), b"[S]\nkept=9\nk=7\ndev=y\n");
    assert_eq!(machine.bytes("/etc/motd"), b"hello\nby me\n");
}

#[test]
fn shared_files_go_with_the_last_who_has_them() {
    let mut machine = Memory::new(Family::Linux);
    machine.put("/lib/x", Entry::file("first"));
    let items = || Items { files: vec![file("/lib/x", true)], ..Items::default() };
    let one = distribute(&mut machine, &named(1, items()), &[]);
    let two = distribute(&mut machine, &named(2, items()), slice::from_ref(&one));
    assert_eq!(take_away(&mut machine, &one, slice::from_ref(&two)), ["/lib/x: App2 has it too"]);
    assert_eq!(machine.bytes("/lib/x"), b"ours");
    assert_eq!(take_away(&mut machine, &two, &[]), Vec::<String>::new());
    assert_eq!(machine.bytes("/lib/x"), b"first");
}

#[test]
fn joined_values_lose_what_was_joined_in_any_order() {
    let key = Key::parse(r"HKLM\Software\Maker").unwrap();
    let items = |data| Items {
        registry: vec![value("Path", data, RegistryRule::Append)],
        ..Items::default()
    };
    for first_goes_first in [true, false] {
        let mut machine = Memory::new(Family::Windows);
        machine.set_value(&key, "Path", Data::text("x"));
        let one = distribute(&mut machine, &named(1, items(";a")), &[]);
        let two = distribute(&mut machine, &named(2, items(";b")), slice::from_ref(&one));
        let (first, second) = if first_goes_first { (&one, &two) } else { (&two, &one) };
        take_away(&mut machine, first, slice::from_ref(second));
        take_away(&mut machine, second, &[]);
        assert_eq!(machine.value(&key, "Path"), Ok(Some(Data::text("x"))));
    }
}

#[test]
fn groups_that_are_kept_stay() {
    let mut machine = Memory::new(Family::Linux);
    let items = Items {
        files: vec![file("/opt/a", false)],
        text: vec![append("/etc/motd", "by app")],
        ..Items::default()
    };
    let record = distribute(&mut machine, &named(1, items), &[]);
    let how = Uninstall { text: Removal::Keep, ..Uninstall::default() };
    let given = given();
    let leave = Leave { record: &record, others: &[], how: &how, given: &given };
    let plan = uninstall(&leave, &machine);
    machine.apply(&plan.changes, &source());
    assert_eq!(machine.entry("/opt/a"), None);
    assert_eq!(machine.bytes("/etc/motd"), b"by app\n");
}

#[test]
fn a_repaired_file_still_goes_back_to_what_it_was_first() {
    let mut machine = Memory::new(Family::Linux);
    machine.put("/opt/a", Entry::file("first"));
    let application = named(1, Items { files: vec![file("/opt/a", false)], ..Items::default() });
    let record = distribute(&mut machine, &application, &[]);
    machine.put("/opt/a", Entry::file("spoiled"));
    let (given, source) = (given(), source());
    let wish = Wish {
        application: &application,
        part: &Part::Machine,
        occasion: Occasion::Verify,
        installed: Some(&record),
        others: &[],
        given: &given,
    };
    let repair = plan(&wish, &machine, &source);
    assert_eq!(repair.changes.len(), 1);
    let kept = machine.apply(&repair.changes, &source);
    let record = Installed::after(&repair, "App1", &kept, Timestamp::from_millis(1)).unwrap();
    take_away(&mut machine, &record, &[]);
    assert_eq!(machine.bytes("/opt/a"), b"first");
}

#[test]
fn lines_that_somebody_added_outlive_a_repair() {
    let mut machine = Memory::new(Family::Linux);
    machine.put("/etc/motd", Entry::file("hello\n"));
    let items = Items { text: vec![append("/etc/motd", "by app")], ..Items::default() };
    let application = named(1, items);
    let record = distribute(&mut machine, &application, &[]);
    machine.put("/etc/motd", Entry::file("hello\nby me\n"));
    let given = given();
    let wish = Wish {
        application: &application,
        part: &Part::Machine,
        occasion: Occasion::Verify,
        installed: Some(&record),
        others: &[],
        given: &given,
    };
    let repair = plan(&wish, &machine, &source());
    let kept = machine.apply(&repair.changes, &source());
    assert_eq!(machine.bytes("/etc/motd"), b"hello\nby me\nby app\n");
    let record = Installed::after(&repair, "App1", &kept, Timestamp::from_millis(1)).unwrap();
    take_away(&mut machine, &record, &[]);
    assert_eq!(machine.bytes("/etc/motd"), b"hello\nby me\n");
}

/// A folder, a key and a section that one application made and another one uses go with the last.
#[test]
fn what_one_made_and_another_uses_goes_with_the_last() {
    for (family, folder) in [(Family::Linux, "/opt/both"), (Family::Windows, r"C:\Both")] {
        for first_leaves_first in [true, false] {
            let mut machine = Memory::new(family);
            machine.folders.insert("WinDir".to_owned(), r"C:\Windows".to_owned());
            let before = machine.clone();
            let items = |name: &str| {
                let below = |rest: &str| format!("{folder}/{rest}").replace('/', &slash(family));
                let mut items = Items {
                    files: vec![file(&below(&format!("{name}/file")), false)],
                    ini: vec![ini(&below("both.ini"), "S", name, "1", IniRule::CreateAlways)],
                    ..Items::default()
                };
                if family == Family::Windows {
                    items.registry = vec![value(name, "1", RegistryRule::CreateAlways)];
                }
                items
            };
            let first = distribute(&mut machine, &named(1, items("one")), &[]);
            let others = slice::from_ref(&first);
            let second = distribute(&mut machine, &named(2, items("two")), others);
            let (leaves, stays) = match first_leaves_first {
                true => (&first, &second),
                false => (&second, &first),
            };
            take_away(&mut machine, leaves, slice::from_ref(stays));
            take_away(&mut machine, stays, &[]);
            let told = |machine: &Memory| -> Vec<String> {
                machine.entries().map(|(path, entry)| format!("{path} {entry:?}")).collect()
            };
            assert_eq!(told(&machine), told(&before), "{family:?} {first_leaves_first}");
            assert_eq!(machine.registry(), before.registry(), "{family:?} {first_leaves_first}");
        }
    }
}

fn slash(family: Family) -> String {
    place::separator(family).to_string()
}

#[test]
fn deleted_settings_come_back_where_they_stood() {
    let before = "[S]\na=1\n; note\nb=2\nc=3\n[T]\nx=1\n";
    for (deleted, since, expect) in [
        (&["b"][..], "[S]\na=1\n; note\nc=9\n[T]\n", "[S]\na=1\n; note\nb=2\nc=9\n[T]\n"),
        (&["a"], "[S]\n; note\nb=2\nd=4\n", "[S]\na=1\n; note\nb=2\nd=4\n"),
        (&["c"], "[S]\na=7\nd=4\n", "[S]\na=7\nc=3\nd=4\n"),
        (&["c"], "[S]\nd=4\ne=5\n", "[S]\nd=4\ne=5\nc=3\n"),
        (&["b", "c"], "[S]\na=1\n; note\nd=4\n", "[S]\na=1\n; note\nb=2\nc=3\nd=4\n"),
        (&["c", "b"], "[S]\na=1\n; note\nd=4\n", "[S]\na=1\n; note\nb=2\nc=3\nd=4\n"),
        (&["b"], "[T]\nx=1\n", "[T]\nx=1\n[S]\nb=2\n"),
    ] {
        let mut machine = Memory::new(Family::Linux);
        machine.put("/a.ini", Entry::file(before));
        let delete = |name: &&str| IniSetting {
            section: text("S"),
            name: text(name),
            data: None,
            rule: IniRule::Delete,
            handling: Handling::default(),
        };
        let settings = deleted.iter().map(delete).collect();
        let ini = vec![IniFile { path: text("/a.ini"), settings }];
        let record = distribute(&mut machine, &named(1, Items { ini, ..Items::default() }), &[]);
        machine.put("/a.ini", Entry::file(since));
        let record = Installed::decode(&record.encode()).unwrap();
        take_away(&mut machine, &record, &[]);
        let now = machine.entries().find(|(path, _)| *path == "/a.ini").map(|(_, entry)| entry);
        assert_eq!(now, Some(&Entry::file(expect)), "{deleted:?} {since:?}");
    }
}
