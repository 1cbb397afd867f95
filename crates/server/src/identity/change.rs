//! Changing keys: the next document, its signatures, and what follows from it.

use std::sync::PoisonError;

use model::{Span, Timestamp};
use store::{CommitError, Write};
use trust::{
    DocumentError, Fingerprint, Refusal, Role, Signed, SigningKey, TrustDocument, VerifyingKey,
};

use super::{Identity, IdentityError, Link, State, files, put_chain, show};
use crate::clock::{NoChance, now, random};

/// Why the keys were not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("no key of the trust document has the fingerprint or id `{0}`")]
    Unknown(String),
    #[error("without that key no document would be possible: {0}")]
    Impossible(#[from] DocumentError),
    #[error(
        "the next trust document lacks signatures that cannot be made here: {0}; prepare it with \
         `deskhand keys prepare`, have it signed where the root keys are with `deskhand keys sign`, \
         and bring it in with `deskhand keys submit`"
    )]
    RootElsewhere(Refusal),
    #[error("the trust document is not to be taken: {0}")]
    Refused(#[from] Refusal),
    #[error(
        "no key whose secret is here would be left for proving and signing; bring the secret first"
    )]
    NothingLeft,
    #[error(transparent)]
    Chance(#[from] NoChance),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    pub number: u64,
    /// The key that signs from now on.
    pub current: Fingerprint,
    /// Keys that count for nothing any more.
    pub gone: Vec<Fingerprint>,
}

/// A document that is to follow, and the secrets that come with it.
struct Next {
    document: TrustDocument,
    made: Option<SigningKey>,
}

impl Identity {
    /// A new key takes the place of the one that signs here; the old one is good for `overlap`
    /// still.
    pub async fn rotate(
        &self,
        overlap: Span,
        commit: impl AsyncFnOnce(Vec<Write>, &Changed) -> Result<(), CommitError>,
    ) -> Result<Changed, ChangeError> {
        let _one = self.changing.lock().await;
        let next = self.replace_current(Some(now() + overlap))?;
        self.sign_and_take(next, commit).await
    }

    /// A key counts for nothing any more, from now on. Is it the one that signs here, another takes
    /// its place.
    pub async fn revoke(
        &self,
        lost: &str,
        commit: impl AsyncFnOnce(Vec<Write>, &Changed) -> Result<(), CommitError>,
    ) -> Result<Changed, ChangeError> {
        let _one = self.changing.lock().await;
        let state = self.state();
        let key = find(&state.document, lost)?;
        let next = if key == state.current.verifying_key() {
            self.replace_current(None)?
        } else {
            Next { document: state.document.without(&key, now())?, made: None }
        };
        self.sign_and_take(next, commit).await
    }

    /// The document in which a new key would take the place of the one that signs here, signed as
    /// far as that can be done here. The new key is kept until the document comes back.
    pub async fn prepare(&self, overlap: Option<Span>) -> Result<Signed, ChangeError> {
        let _one = self.changing.lock().await;
        let next = self.replace_current(overlap.map(|overlap| now() + overlap))?;
        if let Some(made) = &next.made {
            files::keep(&self.data, &self.label, made)?;
        }
        Ok(self.sign_next(&next))
    }

    /// A document that was signed elsewhere.
    pub async fn submit(
        &self,
        signed: Signed,
        commit: impl AsyncFnOnce(Vec<Write>, &Changed) -> Result<(), CommitError>,
    ) -> Result<Changed, ChangeError> {
        let _one = self.changing.lock().await;
        let document = self.state().document.succeeds(&signed, now())?;
        self.take(document, signed, None, commit).await
    }

    fn replace_current(&self, until: Option<Timestamp>) -> Result<Next, ChangeError> {
        let state = self.state();
        let made = SigningKey::from_seed(&random()?);
        let (old, new) = (state.current.verifying_key(), made.verifying_key());
        let document = state.document.replacing(&old, new, until, now())?;
        Ok(Next { document, made: Some(made) })
    }

    /// Signs with every root key that is here: those of the document before and of this one.
    async fn sign_and_take(
        &self,
        next: Next,
        commit: impl AsyncFnOnce(Vec<Write>, &Changed) -> Result<(), CommitError>,
    ) -> Result<Changed, ChangeError> {
        let signed = self.sign_next(&next);
        let document =
            self.state().document.succeeds(&signed, now()).map_err(ChangeError::RootElsewhere)?;
        self.take(document, signed, next.made, commit).await
    }

    fn sign_next(&self, next: &Next) -> Signed {
        let state = self.state();
        let held = std::iter::once(&state.current).chain(&state.others).chain(&next.made);
        let is_root = |key: &&SigningKey| {
            let fingerprint = key.verifying_key().fingerprint();
            [&state.document, &next.document].iter().any(|d| d.names(Role::Root, fingerprint))
        };
        let signers: Vec<&SigningKey> = held.filter(is_root).collect();
        next.document.sign(&signers)
    }

    /// Makes the change durable, in this order: the new secret, the document, the files that
    /// follow from it. A start between two of these steps goes on from there.
    async fn take(
        &self,
        document: TrustDocument,
        signed: Signed,
        made: Option<SigningKey>,
        commit: impl AsyncFnOnce(Vec<Write>, &Changed) -> Result<(), CommitError>,
    ) -> Result<Changed, ChangeError> {
        let before = self.state();
        let instant = now();
        let prepared = files::read_kept(&self.data)?;
        let held = made.iter().chain([&before.current]).chain(&before.others).chain(&prepared);
        let held = held.cloned().collect();
        let (state, gone) = follow(&before, document, &signed, held, instant)?;
        if let Some(made) = &made {
            files::keep(&self.data, &self.label, made)?;
        }
        if state.others.iter().any(|key| key.id() == before.current.id()) {
            files::keep(&self.data, &self.label, &before.current)?;
        }
        let number = state.document.number();
        let current = state.current.verifying_key().fingerprint();
        let changed = Changed { number, current, gone };
        commit(vec![put_chain(&state.chain)], &changed).await?;
        show(&self.shown, &self.label, &state, instant)?;
        let installed = files::install(&self.data, &self.label, &state.current);
        let forgotten =
            changed.gone.iter().try_for_each(|key| files::forget(&self.data, key.key_id()));
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        self.changed.notify_one();
        // The next start mends what could not be written; the change itself is durable.
        for failed in [installed, forgotten].into_iter().filter_map(Result::err) {
            let error = crate::core::chain(&failed);
            tracing::error!(error, "a key file is not as it should be");
        }
        Ok(changed)
    }
}

/// The state under the next document, and the keys that it names no more.
fn follow(
    before: &State,
    document: TrustDocument,
    signed: &Signed,
    mut held: Vec<SigningKey>,
    instant: Timestamp,
) -> Result<(State, Vec<Fingerprint>), ChangeError> {
    let named = document.all_keys();
    let mut seen = Vec::new();
    held.retain(|key| {
        let is_new = !seen.contains(&key.id());
        seen.push(key.id());
        is_new && named.contains(&key.verifying_key())
    });
    let holders = document.role(Role::Server).holders();
    let lasts = |key: &SigningKey| {
        let key = key.verifying_key();
        holders.iter().any(|holder| holder.key == key && holder.until.is_none())
    };
    // The one that signs goes on signing where it may.
    held.sort_by_key(|key| key.id() != before.current.id());
    let place = held.iter().position(lasts).ok_or(ChangeError::NothingLeft)?;
    let current = held.remove(place);
    // What was over before is not lost.
    let counted = |key: &VerifyingKey| {
        Role::ALL.into_iter().any(|role| before.document.keys(role, instant).any(|k| k == *key))
    };
    let gone = before.document.all_keys().into_iter();
    let gone = gone.filter(|key| !named.contains(key) && counted(key));
    let gone = gone.map(|key| key.fingerprint()).collect();
    let mut chain = before.chain.clone();
    let number = document.number();
    chain.push(Link { made_at: instant, number, bytes: signed.encode() });
    Ok((State { current, others: held, document, chain }, gone))
}

/// The key of that fingerprint or id.
fn find(document: &TrustDocument, text: &str) -> Result<VerifyingKey, ChangeError> {
    let is_it = |key: &VerifyingKey| {
        text.parse().is_ok_and(|fingerprint| key.fingerprint() == fingerprint)
            || text.parse().is_ok_and(|id| key.id() == id)
    };
    let found = document.all_keys().into_iter().find(is_it);
    found.ok_or_else(|| ChangeError::Unknown(text.to_owned()))
}
