//! Items put into a file that people wrote: everything else in it stays as it is.

use application::{Application, Items};

use super::Taken;
use crate::application::{parse_application, print_application};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    #[error("the file has errors of its own")]
    NotRight,
    #[error("`{0}:` is not written as lines that begin with `- `")]
    NotLines(&'static str),
    #[error("with what is taken over, the file would not be understood")]
    NotUnderstood,
}

const GROUPS: [&str; 6] = ["macros", "shortcuts", "registry", "files", "ini", "text"];

/// The file with further macros and items, each group after those that it has.
pub fn insert(source: &str, taken: &Taken) -> Result<String, InsertError> {
    let parsed = parse_application(source).application;
    let mut expected = parsed.ok_or(InsertError::NotRight)?;
    let mut added = Application { items: Items::default(), macros: Vec::new(), ..expected.clone() };
    let is_known =
        |name: &str| expected.macros.iter().any(|own| own.name.eq_ignore_ascii_case(name));
    let macros = taken.macros.iter().filter(|own| !is_known(&own.name));
    added.macros = macros.cloned().collect();
    added.items = taken.items.clone();
    added.source = expected.source.is_none().then(|| taken.source.clone()).flatten();
    added.target = expected.target.is_none().then(|| taken.target.clone()).flatten();
    let printed = print_application(&added);
    let mut text = source.to_owned();
    if !text.ends_with('\n') && !text.is_empty() {
        text.push('\n');
    }
    for key in ["source", "target"] {
        for line in printed.lines().filter(|line| head(line) == Some(key)) {
            text.push_str(&format!("{line}\n"));
        }
    }
    for group in GROUPS {
        let lines = group_lines(&printed, group);
        if !lines.is_empty() {
            text = with_group(&text, group, &lines)?;
        }
    }
    expected.source = expected.source.or(added.source);
    expected.target = expected.target.or(added.target);
    expected.macros.extend(added.macros);
    let Items { shortcuts, registry, files, ini, text: changes } = added.items;
    expected.items.shortcuts.extend(shortcuts);
    expected.items.registry.extend(registry);
    expected.items.files.extend(files);
    expected.items.ini.extend(ini);
    expected.items.text.extend(changes);
    match parse_application(&text).application {
        Some(read) if read == expected => Ok(text),
        _ => Err(InsertError::NotUnderstood),
    }
}

/// The lines below a key of a file that was printed.
fn group_lines<'t>(text: &'t str, group: &str) -> Vec<&'t str> {
    let lines = text.lines().skip_while(|line| head(line) != Some(group)).skip(1);
    let mut lines: Vec<&str> = lines.take_while(|line| head(line).is_none()).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}

/// The key that a line begins at its first column.
fn head(line: &str) -> Option<&str> {
    let is_key = line.starts_with(|letter: char| letter.is_ascii_lowercase());
    line.split_once(':').map(|(key, _)| key).filter(|_| is_key)
}

fn with_group(text: &str, group: &'static str, added: &[&str]) -> Result<String, InsertError> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let Some(at) = lines.iter().position(|line| head(line) == Some(group)) else {
        lines.push(String::new());
        lines.push(format!("{group}:"));
        lines.extend(added.iter().map(|line| (*line).to_owned()));
        return Ok(joined(&lines));
    };
    let rest = lines[at].split_once(':').map_or("", |(_, rest)| rest.trim());
    if !rest.is_empty() && !rest.starts_with('#') {
        return Err(InsertError::NotLines(group));
    }
    let is_content = |line: &String| {
        line.starts_with([' ', '-'])
            && !line.trim_start().starts_with('#')
            && !line.trim().is_empty()
    };
    let below = lines[at + 1..].iter().take_while(|line| head(line).is_none());
    let last = below.enumerate().filter(|(_, line)| is_content(line)).last();
    let indent_of = |line: &str| line.len() - line.trim_start().len();
    let theirs =
        lines[at + 1..].iter().find(|line| is_content(line)).map_or(2, |line| indent_of(line));
    let end = last.map_or(at + 1, |(offset, _)| at + offset + 2);
    let moved = added.iter().map(|line| match line.strip_prefix("  ") {
        Some(inner) => format!("{}{inner}", " ".repeat(theirs)),
        None => (*line).to_owned(),
    });
    let moved: Vec<String> = moved.collect();
    lines.splice(end..end, moved);
    Ok(joined(&lines))
}

fn joined(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}
