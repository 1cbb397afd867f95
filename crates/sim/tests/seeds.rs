//! Many seeds over workflows of every kind: no law is ever broken, and every run ends.

#![allow(clippy::unwrap_used, reason = "a test ends there")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use model::Span;
use sim::{Faults, Options};

/// Seeds of each workflow in one run of the tests; more with `DESKHAND_SEEDS`.
const SEEDS: u64 = 150;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn workflows() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = std::fs::read_dir(folder().join("workflows"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    all.sort();
    all
}

/// What a seed stands for: how bad, how many, with people or without.
fn options(text: &str, seed: u64) -> Options {
    let mut options = Options::new(text, 2 + (seed % 5) as u32, seed);
    options.faults = if seed.is_multiple_of(8) {
        Faults::None
    } else if seed.is_multiple_of(3) {
        Faults::Light
    } else {
        Faults::Heavy
    };
    options.has_people = seed % 4 == 1;
    options.max_targets = 1 + (seed % 7) as usize;
    if seed % 6 == 5 {
        options.begin_within = Span::from_secs(1_800);
        options.run_limit = Span::from_secs(1_500);
    }
    options.doing.error = [20_000, 150_000][(seed % 2) as usize];
    options
}

fn broken(name: &str, text: &str, seed: u64) -> Option<String> {
    let outcome = sim::run(&options(text, seed)).unwrap();
    if outcome.violations.is_empty() && outcome.unfinished == 0 {
        return None;
    }
    let mut told = format!("{name} {seed}: {} unfinished", outcome.unfinished);
    for violation in &outcome.violations {
        let _ = write!(told, "\n    {violation}");
    }
    let _ = write!(
        told,
        "\n    again: DESKHAND_SEED='{name} {seed}' cargo test -p deskhand-sim --test seeds -- \
         --nocapture one_seed"
    );
    Some(told)
}

#[test]
fn no_seed_breaks_a_law() {
    let seeds = std::env::var("DESKHAND_SEEDS").ok().and_then(|text| text.parse().ok());
    let seeds: u64 = seeds.unwrap_or(SEEDS);
    let all = workflows();
    let next = AtomicU64::new(0);
    let work = || {
        let mut found = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let (seed, index) = (number / all.len() as u64, (number % all.len() as u64) as usize);
            if seed >= seeds || found.len() >= 5 {
                return found;
            }
            found.extend(broken(&all[index].0, &all[index].1, seed));
        }
    };
    let found: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn kept_seeds_stay_sound() {
    let all = workflows();
    let kept = std::fs::read_to_string(folder().join("seeds.txt")).unwrap();
    let mut found = Vec::new();
    for line in kept.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let (name, seed) = line.split_once(' ').unwrap();
        let (_, text) = all.iter().find(|(known, _)| known == name).unwrap();
        found.extend(broken(name, text, seed.trim().parse().unwrap()));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_seed_repeats_itself() {
    for (name, text) in workflows() {
        let mut options = options(&text, 5);
        options.keeps_events = true;
        assert_eq!(sim::run(&options), sim::run(&options), "{name}");
    }
}

/// What `deskhand simulate` is used for: a fleet, and where its runs go.
#[test]
fn a_large_fleet_is_played_through_and_counted() {
    for faults in [Faults::None, Faults::Light, Faults::Heavy] {
        let (_, text) = workflows().into_iter().find(|(name, _)| name == "loops").unwrap();
        let mut options = Options::new(&text, 200, 7);
        options.faults = faults;
        let outcome = sim::run(&options).unwrap();
        assert_eq!(outcome.violations, Vec::<String>::new(), "{faults}");
        assert_eq!(outcome.counts.values().sum::<u32>(), 200, "{faults}");
        let passed = |from: &str, to: &str| {
            let found = outcome.transitions.iter().find(|(t, _)| t.from == from && t.to == to);
            found.map_or(0, |(_, (runs, _))| *runs)
        };
        assert!(passed("first", "second") > 150, "{:?}", outcome.transitions);
        assert!(passed("back", "second") > 0);
    }
}

/// Plays one seed and prints its log: `DESKHAND_SEED='loops 17'`.
#[test]
fn one_seed() {
    let Ok(wanted) = std::env::var("DESKHAND_SEED") else { return };
    let (name, seed) = wanted.split_once(' ').unwrap();
    let (_, text) = workflows().into_iter().find(|(known, _)| known == name).unwrap();
    let mut options = options(&text, seed.parse().unwrap());
    options.keeps_events = true;
    let outcome = sim::run(&options).unwrap();
    for event in &outcome.events {
        println!("{:>12} {:8} {}", event.at.to_string(), event.whom, event.text);
    }
    println!("{:?}\n{:#?}", outcome.counts, outcome.violations);
}
