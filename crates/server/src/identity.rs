//! The deployment key, the trust document and the certificate made of them.
//!
//! Owns the key files of the data folder. Never lets the secret out: others are handed signatures
//! and configurations.

use std::sync::Arc;

use model::Timestamp;
use store::rows::Setting;
use store::{CommitError, ReadError, Store, Write};
use trust::key_file::{self, BadLabel, KeyFileError, Label};
use trust::{DecodeError, Fingerprint, Signed, SigningKey, TrustDocument, Warrant};
use wire::tls::{ConfigError, ServerIdentity};

use crate::clock::{NoChance, random};
use crate::data_dir::{DataDir, DataDirError, KEY_PRIVATE, KEY_PUBLIC};

const TRUST_SETTING: &str = "trust.document";

/// Why the server cannot prove itself.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Chance(#[from] NoChance),
    #[error("the server's name cannot be that of a key")]
    Label(#[from] BadLabel),
    #[error("`keypriv.key` in the data folder cannot be used")]
    KeyFile(#[from] KeyFileError),
    #[error(transparent)]
    Tls(#[from] ConfigError),
    #[error("the kept trust document is damaged")]
    Trust(#[from] DecodeError),
    #[error(
        "the deployment key is {found}, but agents were told of {expected}; put the former key back \
         with `deskhand keys install`, or enrol every machine anew with a new data folder"
    )]
    OtherKey { found: Fingerprint, expected: Fingerprint },
    #[error("the trust document could not be read")]
    Read(#[from] ReadError),
    #[error("the trust document could not be kept")]
    Commit(#[from] CommitError),
}

/// Who this server is to agents.
#[derive(Debug)]
pub struct Identity {
    key: SigningKey,
    trust_number: u64,
    trust: Vec<u8>,
    tls: Arc<rustls::ServerConfig>,
}

impl Identity {
    /// Reads the key, or makes one for a server called `name`; keeps the first trust document.
    pub async fn open(
        data: &DataDir,
        store: &dyn Store,
        name: &str,
        now: Timestamp,
    ) -> Result<Self, IdentityError> {
        let (label, key) = read_or_make_key(data, name)?;
        let (trust_number, trust) = read_or_found_trust(store, &key).await?;
        let identity = ServerIdentity::issue(&key, label.as_str(), now, &random()?)
            .map_err(ConfigError::from)?;
        let tls = Arc::new(wire::tls::server_config(&identity)?);
        Ok(Self { key, trust_number, trust, tls })
    }

    pub fn fingerprint(&self) -> Fingerprint {
        self.key.verifying_key().fingerprint()
    }

    pub fn tls(&self) -> Arc<rustls::ServerConfig> {
        self.tls.clone()
    }

    /// The signed trust document, as agents are sent it.
    pub fn trust(&self) -> &[u8] {
        &self.trust
    }

    pub fn trust_number(&self) -> u64 {
        self.trust_number
    }

    /// The warrant's envelope, signed with the deployment key.
    pub fn sign(&self, warrant: Warrant) -> Vec<u8> {
        warrant.sign(&self.key).encode()
    }

    /// The id of the deployment key, which warrants name as their signer.
    pub fn key_id(&self) -> trust::KeyId {
        self.key.id()
    }
}

fn read_or_make_key(data: &DataDir, name: &str) -> Result<(Label, SigningKey), IdentityError> {
    if let Some(text) = data.read(KEY_PRIVATE)? {
        let text = zeroize::Zeroizing::new(text);
        return Ok(key_file::decode_private(&text)?);
    }
    let label = Label::new(name)?;
    let key = SigningKey::from_seed(&random()?);
    data.write(KEY_PUBLIC, &key_file::encode_public(&label, &key.verifying_key()))?;
    data.write(KEY_PRIVATE, &key_file::encode_private(&label, &key))?;
    tracing::info!(fingerprint = %key.verifying_key().fingerprint(), "made a deployment key");
    Ok((label, key))
}

async fn read_or_found_trust(
    store: &dyn Store,
    key: &SigningKey,
) -> Result<(u64, Vec<u8>), IdentityError> {
    if let Some(kept) = store.setting(TRUST_SETTING).await? {
        let document = TrustDocument::decode(Signed::decode(&kept.value)?.payload())?;
        let holders = document.role(trust::Role::Server).holders();
        let found = key.verifying_key().fingerprint();
        let mut known = holders.iter().map(|holder| holder.key.fingerprint());
        if !known.clone().any(|fingerprint| fingerprint == found) {
            let expected = known.next().unwrap_or(found);
            return Err(IdentityError::OtherKey { found, expected });
        }
        return Ok((document.number(), kept.value));
    }
    // Valid from the beginning, so that a machine whose clock was reset can still be enrolled.
    let document = TrustDocument::founding(key.verifying_key(), Timestamp::EPOCH);
    let value = document.sign(&[key]).encode();
    let setting = Setting { key: TRUST_SETTING.into(), value: value.clone() };
    store.commit(vec![Write::PutSetting(setting)]).await?;
    Ok((document.number(), value))
}
