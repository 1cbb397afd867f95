//! Versions as people count them: `9 < 10`, `1.2 < 1.10`, `2.0-rc1 < 2.0`.

use std::cmp::Ordering;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    /// `-rc1`, `~beta`: before the version itself.
    Before(String),
    End,
    Word(String),
    /// Without leading zeros; the longer one is the greater.
    Number(usize, &'a str),
}

const ZERO: Part<'static> = Part::Number(0, "");

/// The order of two versions. They are cut into numbers and words; numbers compare as numbers,
/// words without case, a number is greater than a word. Zeros at the end do not count. What begins
/// with `-` or `~` and a letter comes before the version without it. What stands before the first
/// number, after `+`, or between brackets at the end does not count.
pub fn compare_versions(left: &str, right: &str) -> Ordering {
    parts(left).cmp(&parts(right))
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let text = text.trim();
    let text = text.split_once('+').map_or(text, |(version, _)| version);
    // `v1.2` is `1.2`, `Debian GNU/Linux 12 (bookworm)` is `12`.
    let text = text.find(|c: char| c.is_ascii_digit()).map_or(text, |begin| &text[begin..]);
    let mut text = text.split_once(" (").map_or(text, |(version, _)| version);
    let mut parts = Vec::new();
    while let Some(begin) = text.find(char::is_alphanumeric) {
        let (between, from) = text.split_at(begin);
        let is_before = between.ends_with(['-', '~']);
        let is_number = from.starts_with(|c: char| c.is_ascii_digit());
        let is_over = |c: char| !c.is_alphanumeric() || c.is_ascii_digit() != is_number;
        let (part, after) = from.split_at(from.find(is_over).unwrap_or(from.len()));
        text = after;
        if is_number {
            let digits = part.trim_start_matches('0');
            parts.push(Part::Number(digits.len(), digits));
        } else if is_before {
            drop_zeros(&mut parts);
            parts.push(Part::Before(part.to_lowercase()));
        } else {
            parts.push(Part::Word(part.to_lowercase()));
        }
    }
    drop_zeros(&mut parts);
    parts.push(Part::End);
    parts
}

fn drop_zeros(parts: &mut Vec<Part<'_>>) {
    while parts.last() == Some(&ZERO) {
        parts.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_the_order_in_which_they_appear() {
        let rising = ["", "0.1.9", "0.2", "0.10", "1.0-beta", "1.0-rc1", "1.0", "1.0.1", "9", "10"];
        for (place, one) in rising.iter().enumerate() {
            for (other_place, other) in rising.iter().enumerate() {
                let expect = place.cmp(&other_place);
                assert_eq!(compare_versions(one, other), expect, "{one} {other}");
            }
        }
        for (one, other) in [
            ("1.0", "1"),
            ("v1.2", "1.2"),
            ("1.02", "1.2"),
            ("1+a", "1.0+b"),
            ("Debian GNU/Linux 12 (x)", "12"),
        ] {
            assert_eq!(compare_versions(one, other), Ordering::Equal, "{one} {other}");
        }
        assert_eq!(compare_versions("10.0.19045", "10.0.9200"), Ordering::Greater);
        let long = "9".repeat(60);
        assert_eq!(compare_versions(&long, "10"), Ordering::Greater);
    }

    proptest::proptest! {
        #[test]
        fn the_order_is_one(texts in proptest::collection::vec("[0-2a.~+ -]{0,6}", 3)) {
            let order = |a: usize, b: usize| compare_versions(&texts[a], &texts[b]);
            assert_eq!(order(0, 1), order(1, 0).reverse());
            if order(0, 1).is_le() && order(1, 2).is_le() {
                assert!(order(0, 2).is_le(), "{texts:?}");
            }
        }
    }
}
