//! How the bytes of a text file are read as lines and become bytes again.
//!
//! Owns the encodings and the line ends; never what a line means. Whatever bytes a file has, they
//! come back as they were where no line was touched: bytes that are no character of the encoding
//! are carried as private characters ([`RAW`]), each line keeps its own end, and a file without an
//! end of its last line stays one.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use crate::Family;

/// Characters that stand for single bytes which are no text: the last 256 of Unicode, which no
/// text uses. Where a file does contain one of them, its bytes are carried so.
const RAW: RangeInclusive<char> = '\u{10FF00}'..='\u{10FFFF}';

const UTF8_BOM: [u8; 3] = [0xEF, 0xBB, 0xBF];
const UTF16LE_BOM: [u8; 2] = [0xFF, 0xFE];
const UTF16BE_BOM: [u8; 2] = [0xFE, 0xFF];

/// Bytes of one character at most, in any code page.
const CHARACTER_BYTES_MAX: usize = 4;

/// What a system takes text for that says nothing about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodePage(&'static encoding_rs::Encoding);

impl CodePage {
    pub const UTF_8: Self = Self(encoding_rs::UTF_8);
    pub const WINDOWS_1252: Self = Self(encoding_rs::WINDOWS_1252);

    /// By the number that Windows gives it (`GetACP`); `None` for those that it never uses for
    /// text files.
    pub fn by_number(number: u32) -> Option<Self> {
        let encoding = match number {
            874 => encoding_rs::WINDOWS_874,
            932 => encoding_rs::SHIFT_JIS,
            936 => encoding_rs::GBK,
            949 => encoding_rs::EUC_KR,
            950 => encoding_rs::BIG5,
            1250 => encoding_rs::WINDOWS_1250,
            1251 => encoding_rs::WINDOWS_1251,
            1252 => encoding_rs::WINDOWS_1252,
            1253 => encoding_rs::WINDOWS_1253,
            1254 => encoding_rs::WINDOWS_1254,
            1255 => encoding_rs::WINDOWS_1255,
            1256 => encoding_rs::WINDOWS_1256,
            1257 => encoding_rs::WINDOWS_1257,
            1258 => encoding_rs::WINDOWS_1258,
            65001 => encoding_rs::UTF_8,
            _ => return None,
        };
        Some(Self(encoding))
    }
}

/// What a machine does where a file gives no hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convention {
    pub code_page: CodePage,
    pub line_end: LineEnd,
}

impl Convention {
    pub const LINUX: Self = Self { code_page: CodePage::UTF_8, line_end: LineEnd::Lf };

    pub const fn windows(code_page: CodePage) -> Self {
        Self { code_page, line_end: LineEnd::CrLf }
    }

    /// Where the machine's code page is not known.
    pub const fn of(family: Family) -> Self {
        match family {
            Family::Linux => Self::LINUX,
            Family::Windows => Self::windows(CodePage::WINDOWS_1252),
        }
    }
}

/// Of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    /// UTF-8 that begins with a byte order mark.
    Utf8Marked,
    Utf16Le,
    Utf16Be,
    Ansi(CodePage),
}

/// A character that the file's encoding does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{character}` (U+{:04X}) cannot be written in {encoding}, the encoding of this file",
    u32::from(*character)
)]
pub struct Unencodable {
    pub character: char,
    pub encoding: &'static str,
}

impl Encoding {
    /// By its mark; without one as UTF-8 if it is that and more than ASCII, else as the code page.
    pub fn detect(bytes: &[u8], code_page: CodePage) -> Self {
        if bytes.starts_with(&UTF8_BOM) {
            Self::Utf8Marked
        } else if bytes.starts_with(&UTF16LE_BOM) {
            Self::Utf16Le
        } else if bytes.starts_with(&UTF16BE_BOM) {
            Self::Utf16Be
        } else if bytes.is_ascii() {
            Self::plain(code_page)
        } else if std::str::from_utf8(bytes).is_ok() {
            Self::Utf8
        } else if code_page == CodePage::UTF_8 {
            Self::Ansi(CodePage::WINDOWS_1252)
        } else {
            Self::Ansi(code_page)
        }
    }

    fn plain(code_page: CodePage) -> Self {
        if code_page == CodePage::UTF_8 { Self::Utf8 } else { Self::Ansi(code_page) }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 | Self::Utf8Marked => "UTF-8",
            Self::Utf16Le | Self::Utf16Be => "UTF-16",
            Self::Ansi(CodePage(encoding)) => encoding.name(),
        }
    }

    /// Whether a text may be put into a file of this encoding.
    pub fn check(self, text: &str) -> Result<(), Unencodable> {
        let lacks = |c: &char| match self {
            _ if RAW.contains(c) => true,
            Self::Ansi(CodePage(encoding)) if !c.is_ascii() => {
                encoding.encode(c.encode_utf8(&mut [0; 4])).2
            }
            _ => false,
        };
        match text.chars().find(lacks) {
            Some(character) => Err(Unencodable { character, encoding: self.name() }),
            None => Ok(()),
        }
    }

    fn mark(self) -> &'static [u8] {
        match self {
            Self::Utf8Marked => &UTF8_BOM,
            Self::Utf16Le => &UTF16LE_BOM,
            Self::Utf16Be => &UTF16BE_BOM,
            Self::Utf8 | Self::Ansi(_) => &[],
        }
    }

    fn decode(self, bytes: &[u8]) -> String {
        let bytes = bytes.strip_prefix(self.mark()).unwrap_or(bytes);
        match self {
            Self::Utf8 | Self::Utf8Marked => decode_utf8(bytes),
            Self::Utf16Le => decode_utf16(bytes, u16::from_le_bytes),
            Self::Utf16Be => decode_utf16(bytes, u16::from_be_bytes),
            Self::Ansi(CodePage(encoding)) => decode_ansi(bytes, encoding),
        }
    }

    /// Without the mark. `text` is what was decoded, or passed [`Self::check`].
    fn encode(self, text: &str, into: &mut Vec<u8>) {
        let mut rest = text;
        while !rest.is_empty() {
            let clean = rest.find(|c| RAW.contains(&c)).unwrap_or(rest.len());
            let (clean, after) = rest.split_at(clean);
            match self {
                Self::Utf8 | Self::Utf8Marked => into.extend_from_slice(clean.as_bytes()),
                Self::Utf16Le => into.extend(clean.encode_utf16().flat_map(u16::to_le_bytes)),
                Self::Utf16Be => into.extend(clean.encode_utf16().flat_map(u16::to_be_bytes)),
                Self::Ansi(CodePage(encoding)) => into.extend_from_slice(&encoding.encode(clean).0),
            }
            let raw = after.find(|c| !RAW.contains(&c)).unwrap_or(after.len());
            into.extend(after[..raw].chars().map(|c| (u32::from(c) & 0xFF) as u8));
            rest = &after[raw..];
        }
    }
}

fn push_raw(bytes: &[u8], into: &mut String) {
    let first = u32::from(*RAW.start());
    into.extend(bytes.iter().filter_map(|byte| char::from_u32(first + u32::from(*byte))));
}

fn push_char(c: char, bytes: &[u8], into: &mut String) {
    if RAW.contains(&c) {
        push_raw(bytes, into);
    } else {
        into.push(c);
    }
}

fn decode_utf8(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_char(c, c.encode_utf8(&mut [0; 4]).as_bytes(), &mut text);
        }
        push_raw(chunk.invalid(), &mut text);
    }
    text
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(pairs.len());
    let mut at = 0;
    for decoded in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        let length = decoded.as_ref().map_or(1, |c| c.len_utf16());
        let raw = pairs[at..at + length].as_flattened();
        match decoded {
            Ok(c) => push_char(c, raw, &mut text),
            Err(_) => push_raw(raw, &mut text),
        }
        at += length;
    }
    push_raw(odd, &mut text);
    text
}

/// Whole when every byte comes back, else character by character.
fn decode_ansi(bytes: &[u8], encoding: &'static encoding_rs::Encoding) -> String {
    if let Some(text) = decode_exactly(bytes, encoding) {
        return text.into_owned();
    }
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        if first.is_ascii() {
            text.push(char::from(*first));
            rest = &rest[1..];
            continue;
        }
        let lengths = 1..=CHARACTER_BYTES_MAX.min(rest.len());
        let character = lengths.into_iter().find_map(|length| {
            decode_exactly(&rest[..length], encoding).map(|decoded| (decoded, length))
        });
        let length = match character {
            Some((decoded, length)) => {
                text.push_str(&decoded);
                length
            }
            None => {
                push_raw(&rest[..1], &mut text);
                1
            }
        };
        rest = &rest[length..];
    }
    text
}

/// Nothing if encoding it again gives other bytes.
fn decode_exactly<'a>(
    bytes: &'a [u8],
    encoding: &'static encoding_rs::Encoding,
) -> Option<Cow<'a, str>> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
    (!text.contains(|c| RAW.contains(&c)) && *encoding.encode(&text).0 == *bytes).then_some(text)
}

/// What ends a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnd {
    Lf,
    CrLf,
    Cr,
    /// Only of a last line.
    Missing,
}

impl LineEnd {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
            Self::Cr => "\r",
            Self::Missing => "",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    text: String,
    end: LineEnd,
}

/// One of several changes of a file: so many lines from `at` on become these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Splice {
    pub(crate) at: usize,
    pub(crate) removed: usize,
    pub(crate) texts: Vec<String>,
}

/// A text file as lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    encoding: Encoding,
    /// Of lines that are added.
    line_end: LineEnd,
    lines: Vec<Line>,
}

impl Lines {
    /// Any bytes are a text; no bytes are a file that is to be made.
    pub fn parse(bytes: &[u8], convention: Convention) -> Self {
        let encoding = Encoding::detect(bytes, convention.code_page);
        let lines = split(&encoding.decode(bytes));
        let line_end = most_used(&lines).unwrap_or(convention.line_end);
        Self { encoding, line_end, lines }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.encoding.mark().to_vec();
        for line in &self.lines {
            self.encoding.encode(&line.text, &mut bytes);
            self.encoding.encode(line.end.as_str(), &mut bytes);
        }
        bytes
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub fn get(&self, at: usize) -> Option<&str> {
        self.lines.get(at).map(|line| line.text.as_str())
    }

    /// Without their ends.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.lines.iter().map(|line| line.text.as_str())
    }

    /// Puts a line before the one at `at`, or behind the last. It holds no line end, and what in it
    /// does not come from this file passed [`Encoding::check`]; so for [`Self::replace`].
    ///
    /// # Panics
    /// If `at` is beyond the end.
    pub fn insert(&mut self, at: usize, text: impl Into<String>) {
        let mut end = self.line_end;
        if at == self.lines.len()
            && let Some(last) = self.lines.last_mut()
            && last.end == LineEnd::Missing
        {
            last.end = self.line_end;
            end = LineEnd::Missing;
        }
        self.lines.insert(at, Line { text: text.into(), end });
    }

    /// Makes all of these changes at once, from the top: each is of lines as they are now, none
    /// over another. A line that takes another's place keeps its end; a last line without end
    /// leaves one behind, wherever it goes. Texts are such as [`Self::insert`] takes.
    pub(crate) fn splice(&mut self, splices: impl Iterator<Item = Splice>) {
        let is_open = self.lines.last().is_some_and(|line| line.end == LineEnd::Missing);
        let mut lines = Vec::with_capacity(self.lines.len());
        let mut old = std::mem::take(&mut self.lines).into_iter();
        let mut at = 0;
        for Splice { at: next, removed, texts } in splices {
            lines.extend(old.by_ref().take(next - at));
            let mut end = old.by_ref().take(removed).map(|line| line.end).reduce(|first, _| first);
            at = next + removed;
            let line = |text| Line { text, end: end.take().unwrap_or(self.line_end) };
            lines.extend(texts.into_iter().map(line));
        }
        lines.extend(old);
        if is_open && let Some((last, others)) = lines.split_last_mut() {
            let open = others.iter_mut().filter(|line| line.end == LineEnd::Missing);
            open.for_each(|line| line.end = self.line_end);
            last.end = LineEnd::Missing;
        }
        self.lines = lines;
    }

    /// Keeps the line's end.
    ///
    /// # Panics
    /// If there is no such line.
    pub fn replace(&mut self, at: usize, text: impl Into<String>) {
        self.lines[at].text = text.into();
    }

    /// A last line without end leaves one behind.
    ///
    /// # Panics
    /// If there is no such line.
    pub fn remove(&mut self, at: usize) -> String {
        let line = self.lines.remove(at);
        if line.end == LineEnd::Missing
            && let Some(last) = self.lines.last_mut()
        {
            last.end = LineEnd::Missing;
        }
        line.text
    }
}

fn split(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let (line, after) = rest.split_at(length);
        let end = [LineEnd::CrLf, LineEnd::Lf, LineEnd::Cr]
            .into_iter()
            .find(|end| after.starts_with(end.as_str()))
            .unwrap_or(LineEnd::Missing);
        lines.push(Line { text: line.to_owned(), end });
        rest = &after[end.as_str().len()..];
    }
    lines
}

/// The lines of a text; an end behind the last is none more, and no text is one empty line.
pub(crate) fn lines_of(text: &str) -> Vec<String> {
    match text {
        "" => vec![String::new()],
        _ => split(text).into_iter().map(|line| line.text).collect(),
    }
}

/// The one that most lines have; of equals the one that comes first.
fn most_used(lines: &[Line]) -> Option<LineEnd> {
    let mut counts: Vec<(LineEnd, usize)> = Vec::new();
    for line in lines.iter().filter(|line| line.end != LineEnd::Missing) {
        match counts.iter_mut().find(|(end, _)| *end == line.end) {
            Some((_, count)) => *count += 1,
            None => counts.push((line.end, 1)),
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(end, _)| end)
}

#[cfg(test)]
mod tests;
