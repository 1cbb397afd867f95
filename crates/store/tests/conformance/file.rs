//! What is SQLite's own: the file, whose it is, and what happens when it is not what it should be.

use std::path::Path;

use sqlx::{ConnectOptions, Connection};
use store::rows::Setting;
use store::{OpenError, Page, SqliteStore, Store, Write};

use crate::place::{Place, Sqlite};
use crate::samples::*;

async fn run_sql(path: &Path, sql: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[cfg(not(unix))]
fn mode(_path: &Path) -> u32 {
    0
}

async fn open_error(path: &Path) -> OpenError {
    SqliteStore::open(path).await.unwrap_err()
}

#[tokio::test]
async fn a_newer_schema_is_not_touched() {
    let place = Sqlite::default();
    drop(place.open().await);
    run_sql(&place.path(), "PRAGMA user_version = 99").await;
    let error = open_error(&place.path()).await;
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error:?}");
    assert!(error.to_string().contains("newer Deskhand"), "{error}");
}

#[tokio::test]
async fn what_is_no_database_is_named() {
    let place = Sqlite::default();
    std::fs::write(place.path(), "this is a shopping list, not a database ".repeat(200)).unwrap();
    let error = open_error(&place.path()).await;
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
}

#[tokio::test]
async fn the_database_of_another_program_is_not_touched() {
    let place = Sqlite::default();
    run_sql(&place.path(), "CREATE TABLE songs (title TEXT)").await;
    let before = (std::fs::read(place.path()).unwrap(), mode(&place.path()));
    let error = open_error(&place.path()).await;
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    assert!(before == (std::fs::read(place.path()).unwrap(), mode(&place.path())));
}

#[tokio::test]
async fn a_folder_that_is_missing_is_named() {
    let place = Sqlite::default();
    let error = open_error(&place.path().join("missing/deskhand.db")).await;
    assert!(matches!(error, OpenError::File { .. }), "{error:?}");
}

/// Errors, never a panic, whichever page is overwritten.
#[tokio::test]
async fn damage_is_an_error() {
    let place = Sqlite::default();
    let store = place.open().await;
    accept(store.as_ref(), every_kind()).await;
    accept(store.as_ref(), (2..3_000).map(|seq| journal(2, seq))).await;
    drop(store);
    run_sql(&place.path(), "PRAGMA wal_checkpoint(TRUNCATE)").await;
    let whole = std::fs::read(place.path()).unwrap();
    let mut failures = 0;
    for page in 1..whole.len() / 4_096 {
        let copy = Sqlite::default();
        let mut bytes = whole.clone();
        bytes[page * 4_096..(page + 1) * 4_096].fill(0x5a);
        std::fs::write(copy.path(), bytes).unwrap();
        failures += match SqliteStore::open(&copy.path()).await {
            Ok(store) => usize::from(reads_fail(&store).await),
            Err(_) => 1,
        };
    }
    assert!(failures > 5, "{failures}");
}

async fn reads_fail(store: &dyn Store) -> bool {
    store.journals(Page::all()).await.is_err()
        || store.computers(Default::default(), Page::all()).await.is_err()
        || store.runs(Default::default(), Page::all()).await.is_err()
        || store.events(Default::default(), Page::all()).await.is_err()
        || store.deployments(Page::all()).await.is_err()
        || store.agents(Page::all()).await.is_err()
}

/// A row that no version wrote tells its table and column.
#[tokio::test]
async fn a_row_that_makes_no_sense_is_named() {
    let place = Sqlite::default();
    let store = place.open().await;
    accept(store.as_ref(), every_kind()).await;
    run_sql(&place.path(), "UPDATE agents SET state = 'asleep'; UPDATE runs SET epoch = -1").await;
    let error = store.agents(Page::all()).await.unwrap_err().to_string();
    assert_eq!(error, "table `agents` is damaged: column `state` holds `asleep`");
    let error = store.run(run_id(2)).await.unwrap_err().to_string();
    assert_eq!(error, "table `runs` is damaged: column `epoch` holds -1");
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    let place = Sqlite::default();
    let setting = Setting { key: "a".into(), value: Vec::new() };
    drop(place.open().await);
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(place.path(), everybody).unwrap();
    let store = place.open().await;
    accept(store.as_ref(), [Write::PutSetting(setting)]).await;
    let mut seen = 0;
    for entry in place.path().parent().unwrap().read_dir().unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.path());
        seen += 1;
    }
    assert!(seen >= 2, "the database and its WAL");
}
