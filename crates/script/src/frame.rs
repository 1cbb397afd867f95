//! Frames over a pipe: four bytes of length, least first, then JSON.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A frame's JSON is no longer.
pub const FRAME_BYTES_MAX: usize = 16 << 20;

/// Why bytes are no frames.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of {length} bytes, more than {FRAME_BYTES_MAX}")]
    TooLong { length: usize },
    #[error("a frame that makes no sense: {0}")]
    Nonsense(#[from] serde_json::Error),
    #[error("the bytes end in the middle of a frame")]
    Cut,
}

/// One message as bytes.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - 4;
    if length > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong { length });
    }
    let head = u32::try_from(length).map_err(|_| FrameError::TooLong { length })?;
    bytes[..4].copy_from_slice(&head.to_le_bytes());
    Ok(bytes)
}

/// Takes messages out of bytes as they come, however they are cut.
#[derive(Debug)]
pub struct Frames<T> {
    bytes: Vec<u8>,
    what: PhantomData<T>,
}

impl<T> Default for Frames<T> {
    fn default() -> Self {
        Self { bytes: Vec::new(), what: PhantomData }
    }
}

impl<T: DeserializeOwned> Frames<T> {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, if it is there whole.
    pub fn take(&mut self) -> Result<Option<T>, FrameError> {
        let Some((head, rest)) = self.bytes.split_first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(u32::from_le_bytes(*head)).unwrap_or(usize::MAX);
        if length > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong { length });
        }
        let Some(json) = rest.get(..length) else { return Ok(None) };
        let message = serde_json::from_slice(json)?;
        self.bytes.drain(..4 + length);
        Ok(Some(message))
    }

    /// That nothing is left, when no more bytes will come.
    pub fn finish(&self) -> Result<(), FrameError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(FrameError::Cut) }
    }
}
