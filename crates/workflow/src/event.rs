//! What an activity can say when it has ended (WF-03).

use std::fmt;
use std::str::FromStr;

/// An event, written as in workflow files: `ok`, `error`, `no_file`, `exit 3`, `timeout`,
/// `interrupted`, or a name that a script gives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    Ok,
    Error,
    NoFile,
    Timeout,
    /// The agent died while the activity was in progress; it was not carried out again.
    Interrupted,
    /// The exit code of an Execution, unsigned as Windows has it.
    Exit(u32),
    Named(String),
}

impl Event {
    /// The event that stands in where an activity has no transition for this one.
    pub fn fallback(&self) -> Option<Self> {
        match self {
            Self::Ok | Self::Error => None,
            Self::Exit(0) => Some(Self::Ok),
            Self::NoFile | Self::Timeout | Self::Interrupted | Self::Exit(_) | Self::Named(_) => {
                Some(Self::Error)
            }
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Error => f.write_str("error"),
            Self::NoFile => f.write_str("no_file"),
            Self::Timeout => f.write_str("timeout"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Exit(code) => write!(f, "exit {code}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// A text that names no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an event (ok, error, no_file, timeout, interrupted, `exit N` or a script's name)"
)]
pub struct ParseEventError {
    text: String,
}

impl FromStr for Event {
    type Err = ParseEventError;

    fn from_str(text: &str) -> Result<Self, ParseEventError> {
        let wrong = || ParseEventError { text: text.to_owned() };
        Ok(match text {
            "ok" => Self::Ok,
            "error" => Self::Error,
            "no_file" => Self::NoFile,
            "timeout" => Self::Timeout,
            "interrupted" => Self::Interrupted,
            _ => match text.strip_prefix("exit ") {
                Some(code) => Self::Exit(code.trim().parse().map_err(|_| wrong())?),
                None if is_name(text) && text != "exit" => Self::Named(text.to_owned()),
                None => return Err(wrong()),
            },
        })
    }
}

pub(crate) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|next| next.is_ascii_alphanumeric() || next == '_')
        && text.len() <= 64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_read_back() {
        for text in [
            "ok",
            "error",
            "no_file",
            "timeout",
            "interrupted",
            "exit 0",
            "exit 4294967295",
            "late",
        ] {
            assert_eq!(text.parse::<Event>().map(|event| event.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "exit", "exit -1", "exit 4294967296", "no file", "9lives"] {
            assert!(text.parse::<Event>().is_err(), "{text}");
        }
    }
}
