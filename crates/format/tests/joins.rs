//! What is said of synchronizations, against a search of everything a run can do: whoever is told
//! "can never go on" never does.

use std::collections::BTreeSet;

use format::parse_workflow;
use proptest::prelude::*;

const ACTIVITIES: usize = 7;

#[derive(Debug, Clone)]
struct Drawn {
    is_synchronization: bool,
    /// Targets of `ok` and `error`.
    events: [Vec<usize>; 2],
}

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let targets = || prop::collection::btree_set(0..ACTIVITIES, 0..3);
    let one = (prop::bool::weighted(0.35), targets(), targets()).prop_map(
        |(is_synchronization, ok, error)| {
            let error = if is_synchronization { BTreeSet::new() } else { error };
            let events = [ok, error].map(|targets| targets.into_iter().collect());
            Drawn { is_synchronization, events }
        },
    );
    prop::collection::vec(one, ACTIVITIES)
}

fn written(graph: &[Drawn]) -> String {
    let mut text = "workflow: w\nstart: a0\nactivities:\n".to_owned();
    for (number, drawn) in graph.iter().enumerate() {
        let kind =
            if drawn.is_synchronization { "synchronization: " } else { "execute: { command: x }" };
        let events: Vec<String> = ["ok", "error"]
            .iter()
            .zip(&drawn.events)
            .filter(|(_, targets)| !targets.is_empty())
            .map(|(event, targets)| {
                let names: Vec<String> = targets.iter().map(|to| format!("a{to}")).collect();
                format!("{event}: [{}]", names.join(", "))
            })
            .collect();
        text += &format!("  a{number}: {{ {kind}, on: {{ {} }} }}\n", events.join(", "));
    }
    text
}

/// Arrivals: by transition (activity, event, target), each counted up to 2; the start's is `None`.
type State = Vec<(Option<(usize, usize)>, usize)>;

/// All synchronizations that some run goes through.
fn passed(graph: &[Drawn]) -> BTreeSet<usize> {
    let incoming = |to: usize| {
        let mut found = Vec::new();
        for (from, drawn) in graph.iter().enumerate() {
            for (event, targets) in drawn.events.iter().enumerate() {
                if targets.contains(&to) {
                    found.push((Some((from, event)), to));
                }
            }
        }
        found
    };
    let start: State = vec![(None, 0)];
    let mut seen: BTreeSet<State> = [start.clone()].into();
    let mut open = vec![start];
    let mut through = BTreeSet::new();
    while let Some(state) = open.pop() {
        if seen.len() > 4_000 {
            break;
        }
        for (number, drawn) in graph.iter().enumerate() {
            let needed = match drawn.is_synchronization {
                true => vec![incoming(number)],
                false => {
                    state.iter().filter(|arrival| arrival.1 == number).map(|a| vec![*a]).collect()
                }
            };
            for needed in needed {
                let mut left = state.clone();
                let is_there = needed.iter().all(|arrival| {
                    let found = left.iter().position(|other| other == arrival);
                    found.map(|index| left.remove(index)).is_some()
                });
                if !is_there || needed.is_empty() {
                    continue;
                }
                if drawn.is_synchronization {
                    through.insert(number);
                }
                for (event, targets) in drawn.events.iter().enumerate() {
                    let mut next = left.clone();
                    for to in targets {
                        let arrival = (Some((number, event)), *to);
                        if next.iter().filter(|other| **other == arrival).count() < 2 {
                            next.push(arrival);
                        }
                    }
                    next.sort_unstable();
                    if seen.insert(next.clone()) {
                        open.push(next);
                    }
                }
            }
        }
    }
    through
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn what_never_goes_on_is_told_rightly(graph in drawn()) {
        let source = written(&graph);
        let through = passed(&graph);
        for problem in parse_workflow(&source).problems {
            if problem.code == workflow::code::NEVER_JOINS {
                let stuck = (0..ACTIVITIES).find(|number| {
                    problem.what.starts_with(&format!("the synchronization `a{number}`"))
                });
                let is_stuck = stuck.is_some_and(|stuck| !through.contains(&stuck));
                prop_assert!(is_stuck, "{source}{}", problem.what);
            }
        }
    }
}
