//! What leads where: unknown and unreachable activities, events nothing follows, endless circles.

use std::collections::BTreeSet;

use super::graph::Graph;
use super::{Report, Site, code, listed};
use crate::{Activity, ActivityName, Event, Kind, Workflow};
use model::Span;

pub(super) fn check(workflow: &Workflow, graph: &Graph<'_>, report: &mut Report) {
    if graph.start.is_none() {
        unknown(workflow, &workflow.start, Site::Start, report);
    }
    for (name, activity) in &workflow.activities {
        check_targets(workflow, name, activity, report);
        check_events(name, activity, report);
    }
    for (number, name) in graph.names.iter().enumerate() {
        if !graph.is_reachable[number] {
            report.warning(
                code::UNREACHABLE,
                Site::Activity((*name).clone()),
                format!("nothing leads to `{name}`, so it is never carried out"),
                "lead a transition to it, or take it out",
            );
        }
    }
    check_circles(graph, report);
}

fn unknown(workflow: &Workflow, to: &ActivityName, site: Site, report: &mut Report) {
    let known = || workflow.activities.keys().map(ActivityName::as_str);
    let otherwise = "name an activity that stands under `activities:`";
    let hint = report.suggest(to.as_str(), known(), otherwise);
    report.error(code::UNKNOWN_ACTIVITY, site, format!("there is no activity `{to}`"), hint);
}

fn check_targets(
    workflow: &Workflow,
    name: &ActivityName,
    activity: &Activity,
    report: &mut Report,
) {
    for (event, targets) in &activity.on {
        let site = || Site::Transition(name.clone(), event.clone());
        let mut named = BTreeSet::new();
        for to in targets {
            if !named.insert(to) {
                report.error(
                    code::TARGET_TWICE,
                    site(),
                    format!("`{event}` leads to `{to}` twice"),
                    "name each activity once; to repeat something, lead it back to itself",
                );
            } else if !workflow.activities.contains_key(to) {
                unknown(workflow, to, site(), report);
            }
        }
    }
    if let Kind::Jump { to } = &activity.kind
        && !workflow.activities.contains_key(to)
    {
        unknown(workflow, to, Site::Parameter(name.clone(), "to"), report);
    }
}

fn check_events(name: &ActivityName, activity: &Activity, report: &mut Report) {
    let kind = &activity.kind;
    let emits_nothing = matches!(
        kind,
        Kind::Success { .. } | Kind::Failure { .. } | Kind::Retry { .. } | Kind::Jump { .. }
    );
    if emits_nothing {
        for event in activity.on.keys() {
            report.error(
                code::NO_TRANSITIONS_HERE,
                Site::Transition(name.clone(), event.clone()),
                format!("`{}` emits no event, so nothing can follow it", kind.name()),
                match kind {
                    Kind::Jump { .. } => "a jump goes on at the activity in `to`; leave `on` out",
                    _ => "the run ends or begins again here; leave `on` out",
                },
            );
        }
        return;
    }
    for event in activity.on.keys().filter(|event| !can_emit(kind, event)) {
        let hint = report.suggest(&event.to_string(), possible(kind), events_of(kind));
        report.error(
            code::IMPOSSIBLE_EVENT,
            Site::Transition(name.clone(), event.clone()),
            format!("{} never emits `{event}`", in_words(kind)),
            hint,
        );
    }
    let can_fail = match kind {
        Kind::Wait { duration } => !duration.is_plain(),
        // What it names is what can come.
        Kind::Choose { .. } => false,
        Kind::NotYet { .. } => false,
        _ => kind.emits(&Event::Error),
    };
    if can_fail && !activity.on.contains_key(&Event::Error) {
        report.warning(
            code::UNHANDLED_ERROR,
            Site::Activity(name.clone()),
            format!("nothing follows an `error` of `{name}`"),
            "lead `error` to what should happen then; otherwise this branch ends there, and the \
             run fails unless another branch reaches `success`",
        );
    }
}

/// As [`Kind::emits`], but an Execution that is not waited for has no exit code.
fn can_emit(kind: &Kind, event: &Event) -> bool {
    match (kind, event) {
        (Kind::Execute(execute), Event::Exit(_)) => execute.synchronous,
        _ => kind.emits(event),
    }
}

fn in_words(kind: &Kind) -> String {
    match kind {
        Kind::Execute(execute) if !execute.synchronous => {
            "an `execute` that is not waited for (`synchronous: false`)".to_owned()
        }
        _ => format!("`{}`", kind.name()),
    }
}

fn possible(kind: &Kind) -> Vec<&'static str> {
    let all = [
        (Event::Ok, "ok"),
        (Event::Error, "error"),
        (Event::NoFile, "no_file"),
        (Event::Timeout, "timeout"),
        (Event::Interrupted, "interrupted"),
    ];
    all.into_iter().filter(|(event, _)| can_emit(kind, event)).map(|(_, name)| name).collect()
}

fn events_of(kind: &Kind) -> String {
    let exits = can_emit(kind, &Event::Exit(1)).then_some("exit N");
    let named = can_emit(kind, &Event::Named(String::new())).then_some("a name");
    format!("it emits {}", listed(possible(kind).into_iter().chain(exits).chain(named)))
}

/// Circles of activities that take no time: the run would go round without end.
fn check_circles(graph: &Graph<'_>, report: &mut Report) {
    let mut left: Vec<bool> = (0..graph.names.len())
        .map(|number| graph.is_reachable[number] && takes_no_time(graph.kind(number)))
        .collect();
    loop {
        trim(graph, &mut left);
        let Some(first) = left.iter().position(|is_left| *is_left) else { return };
        let circle = circle_from(graph, first, &left);
        let site = circle.iter().min().map_or(graph.names[first], |number| graph.names[*number]);
        let names = listed(circle.iter().map(|number| graph.names[*number]));
        let lead = if circle.len() == 1 { "leads" } else { "lead" };
        report.error(
            code::ENDLESS,
            Site::Activity(site.clone()),
            format!("{names} {lead} in a circle without end, because nothing in it takes time"),
            "put a `wait` into the circle, or an activity whose events lead out of it",
        );
        for number in circle {
            left[number] = false;
        }
    }
}

fn takes_no_time(kind: &Kind) -> bool {
    match kind {
        Kind::Jump { .. } | Kind::Empty | Kind::Synchronization | Kind::Choose { .. } => true,
        Kind::Wait { duration } => {
            duration.is_plain() && duration.source().parse() == Ok(Span::ZERO)
        }
        _ => false,
    }
}

/// Leaves only what lies in or between circles. A synchronization that also waits for something
/// outside ends the circle it is in.
fn trim(graph: &Graph<'_>, left: &mut [bool]) {
    let ends = |number: usize, left: &[bool]| {
        let (before, after) = (graph.predecessors(number), graph.successors(number));
        let is_joining = matches!(graph.kind(number), Kind::Synchronization);
        !after.iter().any(|other| left[*other])
            || !before.iter().any(|other| left[*other])
            || (is_joining && !before.iter().all(|other| left[*other]))
    };
    let mut open: Vec<usize> = (0..left.len()).collect();
    while let Some(number) = open.pop() {
        if left[number] && ends(number, left) {
            left[number] = false;
            open.extend_from_slice(graph.predecessors(number));
            open.extend_from_slice(graph.successors(number));
        }
    }
}

/// A circle that is met when going on from `first`.
fn circle_from(graph: &Graph<'_>, first: usize, left: &[bool]) -> Vec<usize> {
    let mut way = vec![first];
    loop {
        let last = way.last().copied().unwrap_or(first);
        let Some(next) = graph.successors(last).iter().copied().find(|other| left[*other]) else {
            return way;
        };
        if let Some(begin) = way.iter().position(|number| *number == next) {
            return way.split_off(begin);
        }
        way.push(next);
    }
}
