//! Commands on the server, as the server's own user. Never carried out twice.

use std::path::PathBuf;

use machine::{ExecuteEnd, ExecuteSpec, Stream, Visibility, Waiting};
use workflow::{Command, Context, Event, Report, ServerCommand};

use super::{Call, report};
use crate::effects::text;

/// What of each output is kept.
const OUTPUT_BYTES_MAX: usize = 64 << 10;
/// Of an error's last words, what a note repeats.
const NOTE_CHARS_MAX: usize = 300;

pub async fn run(call: &Call, command: &ServerCommand, context: &Context) -> Report {
    let spec = match spec(call, command, context) {
        Ok(spec) => spec,
        Err(why) => return Report::error(why),
    };
    if call.again {
        // Nobody knows how far it came; what it left running is ended.
        if let Err(error) = machine::end_marked(&spec.effect).await {
            tracing::warn!(%error, "what a command left running could not be ended");
        }
        return Report::of(Event::Interrupted);
    }
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let ended = machine::execute(&spec, call.cancel.cancelled(), |stream, bytes| {
        let kept = if stream == Stream::Stdout { &mut out } else { &mut err };
        let room = OUTPUT_BYTES_MAX.saturating_sub(kept.len()).min(bytes.len());
        kept.extend_from_slice(&bytes[..room]);
    })
    .await;
    let stdout = String::from_utf8_lossy(&out).into_owned();
    match ended {
        Ok(ExecuteEnd::Exited { code }) => {
            let event = if code == 0 { Event::Ok } else { Event::Error };
            let last = last_line(&String::from_utf8_lossy(&err));
            let note = (code != 0).then(|| match last {
                Some(last) => format!("exit code {code}: {last}"),
                None => format!("exit code {code}"),
            });
            report(event, [("stdout", stdout), ("exit_code", code.to_string())], note)
        }
        Ok(ExecuteEnd::TimedOut) => {
            let within = command.timeout;
            let note = format!("the command was ended after {within}");
            report(Event::Error, [("stdout", stdout)], Some(note))
        }
        Ok(ExecuteEnd::Cancelled) => Report::of(Event::Interrupted),
        Ok(ExecuteEnd::Started) => Report::of(Event::Ok),
        Err(error) => Report::error(crate::core::chain(&error)),
    }
}

fn spec(call: &Call, command: &ServerCommand, context: &Context) -> Result<ExecuteSpec, String> {
    let line = match &command.command {
        Command::Shell(line) => machine::Command::Shell(text(line, context)?),
        Command::List(words) => {
            let words = words.iter().map(|word| text(word, context));
            machine::Command::List(words.collect::<Result<_, _>>()?)
        }
    };
    let folder = match &command.folder {
        Some(folder) => Some(PathBuf::from(text(folder, context)?)),
        None => None,
    };
    let mut environment = std::collections::BTreeMap::new();
    for (name, value) in &command.environment {
        environment.insert(name.clone(), text(value, context)?);
    }
    Ok(ExecuteSpec {
        command: line,
        folder,
        environment,
        visibility: Visibility::Hidden,
        waiting: Waiting::ForTheEnd,
        timeout: Some(command.timeout.as_duration()),
        effect: format!("action-{}", call.key),
    })
}

fn last_line(text: &str) -> Option<String> {
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(NOTE_CHARS_MAX).collect())
}
