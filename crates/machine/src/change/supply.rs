//! Where contents come from.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};

use model::Digest;

/// Gives the contents that a plan names. Several are asked for at a time.
pub trait Supply: Sync {
    /// Of a path of the [`application::Source`].
    fn open(&self, path: &str, digest: &Digest) -> io::Result<Supplied>;
}

/// A content from its beginning. Whether it is the right one is found out while it is read.
pub enum Supplied {
    /// A file of this machine, which need not pass through memory.
    File(File),
    Stream(Box<dyn Read + Send>),
}

impl fmt::Debug for Supplied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File(_) => "Supplied::File",
            Self::Stream(_) => "Supplied::Stream",
        })
    }
}
