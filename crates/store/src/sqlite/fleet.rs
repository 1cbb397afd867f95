//! Writing servers, computers, agents and tokens.

use model::{ComputerId, ServerId, Timestamp, TokenId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::columns::{list, map, number};
use super::commit::Stop;
use super::rows::FromRow;
use crate::Refusal;
use crate::rows::{Agent, Computer, Server, Token};
use crate::write::name_key;

pub(super) async fn held_fence(
    tx: &mut SqliteConnection,
    server: ServerId,
) -> Result<Option<u64>, sqlx::Error> {
    let held: Option<i64> = sqlx::query_scalar("SELECT fence FROM servers WHERE id = $1")
        .bind(&server.as_bytes()[..])
        .fetch_optional(tx)
        .await?;
    Ok(held.map(|fence| u64::try_from(fence).unwrap_or(0)))
}

pub(super) async fn put_server(tx: &mut SqliteConnection, row: Server) -> Result<(), Stop> {
    let key = name_key(&row.name);
    let holder: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT id FROM servers WHERE name_key = $1 AND id <> $2")
            .bind(&key)
            .bind(&row.id.as_bytes()[..])
            .fetch_optional(&mut *tx)
            .await?;
    if let Some(holder) = holder {
        let by = id_text(&holder, ServerId::from_bytes);
        return Err(Refusal::NameTaken { name: row.name, by }.into());
    }
    let held = held_fence(tx, row.id).await?.unwrap_or(0);
    if row.fence < held {
        return Err(Refusal::FenceWentBack { server: row.id, held, got: row.fence }.into());
    }
    sqlx::query(
        "INSERT INTO servers (id, name, name_key, computer, depot, presence, agent_listen, \
         api_listen, max_targets, is_default, lease_until, fence, created_by, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_key = excluded.name_key, \
         computer = excluded.computer, depot = excluded.depot, presence = excluded.presence, \
         agent_listen = excluded.agent_listen, api_listen = excluded.api_listen, \
         max_targets = excluded.max_targets, is_default = excluded.is_default, \
         lease_until = excluded.lease_until, fence = excluded.fence, \
         created_by = excluded.created_by, created_at = excluded.created_at",
    )
    .bind(row.id.as_bytes().to_vec())
    .bind(row.name)
    .bind(key)
    .bind(row.computer.map(|id| id.as_bytes().to_vec()))
    .bind(row.depot)
    .bind(list(&row.presence))
    .bind(row.agent_listen)
    .bind(row.api_listen)
    .bind(i64::from(row.max_targets))
    .bind(row.is_default)
    .bind(row.lease_until.as_millis())
    .bind(number(row.fence))
    .bind(row.created_by)
    .bind(row.created_at.as_millis())
    .execute(tx)
    .await?;
    Ok(())
}

/// All that the laws of a computer ask, in one question: `$1` the computer, `$2` its name, `$3`
/// its parent.
const ABOUT_COMPUTER: &str = "SELECT \
     (SELECT id FROM computers WHERE name_key = $2 AND id <> $1) AS holder, \
     (SELECT name FROM computers WHERE id = $3) AS parent_name, \
     (SELECT is_group FROM computers WHERE id = $3) AS parent_is_group, \
     EXISTS (SELECT 1 FROM computers WHERE parent = $1) AS has_members, \
     EXISTS (WITH RECURSIVE above (id, parent) AS ( \
     SELECT id, parent FROM computers WHERE id = $3 UNION \
     SELECT computers.id, computers.parent FROM computers \
     JOIN above ON computers.id = above.parent) \
     SELECT 1 FROM above WHERE id = $1) AS is_above_parent";

pub(super) async fn put_computer(tx: &mut SqliteConnection, row: Computer) -> Result<(), Stop> {
    let computer = &row.computer;
    let key = name_key(&computer.name);
    let about = sqlx::query(ABOUT_COMPUTER)
        .bind(&computer.id.as_bytes()[..])
        .bind(&key)
        .bind(computer.parent.map(|id| id.as_bytes().to_vec()))
        .fetch_one(&mut *tx)
        .await?;
    check_computer(computer, &about)?;
    sqlx::query(
        "INSERT INTO computers (id, name, name_key, host_name, host_key, os, parent, is_group, \
         facts, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_key = excluded.name_key, \
         host_name = excluded.host_name, host_key = excluded.host_key, os = excluded.os, \
         parent = excluded.parent, is_group = excluded.is_group, facts = excluded.facts, \
         created_by = excluded.created_by, created_at = excluded.created_at",
    )
    .bind(computer.id.as_bytes().to_vec())
    .bind(computer.name.clone())
    .bind(key)
    .bind(computer.host_name.clone())
    .bind(name_key(&computer.host_name))
    .bind(computer.os.clone())
    .bind(computer.parent.map(|id| id.as_bytes().to_vec()))
    .bind(computer.is_group)
    .bind(map(&computer.facts))
    .bind(row.created_by)
    .bind(row.created_at.as_millis())
    .execute(tx)
    .await?;
    Ok(())
}

fn check_computer(computer: &model::Computer, about: &SqliteRow) -> Result<(), Stop> {
    let name = computer.name.clone();
    if let Some(holder) = about.try_get::<Option<&[u8]>, _>("holder")? {
        let by = id_text(holder, ComputerId::from_bytes);
        return Err(Refusal::NameTaken { name, by }.into());
    }
    if let Some(parent) = computer.parent {
        if parent == computer.id {
            return Err(Refusal::GroupInItself { parent: name.clone(), name }.into());
        }
        let parent_name: Option<String> = about.try_get("parent_name")?;
        let Some(parent_name) = parent_name else {
            return Err(Refusal::NoParent { name, parent }.into());
        };
        if !about.try_get::<bool, _>("parent_is_group")? {
            return Err(Refusal::ParentIsNoGroup { name, parent: parent_name }.into());
        }
        if about.try_get("is_above_parent")? {
            return Err(Refusal::GroupInItself { name, parent: parent_name }.into());
        }
    }
    if !computer.is_group && about.try_get("has_members")? {
        return Err(Refusal::GroupHasMembers { name }.into());
    }
    Ok(())
}

pub(super) async fn remove_computer(tx: &mut SqliteConnection, id: ComputerId) -> Result<(), Stop> {
    let name: Option<String> = sqlx::query_scalar("SELECT name FROM computers WHERE id = $1")
        .bind(&id.as_bytes()[..])
        .fetch_optional(&mut *tx)
        .await?;
    let name = name.ok_or(Refusal::NoComputer(id))?;
    let member: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM computers WHERE parent = $1 LIMIT 1")
            .bind(&id.as_bytes()[..])
            .fetch_optional(&mut *tx)
            .await?;
    if member.is_some() {
        return Err(Refusal::GroupHasMembers { name }.into());
    }
    for sql in [
        "DELETE FROM agents WHERE computer = $1",
        "DELETE FROM wanted_sets WHERE computer = $1",
        "DELETE FROM application_states WHERE computer = $1",
        "DELETE FROM computers WHERE id = $1",
    ] {
        sqlx::query(sql).bind(&id.as_bytes()[..]).execute(&mut *tx).await?;
    }
    Ok(())
}

pub(super) async fn put_agent(tx: &mut SqliteConnection, row: Agent) -> Result<(), Stop> {
    let computer = row.computer;
    let known: Option<i64> = sqlx::query_scalar("SELECT 1 FROM computers WHERE id = $1")
        .bind(&computer.as_bytes()[..])
        .fetch_optional(&mut *tx)
        .await?;
    if known.is_none() {
        return Err(Refusal::NoComputer(computer).into());
    }
    let owner: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT computer FROM agents WHERE signing_key = $1 AND computer <> $2")
            .bind(&row.signing_key[..])
            .bind(&computer.as_bytes()[..])
            .fetch_optional(&mut *tx)
            .await?;
    if let Some(owner) = owner.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()) {
        let owner = ComputerId::from_bytes(owner);
        return Err(Refusal::KeyTaken { computer, owner }.into());
    }
    sqlx::query(
        "INSERT INTO agents (computer, signing_key, sealing_key, version, protocol, capabilities, \
         first_seen, last_seen, counter, address, state, trust_number) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (computer) DO UPDATE SET signing_key = excluded.signing_key, \
         sealing_key = excluded.sealing_key, version = excluded.version, \
         protocol = excluded.protocol, capabilities = excluded.capabilities, \
         first_seen = excluded.first_seen, last_seen = excluded.last_seen, \
         counter = excluded.counter, address = excluded.address, state = excluded.state, \
         trust_number = excluded.trust_number",
    )
    .bind(computer.as_bytes().to_vec())
    .bind(row.signing_key.to_vec())
    .bind(row.sealing_key.to_vec())
    .bind(row.version)
    .bind(i64::from(row.protocol))
    .bind(list(&row.capabilities))
    .bind(row.first_seen.as_millis())
    .bind(row.last_seen.as_millis())
    .bind(number(row.counter))
    .bind(row.address)
    .bind(row.state.as_str())
    .bind(number(row.trust_number))
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn touch_agent(
    tx: &mut SqliteConnection,
    computer: ComputerId,
    last_seen: Timestamp,
    counter: u64,
    address: String,
) -> Result<(), Stop> {
    let touched = sqlx::query(
        "UPDATE agents SET last_seen = $2, counter = $3, address = $4 WHERE computer = $1",
    )
    .bind(&computer.as_bytes()[..])
    .bind(last_seen.as_millis())
    .bind(number(counter))
    .bind(address)
    .execute(tx)
    .await?;
    match touched.rows_affected() {
        0 => Err(Refusal::NoAgent(computer).into()),
        _ => Ok(()),
    }
}

pub(super) async fn agent_trust(
    tx: &mut SqliteConnection,
    computer: ComputerId,
    held: u64,
) -> Result<(), Stop> {
    let told = sqlx::query("UPDATE agents SET trust_number = $2 WHERE computer = $1")
        .bind(&computer.as_bytes()[..])
        .bind(number(held))
        .execute(tx)
        .await?;
    match told.rows_affected() {
        0 => Err(Refusal::NoAgent(computer).into()),
        _ => Ok(()),
    }
}

pub(super) async fn put_token(tx: &mut SqliteConnection, row: Token) -> Result<(), Stop> {
    sqlx::query(
        "INSERT INTO tokens (id, secret_digest, created_by, created_at, expires_at, uses_left, \
         note, revoked) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (id) DO UPDATE SET secret_digest = excluded.secret_digest, \
         created_by = excluded.created_by, created_at = excluded.created_at, \
         expires_at = excluded.expires_at, uses_left = excluded.uses_left, \
         note = excluded.note, revoked = excluded.revoked",
    )
    .bind(row.id.as_bytes().to_vec())
    .bind(row.secret_digest.as_bytes().to_vec())
    .bind(row.created_by)
    .bind(row.created_at.as_millis())
    .bind(row.expires_at.as_millis())
    .bind(i64::from(row.uses_left))
    .bind(row.note)
    .bind(row.revoked)
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn use_token(
    tx: &mut SqliteConnection,
    id: TokenId,
    at: Timestamp,
) -> Result<(), Stop> {
    let row = sqlx::query("SELECT * FROM tokens WHERE id = $1")
        .bind(&id.as_bytes()[..])
        .fetch_optional(&mut *tx)
        .await?;
    let row = row.ok_or(Refusal::NoToken(id))?;
    let mut token = Token::from_row(&row).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    token.take_use(at)?;
    put_token(tx, token).await
}

pub(super) async fn revoke_token(tx: &mut SqliteConnection, id: TokenId) -> Result<(), Stop> {
    let revoked = sqlx::query("UPDATE tokens SET revoked = TRUE WHERE id = $1")
        .bind(&id.as_bytes()[..])
        .execute(tx)
        .await?;
    match revoked.rows_affected() {
        0 => Err(Refusal::NoToken(id).into()),
        _ => Ok(()),
    }
}

fn id_text<T: ToString>(bytes: &[u8], from_bytes: fn([u8; 16]) -> T) -> String {
    <[u8; 16]>::try_from(bytes).map(|bytes| from_bytes(bytes).to_string()).unwrap_or_default()
}
