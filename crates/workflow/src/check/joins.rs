//! Synchronizations that can never go on.
//!
//! A synchronization goes on when each incoming transition has fired once. So it is stuck when a
//! transition comes from what only begins behind it, and when two of its transitions exclude each
//! other: an activity emits exactly one event, and without a fork before them only one way is gone.

use super::graph::{Cover, Edge, Graph};
use super::{Report, Site, code, listed};
use std::collections::BTreeSet;

use crate::{Event, Kind};

/// Comparisons after which a synchronization is left to the engine, which says the same later.
const WORK_MAX: usize = 10_000_000;

pub(super) fn check(graph: &Graph<'_>, report: &mut Report) {
    let comes = what_can_begin(graph);
    let users = users_of(graph);
    for (number, name) in graph.names.iter().enumerate() {
        if !is_synchronization(graph, number) || !graph.is_reachable[number] {
            continue;
        }
        let incoming: Vec<&Edge<'_>> =
            graph.edges.iter().filter(|edge| edge.to == number).collect();
        let site = || Site::Activity((*name).clone());
        if comes[number] && incoming.len() < 2 {
            let count = if incoming.is_empty() { "no transition" } else { "only one transition" };
            report.warning(
                code::LONE_SYNCHRONIZATION,
                site(),
                format!("{count} leads to the synchronization `{name}`, so it joins nothing"),
                "lead the other branches here too, or leave the synchronization out",
            );
        }
        check_users(graph, number, &incoming, &users, report);
        let has_doubles = check_doubles(graph, number, &incoming, report);
        if !comes[number] {
            check_stuck(graph, number, &incoming, &comes, report);
        } else if !has_doubles {
            check_exclusive(graph, number, &incoming, report);
        }
    }
}

fn is_synchronization(graph: &Graph<'_>, number: usize) -> bool {
    matches!(graph.kind(number), Kind::Synchronization)
}

/// What a run can come to: all that one transition leads to, and a synchronization when all that
/// lead to it can be come to.
fn what_can_begin(graph: &Graph<'_>) -> Vec<bool> {
    let mut comes = vec![false; graph.names.len()];
    let Some(start) = graph.start else { return vec![true; graph.names.len()] };
    let can_begin = |number: usize, comes: &[bool]| {
        let before = graph.predecessors(number);
        if is_synchronization(graph, number) {
            before.iter().all(|other| comes[*other]) && (!before.is_empty() || number == start)
        } else {
            number == start || before.iter().any(|other| comes[*other])
        }
    };
    let mut open = vec![start];
    while let Some(number) = open.pop() {
        if !comes[number] && can_begin(number, &comes) {
            comes[number] = true;
            open.extend_from_slice(graph.successors(number));
        }
    }
    comes
}

/// The Impersonates that an activity may be carried out under; `None` is the agent itself.
type Users = BTreeSet<Option<usize>>;

/// Of each activity, whom it may act as when it begins.
fn users_of(graph: &Graph<'_>) -> Vec<Users> {
    let mut users = vec![Users::new(); graph.names.len()];
    let Some(start) = graph.start else { return users };
    users[start].insert(None);
    let mut open = vec![start];
    while let Some(number) = open.pop() {
        for edge in graph.edges.iter().filter(|edge| edge.from == number) {
            let arriving = users_behind(graph, edge, &users);
            let before = users[edge.to].len();
            users[edge.to].extend(arriving);
            if users[edge.to].len() > before {
                open.push(edge.to);
            }
        }
    }
    users
}

/// Whom a branch acts as once it went along `edge`.
fn users_behind(graph: &Graph<'_>, edge: &Edge<'_>, users: &[Users]) -> Users {
    match graph.kind(edge.from) {
        Kind::Impersonate(who) if edge.event == Some(&Event::Ok) => {
            Users::from([who.user.as_ref().map(|_| edge.from)])
        }
        _ => users[edge.from].clone(),
    }
}

/// Branches that can only come as different users: nobody knows whom it would go on as.
fn check_users(
    graph: &Graph<'_>,
    number: usize,
    incoming: &[&Edge<'_>],
    users: &[Users],
    report: &mut Report,
) {
    let arriving: Vec<Users> =
        incoming.iter().map(|edge| users_behind(graph, edge, users)).collect();
    let Some((first, rest)) = arriving.split_first() else { return };
    let is_apart =
        |other: &Users| !other.is_empty() && !first.is_empty() && first.is_disjoint(other);
    let Some(apart) = rest.iter().position(is_apart) else { return };
    let name = graph.names[number];
    let (from, beside) = (graph.names[incoming[0].from], graph.names[incoming[apart + 1].from]);
    report.error(
        code::MIXED_USERS,
        Site::Activity(name.clone()),
        format!(
            "the synchronization `{name}` joins a branch from `{from}` with one from `{beside}`, \
             which act as different users"
        ),
        "put an `impersonate` before it on one of the branches, so that both come as the same one; \
         without a user it goes back to the agent itself",
    );
}

/// Two events of one activity into the same synchronization.
fn check_doubles(
    graph: &Graph<'_>,
    number: usize,
    incoming: &[&Edge<'_>],
    report: &mut Report,
) -> bool {
    let mut found = false;
    for (from, source) in graph.names.iter().enumerate() {
        let events: Vec<_> =
            incoming.iter().filter(|edge| edge.from == from).filter_map(|e| e.event).collect();
        if events.len() < 2 {
            continue;
        }
        found = true;
        report.error(
            code::SAME_ACTIVITY_TWICE,
            Site::Activity(graph.names[number].clone()),
            format!(
                "the synchronization `{}` waits for {} of `{source}`, which emits only one of them",
                graph.names[number],
                listed(events)
            ),
            format!(
                "let these events of `{source}` lead to an `empty` activity, and that one to `{}`",
                graph.names[number]
            ),
        );
    }
    found
}

fn check_stuck(
    graph: &Graph<'_>,
    number: usize,
    incoming: &[&Edge<'_>],
    comes: &[bool],
    report: &mut Report,
) {
    let mut missing: Vec<usize> =
        incoming.iter().map(|edge| edge.from).filter(|from| !comes[*from]).collect();
    missing.dedup();
    let name = graph.names[number];
    report.error(
        code::NEVER_JOINS,
        Site::Activity(name.clone()),
        format!(
            "the synchronization `{name}` can never go on: it waits for {}, which cannot come \
             before it",
            listed(missing.into_iter().map(|from| graph.names[from]))
        ),
        "take that transition away, or lead a branch there that does not need the synchronization",
    );
}

/// Two transitions of which a run can only ever take one, because nothing forks before them.
fn check_exclusive(graph: &Graph<'_>, number: usize, incoming: &[&Edge<'_>], report: &mut Report) {
    let before = graph.reachable_without(number);
    let leading: Vec<Vec<bool>> =
        incoming.iter().map(|edge| graph.leading_to(edge.from, Some(number))).collect();
    let covers = |group: usize, target: usize, index: usize| {
        if target == number { incoming[index].group == group } else { leading[index][target] }
    };
    let forks: Vec<Vec<Cover>> = graph
        .groups
        .iter()
        .enumerate()
        .filter(|(_, (from, targets))| before[*from] && targets.len() > 1)
        .map(|(group, (_, targets))| {
            let cover = |index| Cover::of(targets, |target| covers(group, target, index));
            (0..incoming.len()).map(cover).collect()
        })
        .collect();
    if forks.len() * incoming.len() * incoming.len() > WORK_MAX {
        return;
    }
    let can_both =
        |one: usize, other: usize| forks.iter().any(|fork| fork[one].is_beside(fork[other]));
    for one in 0..incoming.len() {
        let Some(other) = (one + 1..incoming.len()).find(|other| !can_both(one, *other)) else {
            continue;
        };
        let name = graph.names[number];
        let (from, beside) = (graph.names[incoming[one].from], graph.names[incoming[other].from]);
        report.error(
            code::NEVER_JOINS,
            Site::Activity(name.clone()),
            format!(
                "the synchronization `{name}` can never go on: a run comes from `{from}` or from \
                 `{beside}`, never from both"
            ),
            "only branches that began together (several activities for one event) can be joined; \
             lead both to what follows instead",
        );
        return;
    }
}
