//! The schema and the reader accept the same files; what is printed is read as the same.

mod strategies;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;

use super::schema::schema;
use super::table::{FILE, Preset, Record, Shape};
use super::*;
use crate::code as any;
use crate::schema::tests::json;
use crate::schema::validator::validate;

/// What only the reader can tell: the schema sees no places, and each value alone.
const BEYOND_SCHEMA: [&str; 11] = [
    any::SYNTAX,
    any::LIMIT,
    any::DUPLICATE_KEY,
    any::UNUSED_YAML,
    code::KIND,
    code::ITEM,
    code::RULE,
    code::MACRO,
    code::REGISTRY_NAME,
    code::SCHEDULE,
    code::VALUE,
];

/// Codes of what only the reader can tell, and only across the whole file.
const ACROSS: [&str; 3] = [code::ITSELF, code::UNATTENDED, code::ENGINE];

/// Both accept it, or both refuse it; what the schema cannot see aside.
fn compare(name: &str, source: &str) {
    let problems = parse_application(source).problems;
    let is_error = |problem: &&Problem| problem.severity == Severity::Error;
    let codes: BTreeSet<&str> =
        problems.iter().filter(is_error).map(|problem| problem.code).collect();
    let Some(value) = json(source) else { return };
    let wrong = validate(&schema(), &value);
    if codes.is_empty() {
        assert!(wrong.is_empty(), "{name}: the schema refuses what the reader takes: {wrong:?}");
    } else if wrong.is_empty() {
        let is_beyond = |code: &&str| BEYOND_SCHEMA.contains(code) || ACROSS.contains(code);
        assert!(codes.iter().all(is_beyond), "{name}: the schema takes {codes:?}");
    }
}

#[test]
fn cases_and_examples_are_judged_alike() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["tests/applications", "../../examples/applications"] {
        for entry in fs::read_dir(root.join(folder)).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                compare(&path.display().to_string(), &fs::read_to_string(&path).unwrap());
            }
        }
    }
}

/// A right value of a shape, and one of another type.
fn samples(shape: &Shape) -> (String, &'static str) {
    match shape {
        Shape::Plain | Shape::Name | Shape::Text => ("x".to_owned(), "[]"),
        Shape::Switch => ("true".to_owned(), "maybe"),
        Shape::Count(_) => ("2".to_owned(), "'2'"),
        Shape::Span => ("10m".to_owned(), "10"),
        Shape::Choice(words) => (words[0].to_owned(), "other"),
        Shape::Id => ("01890a5d-ac96-774b-bcce-b302099a8099".to_owned(), "id"),
        Shape::List(item) => (format!("[{}]", samples(item).0), "x"),
        Shape::Named(item) => (format!("{{ A: {} }}", samples(item).0), "x"),
        Shape::Record(record) => (sample(record, None), "x"),
        // The last rule of availability holds no others.
        Shape::Union(union) => (sample(union.records[union.records.len() - 1], None), "x"),
        Shape::Either(single, _) => (samples(single).0, "[]"),
    }
}

/// A record with what is necessary, and one field written so.
fn sample(record: &Record, written: Option<(&str, &str)>) -> String {
    let mut fields = Vec::new();
    for field in record.fields {
        match written {
            Some((name, value)) if name == field.name => fields.push(format!("{name}: {value}")),
            _ if field.preset == Preset::Required || record.one_of.first() == Some(&field.name) => {
                fields.push(format!("{}: {}", field.name, samples(&field.shape).0));
            }
            _ => {}
        }
    }
    format!("{{ {} }}", fields.join(", "))
}

fn visit(
    record: &'static Record,
    seen: &mut BTreeSet<&'static str>,
    all: &mut Vec<&'static Record>,
) {
    if seen.insert(record.name) {
        all.push(record);
        for field in record.fields {
            visit_shape(&field.shape, seen, all);
        }
    }
}

fn visit_shape(
    shape: &'static Shape,
    seen: &mut BTreeSet<&'static str>,
    all: &mut Vec<&'static Record>,
) {
    match shape {
        Shape::List(item) | Shape::Named(item) => visit_shape(item, seen, all),
        Shape::Record(record) => visit(record, seen, all),
        Shape::Union(union) => union.records.iter().for_each(|record| visit(record, seen, all)),
        Shape::Either(single, other) => {
            visit_shape(single, seen, all);
            visit_shape(other, seen, all);
        }
        _ => {}
    }
}

/// Each field of each record of the table: read where it is right, refused where it is wrong, by
/// the reader and by the schema alike.
#[test]
fn every_field_is_judged_alike() {
    let mut all = Vec::new();
    visit(&FILE, &mut BTreeSet::new(), &mut all);
    assert!(all.len() > 40, "{}", all.len());
    let root = schema();
    for record in all {
        let definition = match record.name {
            "application" => root.clone(),
            name => {
                let mut definition = root["$defs"][name].clone();
                definition["$defs"] = root["$defs"].clone();
                definition
            }
        };
        let judge = |text: &str| -> bool {
            let mut problems = Problems::new(text);
            let node = yaml::read(text, &mut problems).unwrap();
            let value = json(text).unwrap();
            let fields = Reader { problems: &mut problems, texts: Vec::new() }.record(node, record);
            let is_read = fields.is_some_and(|fields| !fields.is_broken) && !problems.has_errors();
            let wrong = validate(&definition, &value);
            assert_eq!(is_read, wrong.is_empty(), "{}: {text}: {wrong:?}", record.name);
            is_read
        };
        assert!(judge(&sample(record, None)), "{}", sample(record, None));
        assert!(!judge(&sample(record, Some((record.fields[0].name, "{}")))), "{}", record.name);
        for field in record.fields {
            if record.one_of.contains(&field.name) && record.one_of[0] != field.name {
                continue;
            }
            let (right, wrong) = samples(&field.shape);
            assert!(judge(&sample(record, Some((field.name, &right)))), "{} {right}", field.name);
            judge(&sample(record, Some((field.name, wrong))));
            judge(&sample(record, Some((field.name, ""))));
        }
    }
}

#[test]
fn the_schema_tells_every_preset() {
    let root = schema();
    let mut all = Vec::new();
    visit(&FILE, &mut BTreeSet::new(), &mut all);
    for record in all {
        let definition =
            if record.name == "application" { &root } else { &root["$defs"][record.name] };
        for field in record.fields {
            let expect = match field.preset {
                Preset::Required | Preset::Absent => Value::Null,
                Preset::Switch(value) => value.into(),
                Preset::Count(value) => value.into(),
                Preset::Word(value) => value.into(),
            };
            assert_eq!(definition["properties"][field.name]["default"], expect, "{}", field.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn what_is_printed_is_read_as_the_same(application in strategies::application()) {
        let text = print_application(&application);
        let parsed = parse_application(&text);
        let told: Vec<String> = parsed.problems.iter().map(|found| found.render("f")).collect();
        prop_assert_eq!(parsed.application.as_ref(), Some(&application), "{}\n{:?}", text, told);
        compare(&text, &text);
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        parse_application(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn changed_files_are_judged_alike(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), 0usize..8, prop::sample::select(vec![
                "", "x", "{ ", " }", "[", "]", ": ", ", ", "'", "\n  ", "- ", "true", "7", "%",
            ])), 1..4),
    ) {
        let source = include_str!("../../tests/applications/whole.yaml");
        let mut letters: Vec<char> = source.chars().collect();
        for (at, gone, piece) in changes {
            let at = at.index(letters.len());
            let end = (at + gone).min(letters.len());
            letters.splice(at..end, piece.chars());
        }
        let source: String = letters.into_iter().collect();
        compare(&source, &source);
    }
}
