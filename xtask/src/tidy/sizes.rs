//! Sizes, as a ratchet: what is over stands in a checked-in list with its size, and that list only
//! shrinks.
//!
//! A line of the list is `file PATH LINES`, `function PATH NAME LINES` or `columns PATH COUNT`.
//! Lines count where code stands; a function counts from its name to its last brace.

use std::collections::BTreeMap;

use super::Offence;
use super::source::{Source, matching, words};

const RULE: &str = "sizes";
const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;

/// What is over, as it would stand in the list: key, then size and place.
type Over = BTreeMap<String, (usize, String, usize)>;

pub fn check(list_path: &str, list: &str, sources: &[Source]) -> Vec<Offence> {
    let over = over(sources);
    let allowed = entries(list);
    let offence = |path: &str, line: usize, what: String| Offence {
        path: path.to_owned(),
        line,
        rule: RULE,
        what,
    };
    let new = over.iter().filter_map(|(key, (size, path, line))| {
        let what = match allowed.get(key.as_str()) {
            None => format!("`{key}` is {size}, allowed are {}", limit(key)),
            Some((allowed, _)) if size > allowed => {
                format!("`{key}` has grown from {allowed} to {size}")
            }
            Some(_) => return None,
        };
        Some(offence(path, *line, what))
    });
    let stale = allowed.iter().filter_map(|(key, (allowed, line))| match over.get(*key) {
        None => Some(offence(
            list_path,
            *line,
            format!("`{key}` is no longer needed (--bless takes it off)"),
        )),
        Some((size, ..)) if size < allowed => Some(offence(
            list_path,
            *line,
            format!("`{key}` has shrunk to {size} (--bless takes it down)"),
        )),
        Some(_) => None,
    });
    new.chain(stale).collect()
}

/// The list without what is no longer needed and with what has shrunk. Nothing is added.
pub fn shrink(list: &str, sources: &[Source]) -> String {
    let over = over(sources);
    let kept = list.lines().filter_map(|line| match entry(line) {
        None => Some(line.to_owned()),
        Some((key, allowed)) => {
            over.get(key).map(|(size, ..)| format!("{key} {}", allowed.min(*size)))
        }
    });
    kept.map(|line| line + "\n").collect()
}

fn limit(key: &str) -> usize {
    match key.split(' ').next() {
        Some("file") => FILE_LINES_MAX,
        Some("function") => FUNCTION_LINES_MAX,
        _ => 0,
    }
}

fn entries(list: &str) -> BTreeMap<&str, (usize, usize)> {
    let lines = list.lines().enumerate();
    lines
        .filter_map(|(index, line)| entry(line).map(|(key, size)| (key, (size, index + 1))))
        .collect()
}

fn entry(line: &str) -> Option<(&str, usize)> {
    let (key, size) = line.trim().rsplit_once(' ')?;
    Some((key, size.parse().ok()?)).filter(|_| !line.starts_with('#'))
}

fn over(sources: &[Source]) -> Over {
    let mut over = Over::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let mut add = |kind: &str, name: &str, size: usize, line: usize| {
            let key = format!("{kind} {}{name}", source.path);
            let place = over.entry(key).or_insert((0, source.path.clone(), line));
            place.0 = place.0.max(size);
        };
        let lines = lines_of_code(&source.code);
        if lines > FILE_LINES_MAX {
            add("file", "", lines, 1);
        }
        for (name, at, lines) in functions(source) {
            if lines > FUNCTION_LINES_MAX {
                add("function", &format!(" {name}"), lines, source.line_of(at));
            }
        }
        let wide: Vec<_> = source
            .text
            .lines()
            .zip(source.code.lines())
            .enumerate()
            .filter(|(_, (text, code))| is_wide(text, code))
            .collect();
        if let Some((first, _)) = wide.first() {
            add("columns", "", wide.len(), first + 1);
        }
    }
    over
}

/// Too wide as code or as a comment; a line within a quoted text is data.
fn is_wide(text: &str, code: &str) -> bool {
    let is_comment = text.trim_start().starts_with("//");
    let shown = if is_comment { text } else { code.trim_end() };
    shown.chars().count() > COLUMNS_MAX
}

fn lines_of_code(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

/// Name, place and length of every function with a body.
fn functions(source: &Source) -> Vec<(&str, usize, usize)> {
    let code = &source.code;
    words(code, "fn")
        .filter_map(|at| {
            let rest = code[at + 2..].strip_prefix(' ')?;
            let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
            let open = at + body(&code[at..])?;
            (!name.is_empty()).then(|| (name, at, lines_of_code(&code[at..matching(code, open)])))
        })
        .collect()
}

/// Where the body opens: at the first brace outside of brackets; a semicolon there means that there
/// is none.
fn body(signature: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in signature.bytes().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}
