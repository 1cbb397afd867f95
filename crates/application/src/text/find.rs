//! Where a text is found in a line.

use std::ops::Range;

use crate::SearchType;

#[derive(Debug, Clone, Copy)]
pub(super) struct Needle<'a> {
    pub text: &'a str,
    pub how: SearchType,
    pub case_sensitive: bool,
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl Needle<'_> {
    /// Bytes of the line, from the left, none over another.
    pub(super) fn found(self, line: &str) -> Vec<Range<usize>> {
        match self.how {
            SearchType::Substring => self.everywhere(line, |_| true),
            SearchType::WholeWord => self.everywhere(line, |range| {
                let before = line[..range.start].chars().next_back();
                let after = line[range.end..].chars().next();
                !before.is_some_and(is_word) && !after.is_some_and(is_word)
            }),
            SearchType::StartOfLine => self.at(line, 0).map(|end| 0..end).into_iter().collect(),
            SearchType::EndOfLine => {
                let starts = line.char_indices().map(|(at, _)| at).rev();
                let found = |at: &usize| self.at(line, *at) == Some(line.len());
                let place = std::iter::once(line.len()).chain(starts).find(found);
                place.map(|at| at..line.len()).into_iter().collect()
            }
            SearchType::EntireLine => {
                let is_line = self.at(line, 0) == Some(line.len());
                is_line.then_some(0..line.len()).into_iter().collect()
            }
        }
    }

    fn everywhere(self, line: &str, counts: impl Fn(&Range<usize>) -> bool) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut from = 0;
        for (at, _) in line.char_indices() {
            if at < from {
                continue;
            }
            if let Some(range) = self.at(line, at).map(|end| at..end).filter(&counts) {
                from = range.end;
                found.push(range);
            }
        }
        found
    }

    /// Where it ends if it begins there.
    fn at(self, line: &str, at: usize) -> Option<usize> {
        let rest = &line[at..];
        if self.case_sensitive {
            return rest.starts_with(self.text).then(|| at + self.text.len());
        }
        let mut chars = rest.chars();
        for wanted in self.text.chars() {
            let found = chars.next()?;
            if found != wanted && !found.to_lowercase().eq(wanted.to_lowercase()) {
                return None;
            }
        }
        Some(line.len() - chars.as_str().len())
    }
}
