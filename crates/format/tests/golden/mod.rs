//! Files of a folder with the golden text of what is said of them beside each. With
//! `UPDATE_EXPECT=1` in the environment the golden text is written anew.

use std::fs;
use std::path::{Path, PathBuf};

use format::Problem;

/// The `.yaml` files of a folder of cases, sorted; at least so many.
pub fn cases(folder: &str, least: usize) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_case = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml");
    let mut found: Vec<PathBuf> = paths.filter(is_case).collect();
    assert!(found.len() >= least, "the cases are not where they should be");
    found.sort();
    found
}

pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// As people are told of them, one after the other.
pub fn rendered(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{}\n\n", problem.render("case.yaml"))).collect()
}

pub fn check(cases: Vec<PathBuf>, told: impl Fn(&str) -> String) {
    let mut differing = Vec::new();
    for path in cases {
        let expect = path.with_extension("expect");
        let told = told(&read(&path));
        if told == read(&expect) {
            continue;
        }
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&expect, &told).expect("the folder can be written");
        } else {
            differing.push(format!("{}:\n{told}", path.display()));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// Every problem has a place in its file, and they come in the order of these.
pub fn check_places(path: &Path, problems: &[Problem]) {
    let places: Vec<_> = problems.iter().map(|problem| (problem.line, problem.column)).collect();
    assert!(places.is_sorted(), "{}", path.display());
    let lines = read(path).split('\n').count();
    assert!(places.iter().all(|(line, column)| (1..=lines).contains(line) && *column > 0));
}
