//! No text makes the reader panic, and none keeps it busy.

use std::time::{Duration, Instant};

use format::{parse_application, parse_workflow};
use proptest::prelude::*;

const EXAMPLE: &str = include_str!("cases/all_kinds.yaml");
const APPLICATION: &str = include_str!("applications/whole.yaml");
const BROKEN: &str = include_str!("cases/f003_unquoted_template.yaml");
const PIECES: [&str; 24] = [
    "{{", "}}", "{%", "%}", ": ", "- ", "\n", "\r", "\t", "'", "\"", "#", "&a", "*a", "!x",
    "---\n", "...", "|\n", ">", "?", "[", "]", "\u{feff}", "ä\u{85}",
];

fn read(source: &str) {
    let problems = parse_workflow(source).problems;
    for problem in problems.into_iter().chain(parse_application(source).problems) {
        assert!(problem.line > 0 && problem.column > 0);
        let text = problem.render("f.yaml");
        assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n'), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn any_text_is_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn texts_of_yaml_signs_are_read(
        pieces in prop::collection::vec((prop::sample::select(&PIECES[..]), "[a-z]{0,3} ?"), 0..40),
    ) {
        let source: String =
            pieces.iter().flat_map(|(piece, word)| [*piece, word.as_str()]).collect();
        read(&source);
        read(&format!("workflow: w\nstart: a\nactivities:\n  a:\n    {source}"));
    }

    #[test]
    fn changed_files_are_read(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), 0usize..12, prop::sample::select(&PIECES[..])), 1..6),
        file in prop::sample::select(&[EXAMPLE, BROKEN, APPLICATION][..]),
    ) {
        let mut letters: Vec<char> = file.chars().collect();
        for (at, gone, piece) in changes {
            let at = at.index(letters.len());
            let end = (at + gone).min(letters.len());
            letters.splice(at..end, piece.chars());
            if letters.is_empty() {
                break;
            }
        }
        read(&letters.into_iter().collect::<String>());
    }
}

fn is_quick(name: &str, source: &str) {
    let begin = Instant::now();
    read(source);
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(20), "{name} took {took:?}");
}

const HEAD: &str = "workflow: w\nstart: a0\nactivities:\n";

fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(", ")
}

#[test]
fn hostile_yaml_is_refused_quickly() {
    is_quick("brackets", &"[".repeat(900_000));
    is_quick("braces", &"{".repeat(900_000));
    is_quick("templates without quotes", &format!("workflow: {}", "{{ a }}/".repeat(100_000)));
    is_quick("lists", &"- ".repeat(400_000));
    is_quick("keys", &(0..90_000).map(|number| format!("k{number}: 1\n")).collect::<String>());
    is_quick("too large", &"x".repeat(3_000_000));
}

#[test]
fn hostile_graphs_are_checked_quickly() {
    let chain: String =
        (0..4_999).map(|n| format!("  a{n}: {{ empty: , on: {{ ok: a{} }} }}\n", n + 1)).collect();
    is_quick("a chain", &format!("{HEAD}{chain}  a4999: {{ success: }}\n"));
    is_quick("a circle", &format!("{HEAD}{chain}  a4999: {{ jump: {{ to: a0 }} }}\n"));
    let joins: String = (1..1_000)
        .map(|n| {
            format!("  a{n}: {{ synchronization: , on: {{ ok: [a{}, a{}] }} }}\n", n + 1, n + 2)
        })
        .collect();
    let fork = "  a0: { empty: , on: { ok: [a1, a2] } }\n";
    is_quick("joins", &format!("{HEAD}{fork}{joins}"));
    let fork =
        format!("  a0: {{ empty: , on: {{ ok: [{}] }} }}\n", list(1_000, |n| format!("b{n}")));
    let arms: String =
        (0..1_000).map(|n| format!("  b{n}: {{ empty: , on: {{ ok: s }} }}\n")).collect();
    is_quick("a wide join", &format!("{HEAD}{fork}{arms}  s: {{ synchronization: }}\n"));
    let unknown = list(30_000, |n| format!("u{n}"));
    is_quick(
        "unknown targets",
        &format!("{HEAD}{chain}  a4999: {{ empty: , on: {{ ok: [{unknown}] }} }}\n"),
    );
}

#[test]
fn hostile_templates_are_checked_quickly() {
    let command = |words: &str| format!("{HEAD}  a0: {{ execute: {{ command: [{words}] }} }}\n");
    is_quick("unknown names", &command(&list(20_000, |n| format!("\"{{{{x{n}}}}}\""))));
    let all: String = (0..20_000).map(|n| format!("{{{{x{n}|f{n}}}}}")).collect();
    is_quick("unknown filters", &command(&format!("\"{all}\"")));
    let outputs: String = "{{activities.a0.stdout}}".repeat(10_000);
    is_quick("outputs", &format!("{HEAD}  a0: {{ execute: {{ command: \"{outputs}\" }} }}\n"));
    is_quick("parentheses", &command(&format!("\"{{{{ {}1 }}}}\"", "(".repeat(100_000))));
    for operator in ["+1", "|f", ".a", "[1]", "()", " if 1 else 1", "~1", " is f", " not", "-"] {
        for count in [150, 300, 450, 100_000] {
            let sum = format!("\"{{{{ 1{} }}}}\"", operator.repeat(count));
            is_quick(operator, &command(&sum));
        }
    }
    for statement in ["{% if a %}", "{% elif a %}", "{% for a in b %}", "{% set a = 1 %}"] {
        for count in [100, 190, 50_000] {
            is_quick(statement, &command(&format!("\"{{% if a %}}{}\"", statement.repeat(count))));
        }
    }
}

#[test]
fn hostile_applications_are_checked_quickly() {
    const HEAD: &str = "application: a\nid: 01890a5d-ac96-774b-bcce-b302099a8057\ntarget: /opt/a\n";
    let macros = |count: usize, value: &dyn Fn(usize) -> String| {
        let all = (0..count).map(|n| format!("  M{n}: \"{}\"\n", value(n)));
        format!("{HEAD}macros:\n{}", all.collect::<String>())
    };
    is_quick("a chain", &macros(30_000, &|n| format!("%M{}%", n + 1)));
    is_quick("a circle", &macros(20_000, &|n| format!("%M{}%", (n + 1) % 20_000)));
    is_quick("doubling", &macros(60, &|n| format!("%M{0}%%M{0}%", n + 1)));
    is_quick("all of all", &macros(500, &|_| list(500, |n| format!("%M{n}%"))));
    is_quick("unknown macros", &macros(8_000, &|n| format!("%*X{n}% %Y{n}%")));
    for rule in ["{ not: ", "{ all: [ ", "{ any: [ "] {
        for count in [20, 60, 100_000] {
            is_quick(rule, &format!("{HEAD}availability: {}", rule.repeat(count)));
        }
    }
    let depth: String = (0..400).map(|n| format!("{}not:\n", "  ".repeat(n + 1))).collect();
    is_quick("depth", &format!("{HEAD}availability:\n{depth}"));
    for (group, item) in [
        ("files", "{ delete: /opt/x }"),
        ("registry", "{ key: HKLM\\\\Software\\\\X, values: [ { name: a, text: b } ] }"),
        ("shortcuts", "{ shortcut: X, target: /opt/x }"),
        ("ini", "{ file: x.ini, sections: [ { section: s, values: [ { name: a, data: b } ] } ] }"),
        ("text", "{ file: /x, changes: [ { append: \"%M%\" } ] }"),
        ("dependencies", "{ application: 01890a5d-ac96-774b-bcce-b302099a8057 }"),
    ] {
        is_quick(group, &format!("{HEAD}{group}:\n{}", format!("  - {item}\n").repeat(4_000)));
    }
    let days = list(20_000, |n| format!("2026-11-{:02}", 1 + n % 30));
    is_quick("days", &format!("{HEAD}pre_install: {{ days: [ {days} ] }}\n"));
}
