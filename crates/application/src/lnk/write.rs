//! From what a shortcut says to its bytes.

use super::{
    BLOCK_ANSI, BLOCK_CHARS_MAX, BLOCK_SIZE, CLASS, ENVIRONMENT, HEADER_SIZE, ICON_ENVIRONMENT,
    Link, flag, items, western,
};
use crate::Window;

const FILE: u32 = 0x20;
const FOLDER: u32 = 0x10;

const INFO_HEADER: u32 = 0x24;
const ON_VOLUME: u32 = 1;
const ON_NETWORK: u32 = 2;
const FIXED_DRIVE: u32 = 3;
const HAS_NET_TYPE: u32 = 2;
/// Provider of Windows shares (`WNNC_NET_LANMAN`).
const LANMAN: u32 = 0x0002_0000;

/// Why a shortcut cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    #[error(
        "`{0}` cannot be the target of a shortcut: give a full path (`C:\\…`, `\\\\server\\share\\…`), \
         or one that begins with `%VARIABLE%`"
    )]
    Target(String),
    #[error("`{text}` is too long for a shortcut, which holds {max} characters of it")]
    TooLong { text: String, max: usize },
    #[error("`{0}` contains a zero character or a line end, which no shortcut can hold")]
    Character(String),
}

enum Target<'a> {
    Drive(&'a str),
    Share { share: &'a str, rest: &'a str },
    Variable(&'a str),
}

pub fn write(link: &Link) -> Result<Vec<u8>, WriteError> {
    let icon = link.icon.as_ref().map(|(path, _)| path.as_str()).unwrap_or_default();
    let texts =
        [&link.description, "", &link.working_folder, &link.arguments, icon].map(String::from);
    for text in texts.iter().chain([&link.target]) {
        check(text)?;
    }
    let target = target(&link.target)?;
    let mut flags = flag::UNICODE;
    let mut body = Vec::new();
    let mut environment = None;
    match target {
        Target::Drive(path) => {
            let list = items::list(path, link.is_folder).ok_or_else(|| too_long(path, 0x7FFF))?;
            let size = u16::try_from(list.len()).map_err(|_| too_long(path, 0x7FFF))?;
            body.extend(size.to_le_bytes());
            body.extend(list);
            body.extend(volume_info(path));
            flags |= flag::ITEM_LIST | flag::LINK_INFO;
        }
        Target::Share { share, rest } => {
            body.extend(network_info(share, rest));
            flags |= flag::LINK_INFO;
            environment = Some(&link.target).filter(|path| length(path) <= BLOCK_CHARS_MAX);
        }
        Target::Variable(path) => {
            if length(path) > BLOCK_CHARS_MAX {
                return Err(too_long(path, BLOCK_CHARS_MAX));
            }
            environment = Some(&link.target);
            flags |= flag::NO_LINK_INFO;
        }
    }
    let kinds =
        [flag::NAME, flag::RELATIVE_PATH, flag::WORKING_FOLDER, flag::ARGUMENTS, flag::ICON];
    for (text, kind) in texts.iter().zip(kinds).filter(|(text, _)| !text.is_empty()) {
        flags |= kind;
        body.extend((length(text) as u16).to_le_bytes());
        body.extend(wide(text));
    }
    if let Some(path) = environment {
        flags |= flag::ENVIRONMENT;
        body.extend(block(ENVIRONMENT, path));
    }
    if icon.contains('%') && length(icon) <= BLOCK_CHARS_MAX {
        flags |= flag::ICON_ENVIRONMENT;
        body.extend(block(ICON_ENVIRONMENT, icon));
    }
    body.extend([0; 4]);
    if link.as_administrator {
        flags |= flag::AS_ADMINISTRATOR;
    }
    Ok([header(link, flags), body].concat())
}

fn check(text: &str) -> Result<(), WriteError> {
    if text.contains(['\0', '\r', '\n']) {
        return Err(WriteError::Character(text.to_owned()));
    }
    if length(text) > usize::from(u16::MAX) {
        return Err(too_long(text, usize::from(u16::MAX)));
    }
    Ok(())
}

fn too_long(text: &str, max: usize) -> WriteError {
    WriteError::TooLong { text: text.to_owned(), max }
}

fn target(path: &str) -> Result<Target<'_>, WriteError> {
    let wrong = || WriteError::Target(path.to_owned());
    if let Some(rest) = path.strip_prefix(r"\\") {
        let (server, below) = rest.split_once('\\').ok_or_else(wrong)?;
        let share_length = below.find('\\').unwrap_or(below.len());
        if server.is_empty() || server == "?" || server == "." || share_length == 0 {
            return Err(wrong());
        }
        let (share, rest) = path.split_at(2 + server.len() + 1 + share_length);
        return Ok(Target::Share { share, rest: rest.trim_start_matches('\\') });
    }
    if path.contains('%') {
        return Ok(Target::Variable(path));
    }
    match path.as_bytes() {
        [drive, b':', b'\\', ..] if drive.is_ascii_alphabetic() => Ok(Target::Drive(path)),
        _ => Err(wrong()),
    }
}

fn header(link: &Link, flags: u32) -> Vec<u8> {
    let show: u32 = match link.window {
        Window::Normal => 1,
        Window::Maximized => 3,
        Window::Minimized => 7,
    };
    let icon = link.icon.as_ref().map_or(0, |(_, number)| *number);
    let mut header = HEADER_SIZE.to_le_bytes().to_vec();
    header.extend(CLASS);
    header.extend(flags.to_le_bytes());
    header.extend(if link.is_folder { FOLDER } else { FILE }.to_le_bytes());
    // Three times and the target's size: they help to find a target that was moved, which is not
    // what a distributed shortcut is for.
    header.extend([0; 28]);
    header.extend(icon.to_le_bytes());
    header.extend(show.to_le_bytes());
    // Hot key and what is reserved.
    header.extend([0; 12]);
    header
}

/// A path on a fixed disk.
fn volume_info(path: &str) -> Vec<u8> {
    let mut volume = Vec::new();
    for word in [0x11, FIXED_DRIVE, 0, 0x10] {
        volume.extend(u32::to_le_bytes(word));
    }
    volume.push(0);
    let path_at = INFO_HEADER + volume.len() as u32;
    let content = [volume, ansi(path), vec![0]].concat();
    let suffix_at = INFO_HEADER + content.len() as u32 - 1;
    link_info(ON_VOLUME, [INFO_HEADER, path_at, 0, suffix_at], content, path, "")
}

fn network_info(share: &str, rest: &str) -> Vec<u8> {
    const HEADER: u32 = 0x1C;
    let name = ansi(share);
    let wide_at = HEADER + name.len() as u32;
    let wide_share = [wide(share), vec![0; 2]].concat();
    let size = wide_at + wide_share.len() as u32;
    let mut network = Vec::new();
    for word in [size, HAS_NET_TYPE, HEADER, 0, LANMAN, wide_at, 0] {
        network.extend(word.to_le_bytes());
    }
    network.extend(name);
    network.extend(wide_share);
    let suffix_at = INFO_HEADER + network.len() as u32;
    let content = [network, ansi(rest)].concat();
    link_info(ON_NETWORK, [0, 0, INFO_HEADER, suffix_at], content, "", rest)
}

/// `offsets`: volume, local path, network, what is below.
fn link_info(kind: u32, offsets: [u32; 4], content: Vec<u8>, path: &str, rest: &str) -> Vec<u8> {
    let path = [wide(path), vec![0; 2]].concat();
    let rest = [wide(rest), vec![0; 2]].concat();
    let wide_at = INFO_HEADER + content.len() as u32;
    let rest_at = wide_at + path.len() as u32;
    let size = rest_at + rest.len() as u32;
    let wide_at = if kind == ON_VOLUME { wide_at } else { 0 };
    let mut info = Vec::new();
    for word in [&[size, INFO_HEADER, kind][..], &offsets, &[wide_at, rest_at]].concat() {
        info.extend(word.to_le_bytes());
    }
    [info, content, path, rest].concat()
}

/// Path in both encodings, in the room that each of them has.
fn block(kind: u32, path: &str) -> Vec<u8> {
    let mut block = (BLOCK_SIZE as u32).to_le_bytes().to_vec();
    block.extend(kind.to_le_bytes());
    block.extend(ansi(path));
    block.resize(8 + BLOCK_ANSI, 0);
    block.extend(wide(path));
    block.resize(BLOCK_SIZE, 0);
    block
}

/// For readers that know no Unicode; with its end.
fn ansi(text: &str) -> Vec<u8> {
    [western(text), vec![0]].concat()
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn length(text: &str) -> usize {
    text.encode_utf16().count()
}
