//! Days, nights, changed clocks and spreads.

use jiff::civil::{Weekday, date, time};
use proptest::prelude::*;

use super::*;

const ALL_DAYS: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    millis(text.parse::<jiff::Timestamp>().unwrap())
}

fn days(days: &[Date], from: Time, until: Option<Time>) -> When {
    let dates = Dates::Days(days.to_vec());
    When { dates, from, until, spread_minutes: 0, clock: Clock::Local }
}

fn ids(n: u8) -> (ComputerId, ApplicationId) {
    (ComputerId::from_bytes([n; 16]), ApplicationId::from_bytes([7; 16]))
}

fn due_at(when: &When, zone: &TimeZone, now: &str) -> Due {
    let (computer, application) = ids(1);
    due(when, zone, computer, application, at(now))
}

#[test]
fn days_open_in_local_time_or_everywhere_at_once() {
    let when = days(&[date(2026, 11, 21)], time(8, 0, 0, 0), Some(time(17, 0, 0, 0)));
    let rome = zone("Europe/Rome");
    assert_eq!(due_at(&when, &rome, "2026-11-20T12:00Z"), Due::At(at("2026-11-21T07:00Z")));
    assert_eq!(due_at(&when, &rome, "2026-11-21T07:00Z"), Due::Now);
    assert_eq!(due_at(&when, &rome, "2026-11-21T15:59:59Z"), Due::Now);
    assert_eq!(due_at(&when, &rome, "2026-11-21T16:00Z"), Due::Over);
    let when = When { clock: Clock::Everywhere, ..when };
    assert_eq!(due_at(&when, &rome, "2026-11-21T07:00Z"), Due::At(at("2026-11-21T08:00Z")));
}

#[test]
fn windows_go_to_midnight_and_over_it() {
    let to_midnight = days(&[date(2026, 11, 21)], time(23, 55, 0, 0), None);
    assert_eq!(due_at(&to_midnight, &TimeZone::UTC, "2026-11-21T23:59:59Z"), Due::Now);
    assert_eq!(due_at(&to_midnight, &TimeZone::UTC, "2026-11-22T00:00Z"), Due::Over);
    let night = days(&[date(2026, 11, 21)], time(22, 0, 0, 0), Some(time(6, 0, 0, 0)));
    assert_eq!(due_at(&night, &TimeZone::UTC, "2026-11-22T05:59Z"), Due::Now);
    assert_eq!(due_at(&night, &TimeZone::UTC, "2026-11-22T06:00Z"), Due::Over);
}

#[test]
fn ranges_open_on_their_week_days_and_their_times_always_count() {
    let dates = Dates::Range {
        first: date(2026, 11, 16),
        last: date(2026, 11, 29),
        weekdays: vec![Weekday::Saturday],
    };
    let when = When { dates, ..days(&[], time(1, 0, 0, 0), Some(time(2, 0, 0, 0))) };
    let utc = TimeZone::UTC;
    assert_eq!(due_at(&when, &utc, "2026-01-01T00:00Z"), Due::At(at("2026-11-21T01:00Z")));
    assert_eq!(due_at(&when, &utc, "2026-11-21T02:00Z"), Due::At(at("2026-11-28T01:00Z")));
    assert_eq!(due_at(&when, &utc, "2026-11-28T02:00Z"), Due::Over);
    let dates = Dates::Range {
        first: date(2026, 11, 16),
        last: date(2026, 11, 29),
        weekdays: ALL_DAYS.to_vec(),
    };
    let when = When { dates, ..when };
    assert_eq!(due_at(&when, &utc, "2026-11-17T12:00Z"), Due::At(at("2026-11-18T01:00Z")));
}

#[test]
fn clocks_that_are_changed_neither_lose_a_window_nor_open_one_twice() {
    let berlin = zone("Europe/Berlin");
    // 02:00 to 03:00 does not exist on that day.
    let skipped = [date(2026, 3, 29)];
    let wholly = days(&skipped, time(2, 10, 0, 0), Some(time(2, 40, 0, 0)));
    assert_eq!(due_at(&wholly, &berlin, "2026-03-29T00:59Z"), Due::At(at("2026-03-29T01:00Z")));
    assert_eq!(due_at(&wholly, &berlin, "2026-03-29T01:29Z"), Due::Now);
    assert_eq!(due_at(&wholly, &berlin, "2026-03-29T01:30Z"), Due::Over);
    let partly = days(&skipped, time(2, 30, 0, 0), Some(time(3, 10, 0, 0)));
    assert_eq!(due_at(&partly, &berlin, "2026-03-29T00:00Z"), Due::At(at("2026-03-29T01:00Z")));
    assert_eq!(due_at(&partly, &berlin, "2026-03-29T01:10Z"), Due::Over);
    // 02:00 to 03:00 comes twice.
    let twice = days(&[date(2026, 10, 25)], time(2, 15, 0, 0), Some(time(2, 45, 0, 0)));
    assert_eq!(due_at(&twice, &berlin, "2026-10-25T00:00Z"), Due::At(at("2026-10-25T00:15Z")));
    assert_eq!(due_at(&twice, &berlin, "2026-10-25T01:20Z"), Due::Over);
}

#[test]
fn machines_are_spread_evenly_and_each_keeps_its_instant() {
    let when = When {
        spread_minutes: 60,
        ..days(&[date(2026, 11, 21), date(2026, 11, 22)], time(8, 0, 0, 0), None)
    };
    let mut quarters = [0; 4];
    for n in 0..=255 {
        let (computer, application) = ids(n);
        let opens = |now| match due(&when, &TimeZone::UTC, computer, application, at(now)) {
            Due::At(opens) => opens,
            other => panic!("{other:?}"),
        };
        let first = opens("2026-11-20T00:00Z");
        let delay = first.since(at("2026-11-21T08:00Z")).as_millis();
        assert!(delay < 3_600_000);
        assert_eq!(opens("2026-11-22T00:00Z").since(at("2026-11-22T08:00Z")).as_millis(), delay);
        quarters[usize::try_from(delay / 900_000).unwrap()] += 1;
    }
    assert!(quarters.iter().all(|count| (40..90).contains(count)), "{quarters:?}");
}

#[test]
fn a_long_spread_goes_over_several_days() {
    let dates = Dates::Range {
        first: date(2026, 11, 16),
        last: date(2026, 11, 22),
        weekdays: ALL_DAYS.to_vec(),
    };
    let when = When { dates, spread_minutes: 10_080, ..days(&[], Time::midnight(), None) };
    let mut by_day = [0; 7];
    for n in 0..=255 {
        let (computer, application) = ids(n);
        let first = due(&when, &TimeZone::UTC, computer, application, at("2026-11-15T00:00Z"));
        let Due::At(first) = first else { panic!("{first:?}") };
        let day = first.since(at("2026-11-16T00:00Z")).as_millis() / 86_400_000;
        by_day[usize::try_from(day).unwrap()] += 1;
    }
    assert!(by_day.iter().all(|count| (15..65).contains(count)), "{by_day:?}");
}

proptest! {
    /// One window for each listed day, whatever the clocks do; each ends before the next begins.
    #[test]
    fn every_day_has_one_window(
        (from, until) in (0i8..24, proptest::option::of(0i8..24)),
        zone_name in prop::sample::select(vec![
            "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tehran", "UTC",
            "Pacific/Apia", "Africa/Casablanca",
        ]),
        start in 0i32..3_000,
        spread_minutes in 0u32..2_000,
    ) {
        let zone = zone(zone_name);
        let first = date(2020, 1, 1).checked_add(jiff::Span::new().days(start)).unwrap();
        let last = first.checked_add(jiff::Span::new().days(20)).unwrap();
        let dates = Dates::Range { first, last, weekdays: ALL_DAYS.to_vec() };
        let until = until.map(|hour| time(hour, 30, 0, 0));
        let from = time(from, 0, 0, 0);
        let when = When { dates, from, until, spread_minutes, clock: Clock::Local };
        let windows: Vec<Window> =
            all_dates(when.dates.clone()).map(|date| window(&when, &zone, date)).collect();
        prop_assert_eq!(windows.len(), 21);
        prop_assert!(windows.iter().all(|window| window.start < window.end));
        prop_assert!(windows.windows(2).all(|two| two[0].end <= two[1].start));
        // Whenever it is asked, it is open only within a window, and opens when it said it would.
        let (computer, application) = ids(3);
        let mut now = Timestamp::from_millis(windows[0].start.as_millis() - 3_600_000);
        let mut opened = 0;
        while let Due::At(at) = due(&when, &zone, computer, application, now) {
            prop_assert!(at > now);
            prop_assert_eq!(due(&when, &zone, computer, application, at), Due::Now);
            let inside = windows.iter().find(|window| window.start <= at && at < window.end);
            prop_assert!(inside.is_some());
            now = inside.unwrap().end;
            opened += 1;
            if due(&when, &zone, computer, application, now) == Due::Now {
                now = windows.iter().find(|window| window.start == now).unwrap().end;
            }
        }
        prop_assert!(opened >= 1);
    }
}
