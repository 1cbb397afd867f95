//! What goes on while a step is carried out, on standard error; and what came of it.

use std::time::Instant;

use agent::application::{Done, Driver, Event, Failure, Step, What};
use application::Part;
use machine::ServiceEnd;
use machine::survey::FolderSource;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::here::{said, user_of};
use crate::output;

/// Carries a step out and says meanwhile what happens, and at the end what came of it.
pub fn carry_out(
    driver: &mut Driver,
    step: &Step,
    source: &FolderSource<'_>,
    cancel: &CancellationToken,
) -> Ended {
    let mut teller = Teller::new();
    let result = driver.carry_out(step, source, &mut |event| teller.tell(&event), cancel);
    teller.rest();
    let (name, part) = (step.name.clone(), step.part().clone());
    let ended = Ended { name, part, version: step.plan.version, result };
    note(&ended, step.what);
    ended
}

/// Says what happens, line by line.
struct Teller {
    began: Instant,
    /// Output that is not a whole line yet.
    open: Vec<u8>,
}

impl Teller {
    fn new() -> Self {
        Self { began: Instant::now(), open: Vec::new() }
    }

    fn tell(&mut self, event: &Event) {
        match event {
            Event::Began(phase) => {
                self.rest();
                self.say(phase.as_str());
            }
            Event::Ended { name, count } => self.say(&format!("ended {count} of {name}")),
            Event::Service { name, how } => self.say(&format!(
                "service {name}: {}",
                match how {
                    ServiceEnd::Stopped => "stopped",
                    ServiceEnd::DidNotRun => "it did not run",
                    ServiceEnd::Absent => "there is none here",
                }
            )),
            Event::Note(note) => self.say(note),
            Event::Output { bytes, .. } => {
                self.open.extend_from_slice(bytes);
                let Some(end) = self.open.iter().rposition(|byte| *byte == b'\n') else { return };
                let whole: Vec<u8> = self.open.drain(..=end).collect();
                lines(&whole);
            }
        }
    }

    /// What was said last may have no line break.
    fn rest(&mut self) {
        if !self.open.is_empty() {
            lines(&std::mem::take(&mut self.open));
        }
    }

    fn say(&self, text: &str) {
        let since = self.began.elapsed().as_secs_f64();
        output::note(format!("{since:7.2} s  {}", output::clean(text)));
    }
}

fn lines(bytes: &[u8]) {
    for line in machine::decode_output(bytes).lines() {
        output::note(format!("           | {}", output::clean_lines(line)));
    }
}

/// What one step came to.
pub struct Ended {
    pub name: String,
    pub part: Part,
    pub version: u16,
    pub result: Result<Done, Failure>,
}

/// What all of them came to, for scripts.
#[derive(Serialize)]
pub struct Results {
    results: Vec<ShownEnd>,
}

impl Results {
    pub fn of(ended: &[Ended]) -> Self {
        Self { results: ended.iter().map(ShownEnd::of).collect() }
    }
}

/// The same of one.
#[derive(Serialize)]
pub struct ShownEnd {
    application: String,
    /// None: the machine's part.
    user: Option<String>,
    version: u16,
    ok: bool,
    changes: usize,
    reboot: Vec<String>,
    left: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What could not be undone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remains: Vec<String>,
}

impl ShownEnd {
    pub fn of(ended: &Ended) -> Self {
        let done = ended.result.as_ref().ok().cloned().unwrap_or_default();
        let failure = ended.result.as_ref().err();
        Self {
            application: ended.name.clone(),
            user: user_of(&ended.part),
            version: ended.version,
            ok: failure.is_none(),
            changes: done.changes,
            reboot: done.reboot,
            left: done.left,
            code: failure.map(|failure| failure.source.code()),
            error: failure.map(Failure::sentence),
            remains: failure.map(|failure| failure.remains.clone()).unwrap_or_default(),
        }
    }
}

/// On standard error, for standard output may be read by a program.
fn note(ended: &Ended, what: What) {
    let (name, part) = (output::clean(&ended.name), said(&ended.part));
    match &ended.result {
        Ok(done) => {
            let what = match what {
                What::Distribute | What::Again => "is here",
                What::Verify => "is as it was distributed",
                What::Uninstall => "is uninstalled",
            };
            let good = output::paint_stderr().good("done");
            output::note(format!("{good}: {name} {} {what} ({part})", ended.version));
            for path in &done.left {
                let path = output::clean(path);
                output::note(format!("  {path} stays: somebody put something into it"));
            }
            if !done.reboot.is_empty() {
                let why = done.reboot.join(", ");
                output::note(format!("  restart this machine: {}", output::clean(&why)));
            }
        }
        Err(failure) => {
            let word = output::paint_stderr().bad(&format!("error[{}]", failure.source.code()));
            output::note(format!(
                "{word}: {name} ({part}): {}",
                output::clean(&failure.sentence())
            ));
            if failure.remains.is_empty() {
                output::note("  all of it is undone");
            }
            for remains in &failure.remains {
                output::note(format!("  not undone: {}", output::clean(remains)));
            }
        }
    }
}
