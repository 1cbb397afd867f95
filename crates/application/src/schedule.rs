//! When a pre-install schedule is open for one machine (AP-09).
//!
//! Each day of the schedule has one window, from its start to its end by the clock of people or of
//! UTC. Times that the clocks skip mean the first instant after the gap; of times that come twice
//! the first counts. A machine opens a window later by a delay of its own, always the same for the
//! same application, so that not all begin at once; a spread that is longer than a window leaves
//! the first windows to other machines.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use model::{ApplicationId, ComputerId, Timestamp};

use crate::{Clock, Dates, When};

/// What the schedule says at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    Now,
    At(Timestamp),
    /// It will not open again.
    Over,
}

/// The part of one day in which the schedule is open: from the first instant to before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    start: Timestamp,
    end: Timestamp,
}

impl Window {
    fn millis(&self) -> u64 {
        self.end.since(self.start).as_millis()
    }
}

/// Whether the schedule is open at `now` for that machine, and when it is next.
pub fn due(
    when: &When,
    zone: &TimeZone,
    computer: ComputerId,
    application: ApplicationId,
    now: Timestamp,
) -> Due {
    let zone = match when.clock {
        Clock::Local => zone.clone(),
        Clock::Everywhere => TimeZone::UTC,
    };
    let chance = chance(computer, application);
    let own = own_first(when, &zone, chance);
    let spread = spread_millis(when);
    let windows = dates(when, &zone, now).map(|date| window(when, &zone, date));
    for window in windows.filter(|window| own.is_none_or(|own| window.start >= own)) {
        let delay = chance.checked_rem(spread.min(window.millis())).unwrap_or(0);
        let open = later(window.start, delay);
        if now < open {
            return Due::At(open);
        }
        if now < window.end {
            return Due::Now;
        }
    }
    Due::Over
}

/// The start of the first window this machine takes part in, where a spread is longer than a
/// window; none where it takes part in all.
fn own_first(when: &When, zone: &TimeZone, chance: u64) -> Option<Timestamp> {
    let spread = spread_millis(when);
    let all = all_dates(when.dates.clone()).map(|date| window(when, zone, date));
    let mut windows = Vec::new();
    let mut total = 0;
    for window in all {
        if total >= spread {
            break;
        }
        total += window.millis();
        windows.push(window);
    }
    let mut delay = chance.checked_rem(total.min(spread))?;
    let own = windows.into_iter().find(|window| {
        let within = delay < window.millis();
        delay = delay.saturating_sub(window.millis());
        within
    });
    own.map(|window| window.start)
}

fn spread_millis(when: &When) -> u64 {
    u64::from(when.spread_minutes) * 60_000
}

fn later(start: Timestamp, millis: u64) -> Timestamp {
    start + model::Span::from_millis(millis)
}

/// Every day of the schedule, in order.
fn all_dates(dates: Dates) -> Box<dyn Iterator<Item = Date>> {
    match dates {
        Dates::Days(mut days) => {
            days.sort_unstable();
            days.dedup();
            Box::new(days.into_iter())
        }
        Dates::Range { first, last, weekdays } => {
            let days = std::iter::successors(Some(first), |day| day.tomorrow().ok());
            let days = days.take_while(move |day| *day <= last);
            Box::new(days.filter(move |day| weekdays.contains(&day.weekday())))
        }
    }
}

/// Those whose window may not be over yet: a window may reach into the next day.
fn dates(when: &When, zone: &TimeZone, now: Timestamp) -> impl Iterator<Item = Date> + use<> {
    let instant = jiff::Timestamp::from_millisecond(now.as_millis());
    let today = instant.map_or(Date::MIN, |instant| instant.to_zoned(zone.clone()).date());
    let from = today.yesterday().unwrap_or(today);
    let mut later = when.dates.clone();
    if let Dates::Range { first, .. } = &mut later {
        *first = (*first).max(from);
    }
    all_dates(later).filter(move |day| *day >= from).take(LOOK_AHEAD)
}

/// Windows looked at from now on: what is left out of the first ones by a spread is far less.
const LOOK_AHEAD: usize = 4_000;

fn window(when: &When, zone: &TimeZone, date: Date) -> Window {
    let until = when.until.unwrap_or(Time::midnight());
    let over_midnight = until <= when.from;
    let last = if over_midnight { date.tomorrow().unwrap_or(date) } else { date };
    let start = instant(date.to_datetime(when.from), zone);
    let mut end = instant(last.to_datetime(until), zone);
    if end <= start {
        // The clocks skipped all of it.
        let long = last.to_datetime(until).duration_since(date.to_datetime(when.from));
        end = later(start, u64::try_from(long.as_millis()).unwrap_or(0));
    }
    Window { start, end }
}

fn instant(civil: DateTime, zone: &TimeZone) -> Timestamp {
    let at = |offset: Offset| offset.to_timestamp(civil).map_or(Timestamp::MAX, millis);
    match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => at(offset),
        AmbiguousOffset::Fold { before, .. } => at(before),
        AmbiguousOffset::Gap { before, after } => {
            let sooner = after.to_timestamp(civil).ok();
            let gap = sooner.and_then(|sooner| zone.following(sooner).next());
            gap.map_or_else(|| at(before), |gap| millis(gap.timestamp()))
        }
    }
}

fn millis(instant: jiff::Timestamp) -> Timestamp {
    Timestamp::from_millis(instant.as_millisecond())
}

/// A number that is the same whenever it is asked for, and spread evenly over machines (FNV-1a with
/// the last step of SplitMix64).
fn chance(computer: ComputerId, application: ApplicationId) -> u64 {
    let bytes = computer.as_bytes().iter().chain(application.as_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
