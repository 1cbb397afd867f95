//! Writing applications, associations, wanted sets and states.

use model::{ApplicationId, ComputerId};
use sqlx::SqliteConnection;

use super::columns::number;
use super::commit::Stop;
use crate::Refusal;
use crate::rows::{Application, ApplicationState, Assigned, Association, WantedSet};
use crate::write::{FIRST, name_key};

/// The latest revision of each.
pub(super) const LATEST: &str = "SELECT * FROM applications WHERE (id, revision) IN \
     (SELECT id, MAX(revision) FROM applications GROUP BY id) ORDER BY name_key";
pub(super) const BY_NAME: &str = "SELECT * FROM applications WHERE name_key = $1 AND revision = \
     (SELECT MAX(revision) FROM applications AS other WHERE other.id = applications.id)";

pub(super) async fn put_application(
    tx: &mut SqliteConnection,
    row: Application,
) -> Result<(), Stop> {
    let last: Option<i64> =
        sqlx::query_scalar("SELECT MAX(revision) FROM applications WHERE id = $1")
            .bind(row.id.as_bytes().to_vec())
            .fetch_one(&mut *tx)
            .await?;
    let last = last.and_then(|last| u64::try_from(last).ok());
    let (expected, got) = (last.map_or(FIRST, |last| last + 1), row.revision);
    if got != expected {
        return Err(Refusal::PublicationGap { name: row.name, expected, got }.into());
    }
    let holders: Vec<Vec<u8>> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(BY_NAME.replacen('*', "id", 1)))
            .bind(name_key(&row.name))
            .fetch_all(&mut *tx)
            .await?;
    let holders = holders.into_iter().filter_map(|id| <[u8; 16]>::try_from(id).ok());
    if let Some(other) = holders.map(ApplicationId::from_bytes).find(|id| *id != row.id) {
        return Err(Refusal::NameTaken { name: row.name, by: other.to_string() }.into());
    }
    sqlx::query(
        "INSERT INTO applications (id, revision, name_key, name, version, text, digest, source, \
         source_files, source_bytes, published_by, published_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(row.id.as_bytes().to_vec())
    .bind(number(row.revision))
    .bind(name_key(&row.name))
    .bind(row.name)
    .bind(i64::from(row.version))
    .bind(row.text)
    .bind(row.digest.as_bytes().to_vec())
    .bind(row.source.map(|root| root.as_bytes().to_vec()))
    .bind(number(row.source_files))
    .bind(number(row.source_bytes))
    .bind(row.published_by)
    .bind(row.published_at.as_millis())
    .execute(tx)
    .await?;
    Ok(())
}

async fn is_published(tx: &mut SqliteConnection, id: ApplicationId) -> Result<bool, Stop> {
    let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM applications WHERE id = $1 LIMIT 1")
        .bind(id.as_bytes().to_vec())
        .fetch_optional(tx)
        .await?;
    Ok(found.is_some())
}

pub(super) async fn remove_application(
    tx: &mut SqliteConnection,
    id: ApplicationId,
) -> Result<(), Stop> {
    if !is_published(tx, id).await? {
        return Err(Refusal::NoApplication(id).into());
    }
    let used: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM associations WHERE application = $1 LIMIT 1")
            .bind(id.as_bytes().to_vec())
            .fetch_optional(&mut *tx)
            .await?;
    if used.is_some() {
        return Err(Refusal::ApplicationInUse(id).into());
    }
    sqlx::query("DELETE FROM applications WHERE id = $1")
        .bind(id.as_bytes().to_vec())
        .execute(tx)
        .await?;
    Ok(())
}

pub(super) async fn put_association(
    tx: &mut SqliteConnection,
    row: Association,
) -> Result<(), Stop> {
    if !is_published(tx, row.application).await? {
        return Err(Refusal::NoApplication(row.application).into());
    }
    sqlx::query(
        "INSERT INTO associations (application, kind, name, priority, uninstall, verify_ms, \
         repair, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (application, kind, name) DO UPDATE SET priority = excluded.priority, \
         uninstall = excluded.uninstall, verify_ms = excluded.verify_ms, \
         repair = excluded.repair, created_by = excluded.created_by, \
         created_at = excluded.created_at",
    )
    .bind(row.application.as_bytes().to_vec())
    .bind(row.to.kind())
    .bind(row.to.name())
    .bind(i64::from(row.priority))
    .bind(row.uninstall)
    .bind(row.verify_every.map(|every| number(every.as_millis())))
    .bind(row.repair)
    .bind(row.created_by)
    .bind(row.created_at.as_millis())
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn remove_association(
    tx: &mut SqliteConnection,
    application: ApplicationId,
    to: Assigned,
) -> Result<(), Stop> {
    let removed =
        sqlx::query("DELETE FROM associations WHERE application = $1 AND kind = $2 AND name = $3")
            .bind(application.as_bytes().to_vec())
            .bind(to.kind())
            .bind(to.name())
            .execute(tx)
            .await?;
    if removed.rows_affected() == 0 {
        let (kind, name) = (to.kind(), to.name());
        return Err(Refusal::NoAssociation { application, kind, name }.into());
    }
    Ok(())
}

async fn check_computer(tx: &mut SqliteConnection, id: ComputerId) -> Result<(), Stop> {
    let known: Option<i64> = sqlx::query_scalar("SELECT 1 FROM computers WHERE id = $1")
        .bind(id.as_bytes().to_vec())
        .fetch_optional(tx)
        .await?;
    known.map(|_| ()).ok_or_else(|| Refusal::NoComputer(id).into())
}

pub(super) async fn put_wanted_set(tx: &mut SqliteConnection, row: WantedSet) -> Result<(), Stop> {
    let computer = row.computer;
    check_computer(tx, computer).await?;
    let held: Option<i64> =
        sqlx::query_scalar("SELECT serial FROM wanted_sets WHERE computer = $1")
            .bind(computer.as_bytes().to_vec())
            .fetch_optional(&mut *tx)
            .await?;
    let held = held.and_then(|held| u64::try_from(held).ok()).unwrap_or(0);
    if row.serial <= held {
        return Err(Refusal::SerialWentBack { computer, held, got: row.serial }.into());
    }
    sqlx::query(
        "INSERT OR REPLACE INTO wanted_sets (computer, serial, content, envelope, leaf, proof, \
         made_at, taken) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(computer.as_bytes().to_vec())
    .bind(number(row.serial))
    .bind(row.set)
    .bind(row.envelope)
    .bind(row.leaf)
    .bind(row.proof)
    .bind(row.made_at.as_millis())
    .bind(number(row.taken))
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn take_wanted_set(
    tx: &mut SqliteConnection,
    computer: ComputerId,
    serial: u64,
) -> Result<(), Stop> {
    sqlx::query("UPDATE wanted_sets SET taken = $2 WHERE computer = $1")
        .bind(computer.as_bytes().to_vec())
        .bind(number(serial))
        .execute(tx)
        .await?;
    Ok(())
}

pub(super) async fn sign_wanted_sets(
    tx: &mut SqliteConnection,
    serial: u64,
    envelope: Vec<u8>,
) -> Result<(), Stop> {
    sqlx::query("UPDATE wanted_sets SET envelope = $2 WHERE serial = $1")
        .bind(number(serial))
        .bind(envelope)
        .execute(tx)
        .await?;
    Ok(())
}

pub(super) async fn put_state(
    tx: &mut SqliteConnection,
    row: ApplicationState,
) -> Result<(), Stop> {
    check_computer(tx, row.computer).await?;
    sqlx::query(
        "INSERT INTO application_states (computer, application, user_name, name, wanted, \
         installed, state, drift, error, pending, next_attempt, told_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (computer, application, user_name) DO UPDATE SET name = excluded.name, \
         wanted = excluded.wanted, installed = excluded.installed, state = excluded.state, \
         drift = excluded.drift, error = excluded.error, pending = excluded.pending, \
         next_attempt = excluded.next_attempt, told_at = excluded.told_at \
         WHERE application_states.told_at <= excluded.told_at",
    )
    .bind(row.computer.as_bytes().to_vec())
    .bind(row.application.as_bytes().to_vec())
    .bind(row.user)
    .bind(row.name)
    .bind(row.wanted.map(i64::from))
    .bind(row.installed.map(i64::from))
    .bind(row.state)
    .bind(number(row.drift))
    .bind(row.error)
    .bind(row.pending)
    .bind(row.next_attempt.map(model::Timestamp::as_millis))
    .bind(row.at.as_millis())
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn remove_state(
    tx: &mut SqliteConnection,
    computer: ComputerId,
    application: ApplicationId,
    user: String,
) -> Result<(), Stop> {
    sqlx::query(
        "DELETE FROM application_states \
         WHERE computer = $1 AND application = $2 AND user_name = $3",
    )
    .bind(computer.as_bytes().to_vec())
    .bind(application.as_bytes().to_vec())
    .bind(user)
    .execute(tx)
    .await?;
    Ok(())
}
