//! Random runs of random workflows: nothing panics, replay is the truth, every death is survived.

#![allow(clippy::unwrap_used, reason = "a test ends there")]

mod random;

use std::sync::Arc;

use model::Timestamp;
use random::{Dice, Life, open, run_id, workflow};
use workflow::journal::{Chain, FrameError, recover};
use workflow::{Order, Place, Record, State};

const RECORDS_MAX: usize = 300;

/// A life of so many steps. Cycles without time end at 10,000 visits: those lives have a test of
/// their own and are passed over here.
fn live(seed: u64, steps: usize) -> (Life, Dice) {
    for again in 0.. {
        let mut dice = Dice(seed ^ (again << 32));
        let mut life = Life::new(workflow(&mut dice), Place::Target);
        for _ in 0..steps {
            if life.journal.len() > RECORDS_MAX {
                break;
            }
            life.step(&mut dice);
        }
        if life.journal.len() <= RECORDS_MAX {
            return (life, dice);
        }
    }
    unreachable!("some life is short")
}

#[test]
fn replay_of_any_prefix_gives_the_state_the_run_had_there() {
    for seed in 0..300 {
        let (life, _) = live(seed, 60);
        let again = open(&life.workflow, Place::Target, &life.journal);
        assert_eq!(again.state(), life.run.state(), "seed {seed}");
        // The fold of each prefix is reached record by record.
        let mut state = State::default();
        for (count, record) in life.journal.iter().enumerate() {
            state.apply(&life.workflow, record).unwrap();
            if count % 7 == 0 {
                let prefix = open(&life.workflow, Place::Target, &life.journal[..=count]);
                assert_eq!(prefix.state(), &state, "seed {seed}, {count} records");
            }
        }
    }
}

#[test]
fn a_run_that_died_at_any_record_goes_on_to_an_end() {
    for seed in 0..60 {
        let (life, mut dice) = live(seed, 30);
        let most = life.journal.len().min(40);
        for durable in 0..=most {
            let mut again = Life::new((*life.workflow).clone(), Place::Target);
            again.journal = life.journal[..durable].to_vec();
            again.now = life.now;
            again.die(durable);
            for _ in 0..10 {
                again.step(&mut dice);
            }
            again.finish();
            let state = again.run.state();
            let is_busy = again.journal.len() > 300;
            assert!(
                state.outcome().is_some() || is_busy,
                "seed {seed} stands still after a death at {durable}: {:?}",
                again.journal
            );
        }
    }
}

#[test]
fn after_a_death_nothing_that_is_never_redone_begins_again() {
    for seed in 0..300 {
        let (mut life, _) = live(seed, 30);
        let before = life.run.state().in_progress().clone();
        life.run = open(&life.workflow, Place::Target, &life.journal);
        life.orders.clear();
        life.drain();
        for order in &life.orders {
            if let Order::Begin { effect, activity, .. } = order {
                assert!(before.contains_key(&effect.visit));
                let kind = &life.workflow.activities[activity].kind;
                assert!(kind.can_be_redone() || kind.side() != workflow::Side::Target, "{seed}");
            }
        }
    }
}

fn frames(journal: &[Record]) -> Vec<Vec<u8>> {
    let mut chain = Chain::new(run_id());
    journal.iter().map(|record| chain.push(record)).collect()
}

#[test]
fn frames_read_back() {
    for seed in 0..200 {
        let (life, _) = live(seed, 50);
        let frames = frames(&life.journal);
        let mut chain = Chain::new(run_id());
        for (frame, record) in frames.iter().zip(&life.journal) {
            assert_eq!(chain.read(frame), Ok((record.clone(), frame.len())));
        }
        let found = recover(run_id(), &frames.concat()).unwrap();
        assert_eq!((found.records, found.frames), (life.journal, frames));
    }
}

#[test]
fn a_cut_or_padded_journal_is_its_prefix() {
    for seed in 0..25 {
        let (life, mut dice) = live(seed, 25);
        let frames = frames(&life.journal);
        let bytes = frames.concat();
        for _ in 0..60 {
            let cut = dice.below(bytes.len() + 1);
            let mut found = bytes[..cut].to_vec();
            found.resize(cut + dice.below(3) * 100, 0);
            let recovered = recover(run_id(), &found).unwrap();
            let whole = frames.iter().scan(0, |sum, f| {
                *sum += f.len();
                Some(*sum)
            });
            assert_eq!(recovered.records.len(), whole.filter(|end| *end <= cut).count());
            assert_eq!(recovered.records, life.journal[..recovered.records.len()]);
        }
    }
}

#[test]
fn damage_is_a_prefix_at_the_very_end_and_an_error_before() {
    for seed in 0..40 {
        let (life, mut dice) = live(seed, 25);
        let frames = frames(&life.journal);
        let bytes = frames.concat();
        let last = bytes.len() - frames.last().unwrap().len();
        for _ in 0..60 {
            let at = dice.below(bytes.len());
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << dice.below(8);
            match recover(run_id(), &damaged) {
                Ok(found) => {
                    assert!(at >= last, "seed {seed}: damage at {at} went unnoticed");
                    assert_eq!(found.records, life.journal[..life.journal.len() - 1]);
                }
                Err(error) => assert!(error.offset <= at, "{error}"),
            }
        }
    }
}

#[test]
fn anything_at_all_is_read_without_a_panic() {
    for seed in 0..3_000 {
        let mut dice = Dice(seed);
        let mut bytes: Vec<u8> = (0..dice.below(300)).map(|_| dice.below(256) as u8).collect();
        if let (Some(first), true) = (bytes.first_mut(), dice.one_in(2)) {
            *first = 1;
        }
        let _ = recover(run_id(), &bytes);
        assert!(Chain::new(run_id()).read(&bytes).is_err());
    }
    assert_eq!(Chain::new(run_id()).read(&[]), Err(FrameError::Torn));
}

/// Records in an order that no run gives are refused, never folded into nonsense.
#[test]
fn impossible_sequences_are_refused() {
    for seed in 0..300 {
        let (life, mut dice) = live(seed, 40);
        if life.journal.len() < 3 {
            continue;
        }
        for _ in 0..20 {
            let mut journal = life.journal.clone();
            let (one, other) = (dice.below(journal.len()), dice.below(journal.len()));
            match dice.below(3) {
                0 => journal.swap(one, other),
                1 => _ = journal.remove(one),
                _ => journal.insert(other, journal[one].clone()),
            }
            let mut state = State::default();
            for record in &journal {
                let before = state.clone();
                if state.apply(&life.workflow, record).is_err() {
                    assert_eq!(before, state, "a refused record left something behind");
                    break;
                }
                let visits: Vec<_> = state.path().iter().map(|step| step.visit).collect();
                assert!(visits.is_sorted(), "seed {seed}");
            }
        }
    }
}

#[test]
fn nothing_stands_before_the_beginning_or_after_the_end() {
    let (life, _) = live(4, 5);
    let workflow: &Arc<_> = &life.workflow;
    let at = Timestamp::from_millis(5);
    for record in &life.journal[1..] {
        assert!(State::default().apply(workflow, record).is_err(), "{record:?}");
    }
    let mut state = State::default();
    let (outcome, reason) = (model::Outcome::NotBegun, None);
    state.apply(workflow, &Record::Closed { outcome, reason, at }).unwrap();
    for record in &life.journal {
        assert!(state.clone().apply(workflow, record).is_err(), "{record:?}");
    }
}
