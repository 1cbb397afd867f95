//! Many seeds of machines that keep applications: no law is ever broken.

#![allow(clippy::unwrap_used, reason = "a test ends there")]

use std::sync::atomic::{AtomicU64, Ordering};

use sim::Faults;
use sim::keeping::{Options, Outcome, run};

/// Seeds in one run of the tests; more with `DESKHAND_SEEDS`.
const SEEDS: u64 = 1_000;

/// What a seed stands for: how bad, and how many machines.
fn options(seed: u64) -> Options {
    let faults = match seed % 8 {
        0 => Faults::None,
        1..=2 => Faults::Light,
        _ => Faults::Heavy,
    };
    Options { faults, ..Options::new(1 + (seed % 3) as usize, seed) }
}

fn broken(seed: u64, outcome: &Outcome) -> Option<String> {
    let first = outcome.violations.first()?;
    Some(format!(
        "{seed}: {first}\n    again: DESKHAND_SEED={seed} cargo test -p deskhand-sim --test keeping \
         -- --nocapture one_seed"
    ))
}

#[test]
fn no_seed_breaks_a_law() {
    let seeds = std::env::var("DESKHAND_SEEDS").ok().and_then(|text| text.parse().ok());
    let seeds: u64 = seeds.unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let work = || {
        let (mut found, mut orders, mut refused) = (Vec::new(), [0; 4], 0);
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds || found.len() >= 5 {
                return (found, orders, refused);
            }
            let outcome = run(&options(seed));
            found.extend(broken(seed, &outcome));
            let names = ["distribute", "verify", "uninstall", "restart"];
            for (count, name) in orders.iter_mut().zip(names) {
                *count += outcome.orders.get(name).copied().unwrap_or(0);
            }
            refused += outcome.refused;
        }
    };
    let done: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let found: Vec<String> = done.iter().flat_map(|(found, _, _)| found.clone()).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    // What never happens breaks no law either.
    let orders: Vec<u32> =
        (0..4).map(|n| done.iter().map(|(_, orders, _)| orders[n]).sum()).collect();
    let refused: u32 = done.iter().map(|(_, _, refused)| refused).sum();
    println!("distribute, verify, uninstall, restart: {orders:?}; sets refused: {refused}");
    assert!(orders.iter().all(|count| u64::from(*count) > seeds / 4) && refused > 0, "{orders:?}");
}

#[test]
fn a_seed_repeats_itself() {
    for seed in [3, 9, 16] {
        let options = Options { keeps_events: true, ..options(seed) };
        assert_eq!(run(&options), run(&options), "{seed}");
    }
}

/// Plays one seed and prints its log: `DESKHAND_SEED=17`.
#[test]
fn one_seed() {
    let Ok(seed) = std::env::var("DESKHAND_SEED") else { return };
    let Ok(seed) = seed.parse() else { return };
    let outcome = run(&Options { keeps_events: true, ..options(seed) });
    for event in &outcome.events {
        println!("{:>12} {:8} {}", event.at.to_string(), event.whom, event.text);
    }
    println!("{:#?}", outcome.violations);
}
