//! Names with wildcards: `*` is any number of characters, `?` is one, `*.*` is every name.
//!
//! Of names only, never of paths.

use crate::Family;

/// Characters that make a name a pattern.
const WILD: [char; 2] = ['*', '?'];

pub fn is_pattern(name: &str) -> bool {
    name.contains(WILD)
}

/// A name that may have wildcards. Case counts on Linux, not on Windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    chars: Vec<char>,
    family: Family,
}

impl Pattern {
    pub fn new(pattern: &str, family: Family) -> Self {
        let pattern = if pattern == "*.*" { "*" } else { pattern };
        Self { chars: folded(pattern, family).collect(), family }
    }

    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = folded(name, self.family).collect();
        let (mut at, mut in_name) = (0, 0);
        // Where to go on when what follows the last `*` does not fit: that `*` takes one more.
        let mut last_star = None;
        while in_name < name.len() {
            match self.chars.get(at) {
                Some('*') => {
                    last_star = Some((at, in_name));
                    at += 1;
                }
                Some(c) if *c == '?' || *c == name[in_name] => {
                    at += 1;
                    in_name += 1;
                }
                _ => {
                    let Some((star, taken)) = last_star else { return false };
                    last_star = Some((star, taken + 1));
                    at = star + 1;
                    in_name = taken + 1;
                }
            }
        }
        self.chars[at..].iter().all(|c| *c == '*')
    }
}

/// Windows compares by upper case, one character for one.
fn folded(text: &str, family: Family) -> impl Iterator<Item = char> {
    text.chars().map(move |c| {
        let mut upper = c.to_uppercase();
        match (family, upper.next(), upper.next()) {
            (Family::Windows, Some(upper), None) => upper,
            _ => c,
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_match_their_patterns() {
        for (pattern, name, expect) in [
            ("*.exe", "viewer.exe", true),
            ("*.exe", "viewer.exe.bak", false),
            ("*.*", "Makefile", true),
            ("*", "", true),
            ("?", "", false),
            ("?", "é", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbX", false),
            ("a**", "a", true),
            ("report?.txt", "report1.txt", true),
            ("report?.txt", "report10.txt", false),
            ("plain", "plain", true),
        ] {
            for family in [Family::Linux, Family::Windows] {
                let pattern = Pattern::new(pattern, family);
                assert_eq!(pattern.matches(name), expect, "{pattern:?} {name}");
            }
        }
        assert!(Pattern::new("*.EXE", Family::Windows).matches("ä.exe"));
        assert!(Pattern::new("Ä*", Family::Windows).matches("ä.exe"));
        assert!(!Pattern::new("*.EXE", Family::Linux).matches("a.exe"));
        assert!(is_pattern("a?") && is_pattern("*") && !is_pattern("a.b"));
    }

    fn slow(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => {
                slow(rest, name) || (!name.is_empty() && slow(pattern, &name[1..]))
            }
            (['?', rest @ ..], [_, name @ ..]) => slow(rest, name),
            ([c, rest @ ..], [n, name @ ..]) => c == n && slow(rest, name),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_matches_what_trying_everything_matches(
            pattern in "[ab*?]{0,8}", name in "[ab]{0,10}",
        ) {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let expect = slow(&chars(&pattern), &chars(&name));
            prop_assert_eq!(Pattern::new(&pattern, Family::Linux).matches(&name), expect);
        }
    }
}
