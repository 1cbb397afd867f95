//! A typed client of the HTTP API, for the command line and for tests.
//!
//! Speaks plain HTTP/1.1: the API listens on loopback, and whoever needs it from elsewhere puts a
//! tunnel in between. Owns how a server is found ([`find`]), one method for each operation of the
//! API, and the stream of live changes. Never prints, never retries by itself: who asks decides.

mod applications;
mod changes;
mod exchange;
mod failure;
mod find;
mod fleet;
mod ground;
mod keys;
mod path;
mod releases;
mod schedules;
mod ssh;
mod work;

pub use changes::Changes;
pub use exchange::Client;
pub use failure::RequestError;
pub use find::{Asked, FindError, Found, find};
