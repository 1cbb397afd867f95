//! `.reg` files: all that `regedit` writes, read; its canonical form written.

use application::{
    Application, Handling, RegistryEntry, RegistryItem, RegistryRule, Text, ValueData, View,
};
use model::registry::{Data, Key, Operation, Step};

use super::decode::decode;
use super::{BYTES_MAX, ReadError, Remark, Taken, plain};
use crate::registry::{parse_registry_up_to, print_registry};

const QWORD: u32 = 11;

/// The keys and values of a `.reg` file: Windows 5.00 or REGEDIT4.
pub fn read_reg(bytes: &[u8]) -> Result<Taken, ReadError> {
    let text = decode(bytes)?;
    let parsed = parse_registry_up_to(&text, BYTES_MAX);
    if !parsed.problems.is_empty() {
        return Err(ReadError::Registry(parsed.problems));
    }
    let mut taken = Taken::default();
    let lines: Vec<&str> = crate::problem::lines(&text);
    let mut steps = parsed.steps.into_iter().peekable();
    while let Some(Step { line, operation }) = steps.next() {
        let key = Text::literal(&operation.key().to_string());
        let (entry, rule) = match operation {
            Operation::CreateKey { key } => {
                let has_values = |next: &Step| {
                    matches!(&next.operation,
                    Operation::SetValue { key: under, .. } if *under == key)
                };
                if steps.peek().is_some_and(has_values) {
                    // Its values make it.
                    continue;
                }
                (RegistryEntry::Key, RegistryRule::CreateAlways)
            }
            Operation::DeleteKey { .. } => (RegistryEntry::Key, RegistryRule::Delete),
            Operation::SetValue { name, data, .. } => {
                let (name, data) = (Text::literal(&name), Some(data_of(data)));
                (RegistryEntry::Value { name, data }, RegistryRule::CreateAlways)
            }
            Operation::DeleteValue { name, .. } => {
                let name = Text::literal(&name);
                (RegistryEntry::Value { name, data: None }, RegistryRule::Delete)
            }
            Operation::TestKey { .. }
            | Operation::TestValue { .. }
            | Operation::CompareValue { .. } => {
                let said = lines.get(line - 1).copied().unwrap_or_default();
                taken.remark(line, "a test is no setting; write it below `availability:`", &[said]);
                continue;
            }
        };
        let (view, handling) = (View::Bits64, Handling::default());
        taken.items.registry.push(RegistryItem { view, key, entry, rule, handling });
    }
    Ok(taken)
}

/// In the nearest words of applications that give the same bytes back.
fn data_of(data: Data) -> ValueData {
    let Data { kind, bytes } = data;
    let understood = match kind {
        Data::TEXT => texts_of(&bytes).as_deref().and_then(single).map(ValueData::Text),
        Data::EXPANDED_TEXT => {
            texts_of(&bytes).as_deref().and_then(single).map(ValueData::ExpandedText)
        }
        Data::TEXTS => texts_of(&bytes).as_deref().and_then(several).map(ValueData::Texts),
        Data::DWORD => {
            bytes.as_slice().try_into().ok().map(u32::from_le_bytes).map(ValueData::Dword)
        }
        QWORD => bytes.as_slice().try_into().ok().map(u64::from_le_bytes).map(ValueData::Qword),
        Data::BINARY => Some(ValueData::Binary(bytes.clone())),
        _ => None,
    };
    understood.unwrap_or(ValueData::Raw { kind, bytes })
}

/// What stands before each zero of UTF-16 that ends with one.
fn texts_of(bytes: &[u8]) -> Option<Vec<String>> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    let (last, units) = units.split_last()?;
    let texts = units.split(|unit| *unit == 0).map(|units| String::from_utf16(units).ok());
    if *last == 0 { texts.collect() } else { None }
}

fn single(texts: &[String]) -> Option<Text> {
    match texts {
        [text] => Some(Text::literal(text)),
        _ => None,
    }
}

/// Texts one after the other, then an empty one: the last zero has been taken off already.
fn several(texts: &[String]) -> Option<Vec<Text>> {
    let (last, texts) = texts.split_last()?;
    let is_whole = last.is_empty() && texts.iter().all(|text| !text.is_empty());
    is_whole.then(|| texts.iter().map(|text| Text::literal(text)).collect())
}

fn utf16(text: &str) -> impl Iterator<Item = u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes)
}

/// A `.reg` file as `regedit` writes it, UTF-16 with its mark, and what it cannot say: remarks
/// whose lines are numbers of items, from 1.
pub fn write_reg(application: &Application) -> (Vec<u8>, Vec<Remark>) {
    let mut steps = Vec::new();
    let mut remarks = Vec::new();
    let mut under: Option<Key> = None;
    for (number, item) in application.items.registry.iter().enumerate() {
        let mut remark = |what: &str| {
            let lines = vec![said(item)];
            remarks.push(Remark { line: number + 1, what: what.to_owned(), lines });
        };
        let step = |operation| Step { line: number + 1, operation };
        if item.rule != RegistryRule::CreateAlways && item.rule != RegistryRule::Delete {
            remark("a .reg file only creates and deletes; left out");
            continue;
        }
        let Ok(key) = Key::parse(&plain(&item.key)) else {
            remark("a macro stands for the root of the key; left out");
            continue;
        };
        if item.view == View::Bits32 {
            remark("a .reg file has no view: the program that reads it decides");
        }
        if has_macro(item) {
            remark("macros are written as they stand; nothing expands them");
        }
        match (&item.entry, item.rule) {
            (RegistryEntry::Key, RegistryRule::Delete) => {
                steps.push(step(Operation::DeleteKey { key }));
                under = None;
            }
            (RegistryEntry::Key, _) => {
                steps.push(step(Operation::CreateKey { key: key.clone() }));
                under = Some(key);
            }
            (RegistryEntry::Value { name, data }, _) => {
                if under.as_ref() != Some(&key) {
                    steps.push(step(Operation::CreateKey { key: key.clone() }));
                    under = Some(key.clone());
                }
                let name = plain(name);
                steps.push(step(match data {
                    Some(data) => Operation::SetValue { key, name, data: data_for(data) },
                    None => Operation::DeleteValue { key, name },
                }));
            }
        }
    }
    let text = print_registry(&steps);
    let marked = [0xfeff].into_iter().chain(text.encode_utf16());
    (marked.flat_map(u16::to_le_bytes).collect(), remarks)
}

fn has_macro(item: &RegistryItem) -> bool {
    let holds = |text: &Text| {
        let text = text.as_str().replace("%%", "").replace("$${", "");
        text.contains('%') || text.contains("${")
    };
    let in_data = |data: &ValueData| match data {
        ValueData::Text(text) | ValueData::ExpandedText(text) => holds(text),
        ValueData::Texts(texts) => texts.iter().any(holds),
        _ => false,
    };
    let in_value = match &item.entry {
        RegistryEntry::Key => false,
        RegistryEntry::Value { name, data } => holds(name) || data.as_ref().is_some_and(in_data),
    };
    in_value || holds(&item.key)
}

fn said(item: &RegistryItem) -> String {
    match &item.entry {
        RegistryEntry::Key => format!("[{}]", item.key),
        RegistryEntry::Value { name, .. } => format!("[{}] {name}", item.key),
    }
}

fn data_for(data: &ValueData) -> Data {
    let (kind, bytes) = match data {
        ValueData::Text(text) => (Data::TEXT, utf16(&plain(text)).collect()),
        ValueData::ExpandedText(text) => (Data::EXPANDED_TEXT, utf16(&plain(text)).collect()),
        ValueData::Texts(texts) => {
            let texts: Vec<String> = texts.iter().map(plain).collect();
            let bytes = texts.iter().flat_map(|text| utf16(text)).chain([0, 0]);
            (Data::TEXTS, bytes.collect())
        }
        ValueData::Dword(number) => (Data::DWORD, number.to_le_bytes().to_vec()),
        ValueData::Qword(number) => (QWORD, number.to_le_bytes().to_vec()),
        ValueData::Binary(bytes) => (Data::BINARY, bytes.clone()),
        ValueData::Raw { kind, bytes } => (*kind, bytes.clone()),
    };
    Data { kind, bytes }
}
