//! The item list: this computer, a drive, folders, the file; each by its short and its long name.

use super::{guid, western};

const COMPUTER: [u8; 16] =
    guid(0x20D0_4FE0, 0x3AEA, 0x1069, [0xA2, 0xD8, 0x08, 0, 0x2B, 0x30, 0x30, 0x9D]);

const ROOT_ITEM: [u8; 2] = [0x1F, 0x50];
const DRIVE_ITEM: u8 = 0x2F;
/// Bytes of a drive's item behind its kind.
const DRIVE_SIZE: usize = 22;
const FOLDER_ITEM: u8 = 0x31;
const FILE_ITEM: u8 = 0x32;

/// The block that holds the long name, as Windows XP wrote it.
const LONG_NAME: u32 = 0xBEEF_0004;
const LONG_NAME_VERSION: u16 = 3;
const LONG_NAME_OFFSET: u16 = 0x14;

/// `None` for what is no path below a drive, or has a name beyond what fits.
pub(super) fn list(path: &str, is_folder: bool) -> Option<Vec<u8>> {
    let (drive, rest) = path.split_at_checked(3)?;
    let mut list = item(&[&ROOT_ITEM[..], &COMPUTER].concat())?;
    let mut name = drive.as_bytes().to_vec();
    name.resize(DRIVE_SIZE, 0);
    list.extend(item(&[&[DRIVE_ITEM][..], &name].concat())?);
    let names: Vec<&str> = rest.split('\\').filter(|name| !name.is_empty()).collect();
    for (at, name) in names.iter().enumerate() {
        let is_folder = is_folder || at + 1 < names.len();
        list.extend(item(&entry(name, is_folder))?);
    }
    list.extend([0, 0]);
    Some(list)
}

fn item(content: &[u8]) -> Option<Vec<u8>> {
    let size = u16::try_from(content.len() + 2).ok()?;
    Some([&size.to_le_bytes()[..], content].concat())
}

fn entry(name: &str, is_folder: bool) -> Vec<u8> {
    let (kind, attributes) = if is_folder { (FOLDER_ITEM, 0x10u16) } else { (FILE_ITEM, 0x20) };
    let mut entry = vec![kind, 0];
    // Size and time, which nobody needs to find it.
    entry.extend([0; 8]);
    entry.extend(attributes.to_le_bytes());
    entry.extend(western(name));
    entry.push(0);
    if !entry.len().is_multiple_of(2) {
        entry.push(0);
    }
    // Counted from the item's beginning, which is its size.
    let begin = entry.len() + 2;
    let long: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let size = LONG_NAME_OFFSET as usize + long.len() + 2;
    entry.extend((size as u16).to_le_bytes());
    entry.extend(LONG_NAME_VERSION.to_le_bytes());
    entry.extend(LONG_NAME.to_le_bytes());
    // Two times, again; where the long name begins; no name in another language.
    entry.extend([0; 8]);
    entry.extend(LONG_NAME_OFFSET.to_le_bytes());
    entry.extend([0; 2]);
    entry.extend(long);
    entry.extend((begin as u16).to_le_bytes());
    entry
}
