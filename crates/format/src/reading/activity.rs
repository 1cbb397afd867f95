//! One activity: its kind with its parameters, its transitions, and what every activity may have.

use std::collections::BTreeMap;

use model::Span;
use workflow::{Activity, ActivityName, Event, Kind};

use super::Reader;
use super::kinds::{self, Arguments};
use super::places::{ActivityPlaces, EventPlaces};
use super::values::{self, Expected};
use crate::code;
use crate::problem::{Place, shown};
use crate::table::{self, Preset, Shape};
use crate::yaml::{Entry, Node, Scalar, Style, Value};

/// The kinds that an activity is written to be.
struct Written {
    kinds: Vec<(&'static table::Activity, Entry)>,
    /// There are keys that are nothing known.
    has_unknown: bool,
}

/// A kind, unless it could not be understood, and a timeout among its parameters.
type Understood = (Option<Kind>, Option<(Span, Place)>);

impl Reader<'_, '_> {
    pub(super) fn activity(&mut self, name: &ActivityName, entry: Entry) -> Activity {
        let mut places = ActivityPlaces::new(entry.place);
        let (mut common, written) = match self.map(entry.value, Expected::MAPPING) {
            Some(entries) => self.sort(entries),
            None => (BTreeMap::new(), Written { kinds: Vec::new(), has_unknown: true }),
        };
        let mut take = |name: &str| common.remove(name).map(|entry| entry.value);
        let (description, timeout, on) = (take("description"), take("timeout"), take("on"));
        let description =
            description.and_then(|node| self.optional_text(&node)).unwrap_or_default();
        let (kind, own_timeout) = self.kind(name, entry.place, written, &mut places);
        let timeout = self.timeout(timeout, own_timeout, &mut places);
        let on = on.map(|node| self.transitions(node, &mut places)).unwrap_or_default();
        if kind.is_none() {
            places.has_no_kind = true;
            self.places.is_incomplete = true;
        }
        self.places.activities.insert(name.clone(), places);
        let kind = kind.unwrap_or_else(|| Kind::NotYet { name: String::new() });
        Activity { description, timeout, kind, on }
    }

    /// What every activity may have, and which kinds are written; other keys are told.
    fn sort(&mut self, entries: Vec<Entry>) -> (BTreeMap<String, Entry>, Written) {
        let mut common = BTreeMap::new();
        let mut written = Written { kinds: Vec::new(), has_unknown: false };
        let mut unknown = Vec::new();
        for entry in entries {
            if table::ACTIVITY.iter().any(|key| key.name == entry.key) {
                common.insert(entry.key.clone(), entry);
            } else if let Some(kind) = table::activity_named(&entry.key) {
                written.kinds.push((kind, entry));
            } else {
                unknown.push(entry);
            }
        }
        written.has_unknown = !unknown.is_empty();
        for entry in &unknown {
            self.unknown_in_activity(entry, &written);
        }
        (common, written)
    }

    fn unknown_in_activity(&mut self, entry: &Entry, written: &Written) {
        let common: Vec<&str> = table::ACTIVITY.iter().map(|key| key.name).collect();
        let kinds: Vec<&str> = table::ACTIVITIES.iter().map(|kind| kind.name).collect();
        let near = workflow::closest(&entry.key, common.iter().chain(&kinds).copied());
        let is_near_common = near.is_some_and(|near| common.contains(&near));
        let key = shown(&entry.key, 60);
        if written.kinds.is_empty() && !is_near_common {
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", values::listed(&kinds, "and")),
            };
            let what = format!("there is no kind of activity `{key}`");
            self.error(code::UNKNOWN_KIND, entry.place, what, hint);
            return;
        }
        let has_it = |kind: &table::Activity| kind.parameters.iter().any(|p| p.name == entry.key);
        if let Some((kind, _)) = written.kinds.iter().find(|(kind, _)| has_it(kind)) {
            let hint = format!("write it below `{}:`, indented", kind.name);
            let what = format!("`{key}` is a parameter of `{}`", kind.name);
            self.error(code::UNKNOWN_KEY, entry.place, what, hint);
        } else {
            self.unknown_key(entry, &common, "an activity, besides its kind,");
        }
    }

    fn kind(
        &mut self,
        name: &ActivityName,
        place: Place,
        written: Written,
        places: &mut ActivityPlaces,
    ) -> Understood {
        let mut kinds = written.kinds.into_iter();
        let Some((kind, entry)) = kinds.next() else {
            if !written.has_unknown {
                let what = format!("`{name}` does nothing");
                let hint =
                    "write what it does: `execute: { command: … }`, `success: {}` or another";
                self.error(code::NO_KIND, place, what, hint);
            }
            return (None, None);
        };
        if let Some((other, second)) = kinds.next() {
            let what = format!("`{name}` is both `{}` and `{}`", kind.name, other.name);
            let hint = "make two activities of it, one leading to the other";
            self.error(code::SEVERAL_KINDS, second.place, what, hint);
            return (None, None);
        }
        self.parameters(kind, entry, places)
    }

    pub(super) fn parameters(
        &mut self,
        kind: &'static table::Activity,
        entry: Entry,
        places: &mut ActivityPlaces,
    ) -> Understood {
        let Some(mut arguments) = self.arguments(kind, entry, places) else { return (None, None) };
        let timeout_place = places.timeout;
        let timeout = arguments.span("timeout").zip(timeout_place);
        (kinds::build(kind.name, &mut arguments), timeout)
    }

    /// Every parameter that the table knows, those that are wrong with a stand-in.
    pub(super) fn arguments(
        &mut self,
        kind: &'static table::Activity,
        entry: Entry,
        places: &mut ActivityPlaces,
    ) -> Option<Arguments> {
        let entries = self.map(entry.value, Expected::MAPPING)?;
        let mut found: BTreeMap<String, Entry> = BTreeMap::new();
        for parameter in entries {
            if kind.parameters.iter().any(|known| known.name == parameter.key) {
                found.insert(parameter.key.clone(), parameter);
            } else {
                self.unknown_parameter(kind, &parameter);
            }
        }
        places.timeout = found.get("timeout").map(|written| written.value.place);
        let mut arguments = Arguments(BTreeMap::new());
        for parameter in kind.parameters {
            let argument = match found.remove(parameter.name) {
                Some(written) => self.parameter(parameter, &written, places),
                None if parameter.preset == Preset::Required => {
                    self.missing_parameter(kind, parameter, entry.place);
                    None
                }
                None => Some(values::preset(parameter)),
            };
            if argument.is_none() {
                places.wrong.insert(parameter.name);
            }
            let argument = argument.unwrap_or_else(|| values::preset(parameter));
            arguments.0.insert(parameter.name, argument);
        }
        Some(arguments)
    }

    fn missing_parameter(
        &mut self,
        kind: &table::Activity,
        parameter: &table::Parameter,
        place: Place,
    ) {
        let what = format!("`{}` lacks `{}`", kind.name, parameter.name);
        let about = parameter.about.trim_end_matches('.');
        let hint = format!("write `{}:` ({about})", parameter.name);
        self.error(code::MISSING_KEY, place, what, hint);
    }

    fn unknown_parameter(&mut self, kind: &table::Activity, entry: &Entry) {
        if table::ACTIVITY.iter().any(|key| key.name == entry.key) {
            let what = format!("`{}` is no parameter of `{}`", entry.key, kind.name);
            let hint = format!("write it beside `{}:`, not below it", kind.name);
            self.error(code::UNKNOWN_KEY, entry.place, what, hint);
            return;
        }
        let known: Vec<&str> = kind.parameters.iter().map(|parameter| parameter.name).collect();
        self.unknown_key(entry, &known, &format!("`{}`", kind.name));
    }

    fn parameter(
        &mut self,
        parameter: &table::Parameter,
        written: &Entry,
        places: &mut ActivityPlaces,
    ) -> Option<values::Argument> {
        places.parameters.insert(parameter.name, texts_of(&written.value));
        let is_nothing = written.value.scalar() == Some(Scalar::Null)
            && parameter.preset != Preset::Required
            && matches!(parameter.shape, Shape::Plain | Shape::Text | Shape::Span);
        if is_nothing {
            return Some(values::preset(parameter));
        }
        self.argument(parameter.shape, &written.value)
    }

    pub(super) fn timeout(
        &mut self,
        beside: Option<Node>,
        below: Option<(Span, Place)>,
        places: &mut ActivityPlaces,
    ) -> Option<Span> {
        let Some(node) = beside.filter(|node| node.scalar() != Some(Scalar::Null)) else {
            return below.map(|(span, _)| span);
        };
        if let Some((_, place)) = below {
            let hint = "keep one of the two; they mean the same";
            self.error(code::TIMEOUT_TWICE, place.max(node.place), "a second timeout", hint);
        }
        places.parameters.insert("timeout", texts_of(&node));
        let span = self.span(&node);
        if span.is_none() {
            places.wrong.insert("timeout");
        }
        span
    }

    fn transitions(
        &mut self,
        node: Node,
        places: &mut ActivityPlaces,
    ) -> BTreeMap<Event, Vec<ActivityName>> {
        let mut on = BTreeMap::new();
        let Some(entries) = self.map(node, Expected::MAPPING) else {
            self.places.is_incomplete = true;
            return on;
        };
        for entry in entries {
            let targets = self.targets(&entry.value);
            match entry.key.parse::<Event>() {
                Ok(event) if on.contains_key(&event) => {
                    let what = format!("`{event}` is already written");
                    let hint = "keep one of them; several activities are written as a list";
                    self.error(code::DUPLICATE_KEY, entry.place, what, hint);
                }
                Ok(event) => {
                    let names = targets.iter().map(|(name, _)| name.clone()).collect();
                    on.insert(event.clone(), names);
                    places.events.insert(event, EventPlaces { key: entry.place, targets });
                }
                Err(_) => self.no_event(&entry),
            }
        }
        on
    }

    fn no_event(&mut self, entry: &Entry) {
        self.places.is_incomplete = true;
        let known = ["ok", "error", "no_file", "timeout", "interrupted", "exit N"];
        let hint = match workflow::closest(&entry.key, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("events are {}", values::listed(&known, "and")),
        };
        let what = format!("`{}` is not an event", shown(&entry.key, 60));
        self.error(code::NO_EVENT, entry.place, what, hint);
    }

    fn targets(&mut self, node: &Node) -> Vec<(ActivityName, Place)> {
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            Value::Scalar { .. } if node.scalar() != Some(Scalar::Null) => {
                std::slice::from_ref(node)
            }
            _ => &[],
        };
        if items.is_empty() {
            self.places.is_incomplete = true;
            if matches!(node.value, Value::List(_)) {
                let hint = "name an activity, or leave the event out";
                self.error(code::WRONG_VALUE, node.place, "the list is empty", hint);
            } else {
                self.wrong_type(node, Expected::TRANSITION);
            }
        }
        let mut targets = Vec::new();
        for item in items {
            match self.activity_name(item) {
                Some(name) => targets.push((name, item.place)),
                None => self.places.is_incomplete = true,
            }
        }
        targets
    }
}

/// The texts of a value with their places: those of a list or mapping, the lines of a text after
/// `|`, or the value itself.
fn texts_of(node: &Node) -> Vec<(String, Place)> {
    let text_of = |node: &Node| match &node.value {
        Value::Scalar { text, .. } => (text.clone(), node.place),
        _ => (String::new(), node.place),
    };
    match &node.value {
        Value::List(items) if !items.is_empty() => items.iter().map(text_of).collect(),
        Value::Map(entries) if !entries.is_empty() => {
            entries.iter().map(|entry| text_of(&entry.value)).collect()
        }
        Value::Scalar { text, style: Style::Literal } => {
            let place = |index| Place { line: node.place.line + index, ..node.place };
            let lines = text.lines().enumerate();
            lines.map(|(index, line)| (line.to_owned(), place(index))).collect()
        }
        _ => vec![text_of(node)],
    }
}
