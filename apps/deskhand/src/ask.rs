//! Asking whoever sits at the terminal.

use std::io::{self, IsTerminal, Write};

use anyhow::Result;

use crate::trouble::Trouble;

/// Whether a question is answered with yes; `hint` is for where nobody is there.
pub fn agreed(question: &str, hint: &str) -> Result<bool> {
    if !is_anybody_there() {
        return Err(Trouble::usage("there is nobody to ask", hint).into());
    }
    let answer = answer(&format!("{question} [y/N] "))?;
    Ok(is_yes(&answer))
}

pub fn is_anybody_there() -> bool {
    io::stdin().is_terminal()
}

pub fn is_yes(answer: &str) -> bool {
    matches!(answer.to_lowercase().as_str(), "y" | "yes")
}

/// The line that is typed after `question`; the question goes to standard error.
pub fn answer(question: &str) -> Result<String> {
    let mut err = io::stderr().lock();
    err.write_all(question.as_bytes())?;
    err.flush()?;
    drop(err);
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}
