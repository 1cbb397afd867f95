//! Habits that hold for every file: it says what it is, nothing unfinished, no sleeping in tests,
//! `unsafe` behind one door, nothing about the machine that it was written on.

use super::Offence;
use super::source::{Source, words};

const UNFINISHED: [&str; 3] = ["dbg!", "todo!", "unimplemented!"];
const NOTES: [&str; 2] = ["TODO", "FIXME"];

/// Folders and hosts that are true on one machine only. Split, so that this file is no offence.
const FOLDERS: [&str; 2] = [concat!("/ro", "ot"), concat!("/wo", "rk")];
const HOSTS: [&str; 8] = [
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("registry.", "npmjs.org"),
    concat!("registry.", "yarnpkg.com"),
    concat!("files.", "pythonhosted.org"),
    concat!("proxy.", "golang.org"),
    concat!("deb.", "debian.org"),
    concat!("security.", "debian.org"),
];

pub fn check(source: &Source) -> Vec<Offence> {
    let mut found = machine_paths(source);
    if source.is_rust() {
        found.extend(opening(source));
        found.extend(unfinished(source));
        found.extend(sleeping(source));
        found.extend(unsafe_code(source));
    }
    found
}

/// Whether a comment holds an example that rustdoc would compile.
pub fn has_example(text: &str) -> bool {
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        let Some(doc) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else {
            inside = false;
            continue;
        };
        let Some(info) = doc.trim().strip_prefix("```") else { continue };
        let rust = ["", "rust", "should_panic", "no_run", "compile_fail"];
        if !inside && info.split(',').all(|word| rust.contains(&word.trim())) {
            return true;
        }
        inside = !inside;
    }
    false
}

fn opening(source: &Source) -> Option<Offence> {
    let opened = source.text.starts_with("//!");
    (!opened).then(|| {
        Offence::new(source, 0, "opening", "the file does not begin with `//!` and what it is")
    })
}

fn unfinished(source: &Source) -> Vec<Offence> {
    let code =
        UNFINISHED.iter().flat_map(|word| words(&source.code, word).map(move |at| (at, word)));
    let notes = NOTES.iter().flat_map(|word| words(&source.prose, word).map(move |at| (at, word)));
    code.chain(notes)
        .map(|(at, word)| Offence::new(source, at, "unfinished", format!("`{word}`")))
        .collect()
}

/// Only in tests: there a length of time is either too short or wasted.
fn sleeping(source: &Source) -> Vec<Offence> {
    let tests = source.test_modules();
    let called = words(&source.code, "sleep(").filter(|at| {
        let before = source.code[..*at].trim_end();
        let test = source.is_test() || tests.iter().any(|range| range.contains(at));
        let own = before.ends_with('.') || before.ends_with("fn");
        test && !own
    });
    called
        .map(|at| {
            Offence::new(
                source,
                at,
                "sleep",
                "a test waits for what it waits for, not for a length of time",
            )
        })
        .collect()
}

fn unsafe_code(source: &Source) -> Vec<Offence> {
    if source.krate() == Some("machine") {
        return Vec::new();
    }
    words(&source.code, "unsafe")
        .map(|at| Offence::new(source, at, "unsafe", "only crates/machine may"))
        .collect()
}

fn machine_paths(source: &Source) -> Vec<Offence> {
    let part = |c: char| c.is_alphanumeric() || "_-.~}>)".contains(c);
    let folders = FOLDERS.iter().flat_map(|folder| {
        source.text.match_indices(folder).filter(|(at, _)| {
            let before = source.text[..*at].chars().next_back();
            let after = source.text[at + folder.len()..].chars().next();
            !before.is_some_and(part)
                && !after.is_some_and(|c| c.is_alphanumeric() || "_-{".contains(c))
        })
    });
    let hosts = HOSTS.iter().flat_map(|host| source.text.match_indices(host));
    folders
        .chain(hosts)
        .map(|(at, what)| {
            Offence::new(source, at, "machine", format!("`{what}` is true on one machine only"))
        })
        .collect()
}
