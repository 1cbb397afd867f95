//! Durable journal records a second on SQLite.
//!
//! Appenders each append to a run of their own, wait until the record is durable, and append the
//! next; group commit puts what has gathered into one transaction.
//!
//! `journal [DIR]`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use model::{RunId, Timestamp};
use store::{SqliteStore, Write, Writer};

const APPENDERS: u8 = 64;
const RECORDS_EACH: u64 = 4_000;
const RECORD_BYTES: usize = 160;
/// Appenders that step several records at once, as a server does after a burst of messages.
const BURST: u64 = 4;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let dir = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::Builder::new().prefix("journal-").tempdir_in(dir)?;
    let one = measure(&dir.path().join("one.db"), 1).await?;
    let burst = measure(&dir.path().join("burst.db"), BURST).await?;
    println!(
        "journal: {burst:.0} durable records/s with {APPENDERS} appenders of {BURST} records at \
         a time, {one:.0}/s of one at a time ({RECORD_BYTES} bytes each, SQLite, \
         synchronous=FULL) [{}]",
        deskhand_bench::machine()
    );
    Ok(())
}

/// Durable records a second.
async fn measure(path: &std::path::Path, at_once: u64) -> anyhow::Result<f64> {
    let store = Arc::new(SqliteStore::open(path).await?);
    let writer = Writer::start(store, None);
    let began = Instant::now();
    let mut appenders = Vec::new();
    for appender in 0..APPENDERS {
        let run = RunId::new(Timestamp::from_millis(1_000), [appender; 10]);
        appenders.push(tokio::spawn(append(writer.clone(), run, at_once)));
    }
    for appender in appenders {
        appender.await??;
    }
    let records = u64::from(APPENDERS) * RECORDS_EACH;
    Ok(records as f64 / began.elapsed().as_secs_f64())
}

async fn append(writer: Writer, run: RunId, at_once: u64) -> Result<(), store::CommitError> {
    let seqs: Vec<u64> = (1..=RECORDS_EACH).collect();
    for seqs in seqs.chunks(at_once as usize) {
        let record = |seq: &u64| Write::AppendJournal {
            run,
            seq: *seq,
            bytes: vec![seq.to_le_bytes()[0]; RECORD_BYTES],
        };
        writer.submit(seqs.iter().map(record).collect()).await?;
    }
    Ok(())
}
