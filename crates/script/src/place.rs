//! Where in a script something happened, from the engine's call stacks.
//!
//! The engine compiles a script as the body of a function that begins one line earlier; stacks come
//! out in the script's own lines, without the frames that are not the script's.

use crate::message::Place;

/// What the engine calls the script's text.
pub(crate) const SCRIPT: &str = "script";
/// What the engine calls our own part.
pub(crate) const OURS: &str = "deskhand";

const HEAD: &str = "(async () => {\n";
const TAIL: &str = "\n})";

/// A script as the engine compiles it.
pub(crate) fn wrapped(code: &str) -> String {
    format!("{HEAD}{code}{TAIL}")
}

/// Whether a stack begins behind the end of the script: something is left open.
pub(crate) fn is_behind(stack: &str, code: &str) -> bool {
    let first = stack.lines().find_map(frame);
    first.is_some_and(|(_, place)| place.line > code.lines().count().max(1) + 1)
}

/// Where it was, and the stack as people read it: `    at f (script:3:24)` lines.
pub(crate) fn told(stack: &str, code: &str) -> (Option<Place>, String) {
    let mut first = None;
    let mut text = String::new();
    for line in stack.lines() {
        let Some((name, place)) = frame(line) else { continue };
        let place = within(place, code);
        first.get_or_insert(place);
        let Place { line, column } = place;
        let name = name.trim();
        if name.is_empty() || name == "<anonymous>" || name == "<eval>" {
            text.push_str(&format!("    at {SCRIPT}:{line}:{column}\n"));
        } else {
            text.push_str(&format!("    at {name} ({SCRIPT}:{line}:{column})\n"));
        }
    }
    (first, text)
}

/// The engine's place in the script's own text; what lies behind its end is its end.
fn within(place: Place, code: &str) -> Place {
    let line = place.line.saturating_sub(1).max(1);
    let lines = code.lines().count().max(1);
    if line > lines || (line == lines && code.is_empty()) {
        let last = code.lines().last().unwrap_or_default();
        return Place { line: lines, column: last.chars().count() + 1 };
    }
    Place { line, ..place }
}

/// The function's name and the place of one line of a stack, if it is in the script.
fn frame(line: &str) -> Option<(&str, Place)> {
    let line = line.trim().strip_prefix("at ")?;
    let (name, place) = match line.strip_suffix(')') {
        Some(inner) => inner.rsplit_once('(')?,
        None => ("", line),
    };
    let (place, column) = place.rsplit_once(':')?;
    let (file, line) = place.rsplit_once(':')?;
    let place = Place { line: line.parse().ok()?, column: column.parse().ok()? };
    (file == SCRIPT).then_some((name, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_told_in_the_scripts_own_lines() {
        let stack = "    at deep (script:3:24)\n    at map (native)\n    at ask (deskhand:9:1)\n    \
                     at <anonymous> (script:9:5)\n    at script:900:5\nnonsense";
        let code = "1\n2\n3\n4\n5\n6\n7\n8";
        let expect = "    at deep (script:2:24)\n    at script:8:5\n    at script:8:2\n".to_owned();
        assert_eq!(told(stack, code), (Some(Place { line: 2, column: 24 }), expect));
        assert_eq!(told("", ""), (None, String::new()));
    }
}
