//! The pure crates: no async, clock, chance, file system, network or environment, and no order that
//! differs from run to run. Their tests are free.

use std::ops::Range;

use super::Offence;
use super::source::{Source, words};

const RULE: &str = "pure";
const CRATES: [&str; 6] = ["model", "trust", "workflow", "application", "deployment", "travel"];

/// Words that break the promise wherever they stand in code, and why.
const FORBIDDEN: [(&str, &str); 18] = [
    ("tokio", "nothing here waits"),
    ("async", "nothing here waits"),
    ("SystemTime", "time comes in as an argument"),
    ("Instant", "time comes in as an argument"),
    ("Timestamp::now", "time comes in as an argument"),
    ("Zoned::now", "time comes in as an argument"),
    ("rand", "chance comes in as an argument"),
    ("getrandom", "chance comes in as an argument"),
    ("OsRng", "chance comes in as an argument"),
    ("new_v4", "chance comes in as an argument"),
    ("now_v7", "time and chance come in as arguments"),
    ("HashMap", "its order differs from run to run; use BTreeMap"),
    ("HashSet", "its order differs from run to run; use BTreeSet"),
    ("std::fs", "files are reached through `machine`"),
    ("std::net", "no network here"),
    ("std::env", "what the environment says comes in as an argument"),
    ("std::thread", "no threads here"),
    ("std::process", "no processes here"),
];

pub fn check(source: &Source) -> Vec<Offence> {
    let pure = source.krate().is_some_and(|name| CRATES.contains(&name));
    if source.path.ends_with("/Cargo.toml") && pure {
        return manifest(source);
    }
    if !pure || !source.is_rust() || source.is_test() || !source.path.contains("/src/") {
        return Vec::new();
    }
    let tests = source.test_modules();
    let free = |at: usize| tests.iter().any(|range: &Range<usize>| range.contains(&at));
    let named = FORBIDDEN.iter().flat_map(|(word, why)| {
        words(&source.code, word).map(move |at| (at, (*word).to_owned(), *why))
    });
    named
        .chain(grouped(&source.code))
        .filter(|(at, ..)| !free(*at))
        .map(|(at, word, why)| Offence::new(source, at, RULE, format!("`{word}`: {why}")))
        .collect()
}

/// The modules of `use std::{fs, net::TcpStream}` that are forbidden.
fn grouped(code: &str) -> Vec<(usize, String, &'static str)> {
    let mut found = Vec::new();
    for (start, opening) in code.match_indices("std::{") {
        let open = start + opening.len() - 1;
        let end = super::source::matching(code, open);
        let mut depth = 0;
        let mut first = true;
        for (at, c) in code[open..end].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' => first = true,
                c if c.is_alphabetic() && depth == 1 && first => {
                    first = false;
                    let rest = &code[open + at..end];
                    let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next();
                    let whole = format!("std::{}", name.unwrap_or_default());
                    let known = FORBIDDEN.iter().find(|(word, _)| *word == whole);
                    found.extend(known.map(|(_, why)| (open + at, whole.clone(), *why)));
                }
                _ => {}
            }
        }
    }
    found
}

/// Crates that a pure one may not even be able to name. Their place in development dependencies is
/// fine.
fn manifest(source: &Source) -> Vec<Offence> {
    let mut real = false;
    let mut byte = 0;
    let mut offences = Vec::new();
    for line in source.text.split_inclusive('\n') {
        let trimmed = line.trim();
        if trimmed.starts_with('[') {
            real = trimmed.ends_with("dependencies]") && !trimmed.contains("dev-");
        }
        let name = trimmed.split(['.', '=', ' ']).next().unwrap_or_default();
        if real && ["tokio", "rand", "getrandom", "futures-util", "rustix", "libc"].contains(&name)
        {
            offences.push(Offence::new(
                source,
                byte,
                RULE,
                format!("a pure crate depends on {name}"),
            ));
        }
        byte += line.len();
    }
    offences
}
