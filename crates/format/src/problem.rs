//! What is wrong with a file, and where.

use std::fmt::Write;

use workflow::Severity;

use crate::code;

/// Problems told of one file; more are only counted.
const PROBLEMS_MAX: usize = 1_000;
/// Characters of a source line that are shown.
const EXCERPT_MAX: usize = 100;
/// Characters of a message or hint.
const MESSAGE_MAX: usize = 400;

/// A place in a text: line and column from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    pub(crate) const BEGIN: Self = Self { line: 1, column: 1 };
}

/// Something wrong at a place of a file, with what to do about it.
///
/// Texts taken from the file come without control characters, so that they can be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// Stable, for `deskhand explain`: one of [`code::ALL`] or [`workflow::code::ALL`].
    pub code: &'static str,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub what: String,
    pub hint: String,
    excerpt: Excerpt,
}

/// The line a problem is in, cut around its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Excerpt {
    text: String,
    /// Characters before the place.
    before: usize,
}

impl Problem {
    /// As `file.yaml:12:7: error[DH-F003]: what`, the hint, and the source line with a caret
    /// under the place. Ends without a line break.
    pub fn render(&self, file: &str) -> String {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let Self { code, line, column, what, hint, excerpt, .. } = self;
        let mut text = format!("{file}:{line}:{column}: {severity}[{code}]: {what}");
        if !hint.is_empty() {
            let _ = write!(text, "\n  hint: {hint}");
        }
        if !excerpt.text.is_empty() {
            let number = line.to_string();
            let blank = " ".repeat(number.len());
            let indent = " ".repeat(excerpt.before);
            let _ = write!(text, "\n  {number} | {}\n  {blank} | {indent}^", excerpt.text);
        }
        text
    }
}

/// Problems of one text, as they are found.
pub(crate) struct Problems<'a> {
    lines: Vec<&'a str>,
    found: Vec<Problem>,
    untold: usize,
    has_errors: bool,
}

impl<'a> Problems<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        Self { lines: lines(source), found: Vec::new(), untold: 0, has_errors: false }
    }

    pub(crate) fn error(
        &mut self,
        code: &'static str,
        place: Place,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Severity::Error, code, place, (what.into(), hint.into()));
    }

    pub(crate) fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        place: Place,
        (what, hint): (String, String),
    ) {
        self.has_errors |= severity == Severity::Error;
        if self.is_full() {
            self.untold += 1;
            return;
        }
        let Place { line, column } = place;
        let excerpt = self.excerpt(place);
        let (what, hint) = (shown(&what, MESSAGE_MAX), shown(&hint, MESSAGE_MAX));
        self.found.push(Problem { severity, code, line, column, what, hint, excerpt });
    }

    /// How much was told until now, for [`Self::forget_since`].
    pub(crate) fn mark(&self) -> usize {
        self.found.len()
    }

    /// Takes back what was told since a mark.
    pub(crate) fn forget_since(&mut self, mark: usize) {
        self.found.truncate(mark);
        self.untold = 0;
        self.has_errors = self.found.iter().any(|problem| problem.severity == Severity::Error);
    }

    /// Further problems are only counted; their places do not matter.
    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= PROBLEMS_MAX
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.has_errors
    }

    pub(crate) fn line(&self, number: usize) -> &'a str {
        number.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or("")
    }

    /// All of them in the order of their places.
    pub(crate) fn into_sorted(mut self) -> Vec<Problem> {
        if self.untold > 0 {
            let place = Place { line: self.lines.len().max(1), column: 1 };
            let what = format!("{} more problems are not shown", self.untold);
            let hint = "correct those above first".to_owned();
            let excerpt = Excerpt::default();
            let Place { line, column } = place;
            let (severity, code) = (Severity::Error, code::LIMIT);
            self.found.push(Problem { severity, code, line, column, what, hint, excerpt });
        }
        self.found.sort_by_key(|problem| (problem.line, problem.column));
        self.found
    }

    fn excerpt(&self, place: Place) -> Excerpt {
        let before = place.column.saturating_sub(1);
        let cut = before.saturating_sub(EXCERPT_MAX / 2);
        let line = self.line(place.line).trim_end();
        let text: String = line
            .chars()
            .skip(cut)
            .take(EXCERPT_MAX)
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect();
        Excerpt { text, before: before - cut }
    }
}

/// Lines as YAML counts them: ended by LF, CR LF or CR.
pub(crate) fn lines(source: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(end) = rest.find(['\n', '\r']) {
        found.push(&rest[..end]);
        let width = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[end + width..];
    }
    found.push(rest);
    found
}

/// A text for a message: no longer than `max` characters, without control characters.
pub(crate) fn shown(text: &str, max: usize) -> String {
    let mut short = String::new();
    for (count, letter) in text.chars().enumerate() {
        if count == max {
            short.push('…');
            break;
        }
        if letter.is_control() {
            short.extend(letter.escape_default());
        } else {
            short.push(letter);
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_its_place() {
        let mut problems = Problems::new("a: 1\r\nkey:\t\u{1b}wörd\n");
        let place = Place { line: 2, column: 6 };
        problems.error(code::WRONG_TYPE, place, "the text \u{1b}[0m", "quote it");
        assert_eq!(
            problems.into_sorted()[0].render("f.yaml"),
            "f.yaml:2:6: error[DH-F008]: the text \\u{1b}[0m\n  hint: quote it\n  \
             2 | key:  wörd\n    |      ^"
        );
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let source = format!("{}x{}", "a".repeat(300), "b".repeat(300));
        let mut problems = Problems::new(&source);
        problems.error(code::SYNTAX, Place { line: 1, column: 301 }, "w", "");
        let text = problems.into_sorted()[0].render("f");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1].find('x'), lines[2].find('^'));
        assert!(lines[1].len() < 120);
    }
}
