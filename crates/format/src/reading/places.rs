//! Where things stand in the file, so that findings of the graph can be told in their places.

use std::collections::{BTreeMap, BTreeSet};

use workflow::{ActivityName, Event, Finding, Site, Template, Workflow};

use crate::problem::{Place, Problems};

pub(super) struct Places {
    pub(super) start: Place,
    pub(super) activities_key: Place,
    pub(super) variables: BTreeMap<String, Place>,
    pub(super) activities: BTreeMap<ActivityName, ActivityPlaces>,
    /// Some activity or transition could not be understood: what depends on all of them is not
    /// told.
    pub(super) is_incomplete: bool,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            start: Place::BEGIN,
            activities_key: Place::BEGIN,
            variables: BTreeMap::new(),
            activities: BTreeMap::new(),
            is_incomplete: false,
        }
    }
}

pub(super) struct ActivityPlaces {
    pub(super) name: Place,
    /// The kind is a stand-in.
    pub(super) has_no_kind: bool,
    /// Each text of a parameter, or only the place of its value.
    pub(super) parameters: BTreeMap<&'static str, Vec<(String, Place)>>,
    /// Of a timeout that is written among the parameters.
    pub(super) timeout: Option<Place>,
    /// Parameters that are stand-ins.
    pub(super) wrong: BTreeSet<&'static str>,
    pub(super) events: BTreeMap<Event, EventPlaces>,
}

impl ActivityPlaces {
    pub(super) fn new(name: Place) -> Self {
        Self {
            name,
            has_no_kind: false,
            timeout: None,
            parameters: BTreeMap::new(),
            wrong: BTreeSet::new(),
            events: BTreeMap::new(),
        }
    }
}

pub(super) struct EventPlaces {
    pub(super) key: Place,
    pub(super) targets: Vec<(ActivityName, Place)>,
}

impl Places {
    /// Tells what is wrong with the graph of a workflow that came from this file.
    pub(super) fn tell(
        &self,
        workflow: &Workflow,
        is_understood: bool,
        problems: &mut Problems<'_>,
    ) {
        let mut texts = TextPlaces { places: self, known: BTreeMap::new() };
        for finding in workflow::check(workflow) {
            if is_understood || !self.is_of_stand_in(&finding) {
                let is_full = problems.is_full();
                let place = if is_full { Place::BEGIN } else { texts.place_of(&finding) };
                let words = (finding.message, finding.hint);
                problems.add(finding.severity, finding.code, place, words);
            }
        }
    }

    /// Whether a finding may come from what stands in for something that was not understood.
    fn is_of_stand_in(&self, finding: &Finding) -> bool {
        let is_of_whole = workflow::code::OF_THE_WHOLE_GRAPH.contains(&finding.code)
            || finding.site == Site::Start;
        if self.is_incomplete && is_of_whole {
            return true;
        }
        let Some(name) = finding.site.activity() else { return false };
        let Some(places) = self.activities.get(name) else { return false };
        let is_wrong = match &finding.site {
            Site::Parameter(_, parameter) => places.wrong.contains(parameter),
            _ => false,
        };
        is_wrong || (places.has_no_kind && !is_of_target(finding))
    }
}

/// Places of findings. What the texts of a parameter speak of is looked for once.
struct TextPlaces<'a> {
    places: &'a Places,
    known: BTreeMap<(&'a ActivityName, &'static str), BTreeMap<String, Place>>,
}

impl<'a> TextPlaces<'a> {
    fn place_of(&mut self, finding: &Finding) -> Place {
        let found =
            finding.site.activity().and_then(|name| self.places.activities.get_key_value(name));
        let place = match &finding.site {
            Site::Workflow => Some(self.places.activities_key),
            Site::Start => Some(self.places.start),
            Site::Variable(name) => self.places.variables.get(name).copied(),
            Site::Activity(_) => None,
            Site::Parameter(_, parameter) => found.and_then(|(name, places)| {
                let texts = places.parameters.get(parameter)?;
                self.place_of_text(name, parameter, texts, &finding.message)
            }),
            Site::Transition(_, event) => found
                .and_then(|(_, places)| places.events.get(event))
                .map(|event| place_of_target(event, finding)),
        };
        place.or(found.map(|(_, places)| places.name)).unwrap_or(Place::BEGIN)
    }

    /// The text of a parameter that a message speaks of; the first when that cannot be told.
    fn place_of_text(
        &mut self,
        name: &'a ActivityName,
        parameter: &'static str,
        texts: &[(String, Place)],
        message: &str,
    ) -> Option<Place> {
        let first = texts.first().map(|(_, place)| *place);
        if texts.len() < 2 {
            return first;
        }
        let known = self.known.entry((name, parameter)).or_insert_with(|| {
            let mut known = BTreeMap::new();
            for (text, place) in texts {
                known.entry(text.clone()).or_insert(*place);
                let names = Template::new(text).map(|template| template.names());
                for name in names.unwrap_or_default() {
                    known.entry(name).or_insert(*place);
                }
            }
            known
        });
        named_in(message).find_map(|name| known.get(name).copied()).or(first)
    }
}

/// What a message has between backticks.
fn named_in(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}

fn is_of_target(finding: &Finding) -> bool {
    let code = finding.code;
    code == workflow::code::UNKNOWN_ACTIVITY || code == workflow::code::TARGET_TWICE
}

fn place_of_target(event: &EventPlaces, finding: &Finding) -> Place {
    if !is_of_target(finding) {
        return event.key;
    }
    let words: Vec<&str> = named_in(&finding.message).collect();
    let is_named = |name: &ActivityName| words.contains(&name.as_str());
    // Of two that are the same, the second is the one too many.
    let target = event.targets.iter().rev().find(|(name, _)| is_named(name));
    target.map_or(event.key, |(_, place)| *place)
}
