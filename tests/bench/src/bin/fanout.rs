//! One trivial command on 50 agents, from command line to last result.
//!
//! `fanout [AGENTS] [ROUNDS]`

use std::time::Instant;

use anyhow::Result;
use deskhand_bench::{argument, check_all_succeeded, machine, spread};
use fleet::Fleet;

const WORKFLOW: &str = "\
workflow: Fan-out
start: run
activities:
  run:    { execute: { command: ['true'] }, on: { ok: done, error: failed } }
  done:   { success: {} }
  failed: { failure: {} }
";

fn main() -> Result<()> {
    let (agents, rounds) = (argument(1, 50), argument(2, 9));
    let mut fleet = Fleet::new()?;
    fleet.add_agents(agents)?;
    let workflow = fleet.workflow("fanout.yaml", WORKFLOW)?;
    let mut times = Vec::new();
    for _ in 0..rounds {
        let begin = Instant::now();
        let result = fleet.deploy(&workflow)?;
        times.push(begin.elapsed());
        check_all_succeeded(&result, agents)?;
    }
    println!("fanout: `true` on {agents} agents in {} [{}]", spread(times), machine());
    Ok(())
}
