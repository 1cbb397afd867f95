//! Scripts written in canonical form: what `regedit` writes, plus the tests.

use std::fmt::Write;

use model::registry::{Data, Key, Operation, Step};

const COLUMNS_MAX: usize = 80;

/// The script that [`super::parse_registry`] reads as these steps; only lines may differ.
pub fn print_registry(steps: &[Step]) -> String {
    let mut text = String::from("Windows Registry Editor Version 5.00\r\n");
    let mut under: Option<&Key> = None;
    for Step { operation, .. } in steps {
        let key = operation.key();
        match operation {
            Operation::TestKey { .. } => heading(&mut text, "", key, "?"),
            Operation::CreateKey { .. } => heading(&mut text, "", key, ""),
            Operation::DeleteKey { .. } => heading(&mut text, "-", key, ""),
            // A value can only stand below its key; a test of the key is what changes nothing.
            _ if under != Some(key) => heading(&mut text, "", key, "?"),
            _ => {}
        }
        match operation {
            Operation::TestKey { .. } | Operation::CreateKey { .. } => {}
            Operation::DeleteKey { .. } => {
                under = None;
                continue;
            }
            Operation::TestValue { name, .. } => line(&mut text, &format!("{}?", quoted(name))),
            Operation::CompareValue { name, data, .. } => value(&mut text, name, "==", data),
            Operation::SetValue { name, data, .. } => value(&mut text, name, "=", data),
            Operation::DeleteValue { name, .. } => line(&mut text, &format!("{}=-", quoted(name))),
        }
        under = Some(key);
    }
    text
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push_str("\r\n");
}

fn heading(text: &mut String, before: &str, key: &Key, after: &str) {
    line(text, &format!("\r\n[{before}{key}]{after}"));
}

fn quoted(name: &str) -> String {
    if name.is_empty() { "@".to_owned() } else { in_quotes(name) }
}

fn in_quotes(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

fn value(text: &mut String, name: &str, sign: &str, data: &Data) {
    let name = quoted(name);
    // Not every reader takes a line end between quotation marks; Wine's leaves the value out.
    if let Some(held) = data.as_text().filter(|held| !held.contains(['\r', '\n'])) {
        return line(text, &format!("{name}{sign}{}", in_quotes(&held)));
    }
    if let (Data::DWORD, Ok(bytes)) = (data.kind, <[u8; 4]>::try_from(data.bytes.as_slice())) {
        return line(text, &format!("{name}{sign}dword:{:08x}", u32::from_le_bytes(bytes)));
    }
    let mut current = match data.kind {
        Data::BINARY => format!("{name}{sign}hex:"),
        kind => format!("{name}{sign}hex({kind:x}):"),
    };
    for (number, byte) in data.bytes.iter().enumerate() {
        // Room for the byte, its comma and the backslash.
        if current.chars().count() + 4 > COLUMNS_MAX && number > 0 {
            line(text, &format!("{current}\\"));
            current = "  ".to_owned();
        }
        let comma = if number + 1 < data.bytes.len() { "," } else { "" };
        let _ = write!(current, "{byte:02x}{comma}");
    }
    line(text, &current);
}
