//! Laws of plans, for documents and machines by chance: carried out once there is nothing left to
//! do, and taken away everything is as it was.

use model::Timestamp;
use model::registry::{Data, Key};
use proptest::prelude::*;

use super::tests::{application, given};
use super::*;
use crate::testing::{Entry, Memory, MemorySource};
use crate::*;

const NAMES: [&str; 4] = ["a", "b.txt", "c.ini", "d"];
const PATHS: [&str; 6] = ["/o/a", "/o/b.txt", "/o/in/a", "/o/in/b.txt", "/p/c.ini", "/p/deep/er/d"];
const FOLDERS: [&str; 5] = ["/o/x", "/o/in/x", "/p/x", "/p/deep/x", "/o/in/y/x"];
const KEYS: [&str; 4] =
    [r"HKLM\Software\A\B", r"HKLM\Software\A\B\C", r"HKLM\Software\a\D", r"HKCR\A\X\Y"];

fn of<T: Clone + std::fmt::Debug + 'static>(values: &[T]) -> prop::sample::Select<T> {
    prop::sample::select(values.to_vec())
}

fn text(text: impl Into<String>) -> Text {
    Text::new(text)
}

/// As the family writes it.
fn path(family: Family, path: &str) -> String {
    match family {
        Family::Linux => path.to_owned(),
        Family::Windows => format!("C:{}", path.replace('/', "\\")),
    }
}

fn rule() -> impl Strategy<Value = FileRule> {
    of(&[
        FileRule::Always,
        FileRule::IfExists,
        FileRule::IfAbsent,
        FileRule::IfNewer,
        FileRule::IfNewerAndExists,
        FileRule::IfNewerVersion,
        FileRule::IfDifferent,
    ])
}

fn file_item(family: Family) -> impl Strategy<Value = FileItem> {
    let handling = Handling::default();
    let target = move |at: &str| text(path(family, at));
    prop_oneof![
        (of(&NAMES), of(&PATHS), rule(), any::<bool>()).prop_map(
            move |(name, at, rule, shared)| {
                let (source, target) = (text(format!("%SOURCE_PATH%/{name}")), target(at));
                FileItem::Copy { source, target, rule, shared, handling }
            }
        ),
        (rule(), of(&FOLDERS)).prop_map(move |(rule, at)| FileItem::Copy {
            source: text("%SOURCE_PATH%/*.txt"),
            target: target(at),
            rule,
            shared: false,
            handling
        }),
        (rule(), of(&FOLDERS), any::<bool>()).prop_map(move |(rule, at, subfolders)| {
            FileItem::CopyFolder {
                source: text("%SOURCE_PATH%"),
                target: target(at),
                subfolders,
                rule,
                shared: false,
                handling,
            }
        }),
        of(&PATHS).prop_map(move |at| FileItem::Delete {
            target: target(at),
            shared: false,
            handling
        }),
        of(&FOLDERS).prop_map(move |at| FileItem::CreateFolder { target: target(at), handling }),
        of(&FOLDERS).prop_map(move |at| FileItem::DeleteFolder { target: target(at), handling }),
    ]
}

fn data() -> impl Strategy<Value = ValueData> {
    prop_oneof![
        of(&["", "x", ";y", "z;"]).prop_map(|data| ValueData::Text(text(data))),
        of(&["%%A%%", ";y"]).prop_map(|data| ValueData::ExpandedText(text(data))),
        (0..3_u32).prop_map(ValueData::Dword),
        (0..3_u64).prop_map(ValueData::Qword),
        of(&["a", "b"]).prop_map(|entry| ValueData::Texts(vec![text(entry), text("c")])),
        any::<u8>().prop_map(|byte| ValueData::Raw { kind: 0, bytes: vec![byte] }),
    ]
}

fn registry_item() -> impl Strategy<Value = RegistryItem> {
    let rule = of(&[
        RegistryRule::CreateAlways,
        RegistryRule::CreateIfAbsent,
        RegistryRule::CreateIfExists,
        RegistryRule::Delete,
    ]);
    let joins = of(&[RegistryRule::Append, RegistryRule::Prepend]);
    let of_texts = of(&["x", ";y", "z;"]).prop_map(|data| ValueData::Text(text(data)));
    let value = (of(&["", "Path", "N"]), data(), rule.clone());
    let entry = prop_oneof![
        rule.prop_map(|rule| (RegistryEntry::Key, rule)),
        value.prop_map(|(name, data, rule)| {
            (RegistryEntry::Value { name: text(name), data: Some(data) }, rule)
        }),
        // Values of this name hold texts only, so they can be joined.
        (of_texts, joins).prop_map(|(data, rule)| {
            (RegistryEntry::Value { name: text("Joined"), data: Some(data) }, rule)
        }),
    ];
    let view = of(&[View::Bits64, View::Bits32]);
    (of(&KEYS), entry, view).prop_map(|(key, (entry, rule), view)| RegistryItem {
        view,
        key: text(key),
        entry,
        rule,
        handling: Handling::default(),
    })
}

fn ini_file(family: Family) -> impl Strategy<Value = IniFile> {
    let rule = of(&[
        IniRule::CreateAlways,
        IniRule::CreateIfAbsent,
        IniRule::CreateIfExists,
        IniRule::AddToSection,
        IniRule::AppendToValue,
        IniRule::Delete,
        IniRule::RemoveFromValue,
    ]);
    let setting = (of(&["S", "T"]), of(&["k", "l"]), of(&[" u", " v"]), rule);
    let setting = setting.prop_map(|(section, name, data, rule)| IniSetting {
        section: text(section),
        name: text(name),
        data: Some(text(data)),
        rule,
        handling: Handling::default(),
    });
    (of(&["/p/c.ini", "/p/new/n.ini"]), prop::collection::vec(setting, 1..4))
        .prop_map(move |(at, settings)| IniFile { path: text(path(family, at)), settings })
}

fn text_file(family: Family) -> impl Strategy<Value = TextFile> {
    let line = of(&["one", "two", "three words here"]);
    let edit = prop_oneof![
        line.clone().prop_map(|line| TextEdit::Append { text: text(line) }),
        line.clone().prop_map(|line| TextEdit::Prepend { text: text(line) }),
        (line, any::<bool>()).prop_map(|(line, all)| TextEdit::Search {
            find: text("old"),
            how: SearchType::Substring,
            case_sensitive: false,
            all,
            action: ResultAction::ReplaceLine,
            text: text(line),
        }),
    ];
    let change = edit.prop_map(|edit| TextChange { edit, handling: Handling::default() });
    (of(&["/o/b.txt", "/o/new.txt"]), prop::collection::vec(change, 1..4)).prop_map(
        move |(at, changes)| TextFile {
            path: text(path(family, at)),
            no_reboot_if_modified: true,
            changes,
        },
    )
}

prop_compose! {
    fn items(family: Family)(
        files in prop::collection::vec(file_item(family), 0..5),
        registry in prop::collection::vec(registry_item(), 0..6),
        ini in prop::collection::vec(ini_file(family), 0..3),
        text in prop::collection::vec(text_file(family), 0..3),
    ) -> Items {
        let registry = if family == Family::Windows { registry } else { Vec::new() };
        Items { shortcuts: Vec::new(), registry, files, ini, text }
    }
}

fn entry() -> impl Strategy<Value = Entry> {
    let bytes = of(&["", "old\nx", "new", "[S]\nk=u\n", "[s]\r\nK = v\r\nk= u v\r\n\r\n;c\r\n"]);
    let file = (bytes, of(&[0, 1, 5_000_000_000]), of(&[0o644, 0o755]));
    prop_oneof![
        9 => file.prop_map(|(bytes, mtime_ns, mode)| Entry::File {
            bytes: bytes.into(),
            mtime_ns,
            mode,
        }),
        1 => Just(Entry::Link("elsewhere".to_owned())),
    ]
}

fn value() -> impl Strategy<Value = (&'static str, &'static str, &'static str)> {
    (of(&KEYS), of(&["", "Path", "Joined"]), of(&["x", ";y"]))
}

prop_compose! {
    fn machine(family: Family)(
        files in prop::collection::vec((of(&PATHS), entry()), 0..6),
        deep in prop::option::of((of(&FOLDERS), of(&NAMES), entry())),
        values in prop::collection::vec(value(), 0..5),
    ) -> Memory {
        let mut machine = Memory::new(family);
        for (at, entry) in files {
            machine.put(&path(family, at), entry);
        }
        if let Some((folder, name, entry)) = deep {
            machine.put(&path(family, &format!("{folder}/{name}")), entry);
        }
        for (key, name, data) in values.into_iter().filter(|_| family == Family::Windows) {
            machine.set_value(&Key::parse(key).unwrap(), name, Data::text(data));
        }
        machine
    }
}

fn source() -> impl Strategy<Value = MemorySource> {
    prop::collection::vec(entry(), 5).prop_map(|entries| {
        let mut source = MemorySource::default();
        let names = NAMES.iter().copied().chain(["in/e.txt"]);
        for (name, entry) in names.zip(entries) {
            let link = matches!(entry, Entry::Link(_));
            source.put(name, if link { Entry::file("new") } else { entry });
        }
        source
    })
}

fn record(plan: &Plan, kept: &[(usize, Kept)]) -> Installed {
    Installed::after(plan, "Viewer", kept, Timestamp::from_millis(0)).unwrap()
}

fn planned(
    application: &Application,
    installed: Option<&Installed>,
    occasion: Occasion,
    machine: &Memory,
    source: &MemorySource,
) -> Plan {
    let (part, others, given) = (&Part::Machine, &[][..], &given());
    plan(&Wish { application, part, occasion, installed, others, given }, machine, source)
}

/// No two items are about one thing. Two that are may undo each other each time, such as *if it
/// exists* before *if it does not*.
fn are_apart(plan: &Plan) -> bool {
    let file = |item: &Planned| match item.group {
        Group::Ini => item.target.split(" [").next().map(str::to_uppercase),
        Group::Text => item.target.split(": ").next().map(str::to_uppercase),
        _ => Some(item.target.to_uppercase()),
    };
    let apart = |(at, item): (usize, &Planned)| {
        let earlier = &plan.items[..at];
        earlier.iter().all(|earlier| match earlier.group == item.group {
            true => {
                item.group == Group::Text
                    || earlier.target.to_uppercase() != item.target.to_uppercase()
            }
            false => file(earlier) != file(item),
        })
    };
    plan.items.iter().enumerate().all(apart)
}

fn check_again(
    application: &Application,
    first: &Plan,
    installed: &Installed,
    machine: &Memory,
    source: &MemorySource,
) -> Result<(), TestCaseError> {
    for occasion in [Occasion::Distribute, Occasion::Verify, Occasion::Again] {
        let again = planned(application, Some(installed), occasion, machine, source);
        prop_assert_eq!(&again.changes, &vec![], "{:?}\n{:#?}", occasion, again.items);
        prop_assert_eq!(&again.findings, &first.findings);
        let carried = record(&again, &[]);
        let (mut was, mut is) = (installed.owns.clone(), carried.owns.clone());
        was.sort_by_key(|owned| format!("{owned:?}"));
        is.sort_by_key(|owned| format!("{owned:?}"));
        prop_assert_eq!(is, was, "{:?}", occasion);
    }
    Ok(())
}

/// Carried out, looked at again and taken away.
fn check(items: Items, machine: Memory, source: &MemorySource) -> Result<(), TestCaseError> {
    let application = application(items);
    let before = machine;
    let first = planned(&application, None, Occasion::Distribute, &before, source);
    if first.is_refused() {
        return Ok(());
    }
    let mut machine = before.clone();
    let kept = machine.apply(&first.changes, source);
    let installed = record(&first, &kept);
    if are_apart(&first) {
        check_again(&application, &first, &installed, &machine, source)?;
    }
    let (how, given) = (Uninstall::default(), given());
    let leave = Leave { record: &installed, others: &[], how: &how, given: &given };
    let back = uninstall(&leave, &machine);
    prop_assert_eq!(&back.findings, &vec![]);
    machine.apply(&back.changes, source);
    let told = |machine: &Memory| -> Vec<String> {
        machine.entries().map(|(path, entry)| format!("{path} {entry:?}")).collect()
    };
    prop_assert_eq!(told(&machine), told(&before), "{:#?}", back.items);
    prop_assert_eq!(machine.registry(), before.registry(), "{:#?}", back.items);
    Ok(())
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn on_linux_it_is_done_once_and_undone(
        items in items(Family::Linux),
        machine in machine(Family::Linux),
        source in source(),
    ) {
        check(items, machine, &source)?;
    }

    #[test]
    fn on_windows_it_is_done_once_and_undone(
        items in items(Family::Windows),
        machine in machine(Family::Windows),
        source in source(),
    ) {
        check(items, machine, &source)?;
    }
}
