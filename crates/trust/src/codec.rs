//! The binary form of everything signed or hashed: one value, one encoding.
//!
//! Numbers are big-endian and of fixed width, lengths are minimal base-128, maps are strictly
//! ascending, nothing may follow the end. Owns no format: the types describe themselves.

use std::collections::BTreeMap;

use model::Digest;

use crate::VerifyingKey;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the {what} ends too early")]
    Truncated { what: &'static str },
    #[error("the {what} is followed by {count} bytes that do not belong to it")]
    Trailing { what: &'static str, count: usize },
    #[error("the {what} has version {version}, which this program does not know")]
    VersionUnknown { what: &'static str, version: u8 },
    #[error("the {what} is not valid: {why}")]
    Invalid { what: &'static str, why: &'static str },
}

/// Reads from the front; every error names what is being read.
pub(crate) struct Reader<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, rest: bytes }
    }

    pub(crate) const fn invalid(&self, why: &'static str) -> DecodeError {
        DecodeError::Invalid { what: self.what, why }
    }

    pub(crate) fn version(&mut self, known: u8) -> Result<(), DecodeError> {
        match self.u8()? {
            version if version == known => Ok(()),
            version => Err(DecodeError::VersionUnknown { what: self.what, version }),
        }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or(DecodeError::Truncated { what: self.what })?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) =
            self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated { what: self.what })?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn digest(&mut self) -> Result<Digest, DecodeError> {
        self.array().map(Digest::from_bytes)
    }

    pub(crate) fn key(&mut self) -> Result<VerifyingKey, DecodeError> {
        let bytes = self.array()?;
        VerifyingKey::from_bytes(&bytes)
            .map_err(|_| self.invalid("a key in it is not an Ed25519 key"))
    }

    pub(crate) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match self.u8()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(self.invalid("an optional field is marked neither absent nor present")),
        }
    }

    /// A length that the rest can still hold, so that nothing is allocated on a promise.
    pub(crate) fn length(&mut self) -> Result<usize, DecodeError> {
        let mut value = 0u64;
        for place in 0..5 {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                if byte == 0 && place > 0 {
                    return Err(self.invalid("a length is not written in its shortest form"));
                }
                return usize::try_from(value)
                    .ok()
                    .filter(|length| *length <= self.rest.len())
                    .ok_or(DecodeError::Truncated { what: self.what });
            }
        }
        Err(self.invalid("a length is too large"))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.length()?;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, DecodeError> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.invalid("a text is not UTF-8"))
    }

    pub(crate) fn texts(&mut self) -> Result<BTreeMap<String, String>, DecodeError> {
        let count = self.length()?;
        let mut texts = BTreeMap::new();
        for _ in 0..count {
            let (name, value) = (self.text()?, self.text()?);
            if texts.last_key_value().is_some_and(|(last, _): (&String, _)| name <= last.as_str()) {
                return Err(self.invalid("its names are not in ascending order"));
            }
            texts.insert(name.to_owned(), value.to_owned());
        }
        Ok(texts)
    }

    pub(crate) fn end(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(DecodeError::Trailing { what: self.what, count }),
        }
    }
}

/// Appends; the mirror of [`Reader`].
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn versioned(version: u8) -> Self {
        Self(vec![version])
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn digest(self, digest: Digest) -> Self {
        self.raw(digest.as_bytes())
    }

    pub(crate) fn optional(self, bytes: Option<&[u8]>) -> Self {
        match bytes {
            None => self.raw(&[0]),
            Some(bytes) => self.raw(&[1]).raw(bytes),
        }
    }

    pub(crate) fn length(mut self, length: usize) -> Self {
        let mut rest = length;
        while rest >= 0x80 {
            self.0.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
        self
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        self.length(bytes.len()).raw(bytes)
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn texts(self, texts: &BTreeMap<String, String>) -> Self {
        texts
            .iter()
            .fold(self.length(texts.len()), |writer, (name, value)| writer.text(name).text(value))
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_one_form() {
        for length in [0, 1, 127, 128, 300, 16_384] {
            let encoded = Writer::versioned(1).bytes(&vec![7; length]).finish();
            let mut reader = Reader::new("test", &encoded);
            reader.version(1).unwrap();
            assert_eq!(reader.bytes().unwrap().len(), length);
            reader.end().unwrap();
        }
        assert!(Reader::new("test", &[0x80, 0x00]).bytes().is_err());
        assert!(Reader::new("test", &[0xff, 0xff, 0xff, 0xff, 0xff]).bytes().is_err());
        assert!(Reader::new("test", &[2, 0]).bytes().is_err());
    }
}
