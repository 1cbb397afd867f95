//! A text read letter by letter, with places.

use crate::problem::Place;

pub(super) struct Reader<'s> {
    rest: &'s str,
    place: Place,
}

/// A place to come back to.
#[derive(Clone, Copy)]
pub(super) struct Mark<'s> {
    rest: &'s str,
    place: Place,
}

impl<'s> Reader<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self { rest: source, place: Place::BEGIN }
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// The next letter. Lines end with LF, CR LF or CR, as for [`crate::problem::lines`].
    pub(super) fn advance(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.rest = &self.rest[letter.len_utf8()..];
        let ends_line = letter == '\n' || letter == '\r' && !self.rest.starts_with('\n');
        if ends_line {
            self.place = Place { line: self.place.line + 1, column: 1 };
        } else {
            self.place.column += 1;
        }
        Some(letter)
    }

    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.advance();
        }
    }

    /// Up to the end of the line, which stays.
    pub(super) fn skip_line(&mut self) {
        while !matches!(self.peek(), None | Some('\r' | '\n')) {
            self.advance();
        }
    }

    /// Past the end of the line, if here is one.
    pub(super) fn next_line(&mut self) {
        if self.rest.starts_with("\r\n") {
            self.advance();
        }
        if matches!(self.peek(), Some('\r' | '\n')) {
            self.advance();
        }
    }

    pub(super) fn rest_of_line(&self) -> &'s str {
        let end = self.rest.find(['\r', '\n']).unwrap_or(self.rest.len());
        &self.rest[..end]
    }

    /// Takes letters as long as they are wanted.
    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'s str {
        let begin = self.rest;
        while self.peek().is_some_and(&wanted) {
            self.advance();
        }
        &begin[..begin.len() - self.rest.len()]
    }

    pub(super) fn mark(&self) -> Mark<'s> {
        Mark { rest: self.rest, place: self.place }
    }

    pub(super) fn back_to(&mut self, mark: Mark<'s>) {
        (self.rest, self.place) = (mark.rest, mark.place);
    }
}
