//! Keys and values of the registry (AP-04).

use application::{Handling, RegistryEntry, RegistryItem, RegistryRule, Text, ValueData, View};
use model::registry::{Key, NameError, check_value_name};

use super::{Builder, handling};
use crate::application::code;
use crate::application::given::Fields;
use crate::application::words;
use crate::problem::{Place, shown};

/// The fields of a value that hold data.
const DATA: [&str; 7] = ["text", "expanded_text", "texts", "dword", "qword", "binary", "raw"];

/// What values have from their key.
struct Under {
    key: Text,
    view: View,
    rule: RegistryRule,
    handling: Handling,
}

impl Builder<'_, '_> {
    pub(super) fn registry(&mut self, items: Vec<Fields>) -> Vec<RegistryItem> {
        let mut found = Vec::new();
        for mut fields in items {
            self.key(&mut fields, &mut found);
        }
        found
    }

    fn key(&mut self, fields: &mut Fields, found: &mut Vec<RegistryItem>) {
        let (place, rule_at) = (fields.place, fields.place_of("rule"));
        let has_values = fields.has("values");
        let key_at = fields.place_of("key");
        let key = fields.needed("key");
        self.check_key(key.as_str(), key_at);
        let view = if fields.word("view") == "32" { View::Bits32 } else { View::Bits64 };
        let rule = words::registry_rule(fields.word("rule")).unwrap_or_default();
        let handling = handling(fields);
        if has_values {
            let under = Under { key, view, rule, handling };
            for value in fields.records("values") {
                let at = value.place;
                if let Some(item) = self.registry_value(&under, value) {
                    self.places.registry.push(at);
                    found.push(item);
                }
            }
            return;
        }
        if matches!(rule, RegistryRule::Append | RegistryRule::Prepend) {
            let hint = "a key is created or deleted; `append` and `prepend` are for its texts";
            self.error(code::RULE, rule_at, "a key has nothing to add to", hint);
            return;
        }
        self.places.registry.push(place);
        found.push(RegistryItem { view, key, entry: RegistryEntry::Key, rule, handling });
    }

    /// Tells what is wrong with a key, as far as macros let it be known.
    pub(super) fn check_key(&mut self, key: &str, place: Place) {
        if let Err(error) = check_key(key) {
            let hint = "write `HKLM\\Software\\Maker`, or another of HKCU, HKCR, HKU, HKCC, with \
                        single backslashes; only in double quotes YAML wants two of them";
            self.error(code::REGISTRY_NAME, place, error.to_string(), hint);
        }
    }

    fn registry_value(&mut self, under: &Under, mut fields: Fields) -> Option<RegistryItem> {
        let (place, rule_at) = (fields.place, fields.place_of("rule"));
        let rule = words::registry_rule(fields.word("rule")).unwrap_or(under.rule);
        let always = fields.optional_switch("distribute_always");
        let per_user = fields.optional_switch("track_per_user");
        let handling = Handling {
            distribute_always: always.unwrap_or(under.handling.distribute_always),
            track_per_user: per_user.unwrap_or(under.handling.track_per_user),
        };
        let (name, data) = if fields.record.name == "default_value" {
            (Text::default(), Some(ValueData::Text(fields.needed("default"))))
        } else {
            let name = fields.needed("name");
            if let Err(error) = check_value_name(name.as_str()) {
                self.error(code::REGISTRY_NAME, place, error.to_string(), "give it a shorter name");
            }
            (name, self.data(&mut fields)?)
        };
        self.check_rule(rule, data.as_ref(), rule_at);
        let entry = RegistryEntry::Value { name, data };
        let (view, key) = (under.view, under.key.clone());
        Some(RegistryItem { view, key, entry, rule, handling })
    }

    fn check_rule(&mut self, rule: RegistryRule, data: Option<&ValueData>, place: Place) {
        let is_text = matches!(
            data,
            Some(ValueData::Text(_) | ValueData::ExpandedText(_) | ValueData::Texts(_))
        );
        let (what, hint) = match (rule, data) {
            (RegistryRule::Delete, None) => return,
            (RegistryRule::Delete, Some(_)) => (
                "what is deleted has no data",
                "leave the data out; `name: ''` is the key's default value",
            ),
            (_, None) => (
                "there is no data for this rule",
                "write `text:`, `dword:` or another; `text: ''` for an empty text",
            ),
            (RegistryRule::Append | RegistryRule::Prepend, Some(_)) if !is_text => (
                "only texts can be added to",
                "use `create_always`, or one of `text`, `expanded_text` and `texts`",
            ),
            _ => return,
        };
        self.error(code::RULE, place, what, hint);
    }

    /// The data of a value; the outer `None` when it is wrong, which is told.
    fn data(&mut self, fields: &mut Fields) -> Option<Option<ValueData>> {
        let written: Vec<&str> = DATA.into_iter().filter(|name| fields.has(name)).collect();
        let name = match written.as_slice() {
            [] => return Some(None),
            [name] => *name,
            [_, second, ..] => {
                let place = fields.place_of(second);
                let hint = "keep the one whose type is meant";
                self.error(code::ITEM, place, "a value has data of one type", hint);
                return None;
            }
        };
        let place = fields.place_of(name);
        let data = match name {
            "text" => ValueData::Text(fields.needed(name)),
            "expanded_text" => ValueData::ExpandedText(fields.needed(name)),
            "texts" => ValueData::Texts(fields.texts(name)),
            "dword" => ValueData::Dword(u32::try_from(fields.count(name)).ok()?),
            "qword" => ValueData::Qword(fields.count(name)),
            "binary" => {
                let text = fields.plain(name)?;
                ValueData::Binary(self.bytes(&text, place)?)
            }
            _ => self.raw(fields.record(name)?)?,
        };
        Some(Some(data))
    }

    fn raw(&mut self, mut fields: Fields) -> Option<ValueData> {
        let place = fields.place_of("bytes");
        let (kind, text) = (fields.count("type"), fields.plain("bytes")?);
        let bytes = self.bytes(&text, place)?;
        Some(ValueData::Raw { kind: u32::try_from(kind).ok()?, bytes })
    }

    /// `01 02 ff`, `01,02,ff` or `0102ff`.
    fn bytes(&mut self, text: &str, place: Place) -> Option<Vec<u8>> {
        let parts = text.split(|letter: char| letter.is_whitespace() || letter == ',');
        let bytes = parts.filter(|part| !part.is_empty()).map(bytes_of).collect::<Option<Vec<_>>>();
        if bytes.is_none() {
            let what = format!("`{}` is no list of bytes", shown(text, 40));
            let hint = "two hexadecimal digits each: `01 02 ff`";
            self.error(code::VALUE, place, what, hint);
        }
        bytes.map(|bytes| bytes.concat())
    }
}

/// Whether a text can be a key, as far as macros let it be known.
pub(crate) fn check_key(key: &str) -> Result<(), NameError> {
    let known = match key.split_once(['%', '$']) {
        None => key,
        // Its root and the parts before the macro.
        Some((before, _)) => match before.rsplit_once('\\') {
            Some((before, _)) => before,
            None => return Ok(()),
        },
    };
    Key::parse(known).map(|_| ())
}

fn bytes_of(part: &str) -> Option<Vec<u8>> {
    if !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    if part.len() > 1 && !part.len().is_multiple_of(2) {
        return None;
    }
    let pair = |at: usize| u8::from_str_radix(&part[at..part.len().min(at + 2)], 16).ok();
    (0..part.len()).step_by(2).map(pair).collect()
}
