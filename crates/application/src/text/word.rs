//! Strings and words of one line.

use std::ops::Range;

use super::find::is_word;
use crate::ResultAction;

/// The line after the action at all that was found in it.
pub(super) fn edited(
    line: &str,
    strings: &[Range<usize>],
    action: ResultAction,
    text: &str,
) -> String {
    let mut places = strings.to_vec();
    if !matches!(action, ResultAction::DeleteString | ResultAction::ReplaceString) {
        places = places.into_iter().map(|string| word(line, string)).collect();
        places.dedup_by(|later, first| {
            let is_over = later.start < first.end || later == first;
            if is_over {
                first.end = first.end.max(later.end);
            }
            is_over
        });
    }
    let mut edited = line.to_owned();
    for place in places.into_iter().rev() {
        let (before, after) = (&line[..place.start], &line[place.end..]);
        if place.is_empty() && is_beside(before, after, text) {
            continue;
        }
        match action {
            ResultAction::AddWordAfter if !begins_with_word(after, text) => {
                edited.insert_str(place.end, &format!("{}{text}", blank(line)));
            }
            ResultAction::AddWordBefore if !ends_with_word(before, text) => {
                edited.insert_str(place.start, &format!("{text}{}", blank(line)));
            }
            ResultAction::DeleteString => edited.replace_range(place, ""),
            ResultAction::DeleteWord => edited.replace_range(with_blank(&edited, place), ""),
            ResultAction::ReplaceString | ResultAction::ReplaceWord
                if !is_replaced(line, &place, text) =>
            {
                edited.replace_range(place, text);
            }
            _ => {}
        }
    }
    edited
}

/// The string and what of words it cuts.
fn word(line: &str, string: Range<usize>) -> Range<usize> {
    let (before, after) = (&line[..string.start], &line[string.end..]);
    let inside = &line[string.clone()];
    let mut word = string;
    if inside.starts_with(is_word) {
        word.start = before.trim_end_matches(is_word).len();
    }
    if inside.ends_with(is_word) {
        word.end = line.len() - after.trim_start_matches(is_word).len();
    }
    word
}

/// Between a word that is added and the other; an empty line needs none.
fn blank(line: &str) -> &'static str {
    if line.is_empty() { "" } else { " " }
}

/// Of nothing, which is found at the start or the end of a line: whether the text stands there.
fn is_beside(before: &str, after: &str, text: &str) -> bool {
    if before.is_empty() { after.starts_with(text) } else { before.ends_with(text) }
}

fn begins_with_word(after: &str, text: &str) -> bool {
    let rest = after.strip_prefix(' ').and_then(|after| after.strip_prefix(text));
    rest.is_some_and(|rest| !(text.ends_with(is_word) && rest.starts_with(is_word)))
}

fn ends_with_word(before: &str, text: &str) -> bool {
    let rest = before.strip_suffix(' ').and_then(|before| before.strip_suffix(text));
    rest.is_some_and(|rest| !(text.starts_with(is_word) && rest.ends_with(is_word)))
}

fn with_blank(line: &str, word: Range<usize>) -> Range<usize> {
    let is_blank = |c| matches!(c, ' ' | '\t');
    if line[word.end..].starts_with(is_blank) {
        word.start..word.end + 1
    } else if line[..word.start].ends_with(is_blank) {
        word.start - 1..word.end
    } else {
        word
    }
}

/// Whether what was found stands in the text that would replace it.
fn is_replaced(line: &str, place: &Range<usize>, text: &str) -> bool {
    let found = &line[place.clone()];
    let begins = |offset: usize| {
        let begin = place.start.checked_sub(offset);
        begin.and_then(|begin| line.get(begin..)).is_some_and(|rest| rest.starts_with(text))
    };
    text.match_indices(found).any(|(offset, _)| begins(offset))
}
