//! Laws of computers, groups, agents and tokens.

use store::rows::{Agent, Computer};
use store::{ComputerFilter, Page, Refusal, Write};

use crate::place::Place;
use crate::samples::*;

fn names(computers: &[Computer]) -> Vec<&str> {
    computers.iter().map(|row| row.computer.name.as_str()).collect()
}

pub async fn names_are_told_apart_without_case(place: &impl Place) {
    let store = place.open().await;
    accept(store.as_ref(), [Write::PutComputer(computer(1, "Köln-01", None))]).await;
    let found = store.computer_by_name("KÖLN-01").await.unwrap();
    assert_eq!(found, Some(computer(1, "Köln-01", None)));
    let taken = refusal(store.as_ref(), Write::PutComputer(computer(2, "kÖln-01", None))).await;
    let by = computer_id(1).to_string();
    assert_eq!(taken, Refusal::NameTaken { name: "kÖln-01".into(), by });

    // A new name sets the old one free, and another spelling of one's own is no conflict.
    accept(store.as_ref(), [Write::PutComputer(computer(1, "KÖLN-01", None))]).await;
    accept(store.as_ref(), [Write::PutComputer(computer(1, "Bonn", None))]).await;
    accept(store.as_ref(), [Write::PutComputer(computer(2, "Köln-01", None))]).await;
    let found = store.computer_by_name("köln-01").await.unwrap().unwrap();
    assert_eq!(found.computer.id, computer_id(2));
    accept(store.as_ref(), [Write::RemoveComputer(computer_id(2))]).await;
    assert_eq!(store.computer_by_name("köln-01").await.unwrap(), None);
    let gone = refusal(store.as_ref(), Write::RemoveComputer(computer_id(2))).await;
    assert_eq!(gone, Refusal::NoComputer(computer_id(2)));

    accept(store.as_ref(), [Write::PutServer(server(1, 1))]).await;
    let mut other = server(2, 1);
    other.name = "SERVER 1".into();
    let taken = refusal(store.as_ref(), Write::PutServer(other)).await;
    assert!(matches!(taken, Refusal::NameTaken { .. }), "{taken}");
}

pub async fn groups_hold_groups_but_never_themselves(place: &impl Place) {
    let store = place.open().await;
    let put = Write::PutComputer;
    accept(
        store.as_ref(),
        [
            put(group(1, "World", None)),
            put(group(2, "Europe", Some(1))),
            put(group(3, "Köln", Some(2))),
            put(computer(4, "pc4", Some(3))),
            put(computer(5, "pc5", Some(1))),
            put(computer(6, "alone", None)),
        ],
    )
    .await;
    let inside = store.computers_in(computer_id(1)).await.unwrap();
    assert_eq!(names(&inside), ["Europe", "Köln", "pc4", "pc5"]);
    let inside = store.computers_in(computer_id(2)).await.unwrap();
    assert_eq!(names(&inside), ["Köln", "pc4"]);
    assert!(store.computers_in(computer_id(6)).await.unwrap().is_empty());

    let itself = refusal(store.as_ref(), put(group(1, "World", Some(1)))).await;
    assert_eq!(itself, Refusal::GroupInItself { name: "World".into(), parent: "World".into() });
    let below = refusal(store.as_ref(), put(group(1, "World", Some(3)))).await;
    assert_eq!(below, Refusal::GroupInItself { name: "World".into(), parent: "Köln".into() });
    let text = "the group `World` cannot be in `Köln`, because `Köln` is in `World`";
    assert_eq!(below.to_string(), text);
    let no_group = refusal(store.as_ref(), put(computer(7, "pc7", Some(4)))).await;
    assert_eq!(no_group, Refusal::ParentIsNoGroup { name: "pc7".into(), parent: "pc4".into() });
    let missing = refusal(store.as_ref(), put(computer(7, "pc7", Some(77)))).await;
    assert_eq!(missing, Refusal::NoParent { name: "pc7".into(), parent: computer_id(77) });

    // Two moves in one commit that only together make a ring.
    let ring = vec![put(group(2, "Europe", None)), put(group(1, "World", Some(3)))];
    accept(store.as_ref(), ring).await;
    let inside = store.computers_in(computer_id(2)).await.unwrap();
    assert_eq!(names(&inside), ["Köln", "pc4", "pc5", "World"]);
    let ring = vec![put(group(2, "Europe", Some(1)))];
    let (_, refusal) = refused(store.commit(ring).await);
    assert!(matches!(refusal, Refusal::GroupInItself { .. }), "{refusal}");
}

pub async fn groups_with_members_stay(place: &impl Place) {
    let store = place.open().await;
    let lab =
        [Write::PutComputer(group(1, "Lab", None)), Write::PutComputer(computer(2, "b", Some(1)))];
    accept(store.as_ref(), lab).await;
    let full = Refusal::GroupHasMembers { name: "Lab".into() };
    assert_eq!(refusal(store.as_ref(), Write::RemoveComputer(computer_id(1))).await, full);
    let turned = Write::PutComputer(computer(1, "Lab", None));
    assert_eq!(refusal(store.as_ref(), turned).await, full);
    let both = [Write::RemoveComputer(computer_id(2)), Write::RemoveComputer(computer_id(1))];
    accept(store.as_ref(), both).await;
}

pub async fn computers_are_listed_and_searched(place: &impl Place) {
    let store = place.open().await;
    let mut writes = vec![Write::PutComputer(group(100, "Lab", None))];
    for (number, name) in [(1, "b_1"), (2, "B%2"), (3, "a\\3"), (4, "C4"), (5, "Äpfel")] {
        let parent = (number < 3).then_some(100);
        writes.push(Write::PutComputer(computer(number, name, parent)));
    }
    accept(store.as_ref(), writes).await;
    let list = async |filter: ComputerFilter, page| {
        let rows = store.computers(filter, page).await.unwrap();
        rows.into_iter().map(|row| row.computer.name).collect::<Vec<_>>()
    };
    let all = list(Default::default(), Page::all()).await;
    assert_eq!(all, ["a\\3", "B%2", "b_1", "C4", "Lab", "Äpfel"]);
    let mut paged = Vec::new();
    let mut page = Page::first(2);
    loop {
        let names = list(Default::default(), page).await;
        let Some(last) = names.last() else { break };
        page = Page::after(last.clone(), 2);
        paged.extend(names);
    }
    assert_eq!(paged, all);
    for (text, expected) in [
        ("B", &["B%2", "b_1", "Lab"][..]),
        ("%", &["B%2"]),
        ("_", &["b_1"]),
        ("\\", &["a\\3"]),
        ("äPF", &["Äpfel"]),
        ("4.example", &["C4"]),
        ("4 c4", &[]),
    ] {
        let filter = ComputerFilter { search: Some(text.into()), ..Default::default() };
        assert_eq!(list(filter, Page::all()).await, expected, "{text}");
    }
    let members = ComputerFilter { parent: Some(computer_id(100)), ..Default::default() };
    assert_eq!(list(members, Page::all()).await, ["B%2", "b_1"]);
    let groups = ComputerFilter { is_group: Some(true), ..Default::default() };
    assert_eq!(list(groups, Page::all()).await, ["Lab"]);
}

pub async fn agent_keys_belong_to_one_computer(place: &impl Place) {
    let store = place.open().await;
    let stranger = refusal(store.as_ref(), Write::PutAgent(agent(1, 1))).await;
    assert_eq!(stranger, Refusal::NoComputer(computer_id(1)));
    let fleet = [1, 2].map(|n| Write::PutComputer(computer(n, &format!("pc{n}"), None)));
    accept(store.as_ref(), fleet).await;
    accept(store.as_ref(), [1, 2].map(|n| Write::PutAgent(agent(n, n)))).await;
    let taken = refusal(store.as_ref(), Write::PutAgent(agent(2, 1))).await;
    let (computer, owner) = (computer_id(2), computer_id(1));
    assert_eq!(taken, Refusal::KeyTaken { computer, owner });

    // A new enrolment frees the key of the one before.
    accept(store.as_ref(), [Write::PutAgent(agent(1, 9)), Write::PutAgent(agent(2, 1))]).await;
    let by_key = async |key| {
        let agent: Option<Agent> = store.agent_by_key([key; 32]).await.unwrap();
        agent.map(|agent| agent.computer)
    };
    assert_eq!(by_key(9).await, Some(computer_id(1)));
    assert_eq!(by_key(1).await, Some(computer_id(2)));
    assert_eq!(by_key(2).await, None);
    let page = store.agents(Page::after(computer_id(1), 5)).await.unwrap();
    assert_eq!(page, [agent(2, 1)]);

    accept(store.as_ref(), [Write::RemoveComputer(computer_id(2))]).await;
    assert_eq!(by_key(1).await, None);
    let touch = Write::TouchAgent {
        computer: computer_id(2),
        last_seen: at(1),
        counter: 1,
        address: String::new(),
    };
    assert_eq!(refusal(store.as_ref(), touch).await, Refusal::NoAgent(computer_id(2)));
    let holds = |number| Write::AgentTrust { computer: computer_id(number), number: 7 };
    assert_eq!(refusal(store.as_ref(), holds(2)).await, Refusal::NoAgent(computer_id(2)));
    accept(store.as_ref(), [holds(1)]).await;
    assert_eq!(store.agent(computer_id(1)).await.unwrap().unwrap().trust_number, 7);
}

pub async fn tokens_are_refused_when_spent_expired_or_revoked(place: &impl Place) {
    let store = place.open().await;
    let use_at = |number, millis| Write::UseToken { id: token_id(number), at: at(millis) };
    accept(store.as_ref(), [1, 2, 3].map(|number| Write::PutToken(token(number, 1)))).await;
    accept(store.as_ref(), [use_at(1, 999)]).await;
    let cases = [
        (use_at(1, 999), Refusal::TokenSpent(token_id(1))),
        (use_at(2, 1_000), Refusal::TokenExpired(token_id(2))),
        (use_at(9, 0), Refusal::NoToken(token_id(9))),
        (Write::RevokeToken(token_id(9)), Refusal::NoToken(token_id(9))),
    ];
    for (write, expected) in cases {
        assert_eq!(refusal(store.as_ref(), write).await, expected);
    }
    accept(store.as_ref(), [Write::RevokeToken(token_id(3))]).await;
    let revoked = refusal(store.as_ref(), use_at(3, 0)).await;
    assert_eq!(revoked, Refusal::TokenRevoked(token_id(3)));
    let two = store.commit(vec![use_at(2, 0), use_at(2, 0)]).await;
    assert_eq!(refused(two), (1, Refusal::TokenSpent(token_id(2))));
    assert_eq!(store.token(token_id(2)).await.unwrap(), Some(token(2, 1)));
}

pub async fn tokens_count_uses_of_many_at_once(place: &impl Place) {
    let store = place.open().await;
    accept(store.as_ref(), [Write::PutToken(token(1, 5))]).await;
    let users: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            let one = vec![Write::UseToken { id: token_id(1), at: at(0) }];
            tokio::spawn(async move { store.commit(one).await.is_ok() })
        })
        .collect();
    let mut served = 0;
    for user in users {
        served += usize::from(user.await.unwrap());
    }
    assert_eq!(served, 5);
    assert_eq!(store.token(token_id(1)).await.unwrap(), Some(token(1, 0)));
}
