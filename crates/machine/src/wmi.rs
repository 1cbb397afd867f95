//! Windows Management Instrumentation: what a machine tells of itself to whoever asks in WQL.

#[cfg(windows)]
#[path = "wmi/windows.rs"]
mod system;

use std::collections::BTreeMap;

/// One of the things a query found: its properties by their names.
pub type WmiRow = BTreeMap<String, WmiValue>;

/// A property's value.
#[derive(Debug, Clone, PartialEq)]
pub enum WmiValue {
    /// Unset, or of a kind that is no plain value.
    Nothing,
    Truth(bool),
    Whole(i64),
    Natural(u64),
    Number(f64),
    Text(String),
    Many(Vec<WmiValue>),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WmiError {
    #[error("WMI is a part of Windows, and this is another system")]
    NotHere,
    #[error("WMI cannot be reached: {0}")]
    Unreachable(String),
    #[error("the query `{query}` failed: {why}")]
    Query { query: String, why: String },
}

/// Asks for what the WQL query names, in the namespace `ROOT\CIMV2`. Blocks until all is there.
pub fn wmi(query: &str) -> Result<Vec<WmiRow>, WmiError> {
    #[cfg(windows)]
    return system::query(query);
    #[cfg(not(windows))]
    {
        let _ = query;
        Err(WmiError::NotHere)
    }
}
