//! Occurrences by the calendar, across changes of the clocks, and what is made of missed ones.

use proptest::prelude::*;

use super::*;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    let at: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_millis(at.as_millisecond())
}

fn told(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis()).unwrap().to_string()
}

/// The occurrences after an instant.
fn occurrences(recurrence: &Recurrence, after: &str, count: usize) -> Vec<String> {
    let next = |last: &Timestamp| recurrence.next(*last);
    std::iter::successors(recurrence.next(at(after)), next).take(count).map(told).collect()
}

fn calendar(text: &str, name: &str) -> Recurrence {
    Recurrence::calendar(text, zone(name)).unwrap()
}

#[test]
fn expressions_come_by_the_calendar() {
    let working_days = calendar("0 3 * * 1-5", "Europe/Warsaw");
    let expect = ["2026-11-23T02:00:00Z", "2026-11-24T02:00:00Z", "2026-11-25T02:00:00Z"];
    assert_eq!(occurrences(&working_days, "2026-11-21T12:00:00Z", 3), expect);
    let with_seconds = calendar("30 0 12 1 * *", "UTC");
    let expect = ["2026-12-01T12:00:30Z", "2027-01-01T12:00:30Z"];
    assert_eq!(occurrences(&with_seconds, "2026-11-21T12:00:00Z", 2), expect);
    let leap = calendar("0 0 29 2 *", "UTC");
    let expect = ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"];
    assert_eq!(occurrences(&leap, "2026-11-21T12:00:00Z", 2), expect);
    let last_friday = calendar("0 22 * * FRI#L", "UTC");
    assert_eq!(occurrences(&last_friday, "2026-11-21T12:00:00Z", 1), ["2026-11-27T22:00:00Z"]);
    // An occurrence is never its own successor.
    assert_eq!(occurrences(&leap, "2028-02-29T00:00:00Z", 1), ["2032-02-29T00:00:00Z"]);
}

/// A fixed time that clocks skip comes right after the gap, on that day only, and once.
#[test]
fn fixed_times_in_a_gap_come_after_it() {
    for (name, text, after, expect) in [
        (
            "Europe/Warsaw",
            "30 2 * * *",
            "2026-03-28T12:00:00Z",
            ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        ),
        (
            "America/New_York",
            "30 2 * * *",
            "2026-03-07T12:00:00Z",
            ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"],
        ),
        // Half an hour forward, at two o'clock.
        (
            "Australia/Lord_Howe",
            "15 2 * * *",
            "2026-10-03T00:00:00Z",
            ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"],
        ),
        // At midnight.
        (
            "Africa/Cairo",
            "30 0 * * *",
            "2026-04-23T12:00:00Z",
            ["2026-04-23T22:00:00Z", "2026-04-24T21:30:00Z"],
        ),
    ] {
        assert_eq!(occurrences(&calendar(text, name), after, 2), expect, "{name}");
    }
}

/// A fixed time that comes twice counts the first time.
#[test]
fn fixed_times_that_come_twice_begin_once() {
    for (name, text, after, expect) in [
        (
            "Europe/Warsaw",
            "30 2 * * *",
            "2026-10-24T12:00:00Z",
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        ),
        (
            "America/New_York",
            "30 1 * * *",
            "2026-10-31T12:00:00Z",
            ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"],
        ),
        (
            "Australia/Lord_Howe",
            "45 1 * * *",
            "2026-04-03T20:00:00Z",
            ["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"],
        ),
    ] {
        assert_eq!(occurrences(&calendar(text, name), after, 2), expect, "{name}");
    }
}

/// What goes on through the day follows the time that passes.
#[test]
fn intervals_go_on_through_changes_of_the_clocks() {
    let warsaw = calendar("*/30 * * * *", "Europe/Warsaw");
    for day in ["2026-03-29T00:00:00Z", "2026-10-25T00:00:00Z"] {
        let times: Vec<_> = occurrences(&warsaw, day, 8).iter().map(|text| at(text)).collect();
        assert!(
            times.windows(2).all(|two| two[1].since(two[0]) == Span::from_secs(1_800)),
            "{day}"
        );
    }
    let every = Recurrence::every(Span::from_secs(6 * 3_600), at("2026-10-24T20:00:00Z")).unwrap();
    let expect = ["2026-10-24T20:00:00Z", "2026-10-25T02:00:00Z", "2026-10-25T08:00:00Z"];
    assert_eq!(occurrences(&every, "2026-10-01T00:00:00Z", 3), expect);
}

#[test]
fn validity_is_kept() {
    let (from, until) = (at("2026-12-01T00:00:00Z"), at("2026-12-02T00:00:00Z"));
    let daily = calendar("0 0 * * *", "UTC").between(Some(from), Some(until)).unwrap();
    let both = ["2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z"];
    assert_eq!(occurrences(&daily, "2026-01-01T00:00:00Z", 9), both);
    let backwards = calendar("0 0 * * *", "UTC").between(Some(until), Some(from));
    assert_eq!(backwards.unwrap_err(), RecurrenceError::Dates);
}

#[test]
fn what_makes_no_sense_is_refused() {
    for text in ["", "* * *", "60 * * * *", "0 0 * * 8", "a b c d e", "* * * * * * *", "0 3 * *"] {
        assert!(Recurrence::calendar(text, TimeZone::UTC).is_err(), "{text}");
    }
    assert!(Recurrence::every(Span::from_secs(9), Timestamp::EPOCH).is_err());
    let read = |text: &str| Recurrence::calendar(text, TimeZone::UTC).map(drop);
    assert_eq!(read("0 0 30 2 *"), Err(RecurrenceError::Never("0 0 30 2 *".into())));
    assert_eq!(read("* * * * * *"), Err(RecurrenceError::TooOften));
    assert_eq!(read("0,5 0 12 * * *"), Err(RecurrenceError::TooOften));
    assert_eq!(read("*/10 * * * * *"), Ok(()));
}

#[test]
fn missed_occurrences_are_made_up_for_as_was_asked() {
    let hourly = calendar("0 * * * *", "UTC");
    let decided = at("2026-11-21T00:00:00Z");
    let due = |now: &str, missed| hourly.due(decided, at(now), missed);
    assert_eq!(due("2026-11-21T00:59:59Z", Missed::All), Due::default());
    for missed in [Missed::Skip, Missed::Once, Missed::All] {
        let on_time = due("2026-11-21T01:00:30Z", missed);
        assert_eq!(on_time.begin, [at("2026-11-21T01:00:00Z")], "{missed:?}");
        assert_eq!(on_time.decided, Some(at("2026-11-21T01:00:00Z")));
    }
    let late = "2026-11-21T03:30:00Z";
    assert_eq!(due(late, Missed::Skip).begin, []);
    assert_eq!(due(late, Missed::Skip).skipped, 3);
    assert_eq!(due(late, Missed::Once).begin, [at("2026-11-21T03:00:00Z")]);
    assert_eq!(due(late, Missed::All).begin.len(), 3);
    // One on time makes up for those before.
    let once = due("2026-11-21T03:00:10Z", Missed::Once);
    assert_eq!((once.begin.as_slice(), once.skipped), (&[at("2026-11-21T03:00:00Z")][..], 2));
    let all = hourly.due(decided, at("2027-11-21T00:30:00Z"), Missed::All);
    assert_eq!((all.begin.len(), all.skipped), (MISSED_MAX, 365 * 24 - MISSED_MAX));
    assert_eq!(all.decided, Some(at("2027-11-21T00:00:00Z")));
}

#[test]
fn jitter_is_the_same_whenever_it_is_asked() {
    let daily = || calendar("0 3 * * *", "UTC").with_jitter(Span::from_secs(600), "patches");
    let one = daily().next(at("2026-11-21T00:00:00Z")).unwrap();
    assert_eq!(daily().begins(one), daily().begins(one));
    assert!(daily().begins(one) >= one && daily().begins(one) <= one + Span::from_secs(600));
    let spread: std::collections::BTreeSet<u64> = (0..50)
        .map(|day| one + Span::from_secs(86_400 * day))
        .map(|at| daily().begins(at).since(at).as_millis())
        .collect();
    assert!(spread.len() > 40, "{spread:?}");
    let other = calendar("0 3 * * *", "UTC").with_jitter(Span::from_secs(600), "updates");
    assert_ne!(other.begins(one), daily().begins(one));
}

fn any_recurrence() -> impl Strategy<Value = Recurrence> {
    let zones = ["UTC", "Europe/Warsaw", "America/New_York", "Australia/Lord_Howe"];
    let texts = ["0 3 * * *", "*/7 * * * *", "15 30 2 * * *", "0 0 29 2 *", "0 2 L * *"];
    let calendar =
        (proptest::sample::select(texts.to_vec()), proptest::sample::select(zones.to_vec()))
            .prop_map(|(text, zone)| calendar(text, zone));
    let every = (10u64..100_000, 0i64..2_000_000_000_000).prop_map(|(seconds, anchor)| {
        Recurrence::every(Span::from_secs(seconds), Timestamp::from_millis(anchor)).unwrap()
    });
    prop_oneof![calendar, every]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However a stretch of time is cut into looks, each occurrence in it is decided about once.
    #[test]
    fn every_occurrence_is_decided_about_once(
        recurrence in any_recurrence(),
        begin in 1_700_000_000_000i64..1_900_000_000_000,
        steps in proptest::collection::vec(0i64..7_200_000, 1..12),
        jitter in 0u64..5_000,
    ) {
        let recurrence = recurrence.with_jitter(Span::from_millis(jitter), "x");
        let (mut now, mut decided) = (begin, Timestamp::from_millis(begin));
        let mut seen = 0;
        for step in steps {
            // Now and then the clock is set back.
            now += step - 60_000;
            let due = recurrence.due(decided, Timestamp::from_millis(now), Missed::All);
            prop_assert!(due.begin.windows(2).all(|two| two[0] < two[1]));
            prop_assert!(due.begin.iter().all(|at| *at > decided));
            seen += due.begin.len() + due.skipped;
            decided = due.decided.unwrap_or(decided);
        }
        let after = Timestamp::from_millis(begin);
        let all = std::iter::successors(recurrence.next(after), |at| recurrence.next(*at));
        prop_assert_eq!(all.take_while(|at| *at <= decided).count(), seen);
    }

    #[test]
    fn any_text_is_an_expression_or_is_refused(text in "[-0-9*/,LW#? a-zA-Z]{0,24}") {
        if let Ok(recurrence) = Recurrence::calendar(&text, TimeZone::UTC) {
            let after = Timestamp::from_millis(1_700_000_000_000);
            if let Some(next) = recurrence.next(after) {
                prop_assert!(next > after);
            }
        }
    }
}
