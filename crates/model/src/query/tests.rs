//! What queries answer about one computer.

use super::*;
use crate::ComputerId;

fn computer() -> Computer {
    Computer {
        id: ComputerId::from_bytes([7; 16]),
        name: "PC-7".into(),
        host_name: "pc-7.example".into(),
        os: "windows".into(),
        parent: None,
        is_group: false,
        facts: [("os_version", "10.0.19045"), ("ram_gb", "16"), ("empty", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

fn answer(condition: &Condition) -> Option<bool> {
    let computer = computer();
    let agent = Agent {
        state: "enrolled",
        version: "0.1.9",
        address: "192.0.2.7",
        is_connected: true,
        first_seen: Timestamp::EPOCH,
        last_seen: Timestamp::from_millis(999_999_000),
    };
    let subject = Subject {
        computer: &computer,
        groups: vec!["Berlin", "Offices"],
        agent: Some(agent),
        created_by: "admin",
        created_at: Timestamp::EPOCH,
    };
    condition.answer(&subject, NOW)
}

fn compare(field: &str, comparison: Comparison, right: Value) -> Condition {
    let (field, kind) = Field::named(field).unwrap();
    Condition::Compare { left: Value::Field(field), comparison, right, kind }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn fields_compare_as_what_they_are() {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, NotEqual};
    for (condition, expect) in [
        (compare("name", Equal, text("pc-7")), Some(true)),
        (compare("OS", NotEqual, text("linux")), Some(true)),
        (compare("os_version", Greater, text("10.0.9200")), Some(true)),
        (compare("agent.version", Less, text("0.1.10")), Some(true)),
        (compare("group", Equal, text("berlin")), Some(true)),
        (compare("agent.connected", Equal, Value::Truth(true)), Some(true)),
        (compare("last_seen", GreaterOrEqual, Value::Ago(Span::from_secs(60))), Some(true)),
        (compare("last_seen", Less, Value::Ago(Span::from_secs(60))), Some(false)),
        (compare("created_at", Less, Value::Time(NOW)), Some(true)),
        (compare("location", Equal, text("x")), None),
        (compare("facts.empty", Equal, text("")), None),
    ] {
        assert_eq!(answer(&condition), expect, "{condition:?}");
    }
    let ram = |number| Condition::Compare {
        left: Value::Field(Field::Fact("ram_gb".into())),
        comparison: GreaterOrEqual,
        right: Value::Number(number),
        kind: Kind::Number,
    };
    assert_eq!(answer(&ram(9.0)), Some(true));
    assert_eq!(answer(&ram(16.5)), Some(false));
}

#[test]
fn the_unknown_is_neither_true_nor_false() {
    let unknown = || compare("location", Comparison::Equal, text("x"));
    let yes = || Condition::Always;
    let no = || Condition::Not(Box::new(Condition::Always));
    for (condition, expect) in [
        (Condition::Not(Box::new(unknown())), None),
        (Condition::All(vec![unknown(), yes()]), None),
        (Condition::All(vec![unknown(), no()]), Some(false)),
        (Condition::Any(vec![unknown(), no()]), None),
        (Condition::Any(vec![unknown(), yes()]), Some(true)),
        (Condition::IsUnknown(Value::Field(Field::Fact("location".into()))), Some(true)),
        (Condition::IsUnknown(Value::Field(Field::Name)), Some(false)),
        (Condition::All(Vec::new()), Some(true)),
        (Condition::Any(Vec::new()), Some(false)),
    ] {
        assert_eq!(answer(&condition), expect, "{condition:?}");
    }
}

#[test]
fn membership_reaches_through_groups() {
    let member = |name: &str| Condition::Member([name.to_owned()].into());
    assert_eq!(answer(&member("berlin")), Some(true));
    assert_eq!(answer(&member("offices")), Some(true));
    assert_eq!(answer(&member("servers")), Some(false));
}

#[test]
fn every_documented_field_is_one() {
    for (name, kind) in FIELDS {
        assert_eq!(Field::named(name).map(|(_, kind)| kind), Some(kind), "{name}");
    }
    assert_eq!(Field::named("facts."), None);
    assert_eq!(Field::named("fäcts.x"), None);
    assert_eq!(Field::named("Facts.Ram GB"), Some((Field::Fact("Ram GB".into()), Kind::Text)));
}
