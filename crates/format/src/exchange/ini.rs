//! `.ini` files: each value a setting.

use std::collections::BTreeSet;
use std::fmt::Write;

use application::{Handling, IniFile, IniRule, IniSetting, Text};

use super::decode::decode;
use super::{ReadError, Taken, plain};
use crate::application::words;

/// The sections and values of an INI file, as settings of the file `path` on the machine.
pub fn read_ini(bytes: &[u8], path: Text) -> Result<Taken, ReadError> {
    let text = decode(bytes)?;
    let mut taken = Taken::default();
    let mut settings = Vec::new();
    let mut section: Option<&str> = None;
    let mut known = BTreeSet::new();
    for (number, whole) in crate::problem::lines(&text).into_iter().enumerate() {
        let line = whole.trim();
        if line.is_empty() || line == "\u{1a}" {
            continue;
        }
        if line.starts_with(';') {
            taken.remark(number + 1, "comments are not settings", &[whole]);
        } else if let Some(name) = line.strip_prefix('[') {
            section = Some(name.split(']').next().unwrap_or_default().trim());
        } else if let (Some(section), Some((name, data))) = (section, line.split_once('=')) {
            let (name, data) = (name.trim_end(), data.trim_start());
            let is_first = known.insert((section.to_lowercase(), name.to_lowercase()));
            settings.push(IniSetting {
                section: Text::literal(section),
                name: Text::literal(name),
                data: Some(Text::literal(data)),
                rule: if is_first { IniRule::CreateAlways } else { IniRule::AddToSection },
                handling: Handling::default(),
            });
        } else if section.is_none() {
            taken.remark(number + 1, "it stands before the first section", &[whole]);
        } else {
            taken.remark(number + 1, "a line without `=` means nothing", &[whole]);
        }
    }
    if !settings.is_empty() {
        taken.items.ini.push(IniFile { path, settings });
    }
    Ok(taken)
}

/// What a file gets, as an INI file; what is more than to write a value stands in comments.
pub fn print_ini(file: &IniFile) -> String {
    let mut text = String::new();
    for settings in file.settings.chunk_by(|one, other| one.section == other.section) {
        let [first, ..] = settings else { continue };
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        let _ = write!(text, "[{}]\r\n", plain(&first.section));
        for setting in settings {
            let name = plain(&setting.name);
            let data = setting.data.as_ref().map(plain).unwrap_or_default();
            let _ = match setting.rule {
                IniRule::CreateAlways | IniRule::AddToSection => {
                    write!(text, "{name}={data}\r\n")
                }
                rule => write!(text, "; {}: {name}={data}\r\n", words::ini_word(rule)),
            };
        }
    }
    text
}
