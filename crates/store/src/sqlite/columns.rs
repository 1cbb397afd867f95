//! How values lie in columns.

use std::collections::BTreeMap;

use crate::rows::Origin;

/// A number already checked by `write::check_numbers`.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A map as a JSON object.
pub(super) fn map(value: &BTreeMap<String, String>) -> String {
    serde_json::Value::from_iter(value.iter().map(|(name, text)| (name.as_str(), text.as_str())))
        .to_string()
}

/// A list as a JSON array.
pub(super) fn list(value: &[String]) -> String {
    serde_json::Value::from(value).to_string()
}

/// Run, attempt and visit, one after the other, and a part behind them where it is of one.
pub(super) fn origin(value: Origin) -> Vec<u8> {
    let numbers = [value.attempt, value.visit, value.part].map(u64::to_be_bytes);
    let count = if value.part == 0 { 2 } else { 3 };
    [value.run.as_bytes().as_slice(), numbers[..count].as_flattened()].concat()
}
