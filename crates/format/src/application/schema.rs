//! The JSON Schema of application files, for editors: made from the tables of the reader.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::table::{self, Field, Preset, Record, Shape, Union};
use crate::schema::SPAN;

const NAME: &str = r"^[^%\x00-\x1f\x7f-\x9f]*[^%\s\x00-\x1f\x7f-\x9f][^%\x00-\x1f\x7f-\x9f]*$";
const ID: &str = r"^\{?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?$";

/// The JSON Schema (draft 2020-12) of application files, as text.
pub fn application_schema() -> String {
    format!("{:#}\n", schema())
}

pub(super) fn schema() -> Value {
    let mut definitions = Definitions::default();
    let mut schema = definitions.record_itself(&table::FILE);
    if let Some(schema) = schema.as_object_mut() {
        let dialect = "https://json-schema.org/draft/2020-12/schema";
        schema.insert("$schema".to_owned(), json!(dialect));
        schema.insert("title".to_owned(), json!("Deskhand application"));
        schema.insert("$defs".to_owned(), json!(definitions.known));
    }
    schema
}

/// Records and unions by name, each told once: rules of availability hold one another.
#[derive(Default)]
struct Definitions {
    known: BTreeMap<&'static str, Value>,
}

impl Definitions {
    fn record(&mut self, record: &'static Record) -> Value {
        if !self.known.contains_key(record.name) {
            self.known.insert(record.name, Value::Null);
            let schema = self.record_itself(record);
            self.known.insert(record.name, schema);
        }
        json!({ "$ref": format!("#/$defs/{}", record.name) })
    }

    fn union(&mut self, union: &'static Union) -> Value {
        if !self.known.contains_key(union.name) {
            self.known.insert(union.name, Value::Null);
            let records: Vec<Value> =
                union.records.iter().map(|record| self.record(record)).collect();
            self.known.insert(union.name, json!({ "oneOf": records }));
        }
        json!({ "$ref": format!("#/$defs/{}", union.name) })
    }

    fn record_itself(&mut self, record: &'static Record) -> Value {
        let properties: Map<String, Value> = record
            .fields
            .iter()
            .map(|field| {
                let may_be_empty = !record.one_of.contains(&field.name);
                (field.name.to_owned(), self.field(field, may_be_empty))
            })
            .collect();
        let required: Vec<&str> = record
            .fields
            .iter()
            .filter(|field| field.preset == Preset::Required)
            .map(|field| field.name)
            .collect();
        let mut schema = json!({
            "type": "object",
            "description": record.about,
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        if let Some(schema) = schema.as_object_mut().filter(|_| !record.one_of.is_empty()) {
            let one_of: Vec<Value> =
                record.one_of.iter().map(|name| json!({ "required": [name] })).collect();
            schema.insert("oneOf".to_owned(), json!(one_of));
        }
        schema
    }

    fn field(&mut self, field: &'static Field, may_be_empty: bool) -> Value {
        let is_required = field.preset == Preset::Required;
        let mut schema = self.value(&field.shape);
        if !is_required && may_be_empty {
            schema = or_nothing(schema);
        } else if is_required && matches!(field.shape, Shape::List(_)) {
            schema["type"] = json!(["array", "null"]);
        }
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".to_owned(), json!(field.about));
            let default = match field.preset {
                Preset::Required | Preset::Absent => return Value::Object(schema.clone()),
                Preset::Switch(value) => json!(value),
                Preset::Count(value) => json!(value),
                Preset::Word(value) => json!(value),
            };
            schema.insert("default".to_owned(), default);
        }
        schema
    }

    fn value(&mut self, shape: &'static Shape) -> Value {
        match shape {
            Shape::Plain | Shape::Text => json!({ "type": ["string", "integer"] }),
            Shape::Name => json!({ "type": ["string", "integer"], "pattern": NAME }),
            Shape::Switch => json!({ "type": "boolean" }),
            Shape::Count(max) => json!({ "type": "integer", "minimum": 0, "maximum": max }),
            Shape::Span => json!({ "type": "string", "pattern": SPAN }),
            Shape::Choice(words) => json!({ "enum": alternatives(words) }),
            Shape::Id => json!({ "type": "string", "pattern": ID }),
            Shape::List(item) => json!({ "type": "array", "items": self.value(item) }),
            Shape::Named(item) => {
                json!({ "type": "object", "additionalProperties": self.value(item) })
            }
            Shape::Record(record) => self.record(record),
            Shape::Union(union) => self.union(union),
            Shape::Either(single, other) => {
                json!({ "oneOf": [self.value(single), self.value(other)] })
            }
        }
    }
}

/// Words that are numbers may be written as such.
fn alternatives(words: &[&str]) -> Vec<Value> {
    let number = |word: &&str| word.parse::<u64>().ok().map(Value::from);
    let numbers = words.iter().filter_map(number);
    words.iter().map(|word| json!(word)).chain(numbers).collect()
}

/// The same, or left empty.
fn or_nothing(mut schema: Value) -> Value {
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
        return schema;
    }
    match schema.get("type").cloned() {
        Some(Value::String(name)) => schema["type"] = json!([name, "null"]),
        Some(Value::Array(mut names)) => {
            names.push(json!("null"));
            schema["type"] = Value::Array(names);
        }
        _ => match schema.get_mut("oneOf").and_then(Value::as_array_mut) {
            Some(either) => either.push(json!({ "type": "null" })),
            None => return json!({ "oneOf": [schema, { "type": "null" }] }),
        },
    }
    schema
}
