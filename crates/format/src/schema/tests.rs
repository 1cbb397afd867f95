//! The schema and the reader accept the same files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;

use super::validator::validate;
use super::*;
use crate::code;
use crate::problem::Problems;
use crate::yaml::{self, Node, Scalar};

/// What only the reader can tell: the schema sees neither places nor texts of templates.
const BEYOND_SCHEMA: [&str; 7] = [
    code::SYNTAX,
    code::LIMIT,
    code::UNQUOTED_TEMPLATE,
    code::DUPLICATE_KEY,
    code::UNUSED_YAML,
    code::TEMPLATE,
    code::TIMEOUT_TWICE,
];

pub(crate) fn json(source: &str) -> Option<Value> {
    let mut problems = Problems::new(source);
    yaml::read(source, &mut problems).filter(|_| !problems.has_errors()).map(|node| value_of(&node))
}

fn value_of(node: &Node) -> Value {
    match (&node.value, node.scalar()) {
        (_, Some(Scalar::Null)) => Value::Null,
        (_, Some(Scalar::Bool(value))) => value.into(),
        (_, Some(Scalar::Int(digits))) => integer(digits),
        (_, Some(Scalar::Float(_))) => 0.5.into(),
        (_, Some(Scalar::Text(text))) => text.into(),
        (yaml::Value::List(items), _) => items.iter().map(value_of).collect(),
        (yaml::Value::Map(entries), _) => {
            entries.iter().map(|entry| (entry.key.clone(), value_of(&entry.value))).collect()
        }
        _ => Value::Null,
    }
}

/// A number beyond 64 bits stays a number, as JSON knows no bounds.
fn integer(digits: &str) -> Value {
    let number = yaml::whole_number(digits);
    let signed = number.and_then(|number| i64::try_from(number).ok()).map(Value::from);
    let unsigned = || number.and_then(|number| u64::try_from(number).ok()).map(Value::from);
    let far = || if digits.starts_with('-') { -1e30 } else { 1e30 };
    signed.or_else(unsigned).unwrap_or_else(|| far().into())
}

/// Both accept it, or both refuse it; what the schema cannot see aside.
fn compare(name: &str, source: &str) {
    let problems = crate::parse_workflow(source).problems;
    let codes: BTreeSet<&str> = problems
        .iter()
        .map(|problem| problem.code)
        .filter(|code| code.starts_with("DH-F"))
        .collect();
    let Some(value) = json(source) else { return };
    let wrong = validate(&schema(), &value);
    if codes.is_empty() {
        assert!(wrong.is_empty(), "{name}: the schema refuses what the reader takes: {wrong:?}");
    } else if wrong.is_empty() {
        let beyond = codes.iter().all(|code| BEYOND_SCHEMA.contains(code));
        assert!(beyond, "{name}: the schema takes what the reader refuses: {codes:?}");
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_case_is_judged_alike() {
    let cases = files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"));
    assert!(cases.len() > 20);
    for path in cases {
        compare(&path.display().to_string(), &fs::read_to_string(&path).unwrap());
    }
}

#[test]
fn examples_that_ship_are_right() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/workflows");
    for path in files_below(&examples) {
        let source = fs::read_to_string(&path).unwrap();
        let problems = crate::parse_workflow(&source).problems;
        let name = path.display().to_string();
        let text: Vec<String> = problems.iter().map(|problem| problem.render(&name)).collect();
        assert!(text.is_empty(), "{}", text.join("\n"));
        compare(&name, &source);
    }
}

/// A right value of a shape, and one of another type.
fn samples(shape: Shape) -> (&'static str, Option<&'static str>) {
    match shape {
        Shape::Plain | Shape::Text => ("'/x'", Some("[]")),
        Shape::Texts => ("['/x', '/y']", Some("{}")),
        Shape::Switch => ("true", Some("yes")),
        Shape::Count => ("2", Some("'2'")),
        Shape::Span => ("10m", Some("10")),
        Shape::Choice(words) => (words[0], Some("other")),
        Shape::Environment | Shape::Variables => ("{ A: b, N: 1 }", Some("[]")),
        Shape::Activity => ("act", Some("'no name'")),
        Shape::Transitions => ("{ ok: act, exit 3: [act, end] }", Some("{ ok: [] }")),
        Shape::Code => ("print(1)", Some("[]")),
        Shape::Registry => (r"'[HKLM\Software\Viewer]?'", Some("[]")),
        Shape::Activities => ("{ act: { success: {} } }", Some("{ act: { } }")),
    }
}

/// A file with one activity of `kind`, `written` in place of the sample of its parameter.
fn file_with(kind: &table::Activity, only: Option<(&str, &str)>) -> String {
    let mut parameters = Vec::new();
    for parameter in kind.parameters {
        match only {
            Some((name, value)) if name == parameter.name => {
                parameters.push(format!("{name}: {value}"));
            }
            Some(_) if parameter.preset != Preset::Required => {}
            _ => parameters.push(format!("{}: {}", parameter.name, samples(parameter.shape).0)),
        }
    }
    format!(
        "workflow: w\nstart: act\nactivities:\n  act: {{ {}: {{ {} }} }}\n  end: {{ success: }}\n",
        kind.name,
        parameters.join(", ")
    )
}

fn format_codes(source: &str) -> Vec<&'static str> {
    let problems = crate::parse_workflow(source).problems;
    problems.iter().map(|problem| problem.code).filter(|code| code.starts_with("DH-F")).collect()
}

#[test]
fn every_parameter_of_the_table_is_read_and_in_the_schema() {
    for kind in table::ACTIVITIES {
        let whole = file_with(kind, None);
        assert_eq!(format_codes(&whole), [""; 0], "{whole}");
        compare(kind.name, &whole);
        for parameter in kind.parameters {
            for value in [Some(samples(parameter.shape).0), samples(parameter.shape).1, Some("")] {
                let Some(value) = value else { continue };
                let source = file_with(kind, Some((parameter.name, value)));
                compare(&source, &source);
            }
            let wrong = samples(parameter.shape).1;
            if let Some(value) = wrong {
                let source = file_with(kind, Some((parameter.name, value)));
                assert!(!format_codes(&source).is_empty(), "{source}");
            }
        }
        let bare = format!(
            "workflow: w\nstart: act\nactivities:\n  act: {{ {}: }}\n  end: {{ success: }}\n",
            kind.name
        );
        compare(&bare, &bare);
    }
}

#[test]
fn every_key_of_the_table_is_read_and_in_the_schema() {
    let file = |keys: &[(&str, &str)]| -> String {
        keys.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
    };
    let right: Vec<(&str, &str)> =
        table::FILE.iter().map(|key| (key.name, samples(key.shape).0)).collect();
    assert_eq!(format_codes(&file(&right)), [""; 0]);
    for (index, key) in table::FILE.iter().enumerate() {
        for value in [samples(key.shape).1, Some("")].into_iter().flatten() {
            let mut keys = right.clone();
            keys[index].1 = value;
            compare(key.name, &file(&keys));
        }
        let mut keys = right.clone();
        keys.remove(index);
        assert_eq!(format_codes(&file(&keys)).is_empty(), !key.is_required, "{}", key.name);
        compare(key.name, &file(&keys));
    }
    for key in table::ACTIVITY {
        let (good, bad) = samples(key.shape);
        for value in [Some(good), bad, Some("")].into_iter().flatten() {
            let source = format!(
                "workflow: w\nstart: act\nactivities:\n  act:\n    empty:\n    {}: {value}\n  \
                 end: {{ success: }}\n",
                key.name
            );
            assert!(value != good || format_codes(&source).is_empty(), "{source}");
            compare(&source, &source);
        }
    }
}

#[test]
fn the_schema_has_exactly_the_keys_of_the_tables() {
    let schema = schema();
    let names = |value: &Value| -> BTreeSet<String> {
        value["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let keys: BTreeSet<String> = table::FILE.iter().map(|key| key.name.to_owned()).collect();
    assert_eq!(names(&schema), keys);
    let activity = &schema["$defs"]["activity"];
    let common = table::ACTIVITY.iter().map(|key| key.name);
    let kinds = table::ACTIVITIES.iter().map(|kind| kind.name);
    assert_eq!(names(activity), common.chain(kinds).map(str::to_owned).collect());
    for kind in table::ACTIVITIES {
        let parameters = kind.parameters.iter().map(|parameter| parameter.name.to_owned());
        assert_eq!(names(&activity["properties"][kind.name]), parameters.collect());
    }
}

/// Small files made of right and wrong parts.
fn pieces() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "execute",
        "upload",
        "success",
        "retry",
        "wait",
        "on",
        "timeout",
        "description",
        "nonsense",
        "shutdown",
        "empty",
        "synchronization",
        "jump",
    ]);
    let value = prop::sample::select(vec![
        "",
        "{}",
        "[]",
        "x",
        "10m",
        "10",
        "true",
        "1.5",
        "{ command: x }",
        "{ command: [] }",
        "{ from: a, to: /b, recursive: true }",
        "{ limit: 2, delay: 1s }",
        "{ duration: 3m }",
        "{ ok: act }",
        "{ ok: [act, end] }",
        "{ exit 3: act }",
        "{ exit: act }",
        "{ to: act }",
        "{ message: 3 }",
        "{ ok: }",
        "{ command: x, log: all, timeout: 1h }",
    ]);
    prop::collection::vec((key, value), 0..4).prop_map(|pairs| {
        let lines: String =
            pairs.iter().map(|(key, value)| format!("    {key}: {value}\n")).collect();
        format!("workflow: w\nstart: act\nactivities:\n  act:\n{lines}  end: {{ success: }}\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn files_are_judged_alike(source in pieces()) {
        compare(&source, &source);
    }
}
