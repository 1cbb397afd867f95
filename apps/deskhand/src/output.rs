//! What reaches the terminal: lines, tables, JSON, colours, times.
//!
//! Owns that text from elsewhere (names, output of commands, what agents say) cannot steer the
//! terminal, and that colours appear on terminals only.

mod clock;
mod table;

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use owo_colors::OwoColorize;
use serde::Serialize;

pub use clock::{ago_or_ahead, now, spell, stamp, took};
pub use table::{Cell, Table};

/// A line on standard output.
pub fn line(text: impl AsRef<str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_ref().as_bytes())?;
    out.write_all(b"\n")
}

/// Text as it is, on standard output.
pub fn text(text: &str) -> io::Result<()> {
    io::stdout().lock().write_all(text.as_bytes())
}

/// One JSON value on standard output.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(line(serde_json::to_string_pretty(value)?)?)
}

/// A number of bytes, as people say it.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1_024.0 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1_024.0, unit + 1);
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// A remark on standard error.
pub fn note(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
}

/// One line of text from elsewhere: control characters are shown, not obeyed.
pub fn clean(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| letter.is_control() || is_bidi(letter))
}

/// The same for text of several lines.
pub fn clean_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| {
        (letter.is_control() && letter != '\n' && letter != '\t') || is_bidi(letter)
    })
}

fn escaped(text: &str, is_bad: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_bad) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if is_bad(letter) {
            clean.extend(letter.escape_default());
        } else {
            clean.push(letter);
        }
    }
    Cow::Owned(clean)
}

/// Marks that turn the direction of writing round and make a name look like another.
fn is_bidi(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Colours, where they are seen and wanted (`NO_COLOR`).
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    is_on: bool,
}

pub fn paint_stdout() -> Paint {
    Paint { is_on: io::stdout().is_terminal() && wants_colours() }
}

pub fn paint_stderr() -> Paint {
    Paint { is_on: io::stderr().is_terminal() && wants_colours() }
}

fn wants_colours() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

impl Paint {
    #[cfg(test)]
    pub const PLAIN: Self = Self { is_on: false };

    pub fn good(self, text: &str) -> String {
        if self.is_on { text.green().to_string() } else { text.to_owned() }
    }

    pub fn bad(self, text: &str) -> String {
        if self.is_on { text.red().to_string() } else { text.to_owned() }
    }

    pub fn busy(self, text: &str) -> String {
        if self.is_on { text.cyan().to_string() } else { text.to_owned() }
    }

    pub fn dim(self, text: &str) -> String {
        if self.is_on { text.dimmed().to_string() } else { text.to_owned() }
    }

    pub fn strong(self, text: &str) -> String {
        if self.is_on { text.bold().to_string() } else { text.to_owned() }
    }

    /// A run's or deployment's state in the colour that it has everywhere.
    pub fn state(self, word: &str, text: &str) -> String {
        match word {
            "success" | "enrolled" | "online" | "ok" => self.good(text),
            "failure" | "aborted" | "refused" | "lost" | "not_begun" | "revoked" => self.bad(text),
            "running" | "retrying" | "ending" | "starting" => self.busy(text),
            _ => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\r\n\u{202e}"), "a\\u{1b}[2Jb\\r\\n\\u{202e}");
        assert_eq!(clean_lines("a\n\tb\u{7}"), "a\n\tb\\u{7}");
        assert!(matches!(clean("plain ü"), Cow::Borrowed(_)));
    }
}
