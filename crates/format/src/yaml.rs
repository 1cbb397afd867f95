//! YAML as a tree of our own with places: mappings, lists and scalars, nothing else.
//!
//! Anchors, aliases, tags, further documents and keys that are no texts are refused here, so that
//! what is written is what is meant. Plain scalars are resolved by the YAML 1.2 core schema: `on`,
//! `yes` and `no` are texts.

mod repair;

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

use crate::code;
use crate::problem::{Place, Problems, lines, shown};
use repair::Repairs;

const SIZE_MAX: usize = 1 << 20;
const DEPTH_MAX: usize = 32;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    Scalar {
        text: String,
        style: Style,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Already told to be wrong.
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Quoted,
    /// After `|`: each line of the text is a line of the file.
    Literal,
    Folded,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) value: Node,
}

/// What a scalar is by the core schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(&'a str),
    Float(&'a str),
    Text(&'a str),
}

impl Node {
    /// The scalar this is, if it is one.
    pub(crate) fn scalar(&self) -> Option<Scalar<'_>> {
        match &self.value {
            Value::Scalar { text, style } => Some(resolve(text, *style)),
            Value::List(_) | Value::Map(_) | Value::Broken => None,
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        matches!(self.value, Value::Broken)
    }

    /// `a list`, `the number 3` …, for messages.
    pub(crate) fn in_words(&self) -> String {
        match self.scalar() {
            Some(Scalar::Null) => "nothing".to_owned(),
            Some(Scalar::Bool(value)) => value.to_string(),
            Some(Scalar::Int(text) | Scalar::Float(text)) => format!("the number {text}"),
            Some(Scalar::Text(text)) => format!("the text `{}`", shown(text, 40)),
            None if matches!(self.value, Value::List(_)) => "a list".to_owned(),
            None => "a mapping".to_owned(),
        }
    }
}

pub(crate) fn resolve(text: &str, style: Style) -> Scalar<'_> {
    if style != Style::Plain {
        return Scalar::Text(text);
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" => Scalar::Bool(true),
        "false" | "False" | "FALSE" => Scalar::Bool(false),
        _ if is_int(text) => Scalar::Int(text),
        _ if is_float(text) => Scalar::Float(text),
        _ => Scalar::Text(text),
    }
}

fn is_int(text: &str) -> bool {
    let all = |digits: &str, is_digit: fn(&char) -> bool| {
        !digits.is_empty() && digits.chars().all(|digit| is_digit(&digit))
    };
    if let Some(digits) = text.strip_prefix("0o") {
        return all(digits, |digit| digit.is_digit(8));
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return all(digits, char::is_ascii_hexdigit);
    }
    all(text.strip_prefix(['-', '+']).unwrap_or(text), char::is_ascii_digit)
}

/// The number that a [`Scalar::Int`] writes; `None` when it is beyond every number we use.
pub(crate) fn whole_number(text: &str) -> Option<i128> {
    if let Some(digits) = text.strip_prefix("0o") {
        return i128::from_str_radix(digits, 8).ok();
    }
    match text.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.chars().any(|c| c.is_ascii_digit())
        && unsigned.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+'))
        && unsigned.parse::<f64>().is_ok()
}

/// The tree of a text, as far as it could be understood. `None` when nothing of it can be used;
/// then a problem says why.
pub(crate) fn read(source: &str, problems: &mut Problems<'_>) -> Option<Node> {
    if source.len() > SIZE_MAX {
        problems.error(
            code::LIMIT,
            Place::BEGIN,
            format!("the file has {} bytes, more than {SIZE_MAX}", source.len()),
            "move long texts into files of the depot",
        );
        return None;
    }
    if let Some((place, letter)) = forbidden(source) {
        problems.error(
            code::SYNTAX,
            place,
            format!("the character U+{:04X} cannot stand in a YAML file", u32::from(letter)),
            "save the file as text in UTF-8; within double quotes write it as an escape",
        );
        return None;
    }
    let mark = problems.mark();
    let mut repairs = Repairs::default();
    let mut source = Cow::Borrowed(source);
    let root = loop {
        let error = match Reader::new(&source, &repairs, problems).document() {
            Ok(node) => break Some(node),
            Err(Stop::Told) => break None,
            Err(Stop::Syntax(error)) => error,
        };
        let line = error.marker().line();
        match repairs.try_again(&source, line) {
            Some(repaired) => {
                // The next reading tells again what this one has told.
                problems.forget_since(mark);
                source = Cow::Owned(repaired);
            }
            None => {
                let place = repairs.place_of(*error.marker());
                tell_syntax(problems, place, error.info());
                break None;
            }
        }
    };
    for place in repairs.places() {
        tell_unquoted(problems, place);
    }
    root
}

fn forbidden(source: &str) -> Option<(Place, char)> {
    lines(source).into_iter().enumerate().find_map(|(index, line)| {
        let is_wrong = |letter: char| letter.is_control() && !matches!(letter, '\t' | '\u{85}');
        let (count, letter) = line.chars().enumerate().find(|(_, letter)| is_wrong(*letter))?;
        Some((Place { line: index + 1, column: count + 1 }, letter))
    })
}

fn tell_syntax(problems: &mut Problems<'_>, place: Place, info: &str) {
    let line = problems.line(place.line);
    let hint = if line.trim_start_matches(' ').starts_with('\t') {
        "indent with spaces, not with tabs"
    } else {
        "look at indentation, quotes and brackets here and just above; a text with `: `, ` #` or a \
         special first character needs quotes"
    };
    problems.error(code::SYNTAX, place, format!("this is not YAML: {info}"), hint);
}

fn tell_unquoted(problems: &mut Problems<'_>, place: Place) {
    problems.error(
        code::UNQUOTED_TEMPLATE,
        place,
        "a template without quotes: YAML takes `{{` for the beginning of a mapping",
        "put the whole value in quotes: \"{{ computer.name }}\"",
    );
}

enum Stop {
    Syntax(ScanError),
    /// A problem says why.
    Told,
}

struct Reader<'s, 'p, 'l> {
    lines: Vec<&'s str>,
    repairs: &'p Repairs,
    parser: Parser<'s, StrInput<'s>>,
    problems: &'p mut Problems<'l>,
}

impl<'s, 'p, 'l> Reader<'s, 'p, 'l> {
    fn new(source: &'s str, repairs: &'p Repairs, problems: &'p mut Problems<'l>) -> Self {
        let text = source.strip_prefix('\u{feff}').unwrap_or(source);
        let parser = Parser::new_from_str(text);
        Self { lines: lines(text), repairs, parser, problems }
    }

    fn next(&mut self) -> Result<(Event<'s>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(Stop::Syntax(error)),
            None => Err(Stop::Told),
        }
    }

    fn document(&mut self) -> Result<Node, Stop> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if root.is_some() => {
                    self.problems.error(
                        code::UNUSED_YAML,
                        self.repairs.place_of(span.start),
                        "a second document begins here",
                        "write one workflow for each file, without `---` between",
                    );
                    break;
                }
                Event::Nothing
                | Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd => {}
                event => root = Some(self.node(event, span, 0)?),
            }
        }
        Ok(root.unwrap_or(Node {
            place: Place::BEGIN,
            value: Value::Scalar { text: String::new(), style: Style::Plain },
        }))
    }

    fn node(&mut self, event: Event<'s>, span: Span, depth: usize) -> Result<Node, Stop> {
        let place = self.repairs.place_of(span.start);
        if depth > DEPTH_MAX {
            self.problems.error(
                code::LIMIT,
                place,
                format!("more than {DEPTH_MAX} levels within one another"),
                "a workflow needs six",
            );
            return Err(Stop::Told);
        }
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse(place, anchor, tag.is_some());
                scalar(text.into_owned(), style)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse(place, anchor, tag.is_some());
                self.list(depth)?
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse(place, anchor, tag.is_some());
                self.map(span.start, depth)?
            }
            Event::Alias(_) => {
                self.unused(place, "an alias (`*`)", "write the value out");
                Value::Broken
            }
            _ => Value::Broken,
        };
        Ok(Node { place, value })
    }

    fn unused(&mut self, place: Place, what: &str, hint: &str) {
        let what = format!("{what} has no meaning here");
        self.problems.error(code::UNUSED_YAML, place, what, hint);
    }

    fn refuse(&mut self, place: Place, anchor: usize, has_tag: bool) {
        if anchor != 0 {
            self.unused(place, "an anchor (`&`)", "write the value out wherever it is needed");
        }
        if has_tag {
            self.unused(place, "a tag (`!`)", "leave it out; put a text in quotes");
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Stop> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::List(items));
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn map(&mut self, begin: Marker, depth: usize) -> Result<Value, Stop> {
        let mut entries = Vec::new();
        let mut first: BTreeMap<String, Place> = BTreeMap::new();
        let mut is_template = false;
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let is_left_out = span.is_empty() && matches!(&event, Event::Scalar(..));
            let mut value = self.node(event, span, depth + 1)?;
            if is_left_out {
                value.place = key.place;
            }
            let text = match key.value {
                Value::Scalar { text, .. } => text,
                Value::Broken => continue,
                Value::List(_) | Value::Map(_) if self.begins_template(begin) => {
                    is_template = true;
                    continue;
                }
                Value::List(_) | Value::Map(_) => {
                    self.unused(key.place, "a key that is no text", "write a name before the `:`");
                    continue;
                }
            };
            if let Some(other) = first.get(&text) {
                self.problems.error(
                    code::DUPLICATE_KEY,
                    key.place,
                    format!("`{text}` is already written in line {}", other.line),
                    "keep one of them; several activities for one event are written as a list",
                );
                continue;
            }
            first.insert(text.clone(), key.place);
            entries.push(Entry { key: text, place: key.place, value });
        }
        if is_template {
            tell_unquoted(self.problems, self.repairs.place_of(begin));
            return Ok(Value::Broken);
        }
        Ok(Value::Map(entries))
    }

    fn begins_template(&self, begin: Marker) -> bool {
        let line = self.lines.get(begin.line().saturating_sub(1)).copied().unwrap_or("");
        let mut letters = line.chars().skip(begin.col());
        (letters.next(), letters.next()) == (Some('{'), Some('{'))
    }
}

fn scalar(text: String, style: ScalarStyle) -> Value {
    let style = match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    };
    Value::Scalar { text, style }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_those_of_the_core_schema() {
        for text in ["on", "yes", "no", "off", "1_000", "0b1", "12:30", "-", ".", "1.2.3", "e5"] {
            assert_eq!(resolve(text, Style::Plain), Scalar::Text(text));
        }
        for text in ["0", "-12", "+3", "0x1F", "0o17", "007"] {
            assert_eq!(resolve(text, Style::Plain), Scalar::Int(text));
        }
        let numbers = ["-12", "+3", "0x1F", "0o17", "007"].map(whole_number);
        assert_eq!(numbers, [-12, 3, 31, 15, 7].map(Some));
        assert_eq!(whole_number(&"9".repeat(60)), None);
        for text in ["1.5", "-.5", "1e3", ".inf", "-.inf", ".nan", "1."] {
            assert_eq!(resolve(text, Style::Plain), Scalar::Float(text));
        }
        assert_eq!(resolve("true", Style::Plain), Scalar::Bool(true));
        assert_eq!(resolve("true", Style::Quoted), Scalar::Text("true"));
        assert_eq!(resolve("~", Style::Plain), Scalar::Null);
    }
}
