//! Who this agent is, and whom it trusts.

use std::io;
use std::path::PathBuf;

use model::ComputerId;
use serde::{Deserialize, Serialize};
use trust::key_file::{self, KeyFileError, Label};
use trust::{DecodeError, SealingKey, Signed, SigningKey, TrustDocument};

use super::StateFolder;
use super::durable::write_durable;
use crate::clock::{NoChance, random};

const VERSION: u32 = 1;

/// An enrolled agent.
#[derive(Debug, Clone)]
pub struct Identity {
    pub computer: ComputerId,
    pub name: String,
    /// `host:port`, in the order to be tried.
    pub servers: Vec<String>,
    pub signing: SigningKey,
    /// Secrets for this machine are sealed to its other half.
    pub sealing: SealingKey,
    pub trust: TrustDocument,
}

/// The two keys of an agent.
pub(crate) struct Keys {
    pub signing: SigningKey,
    pub sealing: SealingKey,
}

/// Why an identity could not be read.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error(
        "this machine is not enrolled: there is no {}; run `deskhand-agent enroll --token …`",
        .path.display()
    )]
    NotEnrolled { path: PathBuf },
    #[error("{} cannot be read: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is damaged: {why}; enrol this machine again", .path.display())]
    Damaged { path: PathBuf, why: String },
}

/// Why an identity could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreIdentityError {
    #[error("{} cannot be written: {source}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Read(#[from] IdentityError),
    #[error(transparent)]
    Chance(#[from] NoChance),
    #[error(transparent)]
    Label(#[from] key_file::BadLabel),
}

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    computer: String,
    name: String,
    servers: Vec<String>,
}

impl Identity {
    pub fn load(folder: &StateFolder) -> Result<Self, IdentityError> {
        let path = folder.file("identity.json");
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(IdentityError::NotEnrolled { path });
            }
            read => read.map_err(|source| IdentityError::Read { path: path.clone(), source })?,
        };
        let damaged = |why: String| IdentityError::Damaged { path: path.clone(), why };
        let kept: Kept = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if kept.version != VERSION {
            return Err(damaged(format!("version {} is newer than this program", kept.version)));
        }
        Ok(Self {
            computer: kept.computer.parse().map_err(|_| damaged("its id is none".into()))?,
            name: kept.name,
            servers: kept.servers,
            signing: load_signing(folder)?.ok_or_else(|| damaged("the key is gone".into()))?,
            sealing: load_sealing(folder)?
                .ok_or_else(|| damaged("the key for secrets is gone".into()))?,
            trust: load_trust(folder)?,
        })
    }

    pub fn is_there(folder: &StateFolder) -> bool {
        folder.file("identity.json").exists()
    }

    /// Keeps what an enrolment brought; from then on this machine is enrolled.
    pub(crate) fn store(
        &self,
        folder: &StateFolder,
        trust: &Signed,
    ) -> Result<(), StoreIdentityError> {
        store_trust(folder, trust)?;
        let kept = Kept {
            version: VERSION,
            computer: self.computer.to_string(),
            name: self.name.clone(),
            servers: self.servers.clone(),
        };
        let text = serde_json::to_vec_pretty(&kept).unwrap_or_default();
        write(folder, "identity.json", &text)
    }
}

/// Keeps a trust document that was accepted.
pub(crate) fn store_trust(folder: &StateFolder, trust: &Signed) -> Result<(), StoreIdentityError> {
    write(folder, "trust", &trust.encode())
}

/// The keys that are there, or new ones, durable. Kept over a failed enrolment, so that a server
/// that had heard of them meets no stranger the second time.
pub(crate) fn load_or_make_keys(
    folder: &StateFolder,
    label: &str,
) -> Result<Keys, StoreIdentityError> {
    let signing = match load_signing(folder)? {
        Some(key) => key,
        None => {
            let key = SigningKey::from_seed(&random()?);
            let text = key_file::encode_private(&Label::new(label)?, &key);
            write(folder, "signing.key", text.as_bytes())?;
            key
        }
    };
    let sealing = match load_sealing(folder)? {
        Some(key) => key,
        None => {
            let key = SealingKey::from_seed(&random()?);
            write(folder, "sealing.key", hex::encode(&key.to_bytes()[..]).as_bytes())?;
            key
        }
    };
    Ok(Keys { signing, sealing })
}

fn write(folder: &StateFolder, name: &str, bytes: &[u8]) -> Result<(), StoreIdentityError> {
    let path = folder.file(name);
    write_durable(&path, bytes).map_err(|source| StoreIdentityError::Write { path, source })
}

fn read(folder: &StateFolder, name: &str) -> Result<Option<(PathBuf, Vec<u8>)>, IdentityError> {
    let path = folder.file(name);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some((path, bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(IdentityError::Read { path, source }),
    }
}

fn load_signing(folder: &StateFolder) -> Result<Option<SigningKey>, IdentityError> {
    let Some((path, bytes)) = read(folder, "signing.key")? else { return Ok(None) };
    let key = key_file::decode_private(&String::from_utf8_lossy(&bytes))
        .map_err(|error: KeyFileError| IdentityError::Damaged { path, why: error.to_string() })?;
    Ok(Some(key.1))
}

fn load_sealing(folder: &StateFolder) -> Result<Option<SealingKey>, IdentityError> {
    let Some((path, bytes)) = read(folder, "sealing.key")? else { return Ok(None) };
    let mut seed = [0; 32];
    hex::decode_to_slice(bytes, &mut seed)
        .map_err(|error| IdentityError::Damaged { path, why: error.to_string() })?;
    Ok(Some(SealingKey::from_seed(&seed)))
}

fn load_trust(folder: &StateFolder) -> Result<TrustDocument, IdentityError> {
    let path = folder.file("trust");
    let damaged = |error: DecodeError| IdentityError::Damaged {
        path: folder.file("trust"),
        why: error.to_string(),
    };
    let (_, bytes) = read(folder, "trust")?.ok_or(IdentityError::NotEnrolled { path })?;
    let signed = Signed::decode(&bytes).map_err(damaged)?;
    TrustDocument::decode(signed.payload()).map_err(damaged)
}
