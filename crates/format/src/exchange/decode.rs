//! Bytes of files whose encoding is not told.

use std::borrow::Cow;

use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::{BYTES_MAX, ReadError};

/// By its mark; else UTF-8 where it is that, else the code page of Western Windows.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, ReadError> {
    if bytes.len() > BYTES_MAX {
        return Err(ReadError::Large(bytes.len()));
    }
    let marked = encoding_rs::Encoding::for_bom(bytes);
    if let Some((encoding, length)) = marked
        && [UTF_8, UTF_16LE, UTF_16BE].contains(&encoding)
    {
        let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes[length..]);
        return text.ok_or(ReadError::NoText);
    }
    // Control characters but line ends, tabs and the end that old editors wrote.
    let is_binary =
        |byte: &u8| *byte < 0x20 && !matches!(*byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1a);
    if bytes.iter().any(is_binary) {
        return Err(ReadError::NoText);
    }
    Ok(match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    })
}
