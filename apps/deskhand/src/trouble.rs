//! What went wrong, as the person at the keyboard is told: code, sentence, hint, exit code.

use std::io;
use std::process::ExitCode;

use client::{FindError, RequestError};

use crate::commands::workflow;
use crate::output;

pub const FAILED: u8 = 1;
pub const WRONG_USAGE: u8 = 2;

/// Something that went wrong on this side and that the person can put right.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Trouble {
    code: &'static str,
    what: String,
    hint: String,
    exit: u8,
}

impl Trouble {
    pub fn new(code: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, what: what.into(), hint: hint.into(), exit: FAILED }
    }

    /// What was typed cannot be meant.
    pub fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: "DH-C010", what: what.into(), hint: hint.into(), exit: WRONG_USAGE }
    }
}

/// Says it on standard error. A reader that went away (`| head`) is no trouble.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if error.chain().any(is_closed_pipe) {
        return ExitCode::SUCCESS;
    }
    let known = error.chain().find_map(known);
    let code = known.as_ref().map(|known| format!("[{}]", known.code)).unwrap_or_default();
    let paint = output::paint_stderr();
    let start = paint.bad(&format!("error{code}"));
    eprintln!("{start}: {}", output::clean(&format!("{error:#}")));
    if let Some(RequestError::Refused { problem, .. }) = error.downcast_ref() {
        workflow::note_findings("workflow", &problem.findings);
    }
    if let Some(hint) = known.as_ref().and_then(|known| known.hint.as_deref()) {
        eprintln!("  {}: {}", paint.dim("hint"), output::clean(hint));
    }
    ExitCode::from(known.map_or(FAILED, |known| known.exit))
}

struct Known {
    code: String,
    hint: Option<String>,
    exit: u8,
}

fn known(error: &(dyn std::error::Error + 'static)) -> Option<Known> {
    if let Some(trouble) = error.downcast_ref::<Trouble>() {
        let Trouble { code, hint, exit, .. } = trouble;
        return Some(Known { code: (*code).into(), hint: Some(hint.clone()), exit: *exit });
    }
    if let Some(error) = error.downcast_ref::<RequestError>() {
        return Some(Known { code: error.code().into(), hint: error.hint(), exit: FAILED });
    }
    let error = error.downcast_ref::<FindError>()?;
    Some(Known { code: error.code().into(), hint: Some(error.hint().into()), exit: FAILED })
}

fn is_closed_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
