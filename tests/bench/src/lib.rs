//! What the benches share: rounds, medians, one line of result.

pub mod peers;

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

/// The `n`th argument as a number, else `default`.
pub fn argument(n: usize, default: usize) -> usize {
    std::env::args().nth(n).and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// `0.087 s (0.081-0.102, 7 rounds)`.
pub fn spread(mut rounds: Vec<Duration>) -> String {
    rounds.sort();
    let seconds = |at: usize| rounds.get(at).map_or(0.0, Duration::as_secs_f64);
    let (least, median, most) =
        (seconds(0), seconds(rounds.len() / 2), seconds(rounds.len().saturating_sub(1)));
    format!("{median:.3} s ({least:.3}-{most:.3}, {} rounds)", rounds.len())
}

/// The machine, in words.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores, {} {}", std::env::consts::OS, std::env::consts::ARCH)
}

/// Every run of a followed deployment must have succeeded.
pub fn check_all_succeeded(result: &Value, targets: usize) -> Result<()> {
    ensure!(result["succeeded"].as_u64() == Some(targets as u64), "not all succeeded: {result:#}");
    Ok(())
}
