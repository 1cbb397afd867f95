//! Applications that a pretended fleet is to have: associated, signed, kept, and everything that
//! can go wrong between.
//!
//! The deciding loop of the real agent, [`application::keeper::Keeper`], and the real statements of
//! [`trust::Wanted`] are played; what surrounds them is pretended: people who publish and
//! associate, the server's database, links, disks, users, clocks, and how distributions end. That a
//! distribution is done whole or not at all is taken for granted here; the tests of `machine` show
//! it.

mod agent;
mod catalogue;
mod disk;
mod laws;
mod server;
mod trouble;
mod world;

use std::collections::BTreeMap;

use model::Span;

use crate::Happened;
use crate::options::Faults;

/// One simulation: the same options give the same outcome, everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub machines: usize,
    pub seed: u64,
    pub faults: Faults,
    /// People associate and faults strike until then; what is wanted by then has to come true.
    pub fault_time: Span,
    /// Whether [`Outcome::events`] is wanted.
    pub keeps_events: bool,
}

impl Options {
    pub fn new(machines: usize, seed: u64) -> Self {
        Self {
            machines,
            seed,
            faults: Faults::None,
            fault_time: Span::from_secs(36 * 3_600),
            keeps_events: false,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// How often machines did what.
    pub orders: BTreeMap<&'static str, u32>,
    /// Sets that machines took, and that they refused.
    pub taken: u32,
    pub refused: u32,
    pub steps: u64,
    /// Things that went wrong on purpose.
    pub faults: u64,
    /// Kept when the options say so.
    pub events: Vec<Happened>,
    /// Laws that were broken: faults of Deskhand.
    pub violations: Vec<String>,
}

/// Plays it through.
pub fn run(options: &Options) -> Outcome {
    let mut world = world::World::new(options);
    world.play();
    world.outcome
}
