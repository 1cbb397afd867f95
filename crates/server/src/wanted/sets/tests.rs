//! Who is to have what.

use model::{Digest, Timestamp};
use store::rows::{Agent, AgentState, Application as Row, Computer};

use super::*;

fn id(number: u8) -> ApplicationId {
    ApplicationId::from_bytes([number; 16])
}

fn computer(number: u8) -> ComputerId {
    ComputerId::from_bytes([number; 16])
}

/// Computers 1 to 4: 1 and 2 in group 10, which is in group 11; 4 runs Windows.
fn fleet() -> Fleet {
    let row = |number: u8, parent: Option<u8>, is_group: bool| Computer {
        computer: model::Computer {
            id: computer(number),
            name: format!("c{number}"),
            host_name: String::new(),
            os: if number == 4 { "windows".to_owned() } else { "linux".to_owned() },
            parent: parent.map(computer),
            is_group,
            facts: BTreeMap::new(),
        },
        created_by: String::new(),
        created_at: Timestamp::EPOCH,
    };
    let agent = |number: u8| Agent {
        computer: computer(number),
        signing_key: [number; 32],
        sealing_key: [0; 32],
        version: String::new(),
        protocol: 1,
        capabilities: Vec::new(),
        first_seen: Timestamp::EPOCH,
        last_seen: Timestamp::EPOCH,
        counter: 0,
        address: String::new(),
        state: AgentState::Enrolled,
        trust_number: 1,
    };
    let rows = vec![
        row(1, Some(10), false),
        row(2, Some(10), false),
        row(3, None, false),
        row(4, None, false),
        row(10, Some(11), true),
        row(11, None, true),
    ];
    Fleet::of(rows, (1..=4).map(agent).collect())
}

fn publication(number: u8, more: &str) -> (ApplicationId, Publication) {
    let text = format!("application: App {number}\nid: {}\nversion: 3\n{more}", id(number));
    let parsed = format::parse_application(&text);
    let document = parsed.application.unwrap_or_else(|| panic!("{:?}", parsed.problems));
    let row = Row {
        id: id(number),
        revision: 2,
        name: document.name.clone(),
        version: document.version,
        text,
        digest: Digest::from_bytes([number; 32]),
        source: None,
        source_files: 0,
        source_bytes: 0,
        published_by: String::new(),
        published_at: Timestamp::EPOCH,
    };
    (id(number), Publication { row, document: Some(Arc::new(document)) })
}

fn association(number: u8, to: Assigned, priority: u32) -> Association {
    Association {
        application: id(number),
        to,
        priority,
        uninstall: None,
        verify_every: None,
        repair: true,
        created_by: String::new(),
        created_at: Timestamp::EPOCH,
    }
}

fn group(number: u8) -> Assigned {
    Assigned::Group(computer(number))
}

/// `computer: application(users) …`, one line for each.
fn told(sets: &BTreeMap<ComputerId, WantedSet>) -> Vec<String> {
    let one = |wanted: &WantedApplication| match &wanted.users {
        None => wanted.name.clone(),
        Some(users) => format!("{} for {}", wanted.name, users.join("+")),
    };
    let line = |(computer, set): (&ComputerId, &WantedSet)| {
        let wanted: Vec<String> = set.applications.iter().map(one).collect();
        format!("{}: {}", computer.as_bytes()[0], wanted.join(", "))
    };
    sets.iter().map(line).collect()
}

#[test]
fn everybody_who_is_meant_and_nobody_else() {
    let publications = BTreeMap::from([publication(1, "")]);
    let query = |text: &str| Assigned::Query(text.to_owned());
    for (to, expect) in [
        (Assigned::Computer(computer(3)), "3"),
        (group(10), "12"),
        (group(11), "12"),
        (group(99), ""),
        (query("os = 'windows'"), "4"),
        (query("os = 'linux'"), "123"),
        (query("no query at all"), ""),
    ] {
        let sets = sets(&fleet(), &[association(1, to.clone(), 1)], &publications);
        let meant: String = sets.keys().map(|id| id.as_bytes()[0].to_string()).collect();
        assert_eq!(meant, expect, "{to:?}");
    }
    let user = Assigned::User("ada".to_owned());
    let sets = sets(&fleet(), &[association(1, user, 1)], &publications);
    assert_eq!(told(&sets)[0], "1: App 1 for ada");
    assert_eq!(sets.len(), 4);
}

#[test]
fn what_is_not_published_is_not_wanted() {
    let sets = sets(&fleet(), &[association(1, group(11), 1)], &BTreeMap::new());
    assert_eq!(told(&sets), Vec::<String>::new());
}

#[test]
fn dependencies_come_along_for_whoever_needs_them() {
    let needs = |number: u8| format!("dependencies: [ {{ application: {} }} ]\n", id(number));
    let publications = BTreeMap::from([
        publication(1, &needs(2)),
        publication(2, &needs(3)),
        // Round in a ring, and something that nobody has published.
        publication(3, &format!("dependencies: [ {{ application: {} }} ]\n", id(1))),
        publication(5, &needs(9)),
    ]);
    let to = |name: &str| Assigned::User(name.to_owned());
    let associations = [
        association(1, to("ada"), 5),
        association(2, to("eva"), 1),
        association(5, Assigned::Computer(computer(3)), 9),
    ];
    let told = told(&sets(&fleet(), &associations, &publications));
    assert_eq!(told[0], "1: App 1 for ada+eva, App 2 for ada+eva, App 3 for ada+eva");
    assert_eq!(told[2], "3: App 1 for ada+eva, App 2 for ada+eva, App 3 for ada+eva, App 5");
}

#[test]
fn what_comes_first_says_how() {
    let gone = "uninstall: { when_unassociated: uninstall }\n";
    let publications = BTreeMap::from([publication(1, gone), publication(2, "")]);
    let first = Association {
        verify_every: Some(Span::from_secs(60)),
        repair: false,
        ..association(1, group(10), 1)
    };
    let second = Association {
        uninstall: Some(false),
        ..association(1, Assigned::Computer(computer(1)), 2)
    };
    let other = association(2, group(10), 0);
    for associations in [[first.clone(), second.clone(), other.clone()], [second, other, first]] {
        let sets = sets(&fleet(), &associations, &publications);
        let set = &sets[&computer(1)].applications;
        assert_eq!(set[0].name, "App 2", "the smaller number comes first");
        assert!(!set[0].uninstall);
        assert_eq!(set[1].verify_every, Some(Span::from_secs(60)));
        assert!(set[1].uninstall, "as the document says");
        assert!(!set[1].repair);
    }
}

#[test]
fn what_cannot_be_read_any_more_stays_wanted() {
    let (known, mut publication) = publication(1, "");
    publication.document = None;
    let publications = BTreeMap::from([(known, publication)]);
    let sets = sets(&fleet(), &[association(1, group(10), 1)], &publications);
    assert_eq!(told(&sets), ["1: App 1", "2: App 1"]);
}
