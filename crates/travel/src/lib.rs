//! How a run changes hands between the server and the target's agent.
//!
//! [`Giver`] is the server's loop, [`Taker`] the agent's; both are driven by programs and by the
//! simulator alike. Each takes inputs, yields writes that must be durable, then orders to act on.
//! Nothing here reads a clock, a file or a socket. What must hold however messages get lost,
//! doubled, late or out of order, and whoever dies when: a run has one owner or none, never two;
//! what is never redone is carried out at most once; every record of the owner reaches the server.

mod giver;
mod message;
mod taker;

use model::Span;

pub use giver::{
    Case, Covered, Effect, Giver, GiverInput, GiverOrder, GiverWrite, KeptRun, NewDeployment,
    NewTarget, OpenError, Permit, Reach, Renewal, Resigned, RunView, Stale, ThereOrder, Waiting,
};
pub use message::{Call, Give, Holding, ToAgent, ToServer};
pub use taker::{Kept, Me, Package, Parse, SetAside, Taker, TakerInput, TakerOrder, TakerWrite};

/// What has not been confirmed by then is said again.
pub const REPEAT_AFTER: Span = Span::from_secs(15);
