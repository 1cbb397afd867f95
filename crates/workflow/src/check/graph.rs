//! The transitions of a workflow as a graph over numbers, and what can be reached in it.

use std::collections::BTreeMap;

use crate::{Activity, ActivityName, Event, Kind, Workflow};

/// One transition, or a Jump. Those to unknown activities are left out.
pub(super) struct Edge<'a> {
    pub(super) from: usize,
    /// `None` for a Jump.
    pub(super) event: Option<&'a Event>,
    pub(super) to: usize,
    /// Edges that fire together have the same one.
    pub(super) group: usize,
}

pub(super) struct Graph<'a> {
    pub(super) names: Vec<&'a ActivityName>,
    pub(super) activities: Vec<&'a Activity>,
    pub(super) edges: Vec<Edge<'a>>,
    /// Targets of edges that fire together, each once.
    pub(super) groups: Vec<(usize, Vec<usize>)>,
    pub(super) start: Option<usize>,
    /// What can be reached from the start.
    pub(super) is_reachable: Vec<bool>,
    numbers: BTreeMap<&'a ActivityName, usize>,
    leaving: Vec<Vec<usize>>,
    arriving: Vec<Vec<usize>>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(workflow: &'a Workflow) -> Self {
        let names: Vec<&ActivityName> = workflow.activities.keys().collect();
        let activities: Vec<&Activity> = workflow.activities.values().collect();
        let numbers: BTreeMap<_, _> =
            names.iter().enumerate().map(|(number, name)| (*name, number)).collect();
        let mut graph = Self {
            start: numbers.get(&workflow.start).copied(),
            edges: Vec::new(),
            groups: Vec::new(),
            is_reachable: Vec::new(),
            numbers,
            leaving: vec![Vec::new(); names.len()],
            arriving: vec![Vec::new(); names.len()],
            names,
            activities,
        };
        for (from, activity) in workflow.activities.values().enumerate() {
            for (event, targets) in &activity.on {
                graph.connect(from, Some(event), targets);
            }
            if let Kind::Jump { to } = &activity.kind {
                graph.connect(from, None, std::slice::from_ref(to));
            }
        }
        graph.is_reachable = match graph.start {
            Some(start) => graph.reach(start, None, &graph.leaving),
            None => vec![true; graph.names.len()],
        };
        graph
    }

    fn connect(&mut self, from: usize, event: Option<&'a Event>, targets: &[ActivityName]) {
        let group = self.groups.len();
        let mut known: Vec<usize> =
            targets.iter().filter_map(|name| self.numbers.get(name).copied()).collect();
        known.sort_unstable();
        known.dedup();
        for to in &known {
            self.edges.push(Edge { from, event, to: *to, group });
            self.leaving[from].push(*to);
            self.arriving[*to].push(from);
        }
        self.groups.push((from, known));
    }

    pub(super) fn number(&self, name: &ActivityName) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    pub(super) fn kind(&self, number: usize) -> &'a Kind {
        &self.activities[number].kind
    }

    pub(super) fn successors(&self, number: usize) -> &[usize] {
        &self.leaving[number]
    }

    pub(super) fn predecessors(&self, number: usize) -> &[usize] {
        &self.arriving[number]
    }

    /// What leads to `to`, itself included, on ways that do not pass `without`.
    pub(super) fn leading_to(&self, to: usize, without: Option<usize>) -> Vec<bool> {
        self.reach(to, without, &self.arriving)
    }

    /// What can be reached from the start on ways that do not pass `without`.
    pub(super) fn reachable_without(&self, without: usize) -> Vec<bool> {
        match self.start {
            Some(start) => self.reach(start, Some(without), &self.leaving),
            None => vec![true; self.names.len()],
        }
    }

    fn reach(&self, from: usize, without: Option<usize>, next: &[Vec<usize>]) -> Vec<bool> {
        let mut seen = vec![false; self.names.len()];
        if Some(from) == without {
            return seen;
        }
        seen[from] = true;
        let mut open = vec![from];
        while let Some(number) = open.pop() {
            for other in &next[number] {
                if Some(*other) != without && !std::mem::replace(&mut seen[*other], true) {
                    open.push(*other);
                }
            }
        }
        seen
    }

    /// Whether `first` can have ended when `second` begins: it comes before, or in a branch beside.
    pub(super) fn can_precede(&self, first: usize, second: usize) -> bool {
        if !self.is_reachable[first] {
            return false;
        }
        let to_second = self.leading_to(second, None);
        if self.leaving[first].iter().any(|next| to_second[*next]) {
            return true;
        }
        let to_first = self.leading_to(first, None);
        self.groups.iter().any(|(from, targets)| {
            self.is_reachable[*from]
                && Cover::of(targets, |target| to_first[target])
                    .is_beside(Cover::of(targets, |target| to_second[target]))
        })
    }
}

/// Which of the targets of a fork lead somewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cover {
    None,
    One(usize),
    Several,
}

impl Cover {
    pub(super) fn of(targets: &[usize], leads: impl Fn(usize) -> bool) -> Self {
        let mut leading = targets.iter().copied().filter(|target| leads(*target));
        match (leading.next(), leading.next()) {
            (None, _) => Self::None,
            (Some(one), None) => Self::One(one),
            (Some(_), Some(_)) => Self::Several,
        }
    }

    /// Whether two different branches of the fork can be gone to the two places.
    pub(super) fn is_beside(self, other: Self) -> bool {
        self != Self::None
            && other != Self::None
            && (self != other || matches!(self, Self::Several))
    }
}
