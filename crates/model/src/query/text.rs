//! Texts as queries compare them: without case; and the patterns of `LIKE`.

use std::cmp::Ordering;

/// The order of two texts without their case.
pub fn compare(left: &str, right: &str) -> Ordering {
    letters(left).cmp(letters(right))
}

fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// `%`
    Any,
    /// `_`
    One,
    Letter(char),
}

/// A pattern of `LIKE`: `%` stands for any letters, `_` for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
}

/// The escape sign is the last of the pattern, so that nothing is escaped by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenEscape;

impl Pattern {
    /// What follows `escape` stands for itself.
    pub fn new(text: &str, escape: Option<char>) -> Result<Self, OpenEscape> {
        let mut parts = Vec::with_capacity(text.len());
        let mut from = text.chars();
        while let Some(letter) = from.next() {
            match letter {
                letter if Some(letter) == escape => {
                    let literal = from.next().ok_or(OpenEscape)?;
                    parts.extend(literal.to_lowercase().map(Part::Letter));
                }
                '%' if parts.last() == Some(&Part::Any) => {}
                '%' => parts.push(Part::Any),
                '_' => parts.push(Part::One),
                letter => parts.extend(letter.to_lowercase().map(Part::Letter)),
            }
        }
        Ok(Self { parts })
    }

    /// Takes at most as many steps as the pattern is long for each letter of the text.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = letters(text).collect();
        let (mut at, mut part) = (0, 0);
        // Where the last `%` stands, and up to where it reaches.
        let mut any: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.parts.get(part) {
                Some(Part::Any) => {
                    any = Some((part, at));
                    part += 1;
                }
                Some(Part::One) => (at, part) = (at + 1, part + 1),
                Some(Part::Letter(letter)) if *letter == text[at] => {
                    (at, part) = (at + 1, part + 1);
                }
                _ => match any {
                    Some((star, reach)) => {
                        any = Some((star, reach + 1));
                        (at, part) = (reach + 1, star + 1);
                    }
                    None => return false,
                },
            }
        }
        self.parts[part..].iter().all(|part| *part == Part::Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts_without_case() {
        for (pattern, text, expect) in [
            ("/europe/%", "/Europe/Warsaw", true),
            ("/europe/%", "/Europe", false),
            ("%", "", true),
            ("", "", true),
            ("", "a", false),
            ("pc-_", "PC-7", true),
            ("pc-_", "pc-77", false),
            ("%a%b%c", "xxaxxbxxbxc", true),
            ("%a%b%c", "xxaxxcxxb", false),
            ("%ab", "aab", true),
            ("100\\%", "100%", true),
            ("100\\%", "1000", false),
            ("ÄÖ%", "äöü", true),
        ] {
            let pattern_read = Pattern::new(pattern, Some('\\')).unwrap();
            assert_eq!(pattern_read.matches(text), expect, "{pattern} {text}");
        }
        assert_eq!(Pattern::new("a\\", Some('\\')), Err(OpenEscape));
    }
}
