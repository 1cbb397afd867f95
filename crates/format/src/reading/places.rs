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
    /// Parameters that are stand-ins.
    pub(super) wrong: BTreeSet<&'static str>,
    pub(super) events: BTreeMap<Event, EventPlaces>,
}

impl ActivityPlaces {
    pub(super) fn new(name: Place) -> Self {
        Self {
            name,
            has_no_kind: false,
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
        for finding in workflow::check(workflow) {
            if is_understood || !self.is_of_stand_in(&finding) {
                let place = self.place_of(&finding);
                let texts = (finding.message, finding.hint);
                problems.add(finding.severity, finding.code, place, texts);
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

    fn place_of(&self, finding: &Finding) -> Place {
        let places = finding.site.activity().and_then(|name| self.activities.get(name));
        let place = match &finding.site {
            Site::Workflow => Some(self.activities_key),
            Site::Start => Some(self.start),
            Site::Variable(name) => self.variables.get(name).copied(),
            Site::Activity(_) => None,
            Site::Parameter(_, parameter) => places
                .and_then(|places| places.parameters.get(parameter))
                .and_then(|texts| place_of_text(texts, &finding.message)),
            Site::Transition(_, event) => places
                .and_then(|places| places.events.get(event))
                .map(|event| place_of_target(event, finding)),
        };
        place.or(places.map(|places| places.name)).unwrap_or(Place::BEGIN)
    }
}

/// The text of a parameter that a message speaks of; the first when that cannot be told.
fn place_of_text(texts: &[(String, Place)], message: &str) -> Option<Place> {
    let is_spoken_of = |text: &str| {
        let has = |name: &str| message.contains(&format!("`{name}`"));
        let names = Template::new(text).map(|template| template.names()).unwrap_or_default();
        has(text) || names.iter().any(|name| has(name))
    };
    let first = texts.first();
    let spoken_of = || texts.iter().find(|(text, _)| is_spoken_of(text));
    let found = if texts.len() < 2 { first } else { spoken_of().or(first) };
    found.map(|(_, place)| *place)
}

fn is_of_target(finding: &Finding) -> bool {
    let code = finding.code;
    code == workflow::code::UNKNOWN_ACTIVITY || code == workflow::code::TARGET_TWICE
}

fn place_of_target(event: &EventPlaces, finding: &Finding) -> Place {
    if !is_of_target(finding) {
        return event.key;
    }
    let is_named = |name: &ActivityName| finding.message.contains(&format!("`{name}`"));
    // Of two that are the same, the second is the one too many.
    let target = event.targets.iter().rev().find(|(name, _)| is_named(name));
    target.map_or(event.key, |(_, place)| *place)
}
