//! The agent's clock and its chance: the only places where either is asked for.

use std::time::UNIX_EPOCH;

use model::Timestamp;

/// The machine's idea of now; it counts sleep and power-off.
pub(crate) fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the shell's clock")]
    let now = std::time::SystemTime::now();
    let millis = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// Now as the clocks of this machine's place show it.
pub(crate) fn civil_now() -> jiff::civil::DateTime {
    let instant = jiff::Timestamp::from_millisecond(now().as_millis()).unwrap_or_default();
    instant.to_zoned(jiff::tz::TimeZone::system()).datetime()
}

/// The system gives no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bytes: {0}")]
pub struct NoChance(getrandom::Error);

pub(crate) fn random<const N: usize>() -> Result<[u8; N], NoChance> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(NoChance)?;
    Ok(bytes)
}
