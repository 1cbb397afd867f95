//! Windows shortcuts, `.lnk` (AP-03; MS-SHLLINK; REFERENCE 3.3).
//!
//! Owns their bytes. What is written depends on nothing but the [`Link`]: no times, no ids, nothing
//! of the machine, so the same shortcut is always the same file. How a target is said depends on
//! what it is:
//!
//! * A path with a drive: an item list and the link info, so that every reader finds it.
//! * A path on a server: the link info, and the environment block as it is too long for none.
//! * A path with `%VARIABLES%`: the environment block alone; Windows expands it at each use.

mod items;
mod read;
mod write;

pub use read::read;
pub use write::{WriteError, write};

use crate::Window;

/// Characters of a path in an environment block (UTF-16, without the end).
pub(crate) const BLOCK_CHARS_MAX: usize = 259;

/// What a shortcut says. Texts that are empty are not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// `C:\…`, `\\server\share\…`, or with `%VARIABLES%`.
    pub target: String,
    /// The target is a folder, not a file.
    pub is_folder: bool,
    pub arguments: String,
    pub working_folder: String,
    pub description: String,
    /// A file, and which of the icons in it.
    pub icon: Option<(String, u32)>,
    pub window: Window,
    /// Asks for an administrator's rights when it is opened.
    pub as_administrator: bool,
}

/// Class id that every shortcut names, as it stands in the file.
const CLASS: [u8; 16] = guid(0x0002_1401, 0, 0, [0xC0, 0, 0, 0, 0, 0, 0, 0x46]);

const HEADER_SIZE: u32 = 0x4C;
const ENVIRONMENT: u32 = 0xA000_0001;
const ICON_ENVIRONMENT: u32 = 0xA000_0007;
/// Of both environment blocks.
const BLOCK_SIZE: usize = 0x314;
const BLOCK_ANSI: usize = 260;

/// Bits of the header.
mod flag {
    pub const ITEM_LIST: u32 = 1;
    pub const LINK_INFO: u32 = 1 << 1;
    pub const NAME: u32 = 1 << 2;
    pub const RELATIVE_PATH: u32 = 1 << 3;
    pub const WORKING_FOLDER: u32 = 1 << 4;
    pub const ARGUMENTS: u32 = 1 << 5;
    pub const ICON: u32 = 1 << 6;
    pub const UNICODE: u32 = 1 << 7;
    pub const NO_LINK_INFO: u32 = 1 << 8;
    pub const ENVIRONMENT: u32 = 1 << 9;
    pub const AS_ADMINISTRATOR: u32 = 1 << 13;
    pub const ICON_ENVIRONMENT: u32 = 1 << 14;
}

/// In the code page of Western Windows, with `_` for what it lacks.
fn western(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match encoding_rs::WINDOWS_1252.encode(c.encode_utf8(&mut [0; 4])) {
            (encoded, _, false) => bytes.extend_from_slice(&encoded),
            _ => bytes.push(b'_'),
        }
    }
    bytes
}

const fn guid(a: u32, b: u16, c: u16, d: [u8; 8]) -> [u8; 16] {
    let (a, b, c) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
    [a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]]
}

#[cfg(test)]
mod tests;
