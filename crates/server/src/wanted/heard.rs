//! What agents have said since this server started of the sets that they go by.
//!
//! An agent takes no set with a smaller serial than the one it has. Where the database was brought
//! back from some time ago, only the agents know how far the serials had come.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::ComputerId;

/// Serials beyond this are nothing that a server of ours has signed.
const SERIAL_MAX: u64 = u64::MAX >> 2;

#[derive(Default)]
pub(super) struct Heard {
    said: Mutex<HashMap<ComputerId, Said>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    serial: u64,
    refused: Option<String>,
}

impl Heard {
    fn said(&self) -> MutexGuard<'_, HashMap<ComputerId, Said>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what an agent says; whether it has not just said the same.
    pub(super) fn note(&self, computer: ComputerId, serial: u64, refused: Option<&str>) -> bool {
        let serial = if serial <= SERIAL_MAX { serial } else { 0 };
        let said = Said { serial, refused: refused.map(str::to_owned) };
        let mut all = self.said();
        let known = all.entry(computer).or_default();
        let is_news = *known != said;
        *known = said;
        is_news
    }

    /// By which the set is known that this machine goes by, as far as it has said so.
    pub(super) fn serial(&self, computer: ComputerId) -> u64 {
        self.said().get(&computer).map_or(0, |said| said.serial)
    }

    pub(super) fn last_serial(&self) -> u64 {
        self.said().values().map(|said| said.serial).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_each_counts() {
        let heard = Heard::default();
        let [one, other] = [1, 2].map(|n| ComputerId::from_bytes([n; 16]));
        assert_eq!((heard.serial(one), heard.last_serial()), (0, 0));
        for (computer, serial, refused, is_news) in [
            (one, 7, None, true),
            (one, 7, None, false),
            (one, 7, Some("older"), true),
            (one, 7, Some("older"), false),
            (other, 9, None, true),
            (other, u64::MAX, None, true),
        ] {
            assert_eq!(heard.note(computer, serial, refused), is_news, "{serial} {refused:?}");
        }
        assert_eq!((heard.serial(one), heard.serial(other), heard.last_serial()), (7, 0, 7));
    }
}
