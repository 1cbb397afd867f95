//! What a program wrote, as text: UTF-8, else UTF-16 by its mark, else the console's code page.
//!
//! The bytes themselves are kept by whoever collects them; this is for people and templates.

/// Output as text. Never fails: what cannot be read becomes U+FFFD.
///
/// Output that was cut inside a character is still taken for UTF-8.
pub fn decode_output(bytes: &[u8]) -> String {
    if let Some(text) = as_utf8(bytes) {
        return text;
    }
    match bytes {
        [0xff, 0xfe, rest @ ..] => from_utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => from_utf16(rest, u16::from_be_bytes),
        _ => from_code_page(bytes),
    }
}

/// UTF-8, allowing for a cut within the first and the last character if others prove the encoding.
fn as_utf8(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(text.to_owned());
    }
    let cut = bytes.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
    let whole = &bytes[cut..];
    let valid = match std::str::from_utf8(whole) {
        Ok(text) => text,
        // The length of an error is unknown when the input ends within a character.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&whole[..error.valid_up_to()]).unwrap_or("")
        }
        Err(_) => "",
    };
    (!valid.is_ascii()).then(|| String::from_utf8_lossy(bytes).into_owned())
}

fn from_utf16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(not(windows))]
fn from_code_page(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(windows)]
fn from_code_page(bytes: &[u8]) -> String {
    code_page::to_text(bytes).unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned())
}

/// The number of the code page that programs take text files for which do not say theirs; Linux has
/// none.
pub fn ansi_code_page() -> Option<u32> {
    #[cfg(windows)]
    return Some(code_page::of_files());
    #[cfg(not(windows))]
    None
}

#[cfg(windows)]
#[allow(unsafe_code)] // Win32 converts from code pages; nothing safe in the standard library does.
mod code_page {
    use windows_sys::Win32::Globalization::{GetACP, GetOEMCP, MultiByteToWideChar};
    use windows_sys::Win32::System::Console::GetConsoleOutputCP;

    pub(super) fn of_files() -> u32 {
        // SAFETY: it takes nothing and answers a number.
        unsafe { GetACP() }
    }

    pub(super) fn to_text(bytes: &[u8]) -> Option<String> {
        let len = i32::try_from(bytes.len()).ok()?;
        // SAFETY: both calls take no arguments; without a console the first answers 0.
        let page = match unsafe { GetConsoleOutputCP() } {
            // SAFETY: as above.
            0 => unsafe { GetOEMCP() },
            page => page,
        };
        // SAFETY: the input is `len` readable bytes; no output is written when its size is 0.
        let needed =
            unsafe { MultiByteToWideChar(page, 0, bytes.as_ptr(), len, std::ptr::null_mut(), 0) };
        let mut wide = vec![0u16; usize::try_from(needed).ok()?];
        // SAFETY: the output has room for the `needed` units just asked for.
        let written =
            unsafe { MultiByteToWideChar(page, 0, bytes.as_ptr(), len, wide.as_mut_ptr(), needed) };
        wide.truncate(usize::try_from(written).ok()?);
        Some(String::from_utf16_lossy(&wide))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_become_text() {
        for (bytes, expect) in [
            (&b"plain"[..], "plain"),
            ("grün".as_bytes(), "grün"),
            (b"\xef\xbb\xbfmarked", "marked"),
            (b"\xff\xfeh\0i\0", "hi"),
            (b"\xfe\xff\0h\0i", "hi"),
            ("ägrün".as_bytes().split_at(5).0, "ägr\u{fffd}"),
            ("äöü".as_bytes().split_at(1).1, "\u{fffd}öü"),
            (b"", ""),
        ] {
            assert_eq!(decode_output(bytes), expect, "{bytes:?}");
        }
    }
}
