//! What values hold: texts in quotes, numbers, bytes.

use model::registry::Data;

use super::{Script, code};
use crate::problem::{Place, shown};

const DATA_HINT: &str =
    "write `\"text\"`, `dword:0000001f`, `hex:01,02` or `hex(2):…` with the type's number";

impl Script<'_, '_> {
    /// Data after `=`; what is wrong with it is told.
    pub(super) fn data(&mut self) -> Option<Data> {
        let place = self.input.place();
        if self.input.peek() == Some('"') {
            return self.quoted(place).map(|text| Data::text(&text));
        }
        let word = self.input.take_while(|letter| letter.is_ascii_alphanumeric());
        match word.to_ascii_lowercase().as_str() {
            "dword" => self.dword(),
            "hex" => self.hex(),
            "" => self.no_data(place, "no data follows".to_owned()),
            _ => self.no_data(place, format!("`{}` is no type of data", shown(word, 40))),
        }
    }

    fn no_data(&mut self, place: Place, what: String) -> Option<Data> {
        self.error(code::DATA, place, what, DATA_HINT);
        None
    }

    fn colon(&mut self) -> Option<()> {
        let place = self.input.place();
        if self.input.peek() == Some(':') {
            self.input.advance();
            return Some(());
        }
        self.error(code::DATA, place, "a `:` is missing here", DATA_HINT);
        None
    }

    fn dword(&mut self) -> Option<Data> {
        self.colon()?;
        self.input.skip_blanks();
        let place = self.input.place();
        let digits = self.input.take_while(|letter| letter.is_ascii_alphanumeric());
        if let Some(number) = u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() <= 8) {
            return Some(Data::dword(number));
        }
        let what =
            format!("`{}` is no number of one to eight hexadecimal digits", shown(digits, 40));
        self.error(code::DATA, place, what, "31 is written `dword:0000001f`");
        None
    }

    /// `hex:` or `hex(n):`, bytes between commas; a `\` before the end of a line goes on in the
    /// next.
    fn hex(&mut self) -> Option<Data> {
        let kind = self.hex_kind()?;
        self.colon()?;
        let mut bytes = Vec::new();
        loop {
            self.skip_to_byte();
            let place = self.input.place();
            let digits = self.input.take_while(|letter| letter.is_ascii_alphanumeric());
            match u8::from_str_radix(digits, 16).ok().filter(|_| digits.len() <= 2) {
                Some(byte) => bytes.push(byte),
                // No bytes at all, or a comma after the last one.
                None if digits.is_empty() => break,
                None => {
                    let what = format!("`{}` is no byte", shown(digits, 40));
                    self.error(code::DATA, place, what, "a byte has two hexadecimal digits");
                    return None;
                }
            }
            self.skip_to_byte();
            if self.input.peek() != Some(',') {
                break;
            }
            self.input.advance();
        }
        if self.is_ansi && matches!(kind, Data::EXPANDED_TEXT | Data::TEXTS) {
            bytes = self.widened(&bytes)?;
        }
        Some(Data { kind, bytes })
    }

    fn hex_kind(&mut self) -> Option<u32> {
        if self.input.peek() != Some('(') {
            return Some(Data::BINARY);
        }
        self.input.advance();
        let place = self.input.place();
        let digits = self.input.take_while(|letter| letter.is_ascii_alphanumeric());
        let kind = u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() <= 8);
        if let Some(kind) = kind.filter(|_| self.input.peek() == Some(')')) {
            self.input.advance();
            return Some(kind);
        }
        let hint = "between the brackets stands a type's number: `hex(2)`, `hex(7)`, `hex(b)`";
        self.error(code::DATA, place, "this is no type's number", hint);
        None
    }

    /// Over blanks and continued lines.
    fn skip_to_byte(&mut self) {
        loop {
            self.input.skip_blanks();
            let mark = self.input.mark();
            if self.input.peek() != Some('\\') {
                return;
            }
            self.input.advance();
            self.input.skip_blanks();
            if self.input.peek() == Some(';') {
                self.input.skip_line();
            }
            if !matches!(self.input.peek(), Some('\r' | '\n')) {
                return self.input.back_to(mark);
            }
            self.input.next_line();
        }
    }

    /// Letters of one byte as UTF-16.
    fn widened(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if bytes.is_ascii() {
            return Some(bytes.iter().flat_map(|byte| [*byte, 0]).collect());
        }
        let hint = "begin the script with `Windows Registry Editor Version 5.00` and write UTF-16";
        let what = "below `REGEDIT4` only ASCII letters can be read, their code page is not known";
        self.error(code::DATA, self.input.place(), what, hint);
        None
    }

    /// A text in quotes; only `\\` and `\"` are escapes, and line breaks stand as they are.
    pub(super) fn quoted(&mut self, place: Place) -> Option<String> {
        self.input.advance();
        let begin = self.input.mark();
        let mut text = String::new();
        let mut wrong = None;
        loop {
            let at = self.input.place();
            match self.input.advance() {
                Some('"') => break,
                Some('\\') => match self.input.peek() {
                    Some(letter @ ('\\' | '"')) => {
                        self.input.advance();
                        text.push(letter);
                    }
                    _ => wrong = wrong.or(Some(at)),
                },
                Some('\0') => wrong = wrong.or(Some(at)),
                Some(letter) => text.push(letter),
                None => {
                    self.input.back_to(begin);
                    let hint = "end it with `\"`; a quote within it is written `\\\"`";
                    self.error(code::SYNTAX, place, "this text has no end", hint);
                    return None;
                }
            }
        }
        if let Some(at) = wrong {
            let what = "after a backslash within quotes stands a backslash or a quote";
            self.error(code::DATA, at, what, r"write `C:\\folder` for `C:\folder`");
            return None;
        }
        Some(text)
    }
}
