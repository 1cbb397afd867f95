//! Files in `applications/` and what is said of them, golden text beside each.

mod golden;

use std::collections::BTreeSet;
use std::path::Path;

use format::{ParsedApplication, parse_application};
use golden::{cases, read, rendered};

fn told(parsed: &ParsedApplication) -> String {
    let mut text = rendered(&parsed.problems);
    assert_eq!(parsed.application.is_none(), parsed.has_errors());
    match &parsed.application {
        Some(application) => text.push_str(&format::print_application(application)),
        None => text.push_str("refused\n"),
    }
    text
}

#[test]
fn cases_are_told_as_expected() {
    golden::check(cases("applications", 21), |text| told(&parse_application(text)));
}

#[test]
fn problems_come_in_the_order_of_their_places() {
    for path in cases("applications", 21) {
        golden::check_places(&path, &parse_application(&read(&path)).problems);
    }
}

#[test]
fn every_code_has_a_case() {
    let mut met = BTreeSet::new();
    for path in cases("applications", 21) {
        met.extend(parse_application(&read(&path)).problems.iter().map(|problem| problem.code));
    }
    for code in format::application::code::ALL {
        assert!(met.contains(code), "{code} has no case");
    }
}

#[test]
fn what_is_written_canonically_is_read_as_the_same() {
    for path in cases("applications", 21) {
        let Some(application) = parse_application(&read(&path)).application else { continue };
        let text = format::print_application(&application);
        let again = parse_application(&text);
        assert_eq!(again.application.as_ref(), Some(&application), "{text}");
        assert_eq!(format::print_application(&application), text);
    }
}

#[test]
fn items_have_lines() {
    use application::Group;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/applications");
    let source = read(&folder.join("whole.yaml"));
    let parsed = parse_application(&source);
    let lines: Vec<&str> = source.lines().collect();
    let line = |group, place| lines[parsed.line(group, place).unwrap() - 1].trim();
    assert!(line(Group::Shortcuts, (5, None)).starts_with("- { delete_shortcut: Old"));
    assert!(line(Group::Registry, (3, None)).starts_with("- { name: Count"));
    assert!(line(Group::Files, (1, None)).starts_with("- { copy_folder:"));
    assert!(line(Group::Ini, (0, None)).starts_with("- file: app.ini"));
    assert!(line(Group::Ini, (0, Some(1))).starts_with("- { name: Run"));
    assert!(line(Group::Text, (0, Some(3))).starts_with("- { find: gone"));
    assert_eq!(parsed.line(Group::Text, (1, None)), None);
}
