//! The agent as a library over machine, clock and link; `apps/agent` only starts it.
//!
//! One task owns the pure loop ([`travel::Taker`]): it gathers what happened, steps, makes what was
//! decided durable in the state folder, and only then acts. Everything else works for that task:
//! the link to a server, the activities in progress, transfers, output on its way.
//!
//! Invariants: nothing is done before it is durable; an agent that dies at any moment goes on from
//! its disk; no server code is in here.
//!
//! An agent that is stopped ends as if it had died, only faster: commands in progress are ended
//! with it, and the next start reports them as `interrupted`.

pub mod application;
mod asking;
mod backoff;
mod catch_up;
mod clock;
pub mod config;
mod dial;
mod driver;
mod effect;
mod effects;
pub mod enroll;
mod keeper;
mod link;
mod listen;
pub mod local;
mod logs;
mod note;
mod presence;
pub mod run;
pub mod script_worker;
mod secrets;
pub mod state;
pub mod status;
pub mod temporary;
mod transfer;
pub mod update;
mod waking;

/// What this program calls itself towards servers.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
