//! YAML written: mappings and lists in one line where they fit, each text so that it is read back
//! as the same text.

use crate::yaml::{Scalar, Style, resolve};

const COLUMNS_MAX: usize = 100;

pub(super) enum Out {
    /// A text, in quotes where it needs them.
    Text(String),
    /// A word or number that needs none.
    Bare(String),
    List(Vec<Out>),
    Map(Vec<(String, Out)>),
}

impl Out {
    pub(super) fn text(text: &(impl ToString + ?Sized)) -> Self {
        Self::Text(text.to_string())
    }

    pub(super) fn bare(text: &(impl ToString + ?Sized)) -> Self {
        Self::Bare(text.to_string())
    }
}

/// Entries one below the other; lists and mappings among them get an empty line before.
pub(super) fn document(entries: Vec<(String, Out)>) -> String {
    let mut text = String::new();
    for (key, value) in entries {
        if matches!(value, Out::List(_) | Out::Map(_)) {
            text.push('\n');
        }
        entry(&mut text, &key, &value, 0);
    }
    text
}

/// A line `key: value` at an indent, or several.
fn entry(text: &mut String, key: &str, value: &Out, indent: usize) {
    let head = format!("{}{}:", " ".repeat(indent), scalar(key));
    text.push_str(&head);
    // Whole groups are told one item in each line.
    let is_group = indent == 0 && (matches!(value, Out::List(_)) || key == "macros");
    if !is_group && let Some(line) = fitting(value, head.chars().count() + 1) {
        text.push(' ');
        text.push_str(&line);
        text.push('\n');
        return;
    }
    match value {
        Out::List(items) if items.is_empty() => text.push_str(" []\n"),
        Out::List(items) => {
            text.push('\n');
            for item in items {
                list_item(text, item, indent + 2);
            }
        }
        Out::Map(entries) => {
            text.push('\n');
            for (key, value) in entries {
                entry(text, key, value, indent + 2);
            }
        }
        Out::Text(value) => {
            text.push(' ');
            match block(value, indent + 2) {
                Some(block) => text.push_str(&block),
                None => text.push_str(&scalar(value)),
            }
            text.push('\n');
        }
        Out::Bare(value) => {
            text.push(' ');
            text.push_str(value);
            text.push('\n');
        }
    }
}

fn list_item(text: &mut String, item: &Out, indent: usize) {
    let blank = " ".repeat(indent);
    if let Some(line) = fitting(item, indent + 2) {
        text.push_str(&format!("{blank}- {line}\n"));
        return;
    }
    let mut inner = String::new();
    match item {
        Out::Map(entries) => {
            for (key, value) in entries {
                entry(&mut inner, key, value, indent + 2);
            }
        }
        Out::List(items) => {
            for item in items {
                list_item(&mut inner, item, indent + 2);
            }
        }
        Out::Text(value) => {
            let value = block(value, indent + 2).unwrap_or_else(|| scalar(value));
            inner = format!("{blank}  {value}\n");
        }
        Out::Bare(value) => inner = format!("{blank}  {value}\n"),
    }
    // The dash takes the place of two blanks.
    text.push_str(&blank);
    text.push_str("- ");
    text.push_str(inner.get(indent + 2..).unwrap_or_default());
}

/// In one line, if that is short enough and nothing in it has lines of its own.
fn fitting(value: &Out, before: usize) -> Option<String> {
    if has_lines(value) {
        return None;
    }
    let line = flow(value);
    let is_single = matches!(value, Out::Text(_) | Out::Bare(_));
    (is_single || before + line.chars().count() <= COLUMNS_MAX).then_some(line)
}

fn has_lines(value: &Out) -> bool {
    match value {
        Out::Text(text) => block(text, 0).is_some(),
        Out::Bare(_) => false,
        Out::List(items) => items.iter().any(has_lines),
        Out::Map(entries) => entries.iter().any(|(_, value)| has_lines(value)),
    }
}

fn flow(value: &Out) -> String {
    match value {
        Out::Text(text) => scalar(text),
        Out::Bare(text) => text.clone(),
        Out::List(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Out::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Out::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| (scalar(key), flow(value)));
            let entries: Vec<String> =
                entries.map(|(key, value)| format!("{key}: {value}")).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// A text of several lines after `|`, if it can stand so.
fn block(text: &str, indent: usize) -> Option<String> {
    let (body, sign) = match text.strip_suffix('\n') {
        Some(body) => (body, "|"),
        None => (text, "|-"),
    };
    let is_right = |line: &str| {
        line.chars().all(is_printable) && line.trim_end() == line && !line.starts_with('\t')
    };
    let begins = body.starts_with(|letter: char| !letter.is_whitespace());
    let ends = !body.ends_with(char::is_whitespace);
    if !text.contains('\n') || !begins || !ends || !body.split('\n').all(is_right) {
        return None;
    }
    let blank = " ".repeat(indent);
    let mut written = sign.to_owned();
    for line in body.split('\n') {
        written.push('\n');
        if !line.is_empty() {
            written.push_str(&blank);
            written.push_str(line);
        }
    }
    Some(written)
}

fn is_printable(letter: char) -> bool {
    let is_mark = matches!(letter, '\u{85}' | '\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(letter, '\u{2060}'..='\u{206f}' | '\u{fff0}'..='\u{ffff}');
    !letter.is_control() && !is_mark && u32::from(letter) < 0xe0000 && !is_private(letter)
}

fn is_private(letter: char) -> bool {
    matches!(letter, '\u{e000}'..='\u{f8ff}')
}

/// A text in one line.
fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    if text.chars().all(is_printable) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            letter if is_printable(letter) => quoted.push(letter),
            letter => match u32::from(letter) {
                code @ ..=0xff => quoted.push_str(&format!("\\x{code:02x}")),
                code @ ..=0xffff => quoted.push_str(&format!("\\u{code:04x}")),
                code => quoted.push_str(&format!("\\U{code:08x}")),
            },
        }
    }
    quoted.push('"');
    quoted
}

/// Whether it is a text without quotes, in lists and mappings of one line too.
fn is_plain(text: &str) -> bool {
    let begins = text.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '/');
    let is_fine = |letter: char| letter.is_ascii_alphanumeric() || " _-./\\+=()".contains(letter);
    begins
        && !text.ends_with(' ')
        && text.chars().all(is_fine)
        && matches!(resolve(text, Style::Plain), Scalar::Text(_))
}
