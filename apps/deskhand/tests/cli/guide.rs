//! The guide tells what the programs do: its tables name what the schema names, no more, no less.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::{checkout, deskhand};

/// The chapters `### name` of the workflow reference.
fn chapters(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("\n### ").skip(1).filter_map(|chapter| {
        let (title, body) = chapter.split_once('\n')?;
        Some((title.trim_matches('`'), body.split("\n## ").next().unwrap_or(body)))
    })
}

/// First and second column of the rows that begin with a name in code style.
fn rows(chapter: &str) -> Vec<(&str, &str)> {
    let rows = chapter.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|');
        Some((cells.next()?.trim().trim_end_matches('`'), cells.next()?.trim()))
    });
    rows.collect()
}

#[test]
fn the_reference_has_every_activity_with_its_parameters_and_defaults() {
    let schema: Value = serde_json::from_str(&deskhand(["workflow", "schema"]).out).unwrap();
    let text = fs::read_to_string(checkout().join("docs/guide/workflows.md")).unwrap();
    let known = &schema["$defs"]["activity"]["properties"];
    let of_all = ["description", "timeout", "on"];
    let mut told = BTreeSet::new();
    for (name, chapter) in chapters(&text) {
        let parameters = &known[name]["properties"];
        assert!(!known[name].is_null(), "the schema has no activity `{name}`");
        let rows = rows(chapter);
        for (parameter, default) in &rows {
            let schema = &parameters[parameter];
            assert!(!schema.is_null(), "`{name}` has no parameter `{parameter}`");
            let expect = match &schema["default"] {
                Value::Null => continue,
                Value::String(word) if word.is_empty() => continue,
                Value::String(word) => format!("`{word}`"),
                other => format!("`{other}`"),
            };
            assert_eq!(*default, expect, "{name}.{parameter}");
        }
        let names: BTreeSet<&str> = rows.iter().map(|(parameter, _)| *parameter).collect();
        let all = parameters.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
        assert_eq!(names, all.collect(), "parameters of `{name}`");
        told.insert(name);
    }
    let is_later =
        |about: &Value| about.as_str().is_some_and(|a| a.contains("Not in this version"));
    let now = known.as_object().unwrap().iter().filter_map(|(key, about)| {
        (!of_all.contains(&key.as_str()) && !is_later(&about["description"]))
            .then_some(key.as_str())
    });
    assert_eq!(told, now.collect());
}

#[test]
fn the_reference_of_applications_has_every_key_with_its_default() {
    let schema: Value = serde_json::from_str(&deskhand(["app", "schema"]).out).unwrap();
    let text = fs::read_to_string(checkout().join("docs/guide/applications.md")).unwrap();
    let mut told = BTreeSet::new();
    for (name, chapter) in chapters(&text) {
        let record = if name == "application" { &schema } else { &schema["$defs"][name] };
        let fields = &record["properties"];
        assert!(!fields.is_null(), "the schema has no `{name}`");
        let rows = rows(chapter);
        for (field, default) in &rows {
            let known = &fields[field];
            assert!(!known.is_null(), "`{name}` has no `{field}`");
            let is_necessary = record["required"].as_array().unwrap().iter().any(|it| it == field);
            let expect = match &known["default"] {
                _ if is_necessary => "necessary".to_owned(),
                Value::Null => String::new(),
                Value::String(word) => format!("`{word}`"),
                other => format!("`{other}`"),
            };
            assert_eq!(*default, expect, "{name}.{field}");
        }
        let names: BTreeSet<&str> = rows.iter().map(|(field, _)| *field).collect();
        let all = fields.as_object().unwrap().keys().map(String::as_str);
        assert_eq!(names, all.collect(), "keys of `{name}`");
        told.insert(name);
    }
    let known = schema["$defs"].as_object().unwrap().iter();
    let records = known.filter(|(_, about)| !about["properties"].is_null());
    let all = records.map(|(name, _)| name.as_str()).chain(["application"]);
    assert_eq!(told, all.collect());
}
