//! When something that recurs begins: by the calendar of a time zone, or at even distances.
//!
//! Pure: the zone and every instant are arguments. An *occurrence* is an instant at which it is to
//! begin; what became of one is decided once ([`Recurrence::due`]), whatever the clock does after.
//!
//! When clocks go forward, an occurrence at a fixed time that is skipped begins at the first
//! instant after the gap; when they go back, one at a fixed time that comes twice begins at the
//! first of the two. Expressions that go on through the day (`*/15 * * * *`) follow the time that
//! really passes.

use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::tz::TimeZone;
use model::{Span, Timestamp};

/// Nothing may recur more often.
pub const EVERY_MIN: Span = Span::from_secs(10);
/// How many occurrences may be made up for.
pub const MISSED_MAX: usize = 24;
/// What comes so late or less late is on time.
pub const LATE: Span = Span::from_secs(60);
/// How many occurrences one look back goes through; of more, the oldest are as if they had not
/// been.
const LOOK_BACK_MAX: usize = 100_000;
/// Occurrences whose distances are looked at: a minute of them, were each allowed.
const LOOKED_AT: usize = 8;

/// Why a recurrence is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecurrenceError {
    #[error("`{text}` is not a cron expression: {why}")]
    Cron { text: String, why: String },
    #[error("`{0}` never comes")]
    Never(String),
    #[error("nothing may recur more often than every {EVERY_MIN}")]
    TooOften,
    #[error("it ends before it begins")]
    Dates,
}

#[derive(Debug, Clone)]
enum When {
    Calendar {
        cron: Box<Cron>,
        zone: TimeZone,
    },
    /// So often after the anchor, which is the first.
    Every {
        every: Span,
        anchor: Timestamp,
    },
}

/// What to do about occurrences that nobody was there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// Nothing.
    Skip,
    /// One start makes up for all of them.
    Once,
    /// Each is made up for, the last [`MISSED_MAX`] of them.
    All,
}

/// Occurrences that are decided about now, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    pub begin: Vec<Timestamp>,
    /// How many are not made up for, and the last of them.
    pub skipped: usize,
    pub skipped_last: Option<Timestamp>,
    /// Everything up to here is decided.
    pub decided: Option<Timestamp>,
}

#[derive(Debug, Clone)]
pub struct Recurrence {
    when: When,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    jitter: Span,
    seed: u64,
}

impl Recurrence {
    /// By a cron expression of five fields, or six with the seconds first, in that zone.
    pub fn calendar(text: &str, zone: TimeZone) -> Result<Self, RecurrenceError> {
        let parser = CronParser::builder().seconds(Seconds::Optional).build();
        let wrong = |why: String| RecurrenceError::Cron { text: text.to_owned(), why };
        if text.split_whitespace().count() > 6 {
            return Err(wrong("there are more than six fields".to_owned()));
        }
        let cron = parser.parse(text).map_err(|error| wrong(error.to_string()))?;
        let calendar = Self::of(When::Calendar { cron: Box::new(cron), zone });
        let next = |last: &Timestamp| calendar.next(*last);
        let some: Vec<Timestamp> =
            std::iter::successors(calendar.next(Timestamp::EPOCH), next).take(LOOKED_AT).collect();
        if some.is_empty() {
            return Err(RecurrenceError::Never(text.to_owned()));
        }
        if some.windows(2).any(|two| two[1].since(two[0]) < EVERY_MIN) {
            return Err(RecurrenceError::TooOften);
        }
        Ok(calendar)
    }

    /// At even distances after `anchor`, however the clocks of people are set.
    pub fn every(every: Span, anchor: Timestamp) -> Result<Self, RecurrenceError> {
        if every < EVERY_MIN {
            return Err(RecurrenceError::TooOften);
        }
        Ok(Self::of(When::Every { every, anchor }))
    }

    const fn of(when: When) -> Self {
        Self { when, from: None, until: None, jitter: Span::ZERO, seed: 0 }
    }

    /// Only from then on, and until then; both are within.
    pub fn between(
        mut self,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Self, RecurrenceError> {
        if let (Some(from), Some(until)) = (from, until)
            && until < from
        {
            return Err(RecurrenceError::Dates);
        }
        (self.from, self.until) = (from, until);
        Ok(self)
    }

    /// Each occurrence begins up to `jitter` later, how much is the same whenever it is asked: it
    /// comes from the name and the occurrence.
    #[must_use]
    pub fn with_jitter(mut self, jitter: Span, name: &str) -> Self {
        let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, |seed: u64, byte| {
            (seed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        (self.jitter, self.seed) = (jitter, seed);
        self
    }

    /// The first occurrence after `after`, without its jitter.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        // The instant before the first one allowed.
        let before = self.from.map(|from| Timestamp::from_millis(from.as_millis() - 1));
        let after = before.map_or(after, |before| before.max(after));
        let next = match &self.when {
            When::Calendar { cron, zone } => {
                let start = jiff::Timestamp::from_millisecond(after.as_millis()).ok()?;
                let found = cron.find_next_occurrence(&start.to_zoned(zone.clone()), false).ok()?;
                Timestamp::from_millis(found.timestamp().as_millisecond())
            }
            When::Every { every, anchor } => {
                let every = i64::try_from(every.as_millis()).ok()?;
                let passed = after.as_millis().checked_sub(anchor.as_millis())?;
                let count = if passed < 0 { 0 } else { passed / every + 1 };
                let at = anchor.as_millis().checked_add(count.checked_mul(every)?)?;
                Timestamp::from_millis(at)
            }
        };
        (next > after && self.until.is_none_or(|until| next <= until)).then_some(next)
    }

    /// When an occurrence really begins.
    pub fn begins(&self, occurrence: Timestamp) -> Timestamp {
        let most = self.jitter.as_millis();
        if most == 0 {
            return occurrence;
        }
        occurrence
            + Span::from_millis(mixed(self.seed ^ occurrence.as_millis() as u64) % (most + 1))
    }

    /// What is to be done about all occurrences after `decided` whose time has come.
    pub fn due(&self, decided: Timestamp, now: Timestamp, missed: Missed) -> Due {
        let mut come = std::collections::VecDeque::new();
        let (mut at, mut passed_over) = (decided, 0);
        while let Some(next) = self.next(at)
            && self.begins(next) <= now
        {
            at = next;
            come.push_back(next);
            if come.len() > LOOK_BACK_MAX {
                come.pop_front();
                passed_over += 1;
            }
        }
        let mut due = Due { decided: come.back().copied(), ..Due::default() };
        let is_late = |occurrence: &Timestamp| now > self.begins(*occurrence) + LATE;
        let late = come.iter().take_while(|occurrence| is_late(occurrence)).count();
        let kept = match missed {
            Missed::Skip => come.len() - late,
            // What is on time makes up for what was missed.
            Missed::Once => (come.len() - late).max(usize::from(late > 0)),
            Missed::All => (come.len() - late) + late.min(MISSED_MAX),
        };
        let skipped = come.len() - kept;
        due.skipped = skipped + passed_over;
        due.skipped_last = skipped.checked_sub(1).and_then(|last| come.get(last)).copied();
        due.begin = come.into_iter().skip(skipped).collect();
        due
    }
}

/// Spreads numbers that are near each other over all numbers.
const fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
