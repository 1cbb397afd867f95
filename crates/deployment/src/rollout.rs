//! A new version of the agent for many machines, in waves: who is offered it next, when to stop.
//!
//! A wave is a share of the fleet, not a list: machines are offered the version as they are
//! connected, until so many have been, and the next wave begins when all of these have said what
//! became of it. So machines that are off hold nobody up, and a wave proves something. Decides
//! from what is handed in; keeps no clock, sends nothing.
//!
//! Invariants: no more machines hold an offer than the waves so far allow; nothing is offered once
//! the rollout was halted.

use std::collections::BTreeMap;

use model::{ComputerId, Span, Timestamp};

/// A machine under load may take so long to change versions, besides.
const GRACE: Span = Span::from_secs(120);

/// How far one machine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It has not been offered yet.
    Waiting,
    Offered {
        since: Timestamp,
    },
    /// It has fetched the version and waits for a moment when nothing would be interrupted.
    Staged {
        since: Timestamp,
    },
    Done,
    Failed {
        why: String,
    },
}

/// What a machine says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    Staged,
    Done,
    Failed { why: String },
}

/// Where a rollout stands as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// In this wave, from 1.
    Running {
        wave: usize,
    },
    Halted {
        why: String,
    },
    Done,
}

/// How a rollout goes about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manner {
    /// Shares of the fleet in percent, ascending, the last one 100.
    pub waves: Vec<u8>,
    /// How long a machine may take to come back in the new version.
    pub within: Span,
    /// Of the machines offered it so far, so many percent may fail.
    pub failures_max: u8,
}

/// Why there is no such manner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MannerError {
    #[error("waves are shares from 1 to 100 percent that grow, as in 5%,25%,100%")]
    Waves,
    #[error("a machine needs from one second to one day to come back")]
    Within,
    #[error("at most 100 percent can fail")]
    Failures,
}

impl Manner {
    /// Waves that end before the whole fleet are followed by one with the rest.
    pub fn new(mut waves: Vec<u8>, within: Span, failures_max: u8) -> Result<Self, MannerError> {
        let is_share = |share: &u8| (1..=100).contains(share);
        if !waves.iter().all(is_share) || !waves.is_sorted_by(|a, b| a < b) {
            return Err(MannerError::Waves);
        }
        if waves.last() != Some(&100) {
            waves.push(100);
        }
        if !(Span::from_secs(1)..=Span::from_secs(86_400)).contains(&within) {
            return Err(MannerError::Within);
        }
        if failures_max > 100 {
            return Err(MannerError::Failures);
        }
        Ok(Self { waves, within, failures_max })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    manner: Manner,
    machines: BTreeMap<ComputerId, Progress>,
    halted: Option<String>,
}

impl Rollout {
    pub fn new(manner: Manner, machines: impl IntoIterator<Item = ComputerId>) -> Self {
        let waiting = machines.into_iter().map(|machine| (machine, Progress::Waiting));
        Self { manner, machines: waiting.collect(), halted: None }
    }

    /// As it was kept.
    pub fn open(
        manner: Manner,
        machines: BTreeMap<ComputerId, Progress>,
        halted: Option<String>,
    ) -> Self {
        Self { manner, machines, halted }
    }

    pub const fn manner(&self) -> &Manner {
        &self.manner
    }

    pub const fn machines(&self) -> &BTreeMap<ComputerId, Progress> {
        &self.machines
    }

    pub fn halted(&self) -> Option<&str> {
        self.halted.as_deref()
    }

    pub fn standing(&self) -> Standing {
        if let Some(why) = &self.halted {
            return Standing::Halted { why: why.clone() };
        }
        if self.machines.values().all(is_settled) {
            return Standing::Done;
        }
        Standing::Running { wave: self.wave() + 1 }
    }

    /// Whether a machine that connects is to be told of the version again.
    pub fn holds_offer(&self, machine: ComputerId) -> bool {
        let progress = self.machines.get(&machine);
        matches!(progress, Some(Progress::Offered { .. } | Progress::Staged { .. }))
    }

    /// The machines that are offered it now, of those that could be.
    pub fn offer(
        &mut self,
        connected: impl Fn(ComputerId) -> bool,
        now: Timestamp,
    ) -> Vec<ComputerId> {
        if self.halted.is_some() {
            return Vec::new();
        }
        let room = self.quota(self.wave()).saturating_sub(self.offered());
        let waiting = self.machines.iter_mut().filter(|(_, it)| **it == Progress::Waiting);
        let mut offered = Vec::new();
        for (machine, progress) in waiting.filter(|(machine, _)| connected(**machine)).take(room) {
            *progress = Progress::Offered { since: now };
            offered.push(*machine);
        }
        offered
    }

    /// What a machine says; whether that changed anything.
    pub fn handle(&mut self, machine: ComputerId, news: News, now: Timestamp) -> bool {
        let Some(progress) = self.machines.get_mut(&machine) else { return false };
        let next = match (&*progress, news) {
            // It was never asked.
            (Progress::Waiting, _) => return false,
            (Progress::Staged { .. } | Progress::Done | Progress::Failed { .. }, News::Staged) => {
                return false;
            }
            (Progress::Done, _) => return false,
            (_, News::Staged) => Progress::Staged { since: now },
            // Also of a machine that was thought lost.
            (_, News::Done) => Progress::Done,
            (_, News::Failed { why }) => Progress::Failed { why },
        };
        if *progress == next {
            return false;
        }
        *progress = next;
        self.judge();
        true
    }

    /// Time passes: a machine that left for its trial and was not seen again is counted as failed.
    /// Whether that changed anything.
    pub fn tick(&mut self, connected: impl Fn(ComputerId) -> bool, now: Timestamp) -> bool {
        // The new version's time, and as much for the old one to come back after it.
        let within = self.manner.within.as_millis();
        let patience =
            Span::from_millis(within.saturating_mul(2).saturating_add(GRACE.as_millis()));
        let mut changed = false;
        for (machine, progress) in &mut self.machines {
            let (Progress::Offered { since } | Progress::Staged { since }) = progress else {
                continue;
            };
            if connected(*machine) {
                *since = now;
            } else if now.since(*since) > patience {
                let why = "it left for its trial and has not been seen since".to_owned();
                *progress = Progress::Failed { why };
                changed = true;
            }
        }
        if changed {
            self.judge();
        }
        changed
    }

    /// People end it: what has been offered goes on, nothing more is.
    pub fn halt(&mut self, why: String) {
        self.halted.get_or_insert(why);
    }

    /// People let it go on; what failed so far counts no more.
    pub fn resume(&mut self) {
        self.halted = None;
        for progress in self.machines.values_mut() {
            if matches!(progress, Progress::Failed { .. }) {
                *progress = Progress::Waiting;
            }
        }
    }

    fn judge(&mut self) {
        let failed = self.count(|it| matches!(it, Progress::Failed { .. }));
        let allowed = self.quota(self.wave()) * usize::from(self.manner.failures_max) / 100;
        if failed > allowed {
            let offered = self.offered();
            self.halt(format!("{failed} of {offered} machines failed, {allowed} may"));
        }
    }

    /// The wave it is in, from 0: the first one that is not settled.
    fn wave(&self) -> usize {
        let settled = self.count(is_settled);
        let last = self.manner.waves.len() - 1;
        (0..last).find(|wave| settled < self.quota(*wave)).unwrap_or(last)
    }

    /// How many machines may have been offered it up to that wave.
    fn quota(&self, wave: usize) -> usize {
        let share = usize::from(self.manner.waves[wave]);
        (self.machines.len() * share).div_ceil(100)
    }

    fn offered(&self) -> usize {
        self.count(|it| *it != Progress::Waiting)
    }

    fn count(&self, is_one: impl Fn(&Progress) -> bool) -> usize {
        self.machines.values().filter(|progress| is_one(progress)).count()
    }
}

const fn is_settled(progress: &Progress) -> bool {
    matches!(progress, Progress::Done | Progress::Failed { .. })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Span = Span::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn machine(number: u8) -> ComputerId {
        ComputerId::from_bytes([number; 16])
    }

    fn rollout(count: u8, waves: &[u8], failures_max: u8) -> Rollout {
        let manner = Manner::new(waves.to_vec(), MINUTE, failures_max).unwrap();
        Rollout::new(manner, (0..count).map(machine))
    }

    fn failed() -> News {
        News::Failed { why: "it hung".into() }
    }

    #[test]
    fn waves_follow_one_another() {
        let mut rollout = rollout(20, &[5, 25], 0);
        assert_eq!(rollout.offer(|_| true, at(0)), [machine(0)]);
        assert!(rollout.offer(|_| true, at(1)).is_empty());
        assert_eq!(rollout.standing(), Standing::Running { wave: 1 });
        assert!(rollout.handle(machine(0), News::Staged, at(2)));
        assert!(rollout.handle(machine(0), News::Done, at(3)));
        assert_eq!(rollout.offer(|_| true, at(4)).len(), 4);
        assert_eq!(rollout.standing(), Standing::Running { wave: 2 });
        for number in 1..5 {
            rollout.handle(machine(number), News::Done, at(5));
        }
        assert_eq!(rollout.offer(|_| true, at(6)).len(), 15);
        for number in 5..20 {
            rollout.handle(machine(number), News::Done, at(7));
        }
        assert_eq!(rollout.standing(), Standing::Done);
    }

    #[test]
    fn machines_that_are_off_hold_nobody_up() {
        let mut rollout = rollout(10, &[10], 0);
        let is_on = |it| it == machine(9) || it == machine(8);
        assert_eq!(rollout.offer(is_on, at(0)), [machine(8)]);
        rollout.handle(machine(8), News::Done, at(1));
        assert_eq!(rollout.offer(is_on, at(2)), [machine(9)]);
        rollout.handle(machine(9), News::Done, at(3));
        assert_eq!(rollout.standing(), Standing::Running { wave: 2 });
    }

    #[test]
    fn too_many_failures_halt_it_and_people_let_it_go_on() {
        let mut rollout = rollout(20, &[50], 10);
        assert_eq!(rollout.offer(|_| true, at(0)).len(), 10);
        rollout.handle(machine(1), failed(), at(1));
        assert_eq!(rollout.standing(), Standing::Running { wave: 1 });
        rollout.handle(machine(2), failed(), at(1));
        assert!(matches!(rollout.standing(), Standing::Halted { .. }));
        assert!(rollout.offer(|_| true, at(2)).is_empty());
        rollout.handle(machine(3), News::Done, at(3));
        rollout.resume();
        assert_eq!(rollout.offer(|_| true, at(4)).len(), 2);
        assert_eq!(rollout.offered(), 10);
    }

    #[test]
    fn who_is_not_seen_again_has_failed_until_it_is() {
        let mut rollout = rollout(1, &[100], 0);
        rollout.offer(|_| true, at(0));
        rollout.handle(machine(0), News::Staged, at(0));
        assert!(!rollout.tick(|_| true, at(1_000)));
        assert!(!rollout.tick(|_| false, at(1_240)));
        assert!(rollout.tick(|_| false, at(1_241)));
        assert!(matches!(rollout.standing(), Standing::Halted { .. }));
        assert!(rollout.handle(machine(0), News::Done, at(2_000)));
        assert_eq!(rollout.machines()[&machine(0)], Progress::Done);
    }

    #[test]
    fn manners_are_checked() {
        let ok = Manner::new(vec![5, 25], MINUTE, 0).unwrap();
        assert_eq!(ok.waves, [5, 25, 100]);
        for waves in [vec![0], vec![101], vec![25, 5], vec![5, 5]] {
            assert_eq!(Manner::new(waves, MINUTE, 0), Err(MannerError::Waves));
        }
        assert_eq!(Manner::new(vec![100], Span::ZERO, 0), Err(MannerError::Within));
        assert_eq!(Manner::new(vec![100], MINUTE, 101), Err(MannerError::Failures));
    }

    proptest! {
        #[test]
        fn offers_never_exceed_the_waves(
            count in 1u8..60, first in 1u8..99,
            steps in proptest::collection::vec((0u8..60, 0u8..4, any::<u64>()), 0..200),
        ) {
            let mut rollout = rollout(count, &[first], 20);
            for (second, (number, what, on)) in steps.into_iter().enumerate() {
                let now = at(second as i64 * 40);
                let was_halted = rollout.halted().is_some();
                let before = rollout.offered();
                let is_on = |it: ComputerId| on >> (it.as_bytes()[0] % 64) & 1 == 1;
                match what {
                    0 => _ = rollout.offer(is_on, now),
                    1 => _ = rollout.handle(machine(number), News::Done, now),
                    2 => _ = rollout.handle(machine(number), failed(), now),
                    _ => _ = rollout.tick(is_on, now),
                }
                prop_assert!(rollout.offered() <= rollout.quota(rollout.wave()).max(before));
                prop_assert!(!was_halted || rollout.offered() == before);
            }
        }
    }
}
