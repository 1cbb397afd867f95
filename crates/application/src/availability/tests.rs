//! Rules against a machine in memory; reasons as people read them.

use model::registry::{Data, Key};

use super::*;
use crate::plan::tests::{application, given};
use crate::testing::{Entry, Memory, WRITTEN_NS};
use crate::{Family, Items, RegistryTest, Test, Text};

fn other() -> ApplicationId {
    ApplicationId::from_bytes([9; 16])
}

fn machine() -> Memory {
    let mut machine = Memory::new(Family::Windows);
    for (name, value) in [("os.version", "10.0.19045"), ("memory_mb", "8192"), ("os.name", "W 2")] {
        machine.facts.insert(name.to_owned(), value.to_owned());
    }
    machine.environment.insert("LANG".to_owned(), "de".to_owned());
    let dll = include_bytes!("../../tests/pe/pe32.dll");
    machine.put(r"C:\a\viewer.exe", Entry::file(&dll[..]));
    machine.put(r"C:\a\plain", Entry::file(&b"12345"[..]));
    let key = Key::parse(r"HKLM\Software\Maker").unwrap();
    machine.set_value(&key, "Count", Data::dword(10));
    machine.set_value(&key, "Version", Data::text("1.10"));
    machine.set_value(&key, "Raw", Data { kind: Data::BINARY, bytes: vec![1] });
    machine
}

fn why(rules: &Availability) -> Vec<String> {
    let (machine, given) = (machine(), given());
    let application = application(Items::default());
    let context = Context {
        survey: &machine,
        macros: &Macros::new(&application, &given, &machine),
        zone: &TimeZone::fixed(jiff::tz::offset(2)),
        installed: &|id| (id == other()).then_some(4),
    };
    reasons(rules, &context)
}

fn fact(name: &str, how: Comparison, value: &str) -> Test {
    Test::Fact { name: name.to_owned(), how, value: value.to_owned() }
}

fn path() -> Text {
    Text::new(r"C:\a\viewer.exe")
}

fn registry(name: &str, how: Comparison, data: &str) -> Test {
    let test = RegistryTest::Value { name: Text::new(name), how, data: data.to_owned() };
    Test::Registry { key: Text::new(r"HKLM\Software\Maker"), test }
}

/// Each test, and why it does not hold; nothing where it does.
#[test]
fn tests_ask_the_machine() {
    use Comparison::*;
    let date = |how, date: &str| Test::FileDate { path: path(), how, date: date.to_owned() };
    let version =
        |path, how, version: &str| Test::FileVersion { path, how, version: version.to_owned() };
    let env =
        |name: &str, how| Test::Environment { name: name.to_owned(), how, value: "DE".to_owned() };
    let key = |key: &str| Test::Registry { key: Text::new(key), test: RegistryTest::KeyExists };
    let exists = |path: &str| Test::FileExists { path: Text::new(path) };
    let plain = Text::new(r"C:\a\plain");
    for (test, expect) in [
        (fact("os.version", GreaterOrEqual, "10.0.9200"), ""),
        (
            fact("os.version", Less, "10.0.9200"),
            "`os.version` is `10.0.19045`, wanted is less than `10.0.9200`",
        ),
        (fact("memory_mb", Greater, "900"), ""),
        (fact("os.name", Equal, "w 2"), ""),
        (fact("os.name", Equal, "v 2"), "`os.name` is `W 2`, wanted is exactly `v 2`"),
        (fact("cpu", NotEqual, "x"), "`cpu` is not known of this machine"),
        (env("LANG", Equal), ""),
        (env("OTHER", NotEqual), "the environment variable `OTHER` is not set"),
        (exists(r"c:\A"), ""),
        (exists(r"C:\b"), r"`C:\b` is not there"),
        (exists("%*Nowhere%"), "`%*Nowhere%`: this system has no folder `%*Nowhere%`"),
        (version(path(), GreaterOrEqual, "10.2"), ""),
        (
            version(path(), Equal, "10.2"),
            r"the version of `C:\a\viewer.exe` is `10.2.300.65535`, wanted is exactly `10.2`",
        ),
        (version(plain.clone(), Less, "1"), r"`C:\a\plain` has no version"),
        (version(Text::new(r"C:\a"), Less, "1"), r"`C:\a` is no file"),
        (date(Equal, "2026-09-21"), ""),
        (date(Equal, "2026-09-21 16:13"), ""),
        (
            date(Less, "2026-09-21 16:13"),
            concat!(
                r"the date of `C:\a\viewer.exe` is `2026-09-21 16:13`, ",
                "wanted is less than `2026-09-21 16:13`",
            ),
        ),
        (date(Less, "soon"), "`soon` is no date: write `2026-11-21` or `2026-11-21 13:00`"),
        (Test::FileSize { path: plain, how: LessOrEqual, bytes: 5 }, ""),
        (key(r"HKLM\Software\Maker"), ""),
        (key(r"HKLM\Software\Other"), r"`HKEY_LOCAL_MACHINE\Software\Other` is not there"),
        (key("HKXX"), "`HKXX`: `HKXX` is no root of the registry"),
        (registry("Count", Equal, "0x0A"), ""),
        (registry("Count", Greater, "9"), ""),
        (registry("Version", Greater, "1.9"), ""),
        (
            registry("Raw", Equal, "1"),
            r"`HKEY_LOCAL_MACHINE\Software\Maker`, value `Raw` is no `1`",
        ),
        (
            registry("None", NotEqual, "1"),
            r"`HKEY_LOCAL_MACHINE\Software\Maker`, value `None` is not there",
        ),
        (Test::Application { id: other(), how: Some((Equal, 4)) }, ""),
        (Test::Application { id: other(), how: None }, ""),
    ] {
        assert_eq!(why(&Availability::Is(test.clone())).join("\n"), expect, "{test:?}");
    }
    assert_eq!(WRITTEN_NS, 1_790_000_000_000_000_000, "2026-09-21 14:13:20 UTC");
}

#[test]
fn rules_are_joined_and_all_that_fail_are_named() {
    use Availability::{All, Any, Is, Not};
    use Comparison::Equal;
    let yes = || Is(fact("os.name", Equal, "W 2"));
    let no = |value: &str| Is(fact("os.name", Equal, value));
    let unknown = || Is(fact("cpu", Equal, "x"));
    let not = |rule| Not(Box::new(rule));
    let said = |value: &str| format!("`os.name` is `W 2`, wanted is exactly `{value}`");
    let cpu = "`cpu` is not known of this machine".to_owned();
    let none = Vec::new();
    for (rules, expect) in [
        (All(Vec::new()), none.clone()),
        (Any(Vec::new()), vec!["none of no rules can hold".to_owned()]),
        (All(vec![yes(), no("a"), no("b")]), vec![said("a"), said("b")]),
        (All(vec![yes(), unknown(), no("a")]), vec![cpu.clone(), said("a")]),
        (Any(vec![no("a"), yes()]), none.clone()),
        (Any(vec![unknown(), yes()]), none.clone()),
        (Any(vec![no("a"), no("b")]), vec![said("a"), said("b")]),
        (not(no("a")), none.clone()),
        (not(yes()), vec![format!("must not be: {}", said("W 2"))]),
        (not(unknown()), vec![cpu]),
        (not(All(vec![yes(), no("a")])), none.clone()),
        (not(Any(vec![yes(), no("a")])), vec![format!("must not be: {}", said("W 2"))]),
        (not(not(yes())), none),
    ] {
        assert_eq!(why(&rules), expect, "{rules:?}");
    }
}
