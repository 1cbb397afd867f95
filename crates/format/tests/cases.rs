//! Files in `cases/` and what is said of them, golden text beside each.

mod golden;

use std::collections::BTreeSet;
use std::path::Path;

use format::{Parsed, parse_workflow};
use golden::{cases, read, rendered};

fn told(parsed: &Parsed) -> String {
    let mut text = rendered(&parsed.problems);
    text.push_str(match (&parsed.workflow, parsed.has_errors()) {
        (Some(_), false) => "accepted\n",
        (Some(_), true) => "understood, refused\n",
        (None, _) => "not understood\n",
    });
    text
}

#[test]
fn cases_are_told_as_expected() {
    golden::check(cases("cases", 41), |text| told(&parse_workflow(text)));
}

#[test]
fn problems_come_in_the_order_of_their_places() {
    for path in cases("cases", 41) {
        golden::check_places(&path, &parse_workflow(&read(&path)).problems);
    }
}

#[test]
fn every_code_has_a_case_and_a_page() {
    let mut met = BTreeSet::new();
    for path in cases("cases", 41) {
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
