//! A bound on what one agent can have written into the log of events.
//!
//! Whoever misbehaves without end is told of often enough; the rest is only counted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use model::{ComputerId, Span, Timestamp};

const WINDOW: Span = Span::from_secs(60);
const EVENTS_MAX: u32 = 100;

/// How much of each computer was told lately. Events of nobody in particular count together.
#[derive(Debug, Default)]
pub struct Quiet {
    told: Mutex<HashMap<Option<ComputerId>, (Timestamp, u32)>>,
}

/// Whether an event is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Tell,
    /// Tell this one and that no more will be told for a while.
    Last,
    Drop,
}

impl Quiet {
    pub fn judge(&self, computer: Option<ComputerId>, now: Timestamp) -> Verdict {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = told.entry(computer).or_insert((now, 0));
        if *since + WINDOW <= now {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        match *count {
            EVENTS_MAX => Verdict::Last,
            count if count < EVENTS_MAX => Verdict::Tell,
            _ => Verdict::Drop,
        }
    }
}

/// The text with what is to be said of the silence that follows.
pub fn last_words(text: &str) -> String {
    format!("{text}; more of this in the next minute is not written down")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_computer_cannot_silence_another() {
        let quiet = Quiet::default();
        let (one, other) = (ComputerId::from_bytes([1; 16]), ComputerId::from_bytes([2; 16]));
        let at = Timestamp::from_millis;
        let verdicts: Vec<Verdict> =
            (0..EVENTS_MAX + 5).map(|_| quiet.judge(Some(one), at(1))).collect();
        let count = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
        assert_eq!((count(Verdict::Tell), count(Verdict::Last)), (99, 1));
        assert_eq!(quiet.judge(Some(other), at(1)), Verdict::Tell);
        assert_eq!(quiet.judge(Some(one), at(60_001)), Verdict::Tell);
    }
}
