//! Asking whoever sits at the machine.
//!
//! A question is shown to the user of the machine as [`crate::identity`] finds them, and waits for
//! an answer no longer than it is told. Windows shows a window of its own; Linux has no such thing,
//! so the dialogue program of whichever desktop is there is used.

#[cfg(target_os = "linux")]
#[path = "ask/linux.rs"]
mod system;
#[cfg(windows)]
#[path = "ask/windows.rs"]
mod system;

use std::time::Duration;

/// A question that is answered by yes or no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// In the window's frame.
    pub title: String,
    pub text: String,
    pub timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No,
    /// Nobody answered in time, or the question was closed.
    None,
    /// Nobody is logged on, or there is no way to show them a question.
    NobodyThere,
}

/// Shows the question and waits. Blocks the caller, not the threads of others.
pub async fn ask(question: &Question) -> Answer {
    system::ask(question).await
}
