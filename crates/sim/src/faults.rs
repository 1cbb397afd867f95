//! How often what goes wrong, each of a million chances.

use crate::Faults;

/// Chances in a million, and lengths of time in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// The server dies between two steps.
    pub server_crash: u32,
    /// An agent dies between two steps.
    pub agent_crash: u32,
    /// An agent's write fails; it opens its disk again.
    pub write_failure: u32,
    /// A message is lost though the link stands.
    pub loss: u32,
    pub duplicate: u32,
    /// A message comes once more much later, over another link.
    pub stale: u32,
    /// A message may overtake others.
    pub reorder: u32,
    /// A clock jumps when its node does something.
    pub clock_jump: u32,
    /// A doer tells twice how something ended.
    pub told_twice: u32,
    /// A link lasts so long before it breaks, at most; 0 means for ever.
    pub link_lasts: u64,
    /// A machine is off or out of reach for so long, at most.
    pub away: u64,
    /// A message takes so long, at most.
    pub delay: u64,
}

impl Rates {
    pub fn of(faults: Faults) -> Self {
        match faults {
            Faults::None => Self::QUIET,
            Faults::Light => Self {
                server_crash: 300,
                agent_crash: 2_000,
                write_failure: 500,
                loss: 2_000,
                duplicate: 2_000,
                stale: 1_000,
                reorder: 2_000,
                clock_jump: 300,
                told_twice: 10_000,
                link_lasts: 1_200_000,
                away: 240_000,
                delay: 400,
            },
            Faults::Heavy => Self {
                server_crash: 10_000,
                agent_crash: 30_000,
                write_failure: 15_000,
                loss: 50_000,
                duplicate: 60_000,
                stale: 20_000,
                reorder: 100_000,
                clock_jump: 10_000,
                told_twice: 100_000,
                link_lasts: 120_000,
                away: 60_000,
                delay: 4_000,
            },
        }
    }

    pub const QUIET: Self = Self {
        server_crash: 0,
        agent_crash: 0,
        write_failure: 0,
        loss: 0,
        duplicate: 0,
        stale: 0,
        reorder: 0,
        clock_jump: 0,
        told_twice: 0,
        link_lasts: 0,
        away: 0,
        delay: 40,
    };
}
