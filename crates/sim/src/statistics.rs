//! What is told of a simulation: how runs ended, and which ways they took.

use std::collections::BTreeMap;

use workflow::{Phase, Record, State, Workflow};

use crate::outcome::{Fared, Outcome, Transition};
use crate::world::World;

pub fn tell(world: World) -> Outcome {
    let mut outcome = Outcome {
        lasted: world.lasted(),
        steps: world.steps,
        faults: world.faults,
        ..Outcome::default()
    };
    for row in world.server.db.runs.values() {
        let name = &world.agents[row.agent].name;
        count(&world.workflow, name, &row.ledger.records, &mut outcome);
    }
    outcome.events = world.events;
    outcome.violations = world.laws.broken;
    outcome
}

fn count(workflow: &Workflow, name: &str, records: &[Record], all: &mut Outcome) {
    let mut state = State::default();
    let mut taken: BTreeMap<Transition, u32> = BTreeMap::new();
    for record in records {
        let is_going = *state.phase() == Phase::Going;
        let from = match record {
            Record::Ended { visit, report, .. } if is_going => state
                .in_progress()
                .get(visit)
                .map(|progress| (progress.activity.clone(), report.event.clone())),
            Record::Passed { activity, .. } => Some((activity.clone(), workflow::Event::Ok)),
            _ => None,
        };
        if let Some((activity, event)) = from {
            let (event, to) = match &workflow.activities[&activity].kind {
                workflow::Kind::Jump { to } => (event, vec![to.clone()]),
                _ => match workflow.successors(&activity, &event) {
                    Some((event, to)) => (event, to.to_vec()),
                    None => (event, Vec::new()),
                },
            };
            for to in to {
                let (from, event) = (activity.to_string(), event.to_string());
                *taken.entry(Transition { from, event, to: to.to_string() }).or_default() += 1;
            }
        }
        if state.apply(workflow, record).is_err() {
            break;
        }
    }
    for (transition, times) in taken {
        let (runs, in_all) = all.transitions.entry(transition).or_default();
        *runs += 1;
        *in_all += times;
    }
    let path: Vec<(String, String)> = state
        .path()
        .iter()
        .map(|step| {
            let event = step.event.as_ref().map_or_else(String::new, ToString::to_string);
            (step.activity.to_string(), event)
        })
        .collect();
    for step in &path {
        *all.activities.entry(step.clone()).or_default() += 1;
    }
    let ended = state.outcome().map(|(outcome, reason)| (outcome, reason.map(str::to_owned)));
    let (ended, reason) = ended.map_or((None, None), |(o, reason)| (Some(o), reason));
    match ended {
        Some(ended) => *all.counts.entry(ended).or_default() += 1,
        None => all.unfinished += 1,
    }
    if let (Some(reason), true) = (&reason, ended != Some(model::Outcome::Success)) {
        *all.reasons.entry(reason.clone()).or_default() += 1;
    }
    all.runs.push(Fared { computer: name.to_owned(), outcome: ended, reason, path });
}
