//! Reading a workflow file: from the YAML tree to a [`Workflow`], with findings of its graph.
//!
//! Reading never stops at a mistake: what could not be understood gets a stand-in, and findings
//! that the stand-in would cause are left out.

mod action;
mod activity;
mod call;
mod kinds;
mod places;
mod values;

use std::collections::BTreeMap;

use workflow::{ActivityName, Workflow};

use crate::code;
use crate::problem::{Place, Problem, Problems};
use crate::table::{self, Key};
use crate::yaml::{self, Entry, Node, Scalar, Value};
pub use action::{ParsedAction, parse_action};
pub use call::activity_call;
use places::Places;
use values::Expected;

/// More activities than anybody draws; keeps checking a hostile file short.
const ACTIVITIES_MAX: usize = 5_000;

/// What came of a workflow file.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// There when the whole text was understood, even when findings refuse it.
    pub workflow: Option<Workflow>,
    /// Everything that is wrong, in the order of its places.
    pub problems: Vec<Problem>,
}

impl Parsed {
    /// Whether the workflow is refused.
    pub fn has_errors(&self) -> bool {
        self.workflow.is_none()
            || self.problems.iter().any(|problem| problem.severity == workflow::Severity::Error)
    }
}

/// Reads a workflow file and checks its graph.
pub fn parse_workflow(source: &str) -> Parsed {
    let mut problems = Problems::new(source);
    let read = yaml::read(source, &mut problems).map(|root| {
        let mut reader = Reader::new(&mut problems);
        let workflow = reader.file(root);
        (workflow, reader.places)
    });
    let is_understood = !problems.has_errors();
    let mut understood = None;
    if let Some((Some(workflow), places)) = read {
        places.tell(&workflow, is_understood, &mut problems);
        understood = is_understood.then_some(workflow);
    }
    Parsed { workflow: understood, problems: problems.into_sorted() }
}

struct Reader<'p, 's> {
    problems: &'p mut Problems<'s>,
    places: Places,
    /// Texts are what they are: `{{` begins no template.
    is_literal: bool,
}

impl<'p, 's> Reader<'p, 's> {
    fn new(problems: &'p mut Problems<'s>) -> Self {
        Self { problems, places: Places::default(), is_literal: false }
    }
}

impl Reader<'_, '_> {
    fn error(
        &mut self,
        code: &'static str,
        place: Place,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.problems.error(code, place, what, hint);
    }

    /// The workflow, with stand-ins for what was wrong; `None` when there is nothing to check.
    fn file(&mut self, root: Node) -> Option<Workflow> {
        let Value::Map(entries) = root.value else {
            if !root.is_broken() {
                let found = root.in_words();
                self.error(
                    code::WRONG_TYPE,
                    root.place,
                    format!("a workflow file is a mapping, found {found}"),
                    "begin with `workflow: A name`, then `start:` and `activities:`",
                );
            }
            return None;
        };
        let mut keys = self.keys(entries, table::FILE, "a workflow file");
        let mut take = |name: &str| keys.remove(name).map(|entry| entry.value);
        let (name, description) = (take("workflow"), take("description"));
        let (presence, start) = (take("start_on_presence"), take("start"));
        let (variables, activities) = (take("variables"), take("activities"));
        self.missing_keys(
            table::FILE,
            &[
                ("workflow", name.is_some()),
                ("start", start.is_some()),
                ("activities", activities.is_some()),
            ],
        );
        let name = name.and_then(|node| self.workflow_name(&node)).unwrap_or_default();
        let description =
            description.and_then(|node| self.optional_text(&node)).unwrap_or_default();
        let start_on_presence = presence.and_then(|node| self.switch(&node)).unwrap_or_default();
        let variables = variables.map(|node| self.variables(node)).unwrap_or_default();
        let start = start.and_then(|node| {
            self.places.start = node.place;
            self.activity_name(&node)
        });
        let activities = activities.and_then(|node| self.activities(node));
        if start.is_none() || activities.is_none() {
            self.places.is_incomplete = true;
        }
        let activities = activities.unwrap_or_default();
        let start = start.or_else(|| activities.keys().next().cloned())?;
        Some(Workflow { name, description, start_on_presence, start, variables, activities })
    }

    fn workflow_name(&mut self, node: &Node) -> Option<String> {
        let name = self.text(node)?;
        if name.trim().is_empty() {
            let hint = "give the workflow a name";
            self.error(code::WRONG_VALUE, node.place, "the workflow's name is empty", hint);
        }
        Some(name)
    }

    /// The entries whose keys are known; the others are told.
    fn keys(&mut self, entries: Vec<Entry>, known: &[Key], whose: &str) -> BTreeMap<String, Entry> {
        let mut found = BTreeMap::new();
        for entry in entries {
            if known.iter().any(|key| key.name == entry.key) {
                found.insert(entry.key.clone(), entry);
            } else {
                let names: Vec<&str> = known.iter().map(|key| key.name).collect();
                self.unknown_key(&entry, &names, whose);
            }
        }
        found
    }

    fn unknown_key(&mut self, entry: &Entry, known: &[&str], whose: &str) {
        let hint = match workflow::closest(&entry.key, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("{whose} has no parameters"),
            None => format!("{whose} has {}", values::listed(known, "and")),
        };
        let what = format!("unknown key `{}`", crate::problem::shown(&entry.key, 60));
        self.error(code::UNKNOWN_KEY, entry.place, what, hint);
    }

    fn missing_keys(&mut self, known: &[Key], found: &[(&str, bool)]) {
        for key in known.iter().filter(|key| key.is_required) {
            if found.iter().any(|(name, is_there)| *name == key.name && !is_there) {
                self.error(
                    code::MISSING_KEY,
                    Place::BEGIN,
                    format!("`{}` is missing", key.name),
                    format!("write `{}:` ({})", key.name, key.about.trim_end_matches('.')),
                );
            }
        }
    }

    fn variables(&mut self, node: Node) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        for entry in self.map(node, Expected::MAPPING).unwrap_or_default() {
            self.places.variables.insert(entry.key.clone(), entry.place);
            if let Some(value) = self.text(&entry.value) {
                variables.insert(entry.key, value);
            } else {
                // Known by its name, so that templates that use it are not blamed.
                variables.insert(entry.key, String::new());
            }
        }
        variables
    }

    fn activities(&mut self, node: Node) -> Option<BTreeMap<ActivityName, workflow::Activity>> {
        self.places.activities_key = node.place;
        let entries = self.map(node, Expected::MAPPING)?;
        if let Some(entry) = entries.get(ACTIVITIES_MAX) {
            self.error(
                code::LIMIT,
                entry.place,
                format!("{} activities, more than {ACTIVITIES_MAX}", entries.len()),
                "make several workflows of it",
            );
            return None;
        }
        let mut activities = BTreeMap::new();
        for entry in entries {
            match entry.key.parse::<ActivityName>() {
                Ok(name) => {
                    let activity = self.activity(&name, entry);
                    activities.insert(name, activity);
                }
                Err(error) => {
                    self.places.is_incomplete = true;
                    let right = entry.key.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
                    let hint = match right.parse::<ActivityName>() {
                        Ok(right) => format!("write `{right}`; templates use this name too"),
                        Err(_) => "templates use the name of an activity too".to_owned(),
                    };
                    self.error(code::WRONG_VALUE, entry.place, error.to_string(), hint);
                }
            }
        }
        Some(activities)
    }

    /// The entries of a mapping; nothing written is an empty one.
    fn map(&mut self, node: Node, expected: Expected) -> Option<Vec<Entry>> {
        if node.scalar() == Some(Scalar::Null) {
            return Some(Vec::new());
        }
        match node.value {
            Value::Map(entries) => Some(entries),
            _ => {
                self.wrong_type(&node, expected);
                None
            }
        }
    }
}
