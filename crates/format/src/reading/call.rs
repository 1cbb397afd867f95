//! An activity as a script asks for it: the parameters of workflow files, as values.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use workflow::{Activity, Kind};

use super::Reader;
use super::places::ActivityPlaces;
use crate::problem::{Place, Problems};
use crate::table;
use crate::yaml::{Entry, Node, Style, Value};

/// Reads the parameters of an activity from JSON. Texts are what they are: nothing in them is a
/// template. What is wrong is told in one text.
pub fn activity_call(kind: &str, parameters: &Json) -> Result<Activity, String> {
    let known = table::activity_named(kind);
    let known = known.ok_or_else(|| format!("there is no activity `{kind}`"))?;
    let mut problems = Problems::new("");
    let mut reader = Reader { is_literal: true, ..Reader::new(&mut problems) };
    let (understood, timeout) = reader.call(known, parameters);
    let wrong: Vec<String> = problems
        .into_sorted()
        .into_iter()
        .map(|problem| match problem.hint.is_empty() {
            true => problem.what,
            false => format!("{} ({})", problem.what, problem.hint),
        })
        .collect();
    match understood {
        Some(kind) if wrong.is_empty() => {
            Ok(Activity { description: String::new(), timeout, kind, on: BTreeMap::new() })
        }
        _ => Err(wrong.join("; ")),
    }
}

impl Reader<'_, '_> {
    fn call(
        &mut self,
        known: &'static table::Activity,
        parameters: &Json,
    ) -> (Option<Kind>, Option<model::Span>) {
        let mut node = node(parameters);
        let has_timeout = known.parameters.iter().any(|parameter| parameter.name == "timeout");
        // Every activity may have one, beside what its kind has.
        let mut beside = None;
        if let Value::Map(entries) = &mut node.value
            && !has_timeout
            && let Some(found) = entries.iter().position(|entry| entry.key == "timeout")
        {
            beside = Some(entries.remove(found).value);
        }
        let mut places = ActivityPlaces::new(Place::BEGIN);
        let entry = Entry { key: known.name.to_owned(), place: Place::BEGIN, value: node };
        let (kind, own_timeout) = self.parameters(known, entry, &mut places);
        (kind, self.timeout(beside, own_timeout, &mut places))
    }
}

/// A value of JSON as the reader knows it.
fn node(json: &Json) -> Node {
    let plain = |text: String| Value::Scalar { text, style: Style::Plain };
    let value = match json {
        Json::Null => plain("null".to_owned()),
        Json::Bool(value) => plain(value.to_string()),
        Json::Number(number) => plain(number.to_string()),
        Json::String(text) => Value::Scalar { text: text.clone(), style: Style::Quoted },
        Json::Array(items) => Value::List(items.iter().map(node).collect()),
        Json::Object(entries) => {
            let entry = |(key, value): (&String, &Json)| Entry {
                key: key.clone(),
                place: Place::BEGIN,
                value: node(value),
            };
            Value::Map(entries.iter().map(entry).collect())
        }
    };
    Node { place: Place::BEGIN, value }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use workflow::{Command, Kind};

    use super::*;

    #[test]
    fn parameters_are_those_of_workflow_files() {
        let asked = json!({
            "command": ["echo", "{{ not a template }}", 5],
            "environment": { "A": "1" }, "timeout": "10m", "log": "all", "folder": null,
        });
        let activity = activity_call("execute", &asked).unwrap();
        assert_eq!(activity.timeout, Some("10m".parse().unwrap()));
        let Kind::Execute(execute) = activity.kind else { panic!("{:?}", activity.kind) };
        let Command::List(words) = execute.command else { panic!("{:?}", execute.command) };
        let words: Vec<String> =
            words.iter().map(|word| word.render(&Default::default()).unwrap()).collect();
        assert_eq!(words, ["echo", "{{ not a template }}", "5"]);
        let asked = json!({ "from": "a", "to": "/b", "timeout": "5s", "recursive": true });
        let activity = activity_call("upload", &asked).unwrap();
        assert_eq!(activity.timeout, Some("5s".parse().unwrap()));
        assert!(matches!(activity.kind, Kind::Upload { transfer, .. } if transfer.recursive));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (kind, asked, words) in [
            ("execute", json!({}), "`execute` lacks `command`"),
            ("execute", json!({ "comand": "x" }), "did you mean `command`?"),
            ("execute", json!([1]), "expected a mapping"),
            ("copy", json!({ "from": "/a", "to": "/b", "recursive": "yes" }), "true or false"),
            ("copy", json!({ "from": ["/a"], "to": "/b" }), "expected a text"),
            ("execute", json!({ "command": "x", "log": "some" }), "`none`"),
            ("upload", json!({ "from": "a", "to": "/b", "timeout": "soon" }), "length of time"),
            ("execut", json!({}), "there is no activity `execut`"),
            ("application", json!({}), "`application` lacks `application`"),
        ] {
            let error = activity_call(kind, &asked).unwrap_err();
            assert!(error.contains(words), "{kind}: {error}");
        }
    }
}
