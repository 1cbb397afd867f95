//! Numbers of a running server that nobody else keeps: commits, connections, refusals, errors.
//!
//! Counted without locks on the way; read when somebody asks how the server is.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::Timestamp;

/// Errors that are remembered.
const ERRORS_MAX: usize = 10;
/// Seconds over which the records of journals are averaged.
const SECONDS: usize = 10;

#[derive(Debug, Default)]
pub struct Gauges {
    commits: AtomicU64,
    commit_micros: AtomicU64,
    commit_micros_max: AtomicU64,
    records: AtomicU64,
    recent: Mutex<Recent>,
    connections: AtomicUsize,
    handshakes_refused: AtomicU64,
    errors: Mutex<VecDeque<(Timestamp, String)>>,
}

/// Records of each of the last seconds.
#[derive(Debug, Default)]
struct Recent {
    began: Option<Instant>,
    second: u64,
    counts: [u64; SECONDS],
}

impl Recent {
    /// Forgets what is older than the window.
    fn turn(&mut self) -> usize {
        let began = *self.began.get_or_insert_with(Instant::now);
        let now = began.elapsed().as_secs();
        for second in (self.second + 1..=now).take(SECONDS) {
            self.counts[second as usize % SECONDS] = 0;
        }
        self.second = now;
        now as usize % SECONDS
    }
}

/// An open connection, counted until it is dropped.
#[derive(Debug)]
pub struct Counted(Arc<Gauges>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gauges {
    /// A commit of the loop took so long and held that many records of journals.
    pub fn committed(&self, took: Duration, records: usize) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.commit_micros.store(micros, Ordering::Relaxed);
        self.commit_micros_max.fetch_max(micros, Ordering::Relaxed);
        if records > 0 {
            self.records.fetch_add(records as u64, Ordering::Relaxed);
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            let second = recent.turn();
            recent.counts[second] += records as u64;
        }
    }

    pub fn connected(self: &Arc<Self>) -> Counted {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }

    pub fn handshake_refused(&self) {
        self.handshakes_refused.fetch_add(1, Ordering::Relaxed);
    }

    pub fn error(&self, at: Timestamp, text: String) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        errors.push_back((at, text));
        while errors.len() > ERRORS_MAX {
            errors.pop_front();
        }
    }

    pub fn errors(&self) -> Vec<(Timestamp, String)> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Records of journals in a second, over the last ten.
    pub fn records_per_second(&self) -> f64 {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.turn();
        recent.counts.iter().sum::<u64>() as f64 / SECONDS as f64
    }

    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// How long the last commit took, and the longest.
    pub fn commit_ms(&self) -> (f64, f64) {
        let ms = |micros: &AtomicU64| micros.load(Ordering::Relaxed) as f64 / 1_000.0;
        (ms(&self.commit_micros), ms(&self.commit_micros_max))
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub fn handshakes_refused_count(&self) -> u64 {
        self.handshakes_refused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told() {
        let gauges = Arc::new(Gauges::default());
        gauges.committed(Duration::from_millis(3), 40);
        gauges.committed(Duration::from_millis(1), 0);
        assert_eq!((gauges.commits(), gauges.records()), (2, 40));
        assert_eq!(gauges.commit_ms(), (1.0, 3.0));
        assert!((gauges.records_per_second() - 4.0).abs() < 1e-9);
        let counted = gauges.connected();
        assert_eq!(gauges.connections(), 1);
        drop(counted);
        assert_eq!(gauges.connections(), 0);
        for number in 0..20 {
            gauges.error(Timestamp::EPOCH, format!("{number}"));
        }
        assert_eq!(gauges.errors().len(), ERRORS_MAX);
        assert_eq!(gauges.errors()[0].1, "10");
    }
}
