//! The JSON Schema of workflow files, for editors: completion, descriptions, first checks.
//!
//! Made from the same tables as the reader. What a schema cannot say (the graph, templates, names
//! that must exist) is said by [`crate::parse_workflow`].

#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
pub(crate) mod validator;

use serde_json::{Map, Value, json};

use crate::table::{self, Key, Parameter, Preset, Shape};

const NAME: &str = "^[A-Za-z_][A-Za-z0-9_]{0,63}$";
pub(crate) const SPAN: &str = r"^\s*([0-9]+(ms|s|m|h|d)\s*)+$";
const EVENT: &str = "^(exit +[0-9]{1,10} *|[A-Za-z_][A-Za-z0-9_]{0,63})$";

/// Events that editors offer, with what they mean.
const EVENTS: [(&str, &str); 5] = [
    ("ok", "It ended well."),
    ("error", "It failed; also what other events fall back to when nothing follows them."),
    ("no_file", "No file matched the filter."),
    ("timeout", "It took longer than its timeout."),
    ("interrupted", "The agent ended while it was in progress; it is not carried out again."),
];

/// The JSON Schema (draft 2020-12) of workflow files, as text.
pub fn workflow_schema() -> String {
    format!("{:#}\n", schema())
}

fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Deskhand workflow",
        "description": "Activities, and what follows what.",
        "type": "object",
        "properties": keys(table::FILE),
        "required": required(table::FILE),
        "additionalProperties": false,
        "$defs": {
            "activity": activity(),
            "targets": targets(),
        },
    })
}

fn keys(keys: &[Key]) -> Map<String, Value> {
    keys.iter()
        .map(|key| {
            let may_be_null = !key.is_required || key.shape == Shape::Activities;
            (key.name.to_owned(), described(value(key.shape, may_be_null), key.about))
        })
        .collect()
}

fn required(keys: &[Key]) -> Vec<&'static str> {
    keys.iter().filter(|key| key.is_required).map(|key| key.name).collect()
}

/// What every activity may have, and exactly one kind.
fn activity() -> Value {
    let mut properties = keys(table::ACTIVITY);
    for kind in table::ACTIVITIES {
        properties.insert(kind.name.to_owned(), described(parameters(kind), kind.about));
    }
    let one_of: Vec<Value> =
        table::ACTIVITIES.iter().map(|kind| json!({ "required": [kind.name] })).collect();
    json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "oneOf": one_of,
    })
}

fn parameters(kind: &table::Activity) -> Value {
    let properties: Map<String, Value> = kind
        .parameters
        .iter()
        .map(|parameter| (parameter.name.to_owned(), parameter_value(parameter)))
        .collect();
    let required: Vec<&str> = kind
        .parameters
        .iter()
        .filter(|parameter| parameter.preset == Preset::Required)
        .map(|parameter| parameter.name)
        .collect();
    let types = if kind.may_be_empty() { json!(["object", "null"]) } else { json!("object") };
    json!({
        "type": types,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn parameter_value(parameter: &Parameter) -> Value {
    let is_required = parameter.preset == Preset::Required;
    let mut schema = described(value(parameter.shape, !is_required), parameter.about);
    let default = match parameter.preset {
        Preset::Required | Preset::Absent | Preset::Nothing => None,
        Preset::Switch(value) => Some(json!(value)),
        Preset::Count(value) => Some(json!(value)),
        Preset::Word(value) => Some(json!(value)),
    };
    if let (Some(default), Some(schema)) = (default, schema.as_object_mut()) {
        schema.insert("default".to_owned(), default);
    }
    schema
}

fn described(mut schema: Value, about: &str) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), json!(about));
    }
    schema
}

/// How a value of this shape is written; texts, lengths of time and mappings may be left empty
/// where nothing is required.
fn value(shape: Shape, may_be_null: bool) -> Value {
    let types = |names: &[&str]| {
        let null = may_be_null.then_some("null");
        json!(names.iter().copied().chain(null).collect::<Vec<_>>())
    };
    match shape {
        Shape::Plain | Shape::Code | Shape::Registry | Shape::Text => {
            json!({ "type": types(&["string", "integer"]) })
        }
        Shape::Texts => json!({
            "type": ["string", "integer", "array"],
            "items": { "type": ["string", "integer"] },
        }),
        Shape::Switch => json!({ "type": "boolean" }),
        Shape::Count => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        Shape::Span => json!({ "type": types(&["string"]), "pattern": SPAN }),
        Shape::Choice(words) => json!({ "type": "string", "enum": words }),
        Shape::Environment | Shape::Variables => json!({
            "type": types(&["object"]),
            "additionalProperties": { "type": ["string", "integer"] },
        }),
        Shape::Activity => json!({ "type": "string", "pattern": NAME }),
        Shape::Transitions => transitions(&types(&["object"])),
        Shape::Activities => json!({
            "type": types(&["object"]),
            "propertyNames": { "pattern": NAME },
            "additionalProperties": { "$ref": "#/$defs/activity" },
        }),
    }
}

fn transitions(types: &Value) -> Value {
    let named: Map<String, Value> = EVENTS
        .iter()
        .map(|(name, about)| {
            ((*name).to_owned(), json!({ "$ref": "#/$defs/targets", "description": about }))
        })
        .collect();
    json!({
        "type": types,
        "properties": named,
        "propertyNames": { "pattern": EVENT, "not": { "const": "exit" } },
        "additionalProperties": { "$ref": "#/$defs/targets" },
    })
}

fn targets() -> Value {
    json!({
        "description": "An activity, or several that begin together.",
        "type": ["string", "array"],
        "pattern": NAME,
        "items": { "type": "string", "pattern": NAME },
        "minItems": 1,
    })
}
