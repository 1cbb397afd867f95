//! The words everything else is said in: ids, instants, digests, the fleet of record, outcomes.
//!
//! Depends on nothing of ours, reads no clock and makes no randomness: ids and instants are handed
//! in.

pub mod address;
pub mod codec;
mod digest;
mod fleet;
mod id;
mod outcome;
pub mod query;
pub mod registry;
mod time;

pub use address::{Address, Addresses, ParseAddressError};
pub use digest::{Digest, ParseDigestError};
pub use fleet::{Computer, Facts};
pub use id::{ApplicationId, ComputerId, DeploymentId, ParseIdError, RunId, ServerId, TokenId};
pub use outcome::Outcome;
pub use time::{ParseSpanError, Span, Timestamp};
