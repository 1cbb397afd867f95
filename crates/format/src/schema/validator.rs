//! As much of JSON Schema as our own schema uses, to judge it by. An unknown keyword is an error,
//! so that nothing is taken for checked that is not.

use regex_lite::Regex;
use serde_json::Value;

/// What of `value` does not fit `schema`, with the way to it.
pub(crate) fn validate(root: &Value, value: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    visit(root, root, value, "", &mut wrong);
    wrong
}

fn visit(root: &Value, schema: &Value, value: &Value, way: &str, wrong: &mut Vec<String>) {
    for (keyword, given) in schema.as_object().expect("a schema is an object") {
        let is_right = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "default" | "properties" => true,
            "$ref" => {
                let name = given.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                visit(root, &root["$defs"][name], value, way, wrong);
                true
            }
            "type" => match given {
                Value::Array(names) => names.iter().any(|name| has_type(value, name)),
                name => has_type(value, name),
            },
            "enum" => given.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|number| number >= given.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= given.as_f64().unwrap()),
            "pattern" => value.as_str().is_none_or(|text| matches(given, text)),
            "minItems" => {
                value.as_array().is_none_or(|items| items.len() as u64 >= given.as_u64().unwrap())
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    visit(root, given, item, way, wrong);
                }
                true
            }
            "required" => value.as_object().is_none_or(|object| {
                given
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|key| object.contains_key(key.as_str().unwrap()))
            }),
            "propertyNames" => {
                value.as_object().is_none_or(|object| object.keys().all(|key| is_name(given, key)))
            }
            "additionalProperties" => {
                visit_properties(root, schema, value, way, wrong);
                true
            }
            "oneOf" => {
                let fits = |schema: &&Value| {
                    let mut wrong = Vec::new();
                    visit(root, schema, value, way, &mut wrong);
                    wrong.is_empty()
                };
                given.as_array().unwrap().iter().filter(fits).count() == 1
            }
            other => panic!("the validator does not know `{other}`"),
        };
        if !is_right {
            wrong.push(format!("{way}: {keyword}"));
        }
    }
}

fn visit_properties(
    root: &Value,
    schema: &Value,
    value: &Value,
    way: &str,
    wrong: &mut Vec<String>,
) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let way = format!("{way}/{key}");
        match (&schema["properties"][key], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => wrong.push(format!("{way}: unknown")),
            (Value::Null, further) => visit(root, further, value, &way, wrong),
            (known, _) => visit(root, known, value, &way, wrong),
        }
    }
}

fn has_type(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "null" => value.is_null(),
        other => panic!("the validator does not know the type `{other}`"),
    }
}

fn is_name(schema: &Value, key: &str) -> bool {
    matches(&schema["pattern"], key) && schema["not"]["const"].as_str() != Some(key)
}

fn matches(pattern: &Value, text: &str) -> bool {
    Regex::new(pattern.as_str().unwrap()).unwrap().is_match(text)
}
