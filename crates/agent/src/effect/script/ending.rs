//! How a script ended, as a report.

use model::Span;
use script::{End, How, Limit, Place, VARIABLES_BYTES_MAX};
use wire::Stream;
use workflow::{Event, Report, Script};

use super::super::interrupted;
use super::asked::Asked;

/// Of a message, what a note repeats; all of it is in the log.
const NOTE_CHARS_MAX: usize = 500;

pub(super) fn report(end: End, script: &Script, time: Span, asked: &Asked<'_>) -> Report {
    // A worker of ours keeps to this; what it says is journaled, so it is looked at again.
    let size: usize = end.variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > VARIABLES_BYTES_MAX {
        return Report::error("the script's worker said more than a script can set");
    }
    let mut report = match end.how {
        How::Done => Report::of(Event::Ok),
        How::Event(name) => named(&name),
        How::Threw { message, place, stack } => {
            asked.print(Stream::Err, &format!("{message}\n{stack}"));
            let message: String = message.chars().take(NOTE_CHARS_MAX).collect();
            Report::error(match place {
                Some(place) => format!("{message} ({place})"),
                None => message,
            })
        }
        How::Ended { limit, place, stack } => {
            let (event, why) = ended(limit, script, time);
            let note = format!("{why}{}", nearby(place));
            asked.print(Stream::Err, &format!("{note}\n{stack}"));
            Report { note: Some(note), ..Report::of(event) }
        }
    };
    asked.finish();
    report.variables = end.variables;
    report.outputs.extend(end.result.map(|result| ("result".to_owned(), result)));
    report
}

/// The engine remembers the last call it made, not where between two calls it was.
fn nearby(place: Option<Place>) -> String {
    place.map_or_else(String::new, |place| format!(", at or after line {}", place.line))
}

fn ended(limit: Limit, script: &Script, time: Span) -> (Event, String) {
    match limit {
        Limit::Time => (Event::Timeout, format!("the script was ended after {time}")),
        Limit::Memory => {
            let all = script.memory_mb;
            (Event::Error, format!("the script needed more than its {all} MB of memory"))
        }
        Limit::Operations => {
            let all = script.operations;
            (Event::Error, format!("the script called for more than its {all} operations"))
        }
        Limit::Cancelled => (interrupted().event, "the script was ended".to_owned()),
    }
}

fn named(name: &str) -> Report {
    match name.parse::<Event>() {
        Ok(event @ (Event::Ok | Event::Error | Event::Named(_))) => Report::of(event),
        Ok(event) => Report::error(format!(
            "the script ended with `{event}`, which is not for scripts to say; give the event \
             another name"
        )),
        Err(error) => {
            Report::error(format!("the script ended with an event that is none: {error}"))
        }
    }
}

/// How a worker died that did not say how its script ended.
pub(super) fn of_worker(code: std::io::Result<u32>, last_words: &str) -> String {
    // Numbers of signals, which Linux adds to 128.
    let how = match code {
        Ok(137) => "it was killed, perhaps because the machine was short of memory".to_owned(),
        Ok(152) => "it used the processor for longer than the script's time".to_owned(),
        Ok(134) => "it was short of memory or failed".to_owned(),
        Ok(code) => format!("it ended with {code}"),
        Err(error) => format!("what became of it is not known: {error}"),
    };
    let words = last_words.lines().last().unwrap_or_default();
    let colon = if words.is_empty() { "" } else { ": " };
    format!("the script's worker died ({how}){colon}{words}")
}
