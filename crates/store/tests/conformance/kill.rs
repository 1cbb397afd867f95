//! A killed process loses nothing that it was told is durable.

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use store::{Page, SqliteStore, Store, Writer};

use crate::place::Sqlite;
use crate::samples::{journal, run_id};

/// Names the database to the child.
const DATABASE: &str = "DESKHAND_TEST_KILLED_DATABASE";
const APPENDERS: u8 = 8;

/// The child: appends without end, and prints run and number of each record once it is durable.
/// Does nothing in an ordinary test run.
#[tokio::test]
async fn child_that_is_killed() {
    let Some(path) = std::env::var_os(DATABASE).map(PathBuf::from) else { return };
    let store = Arc::new(SqliteStore::open(&path).await.unwrap());
    let mut next = Vec::new();
    for number in 1..=APPENDERS {
        next.push(1 + store.journal(run_id(number), 0).await.unwrap().len() as u64);
    }
    let writer = Writer::start(store, None);
    let mut appenders = tokio::task::JoinSet::new();
    for (number, first) in (1..=APPENDERS).zip(next) {
        let writer = writer.clone();
        appenders.spawn(async move {
            for seq in first.. {
                writer.submit(vec![journal(number, seq)]).await.unwrap();
                let mut out = std::io::stdout();
                out.write_all(format!("\nack {number} {seq}\n").as_bytes()).unwrap();
                out.flush().unwrap();
            }
        });
    }
    appenders.join_all().await;
}

#[tokio::test]
async fn acknowledged_records_survive_a_kill() {
    let place = Sqlite::default();
    let mut acknowledged = vec![0; usize::from(APPENDERS) + 1];
    for round in 1..=5 {
        kill_after(&place.path(), 150 * round, &mut acknowledged);
        let store = SqliteStore::open(&place.path()).await.unwrap();
        let journals = store.journals(Page::all()).await.unwrap();
        assert_eq!(journals.len(), usize::from(APPENDERS));
        for number in 1..=APPENDERS {
            let records = store.journal(run_id(number), 0).await.unwrap();
            let acknowledged = acknowledged[usize::from(number)];
            assert!(records.len() >= acknowledged, "{} of {acknowledged}", records.len());
            assert!((1..).zip(&records).all(|(seq, record)| record.seq == seq));
        }
    }
}

/// Starts the child and kills it when it has told of so many records; notes what it told.
fn kill_after(path: &Path, acks: usize, acknowledged: &mut [usize]) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child_that_is_killed", "--nocapture"])
        .env(DATABASE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    for line in lines {
        let line = line.unwrap();
        let mut words = line.split(' ');
        let (Some("ack"), Some(number), Some(seq)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        // The last line may be cut; a shorter number is true of an earlier record.
        if let (Ok(number), Ok(seq)) = (number.parse::<usize>(), seq.parse()) {
            acknowledged[number] = acknowledged[number].max(seq);
        }
        seen += 1;
        if seen == acks {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(seen >= acks);
}
