//! The deployment's keys as far as they are here, the trust documents, and what is made of them.
//!
//! Owns the key files of the data folder and the chain of trust documents in the database. Never
//! lets a secret out: others are handed signatures and configurations. A change of keys becomes
//! durable in an order in which it can be cut anywhere: the new key's file, the document, and only
//! then what depends on it. Invariants: the key that signs is named by the newest document; a key
//! that was revoked or whose time is over signs and proves nothing more here.

mod change;
mod files;

use std::sync::{Arc, PoisonError, RwLock};

use model::Timestamp;
use model::codec::{CodecError, Reader, Writer};
use store::rows::Setting;
use store::{CommitError, ReadError, Store, Write};
use trust::key_file::{BadLabel, KeyFileError, Label};
use trust::{
    DecodeError, Fingerprint, KeyId, Role, Signed, SigningKey, TrustDocument, VerifyingKey, Warrant,
};
use wire::tls::{ConfigError, ServerIdentity, Shown};

use crate::clock::{NoChance, now, random};
use crate::data_dir::{DataDir, DataDirError};

pub use change::{ChangeError, Changed};

/// The first document alone, as it was kept before there was a chain.
const FIRST_SETTING: &str = "trust.document";
const CHAIN_SETTING: &str = "trust.chain";
const CHAIN_VERSION: u8 = 1;

/// Why the server cannot prove itself.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Chance(#[from] NoChance),
    #[error("the server's name cannot be that of a key")]
    Label(#[from] BadLabel),
    #[error("`{file}` in the data folder cannot be used")]
    KeyFile { file: String, source: KeyFileError },
    #[error(transparent)]
    Tls(#[from] ConfigError),
    #[error("the kept trust document is damaged")]
    Trust(#[from] DecodeError),
    #[error("the kept trust documents are damaged")]
    Chain(#[from] CodecError),
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

/// A signed trust document, and when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub made_at: Timestamp,
    pub number: u64,
    pub bytes: Vec<u8>,
}

/// A key that the newest document names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub key: VerifyingKey,
    pub roles: Vec<Role>,
    /// The end of its last role, if each has one.
    pub until: Option<Timestamp>,
    /// Signs what this server signs.
    pub is_current: bool,
    /// Its secret is in this server's data folder.
    pub is_here: bool,
}

/// Who this server is to agents.
#[derive(Debug)]
pub struct Identity {
    data: Arc<DataDir>,
    label: Label,
    state: RwLock<State>,
    /// Only one change of keys at a time.
    changing: tokio::sync::Mutex<()>,
    changed: tokio::sync::Notify,
    shown: Arc<Shown>,
    tls: Arc<rustls::ServerConfig>,
}

#[derive(Debug, Clone)]
struct State {
    current: SigningKey,
    /// Others whose secrets are here: those that are about to end, and roots.
    others: Vec<SigningKey>,
    document: TrustDocument,
    chain: Vec<Link>,
}

impl Identity {
    /// Reads the keys, or makes one for a server called `name`; keeps the first trust document;
    /// ends a change of keys that was cut off.
    pub async fn open(
        data: Arc<DataDir>,
        store: &dyn Store,
        name: &str,
        now: Timestamp,
    ) -> Result<Self, IdentityError> {
        let (label, installed) = files::read_or_make(&data, name)?;
        let chain = read_or_found_chain(store, &installed, now).await?;
        let document = newest(&chain)?;
        let kept = files::read_kept(&data)?;
        forget_revoked(&data, &chain, &kept)?;
        let (current, others) = choose(&document, installed, kept, now)?;
        files::install(&data, &label, &current)?;
        let shown = Arc::new(Shown::default());
        let tls = Arc::new(wire::tls::shown_config(&shown)?);
        let state = State { current, others, document, chain };
        show(&shown, &label, &state, now)?;
        let (changing, changed) = Default::default();
        Ok(Self { data, label, state: RwLock::new(state), changing, changed, shown, tls })
    }

    fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn with<T>(&self, ask: impl FnOnce(&State) -> T) -> T {
        ask(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Of the key that signs here.
    pub fn fingerprint(&self) -> Fingerprint {
        self.with(|state| state.current.verifying_key().fingerprint())
    }

    pub fn verifying_key(&self) -> trust::VerifyingKey {
        self.with(|state| state.current.verifying_key())
    }

    pub fn tls(&self) -> Arc<rustls::ServerConfig> {
        self.tls.clone()
    }

    /// The signed trust documents beyond number `after`, oldest first.
    pub fn trust_after(&self, after: u64) -> Vec<Vec<u8>> {
        self.with(|state| {
            let newer = state.chain.iter().filter(|link| link.number > after);
            newer.map(|link| link.bytes.clone()).collect()
        })
    }

    /// Of the newest document.
    pub fn trust_number(&self) -> u64 {
        self.with(|state| state.document.number())
    }

    pub fn chain(&self) -> Vec<Link> {
        self.with(|state| state.chain.clone())
    }

    /// The keys that the newest document names, the one that signs here first.
    pub fn named(&self) -> Vec<Named> {
        self.with(|state| {
            let current = state.current.verifying_key();
            let is_here = |key: &VerifyingKey| {
                state.others.iter().any(|held| held.verifying_key() == *key) || *key == current
            };
            let named = |key: VerifyingKey| {
                let holders = Role::ALL.into_iter().filter_map(|role| {
                    let holders = state.document.role(role).holders();
                    holders.iter().find(|holder| holder.key == key).map(|holder| (role, holder))
                });
                let (roles, ends): (Vec<_>, Vec<_>) =
                    holders.map(|(role, holder)| (role, holder.until)).unzip();
                let lasts = ends.contains(&None);
                let until = if lasts { None } else { ends.into_iter().flatten().max() };
                let is_current = key == current;
                Named { key, roles, until, is_current, is_here: is_here(&key) }
            };
            let mut all: Vec<Named> = state.document.all_keys().into_iter().map(named).collect();
            all.sort_by_key(|named| (!named.is_current, named.until.is_some()));
            all
        })
    }

    /// The warrant's envelope, signed with the deployment key of now.
    pub fn sign(&self, warrant: Warrant) -> Vec<u8> {
        self.with(|state| warrant.sign(&state.current).encode())
    }

    /// The envelope of what machines are to have, signed with the deployment key of now.
    pub fn sign_wanted(&self, wanted: trust::Wanted) -> Vec<u8> {
        self.with(|state| wanted.sign(&state.current).encode())
    }

    /// The release's envelope, signed with the deployment key.
    pub fn sign_release(&self, release: &trust::Release) -> Signed {
        self.with(|state| release.sign(&state.current))
    }

    /// The trust document of now, as agents judge by it.
    pub fn document(&self) -> TrustDocument {
        self.with(|state| state.document.clone())
    }

    /// The id of the deployment key, which warrants name as their signer.
    pub fn key_id(&self) -> KeyId {
        self.with(|state| state.current.id())
    }
}

/// The certificates of all keys that servers may prove themselves by now, the current first.
fn show(shown: &Shown, label: &Label, state: &State, now: Timestamp) -> Result<(), IdentityError> {
    let valid: Vec<VerifyingKey> = state.document.keys(Role::Server, now).collect();
    let held = std::iter::once(&state.current).chain(&state.others);
    let mut identities = Vec::new();
    for key in held.filter(|key| valid.contains(&key.verifying_key())) {
        let identity = ServerIdentity::issue(key, label.as_str(), now, &random()?);
        identities.push((identity.map_err(ConfigError::from)?, key.id()));
    }
    shown.replace(identities.iter().map(|(identity, id)| (identity, Some(*id))))?;
    Ok(())
}

/// The key that signs from now on, and those that are kept beside it. The installed one may be that
/// of before a change that was cut off.
fn choose(
    document: &TrustDocument,
    installed: SigningKey,
    kept: Vec<SigningKey>,
    now: Timestamp,
) -> Result<(SigningKey, Vec<SigningKey>), IdentityError> {
    let holders = document.role(Role::Server).holders();
    let lasts = |key: &SigningKey| {
        let key = key.verifying_key();
        holders.iter().any(|holder| holder.key == key && holder.until.is_none())
    };
    let valid: Vec<VerifyingKey> = document.keys(Role::Server, now).collect();
    let holds = |key: &SigningKey| valid.contains(&key.verifying_key());
    let mut all: Vec<SigningKey> = vec![installed];
    for key in kept {
        if !all.iter().any(|known| known.id() == key.id()) {
            all.push(key);
        }
    }
    let place = all.iter().position(lasts).or_else(|| all.iter().position(holds));
    let Some(place) = place else {
        let found = all[0].verifying_key().fingerprint();
        let expected = holders.first().map_or(found, |holder| holder.key.fingerprint());
        return Err(IdentityError::OtherKey { found, expected });
    };
    let current = all.remove(place);
    let named = document.all_keys();
    all.retain(|key| named.contains(&key.verifying_key()));
    Ok((current, all))
}

/// Removes keys that a document named and the newest does not: a change was cut off before that. A
/// key that no document names yet is left: it may belong to one that is being signed elsewhere, or
/// the database was restored from before it.
fn forget_revoked(
    data: &DataDir,
    chain: &[Link],
    kept: &[SigningKey],
) -> Result<(), IdentityError> {
    let mut named = Vec::new();
    for link in chain {
        named.push(TrustDocument::decode(Signed::decode(&link.bytes)?.payload())?.all_keys());
    }
    let newest = named.pop().unwrap_or_default();
    for key in kept {
        let public = key.verifying_key();
        if !newest.contains(&public) && named.iter().any(|keys| keys.contains(&public)) {
            files::forget(data, key.id())?;
        }
    }
    Ok(())
}

fn newest(chain: &[Link]) -> Result<TrustDocument, IdentityError> {
    let bytes = chain.last().map_or(&[][..], |link| &link.bytes);
    Ok(TrustDocument::decode(Signed::decode(bytes)?.payload())?)
}

async fn read_or_found_chain(
    store: &dyn Store,
    key: &SigningKey,
    now: Timestamp,
) -> Result<Vec<Link>, IdentityError> {
    if let Some(kept) = store.setting(CHAIN_SETTING).await? {
        return decode_chain(&kept.value);
    }
    let bytes = match store.setting(FIRST_SETTING).await? {
        Some(kept) => kept.value,
        // Valid from the beginning, so that a machine whose clock was reset can still be enrolled.
        None => {
            TrustDocument::founding(key.verifying_key(), Timestamp::EPOCH).sign(&[key]).encode()
        }
    };
    let number = TrustDocument::decode(Signed::decode(&bytes)?.payload())?.number();
    let chain = vec![Link { made_at: now, number, bytes }];
    store.commit(vec![put_chain(&chain)]).await?;
    Ok(chain)
}

fn put_chain(chain: &[Link]) -> Write {
    let mut out = Writer::new();
    out.u8(CHAIN_VERSION).list(chain, |out, link| {
        out.time(link.made_at).bytes(&link.bytes);
    });
    Write::PutSetting(Setting { key: CHAIN_SETTING.to_owned(), value: out.finish() })
}

fn decode_chain(bytes: &[u8]) -> Result<Vec<Link>, IdentityError> {
    let mut from = Reader::new(bytes);
    if from.u8()? != CHAIN_VERSION {
        return Err(CodecError("the chain of trust documents is newer than this program").into());
    }
    let links = from.list(|from| {
        let (made_at, bytes) = (from.time()?, from.bytes()?.to_vec());
        Ok::<_, CodecError>(Link { made_at, number: 0, bytes })
    })?;
    from.end()?;
    let numbered = links.into_iter().map(|link| {
        let number = TrustDocument::decode(Signed::decode(&link.bytes)?.payload())?.number();
        Ok(Link { number, ..link })
    });
    numbered.collect()
}

/// How long a key was the one that signed here: from the first document that lets it hold its role
/// without end to the first one after that does not.
pub fn reign(chain: &[Link], key: Fingerprint) -> Option<(Timestamp, Option<Timestamp>)> {
    let lasting = |link: &Link| {
        let document = Signed::decode(&link.bytes)
            .and_then(|signed| TrustDocument::decode(signed.payload()))
            .ok()?;
        let holders = document.role(Role::Server).holders();
        let found = holders.iter().find(|holder| holder.key.fingerprint() == key);
        found.filter(|holder| holder.until.is_none()).map(|_| ())
    };
    let first = chain.iter().position(|link| lasting(link).is_some())?;
    let end = chain[first..].iter().find(|link| lasting(link).is_none());
    let begin = if first == 0 { Timestamp::EPOCH } else { chain[first].made_at };
    Some((begin, end.map(|link| link.made_at)))
}

/// What goes by the clock.
impl Identity {
    /// Ready once the keys have been changed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// When the next key that is here ends.
    pub fn next_end(&self) -> Option<Timestamp> {
        let named = self.named();
        named.iter().filter(|named| named.is_here).filter_map(|named| named.until).min()
    }

    /// Retires keys whose time is over; which ones.
    pub fn retire(&self) -> Result<Vec<Fingerprint>, IdentityError> {
        let instant = now();
        let mut state = self.state();
        let document = &state.document;
        let is_over = |key: &SigningKey| {
            let key = key.verifying_key();
            !Role::ALL.into_iter().any(|role| document.keys(role, instant).any(|held| held == key))
        };
        let (over, others): (Vec<_>, Vec<_>) = state.others.iter().cloned().partition(is_over);
        if over.is_empty() {
            return Ok(Vec::new());
        }
        state.others = others;
        show(&self.shown, &self.label, &state, instant)?;
        let gone = over.iter().map(|key| key.verifying_key().fingerprint()).collect();
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        for key in &over {
            files::forget(&self.data, key.id())?;
        }
        Ok(gone)
    }
}
