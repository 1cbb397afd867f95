//! One line for people of what is and what will be.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use model::registry::Data;

use crate::{FileNode, Node};

/// Characters of a value that are shown.
const SHOWN_CHARS_MAX: usize = 60;
pub const ABSENT: &str = "absent";

/// `12 KB of 2026-11-02 12:00`, in UTC.
pub fn file(size: u64, mtime_ns: Option<i64>) -> String {
    let time = mtime_ns.and_then(|ns| Timestamp::from_nanosecond(i128::from(ns)).ok());
    match time {
        Some(time) => {
            let time = time.to_zoned(TimeZone::UTC);
            format!("{} of {}", bytes(size), time.strftime("%Y-%m-%d %H:%M"))
        }
        None => bytes(size),
    }
}

pub fn node(node: Option<&Node>) -> String {
    match node {
        None => ABSENT.to_owned(),
        Some(Node::File(FileNode { size, mtime_ns, .. })) => file(*size, Some(*mtime_ns)),
        Some(Node::Folder) => "a folder".to_owned(),
        Some(Node::Link { target }) => format!("a link to {}", quoted(target)),
        Some(Node::Other) => "a device".to_owned(),
    }
}

/// Units of 1024; to one digit below ten.
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KB", "MB", "GB", "TB"];
    let mut unit = 0;
    let mut divisor = 1_u64;
    while size / divisor >= 1024 && unit + 1 < UNITS.len() {
        divisor *= 1024;
        unit += 1;
    }
    let (whole, tenth) = (size / divisor, size % divisor * 10 / divisor);
    match (unit, whole) {
        (0, 1) => "1 byte".to_owned(),
        (1.., 0..10) if tenth > 0 => format!("{whole}.{tenth} {}", UNITS[unit]),
        _ => format!("{whole} {}", UNITS[unit]),
    }
}

/// `"C:\old"`, cut where it is long; signs that steer a terminal are escaped.
pub fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN_CHARS_MAX).flat_map(shown).collect();
    let more = if text.chars().count() > SHOWN_CHARS_MAX { "…" } else { "" };
    format!("\"{shown}{more}\"")
}

fn shown(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = escaped.is_none().then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

pub fn data(data: Option<&Data>) -> String {
    let Some(data) = data else { return ABSENT.to_owned() };
    let number = |bytes: &[u8]| {
        let bytes: Option<[u8; 8]> = bytes.try_into().ok();
        bytes.map(u64::from_le_bytes)
    };
    match (data.kind, data.bytes.len()) {
        (Data::TEXT | Data::EXPANDED_TEXT, _) => quoted(&text_of(data)),
        (Data::TEXTS, _) => {
            let texts: Vec<String> = texts_of(data).iter().map(|text| quoted(text)).collect();
            format!("[{}]", texts.join(", "))
        }
        (Data::DWORD, 4) => {
            let [a, b, c, d] = [data.bytes[0], data.bytes[1], data.bytes[2], data.bytes[3]];
            format!("dword {}", u32::from_le_bytes([a, b, c, d]))
        }
        (QWORD, 8) => format!("qword {}", number(&data.bytes).unwrap_or_default()),
        (kind, count) => {
            let shown: Vec<String> =
                data.bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            let more = if count > 16 { " …" } else { "" };
            let kind = if kind == Data::BINARY { String::new() } else { format!("({kind:x})") };
            format!("hex{kind} {}{more}", shown.join(" "))
        }
    }
}

/// The type of a number of eight bytes.
pub const QWORD: u32 = 11;

fn units(bytes: &[u8]) -> Vec<u16> {
    let (units, _) = bytes.as_chunks::<2>();
    units.iter().map(|unit| u16::from_le_bytes(*unit)).collect()
}

/// What a text's bytes say, without the zeros at their end.
pub fn text_of(data: &Data) -> String {
    let mut units = units(&data.bytes);
    while units.last() == Some(&0) {
        units.pop();
    }
    String::from_utf16_lossy(&units)
}

/// The entries of a list of texts.
pub fn texts_of(data: &Data) -> Vec<String> {
    let units = units(&data.bytes);
    let entries = units.split(|unit| *unit == 0).take_while(|entry| !entry.is_empty());
    entries.map(String::from_utf16_lossy).collect()
}

/// Values of one name in an INI section.
pub fn values(values: &[String]) -> String {
    match values {
        [] => ABSENT.to_owned(),
        values => values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_values_are_told_in_one_line() {
        for (size, expect) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1024, "1 KB"),
            (1536, "1.5 KB"),
            (12_500, "12 KB"),
            (5 << 30, "5 GB"),
        ] {
            assert_eq!(bytes(size), expect);
        }
        assert_eq!(file(12_500, Some(0)), "12 KB of 1970-01-01 00:00");
        assert_eq!(data(Some(&Data::text("C:\\old\n"))), "\"C:\\old\\n\"");
        assert_eq!(data(Some(&Data::dword(5))), "dword 5");
        assert_eq!(data(Some(&Data { kind: 0, bytes: vec![1, 2] })), "hex(0) 01 02");
        assert_eq!(data(None), "absent");
    }
}
