//! Writes that come by the thousand, carried out with statements of many rows.
//!
//! Statements exist for 1, 2, 4 … rows, so that each is prepared once and any number of rows is
//! a few statements.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use model::{DeploymentId, Outcome, RunId, Timestamp};
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Row, Sqlite, SqliteConnection};

use super::columns::number;
use super::commit::Stop;
use crate::rows::{Event, Run};
use crate::{Refusal, Write};

/// Parameters of the longest statement: binding takes SQLite the square of their number.
const PARAMETERS_MAX: usize = 256;

/// A table of records: 16 bytes that say of what, and a number without gaps.
struct Records {
    /// Which journals do not go on with the number given.
    gaps: ManyRows,
    insert: ManyRows,
}

static JOURNAL: LazyLock<Records> = LazyLock::new(|| Records::of("journal", "run"));
static DEPLOYMENT_RECORDS: LazyLock<Records> =
    LazyLock::new(|| Records::of("deployment_records", "deployment"));
static RUNS: LazyLock<ManyRows> = LazyLock::new(|| {
    // What is indexed and never changes is compared instead of set: setting rewrites the index.
    let after = " ON CONFLICT (run) DO UPDATE SET \
         warrant = excluded.warrant, copy = excluded.copy, \
         is_replaced = excluded.is_replaced, target = excluded.target, \
         phase = excluded.phase, epoch = excluded.epoch, owner = excluded.owner, \
         outcome = excluded.outcome, reason = excluded.reason, activity = excluded.activity, \
         began_at = excluded.began_at, ended_at = excluded.ended_at, \
         pending_reason = excluded.pending_reason, next_attempt = excluded.next_attempt, \
         updated_at = excluded.updated_at \
         WHERE runs.deployment = excluded.deployment AND runs.computer = excluded.computer";
    let before = "INSERT INTO runs (run, deployment, computer, warrant, copy, is_replaced, \
         target, phase, epoch, \
         owner, outcome, reason, activity, began_at, ended_at, pending_reason, next_attempt, \
         updated_at) VALUES";
    ManyRows::new(before, 18, after)
});
static EVENTS: LazyLock<ManyRows> = LazyLock::new(|| {
    let before = "INSERT INTO events (seq, at, server, kind, computer, deployment, run, who, \
         text) VALUES";
    ManyRows::new(before, 9, "")
});

/// A record that is to be appended, and the place of its write in the commit.
struct Appended {
    index: usize,
    key: [u8; 16],
    seq: u64,
    bytes: Vec<u8>,
}

/// What a commit has of these kinds.
#[derive(Default)]
pub(super) struct Bulk {
    journal: Vec<Appended>,
    deployment_records: Vec<Appended>,
    /// Only a run's last state matters, with the place of its write.
    runs: BTreeMap<RunId, (usize, Run)>,
    /// A run that two writes of this commit give to different computers.
    moved: Option<(usize, RunId)>,
    events: Vec<Event>,
}

impl Bulk {
    /// Keeps the write if it is one of those that go in bulk, or gives it back.
    pub(super) fn take(&mut self, index: usize, write: Write) -> Option<Write> {
        match write {
            Write::AppendJournal { run, seq, bytes } => {
                self.journal.push(Appended { index, key: *run.as_bytes(), seq, bytes });
            }
            Write::AppendDeploymentRecord { deployment, seq, bytes } => {
                let key = *deployment.as_bytes();
                self.deployment_records.push(Appended { index, key, seq, bytes });
            }
            Write::PutRun(run) => {
                let id = run.run;
                let belongs = (run.deployment, run.computer);
                if let Some((_, before)) = self.runs.insert(id, (index, run))
                    && (before.deployment, before.computer) != belongs
                {
                    self.moved.get_or_insert((index, id));
                }
            }
            Write::AppendEvent(event) => self.events.push(event),
            other => return Some(other),
        }
        None
    }

    /// Writes everything, or tells which write of the commit stopped it.
    pub(super) async fn write(self, tx: &mut SqliteConnection) -> Result<(), (usize, Stop)> {
        if let Some((index, run)) = self.moved {
            return Err((index, Refusal::RunMoved(run).into()));
        }
        JOURNAL
            .append(tx, self.journal, |key, expected, got| {
                let run = RunId::from_bytes(key);
                Refusal::JournalGap { run, expected, got }
            })
            .await?;
        DEPLOYMENT_RECORDS
            .append(tx, self.deployment_records, |key, expected, got| {
                let deployment = DeploymentId::from_bytes(key);
                Refusal::DeploymentGap { deployment, expected, got }
            })
            .await?;
        put_runs(tx, self.runs).await?;
        append_events(tx, self.events).await.map_err(|error| (0, error.into()))
    }
}

impl Records {
    fn of(table: &str, key: &str) -> Self {
        let before = "WITH wanted (key, seq) AS (VALUES";
        let after = format!(
            ") SELECT key, last FROM (SELECT key, seq, (SELECT COALESCE(MAX(seq), 0) \
             FROM {table} WHERE {key} = wanted.key) AS last FROM wanted) AS found \
             WHERE seq <> last + 1"
        );
        let insert = format!("INSERT INTO {table} ({key}, seq, bytes) VALUES");
        Self { gaps: ManyRows::new(before, 2, &after), insert: ManyRows::new(&insert, 3, "") }
    }

    async fn append(
        &'static self,
        tx: &mut SqliteConnection,
        mut records: Vec<Appended>,
        refusal: impl Fn([u8; 16], u64, u64) -> Refusal,
    ) -> Result<(), (usize, Stop)> {
        let failed = |error: sqlx::Error| (0, Stop::from(error));
        // Stable, so each journal keeps its order; and neighbours are written together.
        records.sort_by_key(|record| record.key);
        let last = self.gaps(tx, &records).await.map_err(failed)?;
        if let Some((index, key, expected, got)) = first_gap(&records, &last) {
            return Err((index, refusal(key, expected, got).into()));
        }
        let inserts = self.insert.bind(records, |query, record| {
            query.bind(record.key.to_vec()).bind(number(record.seq)).bind(record.bytes)
        });
        for insert in inserts {
            insert.execute(&mut *tx).await.map_err(failed)?;
        }
        Ok(())
    }

    /// The last number of each key whose first record here does not follow it.
    async fn gaps(
        &'static self,
        tx: &mut SqliteConnection,
        records: &[Appended],
    ) -> Result<BTreeMap<[u8; 16], u64>, sqlx::Error> {
        let firsts = records.chunk_by(|one, next| one.key == next.key).map(|journal| {
            let first = &journal[0];
            (first.key, first.seq)
        });
        let queries = self.gaps.bind(firsts.collect(), |query, (key, seq): ([u8; 16], u64)| {
            query.bind(key.to_vec()).bind(number(seq))
        });
        let mut gaps = BTreeMap::new();
        for query in queries {
            for row in query.fetch_all(&mut *tx).await? {
                let key: &[u8] = row.try_get("key")?;
                let last: i64 = row.try_get("last")?;
                if let (Ok(key), Ok(last)) = (key.try_into(), u64::try_from(last)) {
                    gaps.insert(key, last);
                }
            }
        }
        Ok(gaps)
    }
}

/// Of the records that do not follow the one before, the one written first: the place of its
/// write, its key, and the numbers expected and got.
fn first_gap(
    records: &[Appended],
    gaps: &BTreeMap<[u8; 16], u64>,
) -> Option<(usize, [u8; 16], u64, u64)> {
    let journals = records.chunk_by(|one, next| one.key == next.key);
    let wrong = journals.filter_map(|journal| {
        let first = &journal[0];
        let start = gaps.get(&first.key).map_or(first.seq, |last| last + 1);
        let mut expected = start..;
        let wrong = journal.iter().zip(&mut expected).find(|(record, seq)| record.seq != *seq);
        wrong.map(|(record, seq)| (record.index, record.key, seq, record.seq))
    });
    wrong.min()
}

async fn put_runs(
    tx: &mut SqliteConnection,
    runs: BTreeMap<RunId, (usize, Run)>,
) -> Result<(), (usize, Stop)> {
    let failed = |error: sqlx::Error| (0, Stop::from(error));
    let places: Vec<_> =
        runs.values().map(|(index, run)| (*index, run.run, run.deployment, run.computer)).collect();
    let rows = runs.into_values().map(|(_, run)| run).collect();
    let mut put = 0;
    for upsert in RUNS.bind(rows, bind_run) {
        put += upsert.execute(&mut *tx).await.map_err(failed)?.rows_affected();
    }
    if put == places.len() as u64 {
        return Ok(());
    }
    for (index, run, deployment, computer) in places {
        let moved: Option<i64> = sqlx::query_scalar(
            "SELECT 1 FROM runs WHERE run = $1 AND (deployment <> $2 OR computer <> $3)",
        )
        .bind(&run.as_bytes()[..])
        .bind(&deployment.as_bytes()[..])
        .bind(&computer.as_bytes()[..])
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed)?;
        if moved.is_some() {
            return Err((index, Refusal::RunMoved(run).into()));
        }
    }
    Ok(())
}

fn bind_run(query: Bound, run: Run) -> Bound {
    query
        .bind(run.run.as_bytes().to_vec())
        .bind(run.deployment.as_bytes().to_vec())
        .bind(run.computer.as_bytes().to_vec())
        .bind(number(run.warrant))
        .bind(number(run.copy))
        .bind(run.is_replaced)
        .bind(number(run.target))
        .bind(run.phase)
        .bind(number(run.epoch))
        .bind(run.owner)
        .bind(run.outcome.map(Outcome::as_str))
        .bind(run.reason)
        .bind(run.activity)
        .bind(run.began_at.map(Timestamp::as_millis))
        .bind(run.ended_at.map(Timestamp::as_millis))
        .bind(run.pending_reason)
        .bind(run.next_attempt.map(Timestamp::as_millis))
        .bind(run.updated_at.as_millis())
}

async fn append_events(tx: &mut SqliteConnection, events: Vec<Event>) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let last: i64 =
        sqlx::query_scalar("SELECT COALESCE(MAX(seq), 0) FROM events").fetch_one(&mut *tx).await?;
    let inserts = EVENTS.bind((last + 1..).zip(events).collect(), |query, (seq, event)| {
        query
            .bind(seq)
            .bind(event.at.as_millis())
            .bind(event.server.map(|id| id.as_bytes().to_vec()))
            .bind(event.kind)
            .bind(event.computer.map(|id| id.as_bytes().to_vec()))
            .bind(event.deployment.map(|id| id.as_bytes().to_vec()))
            .bind(event.run.map(|id| id.as_bytes().to_vec()))
            .bind(event.who)
            .bind(event.text)
    });
    for insert in inserts {
        insert.execute(&mut *tx).await?;
    }
    Ok(())
}

/// A statement in all its lengths.
struct ManyRows {
    /// For 1, 2, 4 … rows.
    texts: Vec<String>,
}

type Bound = Query<'static, Sqlite, SqliteArguments>;

impl ManyRows {
    /// `before`, then `($1, $2), ($3, $4) …`, then `after`.
    fn new(before: &str, columns: usize, after: &str) -> Self {
        let text = |rows: usize| {
            let mut text = before.to_owned();
            for row in 0..rows {
                text.push_str(if row == 0 { " (" } else { ", (" });
                for column in 1..=columns {
                    let comma = if column == 1 { "" } else { ", " };
                    let _infallible = write!(text, "{comma}${}", row * columns + column);
                }
                text.push(')');
            }
            text + after
        };
        let longest = (PARAMETERS_MAX / columns).max(1).ilog2();
        Self { texts: (0..=longest).map(|power| text(1 << power)).collect() }
    }

    /// Cuts the rows into pieces that there are statements for, and binds them.
    fn bind<T>(
        &'static self,
        rows: Vec<T>,
        bind: impl Fn(Bound, T) -> Bound,
    ) -> impl Iterator<Item = Bound> {
        let mut rows = rows.into_iter();
        std::iter::from_fn(move || {
            let power = (rows.len().checked_ilog2()? as usize).min(self.texts.len() - 1);
            let query = sqlx::query(self.texts[power].as_str());
            Some(rows.by_ref().take(1 << power).fold(query, &bind))
        })
    }
}
