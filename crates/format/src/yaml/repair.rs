//! Templates without quotes that break the syntax: found, and put in quotes for another reading, so
//! that what is wrong behind them is told as well.

use saphyr_parser::Marker;

use crate::problem::{Place, lines};

/// Unquoted templates that break the syntax and are told apart in one reading.
const REPAIRS_MAX: usize = 20;

/// Templates that were put in quotes so that reading can go on behind them.
#[derive(Default)]
pub(super) struct Repairs {
    made: Vec<Repair>,
}

struct Repair {
    /// Where the template begins, after the repairs before this one.
    place: Place,
    /// Characters that were added to its line.
    added: usize,
}

impl Repairs {
    /// The text with one more template in quotes, when there is one without at or just above the
    /// line in which reading stopped.
    pub(super) fn try_again(&mut self, source: &str, line: usize) -> Option<String> {
        if self.made.len() == REPAIRS_MAX {
            return None;
        }
        let (repair, repaired) = quoted(source, line)?;
        self.made.push(repair);
        Some(repaired)
    }

    /// A place in the repaired text as one in the text that was written.
    pub(super) fn place_of(&self, marker: Marker) -> Place {
        let place = Place { line: marker.line().max(1), column: marker.col() + 1 };
        Self::undo(&self.made, place)
    }

    pub(super) fn places(&self) -> Vec<Place> {
        let before = |index: usize| &self.made[..index];
        let each = self.made.iter().enumerate();
        each.map(|(index, repair)| Self::undo(before(index), repair.place)).collect()
    }

    fn undo(made: &[Repair], mut place: Place) -> Place {
        for repair in made.iter().rev() {
            if repair.place.line == place.line && repair.place.column < place.column {
                place.column = repair.place.column.max(place.column.saturating_sub(repair.added));
            }
        }
        place
    }
}

/// The repair of a template without quotes at or just above `line`, and the repaired text.
fn quoted(source: &str, line: usize) -> Option<(Repair, String)> {
    let all = lines(source);
    let (number, found) = (line.saturating_sub(2)..=line)
        .rev()
        .filter(|number| (1..=all.len()).contains(number))
        .find_map(|number| unquoted_in(all[number - 1]).map(|found| (number, found)))?;
    let Unquoted { at, is_in_flow } = found;
    let text = all[number - 1];
    let length = value_length(&text[at..], is_in_flow);
    let value = text[at..at + length].trim_end();
    let begin = text.as_ptr() as usize - source.as_ptr() as usize + at;
    let replaced = value.replace('\'', "''");
    let (head, tail) = (&source[..begin], &source[begin + value.len()..]);
    let place = Place { line: number, column: text[..at].chars().count() + 1 };
    let added = 2 + replaced.len() - value.len();
    Some((Repair { place, added }, format!("{head}'{replaced}'{tail}")))
}

/// A plain value with a template in it, where YAML stumbles over it.
#[derive(Debug, PartialEq, Eq)]
struct Unquoted {
    at: usize,
    /// Within `[ ]` or `{ }`.
    is_in_flow: bool,
}

/// The first value of a line that begins with `{{` or `{%`, or has one within brackets.
fn unquoted_in(line: &str) -> Option<Unquoted> {
    let mut quote = None;
    let mut depth = 0usize;
    let mut begin = None;
    let mut before = ' ';
    let mut skip_to = 0;
    for (at, letter) in line.char_indices() {
        if at < skip_to {
            continue;
        }
        let rest = &line[at..];
        let is_blank_next = rest.chars().nth(1).is_none_or(char::is_whitespace);
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if begin.is_none() => {
                quote = Some(letter);
                begin = Some(at);
            }
            (None, '#') if before.is_whitespace() => return None,
            (None, '{') if rest.starts_with("{{") || rest.starts_with("{%") => {
                if begin.is_none() || depth > 0 {
                    return Some(Unquoted { at: begin.unwrap_or(at), is_in_flow: depth > 0 });
                }
                skip_to = at + rest.find("}}").or_else(|| rest.find("%}"))? + 2;
            }
            (None, '[' | '{') if begin.is_none() || depth > 0 => {
                depth += 1;
                begin = None;
            }
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth > 0 => begin = None,
            (None, ':') if is_blank_next => begin = None,
            (None, '-') if begin.is_none() && is_blank_next => {}
            (None, _) if letter.is_whitespace() => {}
            (None, _) => begin = begin.or(Some(at)),
        }
        before = letter;
    }
    None
}

/// The length of a value with templates in it: to the end of the line, a comment, or what ends it
/// within brackets.
fn value_length(text: &str, is_in_flow: bool) -> usize {
    let mut at = 0;
    loop {
        let rest = &text[at..];
        if rest.starts_with("{{") || rest.starts_with("{%") {
            let mark = if rest.starts_with("{{") { "}}" } else { "%}" };
            match rest.find(mark) {
                Some(end) => at += end + mark.len(),
                None => return text.len(),
            }
            continue;
        }
        match rest.chars().next() {
            None => return at,
            Some(',' | ']' | '}') if is_in_flow => return at,
            Some(_) if rest.starts_with(" #") => return at,
            Some(letter) => at += letter.len_utf8(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unquoted_templates_are_found_where_yaml_stumbles() {
        for (line, found) in [
            ("to: {{ a }}/b", Some((4, false))),
            ("  - {{ a }}", Some((4, false))),
            ("{ x: {% if a %}b{% endif %} }", Some((5, true))),
            ("x: { c: echo {{ a }}, d: e }", Some((8, true))),
            ("x: [it's, \"{{ a }}\", b{{ c }}]", Some((21, true))),
            ("to: \"{{ a }}\"", None),
            ("run: echo {{ a }}", None),
            ("# to: {{ a }}", None),
        ] {
            let found = found.map(|(at, is_in_flow)| Unquoted { at, is_in_flow });
            assert_eq!(unquoted_in(line), found, "{line}");
        }
        assert_eq!(value_length("{{ a }}/b, c", true), 9);
        assert_eq!(value_length("{{ a }}/b, c # d", false), 12);
        assert_eq!(value_length("{{ a", true), 4);
    }
}
