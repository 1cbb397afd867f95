//! Death and cut links at random moments: every run ends as its graph says, and nothing is done
//! twice.
//!
//! Every Execution appends its effect's id to a witness file. One whose end was reported stands
//! there once; one that was cut by the agent's death at most once, and its run went on by the
//! `interrupted` transition. A failing round prints its seed; `DESKHAND_CHAOS_SEED` plays it again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use fleet::{Chance, Fleet, Mood, Proxy};

const AGENTS: usize = 20;
const FIXED_ROUNDS: u64 = 30;
const RANDOM_ROUNDS: u64 = 20;
const BLOWS: usize = 8;

/// Every way through ends in success, cut or not; `join` needs both branches, the loop goes round
/// twice.
const WORKFLOW: &str = r#"
workflow: Chaos
start: first
activities:
  first:  { execute: { command: 'echo "$DESKHAND_EFFECT" >> "$DESKHAND_ROOT/witness"' }, on: { ok: [slow, pause], interrupted: [slow, pause] } }
  slow:   { execute: { command: 'echo "$DESKHAND_EFFECT" >> "$DESKHAND_ROOT/witness"; sleep 0.4' }, on: { ok: slow_e, interrupted: slow_e } }
  slow_e: { empty: {}, on: { ok: join } }
  pause:  { wait: { duration: 300ms }, on: { ok: join } }
  join:   { synchronization: {}, on: { ok: folder } }
  folder: { create_folders: { folders: /made }, on: { ok: last, error: failed } }
  last:   { execute: { command: 'echo "$DESKHAND_EFFECT" >> "$DESKHAND_ROOT/witness"; sleep 0.1; test {{ run.attempt }} -ge 2' }, on: { ok: done, interrupted: again, error: again } }
  again:  { retry: { limit: 20 } }
  done:   { success: {} }
  failed: { failure: {} }
"#;

#[test]
fn nothing_is_lost_or_done_twice() -> Result<()> {
    let mut fleet = Fleet::new()?;
    let proxy = Proxy::start(fleet.agent_address())?;
    proxy.address().clone_into(&mut fleet.dial);
    fleet.add_agents(AGENTS)?;
    let seeds = match std::env::var("DESKHAND_CHAOS_SEED") {
        Ok(seed) => vec![seed.parse()?],
        Err(_) => (1..=FIXED_ROUNDS).chain(fresh_seeds()).collect(),
    };
    let mut interrupted = 0;
    for seed in seeds {
        let begin = Instant::now();
        let round = play(&mut fleet, &proxy, &mut Chance::new(seed));
        interrupted += round
            .with_context(|| fleet.logs())
            .with_context(|| format!("play again with DESKHAND_CHAOS_SEED={seed}"))?;
        println!("seed {seed}: {:.1} s", begin.elapsed().as_secs_f64());
    }
    println!("{interrupted} commands were cut by an agent's death");
    Ok(())
}

fn fresh_seeds() -> Vec<u64> {
    #[expect(clippy::disallowed_methods, reason = "fresh seeds, printed when they fail")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let base = u64::try_from(now.as_nanos() % u128::from(u64::MAX)).unwrap_or(0);
    (0..RANDOM_ROUNDS).map(|n| base.wrapping_add(n)).collect()
}

/// One deployment under blows; says how many commands were cut.
fn play(fleet: &mut Fleet, proxy: &Proxy, chance: &mut Chance) -> Result<usize> {
    let deployment = fleet.begin(WORKFLOW)?;
    for _ in 0..BLOWS {
        strike(fleet, proxy, chance)?;
        std::thread::park_timeout(Duration::from_millis(20 + chance.number() % 150));
    }
    proxy.set(Mood::Passes);
    if fleet.server_pid().is_none() {
        fleet.start_server()?;
    }
    for index in 0..AGENTS {
        if !fleet.is_running(index) {
            fleet.start_agent(index)?;
        }
    }
    let runs = fleet.until_ended(&deployment)?;
    ensure!(runs.len() == AGENTS, "{} runs", runs.len());
    let mut interrupted = 0;
    for run in runs {
        ensure!(run.run.outcome.as_deref() == Some("success"), "not a success: {run:#?}");
        interrupted += check(fleet, &run)?;
    }
    Ok(interrupted)
}

fn strike(fleet: &mut Fleet, proxy: &Proxy, chance: &mut Chance) -> Result<()> {
    match chance.below(8) {
        0 => fleet.kill_server(),
        1 | 2 if fleet.server_pid().is_none() => fleet.start_server()?,
        1..=3 => {
            for _ in 0..=chance.below(4) {
                fleet.kill_agent(chance.below(AGENTS));
            }
        }
        4 => {
            for index in (0..AGENTS).filter(|_| chance.below(2) == 0).collect::<Vec<_>>() {
                if !fleet.is_running(index) {
                    fleet.start_agent(index)?;
                }
            }
        }
        5 => proxy.cut(),
        6 => proxy.set(Mood::Stalls),
        _ => proxy.set(if chance.below(2) == 0 { Mood::Passes } else { Mood::Refuses }),
    }
    Ok(())
}

/// Compares what a run reports with what its commands left behind.
fn check(fleet: &Fleet, run: &api::RunDetail) -> Result<usize> {
    let agent = fleet.agents().iter().find(|agent| agent.name == run.run.computer);
    let witness = agent.context("its agent")?.root.join("witness");
    let witness = std::fs::read_to_string(witness).unwrap_or_default();
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    for line in witness.lines().filter(|line| line.starts_with(&run.run.id)) {
        *done.entry(line).or_default() += 1;
    }
    let mut interrupted = 0;
    for step in run.path.iter().filter(|s| ["first", "slow", "last"].contains(&s.activity.as_str()))
    {
        let effect = format!("{}.{}.{}", run.run.id, step.attempt, step.visit);
        let times = done.remove(effect.as_str()).unwrap_or(0);
        let event = step.event.as_deref().unwrap_or("none");
        interrupted += usize::from(event == "interrupted");
        let is_lawful = if event == "interrupted" { times <= 1 } else { times == 1 };
        ensure!(is_lawful, "{} ({event}) was carried out {times} times: {run:#?}", step.activity);
    }
    ensure!(done.is_empty(), "carried out without a record: {done:?}");
    Ok(interrupted)
}
