//! What is read as a query, and what is said of what is not.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use model::query::{Agent, Subject};
use model::{Computer, ComputerId, Timestamp};
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_263_730_000);

fn computer(number: u32) -> Computer {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    let place = ["/Europe/Warsaw", "/Europe/Berlin", "/Asia/Tokyo"][number as usize % 3];
    let facts = [("location", place), ("os_version", "10.0.19045"), ("ram_gb", "16")];
    Computer {
        id: ComputerId::from_bytes(id),
        name: format!("PC-{number}"),
        host_name: format!("pc-{number}.example"),
        os: if number.is_multiple_of(2) { "windows" } else { "linux" }.into(),
        parent: None,
        is_group: false,
        facts: facts.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    }
}

fn holds(condition: &Condition, computer: &Computer) -> bool {
    let agent = Agent {
        state: "enrolled",
        version: "0.1.9",
        address: "192.0.2.7",
        is_connected: true,
        first_seen: Timestamp::EPOCH,
        last_seen: Timestamp::from_millis(NOW.as_millis() - 3_600_000),
    };
    let subject = Subject {
        computer,
        groups: vec!["Berlin", "Offices"],
        agent: Some(agent),
        created_by: "admin",
        created_at: Timestamp::EPOCH,
    };
    condition.holds(&subject, NOW)
}

#[test]
fn queries_choose_computers() {
    for (query, expect) in [
        ("", true),
        ("true", true),
        ("os = 'windows' AND location LIKE '/europe/%' AND agent.version < '0.2'", true),
        ("OS = 'Windows' and agent.version >= '0.1.10'", false),
        ("os <> 'windows' OR name = 'pc-0'", true),
        ("NOT os = 'linux'", true),
        ("os_version >= '10.0' AND version(facts.os_version) < '10.0.20000'", true),
        (
            "facts.ram_gb > 8 AND number(facts.ram_gb) <= 16 AND facts.ram_gb BETWEEN 15 AND 17",
            true,
        ),
        ("facts.ram_gb > -1 AND facts.ram_gb NOT IN (8, 32)", true),
        ("facts.\"ram_gb\" = '16'", true),
        ("serial IS NULL AND location IS NOT NULL", true),
        ("serial <> 'x'", false),
        ("group = 'offices' AND group IN ('x', 'berlin') AND group <> 'servers'", true),
        ("group LIKE 'off%' AND group IS NOT NULL", true),
        ("agent.connected AND agent.connected = true AND agent.connected IS TRUE", true),
        ("NOT agent.connected OR agent.state = 'revoked'", false),
        ("last_seen > ago('2h') AND last_seen < now() AND agent.last_seen < ago('10m')", true),
        ("last_seen >= '2026-11-21' AND created_at < '1970-01-02 00:00'", true),
        ("created_at = '1970-01-01T01:00:00+01:00'", true),
        ("name LIKE 'pc\\_%' ESCAPE '\\'", false),
        ("name IN ('PC-0', 'pc-1') AND (user IS NULL OR user = 'ann')", true),
        ("ip IS NULL AND mac IS NULL AND host_name = 'PC-0.EXAMPLE'", true),
    ] {
        let condition = parse_query(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        assert_eq!(holds(&condition, &computer(0)), expect, "{query}: {condition:?}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let mut wrong = Vec::new();
    for (query, column, what, hint) in [
        ("oss = 'windows'", 1, "there is no `oss`", "did you mean `os`?"),
        ("os = 'x' AND ram_gb > 1", 14, "there is no `ram_gb`", "`facts.ram_gb`"),
        ("os = \"windows\"", 6, "there is no `windows`", "single quotes: 'windows'"),
        ("os = 'windows' name = 'x'", 16, "`name` does not belong here", "AND"),
        ("os = 'windows'; DROP TABLE computers", 15, "`;`", "without `;`"),
        ("os = NULL", 6, "nothing equals NULL", "IS NULL"),
        ("os = ''", 6, "what is not known is NULL", "IS NULL"),
        ("os_version > 10", 1, "a version cannot be compared with a number", "'10.0'"),
        ("name = 7", 1, "a text cannot be compared with a number", "single quotes"),
        ("last_seen > 'yesterday'", 13, "`yesterday` is not a time", "ago('7d')"),
        ("last_seen > ago('week')", 17, "not a length of time", "ago('7d')"),
        ("agent.connected = 'yes'", 19, "not true or false", "without quotes"),
        ("facts.x", 1, "a fact is a text", "compare it"),
        ("name", 1, "`name` is not true or false", ""),
        ("'a' = 'a'", 1, "the same for every computer", "facts.NAME"),
        ("group < 'x'", 1, "groups have no order", "LIKE"),
        ("name LIKE os", 11, "the pattern of LIKE is a text", ""),
        ("name LIKE 'a\\' ESCAPE '\\'", 11, "ends with its escape sign", ""),
        ("verison(os_version) > '1'", 1, "no function `verison`", "did you mean `version`?"),
        ("name || 'x' = 'y'", 1, "cannot be compared", ""),
        ("EXISTS (SELECT 1)", 9, "is not a condition", ""),
        ("name IN (SELECT name FROM computers)", 1, "is not a condition", ""),
        ("CASE WHEN true THEN true ELSE false END", 1, "is not a condition", ""),
        ("os = 'windows", 6, "Unterminated", "single quotes"),
        ("(os = 'x'", 10, "", ""),
        ("os =", 5, "", ""),
        ("facts.x > 'a' AND facts.x > 1 AND\n oss = 'b'", 2, "`oss`", ""),
    ] {
        let error = parse_query(query).expect_err(query);
        let is_told = error.what.contains(what) && error.hint.contains(hint);
        if error.column != column || !is_told {
            wrong.push(format!("{query}: {error:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn queries_are_limited() {
    let chain = |parts: usize| vec!["name = 'x'"; parts].join(" OR ");
    assert!(parse_query(&chain(100)).is_ok());
    assert!(parse_query(&chain(5_000)).unwrap_err().what.contains("more than"));
    let deep = format!("{}name = 'x'{}", "(".repeat(30_000), ")".repeat(30_000));
    assert!(parse_query(&deep).unwrap_err().what.contains("more than"));
    let deep = format!("{}name = 'x'{}", "(".repeat(100), ")".repeat(100));
    assert!(parse_query(&deep).unwrap_err().what.contains("brackets"));
    assert!(parse_query(&format!("{}agent.connected", "NOT ".repeat(300))).is_err());
    let many: Vec<String> = (0..5_000).map(|number| format!("'pc-{number}'")).collect();
    let list = format!("name IN ({})", many.join(", "));
    assert!(parse_query(&list).is_ok());
    assert!(parse_query(&" x".repeat(BYTES_MAX)).unwrap_err().what.contains("KiB"));
}

/// 100,000 computers take less than 100 ms where it was built to be fast; here only that nothing
/// grows out of hand.
#[test]
fn a_large_fleet_is_asked_quickly() {
    let fleet: Vec<Computer> = (0..20_000).map(computer).collect();
    let query = "os = 'windows' AND location LIKE '/Europe/%' AND agent.version < '0.2'";
    let condition = parse_query(query).unwrap();
    let begin = Instant::now();
    let chosen = fleet.iter().filter(|computer| holds(&condition, computer)).count();
    let took = begin.elapsed();
    println!("{chosen} of {} computers chosen in {took:?}", fleet.len());
    assert_eq!(chosen, 6_667);
    assert!(took < Duration::from_secs(5));
}

fn word() -> impl Strategy<Value = &'static str> {
    const WORDS: [&str; 42] = [
        "os",
        "name",
        "facts.x",
        "agent.connected",
        "last_seen",
        "group",
        "user",
        "AND",
        "OR",
        "NOT",
        "=",
        "<>",
        "<",
        ">=",
        "(",
        ")",
        ",",
        "'a'",
        "''",
        "'%'",
        "1",
        "-1",
        "IN",
        "LIKE",
        "BETWEEN",
        "IS",
        "NULL",
        "true",
        "ago('1d')",
        "version(",
        "now()",
        "ESCAPE",
        "'\\'",
        "\"q\"",
        ".",
        ";",
        "--",
        "/*",
        "SELECT",
        "::text",
        "INTERVAL",
        "CASE",
    ];
    proptest::sample::select(&WORDS[..])
}

proptest! {
    #[test]
    fn any_text_is_a_query_or_is_refused(text in "\\PC{0,60}") {
        check(&text);
    }

    #[test]
    fn any_words_are_a_query_or_are_refused(words in proptest::collection::vec(word(), 0..14)) {
        check(&words.join(" "));
    }
}

fn check(text: &str) {
    match parse_query(text) {
        Ok(condition) => {
            let not = Condition::Not(Box::new(condition.clone()));
            let nobody = Computer {
                name: String::new(),
                host_name: String::new(),
                os: String::new(),
                facts: BTreeMap::new(),
                ..computer(1)
            };
            for computer in [computer(0), nobody] {
                // Never both, though perhaps neither.
                assert!(!(holds(&condition, &computer) && holds(&not, &computer)), "{text}");
            }
        }
        Err(error) => {
            assert!(error.line > 0 && error.column > 0 && !error.what.is_empty(), "{text}");
        }
    }
}
