//! A file of the checkout, and for Rust a view of it in which only code is left.
//!
//! The view has the same lines and columns as the text: comments and what stands between quotes
//! become blanks. It knows as much of Rust's grammar as that takes, no more.

use std::ops::Range;

/// A text file by its path from the checkout's root, with `/` between.
pub struct Source {
    pub path: String,
    pub text: String,
    /// The text without comments and without the inside of literals.
    pub code: String,
    /// The text without the inside of literals.
    pub prose: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let (code, prose) = if path.ends_with(".rs") { views(text) } else { Default::default() };
        Self { path: path.to_owned(), text: text.to_owned(), code, prose }
    }

    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// A file that holds nothing but tests.
    pub fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// `model` for `crates/model/src/id.rs`.
    pub fn krate(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// The line, counted from 1, of a byte of the text.
    pub fn line_of(&self, byte: usize) -> usize {
        1 + self.text.as_bytes()[..byte].iter().filter(|byte| **byte == b'\n').count()
    }

    /// Where modules marked `#[cfg(test)]` stand in the text.
    pub fn test_modules(&self) -> Vec<Range<usize>> {
        let starts = self.code.match_indices("#[cfg(test)]").map(|(start, _)| start);
        starts
            .filter_map(|start| {
                let open = start + self.code[start..].find(['{', ';'])?;
                let opened = self.code[open..].starts_with('{');
                opened.then(|| start..matching(&self.code, open))
            })
            .collect()
    }
}

/// The byte after the brace that closes the one at `open`.
pub fn matching(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// Bytes at which `word` stands alone. A word may contain `::`.
pub fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let goes_on = word.ends_with(part) && after.is_some_and(part);
        !goes_on && !before.is_some_and(part)
    })
}

/// The text as code alone, and as code with comments.
fn views(text: &str) -> (String, String) {
    let mut code = text.as_bytes().to_vec();
    let mut prose = code.clone();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let (end, comment) = match comment(rest) {
            Some(length) => (at + length, true),
            None => (at + literal(text, at).unwrap_or(0), false),
        };
        if end == at {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        blank(&mut code[at..end]);
        if !comment {
            blank(&mut prose[at..end]);
        }
        at = end;
    }
    let text = |bytes| String::from_utf8(bytes).unwrap_or_default();
    (text(code), text(prose))
}

fn blank(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

/// The length of the comment that begins here.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => depth += 1,
            [b'*', b'/', ..] => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            break;
        }
    }
    Some(at.min(rest.len()))
}

/// The length of the string or character literal that begins here, with its prefix.
fn literal(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    let inside_a_word =
        text[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
    let prefix = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
    let known = ["", "b", "c", "r", "br", "cr"].contains(&&rest[..prefix]);
    if !known || (inside_a_word && prefix > 0) {
        return None;
    }
    let raw = rest[..prefix].ends_with('r');
    let body = &rest[prefix..];
    let length = match body.as_bytes().first()? {
        b'"' if raw => raw_string(body),
        b'#' if raw => raw_string(body),
        b'"' => quoted(body, b'"'),
        b'\'' => character(body),
        _ => None,
    }?;
    Some(prefix + length)
}

fn raw_string(body: &str) -> Option<usize> {
    let hashes = body.find(|c| c != '#')?;
    let inside = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", &body[..hashes]);
    let length = inside.find(&end).unwrap_or(inside.len().saturating_sub(end.len()));
    Some(hashes + 1 + length + end.len())
}

fn quoted(body: &str, quote: u8) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in body.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return Some(at + 1),
            _ => {}
        }
    }
    Some(body.len())
}

/// `'x'` and `'\n'`, but not the lifetime `'x`.
fn character(body: &str) -> Option<usize> {
    if body.starts_with("'\\") {
        return quoted(body, b'\'');
    }
    let inside = body[1..].chars().next()?;
    let close = 1 + inside.len_utf8();
    body[close..].starts_with('\'').then_some(close + 1)
}
