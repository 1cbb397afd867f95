//! Files in `cases/` and what is said of them: golden text beside each. With `UPDATE_EXPECT=1` in
//! the environment the golden text is written anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use format::{Parsed, parse_workflow};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    assert!(found.len() > 40, "the cases are not where they should be");
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn told(parsed: &Parsed) -> String {
    let mut text = String::new();
    for problem in &parsed.problems {
        text.push_str(&problem.render("case.yaml"));
        text.push_str("\n\n");
    }
    text.push_str(match (&parsed.workflow, parsed.has_errors()) {
        (Some(_), false) => "accepted\n",
        (Some(_), true) => "understood, refused\n",
        (None, _) => "not understood\n",
    });
    text
}

#[test]
fn cases_are_told_as_expected() {
    let mut differing = Vec::new();
    for path in cases() {
        let expect = path.with_extension("expect");
        let told = told(&parse_workflow(&read(&path)));
        if told == read(&expect) {
            continue;
        }
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&expect, &told).unwrap();
        } else {
            differing.push(format!("{}:\n{told}", path.display()));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn problems_come_in_the_order_of_their_places() {
    for path in cases() {
        let problems = parse_workflow(&read(&path)).problems;
        let places: Vec<_> =
            problems.iter().map(|problem| (problem.line, problem.column)).collect();
        assert!(places.is_sorted(), "{}", path.display());
        let lines = read(&path).split('\n').count();
        assert!(places.iter().all(|(line, column)| (1..=lines).contains(line) && *column > 0));
    }
}

#[test]
fn every_code_has_a_case_and_a_page() {
    let mut met = BTreeSet::new();
    for path in cases() {
        met.extend(parse_workflow(&read(&path)).problems.iter().map(|problem| problem.code));
    }
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    for code in format::code::ALL.iter().chain(&workflow::code::ALL) {
        assert!(met.contains(code), "{code} has no case");
        let page = read(&pages.join(format!("{code}.md")));
        assert!(page.starts_with(&format!("# {code}: ")), "{code} has no page");
        for heading in ["## What happened", "## Why", "## What to do", "## Example"] {
            assert!(page.contains(heading), "{code}: no `{heading}`");
        }
    }
}
