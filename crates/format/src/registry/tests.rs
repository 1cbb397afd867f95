//! Scripts and what is read of them.

use model::registry::{Data, Key, Operation, Step};
use proptest::prelude::*;

use super::{ParsedRegistry, parse_registry, print_registry};

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn steps(source: &str) -> Vec<Operation> {
    let ParsedRegistry { steps, problems } = parse_registry(source);
    assert!(problems.is_empty(), "{problems:?}");
    steps.into_iter().map(|step| step.operation).collect()
}

#[test]
fn every_statement_is_read() {
    let source = r#"
; what the manual writes
[Hkey_Local_Machine\Software\Microsoft]?
"Version" == "1.0" ; only then
@?
[HKLM\Software\Maker]
"text"="C:\\Programs \"here\""
@=dword:1F
"multi"=hex(7):61,00,00,00,\
  62,00,00,00,00,00
"none"=hex(0):
"q"=hex(b):01,00,00,00,00,00,00,00
"gone"=-
[-HKLM\Software\Maker\Old] ; with all below
"#;
    let (microsoft, maker) = (key(r"HKLM\Software\Microsoft"), key(r"HKLM\Software\Maker"));
    let set = |name: &str, data| Operation::SetValue { key: maker_key(), name: name.into(), data };
    fn maker_key() -> Key {
        Key::parse(r"HKLM\Software\Maker").unwrap()
    }
    let microsoft =
        Key::parse(&microsoft.to_string().replace("LOCAL_MACHINE", "Local_Machine")).unwrap();
    assert_eq!(
        steps(source),
        [
            Operation::TestKey { key: microsoft.clone() },
            Operation::CompareValue {
                key: microsoft.clone(),
                name: "Version".into(),
                data: Data::text("1.0")
            },
            Operation::TestValue { key: microsoft, name: String::new() },
            Operation::CreateKey { key: maker.clone() },
            set("text", Data::text("C:\\Programs \"here\"")),
            set("", Data::dword(31)),
            set("multi", Data { kind: 7, bytes: b"a\0\0\0b\0\0\0\0\0".to_vec() }),
            set("none", Data { kind: 0, bytes: vec![] }),
            set("q", Data { kind: 11, bytes: vec![1, 0, 0, 0, 0, 0, 0, 0] }),
            Operation::DeleteValue { key: maker.clone(), name: "gone".into() },
            Operation::DeleteKey { key: maker.child("Old") },
        ]
    );
}

#[test]
fn files_of_regedit_are_scripts() {
    let source = "\u{feff}Windows Registry Editor Version 5.00\r\n\r\n[HKCU\\a]\r\n@=\"x\"\r\n\r\n";
    assert_eq!(steps(source).len(), 2);
    let old = "REGEDIT4\n[HKCU\\a]\n\"p\"=hex(2):25,41,25,00\n\"b\"=hex:ff\n\"l\"=\"one\ntwo\"";
    let found = steps(old);
    let data = |at: usize| match &found[at] {
        Operation::SetValue { data, .. } => data.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(data(1), Data { kind: 2, bytes: b"%\0A\0%\0\0\0".to_vec() });
    assert_eq!(data(2).bytes, [255]);
    assert_eq!(data(3), Data::text("one\ntwo"));
}

#[test]
fn keys_may_contain_brackets() {
    for (line, expect) in [
        (r"[HKCU\a]b]", r"HKCU\a]b"),
        (r"[HKCU\[a]] ; [b]", r"HKCU\[a]"),
        (r"[ HKCU\a b ]", r"HKCU\a b"),
    ] {
        assert_eq!(steps(line), [Operation::CreateKey { key: key(expect) }], "{line}");
    }
}

#[test]
fn everything_wrong_is_told_at_once_with_its_place() {
    let source = "\"early\"=\"x\"\n[HKXX\\a]\n\"below unknown\"=\"fine\"\n[HKLM\\a\\\\b]\n[-HKLM]\n\
                  [-HKLM\\Software]\n[HKLM\\x\nhello\n[HKCU\\a]\n\"a\"=dword:xyz\n\"b\"=hex:100\n\
                  \"c\"=\"C:\\x\"\n\"d\"=hex(zz):\n\"e\"=word:1\n\"f\"\n\"g\"=\n\"h\"=\"x\" y\n\
                  [-HKCU\\a]?\n[-HKCU\\a]\n\"i\"=-\n\"j";
    let parsed = parse_registry(source);
    assert!(parsed.steps.is_empty());
    let found: Vec<(usize, usize, &str)> =
        parsed.problems.iter().map(|found| (found.line, found.column, found.code)).collect();
    assert_eq!(
        found,
        [
            (1, 1, "DH-G005"),
            (2, 2, "DH-G002"),
            (4, 2, "DH-G003"),
            (5, 1, "DH-G003"),
            (6, 1, "DH-G003"),
            (7, 1, "DH-G001"),
            (8, 1, "DH-G001"),
            (10, 11, "DH-G004"),
            (11, 9, "DH-G004"),
            (12, 8, "DH-G004"),
            (13, 9, "DH-G004"),
            (14, 5, "DH-G004"),
            (15, 4, "DH-G001"),
            (16, 5, "DH-G004"),
            (17, 9, "DH-G001"),
            (18, 1, "DH-G001"),
            (20, 1, "DH-G005"),
            (21, 1, "DH-G001"),
        ]
    );
    let big = "x".repeat(2 << 20);
    assert_eq!(parse_registry(&big).problems[0].code, "DH-G006");
}

#[test]
fn every_code_has_its_page() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    for code in super::code::ALL {
        assert!(folder.join(format!("{code}.md")).is_file(), "{code}");
    }
}

fn any_key() -> impl Strategy<Value = Key> {
    let part = "[A-Za-z0-9 \\[;=\"@ä-]{0,6}[a-z]";
    (prop::sample::select(&model::registry::Root::ALL[..]), prop::collection::vec(part, 2..4))
        .prop_map(|(root, parts)| {
            let path = parts.iter().map(|part| part.trim()).collect::<Vec<_>>().join("\\");
            Key::new(root, &path).unwrap()
        })
}

fn any_data() -> impl Strategy<Value = Data> {
    prop_oneof![
        "[ -~\n\"\\\\äß𝄞]{0,40}".prop_map(|text| Data::text(&text)),
        any::<u32>().prop_map(Data::dword),
        (0u32..20, prop::collection::vec(any::<u8>(), 0..100))
            .prop_map(|(kind, bytes)| Data { kind, bytes }),
    ]
}

fn any_operations() -> impl Strategy<Value = Vec<Operation>> {
    let value = prop_oneof![any_data().prop_map(Some), Just(None),];
    let below = (0u8..4, "[ -~ä]{0,8}", value).prop_map(|(which, name, data)| (which, name, data));
    (any_key(), 0u8..3, prop::collection::vec(below, 0..6)).prop_map(|(key, how, values)| {
        let mut all = vec![match how {
            0 => Operation::TestKey { key: key.clone() },
            1 => Operation::CreateKey { key: key.clone() },
            _ => return vec![Operation::DeleteKey { key }],
        }];
        all.extend(values.into_iter().map(|(which, name, data)| {
            let key = key.clone();
            match (which, data) {
                (0 | 1, Some(data)) => Operation::SetValue { key, name, data },
                (_, Some(data)) => Operation::CompareValue { key, name, data },
                (0 | 1, None) => Operation::DeleteValue { key, name },
                (_, None) => Operation::TestValue { key, name },
            }
        }));
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn what_is_printed_is_read_again(scripts in prop::collection::vec(any_operations(), 0..4)) {
        let operations: Vec<Operation> = scripts.into_iter().flatten().collect();
        let steps: Vec<Step> =
            operations.iter().cloned().map(|operation| Step { line: 0, operation }).collect();
        let text = print_registry(&steps);
        let parsed = parse_registry(&text);
        prop_assert!(parsed.problems.is_empty(), "{:?}\n{text}", parsed.problems);
        let again: Vec<Operation> = parsed.steps.into_iter().map(|step| step.operation).collect();
        prop_assert_eq!(again, operations);
    }

    #[test]
    fn no_text_panics(pieces in prop::collection::vec(
        (prop::sample::select(&["[", "]", "[HKCU\\a", "[-HKCU\\", "\"", "@", "=", "==", "=-", "?",
            "hex(", "hex:", "0a,", "\\\n", "\\", "dword:", "\r\n", "\r", ";", "\"a\"=",
            "REGEDIT4\n", "\0"][..]), "[ -~äö]{0,3}"), 0..60)) {
        let source: String =
            pieces.iter().flat_map(|(piece, more)| [*piece, more.as_str()]).collect();
        for problem in parse_registry(&source).problems {
            prop_assert!(problem.line > 0 && problem.column > 0);
            let text = problem.render("s.reg");
            prop_assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n'));
        }
    }
}
