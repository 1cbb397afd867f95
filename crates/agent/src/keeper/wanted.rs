//! The set of applications that this machine is to have, as it was signed.
//!
//! Kept whole, so that it holds while no server is there and after every restart. A set is durable
//! before it is acknowledged or acted on, and none with a smaller serial takes its place.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use model::codec::{CodecError, Reader, Writer};
use model::{ComputerId, Timestamp};
use tokio::sync::{Notify, watch};
use trust::{TrustDocument, VerifyingKey, Wanted, WantedPresented, WantedSet};
use wire::wanted::WantedNews;

use crate::state::{StateFolder, write_durable};

const VERSION: u8 = 1;
const FILE: &str = "wanted";

/// What whoever acts on the set goes by.
pub(crate) type Current = watch::Receiver<Option<Arc<WantedSet>>>;

/// The set that this machine goes by, kept by the agent's driver.
pub(crate) struct Held {
    path: PathBuf,
    me: (ComputerId, VerifyingKey),
    serial: u64,
    current: watch::Sender<Option<Arc<WantedSet>>>,
    /// A server wants to be told where everything stands.
    asked: Arc<Notify>,
}

/// Why the set on disk is not gone by.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error(transparent)]
    Set(#[from] trust::DecodeError),
}

impl Held {
    /// Reads what was taken before. One that cannot be read is waited for anew: nothing is done
    /// until a server has told it again.
    pub(crate) fn open(folder: &StateFolder, me: (ComputerId, VerifyingKey)) -> Self {
        let path = folder.file(FILE);
        let (serial, set) = match read(&path) {
            Ok(Some((serial, set))) => (serial, Some(Arc::new(set))),
            Ok(None) => (0, None),
            Err(error) => {
                tracing::error!("{} is damaged and waited for anew: {error}", path.display());
                (0, None)
            }
        };
        let (current, _) = watch::channel(set);
        Self { path, me, serial, current, asked: Arc::default() }
    }

    pub(crate) fn current(&self) -> Current {
        self.current.subscribe()
    }

    pub(crate) fn asked(&self) -> Arc<Notify> {
        self.asked.clone()
    }

    /// Which set is gone by; nothing where none is.
    pub(crate) fn news(&self) -> Option<WantedNews> {
        (self.serial > 0).then_some(WantedNews { serial: self.serial, refused: None })
    }

    /// Takes a set that a server presents, or says why not.
    pub(crate) fn hear(
        &mut self,
        presented: &WantedPresented,
        trust: &TrustDocument,
        now: Timestamp,
    ) -> WantedNews {
        self.asked.notify_one();
        let granted = match Wanted::verify(presented, self.me, trust, self.serial, now) {
            Ok(granted) => granted,
            Err(refusal) => {
                tracing::warn!("a set of applications is not taken: {refusal}");
                return WantedNews { serial: self.serial, refused: Some(refusal.to_string()) };
            }
        };
        let serial = granted.serial();
        let is_other = |held: &Arc<WantedSet>| **held != *granted.set();
        if serial == self.serial && self.current.borrow().as_ref().is_some_and(is_other) {
            tracing::warn!("two sets of applications say that they are {serial}");
            let refused = Some("this machine has another one of this serial".to_owned());
            return WantedNews { serial, refused };
        }
        if serial > self.serial {
            if let Err(error) = write_durable(&self.path, &encode(serial, granted.set())) {
                tracing::error!("{} cannot be written: {error}", self.path.display());
                let refused = Some(format!("it cannot be kept: {error}"));
                return WantedNews { serial: self.serial, refused };
            }
            let count = granted.set().applications.len();
            tracing::info!("{count} applications are wanted here (set {serial})");
            self.serial = serial;
            self.current.send_replace(Some(Arc::new(granted.set().clone())));
        }
        WantedNews { serial, refused: None }
    }
}

fn encode(serial: u64, set: &WantedSet) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(VERSION).u64(serial).bytes(&set.encode());
    out.finish()
}

fn read(path: &std::path::Path) -> Result<Option<(u64, WantedSet)>, ReadError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut from = Reader::new(&bytes);
    if from.u8()? != VERSION {
        return Err(CodecError("it is newer than this program").into());
    }
    let (serial, set) = (from.u64()?, WantedSet::decode(from.bytes()?)?);
    from.end()?;
    Ok(Some((serial, set)))
}

#[cfg(test)]
mod tests {
    use model::{ApplicationId, Digest};
    use trust::{SigningKey, TargetTree, WantedApplication, WantedLeaf};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);

    fn presented(signer: &SigningKey, serial: u64, version: u16) -> WantedPresented {
        let wanted = WantedApplication {
            application: ApplicationId::from_bytes([1; 16]),
            name: "Viewer".into(),
            revision: 1,
            version,
            document: Digest::from_bytes([2; 32]),
            source: None,
            users: None,
            uninstall: true,
            verify_every: None,
            repair: false,
        };
        let set = WantedSet { applications: vec![wanted] };
        let (computer, key) = me();
        let leaf = WantedLeaf { computer, key, set: set.digest() };
        let tree = TargetTree::new(vec![leaf.digest()]).unwrap();
        let statement = Wanted {
            serial,
            issued_at: NOW,
            targets_root: tree.root(),
            targets_count: 1,
            key: signer.id(),
        };
        WantedPresented {
            envelope: statement.sign(signer).encode(),
            leaf: leaf.encode(),
            proof: tree.proof(0).unwrap().encode(),
            set: set.encode(),
        }
    }

    fn me() -> (ComputerId, VerifyingKey) {
        (ComputerId::from_bytes([7; 16]), SigningKey::from_seed(&[7; 32]).verifying_key())
    }

    #[test]
    fn a_set_outlives_the_agent_and_no_older_one_takes_its_place() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = StateFolder::at(temporary.path());
        let signer = SigningKey::from_seed(&[1; 32]);
        let trust = TrustDocument::founding(signer.verifying_key(), Timestamp::EPOCH);
        let mut held = Held::open(&folder, me());
        let current = held.current();
        assert!(current.borrow().is_none() && held.news().is_none());
        let news = held.hear(&presented(&signer, 5, 3), &trust, NOW);
        assert_eq!(news, WantedNews { serial: 5, refused: None });
        let version =
            |current: &Current| current.borrow().as_ref().unwrap().applications[0].version;
        assert_eq!(version(&current), 3);

        let mut held = Held::open(&folder, me());
        let current = held.current();
        assert_eq!(version(&current), 3);
        assert_eq!(held.news(), Some(WantedNews { serial: 5, refused: None }));
        for (presented, says) in [
            (presented(&signer, 4, 9), "older"),
            (presented(&signer, 5, 9), "another one of this serial"),
            (presented(&SigningKey::from_seed(&[2; 32]), 6, 9), "does not trust"),
        ] {
            let news = held.hear(&presented, &trust, NOW);
            assert_eq!(news.serial, 5);
            assert!(news.refused.unwrap().contains(says), "{says}");
            assert_eq!(version(&current), 3);
        }
        let news = held.hear(&presented(&signer, 6, 4), &trust, NOW);
        assert_eq!((news.serial, version(&current)), (6, 4));
    }

    #[test]
    fn a_damaged_set_is_waited_for_anew() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = StateFolder::at(temporary.path());
        std::fs::write(temporary.path().join(FILE), b"\x01broken").unwrap();
        assert!(Held::open(&folder, me()).current().borrow().is_none());
    }
}
