//! The statements that machines were told, as far as they are judged by: whose key they name, and
//! whether enough have signed them.
//!
//! Each is read once; many machines share one. Knows what is withheld until it is signed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::ReadError;
use store::rows::{WantedHead, WantedSet as Told};
use trust::{DecodeError, KeyId, Signed, Wanted as Statement};

use crate::clock::now;
use crate::hall::Hall;
use crate::signatures;

#[derive(Debug)]
struct Judged {
    signed: Signed,
    key: KeyId,
    count: u32,
}

impl Judged {
    fn read(envelope: &[u8]) -> Result<Self, DecodeError> {
        let signed = Signed::decode(envelope)?;
        let Statement { key, targets_count: count, .. } = Statement::decode(signed.payload())?;
        Ok(Self { signed, key, count })
    }
}

/// Statements by serial.
#[derive(Debug, Default)]
pub struct Statements {
    known: Mutex<HashMap<u64, Arc<Judged>>>,
    withheld: Mutex<BTreeSet<u64>>,
}

/// How the statements that machines go by stand now.
#[derive(Debug, Default)]
pub struct Standing {
    /// Named by the key that signs here now.
    ours: BTreeSet<u64>,
    /// Not signed by enough.
    open: BTreeSet<u64>,
    /// Every machine that they are over still goes by them.
    whole: BTreeSet<u64>,
}

impl Standing {
    pub fn is_ours(&self, serial: u64) -> bool {
        self.ours.contains(&serial)
    }

    pub fn is_open(&self, serial: u64) -> bool {
        self.open.contains(&serial)
    }

    pub fn is_whole(&self, serial: u64) -> bool {
        self.whole.contains(&serial)
    }
}

impl Statements {
    /// Reads those that are not known yet. One that makes no sense is nobody's.
    pub async fn judge(&self, hall: &Hall, heads: &[WantedHead]) -> Result<Standing, ReadError> {
        let mut counts: BTreeMap<u64, (u32, &WantedHead)> = BTreeMap::new();
        for head in heads {
            counts.entry(head.serial).or_insert((0, head)).0 += 1;
        }
        locked(&self.known).retain(|serial, _| counts.contains_key(serial));
        let (document, instant) = (hall.identity.document(), now());
        let (mut standing, key) = (Standing::default(), hall.identity.key_id());
        for (serial, (count, head)) in counts {
            let known = locked(&self.known).get(&serial).cloned();
            let judged = match known {
                Some(judged) => judged,
                None => {
                    let row = hall.store.wanted_set(head.computer).await?;
                    let row = row.filter(|row| row.serial == serial);
                    let read = row.and_then(|row| Judged::read(&row.envelope).ok());
                    let Some(judged) = read.map(Arc::new) else { continue };
                    locked(&self.known).insert(serial, judged.clone());
                    judged
                }
            };
            if judged.key == key {
                standing.ours.insert(serial);
            }
            if signatures::missing(&document, &judged.signed, instant) > 0 {
                standing.open.insert(serial);
                // It may have been signed by the next time.
                locked(&self.known).remove(&serial);
            }
            if judged.count == count {
                standing.whole.insert(serial);
            }
        }
        Ok(standing)
    }

    /// Whether enough have signed what a machine is to have.
    pub fn is_signed(&self, hall: &Hall, row: &Told) -> bool {
        let document = hall.identity.document();
        if !signatures::wants_others(&document) {
            return true;
        }
        let signed = Signed::decode(&row.envelope);
        signed.is_ok_and(|signed| signatures::missing(&document, &signed, now()) == 0)
    }

    pub fn withhold(&self, serial: u64) {
        locked(&self.withheld).insert(serial);
    }

    /// Those that were withheld and need not be any more.
    pub fn release(&self, standing: &Standing) -> BTreeSet<u64> {
        let mut withheld = locked(&self.withheld);
        let (open, freed) = withheld.iter().partition(|serial| standing.is_open(**serial));
        *withheld = open;
        freed
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
