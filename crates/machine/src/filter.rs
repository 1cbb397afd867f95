//! Filters of file activities: `*.gif; iftmsgr.exe` (AC-13).
//!
//! Names separated by `;`, with `*` for any text and `?` for one character; nothing at all means
//! every file. A filter names files, never paths. Case counts as it does on the system whose files
//! are filtered.

use std::ffi::OsStr;

/// How a system compares file names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaseRule {
    Sensitive,
    /// As Windows does: character by character, without regard to case.
    Insensitive,
}

impl CaseRule {
    /// The rule of the system this runs on.
    pub const OWN: Self = if cfg!(windows) { Self::Insensitive } else { Self::Sensitive };
}

/// Which files an activity acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    text: String,
    rule: CaseRule,
    patterns: Vec<Vec<char>>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{pattern}` in the filter is a path; a filter names files (use `recursive` and the folder)"
)]
pub struct FilterError {
    pattern: String,
}

impl Filter {
    pub fn parse(text: &str, rule: CaseRule) -> Result<Self, FilterError> {
        let mut patterns = Vec::new();
        for pattern in text.split(';').map(str::trim).filter(|pattern| !pattern.is_empty()) {
            let path =
                pattern.contains('/') || rule == CaseRule::Insensitive && pattern.contains('\\');
            if path {
                return Err(FilterError { pattern: pattern.to_owned() });
            }
            // On Windows `*.*` has always meant every file, with a dot or without.
            let all = rule == CaseRule::Insensitive && pattern == "*.*";
            let pattern = if all { "*" } else { pattern };
            patterns.push(pattern.chars().map(|c| fold(c, rule)).collect());
        }
        Ok(Self { text: text.to_owned(), rule, patterns })
    }

    /// Every file.
    pub fn all() -> Self {
        Self { text: String::new(), rule: CaseRule::OWN, patterns: Vec::new() }
    }

    /// Whether nothing was asked for in particular, so that empty folders belong to it too.
    pub fn is_all(&self) -> bool {
        self.patterns.is_empty()
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn rule(&self) -> CaseRule {
        self.rule
    }

    pub fn matches(&self, name: &OsStr) -> bool {
        if self.is_all() {
            return true;
        }
        let name: Vec<char> = name.to_string_lossy().chars().map(|c| fold(c, self.rule)).collect();
        self.patterns.iter().any(|pattern| matches(pattern, &name))
    }
}

/// Simple folding: a character whose other case is more than one character stays as it is.
fn fold(c: char, rule: CaseRule) -> char {
    if rule == CaseRule::Sensitive {
        return c;
    }
    let single =
        |mut all: Box<dyn Iterator<Item = char>>, otherwise: char| match (all.next(), all.next()) {
            (Some(one), None) => one,
            _ => otherwise,
        };
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let upper = single(Box::new(c.to_uppercase()), c);
    single(Box::new(upper.to_lowercase()), upper)
}

/// Greedy with one point of return: the last `*` takes one character more whenever the rest fails.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, n));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((after_star, taken)) = retry else { return false };
                retry = Some((after_star, taken + 1));
                (p, n) = (after_star, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(filter: &str, rule: CaseRule, name: &str) -> bool {
        Filter::parse(filter, rule).unwrap().matches(OsStr::new(name))
    }

    #[test]
    fn filters_choose_files() {
        use CaseRule::{Insensitive, Sensitive};
        for (filter, rule, name, expect) in [
            ("", Sensitive, "anything", true),
            (" ; ;", Sensitive, "anything", true),
            ("*.gif; iftmsgr.exe", Sensitive, "a.gif", true),
            ("*.gif; iftmsgr.exe", Sensitive, "iftmsgr.exe", true),
            ("*.gif; iftmsgr.exe", Sensitive, "iftmsgr.ex", false),
            ("*.gif", Sensitive, "A.GIF", false),
            ("*.gif", Insensitive, "A.GIF", true),
            ("ÄRGER?.txt", Insensitive, "ärger1.TXT", true),
            ("straße", Insensitive, "STRAßE", true),
            ("*.*", Sensitive, "README", false),
            ("*.*", Insensitive, "README", true),
            ("?", Sensitive, "ä", true),
            ("a*b*c", Sensitive, "aXbXbXc", true),
            ("a*b*c", Sensitive, "aXbXbX", false),
            ("[a]", Sensitive, "a", false),
        ] {
            assert_eq!(check(filter, rule, name), expect, "{filter} {rule:?} {name}");
        }
        assert!(Filter::parse("sub/*.txt", Sensitive).is_err());
        assert!(Filter::parse("sub\\*.txt", Insensitive).is_err());
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let filter = "*a".repeat(200);
        assert!(!check(&filter, CaseRule::Sensitive, &"a".repeat(199)));
    }

    fn reference(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', rest)) => (0..=name.len()).any(|n| reference(rest, &name[n..])),
            Some((c, rest)) => name
                .split_first()
                .is_some_and(|(n, tail)| (*c == '?' || c == n) && reference(rest, tail)),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_definition(pattern in "[ab?*]{0,8}", name in "[abc]{0,8}") {
            let p: Vec<char> = pattern.chars().collect();
            let n: Vec<char> = name.chars().collect();
            prop_assert_eq!(matches(&p, &n), reference(&p, &n));
        }
    }
}
