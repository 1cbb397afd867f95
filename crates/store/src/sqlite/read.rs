//! Reading from SQLite: the questions, each one statement.

use futures_util::TryStreamExt;
use model::{ApplicationId, ComputerId, DeploymentId, Digest, RunId, ServerId, TokenId};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use super::columns::{number, origin as bytes};
use super::fields::Fields;
use super::rows::FromRow;
use super::{SqliteStore, applications};
use crate::rows::{
    Agent, Application, ApplicationState, Association, Computer, Deployment, DeploymentCopy,
    Document, Effect, KeptMessage, LoggedEvent, Origin, Record, Run, RunCount, RunJournal, Server,
    Setting, Token, WantedHead, WantedSet, Warrant, Workflow,
};
use crate::store::{
    Commit, ComputerFilter, EventFilter, Page, Read, RunFilter, StateFilter, StateKey, Store,
};
use crate::write::name_key;
use crate::{DatabaseError, Fence, ReadError, Write};

/// A list of journals is cut short when it has this many records.
const RECORDS_MAX: usize = 100_000;

const COMPUTERS_IN: &str = "WITH RECURSIVE inside (id) AS ( \
     SELECT id FROM computers WHERE parent = $1 UNION \
     SELECT computers.id FROM computers JOIN inside ON computers.parent = inside.id) \
     SELECT computers.* FROM computers JOIN inside ON computers.id = inside.id \
     ORDER BY computers.name_key";
const WORKFLOWS: &str = "SELECT * FROM workflows WHERE (name_key, revision) IN \
     (SELECT name_key, MAX(revision) FROM workflows GROUP BY name_key) ORDER BY name_key";
const LATEST_WORKFLOW: &str =
    "SELECT * FROM workflows WHERE name_key = $1 ORDER BY revision DESC LIMIT 1";
const RUN_COUNTS: &str = "SELECT phase, outcome, COUNT(*) AS runs FROM runs \
     WHERE deployment = $1 AND NOT is_replaced \
     GROUP BY phase, outcome ORDER BY phase, outcome NULLS FIRST";
const OPEN_JOURNALS: &str = "SELECT runs.run, journal.seq, journal.bytes FROM runs \
     LEFT JOIN journal ON journal.run = runs.run \
     WHERE runs.outcome IS NULL AND runs.run > $1 ORDER BY runs.run, journal.seq";
const JOURNALS: &str = "SELECT run, seq, bytes FROM journal WHERE run > $1 ORDER BY run, seq";

type Bound<'q> = Query<'q, Sqlite, SqliteArguments>;

impl SqliteStore {
    /// All rows that answer the query.
    fn all<'a, T: FromRow + Send + 'a>(&'a self, query: Bound<'a>) -> Read<'a, Vec<T>> {
        Box::pin(async move {
            let rows = query.fetch_all(&self.readers).await.map_err(failed)?;
            rows.iter().map(T::from_row).collect()
        })
    }

    /// The one row that answers the query, if there is one.
    fn one<'a, T: FromRow + Send + 'a>(&'a self, query: Bound<'a>) -> Read<'a, Option<T>> {
        Box::pin(async move {
            let row = query.fetch_optional(&self.readers).await.map_err(failed)?;
            row.as_ref().map(T::from_row).transpose()
        })
    }

    fn built<'a, T: FromRow + Send + 'a>(
        &'a self,
        mut builder: QueryBuilder<Sqlite>,
    ) -> Read<'a, Vec<T>> {
        Box::pin(async move {
            let rows = builder.build().fetch_all(&self.readers).await.map_err(failed)?;
            rows.iter().map(T::from_row).collect()
        })
    }
}

fn failed(error: sqlx::Error) -> ReadError {
    DatabaseError::new("reading failed", error).into()
}

fn by_id<'a>(sql: &'static str, id: &[u8; 16]) -> Bound<'a> {
    sqlx::query(sql).bind(id.to_vec())
}

/// A filter: `WHERE` before the first condition, `AND` before the others.
struct Conditions {
    builder: QueryBuilder<Sqlite>,
    joint: &'static str,
}

impl Conditions {
    fn of(select: &'static str) -> Self {
        Self { builder: QueryBuilder::new(select), joint: " WHERE " }
    }

    fn and(&mut self, condition: &'static str) -> &mut QueryBuilder<Sqlite> {
        self.builder.push(std::mem::replace(&mut self.joint, " AND ")).push(condition)
    }

    /// The condition ends where the value stands; without a value there is none.
    fn and_if<T>(&mut self, condition: &'static str, value: Option<T>)
    where
        T: sqlx::Encode<'static, Sqlite> + sqlx::Type<Sqlite> + Send + 'static,
    {
        if let Some(value) = value {
            self.and(condition).push_bind(value);
        }
    }

    fn end(mut self, order: &'static str, limit: u32) -> QueryBuilder<Sqlite> {
        self.builder.push(order).push(" LIMIT ").push_bind(i64::from(limit));
        self.builder
    }
}

impl Store for SqliteStore {
    fn commit(&self, writes: Vec<Write>) -> Commit<'_> {
        Box::pin(self.write(None, writes))
    }

    fn commit_fenced(&self, fence: Fence, writes: Vec<Write>) -> Commit<'_> {
        Box::pin(self.write(Some(fence), writes))
    }

    fn clear_projections(&self) -> Commit<'_> {
        Box::pin(self.forget_runs())
    }

    fn servers(&self) -> Read<'_, Vec<Server>> {
        self.all(sqlx::query("SELECT * FROM servers ORDER BY name_key"))
    }

    fn server(&self, id: ServerId) -> Read<'_, Option<Server>> {
        self.one(by_id("SELECT * FROM servers WHERE id = $1", id.as_bytes()))
    }

    fn computers(&self, filter: ComputerFilter, page: Page<String>) -> Read<'_, Vec<Computer>> {
        let mut wanted = Conditions::of("SELECT * FROM computers");
        wanted.and_if("name_key > ", page.after.map(|name| name_key(&name)));
        wanted.and_if("parent = ", filter.parent.map(|id| id.as_bytes().to_vec()));
        wanted.and_if("is_group = ", filter.is_group);
        if let Some(part) = filter.search {
            let pattern = format!("%{}%", escape_like(&name_key(&part)));
            let either = wanted.and("(name_key LIKE ").push_bind(pattern.clone());
            either.push(r" ESCAPE '\' OR host_key LIKE ").push_bind(pattern).push(r" ESCAPE '\')");
        }
        self.built(wanted.end(" ORDER BY name_key", page.limit))
    }

    fn computer(&self, id: ComputerId) -> Read<'_, Option<Computer>> {
        self.one(by_id("SELECT * FROM computers WHERE id = $1", id.as_bytes()))
    }

    fn computer_by_name<'a>(&'a self, name: &'a str) -> Read<'a, Option<Computer>> {
        self.one(sqlx::query("SELECT * FROM computers WHERE name_key = $1").bind(name_key(name)))
    }

    fn computers_in(&self, group: ComputerId) -> Read<'_, Vec<Computer>> {
        self.all(by_id(COMPUTERS_IN, group.as_bytes()))
    }

    fn agents(&self, page: Page<ComputerId>) -> Read<'_, Vec<Agent>> {
        let mut wanted = Conditions::of("SELECT * FROM agents");
        wanted.and_if("computer > ", page.after.map(|id| id.as_bytes().to_vec()));
        self.built(wanted.end(" ORDER BY computer", page.limit))
    }

    fn agent(&self, computer: ComputerId) -> Read<'_, Option<Agent>> {
        self.one(by_id("SELECT * FROM agents WHERE computer = $1", computer.as_bytes()))
    }

    fn agent_by_key(&self, signing_key: [u8; 32]) -> Read<'_, Option<Agent>> {
        let sql = "SELECT * FROM agents WHERE signing_key = $1";
        self.one(sqlx::query(sql).bind(signing_key.to_vec()))
    }

    fn tokens(&self) -> Read<'_, Vec<Token>> {
        self.all(sqlx::query("SELECT * FROM tokens ORDER BY id"))
    }

    fn token(&self, id: TokenId) -> Read<'_, Option<Token>> {
        self.one(by_id("SELECT * FROM tokens WHERE id = $1", id.as_bytes()))
    }

    fn token_by_secret(&self, secret_digest: Digest) -> Read<'_, Option<Token>> {
        let sql = "SELECT * FROM tokens WHERE secret_digest = $1 ORDER BY id LIMIT 1";
        self.one(sqlx::query(sql).bind(secret_digest.as_bytes().to_vec()))
    }

    fn workflows(&self) -> Read<'_, Vec<Workflow>> {
        self.all(sqlx::query(WORKFLOWS))
    }

    fn workflow<'a>(&'a self, name: &'a str, revision: Option<u64>) -> Read<'a, Option<Workflow>> {
        let sql = "SELECT * FROM workflows WHERE name_key = $1 AND revision = $2";
        self.one(match revision {
            Some(revision) => sqlx::query(sql).bind(name_key(name)).bind(number(revision)),
            None => sqlx::query(LATEST_WORKFLOW).bind(name_key(name)),
        })
    }

    fn workflow_revisions<'a>(&'a self, name: &'a str) -> Read<'a, Vec<Workflow>> {
        let sql = "SELECT * FROM workflows WHERE name_key = $1 ORDER BY revision";
        self.all(sqlx::query(sql).bind(name_key(name)))
    }

    fn deployments(&self, page: Page<DeploymentId>) -> Read<'_, Vec<Deployment>> {
        let mut wanted = Conditions::of("SELECT * FROM deployments");
        wanted.and_if("id < ", page.after.map(|id| id.as_bytes().to_vec()));
        self.built(wanted.end(" ORDER BY id DESC", page.limit))
    }

    fn deployment(&self, id: DeploymentId) -> Read<'_, Option<Deployment>> {
        self.one(by_id("SELECT * FROM deployments WHERE id = $1", id.as_bytes()))
    }

    fn deployment_by_origin(&self, origin: Origin) -> Read<'_, Option<Deployment>> {
        self.one(sqlx::query("SELECT * FROM deployments WHERE origin = $1").bind(bytes(origin)))
    }

    fn deployment_records(&self, id: DeploymentId, from_seq: u64) -> Read<'_, Vec<Record>> {
        let sql = "SELECT seq, bytes FROM deployment_records \
                   WHERE deployment = $1 AND seq >= $2 ORDER BY seq";
        self.all(by_id(sql, id.as_bytes()).bind(number(from_seq)))
    }

    fn deployment_copies(&self, deployment: DeploymentId) -> Read<'_, Vec<DeploymentCopy>> {
        let sql = "SELECT * FROM copies WHERE deployment = $1 ORDER BY number";
        self.all(by_id(sql, deployment.as_bytes()))
    }

    fn warrants(&self, deployment: DeploymentId) -> Read<'_, Vec<Warrant>> {
        let sql = "SELECT * FROM warrants WHERE deployment = $1 ORDER BY seq";
        self.all(by_id(sql, deployment.as_bytes()))
    }

    fn runs(&self, filter: RunFilter, page: Page<RunId>) -> Read<'_, Vec<Run>> {
        let mut wanted = Conditions::of("SELECT * FROM runs");
        wanted.and_if("run > ", page.after.map(|id| id.as_bytes().to_vec()));
        wanted.and_if("deployment = ", filter.deployment.map(|id| id.as_bytes().to_vec()));
        wanted.and_if("computer = ", filter.computer.map(|id| id.as_bytes().to_vec()));
        match filter.is_open {
            Some(true) => _ = wanted.and("outcome IS NULL"),
            Some(false) => _ = wanted.and("outcome IS NOT NULL"),
            None => {}
        }
        self.built(wanted.end(" ORDER BY run", page.limit))
    }

    fn runs_of(&self, deployment: DeploymentId) -> Read<'_, Vec<Run>> {
        let sql = "SELECT * FROM runs WHERE deployment = $1 ORDER BY target, run";
        self.all(by_id(sql, deployment.as_bytes()))
    }

    fn run_counts(&self, deployment: DeploymentId) -> Read<'_, Vec<RunCount>> {
        self.all(by_id(RUN_COUNTS, deployment.as_bytes()))
    }

    fn run(&self, id: RunId) -> Read<'_, Option<Run>> {
        self.one(by_id("SELECT * FROM runs WHERE run = $1", id.as_bytes()))
    }

    fn journal(&self, run: RunId, from_seq: u64) -> Read<'_, Vec<Record>> {
        let sql = "SELECT seq, bytes FROM journal WHERE run = $1 AND seq >= $2 ORDER BY seq";
        self.all(by_id(sql, run.as_bytes()).bind(number(from_seq)))
    }

    fn journals_of_open_runs(&self, page: Page<RunId>) -> Read<'_, Vec<RunJournal>> {
        Box::pin(read_journals(&self.readers, OPEN_JOURNALS, page))
    }

    fn journals(&self, page: Page<RunId>) -> Read<'_, Vec<RunJournal>> {
        Box::pin(read_journals(&self.readers, JOURNALS, page))
    }

    fn effects(&self, run: RunId) -> Read<'_, Vec<Effect>> {
        let sql = "SELECT * FROM effects WHERE run = $1 ORDER BY attempt, visit, part";
        self.all(by_id(sql, run.as_bytes()))
    }

    fn events(&self, filter: EventFilter, page: Page<u64>) -> Read<'_, Vec<LoggedEvent>> {
        let mut wanted = Conditions::of("SELECT * FROM events");
        wanted.and_if("seq < ", page.after.map(number));
        wanted.and_if("seq > ", filter.behind.map(number));
        wanted.and_if("kind = ", filter.kind);
        wanted.and_if("computer = ", filter.computer.map(|id| id.as_bytes().to_vec()));
        wanted.and_if("deployment = ", filter.deployment.map(|id| id.as_bytes().to_vec()));
        wanted.and_if("run = ", filter.run.map(|id| id.as_bytes().to_vec()));
        wanted.and_if("at >= ", filter.from.map(model::Timestamp::as_millis));
        wanted.and_if("at < ", filter.until.map(model::Timestamp::as_millis));
        self.built(wanted.end(" ORDER BY seq DESC", page.limit))
    }

    fn settings(&self) -> Read<'_, Vec<Setting>> {
        self.all(sqlx::query("SELECT * FROM settings ORDER BY key"))
    }

    fn setting<'a>(&'a self, key: &'a str) -> Read<'a, Option<Setting>> {
        self.one(sqlx::query("SELECT * FROM settings WHERE key = $1").bind(key.to_owned()))
    }

    fn messages(&self, is_unread: bool, page: Page<u64>) -> Read<'_, Vec<KeptMessage>> {
        let mut wanted = Conditions::of("SELECT * FROM messages");
        wanted.and_if("seq < ", page.after.map(number));
        if is_unread {
            _ = wanted.and("read_at IS NULL");
        }
        self.built(wanted.end(" ORDER BY seq DESC", page.limit))
    }

    fn message(&self, seq: u64) -> Read<'_, Option<KeptMessage>> {
        self.one(sqlx::query("SELECT * FROM messages WHERE seq = $1").bind(number(seq)))
    }

    fn message_by_key(&self, key: Digest) -> Read<'_, Option<KeptMessage>> {
        let sql = "SELECT * FROM messages WHERE key = $1";
        self.one(sqlx::query(sql).bind(key.as_bytes().to_vec()))
    }

    fn applications(&self) -> Read<'_, Vec<Application>> {
        self.all(sqlx::query(applications::LATEST))
    }

    fn application(
        &self,
        id: ApplicationId,
        revision: Option<u64>,
    ) -> Read<'_, Option<Application>> {
        let sql = "SELECT * FROM applications WHERE id = $1 AND revision = $2";
        let latest = "SELECT * FROM applications WHERE id = $1 ORDER BY revision DESC LIMIT 1";
        self.one(match revision {
            Some(revision) => by_id(sql, id.as_bytes()).bind(number(revision)),
            None => by_id(latest, id.as_bytes()),
        })
    }

    fn application_by_name<'a>(&'a self, name: &'a str) -> Read<'a, Option<Application>> {
        self.one(sqlx::query(applications::BY_NAME).bind(name_key(name)))
    }

    fn application_revisions(&self, id: ApplicationId) -> Read<'_, Vec<Application>> {
        let sql = "SELECT * FROM applications WHERE id = $1 ORDER BY revision";
        self.all(by_id(sql, id.as_bytes()))
    }

    fn associations(&self) -> Read<'_, Vec<Association>> {
        self.all(sqlx::query("SELECT * FROM associations ORDER BY application, kind, name"))
    }

    fn wanted_sets(&self) -> Read<'_, Vec<WantedSet>> {
        self.all(sqlx::query("SELECT * FROM wanted_sets ORDER BY computer"))
    }

    fn wanted_set(&self, computer: ComputerId) -> Read<'_, Option<WantedSet>> {
        self.one(by_id("SELECT * FROM wanted_sets WHERE computer = $1", computer.as_bytes()))
    }

    fn wanted_heads(&self) -> Read<'_, Vec<WantedHead>> {
        let sql = "SELECT computer, serial, leaf, taken FROM wanted_sets ORDER BY computer";
        self.all(sqlx::query(sql))
    }

    fn application_states(
        &self,
        filter: StateFilter,
        page: Page<StateKey>,
    ) -> Read<'_, Vec<ApplicationState>> {
        let mut wanted = Conditions::of("SELECT * FROM application_states");
        wanted.and_if("computer = ", filter.computer.map(|id| id.as_bytes().to_vec()));
        wanted.and_if("application = ", filter.application.map(|id| id.as_bytes().to_vec()));
        if let Some((computer, application, user)) = page.after {
            let key = wanted.and("(computer, application, user_name) > (");
            key.push_bind(computer.as_bytes().to_vec()).push(", ");
            key.push_bind(application.as_bytes().to_vec()).push(", ");
            key.push_bind(user).push(")");
        }
        self.built(wanted.end(" ORDER BY computer, application, user_name", page.limit))
    }

    fn documents<'a>(&'a self, kind: &'a str) -> Read<'a, Vec<Document>> {
        let sql = "SELECT * FROM documents WHERE kind = $1 ORDER BY name_key";
        self.all(sqlx::query(sql).bind(kind))
    }

    fn document<'a>(&'a self, kind: &'a str, name: &'a str) -> Read<'a, Option<Document>> {
        let sql = "SELECT * FROM documents WHERE kind = $1 AND name_key = $2";
        self.one(sqlx::query(sql).bind(kind).bind(name_key(name)))
    }
}

/// Reads runs until the page is full or holds many records, whole runs only.
async fn read_journals(
    readers: &SqlitePool,
    sql: &'static str,
    page: Page<RunId>,
) -> Result<Vec<RunJournal>, ReadError> {
    let after = page.after.map(|run| run.as_bytes().to_vec()).unwrap_or_default();
    let mut journals: Vec<RunJournal> = Vec::new();
    let mut count = 0;
    let mut rows = sqlx::query(sql).bind(after).fetch(readers);
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        let (run, record) = read_journal_row(&row)?;
        if journals.last().is_none_or(|journal| journal.run != run) {
            if journals.len() == page.limit as usize || count >= RECORDS_MAX {
                break;
            }
            journals.push(RunJournal { run, records: Vec::new() });
        }
        count += 1;
        if let Some(journal) = journals.last_mut() {
            journal.records.extend(record);
        }
    }
    Ok(journals)
}

/// A run without records comes as one row without a number.
fn read_journal_row(row: &SqliteRow) -> Result<(RunId, Option<Record>), ReadError> {
    let fields = Fields { table: Record::TABLE, row };
    let run = fields.id("run", RunId::from_bytes)?;
    let record = match fields.get::<Option<i64>>("seq")? {
        Some(_) => Some(Record::from_fields(&fields)?),
        None => None,
    };
    Ok((run, record))
}

fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
