//! Which run each warrant was used for: one warrant, one run on this machine.
//!
//! Pure; the taker persists each [`Spending`] before it acts on the run, and the floor when it
//! forgets. Invariant: a warrant that was forgotten is never accepted again, whatever the clock
//! does, because all that could begin up to the floor is refused.

use std::collections::BTreeMap;

use model::{RunId, Timestamp};

use crate::codec::{DecodeError, Reader, Writer};
use crate::{CLOCK_TOLERANCE, Refusal, WarrantId};

const VERSION: u8 = 1;

/// Whether a run under a warrant is new or handed over again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    First,
    Repeated,
}

/// That a warrant was used for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spending {
    pub warrant: WarrantId,
    pub run: RunId,
    pub begin_until: Timestamp,
}

impl Spending {
    pub fn encode(&self) -> Vec<u8> {
        Writer::versioned(VERSION)
            .digest(*self.warrant.digest())
            .raw(self.run.as_bytes())
            .raw(&self.begin_until.as_millis().to_be_bytes())
            .finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("spent warrant", bytes);
        reader.version(VERSION)?;
        let warrant = WarrantId::from_digest(reader.digest()?);
        let run = RunId::from_bytes(reader.array()?);
        let begin_until = Timestamp::from_millis(reader.i64()?);
        reader.end()?;
        Ok(Self { warrant, run, begin_until })
    }
}

/// The warrants used on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    used: BTreeMap<WarrantId, (RunId, Timestamp)>,
    floor: Timestamp,
}

impl Default for Spent {
    fn default() -> Self {
        Self::restore(Timestamp::from_millis(i64::MIN), [])
    }
}

impl Spent {
    /// As it was persisted: the floor and what was spent.
    pub fn restore(floor: Timestamp, spendings: impl IntoIterator<Item = Spending>) -> Self {
        let used = spendings.into_iter().map(|s| (s.warrant, (s.run, s.begin_until))).collect();
        Self { used, floor }
    }

    /// Whether `run` may go on under `warrant`: it is the one the warrant was used for, or nothing
    /// was begun under it.
    pub fn check(
        &self,
        warrant: WarrantId,
        begin_until: Timestamp,
        run: RunId,
    ) -> Result<Use, Refusal> {
        match self.used.get(&warrant) {
            Some((first, _)) if *first == run => Ok(Use::Repeated),
            Some((first, _)) => Err(Refusal::AnotherRun { warrant, first: *first, asked: run }),
            None if begin_until <= self.floor => {
                Err(Refusal::TooLate { late: self.floor.since(begin_until) })
            }
            None => Ok(Use::First),
        }
    }

    /// Records that the warrant was used, unless it was used before.
    pub fn spend(&mut self, spending: &Spending) {
        self.used.entry(spending.warrant).or_insert((spending.run, spending.begin_until));
    }

    /// Forgets what can no longer begin and whose run is not `open`; the floor rises with it.
    pub fn forget(&mut self, now: Timestamp, open: impl Fn(RunId) -> bool) -> Vec<WarrantId> {
        let over = |until: Timestamp| until + CLOCK_TOLERANCE + CLOCK_TOLERANCE < now;
        let gone: Vec<_> = self
            .used
            .iter()
            .filter(|(_, (run, until))| over(*until) && !open(*run))
            .map(|(warrant, (_, until))| (*warrant, *until))
            .collect();
        for (warrant, until) in &gone {
            self.used.remove(warrant);
            self.floor = self.floor.max(*until);
        }
        gone.into_iter().map(|(warrant, _)| warrant).collect()
    }

    /// Nothing that had to begin until then is accepted, unless it is among [`Self::spendings`].
    pub const fn floor(&self) -> Timestamp {
        self.floor
    }

    pub fn spendings(&self) -> impl Iterator<Item = Spending> {
        let used = self.used.iter();
        used.map(|(warrant, (run, begin_until))| Spending {
            warrant: *warrant,
            run: *run,
            begin_until: *begin_until,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Digest;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn spending(byte: u8, begin_until: i64) -> Spending {
        Spending {
            warrant: WarrantId::from_digest(Digest::from_bytes([byte; 32])),
            run: RunId::from_bytes([byte; 16]),
            begin_until: at(begin_until),
        }
    }

    #[test]
    fn one_warrant_one_run() {
        let mut spent = Spent::default();
        let one = spending(1, 1_000);
        assert_eq!(spent.check(one.warrant, one.begin_until, one.run), Ok(Use::First));
        spent.spend(&one);
        assert_eq!(spent.check(one.warrant, one.begin_until, one.run), Ok(Use::Repeated));
        let asked = RunId::from_bytes([9; 16]);
        let refusal = spent.check(one.warrant, one.begin_until, asked).unwrap_err();
        assert_eq!(refusal, Refusal::AnotherRun { warrant: one.warrant, first: one.run, asked });
    }

    #[test]
    fn what_was_forgotten_stays_refused_when_the_clock_goes_back() {
        let mut spent = Spent::default();
        let (old, running, new) = (spending(1, 1_000), spending(2, 1_000), spending(3, 9_999_999));
        [old, running, new].iter().for_each(|spending| spent.spend(spending));
        assert!(spent.forget(at(1_001), |_| false).is_empty());
        let gone = spent.forget(at(2_000_000), |run| run == running.run);
        assert_eq!(gone, [old.warrant]);
        assert!(matches!(
            spent.check(old.warrant, old.begin_until, old.run),
            Err(Refusal::TooLate { .. })
        ));
        assert_eq!(spent.check(running.warrant, at(1_000), running.run), Ok(Use::Repeated));
        let stored: Vec<_> = spent.spendings().map(|spending| spending.encode()).collect();
        let read = stored.iter().map(|bytes| Spending::decode(bytes).unwrap());
        assert_eq!(Spent::restore(spent.floor(), read), spent);
    }
}
