//! Every error code has a page under `docs/errors/`, and every page a code.

use std::collections::{BTreeMap, BTreeSet};

use super::Offence;
use super::source::Source;

const RULE: &str = "codes";
const PAGES: &str = "docs/errors/";

pub fn check(sources: &[Source]) -> Vec<Offence> {
    let programs = |path: &str| path.starts_with("crates/") || path.starts_with("apps/");
    let mut used: BTreeMap<&str, (&Source, usize)> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.is_rust() && programs(&source.path)) {
        for (at, code) in codes(&source.text) {
            used.entry(code).or_insert((source, at));
        }
    }
    let page = |source: &'_ Source| {
        let name = source.path.strip_prefix(PAGES)?.strip_suffix(".md")?.to_owned();
        Some((name, source.path.clone()))
    };
    let pages: BTreeMap<String, String> = sources.iter().filter_map(page).collect();
    let known: BTreeSet<&str> = used.keys().copied().collect();
    let homeless =
        used.iter().filter(|(code, _)| !pages.contains_key(**code)).map(|(code, (source, at))| {
            Offence::new(source, *at, RULE, format!("{code} has no page {PAGES}{code}.md"))
        });
    let idle =
        pages.iter().filter(|(name, _)| name.starts_with("DH-") && !known.contains(name.as_str()));
    homeless
        .chain(idle.map(|(name, path)| Offence {
            path: path.clone(),
            line: 1,
            rule: RULE,
            what: format!("no program uses {name}"),
        }))
        .collect()
}

/// `DH-`, a capital letter, digits.
fn codes(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices("DH-").filter_map(|(at, start)| {
        let rest = &text[at + start.len()..];
        let letter = rest.starts_with(|c: char| c.is_ascii_uppercase());
        let digits = rest.get(1..)?.bytes().take_while(u8::is_ascii_digit).count();
        (letter && digits > 0).then(|| (at, &text[at..at + start.len() + 1 + digits]))
    })
}
