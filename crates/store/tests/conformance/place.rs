//! Where a database under test lies: it can be opened again and again.

use std::path::PathBuf;
use std::sync::Arc;

use store::{MemoryStore, SqliteStore, Store};
use tempfile::TempDir;

pub trait Place: Default {
    /// Opens the same database each time.
    async fn open(&self) -> Arc<dyn Store>;
}

#[derive(Default)]
pub struct Memory(MemoryStore);

impl Place for Memory {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }
}

pub struct Sqlite(TempDir);

impl Default for Sqlite {
    fn default() -> Self {
        Self(TempDir::new().unwrap())
    }
}

impl Sqlite {
    pub fn path(&self) -> PathBuf {
        self.0.path().join("deskhand.db")
    }
}

impl Place for Sqlite {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.path()).await.unwrap())
    }
}
