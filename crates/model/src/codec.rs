//! The few rules by which our own records become bytes: little-endian numbers, texts with their
//! length before them, a byte for a switch. No lengths are trusted: reading past the end is an
//! error.

use std::collections::BTreeMap;

use crate::{ComputerId, DeploymentId, Digest, RunId, Span, Timestamp};

/// Bytes that do not hold what was expected of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(pub &'static str);

/// Appends values to bytes.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes.push(value);
        self
    }

    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub fn switch(&mut self, value: bool) -> &mut Self {
        self.u8(u8::from(value))
    }

    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub fn len(&mut self, length: usize) -> &mut Self {
        self.u32(u32::try_from(length).unwrap_or(u32::MAX))
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.len(bytes.len()).raw(bytes)
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    pub fn time(&mut self, at: Timestamp) -> &mut Self {
        self.raw(&at.as_millis().to_le_bytes())
    }

    pub fn span(&mut self, span: Span) -> &mut Self {
        self.u64(span.as_millis())
    }

    pub fn digest(&mut self, digest: &Digest) -> &mut Self {
        self.raw(digest.as_bytes())
    }

    pub fn run(&mut self, id: RunId) -> &mut Self {
        self.raw(id.as_bytes())
    }

    pub fn computer(&mut self, id: ComputerId) -> &mut Self {
        self.raw(id.as_bytes())
    }

    pub fn deployment(&mut self, id: DeploymentId) -> &mut Self {
        self.raw(id.as_bytes())
    }

    pub fn option<T>(&mut self, value: Option<T>, put: impl Fn(&mut Self, T)) -> &mut Self {
        self.switch(value.is_some());
        if let Some(value) = value {
            put(self, value);
        }
        self
    }

    pub fn list<T>(&mut self, values: &[T], put: impl Fn(&mut Self, &T)) -> &mut Self {
        self.len(values.len());
        values.iter().for_each(|value| put(self, value));
        self
    }

    pub fn map(&mut self, map: &BTreeMap<String, String>) -> &mut Self {
        self.len(map.len());
        for (name, value) in map {
            self.text(name).text(value);
        }
        self
    }
}

/// Takes values off the front of bytes.
#[derive(Debug)]
pub struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Nothing may be left over.
    pub fn end(&self) -> Result<(), CodecError> {
        if self.rest.is_empty() { Ok(()) } else { Err(CodecError("bytes are left over")) }
    }

    pub fn raw(&mut self, count: usize) -> Result<&'b [u8], CodecError> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or(CodecError("it is cut short"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        self.raw(N)?.try_into().map_err(|_| CodecError("it is cut short"))
    }

    pub fn u8(&mut self) -> Result<u8, CodecError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn u32(&mut self) -> Result<u32, CodecError> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, CodecError> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn switch(&mut self) -> Result<bool, CodecError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(CodecError("a switch is neither on nor off")),
        }
    }

    pub fn bytes(&mut self) -> Result<&'b [u8], CodecError> {
        let length = self.u32()? as usize;
        self.raw(length)
    }

    pub fn text(&mut self) -> Result<String, CodecError> {
        let bytes = self.bytes()?;
        String::from_utf8(bytes.to_vec()).map_err(|_| CodecError("a text is not UTF-8"))
    }

    pub fn time(&mut self) -> Result<Timestamp, CodecError> {
        self.array().map(i64::from_le_bytes).map(Timestamp::from_millis)
    }

    pub fn span(&mut self) -> Result<Span, CodecError> {
        self.u64().map(Span::from_millis)
    }

    pub fn digest(&mut self) -> Result<Digest, CodecError> {
        self.array().map(Digest::from_bytes)
    }

    pub fn run(&mut self) -> Result<RunId, CodecError> {
        self.array().map(RunId::from_bytes)
    }

    pub fn computer(&mut self) -> Result<ComputerId, CodecError> {
        self.array().map(ComputerId::from_bytes)
    }

    pub fn deployment(&mut self) -> Result<DeploymentId, CodecError> {
        self.array().map(DeploymentId::from_bytes)
    }

    pub fn option<T, E: From<CodecError>>(
        &mut self,
        read: impl Fn(&mut Self) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        if self.switch()? { read(self).map(Some) } else { Ok(None) }
    }

    pub fn list<T, E: From<CodecError>>(
        &mut self,
        read: impl Fn(&mut Self) -> Result<T, E>,
    ) -> Result<Vec<T>, E> {
        let count = self.u32()?;
        (0..count).map(|_| read(self)).collect()
    }

    pub fn map(&mut self) -> Result<BTreeMap<String, String>, CodecError> {
        let pairs = self.list(|reader| Ok::<_, CodecError>((reader.text()?, reader.text()?)))?;
        Ok(pairs.into_iter().collect())
    }
}
