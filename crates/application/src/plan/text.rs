//! Text files (AP-07): which file, which changes, in which order. What a change does in a file is
//! said by [`crate::text`].
//!
//! The order is that of INI settings. On Windows a file that was changed asks for a restart unless
//! the document says otherwise: the manual means `config.sys` and its kind. On Linux nothing reads
//! a text file only when it starts, so none does.

use model::Digest;

use super::ground::Written;
use super::make::{Act, Planner, Refusal};
use super::settle::Claim;
use super::{Group, ItemPlace, Outcome, TextDone, Thing, ini, place, words};
use crate::encoding::Lines;
use crate::text::{Edit, Edited, Search, edit};
use crate::{Family, Node, ResultAction, SearchType, Text, TextChange, TextEdit, TextFile};

const GROUP: Group = Group::Text;

impl SearchType {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Substring => "substring",
            Self::WholeWord => "whole_word",
            Self::StartOfLine => "start_of_line",
            Self::EndOfLine => "end_of_line",
            Self::EntireLine => "entire_line",
        }
    }
}

impl ResultAction {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::AddLineAfter => "add_line_after",
            Self::AddLineBefore => "add_line_before",
            Self::AddWordAfter => "add_word_after",
            Self::AddWordBefore => "add_word_before",
            Self::DeleteString => "delete_string",
            Self::DeleteWord => "delete_word",
            Self::DeleteLine => "delete_line",
            Self::DeleteAllLinesAfter => "delete_all_lines_after",
            Self::DeleteAllLinesBefore => "delete_all_lines_before",
            Self::ReplaceString => "replace_string",
            Self::ReplaceWord => "replace_word",
            Self::ReplaceLine => "replace_line",
            Self::AppendLine => "append_line",
            Self::PrependLine => "prepend_line",
            Self::AppendToFileIfNotFound => "append_to_file_if_not_found",
            Self::PrependToFileIfNotFound => "prepend_to_file_if_not_found",
        }
    }
}

/// What the record says of a file.
#[derive(Clone, Copy)]
struct Record<'r> {
    done: &'r [TextDone],
    /// The file is as the application left it.
    is_untouched: bool,
}

/// A change with its macros expanded.
struct Expanded<'t> {
    edit: &'t TextEdit,
    find: String,
    text: String,
}

impl Expanded<'_> {
    fn rule(&self) -> &'static str {
        match self.edit {
            TextEdit::Prepend { .. } => "prepend",
            TextEdit::Append { .. } => "append",
            TextEdit::Search { action, .. } => action.word(),
        }
    }

    fn edit(&self) -> Edit<'_> {
        match self.edit {
            TextEdit::Prepend { .. } => Edit::Prepend(&self.text),
            TextEdit::Append { .. } => Edit::Append(&self.text),
            TextEdit::Search { how, case_sensitive, all, action, .. } => Edit::Search(Search {
                find: &self.find,
                how: *how,
                case_sensitive: *case_sensitive,
                all: *all,
                action: *action,
                text: &self.text,
            }),
        }
    }

    /// Told from any other by it.
    fn in_one_line(&self) -> String {
        let text = self.text.escape_debug();
        let TextEdit::Search { how, case_sensitive, all, action, .. } = self.edit else {
            return format!("{} \"{text}\"", self.rule());
        };
        let case = if *case_sensitive { " as it stands" } else { "" };
        let all = if *all { "every" } else { "first" };
        let (how, action) = (how.word(), action.word());
        format!("{all} {how} \"{}\"{case}: {action} \"{text}\"", self.find.escape_debug())
    }
}

impl<'p> Planner<'p> {
    pub fn plan_text(&mut self) {
        for (index, file) in self.wish.application.items.text.iter().enumerate() {
            self.item = Some(index);
            let of_file = self.names_user([&file.path]);
            let of_user = |change: &TextChange| match &change.edit {
                TextEdit::Prepend { text } | TextEdit::Append { text } => self.names_user([text]),
                TextEdit::Search { find, text, .. } => self.names_user([find, text]),
            };
            let changes = file.changes.iter();
            let changes = changes.map(|change| (change.handling, of_file || of_user(change)));
            let places = ini::ordered(self, changes);
            if !places.is_empty()
                && let Err(refusal) = self.plan_text_file(index, file, &places)
            {
                self.refuse(GROUP, (index, None), refusal);
            }
        }
    }

    fn plan_text_file(
        &mut self,
        index: usize,
        file: &TextFile,
        places: &[usize],
    ) -> Result<(), Refusal> {
        let path = self.text_path(&file.path)?;
        let there = self.ground.read(&path)?;
        let bytes = there.as_deref().unwrap_or_default();
        let mut lines = Lines::parse(bytes, self.given().convention);
        let record = self.recorded_text(&path);
        let is_untouched = match record {
            Some((_, ours)) if there.is_some() => self.ground.digest(&path)? == ours,
            _ => false,
        };
        let record = record.map_or(&[][..], |(done, _)| done);
        let record = Record { done: record, is_untouched };
        let (mut acts, mut done) = (Vec::new(), Vec::new());
        for place in places {
            let (at, change) = ((index, Some(*place)), &file.changes[*place]);
            match self.plan_change(&path, change, &mut lines, record) {
                Ok((act, made)) => {
                    acts.push((at, act));
                    tell(&mut done, made);
                }
                Err(refusal) => self.refuse(GROUP, at, refusal),
            }
        }
        let bytes = lines.to_bytes();
        let mut changes = Vec::new();
        if there.as_deref().unwrap_or_default() != bytes {
            let written = self.ground.write(&path, Written::bytes(bytes))?;
            self.claim_folders(GROUP, written.folders);
            changes = written.changes;
            if self.ground.family == Family::Windows && !file.no_reboot_if_modified {
                self.reboot.push(format!("`{path}` is changed"));
            }
        }
        self.claim(GROUP, Claim::Text { path, done });
        for (at, act) in acts {
            self.put_text_act(at, act, &changes);
        }
        Ok(())
    }

    fn put_text_act(&mut self, at: ItemPlace, mut act: Act, changes: &[usize]) {
        if matches!(act.outcome, Outcome::Changed { .. }) {
            act.changes = changes.to_vec();
        }
        self.put(GROUP, at, act);
    }

    /// A bare name is looked for along PATH, else stands in PATH's first folder.
    fn text_path(&self, path: &Text) -> Result<String, Refusal> {
        let path = self.expand(path)?;
        if path.contains(['/', '\\']) {
            return Ok(self.target_of(&path)?.path);
        }
        let family = self.ground.family;
        let list = self.ground.survey.environment("PATH").unwrap_or_default();
        let between = if family == Family::Windows { ';' } else { ':' };
        let folders = list.split(between).map(|folder| folder.trim_matches('"'));
        let folders: Vec<String> = folders
            .filter_map(|folder| place::target(family, folder).ok())
            .map(|folder| place::join(family, &folder.path, &path))
            .collect();
        for candidate in &folders {
            if let Some(Node::File(_)) = self.ground.node(candidate)? {
                return Ok(candidate.clone());
            }
        }
        let Some(first) = folders.first() else {
            let message = format!("`{path}` has no folder, and this machine's PATH names none");
            return Err(Refusal::new("DH-P002", message));
        };
        Ok(self.target_of(first)?.path)
    }

    fn plan_change(
        &self,
        path: &str,
        change: &TextChange,
        lines: &mut Lines,
        record: Record<'_>,
    ) -> Result<(Act, TextDone), Refusal> {
        let (find, text) = match &change.edit {
            TextEdit::Prepend { text } | TextEdit::Append { text } => {
                (String::new(), self.expand(text)?)
            }
            TextEdit::Search { find, text, .. } => (self.expand(find)?, self.expand(text)?),
        };
        let change = Expanded { edit: &change.edit, find, text };
        let told = change.in_one_line();
        let act = |outcome| Act {
            target: format!("{path}: {told}"),
            rule: change.rule(),
            outcome,
            changes: Vec::new(),
        };
        if let Some(done) = record.done.iter().find(|done| done.edit == told)
            && (record.is_untouched || stands(&done.added, lines))
        {
            return Ok((act(Outcome::InPlace), done.clone()));
        }
        let edited = edit(lines, change.edit())
            .map_err(|why| Refusal::new("DH-P010", format!("`{path}`: {why}")))?;
        let added = edited.added().map(str::to_owned).collect();
        Ok((act(outcome(&edited)), TextDone { edit: told.clone(), added }))
    }

    fn recorded_text(&self, path: &str) -> Option<(&'p [TextDone], Digest)> {
        match self.recorded_path(path)? {
            Thing::Text { done, ours, .. } => Some((done.as_slice(), *ours)),
            _ => None,
        }
    }
}

/// Whether all that a change added is there.
fn stands(added: &[String], lines: &Lines) -> bool {
    !added.is_empty() && added.iter().all(|line| lines.iter().any(|there| there == line))
}

/// Changes that are the same are told once.
fn tell(done: &mut Vec<TextDone>, made: TextDone) {
    match done.iter_mut().find(|done| done.edit == made.edit) {
        Some(done) if done.added.is_empty() => done.added = made.added,
        Some(_) => {}
        None => done.push(made),
    }
}

/// The first line that becomes another one, and how many do.
fn outcome(edited: &Edited) -> Outcome {
    let Some(first) = edited.changes.first() else { return Outcome::InPlace };
    let more = match edited.changes.len() - 1 {
        0 => String::new(),
        1 => " and 1 change more".to_owned(),
        more => format!(" and {more} changes more"),
    };
    let before = first.before.as_deref().map_or(words::ABSENT.to_owned(), words::quoted);
    let after: Vec<String> = first.after.iter().map(|line| words::quoted(line)).collect();
    let after = if after.is_empty() { words::ABSENT.to_owned() } else { after.join(", ") };
    Outcome::Changed { before: format!("line {}: {before}", first.number), after: after + &more }
}
