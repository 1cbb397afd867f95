//! The command of an entry: words, quoted where the specification asks for it.

use super::WriteError;

/// Stand for what the program is opened with, each a word of its own.
const FIELD_CODES: [&str; 7] = ["%f", "%F", "%u", "%U", "%i", "%c", "%k"];

/// Characters that only a quoted word may hold.
const RESERVED: &str = " \t\n\"'\\><~|&;$*?#()`";

pub(super) fn line(program: &str, arguments: &str) -> Result<String, WriteError> {
    if program.is_empty() || program.contains('=') {
        return Err(WriteError::Program(program.to_owned()));
    }
    let words = words(arguments).ok_or_else(|| WriteError::Quote(arguments.to_owned()))?;
    let mut line = quoted(program);
    for word in words {
        line.push(' ');
        let is_field = FIELD_CODES.contains(&word.as_str());
        line += &if is_field { word } else { quoted(&word) };
    }
    Ok(line)
}

fn quoted(word: &str) -> String {
    let word = word.replace('%', "%%");
    if !word.is_empty() && !word.contains(|c| RESERVED.contains(c)) {
        return word;
    }
    let mut quoted = String::from("\"");
    for c in word.chars() {
        if matches!(c, '"' | '`' | '$' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// `None` where a quote is not closed. Within `"` a backslash keeps the meaning of `"` and of
/// itself away; within `'` nothing has a meaning.
fn words(arguments: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = arguments.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (Some('"'), '\\') if matches!(chars.peek(), Some('"' | '\\')) => {
                word.get_or_insert_default().extend(chars.next());
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}
