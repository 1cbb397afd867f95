//! Laws of workflows, deployments, runs and the audit log.

use model::Outcome;
use store::rows::{Deployment, Effect, Origin, Run, RunCount};
use store::{EventFilter, Page, Refusal, RunFilter, Write};

use crate::place::Place;
use crate::samples::*;

pub async fn revisions_follow_one_another(place: &impl Place) {
    let store = place.open().await;
    let put = |name, revision| Write::PutWorkflow(workflow(name, revision));
    accept(store.as_ref(), [put("Install", 1), put("Install", 2), put("apply", 1)]).await;
    for revision in [0, 2, 4] {
        let gap = Refusal::RevisionGap { name: "INSTALL".into(), expected: 3, got: revision };
        assert_eq!(refusal(store.as_ref(), put("INSTALL", revision)).await, gap);
    }
    let latest = store.workflows().await.unwrap();
    assert_eq!(latest, [workflow("apply", 1), workflow("Install", 2)]);
    let first = store.workflow("iNSTALL", Some(1)).await.unwrap();
    assert_eq!(first, Some(workflow("Install", 1)));
    assert_eq!(store.workflow("Install", None).await.unwrap(), Some(workflow("Install", 2)));
    assert_eq!(store.workflow("Install", Some(3)).await.unwrap(), None);
    assert_eq!(store.workflow("Other", None).await.unwrap(), None);
    assert_eq!(store.workflow_revisions("install").await.unwrap().len(), 2);
}

pub async fn warrants_and_effects_never_change(place: &impl Place) {
    let store = place.open().await;
    let both = [1, 2].map(|seq| Write::PutWarrant(warrant(1, seq)));
    accept(store.as_ref(), both.into_iter().chain([Write::PutEffect(effect(1, 1))])).await;
    let mut other = warrant(1, 2);
    other.leaves = vec![1];
    let refused = refusal(store.as_ref(), Write::PutWarrant(other)).await;
    assert_eq!(refused, Refusal::WarrantDiffers { deployment: deployment_id(1), seq: 2 });
    let begun = Effect { result: Vec::new(), ..effect(1, 2) };
    let both = [begun.clone(), begun.clone(), effect(1, 2)].map(Write::PutEffect);
    accept(store.as_ref(), both).await;
    let refused = refusal(store.as_ref(), Write::PutEffect(begun)).await;
    assert_eq!(refused, Refusal::EffectDiffers { run: run_id(1), attempt: 1, visit: 2, part: 0 });
    let mut other = effect(1, 1);
    other.result = b"no".to_vec();
    let refused = refusal(store.as_ref(), Write::PutEffect(other)).await;
    assert_eq!(refused, Refusal::EffectDiffers { run: run_id(1), attempt: 1, visit: 1, part: 0 });
    let warrants = store.warrants(deployment_id(1)).await.unwrap();
    assert_eq!(warrants, [warrant(1, 1), warrant(1, 2)]);
    let called = Effect { part: 7, call: b"call".to_vec(), ..effect(1, 1) };
    let begun = Effect { result: Vec::new(), ..called.clone() };
    let ended = Effect { call: Vec::new(), ..called.clone() };
    let without_call = Effect { result: Vec::new(), ..ended.clone() };
    accept(store.as_ref(), [begun.clone(), without_call].map(Write::PutEffect)).await;
    let effects = store.effects(run_id(1)).await.unwrap();
    assert_eq!(effects, [effect(1, 1), begun, effect(1, 2)]);
    // What was called for is needed until there is a result.
    let at_once = Effect { part: 8, ..called };
    accept(store.as_ref(), [ended.clone(), at_once].map(Write::PutEffect)).await;
    let effects = store.effects(run_id(1)).await.unwrap();
    let both = [ended.clone(), Effect { part: 8, ..ended }];
    assert_eq!(effects[1..3], both);
}

pub async fn copies_follow_one_another(place: &impl Place) {
    let store = place.open().await;
    let put = |number| Write::PutDeploymentCopy(copy(1, number));
    accept(store.as_ref(), [put(2), put(3), Write::PutDeploymentCopy(copy(2, 2))]).await;
    for number in [1, 3, 5] {
        let (deployment, expected, got) = (deployment_id(1), 4, number);
        let gap = Refusal::CopyGap { deployment, expected, got };
        assert_eq!(refusal(store.as_ref(), put(number)).await, gap);
    }
    let copies = store.deployment_copies(deployment_id(1)).await.unwrap();
    assert_eq!(copies, [copy(1, 2), copy(1, 3)]);
}

pub async fn runs_that_were_replaced_are_not_counted(place: &impl Place) {
    let store = place.open().await;
    let mut old = run(1, Some(Outcome::Failure));
    let put = |run: &Run| Write::PutRun(run.clone());
    accept(store.as_ref(), [put(&old), put(&run(2, None))]).await;
    (old.is_replaced, old.copy) = (true, 2);
    accept(store.as_ref(), [put(&old)]).await;
    let counts = store.run_counts(deployment_id(1)).await.unwrap();
    let open = RunCount { phase: "in progress".into(), outcome: None, runs: 1 };
    assert_eq!(counts, [open]);
    assert_eq!(store.run(run_id(1)).await.unwrap(), Some(old));
}

pub async fn deployments_come_latest_first(place: &impl Place) {
    let store = place.open().await;
    accept(store.as_ref(), (1..=5).map(|number| Write::PutDeployment(deployment(number)))).await;
    let ids = async |page| {
        let rows = store.deployments(page).await.unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(Page::first(2)).await, [5, 4].map(deployment_id));
    assert_eq!(ids(Page::after(deployment_id(4), 9)).await, [3, 2, 1].map(deployment_id));
    let mut changed = deployment(3);
    (changed.status, changed.stop) = ("suspended".into(), Some(at(9)));
    accept(store.as_ref(), [Write::PutDeployment(changed.clone())]).await;
    assert_eq!(store.deployment(deployment_id(3)).await.unwrap(), Some(changed));
}

pub async fn an_activity_starts_one_deployment(place: &impl Place) {
    let store = place.open().await;
    let started = |number| Deployment { origin: Some(origin(1)), ..deployment(number) };
    let put = |row: &Deployment| Write::PutDeployment(row.clone());
    accept(store.as_ref(), [put(&started(1)), put(&started(1)), put(&deployment(3))]).await;
    let part = Origin { part: 3, ..origin(1) };
    accept(store.as_ref(), [put(&Deployment { origin: Some(part), ..deployment(4) })]).await;
    let of_part = store.deployment_by_origin(part).await.unwrap();
    assert_eq!(of_part.map(|row| (row.id, row.origin)), Some((deployment_id(4), Some(part))));
    let refused = refusal(store.as_ref(), put(&started(2))).await;
    assert_eq!(refused, Refusal::OriginTaken { origin: origin(1), by: deployment_id(1) });
    assert_eq!(store.deployment_by_origin(origin(1)).await.unwrap(), Some(started(1)));
    assert_eq!(store.deployment_by_origin(origin(2)).await.unwrap(), None);
    assert_eq!(store.deployment(deployment_id(1)).await.unwrap(), Some(started(1)));
}

pub async fn runs_are_found_and_counted(place: &impl Place) {
    let store = place.open().await;
    let outcome = |number: u8| match number {
        1 => Some(Outcome::Success),
        2 => Some(Outcome::Lost),
        _ => None,
    };
    let mut writes: Vec<_> = (1..=5).map(|n| Write::PutRun(run(n, outcome(n)))).collect();
    let mut other = run(6, None);
    other.deployment = deployment_id(2);
    // The last state of a run within one commit is the one that counts.
    writes.extend([Write::PutRun(run(5, Some(Outcome::Failure))), Write::PutRun(run(5, None))]);
    writes.push(Write::PutRun(other));
    accept(store.as_ref(), writes).await;

    let of: Vec<_> = store.runs_of(deployment_id(1)).await.unwrap();
    assert_eq!(of.iter().map(|row| row.run).collect::<Vec<_>>(), [5, 4, 3, 2, 1].map(run_id));
    let find = async |filter: RunFilter, page| {
        let rows = store.runs(filter, page).await.unwrap();
        rows.into_iter().map(|row| row.run).collect::<Vec<_>>()
    };
    let filter = |is_open| RunFilter { is_open, ..Default::default() };
    assert_eq!(find(filter(Some(true)), Page::all()).await, [3, 4, 5, 6].map(run_id));
    assert_eq!(find(filter(Some(false)), Page::all()).await, [1, 2].map(run_id));
    assert_eq!(find(filter(None), Page::after(run_id(2), 2)).await, [3, 4].map(run_id));
    let of_computer = RunFilter { computer: Some(computer_id(4)), ..Default::default() };
    assert_eq!(find(of_computer, Page::all()).await, [run_id(4)]);
    let of_second = RunFilter { deployment: Some(deployment_id(2)), ..filter(Some(true)) };
    assert_eq!(find(of_second, Page::all()).await, [run_id(6)]);
    let count = |outcome, runs| RunCount { phase: "in progress".into(), outcome, runs };
    let counts = store.run_counts(deployment_id(1)).await.unwrap();
    let expected =
        [count(None, 3), count(Some(Outcome::Lost), 1), count(Some(Outcome::Success), 1)];
    assert_eq!(counts, expected);
}

pub async fn runs_stay_with_their_computer(place: &impl Place) {
    let store = place.open().await;
    accept(store.as_ref(), (1..=40).map(|number| Write::PutRun(run(number, None)))).await;
    let mut moved = run(30, None);
    moved.computer = computer_id(1);
    let mut writes: Vec<_> = (1..=29).map(|number| Write::PutRun(run(number, None))).collect();
    writes.push(Write::PutRun(moved.clone()));
    assert_eq!(refused(store.commit(writes).await), (29, Refusal::RunMoved(run_id(30))));
    let (one, mut other) = (run(50, None), run(50, None));
    other.computer = computer_id(1);
    let both = store.commit(vec![Write::PutRun(one), Write::PutRun(other)]).await;
    assert_eq!(refused(both), (1, Refusal::RunMoved(run_id(50))));
    moved = run(30, None);
    moved.deployment = deployment_id(2);
    let refused = refusal(store.as_ref(), Write::PutRun(moved)).await;
    assert_eq!(refused, Refusal::RunMoved(run_id(30)));
    assert_eq!(store.run(run_id(30)).await.unwrap(), Some(run(30, None)));
}

pub async fn events_come_latest_first(place: &impl Place) {
    let store = place.open().await;
    accept(store.as_ref(), [Write::AppendEvent(event(1, "refused"))]).await;
    let more = [(2, "sign-on"), (3, "refused"), (4, "sign-on")];
    accept(store.as_ref(), more.map(|(n, kind)| Write::AppendEvent(event(n, kind)))).await;
    let find = async |filter, page| {
        let rows = store.events(filter, page).await.unwrap();
        rows.into_iter().map(|row| row.seq).collect::<Vec<_>>()
    };
    let none = EventFilter::default;
    assert_eq!(find(none(), Page::all()).await, [4, 3, 2, 1]);
    assert_eq!(find(none(), Page::first(2)).await, [4, 3]);
    assert_eq!(find(none(), Page::after(3, 9)).await, [2, 1]);
    let kind = Some("refused".to_owned());
    assert_eq!(find(EventFilter { kind, ..none() }, Page::all()).await, [3, 1]);
    let behind = EventFilter { behind: Some(1), ..none() };
    assert_eq!(find(behind, Page::all()).await, [4, 3, 2]);
    let span = EventFilter { from: Some(at(2)), until: Some(at(4)), ..none() };
    assert_eq!(find(span, Page::all()).await, [3, 2]);
    let computer = Some(computer_id(2));
    assert_eq!(find(EventFilter { computer, ..none() }, Page::all()).await, [2]);
    let run = Some(run_id(3));
    assert_eq!(find(EventFilter { run, ..none() }, Page::all()).await, [3]);
    let deployment = Some(deployment_id(1));
    assert!(find(EventFilter { deployment, ..none() }, Page::all()).await.is_empty());
    let first = store.events(none(), Page::after(2, 1)).await.unwrap();
    assert_eq!(first[0].event, event(1, "refused"));
}
