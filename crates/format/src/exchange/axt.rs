//! `.axt` templates: text that snAppShot wrote of what an installation changed (REFERENCE 1.3).
//!
//! No specification of them is public, so reading is tolerant: names of sections and keys count in
//! any case and by their leading words, keys in any order. An entry is a section's name and the
//! lines up to the next one; what is not understood becomes a remark with all of its lines.

mod entries;
mod take;

use std::collections::BTreeMap;
use std::fmt::Write;

use application::{Application, RegistryEntry, RegistryItem, RegistryRule, ValueData, View};
use model::registry::Key;

use super::decode::decode;
use super::{ReadError, Remark, Taken, plain};
use entries::entries;

/// Names of `.fil` files in small letters to the paths they were copied from.
pub type FileNames = BTreeMap<String, String>;

/// `filedef.txt`: lines `1.fil=C:\Program Files\Viewer\viewer.exe`.
pub fn read_file_names(bytes: &[u8]) -> Result<FileNames, ReadError> {
    let text = decode(bytes)?;
    let named = text.lines().filter_map(|line| line.trim().split_once('='));
    Ok(named.map(|(name, path)| (name.trim().to_lowercase(), path.trim().to_owned())).collect())
}

/// What a template says.
pub fn read_axt(bytes: &[u8], names: &FileNames) -> Result<Taken, ReadError> {
    let text = decode(bytes).map_err(|error| match error {
        ReadError::NoText => ReadError::Binary,
        other => other,
    })?;
    let entries = entries(&text);
    if entries.sections.is_empty() {
        return Err(ReadError::NoAxt);
    }
    let mut taken = Taken::default();
    for (line, text) in entries.stray {
        taken.remark(line, "it belongs to no section", &[text]);
    }
    for section in entries.sections {
        take::section(section, names, &mut taken);
    }
    taken.remarks.sort_by_key(|remark| remark.line);
    Ok(taken)
}

/// A template with what is known for certain of the format: the name, and values of the registry
/// that are created. All else is told: remarks whose lines are numbers of registry items, or 0.
pub fn print_axt(application: &Application) -> (String, Vec<Remark>) {
    let mut text = String::from("[AXT_FILE 3.1]\r\n\r\n");
    let _ = write!(text, "[Application Name]\r\nValue={}\r\n\r\n", application.name);
    let mut remarks = Vec::new();
    let items = &application.items;
    let left = [
        ("macros", application.macros.len()),
        ("shortcuts", items.shortcuts.len()),
        ("files", items.files.len()),
        ("ini", items.ini.len()),
        ("text", items.text.len()),
    ];
    for (name, count) in left.into_iter().filter(|(_, count)| *count > 0) {
        let what = format!("`{name}` ({count}): how templates say it is not known for certain");
        remarks.push(Remark { line: 0, what, lines: Vec::new() });
    }
    for (number, item) in items.registry.iter().enumerate() {
        match value(item) {
            Ok(lines) => text.push_str(&lines),
            Err(what) => {
                let lines = vec![item.key.to_string()];
                remarks.push(Remark { line: number + 1, what: what.to_owned(), lines });
            }
        }
    }
    (text, remarks)
}

fn value(item: &RegistryItem) -> Result<String, &'static str> {
    let RegistryEntry::Value { name, data: Some(data) } = &item.entry else {
        return Err("templates are known to create values only; left out");
    };
    let flag = match item.rule {
        RegistryRule::CreateAlways => "Write Always",
        RegistryRule::CreateIfAbsent => "Write If Does Not Exist",
        RegistryRule::CreateIfExists => "Write If Exists",
        _ => return Err("a template is not known to have this rule; left out"),
    };
    if item.view == View::Bits32 {
        return Err("templates know no views; left out");
    }
    let Ok(key) = Key::parse(&plain(&item.key)) else {
        return Err("a macro stands for the root of the key; left out");
    };
    let (kind, value) = match data {
        ValueData::Text(text) if text.as_str().contains(['\r', '\n']) => {
            return Err("a text of several lines cannot stand in a template; left out");
        }
        ValueData::Text(text) if name.as_str().is_empty() => {
            ("Default", format!("Value={text}\r\n"))
        }
        ValueData::Text(text) => ("String", format!("Value={text}\r\n")),
        ValueData::Dword(number) => ("DWORD", format!("Value=0x{number:08X}\r\n")),
        ValueData::Binary(bytes) => ("Binary", binary(bytes)),
        _ => return Err("templates are not known to have this type; left out"),
    };
    let key =
        item.key.as_str().split_once('\\').map_or(key.root().name().to_owned(), |(_, path)| {
            format!("{}\\{path}", key.root().name())
        });
    Ok(format!(
        "[Registry Value Create]\r\nType={kind}\r\nFlag={flag}\r\nKey={key}\r\nName={name}\r\n\
         {value}\r\n"
    ))
}

fn binary(bytes: &[u8]) -> String {
    let mut text = format!("Length={}\r\n", bytes.len());
    for line in bytes.chunks(16) {
        let bytes: Vec<String> = line.iter().map(|byte| format!("{byte:02X}")).collect();
        let _ = write!(text, "Value={}\r\n", bytes.join(" "));
    }
    if bytes.is_empty() {
        text.push_str("Value=\r\n");
    }
    text
}
