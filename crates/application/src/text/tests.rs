//! Every search type with every action, and what undo leaves.

use proptest::prelude::*;

use super::*;
use crate::encoding::Convention;

const HOW: [(&str, SearchType); 5] = [
    ("substring", SearchType::Substring),
    ("whole_word", SearchType::WholeWord),
    ("start_of_line", SearchType::StartOfLine),
    ("end_of_line", SearchType::EndOfLine),
    ("entire_line", SearchType::EntireLine),
];

const ACTIONS: [(&str, ResultAction); 16] = [
    ("add_line_after", ResultAction::AddLineAfter),
    ("add_line_before", ResultAction::AddLineBefore),
    ("add_word_after", ResultAction::AddWordAfter),
    ("add_word_before", ResultAction::AddWordBefore),
    ("delete_string", ResultAction::DeleteString),
    ("delete_word", ResultAction::DeleteWord),
    ("delete_line", ResultAction::DeleteLine),
    ("delete_all_lines_after", ResultAction::DeleteAllLinesAfter),
    ("delete_all_lines_before", ResultAction::DeleteAllLinesBefore),
    ("replace_string", ResultAction::ReplaceString),
    ("replace_word", ResultAction::ReplaceWord),
    ("replace_line", ResultAction::ReplaceLine),
    ("append_line", ResultAction::AppendLine),
    ("prepend_line", ResultAction::PrependLine),
    ("append_to_file_if_not_found", ResultAction::AppendToFileIfNotFound),
    ("prepend_to_file_if_not_found", ResultAction::PrependToFileIfNotFound),
];

const SAMPLE: &str = "set xpaths=1 path\npath\npaths end\nmy path\n";

fn lines(text: &str) -> Lines {
    Lines::parse(text.as_bytes(), Convention::LINUX)
}

fn text(lines: &Lines) -> String {
    String::from_utf8(lines.to_bytes()).unwrap()
}

fn search<'a>(find: &'a str, how: SearchType, action: ResultAction, text: &'a str) -> Search<'a> {
    Search { find, how, case_sensitive: true, all: true, action, text }
}

/// `tests/text.txt` shows what each does to the sample, for all that is found and for the first.
#[test]
fn every_action_means_something_for_every_search_type() {
    let mut shown = format!("{}\n", SAMPLE.trim_end().replace('\n', "|"));
    for (how_word, how) in HOW {
        for (action_word, action) in ACTIONS {
            for (count, all) in [("first", false), ("all", true)] {
                let mut file = lines(SAMPLE);
                let search = Search { all, ..search("path", how, action, "NEW") };
                edit(&mut file, Edit::Search(search)).unwrap();
                let after = text(&file).trim_end().replace('\n', "|");
                shown += &format!("{how_word} {action_word} {count}: {after}\n");
            }
        }
    }
    let expect = include_str!("../../tests/text.txt");
    assert!(shown == expect, "tests/text.txt should be:\n{shown}");
}

/// A user's file may be of whatever they like.
#[test]
fn large_files_are_edited_in_one_go() {
    use ResultAction::*;
    let text: String = (0..400_000).map(|n| if n % 2 == 0 { "x\n" } else { "y\n" }).collect();
    for (action, count) in [
        (DeleteLine, 200_000),
        (AddLineAfter, 600_000),
        (AddLineBefore, 600_000),
        (DeleteAllLinesBefore, 2),
        (ReplaceLine, 600_000),
    ] {
        let mut lines = lines(&text);
        let with = if action == ReplaceLine { "1\n2" } else { "z" };
        let search = search("x", SearchType::EntireLine, action, with);
        let began = std::time::Instant::now();
        edit(&mut lines, Edit::Search(search)).unwrap();
        assert_eq!(lines.len(), count, "{action:?}");
        assert!(began.elapsed().as_secs() < 20, "{action:?} took {:?}", began.elapsed());
    }
}

#[test]
fn changes_are_made_where_they_are_meant() {
    use ResultAction::*;
    use SearchType::*;
    for (before, find, how, action, with, after) in [
        ("a.b a", "a", WholeWord, ReplaceString, "x", "x.b x"),
        ("banana", "an", Substring, ReplaceString, "", "ba"),
        ("banana x", "an", Substring, DeleteWord, "", "x"),
        ("x banana", "an", Substring, DeleteWord, "", "x"),
        ("C++ C++1", "C++", WholeWord, AddWordBefore, "new", "new C++ C++1"),
        ("a\n\nb\n", "", EntireLine, DeleteLine, "", "a\nb\n"),
        ("a\n\nb\n", "", EntireLine, AddWordAfter, "x", "a\nx\nb\n"),
        ("a\nb", "", StartOfLine, AddWordBefore, "#", "# a\n# b"),
        ("a\nb", "", EndOfLine, ReplaceString, ";", "a;\nb;"),
        ("x=1", "x", WholeWord, ReplaceLine, "a\nb\n", "a\nb"),
        ("a b c", "b", WholeWord, ReplaceString, "1\n2", "a 1\n2 c"),
        ("PATH=/bin", "PATH=", StartOfLine, ReplaceString, "PATH=/opt:", "PATH=/opt:/bin"),
        ("abcd", "bc", Substring, ReplaceString, "xbc", "axbcd"),
        ("foo\nfoo", "foo", Substring, AddLineAfter, "foo2", "foo\nfoo2\nfoo\nfoo2"),
        ("foo\nfoo", "foo", Substring, AddLineBefore, "foo2", "foo2\nfoo\nfoo2\nfoo"),
        ("é_1 é", "é", WholeWord, ReplaceString, "e", "é_1 e"),
    ] {
        let mut file = lines(before);
        let change = Edit::Search(search(find, how, action, with));
        edit(&mut file, change).unwrap();
        assert_eq!(text(&file), after, "{before:?} {find:?}");
        let again = edit(&mut file, change).unwrap();
        assert_eq!(again, Edited::default(), "{before:?} {find:?}");
    }
}

#[test]
fn case_counts_when_it_should() {
    for (case_sensitive, expect) in [(true, "Straße STRASSE x x"), (false, "Straße STRASSE x x")]
    {
        let mut file = lines("Straße STRASSE İx x");
        let find = if case_sensitive { "İx" } else { "İX" };
        let action = ResultAction::ReplaceString;
        let search = search(find, SearchType::Substring, action, "x");
        edit(&mut file, Edit::Search(Search { case_sensitive, ..search })).unwrap();
        assert_eq!(text(&file), expect);
    }
    let mut file = lines("Path PATH path");
    let search = search("path", SearchType::Substring, ResultAction::ReplaceString, "x");
    edit(&mut file, Edit::Search(Search { case_sensitive: false, ..search })).unwrap();
    assert_eq!(text(&file), "x x x");
}

#[test]
fn lines_go_to_the_ends_of_the_file_once() {
    for (before, change, after) in [
        ("a\n", Edit::Append("b"), "a\nb\n"),
        ("a", Edit::Append("b\nc\n"), "a\nb\nc"),
        ("", Edit::Append("b"), "b\n"),
        ("a\r\n", Edit::Prepend("b\nc"), "b\r\nc\r\na\r\n"),
        ("a\n", Edit::Append(""), "a\n\n"),
        ("b\na\n", Edit::Prepend("b"), "b\na\n"),
    ] {
        let mut file = lines(before);
        let edited = edit(&mut file, change).unwrap();
        assert_eq!(text(&file), after, "{before:?}");
        assert!(!edit(&mut file, change).unwrap().is_changed());
        let added: Vec<String> = edited.added().map(str::to_owned).collect();
        assert!(remove_added(&mut file, &added).is_empty());
        assert_eq!(text(&file), before, "{before:?}");
    }
}

#[test]
fn changes_are_told_line_by_line() {
    let mut file = lines("a\nb\na\n");
    let action = ResultAction::AddLineAfter;
    let edited =
        edit(&mut file, Edit::Search(search("a", SearchType::EntireLine, action, "n"))).unwrap();
    let numbers: Vec<usize> = edited.changes.iter().map(|change| change.number).collect();
    assert_eq!((numbers, edited.added().count()), (vec![2, 4], 2));
    let action = ResultAction::ReplaceLine;
    let edited =
        edit(&mut file, Edit::Search(search("b", SearchType::EntireLine, action, "x"))).unwrap();
    let change =
        LineChange { number: 3, before: Some("b".to_owned()), after: vec!["x".to_owned()] };
    assert_eq!(edited.changes, [change]);
    assert_eq!(edited.added().count(), 0);
}

#[test]
fn lines_that_were_added_are_taken_away_wherever_they_stand() {
    let mut file = lines("one\nmine\ntwo\nother\n");
    let added = ["other", "mine", "gone"].map(str::to_owned);
    assert_eq!(remove_added(&mut file, &added), ["gone"]);
    assert_eq!(text(&file), "one\ntwo\n");
}

#[test]
fn what_cannot_be_made_is_refused() {
    let action = ResultAction::ReplaceString;
    for (change, expect) in [
        (Edit::Search(search("", SearchType::Substring, action, "")), "nothing is given"),
        (Edit::Search(search("a\nb", SearchType::Substring, action, "")), "within lines"),
        (Edit::Search(search("a", SearchType::Substring, action, "ж")), "cannot be written"),
        (Edit::Append("ж"), "cannot be written"),
    ] {
        let mut file = Lines::parse(b"a", Convention::of(crate::Family::Windows));
        assert!(edit(&mut file, change).unwrap_err().to_string().contains(expect), "{expect}");
        assert_eq!(file.to_bytes(), b"a");
    }
}

proptest! {
    #[test]
    fn nothing_found_changes_no_byte(
        bytes in proptest::collection::vec(any::<u8>(), 0..60),
        how in prop::sample::select(HOW.to_vec()),
        action in prop::sample::select(ACTIONS[..14].to_vec()),
    ) {
        let mut file = Lines::parse(&bytes, Convention::LINUX);
        let change = Edit::Search(search("not in there", how.1, action.1, "x"));
        prop_assert!(!edit(&mut file, change).unwrap().is_changed());
        prop_assert_eq!(file.to_bytes(), bytes);
    }

    #[test]
    fn whatever_is_done_is_told(
        before in "([abA _]{0,6}\n){0,5}[ab]{0,2}",
        find in "[abA]{1,2}",
        how in prop::sample::select(HOW.to_vec()),
        action in prop::sample::select(ACTIONS.to_vec()),
        with in "[ab]{0,2}\n?[ab ]?",
        (all, case_sensitive) in any::<(bool, bool)>(),
    ) {
        let mut file = lines(&before);
        let search = Search { all, case_sensitive, ..search(&find, how.1, action.1, &with) };
        let edited = edit(&mut file, Edit::Search(search)).unwrap();
        prop_assert_eq!(edited.is_changed(), file != lines(&before));
        let mut told: Vec<String> = lines(&before).iter().map(str::to_owned).collect();
        for change in edited.changes.iter().rev() {
            let at = change.number - 1;
            prop_assert!(change.before.is_none() || change.before.as_ref() == told.get(at));
            let end = at + usize::from(change.before.is_some());
            told.splice(at..end, change.after.iter().cloned());
        }
        prop_assert_eq!(told, file.iter().map(str::to_owned).collect::<Vec<_>>());
    }
}
