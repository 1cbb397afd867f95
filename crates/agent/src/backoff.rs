//! Waits between attempts: longer each time, never the same for two machines.

use std::time::Duration;

use crate::clock::random;

#[derive(Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) const fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, next: min }
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.min;
    }

    /// Waits no longer than this the next time.
    pub(crate) fn ease(&mut self, max: Duration) {
        self.next = self.next.min(max);
    }

    /// How long to wait now: between half of the step and all of it.
    pub(crate) fn step(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.max);
        let [chance] = random::<1>().unwrap_or([128]);
        step / 2 + step * u32::from(chance) / 512
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_limit() {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(60));
        for step in [200, 400, 800, 1_600] {
            let wait = backoff.step().as_millis();
            assert!((step / 2..=step).contains(&wait), "{wait} is no wait of {step}");
        }
        for _ in 0..20 {
            assert!(backoff.step() <= Duration::from_secs(60));
        }
        assert!(backoff.step() >= Duration::from_secs(30));
        backoff.ease(Duration::from_secs(3));
        assert!(backoff.step() <= Duration::from_secs(3));
        backoff.reset();
        assert!(backoff.step() <= Duration::from_millis(200));
    }
}
