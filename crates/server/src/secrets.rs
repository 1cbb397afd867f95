//! Secrets: kept encrypted, used by name, sealed to the agent that needs one. Never given back.
//!
//! The key that they are encrypted with is a file of the data folder that its owner alone may read,
//! so a copy of the database alone opens nothing. What is opened here is overwritten when dropped;
//! nothing of it goes into events, logs, journals or answers of the API.

use std::collections::{BTreeMap, BTreeSet};

use model::{ComputerId, RunId};
use store::rows::Document;
use store::{CommitError, ReadError, Write};
use trust::{
    BadSecretName, CannotOpen, SECRET_BYTES_MAX, SealingPublic, VaultKey, check_secret_name,
};
use zeroize::Zeroizing;

use crate::clock::{NoChance, now, random};
use crate::core::chain;
use crate::data_dir::{DataDir, DataDirError};
use crate::hall::{About, Hall, SELF};

/// The kind of document that a secret is.
pub const KIND: &str = "secret";
const KEY_FILE: &str = "secrets.key";
const KEY_HEAD: &str = "deskhand-secrets-key 1 ";

/// Why the key for secrets cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Chance(#[from] NoChance),
    #[error(
        "`secrets.key` in the data folder is damaged; put the former file back, or move it away \
         and set every secret again"
    )]
    Damaged,
}

/// Why a secret cannot be kept or used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error(transparent)]
    Name(#[from] BadSecretName),
    #[error("a secret is 1 to {SECRET_BYTES_MAX} bytes long")]
    Length,
    #[error("there is no secret `{0}`")]
    Unknown(String),
    #[error("the secret `{name}` cannot be opened; set it again")]
    Closed { name: String, source: CannotOpen },
    #[error(transparent)]
    Chance(#[from] NoChance),
    #[error("the database could not be read")]
    Read(#[from] ReadError),
    #[error("the secret could not be kept")]
    Commit(#[from] CommitError),
}

/// Opens and closes what is kept.
#[derive(Debug)]
pub struct Vault {
    key: VaultKey,
}

impl Vault {
    /// Reads the key, or makes one.
    pub fn open(data: &DataDir) -> Result<Self, VaultError> {
        if let Some(text) = data.read(KEY_FILE)? {
            let text = Zeroizing::new(text);
            let mut seed = Zeroizing::new([0; 32]);
            let digits = text.trim().strip_prefix(KEY_HEAD).ok_or(VaultError::Damaged)?;
            hex::decode_to_slice(digits, &mut seed[..]).map_err(|_| VaultError::Damaged)?;
            return Ok(Self { key: VaultKey::from_seed(&seed) });
        }
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(random()?);
        let digits = Zeroizing::new(hex::encode(&seed[..]));
        data.write(KEY_FILE, &Zeroizing::new(format!("{KEY_HEAD}{}\n", *digits)))?;
        Ok(Self { key: VaultKey::from_seed(&seed) })
    }

    /// Whether what is kept can be opened; it cannot after the key was lost.
    pub fn is_readable(&self, row: &Document) -> bool {
        self.key.open(&row.name, &row.body).is_ok()
    }
}

/// Keeps a secret; one of that name is replaced.
pub async fn set(hall: &Hall, name: &str, secret: &[u8], by: &str) -> Result<(), SecretError> {
    check_secret_name(name)?;
    if secret.is_empty() || secret.len() > SECRET_BYTES_MAX {
        return Err(SecretError::Length);
    }
    let row = Document {
        kind: KIND.to_owned(),
        name: name.to_owned(),
        body: hall.vault.key.close(name, secret, random()?),
        updated_by: by.to_owned(),
        updated_at: now(),
    };
    let event = hall.event("secret", About::NOTHING, by, format!("secret {name} was set"));
    hall.writer.submit(vec![Write::PutDocument(row), event]).await?;
    Ok(())
}

pub async fn remove(hall: &Hall, name: &str, by: &str) -> Result<(), SecretError> {
    let row = hall.store.document(KIND, name).await?;
    let name = row.ok_or_else(|| SecretError::Unknown(name.to_owned()))?.name;
    let event = hall.event("secret", About::NOTHING, by, format!("secret {name} was removed"));
    let remove = Write::RemoveDocument { kind: KIND.to_owned(), name };
    hall.writer.submit(vec![remove, event]).await?;
    Ok(())
}

/// A secret for the server's own use.
pub async fn open(hall: &Hall, name: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let row = hall.store.document(KIND, name).await?;
    let row = row.ok_or_else(|| SecretError::Unknown(name.to_owned()))?;
    let opened = hall.vault.key.open(&row.name, &row.body);
    opened.map_err(|source| SecretError::Closed { name: row.name, source })
}

/// Which of these names are of no secret that can be used.
pub async fn unknown(
    hall: &Hall,
    names: impl IntoIterator<Item = String>,
) -> Result<Vec<String>, ReadError> {
    let mut unknown = Vec::new();
    for name in names {
        if hall.store.document(KIND, &name).await?.is_none() {
            unknown.push(name);
        }
    }
    Ok(unknown)
}

/// The secrets of a run, sealed to the agent of that computer. One that cannot be had is left out
/// and logged: what needs it fails with that reason, and the rest of the run goes on.
pub async fn for_agent(
    hall: &Hall,
    computer: ComputerId,
    run: RunId,
    names: &BTreeSet<String>,
) -> BTreeMap<String, Vec<u8>> {
    let agent = match hall.store.agent(computer).await {
        Ok(agent) => agent,
        Err(error) => {
            tracing::error!(%computer, error = %chain(&error), "no agent to seal secrets to");
            None
        }
    };
    let Some(agent) = agent else { return BTreeMap::new() };
    let to = SealingPublic::from_bytes(agent.sealing_key);
    let mut sealed = BTreeMap::new();
    for name in names {
        match seal(hall, to, run, name).await {
            Ok(secret) => _ = sealed.insert(name.clone(), secret),
            Err(why) => {
                let about = About { computer: Some(computer), run: Some(run), deployment: None };
                hall.log("secret", about, SELF, format!("not handed over: {why}"));
            }
        }
    }
    sealed
}

/// Seals one secret to whoever has the other half of the key, for one run.
pub async fn seal(
    hall: &Hall,
    to: SealingPublic,
    run: RunId,
    name: &str,
) -> Result<Vec<u8>, String> {
    let secret = open(hall, name).await.map_err(|error| chain(&error))?;
    let ephemeral = Zeroizing::new(random().map_err(|error| error.to_string())?);
    let sealed = to.seal(&ephemeral, run, name, &secret);
    sealed.ok_or_else(|| format!("the agent's key cannot take the secret `{name}`"))
}
