//! Times as people read them, in the time zone of this machine.

use jiff::tz::TimeZone;

/// Milliseconds since 1970 UTC.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// `2026-11-21 14:00:05`.
pub fn stamp(millis: i64) -> String {
    match jiff::Timestamp::from_millisecond(millis) {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => format!("{millis} ms"),
    }
}

/// `in 10 min` or `3 s ago`.
pub fn ago_or_ahead(millis: i64, now: i64) -> String {
    let apart = millis.saturating_sub(now);
    match apart {
        0.. => format!("in {}", coarse(apart)),
        _ => format!("{} ago", coarse(apart.saturating_neg())),
    }
}

/// From begin to end, or to now; empty when it has not begun.
pub fn took(began: Option<i64>, ended: Option<i64>, now: i64) -> String {
    began.map(|began| spell(ended.unwrap_or(now).saturating_sub(began))).unwrap_or_default()
}

/// `812 ms`, `4.2 s`, `3 min 7 s`, `2 h 5 min`, `3 d 4 h`.
pub fn spell(millis: i64) -> String {
    let seconds = millis / 1_000;
    match millis {
        ..0 => "0 ms".to_owned(),
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", seconds, millis % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600_000..86_400_000 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

fn coarse(millis: i64) -> String {
    let seconds = millis / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_spelled() {
        for (millis, expect) in [
            (-5, "0 ms"),
            (812, "812 ms"),
            (4_250, "4.2 s"),
            (187_000, "3 min 7 s"),
            (7_500_000, "2 h 5 min"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(spell(millis), expect);
        }
        assert_eq!(ago_or_ahead(600_000, 0), "in 10 min");
        assert_eq!(ago_or_ahead(0, 3_000), "3 s ago");
        assert_eq!(took(None, Some(3), 9), "");
        assert_eq!(took(Some(1), None, 9), "8 ms");
    }
}
