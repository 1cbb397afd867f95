//! A pretended fleet that drives the real loops of server and agents.
//!
//! [`run`] takes a workflow, a number of computers and a seed, and plays the deployment through:
//! [`travel::Giver`] and [`travel::Taker`], the very loops of the programs, over a simulated clock,
//! network, disks and doers. Faults are drawn from the seed and happen between any two steps. After
//! each step the laws are checked, and at the end every journal is held against a reference model
//! that shares no code with the engine. The same options give the same outcome everywhere: nothing
//! here reads a clock, a file or the system's randomness, or iterates in an order that varies.

mod agent;
mod chance;
mod faults;
pub mod keeping;
mod lawful;
mod laws;
mod ledger;
mod network;
mod options;
mod oracle;
mod outcome;
mod people;
mod predict;
mod queue;
mod server;
mod statistics;
mod world;

pub use options::{Doing, Faults, Options, ParseFaultsError};
pub use outcome::{Fared, Happened, Outcome, Transition};

/// A text that is no workflow, so nothing can be simulated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadWorkflow {
    #[error("the workflow cannot be read: {0}")]
    Text(String),
    #[error("a simulation needs between 1 and 100,000 computers, not {0}")]
    Fleet(u32),
}

/// Plays a deployment through.
pub fn run(options: &Options) -> Result<Outcome, BadWorkflow> {
    if !(1..=100_000).contains(&options.fleet) {
        return Err(BadWorkflow::Fleet(options.fleet));
    }
    let parsed = format::parse_workflow(&options.workflow);
    let Some(workflow) = parsed.workflow else {
        let first = parsed.problems.first().map_or_else(String::new, |p| p.what.clone());
        return Err(BadWorkflow::Text(first));
    };
    let mut world = world::World::new(options, workflow);
    world.play();
    Ok(statistics::tell(world))
}
