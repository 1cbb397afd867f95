//! Whether an application is for this machine, and why not (AP-17).
//!
//! Owns the meaning of [`Availability`]. There are three answers: what cannot be told - a fact that
//! nobody knows, a file that cannot be looked at - neither holds nor fails, so `not` of it does not
//! hold either. What is not there compares with nothing: no comparison of it holds. Of rules that
//! fail all are named, not only the first.

mod test;

use std::cmp::Ordering;

use jiff::tz::TimeZone;
use model::ApplicationId;

use crate::macros::Macros;
use crate::{Availability, Comparison, Survey};

/// Whom the rules ask.
pub struct Context<'a> {
    pub survey: &'a dyn Survey,
    pub macros: &'a Macros<'a>,
    /// Of the machine, for dates of files.
    pub zone: &'a TimeZone,
    /// The version of an application that is installed here.
    pub installed: &'a dyn Fn(ApplicationId) -> Option<u16>,
}

/// Why the rules do not hold, each reason one line for people; none where they do.
pub fn reasons(rules: &Availability, context: &Context<'_>) -> Vec<String> {
    let answer = answer(rules, context);
    if answer.holds == Some(true) { Vec::new() } else { answer.why }
}

struct Answer {
    /// `None` where it cannot be told.
    holds: Option<bool>,
    /// Of what made it so.
    why: Vec<String>,
}

impl Answer {
    fn told(holds: bool, why: String) -> Self {
        Self { holds: Some(holds), why: vec![why] }
    }

    fn unknown(why: String) -> Self {
        Self { holds: None, why: vec![why] }
    }
}

fn answer(rules: &Availability, context: &Context<'_>) -> Answer {
    match rules {
        Availability::All(rules) => decided(rules, context, false),
        Availability::Any(rules) => decided(rules, context, true),
        Availability::Not(rule) => {
            let Answer { holds, why } = answer(rule, context);
            let denied = |why: String| match holds {
                Some(true) => format!("must not be: {why}"),
                _ => why,
            };
            Answer { holds: holds.map(|holds| !holds), why: why.into_iter().map(denied).collect() }
        }
        Availability::Is(test) => test::answer(test, context),
    }
}

/// Decided by one that answers `decisive`; else unknown when one is; else the other way. Tells of
/// all that took part in it.
fn decided(rules: &[Availability], context: &Context<'_>, decisive: bool) -> Answer {
    let answers: Vec<Answer> = rules.iter().map(|rule| answer(rule, context)).collect();
    let has = |wanted: Option<bool>| answers.iter().any(|answer| answer.holds == wanted);
    let holds = if has(Some(decisive)) {
        Some(decisive)
    } else if has(None) {
        None
    } else {
        Some(!decisive)
    };
    let took_part = |answer: &Answer| match holds {
        // A rule that failed is named beside those of which nothing is known, and the other way.
        Some(false) | None => answer.holds != Some(true),
        Some(true) => answer.holds == Some(true),
    };
    let why = answers.into_iter().filter(took_part).flat_map(|answer| answer.why).collect();
    match (rules, holds) {
        ([], Some(false)) => Answer::told(false, "none of no rules can hold".to_owned()),
        _ => Answer { holds, why },
    }
}

impl Comparison {
    pub(crate) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Greater => order.is_gt(),
        }
    }

    /// Before what is wanted.
    fn words(self) -> &'static str {
        match self {
            Self::Less => "less than",
            Self::LessOrEqual => "at most",
            Self::Equal => "exactly",
            Self::NotEqual => "anything but",
            Self::GreaterOrEqual => "at least",
            Self::Greater => "more than",
        }
    }
}

#[cfg(test)]
mod tests;
