//! Execution: a command, its output, its exit code.

use machine::{ExecuteEnd, ExecuteSpec, Identity};
use tokio_util::sync::CancellationToken;
use wire::Stream;
use workflow::{EffectId, Event, Logging, Outputs, Report};

use super::capture::{Capture, Logged};
use super::{Show, interrupted, sentence};

/// Of an error's last words, what a note repeats.
const NOTE_CHARS_MAX: usize = 300;

pub(super) async fn run(
    effect: EffectId,
    (spec, identity): (&ExecuteSpec, Option<&Identity>),
    log: Logging,
    show: &Show,
    cancel: &CancellationToken,
) -> Report {
    let (out_logged, err_logged) = match log {
        Logging::None => (Logged::Never, Logged::Never),
        Logging::Errors => (Logged::AtTheEnd, Logged::AsItComes),
        Logging::All => (Logged::AsItComes, Logged::AsItComes),
    };
    let mut out = Capture::new(effect, Stream::Out, out_logged);
    let mut err = Capture::new(effect, Stream::Err, err_logged);
    let ended =
        machine::execute_as(spec, identity, cancel.cancelled(), |stream, bytes| match stream {
            machine::Stream::Stdout => out.push(bytes, &**show),
            machine::Stream::Stderr => err.push(bytes, &**show),
        })
        .await;
    let is_fine = matches!(ended, Ok(ExecuteEnd::Exited { code: 0 } | ExecuteEnd::Started));
    out.finish(!is_fine, &**show);
    err.finish(true, &**show);
    match ended {
        Ok(ExecuteEnd::Started) => Report::of(Event::Ok),
        Ok(ExecuteEnd::Exited { code }) => {
            let mut outputs = outputs(&out, &err);
            outputs.insert("exit_code".into(), code.to_string());
            let note = if code == 0 { None } else { last_line(&err.text()) };
            Report { outputs, note, ..Report::of(Event::Exit(code)) }
        }
        Ok(ExecuteEnd::TimedOut) => Report::of(Event::Timeout),
        Ok(ExecuteEnd::Cancelled) => Report { outputs: outputs(&out, &err), ..interrupted() },
        Err(error) => Report::error(sentence(&error)),
    }
}

fn outputs(out: &Capture, err: &Capture) -> Outputs {
    let truncated = out.is_truncated() || err.is_truncated();
    Outputs::from([
        ("stdout".into(), out.text()),
        ("stderr".into(), err.text()),
        ("truncated".into(), truncated.to_string()),
    ])
}

/// What a command said last is most often why it failed.
fn last_line(text: &str) -> Option<String> {
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(NOTE_CHARS_MAX).collect())
}
