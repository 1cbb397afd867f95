//! The few kinds of values our formats consist of. Little-endian; texts say their length.

use model::Digest;

use crate::path::DepotPath;

/// Bytes that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct BytesError {
    what: &'static str,
}

pub(crate) const fn wrong(what: &'static str) -> BytesError {
    BytesError { what }
}

#[derive(Debug, Default)]
pub(crate) struct Output(pub(crate) Vec<u8>);

impl Output {
    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Texts are names, paths and link targets, all limited long before 4 GiB.
    pub(crate) fn text(&mut self, text: &str) {
        self.blob(text.as_bytes());
    }

    pub(crate) fn blob(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    pub(crate) fn count(&mut self, count: usize) {
        self.raw(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.raw(&value.to_le_bytes());
    }

    pub(crate) fn digest(&mut self, digest: &Digest) {
        self.raw(digest.as_bytes());
    }
}

#[derive(Debug)]
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

const SHORT: BytesError = wrong("it ends too early");

impl<'a> Input<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], BytesError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], BytesError> {
        self.take(N)?.try_into().map_err(|_| SHORT)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, BytesError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn flag(&mut self) -> Result<bool, BytesError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(wrong("neither yes nor no")),
        }
    }

    pub(crate) fn u32(&mut self) -> Result<u32, BytesError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, BytesError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, BytesError> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    pub(crate) fn digest(&mut self) -> Result<Digest, BytesError> {
        Ok(Digest::from_bytes(self.array()?))
    }

    pub(crate) fn blob(&mut self) -> Result<&'a [u8], BytesError> {
        let len = self.u32()?;
        self.take(usize::try_from(len).map_err(|_| SHORT)?)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, BytesError> {
        std::str::from_utf8(self.blob()?).map_err(|_| wrong("a text that is not UTF-8"))
    }

    /// Only in the form in which it is written.
    pub(crate) fn path(&mut self) -> Result<DepotPath, BytesError> {
        let text = self.text()?;
        let path: DepotPath = text.parse().map_err(|_| wrong("a path that is not allowed"))?;
        if path.as_str() == text { Ok(path) } else { Err(wrong("a path in an unusual form")) }
    }

    pub(crate) fn version(&mut self, expected: u8) -> Result<(), BytesError> {
        if self.byte()? == expected { Ok(()) } else { Err(wrong("it has another version")) }
    }

    pub(crate) fn end(&self) -> Result<(), BytesError> {
        if self.0.is_empty() { Ok(()) } else { Err(wrong("something follows it")) }
    }
}
