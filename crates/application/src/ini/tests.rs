//! Rules by cases, reading as Windows does, and that undo gives back what was.

use proptest::prelude::*;

use super::*;

fn ini(text: &str) -> IniText {
    IniText::parse(text.as_bytes(), Convention::LINUX)
}

fn text(ini: &IniText) -> String {
    String::from_utf8(ini.to_bytes()).unwrap()
}

fn rule(word: &str) -> IniRule {
    match word {
        "create_always" => IniRule::CreateAlways,
        "create_if_absent" => IniRule::CreateIfAbsent,
        "create_if_exists" => IniRule::CreateIfExists,
        "add_to_section" => IniRule::AddToSection,
        "append" => IniRule::AppendToValue,
        "delete" => IniRule::Delete,
        "remove" => IniRule::RemoveFromValue,
        other => panic!("{other}"),
    }
}

/// `rule [section] name=data`, or without `=data`.
fn setting(line: &str) -> Setting<'_> {
    let (word, rest) = line.split_once(" [").unwrap();
    let (section, rest) = rest.split_once("] ").unwrap();
    let (name, data) = match rest.split_once('=') {
        Some((name, data)) => (name, Some(data)),
        None => (rest, None),
    };
    Setting { section, name, data, rule: rule(word) }
}

/// Each case of the file: settings, the text before, the text after. Applied again nothing
/// changes, and restoring gives the values back.
#[test]
fn settings_do_what_their_rules_say() {
    let cases = include_str!("../../tests/ini.txt");
    let mut count = 0;
    for case in cases.split("\n====\n").skip(1) {
        let mut parts = case.split("\n----\n");
        let settings: Vec<&str> = parts.next().unwrap().lines().collect();
        let (before, mut after) = (parts.next().unwrap(), parts.next().unwrap().to_owned());
        let before = if before == "(no file)" {
            after.push('\n');
            ""
        } else {
            before
        };
        let mut edited = ini(before);
        let mut undo = Vec::new();
        for line in &settings {
            let setting = setting(line);
            let result = edited.apply(setting).unwrap();
            assert_eq!(result.is_changed, result.before != result.after);
            assert_eq!(edited.values(setting.section, setting.name), result.after);
            undo.push((setting, result));
        }
        assert_eq!(text(&edited), after, "{case}");
        let mut again = edited.clone();
        for line in &settings {
            assert!(!again.apply(setting(line)).unwrap().is_changed, "{case}");
        }
        assert_eq!(again, edited, "{case}");
        for (setting, result) in undo.into_iter().rev() {
            edited.restore(setting.section, setting.name, &result.before, None).unwrap();
            assert_eq!(edited.values(setting.section, setting.name), result.before, "{case}");
            if result.is_new_section {
                assert!(edited.remove_empty_section(setting.section), "{case}");
            }
        }
        if !settings.iter().any(|line| line.starts_with("delete") || line.starts_with("remove")) {
            assert_eq!(text(&edited), before, "{case}");
        }
        count += 1;
    }
    assert!(count > 30, "{count}");
}

#[test]
fn values_are_read_as_windows_reads_them() {
    let ini = ini(concat!(
        "top=0\n[Main]\n; a=comment\n# b=no comment\n  Name  =  two words ; data  \n",
        "quoted=\" kept \"\nsingle='x'\nodd=\"x'\nnone\nempty=\n=no name\nname=second\n",
        "[other]\nx=1\n[MAIN]\nlate=1\n [indented] rest\ny=2\n[a]b]\nz=3\n[open\nw=4",
    ));
    for (section, name, expect) in [
        ("main", "NAME", Some("two words ; data")),
        ("Main", "# b", Some("no comment")),
        ("Main", "a", None),
        ("Main", "; a", None),
        ("Main", "quoted", Some(" kept ")),
        ("Main", "single", Some("x")),
        ("Main", "odd", Some("\"x'")),
        ("Main", "none", None),
        ("Main", "empty", Some("")),
        ("Main", "late", None),
        ("indented", "y", Some("2")),
        ("a]b", "z", Some("3")),
        ("a]b", "w", Some("4")),
        ("", "top", Some("0")),
        ("absent", "x", None),
    ] {
        assert_eq!(ini.read(section, name).as_deref(), expect, "[{section}] {name}");
    }
    assert_eq!(ini.values("Main", "name"), ["two words ; data", "second"]);
    assert_eq!(ini.sections(), ["Main", "other", "MAIN", "indented", "a]b"]);
    assert_eq!(ini.entries("other"), [("x".to_owned(), "1".to_owned())]);
}

#[test]
fn what_cannot_be_written_is_refused() {
    for (line, expect) in [
        ("create_always [a] n", "this rule needs data"),
        ("create_always [a\n] n=1", "cannot be a section"),
        ("create_always [a] ;n=1", "cannot be a name"),
        ("create_always [a]  n=1", "cannot be a name"),
        ("create_always [a] n=1\n2", "cannot be data"),
        ("append [a] n=calc.exe", "must begin with the character"),
        ("remove [a] n=,", "must begin with the character"),
        ("create_always [a] n=ж", "cannot be written in windows-1252"),
    ] {
        let mut file = IniText::parse(b"", Convention::of(crate::Family::Windows));
        let error = file.apply(setting(line)).unwrap_err().to_string();
        assert!(error.contains(expect), "{line}: {error}");
        assert!(file.to_bytes().is_empty());
    }
}

#[test]
fn a_section_that_holds_something_stays() {
    for (text_before, is_removed) in
        [("[a]\n", true), ("[a]\n[b]\n", true), ("[a]\n;\n", false), ("[b]\n", false)]
    {
        assert_eq!(ini(text_before).remove_empty_section("a"), is_removed, "{text_before}");
    }
}

fn lines_of_ini() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "[ ]?\\[[ab]\\]",
        "[ ]?[mnMN][ ]?=[ ]?[\"']?[xy]?[, ]?[xyz]?[\"']?[ ]?",
        Just(String::new()),
        Just("; remark".to_owned()),
        Just("no value".to_owned()),
    ];
    (
        proptest::collection::vec((line, prop::sample::select(vec!["\n", "\r\n"])), 0..12),
        any::<bool>(),
    )
        .prop_map(|(lines, has_end)| {
            let mut text: String = lines.into_iter().flat_map(|(a, b)| [a, b.to_owned()]).collect();
            if !has_end {
                text.truncate(text.trim_end_matches(['\r', '\n']).len());
            }
            text
        })
}

proptest! {
    #[test]
    fn any_bytes_survive(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let mut file = IniText::parse(&bytes, Convention::of(crate::Family::Windows));
        let setting = setting("create_if_exists [nowhere] never=1");
        prop_assert!(!file.apply(setting).unwrap().is_changed);
        prop_assert_eq!(file.to_bytes(), bytes);
    }

    #[test]
    fn what_was_set_is_restored(
        before in lines_of_ini(),
        rule in prop::sample::select(vec![
            "create_always", "create_if_absent", "create_if_exists", "add_to_section", "append",
        ]),
        section in "[abc]?",
        data in "[,][xy]",
    ) {
        let line = format!("{rule} [{section}] N={data}");
        let mut file = ini(&before);
        let edited = file.apply(setting(&line)).unwrap();
        prop_assert!(!file.clone().apply(setting(&line)).unwrap().is_changed);
        file.restore(&section, "N", &edited.before, None).unwrap();
        if edited.is_new_section {
            prop_assert!(file.remove_empty_section(&section));
        }
        prop_assert_eq!(text(&file), before);
    }

    #[test]
    fn deleting_touches_no_other_line(before in lines_of_ini(), data in "|=[xy]?") {
        let line = format!("delete [a] n{data}");
        let mut file = ini(&before);
        let edited = file.apply(setting(&line)).unwrap();
        let others = |file: &IniText| {
            let names = |line: &str| assignment(line).is_some_and(|(name, _)| is_same(name, "n"));
            file.lines.iter().filter(|line| !names(line)).map(str::to_owned).collect::<Vec<_>>()
        };
        prop_assert_eq!(others(&file), others(&ini(&before)));
        file.restore("a", "n", &edited.before, None).unwrap();
        prop_assert_eq!(file.values("a", "n"), edited.before);
        prop_assert_eq!(others(&file), others(&ini(&before)));
    }
}
