//! Opening the file: whose it is, which schema it has, and bringing that up to date.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};
use tokio::sync::Mutex;

use super::SqliteStore;

/// Brings a database of version n to n + 1. Only ever grows.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/sqlite/0001_begin.sql"),
    include_str!("../../migrations/sqlite/0010_documents.sql"),
    include_str!("../../migrations/sqlite/0040_copies.sql"),
    include_str!("../../migrations/sqlite/0030_trust_held.sql"),
    include_str!("../../migrations/sqlite/0011_messages.sql"),
    include_str!("../../migrations/sqlite/0012_origins.sql"),
    include_str!("../../migrations/sqlite/0050_applications.sql"),
    include_str!("../../migrations/sqlite/0013_parts.sql"),
];

/// `Desk` in the file's header tells our databases from others.
const APPLICATION_ID: i64 = 0x4465_736b;

const READERS_MAX: u32 = 4;
const STATEMENTS_MAX: usize = 256;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const WRITER_CACHE_KIB: &str = "-65536";
/// The WAL is written back to the file when it has this many pages.
const CHECKPOINT_PAGES: &str = "8192";
const WAL_KEPT_BYTES: &str = "67108864";

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot open or create the database file {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} is not a database; move it away or name another file", path.display())]
    NotADatabase { path: PathBuf },
    #[error("the database {} is damaged; restore it from a backup", path.display())]
    Damaged { path: PathBuf, source: sqlx::Error },
    #[error(
        "{} is the database of another program; name another file",
        path.display()
    )]
    Foreign { path: PathBuf },
    #[error(
        "the database {} was written by a newer Deskhand (schema {found}, this program knows \
         {known}); install that version or restore a backup made before it",
        path.display()
    )]
    Newer { path: PathBuf, found: i64, known: usize },
    #[error("the database {} could not be brought to schema {version}", path.display())]
    Migrate { path: PathBuf, version: usize, source: sqlx::Error },
    #[error("the database {} could not be opened", path.display())]
    Database { path: PathBuf, source: sqlx::Error },
}

impl SqliteStore {
    /// Opens the file, which is made if it is missing, and brings its schema up to date. A file
    /// that is not ours, or newer than this program, is left as it is.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let because = |source| OpenError::because(path, source);
        let file =
            open_file(path).map_err(|source| OpenError::File { path: path.into(), source })?;
        let mut looked_at = options(path).connect().await.map_err(because)?;
        let version = read_version(&mut looked_at, path).await?;
        looked_at.close().await.map_err(because)?;
        make_private(&file).map_err(|source| OpenError::File { path: path.into(), source })?;
        let mut writer = writer_options(path).connect().await.map_err(because)?;
        migrate(&mut writer, version, path).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .test_before_acquire(false)
            .connect_with(options(path).read_only(true))
            .await
            .map_err(because)?;
        Ok(Self { writer: Arc::new(Mutex::new(writer)), readers })
    }
}

impl OpenError {
    fn because(path: &Path, source: sqlx::Error) -> Self {
        let path = path.to_owned();
        let code = source.as_database_error().and_then(DatabaseError::code);
        // The low byte of SQLite's code is the kind, the rest its details.
        let kind = code.and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
        match kind {
            Some(26) => Self::NotADatabase { path },
            Some(11) => Self::Damaged { path, source },
            _ => Self::Database { path, source },
        }
    }
}

/// Opens the file, or makes one that only its owner may read.
fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Only the owner may read a file from elsewhere too; SQLite gives its companions the same mode.
fn make_private(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    #[cfg(not(unix))]
    let _by_folder = file;
    Ok(())
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENTS_MAX)
        .disable_statement_logging()
}

fn writer_options(path: &Path) -> SqliteConnectOptions {
    options(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // Where a statement of many rows remembers what to take back when it fails.
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", WRITER_CACHE_KIB)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", WAL_KEPT_BYTES)
}

async fn migrate(
    writer: &mut SqliteConnection,
    version: usize,
    path: &Path,
) -> Result<(), OpenError> {
    for (before, text) in MIGRATIONS.iter().enumerate().skip(version) {
        let version = before + 1;
        step(writer, version, text).await.map_err(|source| OpenError::Migrate {
            path: path.into(),
            version,
            source,
        })?;
    }
    Ok(())
}

/// The schema's version; 0 for a new file.
async fn read_version(writer: &mut SqliteConnection, path: &Path) -> Result<usize, OpenError> {
    let because = |source| OpenError::because(path, source);
    let application: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *writer)
        .await
        .map_err(because)?;
    let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema")
        .fetch_one(&mut *writer)
        .await
        .map_err(because)?;
    if application == 0 && tables == 0 {
        return Ok(0);
    }
    if application != APPLICATION_ID {
        return Err(OpenError::Foreign { path: path.into() });
    }
    let found: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(writer).await.map_err(because)?;
    let known = MIGRATIONS.len();
    match usize::try_from(found) {
        Ok(version) if version <= known => Ok(version),
        _ => Err(OpenError::Newer { path: path.into(), found, known }),
    }
}

async fn step(
    writer: &mut SqliteConnection,
    version: usize,
    text: &'static str,
) -> Result<(), sqlx::Error> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::raw_sql(text).execute(&mut *transaction).await?;
    let header =
        format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}");
    sqlx::raw_sql(AssertSqlSafe(header)).execute(&mut *transaction).await?;
    transaction.commit().await
}
