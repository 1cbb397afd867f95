//! Writing workflows, deployments, warrants, effects, settings, messages and documents.

use model::DeploymentId;
use sqlx::SqliteConnection;

use super::columns::{map, number, origin};
use super::commit::Stop;
use super::rows::FromRow;
use crate::Refusal;
use crate::rows::{
    Deployment, DeploymentCopy, Document, Effect, Message, Reading, Setting, Warrant, Workflow,
};
use crate::write::{FIRST, FIRST_COPY, name_key};

pub(super) async fn put_workflow(tx: &mut SqliteConnection, row: Workflow) -> Result<(), Stop> {
    let key = name_key(&row.name);
    let last: Option<i64> =
        sqlx::query_scalar("SELECT MAX(revision) FROM workflows WHERE name_key = $1")
            .bind(&key)
            .fetch_one(&mut *tx)
            .await?;
    let last = last.and_then(|last| u64::try_from(last).ok());
    let (expected, got) = (last.map_or(FIRST, |last| last + 1), row.revision);
    if got != expected {
        return Err(Refusal::RevisionGap { name: row.name, expected, got }.into());
    }
    sqlx::query(
        "INSERT INTO workflows (name_key, revision, name, source, description, created_by, \
         created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(key)
    .bind(number(row.revision))
    .bind(row.name)
    .bind(row.source)
    .bind(row.description)
    .bind(row.created_by)
    .bind(row.created_at.as_millis())
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn put_deployment(tx: &mut SqliteConnection, row: Deployment) -> Result<(), Stop> {
    check_origin(tx, &row).await?;
    sqlx::query(
        "INSERT INTO deployments (id, name, workflow, revision, definition, variables, \
         depot_root, start_at, stop_at, status, created_by, created_at, server, \
         origin) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, workflow = excluded.workflow, \
         revision = excluded.revision, definition = excluded.definition, \
         variables = excluded.variables, depot_root = excluded.depot_root, \
         start_at = excluded.start_at, stop_at = excluded.stop_at, status = excluded.status, \
         created_by = excluded.created_by, created_at = excluded.created_at, \
         server = excluded.server, origin = excluded.origin",
    )
    .bind(row.id.as_bytes().to_vec())
    .bind(row.name)
    .bind(row.workflow)
    .bind(number(row.revision))
    .bind(row.definition)
    .bind(map(&row.variables))
    .bind(row.depot_root.map(|root| root.as_bytes().to_vec()))
    .bind(row.start.map(model::Timestamp::as_millis))
    .bind(row.stop.map(model::Timestamp::as_millis))
    .bind(row.status)
    .bind(row.created_by)
    .bind(row.created_at.as_millis())
    .bind(row.server.as_bytes().to_vec())
    .bind(row.origin.map(origin))
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn put_copy(tx: &mut SqliteConnection, row: DeploymentCopy) -> Result<(), Stop> {
    let last: Option<i64> =
        sqlx::query_scalar("SELECT MAX(number) FROM copies WHERE deployment = $1")
            .bind(row.deployment.as_bytes().to_vec())
            .fetch_one(&mut *tx)
            .await?;
    let last = last.and_then(|last| u64::try_from(last).ok());
    let (expected, got) = (last.map_or(FIRST_COPY, |last| last + 1), row.number);
    if got != expected {
        return Err(Refusal::CopyGap { deployment: row.deployment, expected, got }.into());
    }
    sqlx::query(
        "INSERT INTO copies (deployment, number, definition, depot_root, created_by, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(row.deployment.as_bytes().to_vec())
    .bind(number(row.number))
    .bind(row.definition)
    .bind(row.depot_root.map(|root| root.as_bytes().to_vec()))
    .bind(row.created_by)
    .bind(row.created_at.as_millis())
    .execute(tx)
    .await?;
    Ok(())
}

async fn check_origin(tx: &mut SqliteConnection, row: &Deployment) -> Result<(), Stop> {
    let Some(of) = row.origin else { return Ok(()) };
    let by: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT id FROM deployments WHERE origin = $1 AND id <> $2")
            .bind(origin(of))
            .bind(row.id.as_bytes().to_vec())
            .fetch_optional(tx)
            .await?;
    match by.and_then(|by| by.try_into().ok()) {
        Some(by) => {
            let by = DeploymentId::from_bytes(by);
            Err(Refusal::OriginTaken { origin: of, by }.into())
        }
        None => Ok(()),
    }
}

pub(super) async fn put_warrant(tx: &mut SqliteConnection, row: Warrant) -> Result<(), Stop> {
    let known = sqlx::query("SELECT * FROM warrants WHERE deployment = $1 AND seq = $2")
        .bind(&row.deployment.as_bytes()[..])
        .bind(number(row.seq))
        .fetch_optional(&mut *tx)
        .await?;
    if let Some(known) = known {
        let is_same = Warrant::from_row(&known).is_ok_and(|known| known == row);
        let (deployment, seq) = (row.deployment, row.seq);
        let refusal = Refusal::WarrantDiffers { deployment, seq };
        return if is_same { Ok(()) } else { Err(refusal.into()) };
    }
    sqlx::query(
        "INSERT INTO warrants (deployment, seq, copy, envelope, leaves, created_by, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(row.deployment.as_bytes().to_vec())
    .bind(number(row.seq))
    .bind(number(row.copy))
    .bind(row.envelope)
    .bind(row.leaves)
    .bind(row.created_by)
    .bind(row.created_at.as_millis())
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn put_effect(tx: &mut SqliteConnection, row: Effect) -> Result<(), Stop> {
    let Effect { run, attempt, visit, part, .. } = row;
    let put = sqlx::query(
        "INSERT INTO effects (run, attempt, visit, part, call, result) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (run, attempt, visit, part) DO UPDATE \
         SET result = excluded.result, call = X'' \
         WHERE length(effects.result) = 0 AND length(excluded.result) > 0",
    )
    .bind(run.as_bytes().to_vec())
    .bind(number(attempt))
    .bind(number(visit))
    .bind(number(part))
    .bind(if row.result.is_empty() { row.call } else { Vec::new() })
    .bind(row.result.clone())
    .execute(&mut *tx)
    .await?;
    if put.rows_affected() > 0 {
        return Ok(());
    }
    let known: Vec<u8> = sqlx::query_scalar(
        "SELECT result FROM effects \
         WHERE run = $1 AND attempt = $2 AND visit = $3 AND part = $4",
    )
    .bind(run.as_bytes().to_vec())
    .bind(number(attempt))
    .bind(number(visit))
    .bind(number(part))
    .fetch_one(tx)
    .await?;
    if known != row.result {
        return Err(Refusal::EffectDiffers { run, attempt, visit, part }.into());
    }
    Ok(())
}

pub(super) async fn put_setting(tx: &mut SqliteConnection, row: Setting) -> Result<(), Stop> {
    sqlx::query(
        "INSERT INTO settings (key, value) VALUES ($1, $2) \
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )
    .bind(row.key)
    .bind(row.value)
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn put_message(tx: &mut SqliteConnection, row: Message) -> Result<(), Stop> {
    sqlx::query(
        "INSERT INTO messages (seq, key, at, addressee, subject, text, computer, deployment, run) \
         SELECT (SELECT COALESCE(MAX(seq), 0) + 1 FROM messages), $1, $2, $3, $4, $5, $6, $7, $8 \
         WHERE true ON CONFLICT (key) DO NOTHING",
    )
    .bind(row.key.as_bytes().to_vec())
    .bind(row.at.as_millis())
    .bind(row.to)
    .bind(row.subject)
    .bind(row.text)
    .bind(row.computer.map(|id| id.as_bytes().to_vec()))
    .bind(row.deployment.map(|id| id.as_bytes().to_vec()))
    .bind(row.run.map(|id| id.as_bytes().to_vec()))
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn read_message(
    tx: &mut SqliteConnection,
    seq: u64,
    reading: Reading,
) -> Result<(), Stop> {
    let read = sqlx::query(
        "UPDATE messages SET read_by = COALESCE(read_by, $2), read_at = COALESCE(read_at, $3) \
         WHERE seq = $1",
    )
    .bind(number(seq))
    .bind(reading.by)
    .bind(reading.at.as_millis())
    .execute(tx)
    .await?;
    if read.rows_affected() == 0 {
        return Err(Refusal::NoMessage(seq).into());
    }
    Ok(())
}

pub(super) async fn put_document(tx: &mut SqliteConnection, row: Document) -> Result<(), Stop> {
    sqlx::query(
        "INSERT INTO documents (kind, name_key, name, body, updated_by, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (kind, name_key) DO UPDATE SET name = excluded.name, body = excluded.body, \
         updated_by = excluded.updated_by, updated_at = excluded.updated_at",
    )
    .bind(row.kind)
    .bind(name_key(&row.name))
    .bind(row.name)
    .bind(row.body)
    .bind(row.updated_by)
    .bind(row.updated_at.as_millis())
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn remove_document(
    tx: &mut SqliteConnection,
    kind: String,
    name: String,
) -> Result<(), Stop> {
    let removed = sqlx::query("DELETE FROM documents WHERE kind = $1 AND name_key = $2")
        .bind(&kind)
        .bind(name_key(&name))
        .execute(tx)
        .await?;
    if removed.rows_affected() == 0 {
        return Err(Refusal::NoDocument { kind, name }.into());
    }
    Ok(())
}
