//! Instants as people type them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use model::Span;

const HOW: &str =
    "write `+10m`, `2026-11-21 14:00` (time of this machine) or `2026-11-21T14:00:00Z`";

/// An instant in milliseconds, for clap.
pub fn instant(text: &str) -> Result<i64, String> {
    read(text, Timestamp::now(), &TimeZone::system())
}

/// An instant, or `none`.
pub fn instant_or_none(text: &str) -> Result<Option<i64>, String> {
    if text == "none" { Ok(None) } else { instant(text).map(Some) }
}

fn read(text: &str, now: Timestamp, zone: &TimeZone) -> Result<i64, String> {
    if let Some(span) = text.strip_prefix('+') {
        let span: Span = span.parse().map_err(|_| HOW.to_owned())?;
        let span = i64::try_from(span.as_millis()).map_err(|_| HOW.to_owned())?;
        return now.as_millisecond().checked_add(span).ok_or_else(|| HOW.to_owned());
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_millisecond());
    }
    let local: DateTime = text.parse().map_err(|_| HOW.to_owned())?;
    // A time that a change of the clocks skips or repeats is refused, not guessed.
    let at = zone.to_ambiguous_timestamp(local).unambiguous().map_err(|_| {
        "the clocks are changed at this time; write it with its offset, such as \
         `2026-10-25T02:30:00+01:00`"
            .to_owned()
    })?;
    Ok(at.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read() {
        let now = Timestamp::from_second(1_000).unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let check = |text, expect| assert_eq!(read(text, now, &zone), Ok(expect), "{text}");
        check("+10m", 1_600_000);
        check("+1h30m", 6_400_000);
        check("1970-01-01T00:00:05Z", 5_000);
        check("1970-01-01T03:00:05+01:00", 7_205_000);
        check("1970-01-02 02:00", 86_400_000);
        check("1970-01-02T02:00:01", 86_401_000);
        for wrong in ["", "+", "+10", "+99999999999999999999d", "tomorrow", "14:00", "10m"] {
            assert!(read(wrong, now, &zone).is_err(), "{wrong}");
        }
    }
}
