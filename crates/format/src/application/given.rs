//! A YAML tree held against the table: what was written, by the names and in the shapes that the
//! table knows. What does not fit is told and left out.

use std::collections::BTreeMap;

use application::Text;
use model::{ApplicationId, Span};

use super::code as own;
use super::table::{Preset, Record, Shape, Union};
use crate::code;
use crate::problem::{Place, Problems, shown};
use crate::yaml::{Entry, Node, Scalar, Value as Yaml, whole_number};

pub(super) struct Given {
    pub(super) place: Place,
    pub(super) value: Value,
}

pub(super) enum Value {
    Text(String),
    Switch(bool),
    Count(u64),
    Span(Span),
    Word(&'static str),
    Id(ApplicationId),
    List(Vec<Given>),
    Named(Vec<(String, Given)>),
    Record(Fields),
}

/// What was written of a record. Each field is taken once.
pub(super) struct Fields {
    pub(super) record: &'static Record,
    pub(super) place: Place,
    /// Something necessary is missing or wrong, which is told: no sense can be made of the rest.
    pub(super) is_broken: bool,
    given: BTreeMap<&'static str, Given>,
}

impl Fields {
    pub(super) fn take(&mut self, name: &str) -> Option<Given> {
        debug_assert!(self.record.field(name).is_some(), "no field `{name}`");
        self.given.remove(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        debug_assert!(self.record.field(name).is_some(), "no field `{name}`");
        self.given.contains_key(name)
    }

    /// The place of a field, else of the record.
    pub(super) fn place_of(&self, name: &str) -> Place {
        self.given.get(name).map_or(self.place, |given| given.place)
    }

    pub(super) fn plain(&mut self, name: &str) -> Option<String> {
        match self.take(name)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A text that may hold macros.
    pub(super) fn text(&mut self, name: &str) -> Option<Text> {
        self.plain(name).map(Text::new)
    }

    /// A necessary text; a record that lacks it is broken.
    pub(super) fn needed(&mut self, name: &str) -> Text {
        self.text(name).unwrap_or_default()
    }

    pub(super) fn texts(&mut self, name: &str) -> Vec<Text> {
        self.plains(name).into_iter().map(Text::new).collect()
    }

    pub(super) fn plains(&mut self, name: &str) -> Vec<String> {
        let text = |given: Given| match given.value {
            Value::Text(text) => Some(text),
            _ => None,
        };
        self.list(name).into_iter().filter_map(text).collect()
    }

    pub(super) fn switch(&mut self, name: &str) -> bool {
        self.optional_switch(name).unwrap_or_else(|| {
            let preset = self.record.field(name).map(|field| field.preset);
            preset == Some(Preset::Switch(true))
        })
    }

    pub(super) fn optional_switch(&mut self, name: &str) -> Option<bool> {
        match self.take(name)?.value {
            Value::Switch(value) => Some(value),
            _ => None,
        }
    }

    pub(super) fn optional_count(&mut self, name: &str) -> Option<u64> {
        match self.take(name)?.value {
            Value::Count(count) => Some(count),
            _ => None,
        }
    }

    pub(super) fn count(&mut self, name: &str) -> u64 {
        self.optional_count(name).unwrap_or_else(|| {
            match self.record.field(name).map(|field| field.preset) {
                Some(Preset::Count(count)) => count.into(),
                _ => 0,
            }
        })
    }

    /// The word that was chosen, else the preset; empty when there is none.
    pub(super) fn word(&mut self, name: &str) -> &'static str {
        let preset = match self.record.field(name).map(|field| field.preset) {
            Some(Preset::Word(word)) => word,
            _ => "",
        };
        match self.take(name).map(|given| given.value) {
            Some(Value::Word(word)) => word,
            _ => preset,
        }
    }

    pub(super) fn span(&mut self, name: &str) -> Option<(Span, Place)> {
        let Given { place, value } = self.take(name)?;
        match value {
            Value::Span(span) => Some((span, place)),
            _ => None,
        }
    }

    pub(super) fn id(&mut self, name: &str) -> Option<(ApplicationId, Place)> {
        let Given { place, value } = self.take(name)?;
        match value {
            Value::Id(id) => Some((id, place)),
            _ => None,
        }
    }

    pub(super) fn list(&mut self, name: &str) -> Vec<Given> {
        match self.take(name).map(|given| given.value) {
            Some(Value::List(items)) => items,
            _ => Vec::new(),
        }
    }

    /// The records of a list that are whole.
    pub(super) fn records(&mut self, name: &str) -> Vec<Self> {
        let records = self.list(name).into_iter().filter_map(Given::into_record);
        records.filter(|fields| !fields.is_broken).collect()
    }

    /// A record that is whole.
    pub(super) fn record(&mut self, name: &str) -> Option<Self> {
        self.take(name)?.into_record().filter(|fields| !fields.is_broken)
    }

    pub(super) fn named(&mut self, name: &str) -> Vec<(String, Given)> {
        match self.take(name).map(|given| given.value) {
            Some(Value::Named(entries)) => entries,
            _ => Vec::new(),
        }
    }
}

impl Given {
    pub(super) fn into_record(self) -> Option<Fields> {
        match self.value {
            Value::Record(fields) => Some(fields),
            _ => None,
        }
    }
}

/// Reads what the table says; tells everything else.
pub(super) struct Reader<'p, 's> {
    pub(super) problems: &'p mut Problems<'s>,
    /// All texts that may hold macros, with their places.
    pub(super) texts: Vec<(String, Place)>,
}

impl Reader<'_, '_> {
    pub(super) fn record(&mut self, node: Node, record: &'static Record) -> Option<Fields> {
        let place = node.place;
        let entries = self.entries(node, record.article)?;
        Some(self.fields(entries, place, record))
    }

    fn entries(&mut self, node: Node, whose: &str) -> Option<Vec<Entry>> {
        let found = node.in_words();
        let (place, is_broken) = (node.place, node.is_broken());
        if let Yaml::Map(entries) = node.value {
            return Some(entries);
        }
        if !is_broken {
            let what = format!("{whose} is a mapping, found {found}");
            let hint = "write `name: value` lines below it, indented, or `{ name: value }`";
            self.problems.error(code::WRONG_TYPE, place, what, hint);
        }
        None
    }

    fn fields(&mut self, entries: Vec<Entry>, place: Place, record: &'static Record) -> Fields {
        let mut fields = Fields { record, place, is_broken: false, given: BTreeMap::new() };
        // What is written, if only nearly; it is not missing as well.
        let mut written = Vec::new();
        for entry in entries {
            let Some(field) = record.field(&entry.key) else {
                written.extend(self.unknown(&entry, record));
                fields.is_broken = true;
                continue;
            };
            written.push(field.name);
            let may_be_empty =
                field.preset != Preset::Required && !record.one_of.contains(&field.name);
            if may_be_empty && entry.value.scalar() == Some(Scalar::Null) {
                continue;
            }
            match self.value(entry.value, &field.shape) {
                Some(given) => {
                    fields.given.insert(field.name, given);
                }
                None => fields.is_broken = true,
            }
        }
        for field in record.fields.iter().filter(|field| field.preset == Preset::Required) {
            if !written.contains(&field.name) {
                fields.is_broken = true;
                self.missing(record, field.name, field.about, place);
            }
        }
        self.check_one_of(&mut fields);
        fields
    }

    /// Tells of an unknown key, and answers what was meant, as far as can be guessed.
    fn unknown(&mut self, entry: &Entry, record: &'static Record) -> Option<&'static str> {
        let names: Vec<&str> = record.fields.iter().map(|field| field.name).collect();
        let near = workflow::closest(&entry.key, names.iter().copied());
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("{} has {}", record.article, listed(&names, "and")),
        };
        let what = format!("unknown key `{}`", shown(&entry.key, 60));
        self.problems.error(code::UNKNOWN_KEY, entry.place, what, hint);
        near.and_then(|near| record.field(near)).map(|field| field.name)
    }

    fn missing(&mut self, record: &Record, name: &str, about: &str, place: Place) {
        let what = format!("{} lacks `{name}`", record.article);
        let hint = format!("write `{name}:` ({})", about.trim_end_matches('.'));
        self.problems.error(code::MISSING_KEY, place, what, hint);
    }

    fn check_one_of(&mut self, fields: &mut Fields) {
        let (record, place) = (fields.record, fields.place);
        if record.one_of.is_empty() || fields.is_broken {
            return;
        }
        let is_given = |name: &&&str| fields.given.contains_key(**name);
        let what = match record.one_of.iter().filter(is_given).count() {
            0 => format!("{} lacks what it is compared with", record.article),
            1 => return,
            _ => format!("{} has more than one comparison", record.article),
        };
        fields.is_broken = true;
        let hint = format!("write one of {}", listed(record.one_of, "and"));
        self.problems.error(own::ITEM, place, what, hint);
    }

    fn value(&mut self, node: Node, shape: &'static Shape) -> Option<Given> {
        let place = node.place;
        let value = match shape {
            Shape::Plain | Shape::Name => Value::Text(self.text(&node)?),
            Shape::Text => {
                let text = self.text(&node)?;
                self.texts.push((text.clone(), place));
                Value::Text(text)
            }
            Shape::Switch => Value::Switch(self.switch(&node)?),
            Shape::Count(max) => Value::Count(self.count(&node, *max)?),
            Shape::Span => Value::Span(self.span(&node)?),
            Shape::Choice(words) => Value::Word(self.choice(&node, words)?),
            Shape::Id => Value::Id(self.id(&node)?),
            Shape::List(item) => Value::List(self.items(node, item)?),
            Shape::Named(item) => Value::Named(self.named(node, item)?),
            Shape::Record(record) => Value::Record(self.record(node, record)?),
            Shape::Union(union) => Value::Record(self.union(node, union)?),
            Shape::Either(single, other) => {
                let is_single = !matches!(node.value, Yaml::Map(_) | Yaml::List(_));
                return self.value(node, if is_single { single } else { other });
            }
        };
        Some(Given { place, value })
    }

    fn items(&mut self, node: Node, shape: &'static Shape) -> Option<Vec<Given>> {
        if node.scalar() == Some(Scalar::Null) {
            return Some(Vec::new());
        }
        let found = node.in_words();
        let Yaml::List(items) = node.value else {
            if !matches!(node.value, Yaml::Broken) {
                let what = format!("expected a list, found {found}");
                let hint = "write `- ` before each item, or `[one, two]`";
                self.problems.error(code::WRONG_TYPE, node.place, what, hint);
            }
            return None;
        };
        // What is wrong with one is told; the others are looked at nevertheless.
        Some(items.into_iter().filter_map(|item| self.value(item, shape)).collect())
    }

    fn named(&mut self, node: Node, shape: &'static Shape) -> Option<Vec<(String, Given)>> {
        let entries = self.entries(node, "this")?;
        let given = entries.into_iter().filter_map(|entry| {
            let place = entry.place;
            let given = self.value(entry.value, shape)?;
            Some((entry.key, Given { place, ..given }))
        });
        Some(given.collect())
    }

    /// One of several records, by its first field.
    fn union(&mut self, node: Node, union: &'static Union) -> Option<Fields> {
        let place = node.place;
        let entries = self.entries(node, union.article)?;
        let has = |name: &str| entries.iter().any(|entry| entry.key == name);
        let head = |record: &Record| record.fields[0].name;
        if let Some(record) = union.records.iter().find(|record| has(head(record))) {
            return Some(self.fields(entries, place, record));
        }
        let heads: Vec<&str> = union.records.iter().map(|record| head(record)).collect();
        let near = |entry: &Entry| workflow::closest(&entry.key, heads.iter().copied());
        let hint = match entries.iter().find_map(near) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has one of {}", listed(&heads, "and")),
        };
        let what = format!("{} does not say what it is", union.article);
        self.problems.error(own::ITEM, place, what, hint);
        None
    }

    fn wrong_type(&mut self, node: &Node, expected: &str, hint: &str) {
        if !node.is_broken() {
            let what = format!("expected {expected}, found {}", node.in_words());
            self.problems.error(code::WRONG_TYPE, node.place, what, hint);
        }
    }

    /// A text; a whole number counts as its digits.
    fn text(&mut self, node: &Node) -> Option<String> {
        match node.scalar() {
            Some(Scalar::Text(text) | Scalar::Int(text)) => Some(text.to_owned()),
            Some(Scalar::Bool(_) | Scalar::Float(_)) => {
                self.wrong_type(node, "a text", "put it in quotes to make it a text");
                None
            }
            Some(Scalar::Null) | None => {
                self.wrong_type(node, "a text", "write one value here; `''` for an empty text");
                None
            }
        }
    }

    fn switch(&mut self, node: &Node) -> Option<bool> {
        if let Some(Scalar::Bool(value)) = node.scalar() {
            return Some(value);
        }
        self.wrong_type(node, "true or false", "write `true` or `false`");
        None
    }

    fn count(&mut self, node: &Node, max: u64) -> Option<u64> {
        let hint = "write a number from 0, without quotes";
        let Some(Scalar::Int(digits)) = node.scalar() else {
            self.wrong_type(node, "a whole number", hint);
            return None;
        };
        let number = whole_number(digits).and_then(|number| u64::try_from(number).ok());
        let count = number.filter(|number| *number <= max);
        if count.is_none() {
            let what = format!("`{}` is not a whole number up to {max}", shown(digits, 60));
            self.problems.error(code::WRONG_VALUE, node.place, what, hint);
        }
        count
    }

    fn span(&mut self, node: &Node) -> Option<Span> {
        let hint = "write `90s`, `10m`, `1h30m`, `2d` or `250ms`";
        let (text, hint) = match node.scalar() {
            Some(Scalar::Text(text)) => (text, hint.to_owned()),
            Some(Scalar::Int(digits)) => (digits, format!("write `{digits}s` or `{digits}m`")),
            _ => {
                self.wrong_type(node, "a length of time", hint);
                return None;
            }
        };
        let span = text.parse().ok();
        if span.is_none() {
            let what = format!("`{}` is not a length of time", shown(text, 60));
            self.problems.error(code::WRONG_VALUE, node.place, what, hint);
        }
        span
    }

    fn choice(&mut self, node: &Node, words: &'static [&'static str]) -> Option<&'static str> {
        let otherwise = || format!("write {}", listed(words, "or"));
        let Some(Scalar::Text(text) | Scalar::Int(text)) = node.scalar() else {
            self.wrong_type(node, &listed(words, "or"), &otherwise());
            return None;
        };
        let found = words.iter().copied().find(|word| *word == text);
        if found.is_none() {
            let hint = match workflow::closest(text, words.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => otherwise(),
            };
            let what = format!("`{}` cannot stand here", shown(text, 60));
            self.problems.error(code::WRONG_VALUE, node.place, what, hint);
        }
        found
    }

    fn id(&mut self, node: &Node) -> Option<ApplicationId> {
        let text = self.text(node)?;
        // In braces too, as Windows writes it.
        let bare = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(&text);
        match bare.parse() {
            Ok(id) if bare.len() == 36 => Some(id),
            _ => {
                let what = format!("`{}` is not the id of an application", shown(&text, 60));
                let hint = "a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057; `deskhand app new` \
                            makes one";
                self.problems.error(code::WRONG_VALUE, node.place, what, hint);
                None
            }
        }
    }
}

/// `a`, `b` and `c`.
pub(super) fn listed(names: &[&str], last_word: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {last_word} {last}", rest.join(", ")),
        None => String::new(),
    }
}
