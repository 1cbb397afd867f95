//! Laws of applications.

use store::rows::{Application, ApplicationState, Assigned, WantedHead, WantedSet};
use store::{Page, Refusal, StateFilter, Write};

use crate::place::Place;
use crate::samples::*;

fn publish(number: u8, revision: u64, name: &str) -> Write {
    Write::PutApplication(application(number, revision, name))
}

pub async fn publications_follow_one_another(place: &impl Place) {
    let store = place.open().await;
    let refused = refusal(store.as_ref(), publish(1, 2, "Viewer")).await;
    let gap = |expected, got| Refusal::PublicationGap { name: "Viewer".into(), expected, got };
    assert_eq!(refused, gap(1, 2));
    accept(store.as_ref(), [publish(1, 1, "Viewer"), publish(1, 2, "Viewer Pro")]).await;
    assert_eq!(refusal(store.as_ref(), publish(1, 2, "Viewer")).await, gap(3, 2));
    let id = application_id(1);
    assert_eq!(store.application(id, None).await.unwrap(), Some(application(1, 2, "Viewer Pro")));
    assert_eq!(store.application(id, Some(1)).await.unwrap(), Some(application(1, 1, "Viewer")));
    assert_eq!(store.application(id, Some(3)).await.unwrap(), None);
    assert_eq!(store.application_revisions(id).await.unwrap().len(), 2);
    let named = store.application_by_name("viewer PRO").await.unwrap();
    assert_eq!(named, Some(application(1, 2, "Viewer Pro")));
    assert_eq!(store.application_by_name("Viewer").await.unwrap(), None);
}

pub async fn names_of_applications_are_theirs(place: &impl Place) {
    let store = place.open().await;
    accept(store.as_ref(), [publish(1, 1, "Viewer"), publish(2, 1, "editor")]).await;
    let refused = refusal(store.as_ref(), publish(2, 2, "VIEWER")).await;
    let by = application_id(1).to_string();
    assert_eq!(refused, Refusal::NameTaken { name: "VIEWER".into(), by });
    accept(store.as_ref(), [publish(1, 2, "Zoom"), publish(2, 2, "Viewer")]).await;
    let all = store.applications().await.unwrap();
    let names: Vec<&str> = all.iter().map(|row: &Application| row.name.as_str()).collect();
    assert_eq!(names, ["Viewer", "Zoom"]);
}

pub async fn associated_applications_stay(place: &impl Place) {
    let store = place.open().await;
    let to = || Assigned::User("eva".into());
    let put = Write::PutAssociation(association(1, to()));
    let id = application_id(1);
    assert_eq!(refusal(store.as_ref(), put.clone()).await, Refusal::NoApplication(id));
    accept(store.as_ref(), [publish(1, 1, "Viewer"), put]).await;
    let refused = refusal(store.as_ref(), Write::RemoveApplication(id)).await;
    assert_eq!(refused, Refusal::ApplicationInUse(id));
    assert_eq!(store.associations().await.unwrap(), [association(1, to())]);
    let remove = Write::RemoveAssociation { application: id, to: to() };
    accept(store.as_ref(), [remove.clone()]).await;
    let name = "eva".to_owned();
    let none = Refusal::NoAssociation { application: id, kind: "user", name };
    assert_eq!(refusal(store.as_ref(), remove).await, none);
    accept(store.as_ref(), [Write::RemoveApplication(id)]).await;
    let refused = refusal(store.as_ref(), Write::RemoveApplication(id)).await;
    assert_eq!(refused, Refusal::NoApplication(id));
}

pub async fn serials_only_rise(place: &impl Place) {
    let store = place.open().await;
    let put = |serial| Write::PutWantedSet(wanted_set(1, serial));
    let computer = computer_id(1);
    assert_eq!(refusal(store.as_ref(), put(5)).await, Refusal::NoComputer(computer));
    accept(store.as_ref(), [Write::PutComputer(crate::samples::computer(1, "pc", None))]).await;
    accept(store.as_ref(), [put(5), Write::WantedSetTaken { computer, serial: 5 }]).await;
    for got in [4, 5] {
        let refused = refusal(store.as_ref(), put(got)).await;
        assert_eq!(refused, Refusal::SerialWentBack { computer, held: 5, got });
    }
    let held = store.wanted_set(computer).await.unwrap();
    assert_eq!(held, Some(WantedSet { taken: 5, ..wanted_set(1, 5) }));
    accept(store.as_ref(), [put(6)]).await;
    assert_eq!(store.wanted_sets().await.unwrap(), [wanted_set(1, 6)]);
}

pub async fn statements_are_signed_by_more(place: &impl Place) {
    let store = place.open().await;
    for number in 1..=3 {
        let name = format!("pc{number}");
        accept(store.as_ref(), [Write::PutComputer(computer(number, &name, None))]).await;
        let serial = if number == 3 { 6 } else { 5 };
        accept(store.as_ref(), [Write::PutWantedSet(wanted_set(number, serial))]).await;
    }
    let taken = Write::WantedSetTaken { computer: computer_id(2), serial: 5 };
    let sign = |serial| Write::SignWantedSets { serial, envelope: b"signed".to_vec() };
    accept(store.as_ref(), [taken, sign(5), sign(9)]).await;
    let signed = |number| WantedSet { envelope: b"signed".to_vec(), ..wanted_set(number, 5) };
    let all = [signed(1), WantedSet { taken: 5, ..signed(2) }, wanted_set(3, 6)];
    assert_eq!(store.wanted_sets().await.unwrap(), all);
    let heads = all.map(|WantedSet { computer, serial, leaf, taken, .. }| WantedHead {
        computer,
        serial,
        leaf,
        taken,
    });
    assert_eq!(store.wanted_heads().await.unwrap(), heads);
}

pub async fn later_states_stay(place: &impl Place) {
    let store = place.open().await;
    let put = |told| Write::PutApplicationState(application_state(1, "", told));
    assert_eq!(refusal(store.as_ref(), put(2)).await, Refusal::NoComputer(computer_id(1)));
    accept(store.as_ref(), [Write::PutComputer(computer(1, "pc", None)), put(2), put(1)]).await;
    let all = store.application_states(StateFilter::default(), Page::all()).await.unwrap();
    assert_eq!(all, [application_state(1, "", 2)]);
    accept(store.as_ref(), [put(3)]).await;
    let all = store.application_states(StateFilter::default(), Page::all()).await.unwrap();
    assert_eq!(all, [application_state(1, "", 3)]);
}

pub async fn states_come_in_pages(place: &impl Place) {
    let store = place.open().await;
    let mut rows: Vec<ApplicationState> = Vec::new();
    for number in 1..=3 {
        let name = format!("pc{number}");
        accept(store.as_ref(), [Write::PutComputer(computer(number, &name, None))]).await;
        for user in ["", "eva"] {
            rows.push(application_state(number, user, 1));
            let row = rows[rows.len() - 1].clone();
            accept(store.as_ref(), [Write::PutApplicationState(row)]).await;
        }
    }
    let mut found = Vec::new();
    let mut page = Page::first(4);
    loop {
        let part = store.application_states(StateFilter::default(), page).await.unwrap();
        let Some(last) = part.last() else { break };
        page = Page::after((last.computer, last.application, last.user.clone()), 4);
        found.extend(part);
    }
    assert_eq!(found, rows);
    let of_two = StateFilter { computer: Some(computer_id(2)), application: None };
    assert_eq!(store.application_states(of_two, Page::all()).await.unwrap(), rows[2..4]);
    let other = StateFilter { computer: None, application: Some(application_id(2)) };
    assert_eq!(store.application_states(other, Page::all()).await.unwrap(), []);
}

pub async fn a_removed_computer_takes_its_applications_along(place: &impl Place) {
    let store = place.open().await;
    let writes = [
        Write::PutComputer(computer(1, "pc", None)),
        Write::PutWantedSet(wanted_set(1, 1)),
        Write::PutApplicationState(application_state(1, "eva", 1)),
        Write::RemoveComputer(computer_id(1)),
    ];
    accept(store.as_ref(), writes).await;
    assert_eq!(store.wanted_sets().await.unwrap(), []);
    let all = store.application_states(StateFilter::default(), Page::all()).await.unwrap();
    assert_eq!(all, []);
}
