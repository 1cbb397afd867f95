//! The database: what is kept, the laws it is kept by, and who keeps it.
//!
//! One operation changes anything: [`Store::commit`] takes a list of [`Write`]s and carries all of
//! them out, durably, or none. Everything else reads. `journal(run, seq)` is the truth about a
//! run; [`rows::Run`] is a projection of it that can be thrown away and written anew
//! ([`Store::clear_projections`], [`Store::journals`]).
//!
//! Two implementors keep the same laws and pass the same conformance suite (`tests/conformance`):
//! [`MemoryStore`], whose futures are ready at once, and [`SqliteStore`]. [`Writer`] stands before
//! either and commits what many callers have queued in one transaction.
//!
//! Nothing here reads a clock, makes an id, decodes a journal record or decides a policy: times,
//! ids and bytes are handed in.

mod database_error;
mod memory;
pub mod rows;
mod sqlite;
mod store;
mod write;
mod writer;

pub use database_error::{DatabaseError, ReadError};
pub use memory::MemoryStore;
pub use sqlite::{OpenError, SqliteStore};
pub use store::{
    Commit, ComputerFilter, EventFilter, Page, Read, RunFilter, StateFilter, StateKey, Store,
};
pub use write::{CommitError, Fence, Refusal, Write};
pub use writer::{Submission, Writer};
