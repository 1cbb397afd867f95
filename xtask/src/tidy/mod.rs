//! What neither the compiler nor clippy checks, by plain text: arrows between crates, purity,
//! sizes, habits, error codes.
//!
//! Every rule is a function from files to offences; all offences are listed at once. Only sizes
//! have a list of exceptions, and that list only shrinks.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::place;

mod arrows;
mod codes;
mod habits;
mod pure;
mod sizes;
mod source;
#[cfg(test)]
mod tests;

use source::Source;

const ALLOWED: &str = "xtask/tidy-allow.txt";
const NOT_OURS: [&str; 5] = [".git", "target", "node_modules", "dist", "Cargo.lock"];

/// What stands where it must not.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offence {
    pub path: String,
    pub line: usize,
    pub rule: &'static str,
    pub what: String,
}

impl Offence {
    fn new(source: &Source, byte: usize, rule: &'static str, what: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line: source.line_of(byte), rule, what: what.into() }
    }
}

/// Checks the checkout; the error counts the offences, which are printed.
pub fn run(root: &Path, words: &[String]) -> Result<()> {
    let bless = match words {
        [] => false,
        [word] if word == "--bless" => true,
        _ => bail!("`cargo xtask tidy` takes nothing or --bless"),
    };
    let sources = read(root)?;
    let allowed_path = root.join(ALLOWED);
    let allowed = fs::read_to_string(&allowed_path)
        .with_context(|| format!("cannot read {}", allowed_path.display()))?;
    if bless {
        fs::write(&allowed_path, sizes::shrink(&allowed, &sources))?;
        return run(root, &[]);
    }
    let offences = check(&sources, &place::manifests(root), &allowed);
    for Offence { path, line, rule, what } in &offences {
        println!("{path}:{line}: {rule}: {what}");
    }
    match offences.len() {
        0 => Ok(()),
        1 => bail!("one offence"),
        count => bail!("{count} offences"),
    }
}

/// Whether any documentation holds an example that is compiled.
pub fn has_doc_tests(root: &Path) -> bool {
    let library = |source: &&Source| source.path.starts_with("crates/") && source.is_rust();
    read(root)
        .unwrap_or_default()
        .iter()
        .filter(library)
        .any(|source| habits::has_example(&source.text))
}

fn check(
    sources: &[Source],
    manifests: &[(std::path::PathBuf, String)],
    allowed: &str,
) -> Vec<Offence> {
    let mut offences = arrows::check(manifests);
    offences.extend(sources.iter().flat_map(pure::check));
    offences.extend(sources.iter().flat_map(habits::check));
    offences.extend(codes::check(sources));
    offences.extend(sizes::check(ALLOWED, allowed, sources));
    offences.sort();
    offences
}

/// All text files of the checkout, in order of path.
fn read(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            let kind = entry.file_type()?;
            if NOT_OURS.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file()
                && let Ok(text) = fs::read_to_string(&path)
            {
                let below = path.strip_prefix(root).unwrap_or(&path);
                sources.push(Source::new(&below.to_string_lossy().replace('\\', "/"), &text));
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}
