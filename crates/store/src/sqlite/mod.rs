//! The database in one SQLite file.
//!
//! WAL with `synchronous=FULL`: a commit that returned survives a power cut. One connection
//! writes, several read. The SQL texts are those that PostgreSQL knows too; what differs between
//! the two is in this folder's `open` and in `migrations/`.

mod applications;
mod bulk;
mod columns;
mod commit;
mod fields;
mod fleet;
mod open;
mod read;
mod rows;
#[cfg(test)]
mod tests;
mod work;

use std::sync::Arc;

use sqlx::{SqliteConnection, SqlitePool};
use tokio::sync::Mutex;

pub use self::open::OpenError;

/// Keeps everything in one SQLite file. Clones share the connections.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: Arc<Mutex<SqliteConnection>>,
    readers: SqlitePool,
}
