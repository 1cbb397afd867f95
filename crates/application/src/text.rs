//! Changes of text files (AP-07; REFERENCE 1.2): what is looked for, and what is done where it is
//! found.
//!
//! Owns the meaning of [`SearchType`] and [`ResultAction`]; never files. Lines that no change means
//! stay as they are, byte for byte.
//!
//! What is looked for stands within one line. The *string* is what was found; the *word* is that
//! and what of words it cuts at its ends, a word being a run of letters, digits and `_`:
//!
//! | search type | string | word, for `pat` |
//! |---|---|---|
//! | substring | each place, from the left, none over another | `xpaths` in `a xpaths b` |
//! | whole word | the same, with no letter, digit or `_` beside it | the string |
//! | start of line | at the line's first character | `paths` in `paths b` |
//! | end of line | up to the line's last character | `xpat` in `a xpat` |
//! | entire line | the whole line | the string |
//!
//! | action | for the first found, or each |
//! |---|---|
//! | add line after, before | the text becomes lines of its own beside the line; once for a line |
//! | add word after, before | the text goes beside the word, with a blank between |
//! | delete string | the string |
//! | delete word | the word with one blank behind it, else before it |
//! | delete line | the line |
//! | delete all lines after | lines below the line; of several, below the first |
//! | delete all lines before | lines above the line; of several, above the last |
//! | replace string, word, line | by the text |
//! | append, prepend a line | the text becomes the file's last or first lines, once |
//! | append, prepend to file if not found | the same, where nothing is found |
//!
//! These hold for every search type. A change whose result is in place already does nothing: lines
//! or words that stand where they would be added, a string that is part of its replacement. So a
//! change made twice is made once. A text of several lines becomes several lines.

mod find;
mod word;

use std::ops::Range;

use crate::encoding::{Lines, Splice, Unencodable, lines_of};
use crate::{ResultAction, SearchType};

/// One change, with macros expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit<'a> {
    Prepend(&'a str),
    Append(&'a str),
    Search(Search<'a>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search<'a> {
    pub find: &'a str,
    pub how: SearchType,
    pub case_sensitive: bool,
    /// Every occurrence, not only the first.
    pub all: bool,
    pub action: ResultAction,
    /// What the action puts in.
    pub text: &'a str,
}

/// What became of some lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineChange {
    /// Of the line in the text before the edit, from 1; of lines that are added, of the line they
    /// are put before.
    pub number: usize,
    /// `None` where lines are only added.
    pub before: Option<String>,
    /// Nothing where the line is deleted.
    pub after: Vec<String>,
}

/// What an edit did, from the top of the file to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edited {
    pub changes: Vec<LineChange>,
}

impl Edited {
    pub fn is_changed(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Lines that are there beside those that were.
    pub fn added(&self) -> impl Iterator<Item = &str> {
        let added = self.changes.iter().filter(|change| change.before.is_none());
        added.flat_map(|change| change.after.iter().map(String::as_str))
    }
}

/// Why a change cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error(transparent)]
    Unencodable(#[from] Unencodable),
    #[error("nothing is given to look for; only lines can be found without")]
    NothingToFind,
    #[error("`{0}` is looked for within lines, so it must not hold a line end")]
    FindHasLines(String),
}

/// Makes one change. On an error nothing is changed.
pub fn edit(lines: &mut Lines, edit: Edit<'_>) -> Result<Edited, EditError> {
    let mut work = Work { lines, splices: Vec::new(), changes: Vec::new() };
    match edit {
        Edit::Prepend(text) => {
            work.lines.encoding().check(text)?;
            work.prepend(&lines_of(text));
        }
        Edit::Append(text) => {
            work.lines.encoding().check(text)?;
            work.append(&lines_of(text));
        }
        Edit::Search(search) => work.search(search)?,
    }
    let Work { splices, mut changes, .. } = work;
    lines.splice(splices.into_iter().rev());
    changes.reverse();
    Ok(Edited { changes })
}

/// Takes lines away that were added, in their order as far as they stand in it; gives those that
/// are not there any more.
pub fn remove_added(lines: &mut Lines, added: &[String]) -> Vec<String> {
    let mut missing = Vec::new();
    let mut from = 0;
    for text in added {
        let place = |mut range: Range<usize>, lines: &Lines| {
            range.find(|at| lines.get(*at) == Some(text.as_str()))
        };
        let behind = place(from..lines.len(), lines);
        match behind.or_else(|| place(0..from.min(lines.len()), lines)) {
            Some(at) => {
                lines.remove(at);
                from = at;
            }
            None => missing.push(text.clone()),
        }
    }
    missing
}

/// From the end of the file to its top. Lines are those of before until all is known.
struct Work<'a> {
    lines: &'a Lines,
    splices: Vec<Splice>,
    changes: Vec<LineChange>,
}

/// What is found in one line.
struct Found {
    line: usize,
    strings: Vec<Range<usize>>,
}

impl Work<'_> {
    fn search(&mut self, search: Search<'_>) -> Result<(), EditError> {
        let Search { find, how, action, text, .. } = search;
        if find.contains(['\r', '\n']) {
            return Err(EditError::FindHasLines(find.to_owned()));
        }
        if find.is_empty() && matches!(how, SearchType::Substring | SearchType::WholeWord) {
            return Err(EditError::NothingToFind);
        }
        if inserts(action) {
            self.lines.encoding().check(text)?;
        }
        let found = self.found(search);
        let texts = lines_of(text);
        match action {
            ResultAction::AppendToFileIfNotFound if found.is_empty() => self.append(&texts),
            ResultAction::PrependToFileIfNotFound if found.is_empty() => self.prepend(&texts),
            ResultAction::AppendToFileIfNotFound | ResultAction::PrependToFileIfNotFound => {}
            _ => {
                if let (Some(first), Some(last)) = (found.first(), found.last()) {
                    let ends = (first.line, last.line);
                    self.act(action, ends, &found, text);
                }
            }
        }
        Ok(())
    }

    fn found(&self, search: Search<'_>) -> Vec<Found> {
        let Search { find, how, case_sensitive, all, .. } = search;
        let needle = find::Needle { text: find, how, case_sensitive };
        let in_line = |(line, text)| {
            let mut strings = needle.found(text);
            strings.truncate(if all { usize::MAX } else { 1 });
            (!strings.is_empty()).then_some(Found { line, strings })
        };
        let found = self.lines.iter().enumerate().filter_map(in_line);
        found.take(if all { usize::MAX } else { 1 }).collect()
    }

    /// `ends` are the first and the last line in which something is found.
    fn act(&mut self, action: ResultAction, ends: (usize, usize), found: &[Found], text: &str) {
        let texts = lines_of(text);
        match action {
            ResultAction::AppendLine => self.append(&texts),
            ResultAction::PrependLine => self.prepend(&texts),
            ResultAction::DeleteAllLinesAfter => self.delete(ends.0 + 1..self.lines.len()),
            ResultAction::DeleteAllLinesBefore => self.delete(0..ends.1),
            _ => {
                let is_found =
                    |at: usize| found.binary_search_by_key(&at, |found| found.line).is_ok();
                let in_place = |at: usize| self.is_in_place(action, at, &texts, &is_found);
                let places: Vec<_> = found.iter().filter(|found| !in_place(found.line)).collect();
                for found in places.into_iter().rev() {
                    self.act_on_line(action, found, text, &texts);
                }
            }
        }
    }

    fn act_on_line(&mut self, action: ResultAction, found: &Found, text: &str, texts: &[String]) {
        let at = found.line;
        match action {
            ResultAction::AddLineAfter => self.add(at + 1, texts),
            ResultAction::AddLineBefore => self.add(at, texts),
            ResultAction::DeleteLine => self.delete(at..at + 1),
            ResultAction::ReplaceLine => self.replace(at, texts),
            _ => {
                let line = self.lines.get(at).unwrap_or_default();
                let edited = word::edited(line, &found.strings, action, text);
                self.replace(at, &lines_of(&edited));
            }
        }
    }

    /// Whether the lines of the text stand already where this found line would bring them, or the
    /// found line is one of them.
    fn is_in_place(
        &self,
        action: ResultAction,
        at: usize,
        texts: &[String],
        is_found: &dyn Fn(usize) -> bool,
    ) -> bool {
        let count = texts.len();
        let blocks = || (0..count).filter_map(|offset| at.checked_sub(offset));
        match action {
            ResultAction::AddLineAfter => {
                let is_added = |begin: usize| {
                    self.has(begin, texts) && begin.checked_sub(1).is_some_and(is_found)
                };
                self.has(at + 1, texts) || blocks().any(is_added)
            }
            ResultAction::AddLineBefore => {
                let is_added = |begin: usize| self.has(begin, texts) && is_found(begin + count);
                at.checked_sub(count).is_some_and(|begin| self.has(begin, texts))
                    || blocks().any(is_added)
            }
            ResultAction::ReplaceLine => blocks().any(|begin| self.has(begin, texts)),
            _ => false,
        }
    }

    fn has(&self, at: usize, texts: &[String]) -> bool {
        let mut found = (at..).map(|at| self.lines.get(at));
        texts.iter().all(|text| found.next().flatten() == Some(text.as_str()))
    }

    fn append(&mut self, texts: &[String]) {
        let end = self.lines.len();
        if !end.checked_sub(texts.len()).is_some_and(|at| self.has(at, texts)) {
            self.add(end, texts);
        }
    }

    fn prepend(&mut self, texts: &[String]) {
        if !self.has(0, texts) {
            self.add(0, texts);
        }
    }

    fn add(&mut self, at: usize, texts: &[String]) {
        self.splices.push(Splice { at, removed: 0, texts: texts.to_vec() });
        self.changes.push(LineChange { number: at + 1, before: None, after: texts.to_vec() });
    }

    fn delete(&mut self, range: Range<usize>) {
        self.splices.push(Splice { at: range.start, removed: range.len(), texts: Vec::new() });
        for at in range.rev() {
            let before = self.lines.get(at).map(str::to_owned);
            self.changes.push(LineChange { number: at + 1, before, after: Vec::new() });
        }
    }

    fn replace(&mut self, at: usize, texts: &[String]) {
        let before = self.lines.get(at).unwrap_or_default().to_owned();
        if texts == [before.as_str()] {
            return;
        }
        self.splices.push(Splice { at, removed: 1, texts: texts.to_vec() });
        let change = LineChange { number: at + 1, before: Some(before), after: texts.to_vec() };
        self.changes.push(change);
    }
}

fn inserts(action: ResultAction) -> bool {
    !matches!(
        action,
        ResultAction::DeleteString
            | ResultAction::DeleteWord
            | ResultAction::DeleteLine
            | ResultAction::DeleteAllLinesAfter
            | ResultAction::DeleteAllLinesBefore
    )
}

#[cfg(test)]
mod tests;
