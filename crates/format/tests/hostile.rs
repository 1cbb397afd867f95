//! No text makes the reader panic, and none keeps it busy.

use std::time::{Duration, Instant};

use format::parse_workflow;
use proptest::prelude::*;

const EXAMPLE: &str = include_str!("cases/all_kinds.yaml");
const BROKEN: &str = include_str!("cases/f003_unquoted_template.yaml");
const PIECES: [&str; 24] = [
    "{{", "}}", "{%", "%}", ": ", "- ", "\n", "\r", "\t", "'", "\"", "#", "&a", "*a", "!x",
    "---\n", "...", "|\n", ">", "?", "[", "]", "\u{feff}", "ä\u{85}",
];

fn read(source: &str) {
    for problem in parse_workflow(source).problems {
        assert!(problem.line > 0 && problem.column > 0);
        let text = problem.render("f.yaml");
        assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n'), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

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
        which in prop::bool::ANY,
    ) {
        let mut letters: Vec<char> = if which { EXAMPLE } else { BROKEN }.chars().collect();
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

#[test]
fn hostile_files_are_refused_or_read_quickly() {
    is_quick("brackets", &"[".repeat(900_000));
    is_quick("braces", &"{".repeat(900_000));
    is_quick("braces in a line", &format!("workflow: {}", "{{ a }}/".repeat(100_000)));
    is_quick("lists", &"- ".repeat(400_000));
    is_quick("keys", &(0..90_000).map(|number| format!("k{number}: 1\n")).collect::<String>());
    is_quick("too large", &"x".repeat(3_000_000));
    let head = "workflow: w\nstart: a0\nactivities:\n";
    let chain: String =
        (0..4_999).map(|n| format!("  a{n}: {{ empty: , on: {{ ok: a{} }} }}\n", n + 1)).collect();
    is_quick("a chain", &format!("{head}{chain}  a4999: {{ success: }}\n"));
    is_quick("a circle", &format!("{head}{chain}  a4999: {{ jump: {{ to: a0 }} }}\n"));
    let joins: String = (1..2_000)
        .map(|n| {
            format!("  a{n}: {{ synchronization: , on: {{ ok: [a{}, a{}] }} }}\n", n + 1, n + 2)
        })
        .collect();
    let joins = format!("{head}  a0: {{ empty: , on: {{ ok: [a1, a2] }} }}\n{joins}");
    is_quick("joins", &joins);
    let names: Vec<String> = (1..1_000).map(|n| format!("a{n}")).collect();
    let fork = format!("  a0: {{ empty: , on: {{ ok: [{}] }} }}\n", names.join(", "));
    let arms: String =
        names.iter().map(|name| format!("  {name}: {{ empty: , on: {{ ok: s }} }}\n")).collect();
    is_quick("a wide join", &format!("{head}{fork}{arms}  s: {{ synchronization: }}\n"));
}
