//! What goes wrong in a database itself, apart from any law.

use std::sync::Arc;

/// The database failed: disk full, file gone, damaged pages. Nothing of the operation remains.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{doing}")]
pub struct DatabaseError {
    doing: &'static str,
    #[source]
    source: Arc<sqlx::Error>,
}

impl DatabaseError {
    pub(crate) fn new(doing: &'static str, source: sqlx::Error) -> Self {
        Self { doing, source: Arc::new(source) }
    }
}

/// Why rows could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    #[error("the database could not be read")]
    Database(#[from] DatabaseError),
    /// A row holds what no version of this program writes.
    #[error("table `{table}` is damaged: column `{column}` holds {found}")]
    Damaged { table: &'static str, column: &'static str, found: String },
}
