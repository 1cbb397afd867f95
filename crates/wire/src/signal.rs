//! The signal of presence: one datagram in which an agent says "I am here", signed by its key.
//!
//! ```text
//! "DHP1"  computer 16  key id 16  start 8  sequence 8  instant 8  port 2  signature 64
//! ```
//!
//! 126 bytes, numbers big-endian. `start` counts the starts of the agent and `sequence` the signals
//! since, so that of two signals the later one is known; whoever hears an old one a second time
//! learns nothing. The instant is the sender's clock. The signature covers all before it, under a
//! name of its own, so that no signature made for anything else fits. A signal proves that the
//! holder of the key was there, and neither where it is now nor that it may do anything.

use model::{ComputerId, Timestamp};
use trust::{KeyId, Signature, SigningKey, VerifyingKey};

/// All signals are that long.
pub const SIGNAL_BYTES: usize = 126;

const MAGIC: &[u8; 4] = b"DHP1";
const SAID_BYTES: usize = SIGNAL_BYTES - 64;
const PURPOSE: &[u8] = b"deskhand signal of presence\0";

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    pub computer: ComputerId,
    pub key: KeyId,
    /// How often the agent was started.
    pub start: u64,
    /// Counts signals since that start.
    pub sequence: u64,
    /// By the sender's clock.
    pub at: Timestamp,
    /// Where the agent listens for servers; 0 where it does not.
    pub port: u16,
}

/// A signal that came from somewhere; what it says is believed once it is proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub signal: Signal,
    said: [u8; SAID_BYTES],
    signature: Signature,
}

impl Signal {
    pub fn sign(&self, key: &SigningKey) -> [u8; SIGNAL_BYTES] {
        let mut bytes = [0; SIGNAL_BYTES];
        let mut rest = bytes.as_mut_slice();
        let mut put = |part: &[u8]| {
            let (front, back) = std::mem::take(&mut rest).split_at_mut(part.len());
            front.copy_from_slice(part);
            rest = back;
        };
        put(MAGIC);
        put(self.computer.as_bytes());
        put(self.key.as_bytes());
        put(&self.start.to_be_bytes());
        put(&self.sequence.to_be_bytes());
        put(&self.at.as_millis().to_be_bytes());
        put(&self.port.to_be_bytes());
        let signature = key.sign(&signed(&bytes[..SAID_BYTES]));
        bytes[SAID_BYTES..].copy_from_slice(signature.as_bytes());
        bytes
    }
}

impl Heard {
    /// Reads a datagram; `None` for anything that is no signal of this version.
    pub fn read(datagram: &[u8]) -> Option<Self> {
        let bytes: &[u8; SIGNAL_BYTES] = datagram.try_into().ok()?;
        let (said, signature) = bytes.split_first_chunk::<SAID_BYTES>()?;
        let rest = said.strip_prefix(MAGIC.as_slice())?;
        let (computer, rest) = rest.split_first_chunk::<16>()?;
        let (key, rest) = rest.split_first_chunk::<16>()?;
        let (start, rest) = rest.split_first_chunk::<8>()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let (at, rest) = rest.split_first_chunk::<8>()?;
        let port: &[u8; 2] = rest.try_into().ok()?;
        let signal = Signal {
            computer: ComputerId::from_bytes(*computer),
            key: KeyId::from_bytes(*key),
            start: u64::from_be_bytes(*start),
            sequence: u64::from_be_bytes(*sequence),
            at: Timestamp::from_millis(i64::from_be_bytes(*at)),
            port: u16::from_be_bytes(*port),
        };
        let signature = Signature::from_bytes(signature.try_into().ok()?);
        Some(Self { signal, said: *said, signature })
    }

    /// Whether the holder of `key` has said it.
    pub fn is_proved_by(&self, key: &VerifyingKey) -> bool {
        self.signal.key == key.id() && key.has_signed(&signed(&self.said), &self.signature)
    }
}

fn signed(said: &[u8]) -> Vec<u8> {
    [PURPOSE, said].concat()
}
