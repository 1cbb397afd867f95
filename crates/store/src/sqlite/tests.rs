//! What only the inside can bring about: a full disk.

use model::RunId;

use super::SqliteStore;
use crate::{CommitError, Store, Write};

fn append(seq: u64) -> Write {
    Write::AppendJournal { run: RunId::from_bytes([1; 16]), seq, bytes: vec![7; 3_000] }
}

async fn limit_pages(store: &SqliteStore, sql: &'static str) {
    sqlx::raw_sql(sql).execute(&mut *store.writer.lock().await).await.unwrap();
}

/// The commit that no longer fits says so and leaves nothing; when there is room again the next
/// is accepted.
#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    let folder = tempfile::TempDir::new().unwrap();
    let store = SqliteStore::open(&folder.path().join("deskhand.db")).await.unwrap();
    limit_pages(&store, "PRAGMA max_page_count = 60").await;
    let mut kept = 0;
    let error = loop {
        match store.commit((kept + 1..=kept + 4).map(append).collect()).await {
            Ok(()) => kept += 4,
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, CommitError::Database(_)), "{error:?}");
    assert!(format!("{error:?}").contains("disk is full"), "{error:?}");
    for _ in 0..3 {
        assert!(store.commit((kept + 1..=kept + 4).map(append).collect()).await.is_err());
    }
    let run = RunId::from_bytes([1; 16]);
    assert_eq!(store.journal(run, 0).await.unwrap().len() as u64, kept);

    limit_pages(&store, "PRAGMA max_page_count = 10000").await;
    store.commit((kept + 1..=kept + 4).map(append).collect()).await.unwrap();
    assert_eq!(store.journal(run, 0).await.unwrap().len() as u64, kept + 4);
}
