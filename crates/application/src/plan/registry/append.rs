//! Texts that are put before or behind what a value holds, and taken out again.

use model::registry::Data;

use super::Made;
use crate::RegistryRule;
use crate::plan::words::{text_of, texts_of};

/// A list of texts as the registry stores it.
pub fn texts(entries: &[String]) -> Data {
    let units = entries.iter().flat_map(|entry| entry.encode_utf16().chain([0]));
    let bytes = units.chain([0]).flat_map(u16::to_le_bytes).collect();
    Data { kind: Data::TEXTS, bytes }
}

fn is_text(data: &Data) -> bool {
    matches!(data.kind, Data::TEXT | Data::EXPANDED_TEXT)
}

/// What the value holds afterwards, or why it cannot be joined, in words.
pub fn joined(
    rule: RegistryRule,
    there: Option<&Data>,
    ours: &Data,
    record: Option<Made<'_>>,
) -> Result<Data, String> {
    let in_front = rule == RegistryRule::Prepend;
    if !is_text(ours) && ours.kind != Data::TEXTS {
        return Err("is to be joined with what is no text".to_owned());
    }
    let Some(there) = there else { return Ok(ours.clone()) };
    let was_added = record.and_then(|record| record.ours).is_some_and(|was| holds(was, ours));
    if was_added && holds(there, ours) {
        return Ok(there.clone());
    }
    if is_text(there) && is_text(ours) {
        let (there_text, ours) = (text_of(there), text_of(ours));
        let whole =
            if in_front { format!("{ours}{there_text}") } else { format!("{there_text}{ours}") };
        return Ok(Data { kind: there.kind, ..Data::text(&whole) });
    }
    if there.kind != Data::TEXTS {
        return Err(format!("holds no text but data of type {}", there.kind));
    }
    let mut entries = texts_of(there);
    let at = if in_front { 0 } else { entries.len() };
    entries.splice(at..at, entries_of(ours));
    Ok(texts(&entries))
}

fn entries_of(data: &Data) -> Vec<String> {
    match data.kind {
        Data::TEXTS => texts_of(data),
        _ => vec![text_of(data)],
    }
}

/// Whether the text, or each of the entries, stands in it.
pub fn holds(there: &Data, ours: &Data) -> bool {
    match (there.kind, is_text(there)) {
        (Data::TEXTS, _) => {
            let there = texts_of(there);
            entries_of(ours).iter().all(|entry| there.contains(entry))
        }
        // Created by the first text, it has no separator.
        (_, true) if is_text(ours) => text_of(there).contains(&text_of(ours)),
        _ => false,
    }
}

/// Whether one is the other with something before or behind it.
pub fn is_joined(whole: &Data, part: &Data) -> bool {
    if is_text(whole) && is_text(part) {
        let (whole, part) = (text_of(whole), text_of(part));
        return !part.is_empty()
            && whole != part
            && (whole.starts_with(&part) || whole.ends_with(&part));
    }
    let are_lists = [whole, part].iter().all(|data| data.kind == Data::TEXTS);
    are_lists && !whole.says(part) && holds(whole, part)
}

/// What is left of a value that was changed since, once what was added to it is taken out; `None`
/// where nothing can be told apart.
pub fn without(there: &Data, record: Made<'_>) -> Option<Data> {
    let (prior, ours) = (record.prior?, record.ours?);
    if is_text(there) && is_text(prior) && is_text(ours) {
        let (prior, ours, text) = (text_of(prior), text_of(ours), text_of(there));
        let added = ours.strip_prefix(&prior).or_else(|| ours.strip_suffix(&prior))?;
        let at = text.rfind(added).filter(|_| !added.is_empty())?;
        let left = format!("{}{}", &text[..at], &text[at + added.len()..]);
        return Some(Data { kind: there.kind, ..Data::text(&left) });
    }
    if [there, prior, ours].iter().all(|data| data.kind == Data::TEXTS) {
        let (prior, mut entries) = (texts_of(prior), texts_of(there));
        let added: Vec<String> =
            texts_of(ours).into_iter().filter(|entry| !prior.contains(entry)).collect();
        let count = entries.len();
        entries.retain(|entry| !added.contains(entry));
        return (entries.len() < count).then(|| texts(&entries));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> Data {
        texts(&entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn texts_are_joined_as_they_stand() {
        use RegistryRule::{Append, Prepend};
        let text = Data::text;
        for (rule, there, ours, expect) in [
            (Append, None, text(";b"), Some(text(";b"))),
            (Append, Some(text("a")), text(";b"), Some(text("a;b"))),
            (Append, Some(text("a;b")), text(";b"), Some(text("a;b;b"))),
            (Prepend, Some(text("a")), text("b;"), Some(text("b;a"))),
            (Append, Some(list(&["a"])), text("b"), Some(list(&["a", "b"]))),
            (Prepend, Some(list(&["a"])), list(&["b", "c"]), Some(list(&["b", "c", "a"]))),
            (Append, Some(Data::dword(1)), text("b"), None),
            (Append, Some(text("a")), Data::dword(1), None),
        ] {
            assert_eq!(joined(rule, there.as_ref(), &ours, None).ok(), expect);
        }
    }

    #[test]
    fn what_is_on_record_is_not_added_again() {
        let (prior, ours) = (Data::text("a"), Data::text("a;b"));
        let record = Some(Made { prior: Some(&prior), ours: Some(&ours) });
        for (there, expect) in
            [("a;b", "a;b"), ("a;b;c", "a;b;c"), ("a", "a;b"), ("x;b;y", "x;b;y")]
        {
            let joined =
                joined(RegistryRule::Append, Some(&Data::text(there)), &Data::text(";b"), record);
            assert_eq!(joined, Ok(Data::text(expect)));
        }
    }

    #[test]
    fn what_was_added_is_taken_out_of_what_was_changed() {
        let (prior, ours) = (Data::text("a"), Data::text("a;b"));
        let record = Made { prior: Some(&prior), ours: Some(&ours) };
        assert_eq!(without(&Data::text("a;b;c"), record), Some(Data::text("a;c")));
        assert_eq!(without(&Data::text("x"), record), None);
        let (prior, ours) = (list(&["a"]), list(&["a", "b"]));
        let record = Made { prior: Some(&prior), ours: Some(&ours) };
        assert_eq!(without(&list(&["b", "c"]), record), Some(list(&["c"])));
    }
}
