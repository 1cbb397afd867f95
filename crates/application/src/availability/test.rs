//! Single tests: what the machine says, and what was wanted.

use std::cmp::Ordering;
use std::fmt::Display;

use jiff::civil::{Date, DateTime};
use model::query::compare_versions;
use model::registry::{Data, Key};

use super::{Answer, Context};
use crate::{Comparison, FileNode, Node, RegistryTest, SurveyError, Test, Text, pe};

const QWORD: u32 = 11;

pub(super) fn answer(test: &Test, context: &Context<'_>) -> Answer {
    told(test, context).unwrap_or_else(Answer::unknown)
}

/// The error says why it cannot be told.
fn told(test: &Test, context: &Context<'_>) -> Result<Answer, String> {
    let survey = context.survey;
    Ok(match test {
        Test::Fact { name, how, value } => {
            let what = format!("`{name}`");
            let found = survey.fact(name).filter(|found| !found.is_empty());
            let found = found.ok_or_else(|| format!("{what} is not known of this machine"))?;
            compared(&what, &found, *how, value, order(&found, value))
        }
        Test::Environment { name, how, value } => {
            let what = format!("the environment variable `{name}`");
            match survey.environment(name) {
                None => Answer::told(false, format!("{what} is not set")),
                Some(found) => compared(&what, &found, *how, value, order(&found, value)),
            }
        }
        Test::DiskFree { path, how, megabytes } => {
            let path = expanded(path, context)?;
            let free = survey.disk(&path).map_err(said)?.free >> 20;
            let what = format!("the space free on the disk of `{path}`");
            let (found, wanted) = (format!("{free} MB"), format!("{megabytes} MB"));
            compared(&what, &found, *how, &wanted, free.cmp(megabytes))
        }
        Test::Application { id, how } => {
            let what = format!("the application {id}");
            match ((context.installed)(*id), how) {
                (None, _) => Answer::told(false, format!("{what} is not installed")),
                (Some(_), None) => Answer::told(true, format!("{what} is installed")),
                (Some(found), Some((how, wanted))) => {
                    let what = format!("the version of {what}");
                    compared(&what, found, *how, wanted, found.cmp(wanted))
                }
            }
        }
        Test::FileExists { path } => {
            let path = expanded(path, context)?;
            match survey.node(&path).map_err(said)? {
                None => Answer::told(false, format!("`{path}` is not there")),
                Some(_) => Answer::told(true, format!("`{path}` is there")),
            }
        }
        Test::FileVersion { path, .. }
        | Test::FileDate { path, .. }
        | Test::FileSize { path, .. } => {
            let path = expanded(path, context)?;
            match survey.node(&path).map_err(said)? {
                Some(Node::File(node)) => file(test, &path, node, context)?,
                Some(_) => Answer::told(false, format!("`{path}` is no file")),
                None => Answer::told(false, format!("`{path}` is not there")),
            }
        }
        Test::Registry { key, test } => {
            if !survey.has_registry() {
                return Ok(Answer::told(false, "this system has no registry".to_owned()));
            }
            let key = expanded(key, context)?;
            let key = Key::parse(&key).map_err(|error| format!("`{key}`: {error}"))?;
            registry(&key, test, context)?
        }
    })
}

/// Of a file that is there.
fn file(test: &Test, path: &str, node: FileNode, context: &Context<'_>) -> Result<Answer, String> {
    let survey = context.survey;
    Ok(match test {
        Test::FileVersion { how, version, .. } => {
            let part = |offset, length| survey.read_part(path, offset, length);
            match pe::version(part).map_err(said)? {
                None => Answer::told(false, format!("`{path}` has no version")),
                Some(found) => {
                    let found = found.to_string();
                    let what = format!("the version of `{path}`");
                    compared(&what, &found, *how, version, compare_versions(&found, version))
                }
            }
        }
        Test::FileDate { how, date, .. } => {
            let written = jiff::Timestamp::from_nanosecond(node.mtime_ns.into())
                .map_err(|error| format!("`{path}`: {error}"))?;
            let written = context.zone.to_datetime(written);
            let wanted = date.trim();
            let wrong =
                |_| format!("`{wanted}` is no date: write `2026-11-21` or `2026-11-21 13:00`");
            let (found, order) = if wanted.contains(' ') {
                let minute = wanted.parse::<DateTime>().map_err(wrong)?;
                let found = to_minute(written).cmp(&minute);
                (written.strftime("%Y-%m-%d %H:%M").to_string(), found)
            } else {
                let day = wanted.parse::<Date>().map_err(wrong)?;
                (written.date().to_string(), written.date().cmp(&day))
            };
            compared(&format!("the date of `{path}`"), &found, *how, wanted, order)
        }
        Test::FileSize { how, bytes, .. } => {
            let what = format!("the size of `{path}` in bytes");
            compared(&what, node.size, *how, bytes, node.size.cmp(bytes))
        }
        _ => return Err(format!("`{path}`: nothing is asked of the file")),
    })
}

fn to_minute(at: DateTime) -> DateTime {
    at.date().at(at.hour(), at.minute(), 0, 0)
}

fn registry(key: &Key, test: &RegistryTest, context: &Context<'_>) -> Result<Answer, String> {
    let is_there = context.survey.key_exists(key).map_err(said)?;
    let value = |name: &Text| -> Result<(String, Option<Data>), String> {
        let name = expanded(name, context)?;
        let data = if is_there { context.survey.value(key, &name).map_err(said)? } else { None };
        Ok((format!("`{key}`, value `{name}`"), data))
    };
    Ok(match test {
        RegistryTest::KeyExists if is_there => Answer::told(true, format!("`{key}` is there")),
        RegistryTest::KeyExists => Answer::told(false, format!("`{key}` is not there")),
        RegistryTest::ValueExists { name } => {
            let (what, data) = value(name)?;
            let holds = data.is_some();
            Answer::told(holds, format!("{what} is {}there", if holds { "" } else { "not " }))
        }
        RegistryTest::Value { name, how, data: wanted } => {
            let (what, data) = value(name)?;
            let Some(data) = data else {
                return Ok(Answer::told(false, format!("{what} is not there")));
            };
            match (number(&data), whole(wanted)) {
                (Some(found), Some(wanted)) => {
                    compared(&what, found, *how, wanted, found.cmp(&wanted))
                }
                (None, _) if let Some(found) = text(&data) => {
                    compared(&what, &found, *how, wanted, order(&found, wanted))
                }
                _ => Answer::told(false, format!("{what} is no `{wanted}`")),
            }
        }
    })
}

/// Of `DWORD` and `QWORD`.
fn number(data: &Data) -> Option<u64> {
    match (data.kind, data.bytes.as_slice()) {
        (Data::DWORD, bytes) => Some(u32::from_le_bytes(bytes.try_into().ok()?).into()),
        (QWORD, bytes) => Some(u64::from_le_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}

/// Decimal, or hexadecimal after `0x`.
fn whole(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Of texts, expanded or not.
fn text(data: &Data) -> Option<String> {
    if !matches!(data.kind, Data::TEXT | Data::EXPANDED_TEXT) {
        return None;
    }
    let units = data.bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    Some(String::from_utf16_lossy(&units))
}

/// Whole numbers as such; what begins with a digit as versions; other texts without case.
fn order(found: &str, wanted: &str) -> Ordering {
    let (found, wanted) = (found.trim(), wanted.trim());
    if let (Ok(found), Ok(wanted)) = (found.parse::<i64>(), wanted.parse::<i64>()) {
        return found.cmp(&wanted);
    }
    let is_version = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    if is_version(found) && is_version(wanted) {
        return compare_versions(found, wanted);
    }
    found.to_lowercase().cmp(&wanted.to_lowercase())
}

fn compared(
    what: &str,
    found: impl Display,
    how: Comparison,
    wanted: impl Display,
    order: Ordering,
) -> Answer {
    let why = format!("{what} is `{found}`, wanted is {} `{wanted}`", how.words());
    Answer::told(how.holds(order), why)
}

fn expanded(text: &Text, context: &Context<'_>) -> Result<String, String> {
    context.macros.expand(text).map_err(|error| format!("`{text}`: {error}"))
}

fn said(error: SurveyError) -> String {
    let SurveyError { place, why } = error;
    format!("`{place}` cannot be looked at: {why}")
}
