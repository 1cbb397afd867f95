//! Every rule of files, folders and registry settings, as tables: what is there, the rule, what is
//! there afterwards. Rules of INI and text files are tested beside their editors.

use super::*;

const OLD_NS: i64 = 1_000_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;

fn entry(bytes: &str, mtime_ns: i64) -> Entry {
    Entry::File { bytes: bytes.into(), mtime_ns, mode: 0o644 }
}

fn outcome(plan: &Plan) -> &'static str {
    match plan.items.last().map(|item| &item.outcome) {
        Some(Outcome::InPlace) => "in place",
        Some(Outcome::Changed { .. }) => "changed",
        Some(Outcome::Skipped { .. }) => "skipped",
        None => "nothing",
    }
}

#[test]
fn each_rule_says_when_a_file_is_copied() {
    use FileRule::*;
    const NEW_NS: i64 = OLD_NS + 10 * SECOND_NS;
    let there = |bytes: &str, seconds: i64| Some(entry(bytes, NEW_NS + seconds * SECOND_NS));
    for (rule, there, expect) in [
        (Always, None, "changed"),
        (Always, there("other", 9), "changed"),
        (Always, there("ours", -9), "in place"),
        (Always, Some(Entry::Link("x".into())), "changed"),
        (IfExists, None, "skipped"),
        (IfExists, there("other", 9), "changed"),
        (IfAbsent, None, "changed"),
        (IfAbsent, there("other", -9), "skipped"),
        (IfAbsent, there("ours", 0), "in place"),
        (IfNewer, None, "changed"),
        (IfNewer, there("other", -9), "changed"),
        (IfNewer, there("other", -2), "skipped"),
        (IfNewer, there("other", 9), "skipped"),
        (IfNewerAndExists, None, "skipped"),
        (IfNewerAndExists, there("other", -9), "changed"),
        (IfNewerAndExists, there("other", 0), "skipped"),
        (IfNewerVersion, None, "changed"),
        (IfNewerVersion, there("other", -9), "changed"),
        (IfNewerVersion, there("other", 9), "skipped"),
        (IfDifferent, None, "changed"),
        (IfDifferent, there("diff", 2), "skipped"),
        (IfDifferent, there("diff", 3), "changed"),
        (IfDifferent, there("longer", 0), "changed"),
        (IfDifferent, there("ours", 9), "in place"),
        (RequestConfirmation, None, "skipped"),
        (RequestConfirmation, there("ours", 0), "in place"),
    ] {
        let mut bench = Bench::new(Family::Linux);
        bench.source.put("a", entry("ours", NEW_NS));
        if let Some(there) = &there {
            bench.machine.put("/t/a", there.clone());
        }
        let plan = bench.plan(&files(vec![copy("%SOURCE_PATH%/a", "/t/a", rule)]));
        assert_eq!(plan.findings, []);
        assert_eq!(outcome(&plan), expect, "{rule:?} {there:?}");
        bench.machine.apply(&plan.changes, &bench.source);
        let is_ours = bench.machine.entry("/t/a") == Some(&entry("ours", NEW_NS));
        assert!(is_ours || expect != "changed", "{rule:?} {there:?}");
    }
}

/// A real program with another version in its fixed block.
fn program([a, b, c, d]: [u16; 4]) -> Vec<u8> {
    let mut bytes = include_bytes!("../../../tests/pe/pe32.dll").to_vec();
    let mark = 0xFEEF_04BD_u32.to_le_bytes();
    let at = bytes.windows(4).position(|four| four == mark).unwrap() + 8;
    for (part, number) in [b, a, d, c].into_iter().enumerate() {
        bytes[at + part * 2..at + part * 2 + 2].copy_from_slice(&number.to_le_bytes());
    }
    bytes
}

#[test]
fn a_newer_program_replaces_an_older_one() {
    for (ours, theirs, expect) in [
        (Some([2, 0, 0, 0]), Some([1, 9, 9, 9]), "changed"),
        (Some([1, 0, 0, 0]), Some([1, 0, 0, 0]), "in place"),
        (Some([1, 0, 0, 9]), Some([1, 0, 1, 0]), "skipped"),
        (Some([1, 0, 0, 0]), None, "changed"),
        (None, Some([1, 0, 0, 0]), "skipped"),
    ] {
        let mut bench = Bench::new(Family::Windows);
        let bytes = |version: Option<[u16; 4]>, other: &str| {
            version.map_or_else(|| other.as_bytes().to_vec(), program)
        };
        let put = |bytes, mtime_ns| Entry::File { bytes, mtime_ns, mode: 0 };
        // By its time alone the other way round.
        bench.source.put("a.exe", put(bytes(ours, "ours"), OLD_NS));
        bench.machine.put(r"C:\a.exe", put(bytes(theirs, "theirs"), OLD_NS * 2));
        let item = copy(r"%SOURCE_PATH%\a.exe", r"C:\a.exe", FileRule::IfNewerVersion);
        assert_eq!(outcome(&bench.plan(&files(vec![item]))), expect, "{ours:?} {theirs:?}");
    }
}

#[test]
fn confirmations_are_asked_and_heeded() {
    let item = || copy("%SOURCE_PATH%/a", "/t/a", FileRule::RequestConfirmation);
    for (answer, policy, expect, questions) in [
        (None, Unconfirmed::Skip, "skipped", 1),
        (None, Unconfirmed::Copy, "changed", 1),
        (Some(true), Unconfirmed::Skip, "changed", 0),
        (Some(false), Unconfirmed::Copy, "skipped", 0),
    ] {
        let mut bench = Bench::new(Family::Linux);
        bench.source.put("a", Entry::file("ours"));
        bench.given.unconfirmed = policy;
        bench.given.confirmed.extend(answer.map(|answer| ("/t/a".to_owned(), answer)));
        let plan = bench.plan(&files(vec![item()]));
        assert_eq!((outcome(&plan), plan.questions.len()), (expect, questions), "{answer:?}");
    }
}

#[test]
fn folders_are_made_copied_and_deleted() {
    let handling = Handling::default();
    let folder = |subfolders| FileItem::CopyFolder {
        source: text("%SOURCE_PATH%/tree"),
        target: text("/t/copy"),
        subfolders,
        rule: FileRule::Always,
        shared: false,
        handling,
    };
    let delete = |target: &str| FileItem::Delete { target: text(target), shared: false, handling };
    for (item, expect) in [
        (folder(true), "copy copy/a copy/empty copy/in copy/in/b old old/x.bak old/y.txt"),
        (folder(false), "copy copy/a old old/x.bak old/y.txt"),
        (
            FileItem::CreateFolder { target: text("/t/new/er"), handling },
            "new new/er old old/x.bak old/y.txt",
        ),
        (FileItem::DeleteFolder { target: text("/t/old"), handling }, ""),
        (FileItem::DeleteFolder { target: text("/t/none"), handling }, "old old/x.bak old/y.txt"),
        (delete("/t/old/*.bak"), "old old/y.txt"),
        (delete("/t/old/*"), "old"),
        (delete("/t/old/y.txt"), "old old/x.bak"),
        (delete("/t/none/*"), "old old/x.bak old/y.txt"),
        (
            copy("%SOURCE_PATH%/tree/*", "/t/some", FileRule::Always),
            "old old/x.bak old/y.txt some some/a",
        ),
        (
            copy("%SOURCE_PATH%/tree/a", "/t/some/", FileRule::Always),
            "old old/x.bak old/y.txt some some/a",
        ),
    ] {
        let mut bench = Bench::new(Family::Linux);
        bench.source.put("tree/a", Entry::file("a")).put("tree/in/b", Entry::file("b"));
        bench.source.put("tree/empty", Entry::Folder);
        bench.machine.put("/t/old/x.bak", Entry::file("x")).put("/t/old/y.txt", Entry::file("y"));
        bench.distribute(&files(vec![item.clone()]));
        let below = |(path, _): (&str, &Entry)| path.strip_prefix("/t/").map(str::to_owned);
        let left: Vec<String> = bench.machine.entries().filter_map(below).collect();
        assert_eq!(left.join(" "), expect, "{item:?}");
    }
}

#[test]
fn what_cannot_be_planned_is_a_finding_with_its_place() {
    let handling = Handling::default();
    let always = |source: &str, target: &str| copy(source, target, FileRule::Always);
    let delete = |target: &str| FileItem::DeleteFolder { target: text(target), handling };
    for (item, code) in [
        (always("%SOURCE_PATH%/a", "relative"), "DH-P002"),
        (always("%SOURCE_PATH%/a", "/t/../a"), "DH-P002"),
        (always("%SOURCE_PATH%/a", "/dev/null"), "DH-P002"),
        (delete("/"), "DH-P002"),
        (delete("/usr"), "DH-P002"),
        (always("%SOURCE_PATH%/a", "%Nobody%/a"), "DH-P001"),
        (always("%SOURCE_PATH%/a", "/t/folder"), "DH-P003"),
        (always("%SOURCE_PATH%/a", "/t/device"), "DH-P003"),
        (delete("/t/file"), "DH-P003"),
        (always("%SOURCE_PATH%/none", "/t/a"), "DH-P004"),
        (always("%SOURCE_PATH%/../a", "/t/a"), "DH-P004"),
        (always("%SOURCE_PATH%/*.none", "/t/a"), "DH-P011"),
    ] {
        let mut bench = Bench::new(Family::Linux);
        bench.source.put("a", Entry::file("a"));
        bench.machine.put("/t/folder", Entry::Folder).put("/t/device", Entry::Device);
        bench.machine.put("/t/file", Entry::file("x"));
        let plan = bench.plan(&files(vec![item.clone()]));
        let found: Vec<_> = plan.findings.iter().map(|found| (found.code, found.place)).collect();
        assert_eq!(found, [(code, Some((0, None)))], "{item:?}");
        assert_eq!(plan.is_refused(), code != "DH-P011");
        assert_eq!(plan.changes, []);
    }
}

fn registry(entry: RegistryEntry, rule: RegistryRule) -> Application {
    let (view, key) = (View::Bits64, text(r"HKLM\Software\Maker\App"));
    let item = RegistryItem { view, key, entry, rule, handling: Handling::default() };
    application(Items { registry: vec![item], ..Items::default() })
}

#[test]
fn each_rule_says_what_a_value_becomes() {
    use RegistryRule::*;
    let key = Key::parse(r"HKLM\Software\Maker\App").unwrap();
    let string = |data: &str| ValueData::Text(text(data));
    let there = |data: &str| Some(Data::text(data));
    for (rule, before, data, after, expect) in [
        (CreateAlways, None, string("x"), there("x"), "changed"),
        (CreateAlways, there("a"), string("x"), there("x"), "changed"),
        (CreateAlways, there("x"), string("x"), there("x"), "in place"),
        (CreateIfAbsent, None, string("x"), there("x"), "changed"),
        (CreateIfAbsent, there("a"), string("x"), there("a"), "skipped"),
        (CreateIfExists, None, string("x"), None, "skipped"),
        (CreateIfExists, there("a"), string("x"), there("x"), "changed"),
        (Delete, there("a"), string(""), None, "changed"),
        (Delete, None, string(""), None, "in place"),
        (Append, there("a"), string(";x"), there("a;x"), "changed"),
        (Append, None, string(";x"), there(";x"), "changed"),
        (Prepend, there("a"), string("x;"), there("x;a"), "changed"),
        (Prepend, None, string("x;"), there("x;"), "changed"),
        (CreateAlways, there("a"), ValueData::Dword(7), Some(Data::dword(7)), "changed"),
        (
            CreateAlways,
            None,
            ValueData::Qword(7),
            Some(Data { kind: 11, bytes: 7_u64.to_le_bytes().into() }),
            "changed",
        ),
        (
            CreateAlways,
            None,
            ValueData::Raw { kind: 0, bytes: vec![1] },
            Some(Data { kind: 0, bytes: vec![1] }),
            "changed",
        ),
    ] {
        for name in ["Value", ""] {
            let mut bench = Bench::new(Family::Windows);
            if let Some(before) = &before {
                bench.machine.set_value(&key, name, before.clone());
            }
            let entry = RegistryEntry::Value { name: text(name), data: Some(data.clone()) };
            let plan = bench.distribute(&registry(entry, rule));
            assert_eq!(outcome(&plan), expect, "{rule:?} {before:?}");
            assert_eq!(bench.machine.value(&key, name), Ok(after.clone()), "{rule:?} {before:?}");
        }
    }
}

#[test]
fn keys_are_deleted_with_all_below_them() {
    let mut bench = Bench::new(Family::Windows);
    let key = Key::parse(r"HKLM\Software\Maker\App").unwrap();
    bench.machine.set_value(&key, "a", Data::dword(1));
    bench.machine.set_value(&key.child("In").child("Deep"), "b", Data::dword(2));
    bench.distribute(&registry(RegistryEntry::Key, RegistryRule::Delete));
    let left = [r"HKEY_LOCAL_MACHINE\Software", r"HKEY_LOCAL_MACHINE\Software\Maker"];
    assert_eq!(bench.machine.registry(), left);
}

#[test]
fn linux_has_no_registry() {
    let plan = Bench::new(Family::Linux).plan(&registry(RegistryEntry::Key, RegistryRule::Delete));
    let why = "the registry is a part of Windows".to_owned();
    assert_eq!(plan.items[0].outcome, Outcome::Skipped { why });
}

#[test]
fn occasions_choose_among_items() {
    let with = |always| {
        let mut item = copy("%SOURCE_PATH%/a", "/t/a", FileRule::Always);
        if let FileItem::Copy { handling, target, .. } = &mut item {
            handling.distribute_always = always;
            *target = text(if always { "/t/always" } else { "/t/once" });
        }
        item
    };
    let mut bench = Bench::new(Family::Linux);
    bench.source.put("a", Entry::file("a"));
    let mut viewer = files(vec![with(true), with(false)]);
    let count = |viewer: &Application, occasion| bench.plan_for(viewer, occasion).items.len();
    assert_eq!(count(&viewer, Occasion::Distribute), 2);
    assert_eq!(count(&viewer, Occasion::Again), 1);
    assert_eq!(count(&viewer, Occasion::Verify), 2);
    viewer.options.distribute_always = true;
    assert_eq!(count(&viewer, Occasion::Again), 2);
}

#[test]
fn two_applications_that_want_one_thing_are_named() {
    for (ours, shared, expect) in
        [("theirs", false, None), ("ours", false, Some("DH-P007")), ("ours", true, Some("DH-P008"))]
    {
        let mut bench = Bench::new(Family::Linux);
        bench.source.put("a", Entry::file("theirs"));
        let item = |shared| FileItem::Copy {
            source: text("%SOURCE_PATH%/a"),
            target: text("/t/a"),
            rule: FileRule::Always,
            shared,
            handling: Handling::default(),
        };
        bench.distribute(&files(vec![item(shared)]));
        let mut other = bench.installed.take().unwrap();
        other.application = ApplicationId::from_bytes([9; 16]);
        other.name = "Editor".to_owned();
        bench.others.push(other);
        bench.source.put("a", Entry::file(ours));
        let before = FileItem::CreateFolder { target: text("/f"), handling: Handling::default() };
        let plan = bench.plan(&files(vec![before, item(shared)]));
        assert_eq!(plan.findings.first().map(|found| found.code), expect, "{ours} {shared}");
        let names =
            |found: &Finding| found.message.contains("Editor") && found.place == Some((1, None));
        assert!(plan.findings.iter().all(names), "{:?}", plan.findings);
        let mut successor = files(vec![item(shared)]);
        successor.supersedes = vec![bench.others[0].application];
        assert_eq!(bench.plan(&successor).findings, []);
    }
}

#[test]
fn what_two_want_of_one_setting_is_told_with_its_place() {
    let mut bench = Bench::new(Family::Linux);
    let settings = |data: &str| {
        let setting = |name: &str, data: &str| IniSetting {
            section: text("Main"),
            name: text(name),
            data: Some(text(data)),
            rule: IniRule::CreateAlways,
            handling: Handling::default(),
        };
        let mut app = files(Vec::new());
        let settings = vec![setting("Size", "1"), setting("Color", data)];
        app.items.ini = vec![IniFile { path: text("/t/a.ini"), settings }];
        app
    };
    bench.distribute(&settings("red"));
    let mut other = bench.installed.take().unwrap();
    other.application = ApplicationId::from_bytes([9; 16]);
    bench.others.push(other);
    let plan = bench.plan(&settings("blue"));
    let found: Vec<_> = plan.findings.iter().map(|found| (found.code, found.place)).collect();
    assert_eq!(found, [("DH-P007", Some((0, Some(1))))]);
}

#[test]
fn what_must_be_kept_is_limited_before_anything_is_done() {
    let mut bench = Bench::new(Family::Linux);
    bench.source.put("a", Entry::file("new"));
    bench.machine.put("/t/a", Entry::file("old and long"));
    bench.given.kept_bytes_max = 4;
    let plan = bench.plan(&files(vec![copy("%SOURCE_PATH%/a", "/t/a", FileRule::Always)]));
    assert_eq!(plan.findings[0].code, "DH-P009");
}

#[test]
fn disks_must_have_room_for_all_that_is_new() {
    for (free, expect) in [(10, None), (9, Some("needs 10 bytes and has 9 bytes free"))] {
        let mut bench = Bench::new(Family::Linux);
        bench.source.put("a", Entry::file("seven, "));
        bench.source.put("b", Entry::file("ten"));
        bench.machine.put("/t/a", Entry::file("as large as it may be, for nothing is freed"));
        bench.machine.free = free;
        let items = ["a", "b"].map(|name| {
            copy(&format!("%SOURCE_PATH%/{name}"), &format!("/t/{name}"), FileRule::Always)
        });
        let plan = bench.plan(&files(items.to_vec()));
        let told = plan.findings.iter().map(|found| (found.code, found.message.as_str()));
        match (told.collect::<Vec<_>>().as_slice(), expect) {
            ([], None) => {}
            ([("DH-P013", message)], Some(words)) => assert!(message.contains(words), "{message}"),
            (other, _) => panic!("{other:?}"),
        }
    }
}

#[test]
fn bare_names_of_text_files_are_looked_for_along_path() {
    for (there, expect) in [(Some("/b/tool.conf"), "/b/tool.conf"), (None, "/a/tool.conf")] {
        let mut bench = Bench::new(Family::Linux);
        bench.machine.environment.insert("PATH".to_owned(), "/a:relative:/b".to_owned());
        if let Some(there) = there {
            bench.machine.put(there, Entry::file("x\n"));
        }
        let edit = TextEdit::Append { text: text("line") };
        let changes = vec![TextChange { edit, handling: Handling::default() }];
        let path = text("tool.conf");
        let file = TextFile { path, no_reboot_if_modified: false, changes };
        bench.distribute(&application(Items { text: vec![file], ..Items::default() }));
        assert!(bench.machine.bytes(expect).ends_with(b"line\n"));
    }
}

#[test]
fn each_item_is_in_the_machines_part_or_in_each_users() {
    let mut bench = Bench::new(Family::Windows);
    for (name, path) in [("AppData", r"C:\Users\ann\AppData"), ("ProgramFiles", r"C:\Programs")] {
        bench.machine.folders.insert(name.to_owned(), path.to_owned());
    }
    let item = |key: &str| RegistryItem {
        view: View::Bits64,
        key: text(key),
        entry: RegistryEntry::Key,
        rule: RegistryRule::CreateAlways,
        handling: Handling::default(),
    };
    let folder = |target: &str, track_per_user| {
        let handling = Handling { distribute_always: false, track_per_user };
        FileItem::CreateFolder { target: text(target), handling }
    };
    let viewer = application(Items {
        registry: vec![item(r"HKLM\Software\A"), item(r"hkey_current_user\Software\A")],
        files: vec![
            folder(r"%*ProgramFiles%\A", false),
            folder(r"%*AppData%\A", false),
            folder(r"C:\tracked", true),
        ],
        ..Items::default()
    });
    for (part, expect) in [
        (Part::Machine, &[r"HKEY_LOCAL_MACHINE\Software\A", r"C:\Programs\A"][..]),
        (
            Part::User("ann".to_owned()),
            &[r"HKEY_CURRENT_USER\Software\A", r"C:\Users\ann\AppData\A", r"C:\tracked"],
        ),
    ] {
        let (application, occasion, installed) = (&viewer, Occasion::Distribute, None);
        let (part, others, given) = (&part, &[][..], &bench.given);
        let wish = Wish { application, part, occasion, installed, others, given };
        let plan = plan(&wish, &bench.machine, &bench.source);
        let targets: Vec<&str> = plan.items.iter().map(|item| item.target.as_str()).collect();
        assert_eq!(targets, expect);
    }
}

#[test]
fn settings_that_are_always_distributed_come_last_at_a_launch() {
    let setting = |name: &str, distribute_always| IniSetting {
        section: text("S"),
        name: text(name),
        data: Some(text("x")),
        rule: IniRule::CreateAlways,
        handling: Handling { distribute_always, track_per_user: false },
    };
    let settings = vec![setting("a", true), setting("b", false), setting("c", true)];
    let ini = vec![IniFile { path: text("/etc/a.ini"), settings }];
    let mut viewer = application(Items { ini, ..Items::default() });
    let bench = Bench::new(Family::Linux);
    let names = |viewer: &Application, occasion| -> String {
        let plan = bench.plan_for(viewer, occasion);
        plan.items.iter().filter_map(|item| item.target.chars().last()).collect()
    };
    assert_eq!(names(&viewer, Occasion::Distribute), "abc");
    assert_eq!(names(&viewer, Occasion::Again), "ac");
    viewer.options.distribute_always = true;
    assert_eq!(names(&viewer, Occasion::Again), "bac");
}

#[test]
fn a_later_version_answers_for_what_the_earlier_ones_did() {
    let mut bench = Bench::new(Family::Linux);
    bench.source.put("a", Entry::file("one"));
    bench.machine.put("/t/a", Entry::file("first")).put("/t/b", Entry::file("first"));
    let item = |target| copy("%SOURCE_PATH%/a", target, FileRule::Always);
    bench.distribute(&files(vec![item("/t/a"), item("/t/b")]));
    bench.source.put("a", Entry::file("two"));
    bench.distribute(&files(vec![item("/t/a")]));
    assert_eq!(bench.machine.bytes("/t/a"), b"two");
    let (record, how) = (bench.installed.clone().unwrap(), Uninstall::default());
    let leave = Leave { record: &record, others: &[], how: &how, given: &bench.given };
    let back = uninstall(&leave, &bench.machine);
    bench.machine.apply(&back.changes, &bench.source);
    assert_eq!(bench.machine.bytes("/t/a"), b"first");
    assert_eq!(bench.machine.bytes("/t/b"), b"first");
}
