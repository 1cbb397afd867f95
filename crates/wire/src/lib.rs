//! What server and agent say to one another, and the secured channel they say it over.

pub mod carry;
pub mod content;
pub mod definition;
mod message;
pub mod package;
pub mod signal;
pub mod temporary;
pub mod tls;
mod update;
pub mod wake;
pub mod wanted;

pub use message::{
    Enroll, FromAgent, FromServer, Hello, Log, MessageError, NEIGHBOURS_MAX, Protocols, Stream,
};
pub use update::{Update, UpdateNews, UpdateState};

/// Where anybody may ask for the signed trust documents beyond a number, with `?after=`; the answer
/// is a [`FromServer::Trust`].
pub const TRUST_PATH: &str = "/trust";

/// The largest message either side accepts, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;
