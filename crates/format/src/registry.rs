//! Scripts for the registry: a superset of `.reg` files that can also ask.
//!
//! ```text
//! [HKLM\Software\Maker]?              ; the key exists
//! "Version"=="1.2"                    ; and the value says this
//! [HKLM\Software\Maker]               ; created, with the keys above it
//! "Path"=hex(2):25,00,41,00,00,00     ; set; all types of `.reg`, lines go on after `\`
//! "Old"=-                             ; deleted
//! @="the key's default value"
//! [-HKLM\Software\Maker\Cache]        ; deleted with all that is below it
//! ```
//!
//! Reading goes on after a mistake, so that all of them are told at once. What is in a script is
//! data: whether it can be carried out is the machine's affair.

pub mod code;
mod lines;
mod print;
mod value;

use model::registry::{Key, NameError, Operation, Root, Step, check_value_name};

use crate::problem::{Place, Problem, Problems};
use lines::Reader;

pub use print::print_registry;

/// Of a script; files of several megabytes are applications, not scripts.
const SCRIPT_BYTES_MAX: usize = 1 << 20;

/// What came of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedRegistry {
    /// Empty where anything is wrong.
    pub steps: Vec<Step>,
    /// Everything that is wrong, in the order of its places.
    pub problems: Vec<Problem>,
}

/// Reads a script.
pub fn parse_registry(source: &str) -> ParsedRegistry {
    parse_registry_up_to(source, SCRIPT_BYTES_MAX)
}

/// Reads one of so many bytes.
pub(crate) fn parse_registry_up_to(source: &str, bytes_max: usize) -> ParsedRegistry {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let mut problems = Problems::new(source);
    if source.len() > bytes_max {
        let what = format!("the script has more than {} KiB", bytes_max >> 10);
        problems.error(code::LIMIT, Place::BEGIN, what, "split it into several activities");
        return ParsedRegistry { steps: Vec::new(), problems: problems.into_sorted() };
    }
    let mut script = Script {
        input: Reader::new(source),
        problems: &mut problems,
        steps: Vec::new(),
        key: Under::Nothing,
        is_ansi: false,
    };
    script.read();
    let mut steps = script.steps;
    if problems.has_errors() {
        steps.clear();
    }
    ParsedRegistry { steps, problems: problems.into_sorted() }
}

/// What values belong to.
enum Under {
    Nothing,
    Key(Key),
    /// A key that was not understood, which is told already.
    Unknown,
    /// One that was just deleted.
    Deleted,
}

struct Script<'p, 's> {
    input: Reader<'s>,
    problems: &'p mut Problems<'s>,
    steps: Vec<Step>,
    key: Under,
    /// Below the header `REGEDIT4`, texts in hexadecimal have one byte for each character.
    is_ansi: bool,
}

const KEY_HINT: &str = r"write a key as `[HKEY_LOCAL_MACHINE\Software\Maker]` or `[HKLM\…]`";

impl Script<'_, '_> {
    fn read(&mut self) {
        while !self.input.is_at_end() {
            self.input.skip_blanks();
            let place = self.input.place();
            match self.input.peek() {
                None | Some('\r' | '\n') => {}
                Some(';') => self.input.skip_line(),
                Some('[') => self.key(place),
                Some('"' | '@') => self.value(place),
                Some(_) => self.other(place),
            }
            self.input.next_line();
        }
    }

    fn error(&mut self, code: &'static str, place: Place, what: impl Into<String>, hint: &str) {
        self.problems.error(code, place, what, hint);
    }

    /// The header of a `.reg` file, or a line that is nothing.
    fn other(&mut self, place: Place) {
        let line = self.input.rest_of_line().trim_end().to_owned();
        self.input.skip_line();
        match line.as_str() {
            "REGEDIT4" if self.steps.is_empty() => self.is_ansi = true,
            "Windows Registry Editor Version 5.00" if self.steps.is_empty() => {}
            _ => self.error(
                code::SYNTAX,
                place,
                "this is neither a key nor a value",
                "a statement begins with `[`, `\"` or `@`, a comment with `;`",
            ),
        }
    }

    /// `[Key]`, `[Key]?`, `[-Key]`.
    fn key(&mut self, place: Place) {
        let line = self.input.rest_of_line().to_owned();
        self.input.skip_line();
        let Some((text, is_test)) = bracketed(&line) else {
            self.key = Under::Unknown;
            let hint = "end the key with `]`; after it may only stand `?` and a comment";
            return self.error(code::SYNTAX, place, "this key has no end", hint);
        };
        let (text, deletes) = match text.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let key = match Key::parse(text.trim()) {
            Ok(key) => key,
            Err(error) => {
                self.key = Under::Unknown;
                return self.unusable_key(place, &error);
            }
        };
        if deletes && is_test {
            self.key = Under::Unknown;
            let what = "a key cannot be tested and deleted by one statement";
            return self.error(code::SYNTAX, place, what, "leave out `-` or `?`");
        }
        if deletes && (key.is_root() || is_hive(&key)) {
            self.key = Under::Unknown;
            let what = format!("`{key}` holds the system together and cannot be deleted");
            return self.error(code::KEY, place, what, "name the key that is to go");
        }
        let operation = match (deletes, is_test) {
            (true, _) => Operation::DeleteKey { key: key.clone() },
            (_, true) => Operation::TestKey { key: key.clone() },
            _ => Operation::CreateKey { key: key.clone() },
        };
        self.key = if deletes { Under::Deleted } else { Under::Key(key) };
        self.steps.push(Step { line: place.line, operation });
    }

    fn unusable_key(&mut self, place: Place, error: &NameError) {
        let place = Place { column: place.column + 1, ..place };
        match error {
            NameError::Root(_) => {
                let names: Vec<&str> = Root::ALL.iter().map(|root| root.short_name()).collect();
                let hint = format!("the roots are {}, or their full names", names.join(", "));
                self.error(code::ROOT, place, error.to_string(), &hint);
            }
            _ => self.error(code::KEY, place, error.to_string(), KEY_HINT),
        }
    }

    /// `"name"` or `@`, then `?`, `=-`, `=data` or `==data`.
    fn value(&mut self, place: Place) {
        let Some(name) = self.value_name(place) else { return self.input.skip_line() };
        if let Err(error) = check_value_name(&name) {
            self.error(code::KEY, place, error.to_string(), "give it a shorter name");
        }
        let key = self.key_of_value(place);
        self.input.skip_blanks();
        let operation = match self.input.peek() {
            Some('?') => {
                self.input.advance();
                key.map(|key| Operation::TestValue { key, name })
            }
            Some('=') => {
                self.input.advance();
                match self.assigned(key, name) {
                    Some(operation) => operation,
                    None => return self.input.skip_line(),
                }
            }
            _ => {
                let (code, place) = (code::SYNTAX, self.input.place());
                let hint = "after a value's name stands `=data`, `==data`, `=-` or `?`";
                self.error(code, place, "nothing is said of this value", hint);
                return self.input.skip_line();
            }
        };
        self.end_of_statement();
        self.steps.extend(operation.map(|operation| Step { line: place.line, operation }));
    }

    fn value_name(&mut self, place: Place) -> Option<String> {
        if self.input.peek() == Some('@') {
            self.input.advance();
            return Some(String::new());
        }
        self.quoted(place)
    }

    /// What follows the first `=`; `None` when it was not understood. The key may be unknown.
    fn assigned(&mut self, key: Option<Key>, name: String) -> Option<Option<Operation>> {
        let compares = self.input.peek() == Some('=');
        if compares {
            self.input.advance();
        }
        self.input.skip_blanks();
        if self.input.peek() == Some('-') && !compares {
            self.input.advance();
            return Some(key.map(|key| Operation::DeleteValue { key, name }));
        }
        let data = self.data()?;
        Some(key.map(|key| match compares {
            true => Operation::CompareValue { key, name, data },
            false => Operation::SetValue { key, name, data },
        }))
    }

    fn key_of_value(&mut self, place: Place) -> Option<Key> {
        let (what, hint) = match &self.key {
            Under::Key(key) => return Some(key.clone()),
            Under::Unknown => return None,
            Under::Nothing => {
                ("this value belongs to no key", "write the key in brackets on a line above it")
            }
            Under::Deleted => (
                "this value belongs to a key that was just deleted",
                "write `[Key]` without `-` above it to make the key again",
            ),
        };
        self.error(code::NO_KEY, place, what, hint);
        None
    }

    fn end_of_statement(&mut self) {
        self.input.skip_blanks();
        let place = self.input.place();
        match self.input.peek() {
            None | Some('\r' | '\n') => {}
            Some(';') => self.input.skip_line(),
            Some(_) => {
                let hint = "one statement for each line; a quote within a text is written `\\\"`";
                self.error(code::SYNTAX, place, "something follows the statement", hint);
                self.input.skip_line();
            }
        }
    }
}

/// What is between `[` and `]`, and whether `?` follows. Keys may contain `]`; the first one counts
/// after which the line can end.
fn bracketed(line: &str) -> Option<(&str, bool)> {
    let line = line.trim_end();
    line.match_indices(']').find_map(|(at, _)| {
        let rest = line[at + 1..].trim_start();
        let (rest, is_test) = match rest.strip_prefix('?') {
            Some(rest) => (rest.trim_start(), true),
            None => (rest, false),
        };
        let ends = rest.is_empty() || rest.starts_with(';');
        ends.then(|| (&line[1..at], is_test))
    })
}

/// Directly below these roots are whole files of the registry.
fn is_hive(key: &Key) -> bool {
    let holds_hives = matches!(key.root(), Root::LocalMachine | Root::Users);
    holds_hives && !key.path().contains('\\')
}

#[cfg(test)]
mod tests;
