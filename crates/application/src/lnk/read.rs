//! From a shortcut's bytes to what it says, as far as we would write it.

use super::{BLOCK_ANSI, BLOCK_SIZE, CLASS, ENVIRONMENT, HEADER_SIZE, Link, flag};
use crate::Window;

/// `None` for what is no shortcut, or one that does not say its target as a path.
pub fn read(bytes: &[u8]) -> Option<Link> {
    let mut rest = bytes.get(HEADER_SIZE as usize..)?;
    if u32_at(bytes, 0)? != HEADER_SIZE || bytes.get(4..20)? != CLASS {
        return None;
    }
    let flags = u32_at(bytes, 20)?;
    let has = |flag: u32| flags & flag != 0;
    if has(flag::ITEM_LIST) {
        rest = rest.get(2 + usize::from(u16_at(rest, 0)?)..)?;
    }
    let mut target = None;
    if has(flag::LINK_INFO) && !has(flag::NO_LINK_INFO) {
        let (info, after) = rest.split_at_checked(u32_at(rest, 0)? as usize)?;
        target = path(info);
        rest = after;
    }
    let mut text = |kind: u32| -> Option<String> {
        if !has(kind) {
            return Some(String::new());
        }
        let count = usize::from(u16_at(rest, 0)?);
        let bytes = if has(flag::UNICODE) { count * 2 } else { count };
        let (text, after) = rest.get(2..)?.split_at_checked(bytes)?;
        rest = after;
        Some(if has(flag::UNICODE) {
            wide(text)
        } else {
            text.iter().copied().map(char::from).collect()
        })
    };
    let description = text(flag::NAME)?;
    text(flag::RELATIVE_PATH)?;
    let working_folder = text(flag::WORKING_FOLDER)?;
    let arguments = text(flag::ARGUMENTS)?;
    let icon = text(flag::ICON)?;
    let target = if has(flag::ENVIRONMENT) { environment(rest).or(target) } else { target }?;
    Some(Link {
        target,
        is_folder: u32_at(bytes, 24)? & 0x10 != 0,
        arguments,
        working_folder,
        description,
        icon: has(flag::ICON).then_some((icon, u32_at(bytes, 56)?)),
        window: match u32_at(bytes, 60)? {
            3 => Window::Maximized,
            7 => Window::Minimized,
            _ => Window::Normal,
        },
        as_administrator: has(flag::AS_ADMINISTRATOR),
    })
}

/// Of the link info; the Unicode texts where there are any.
fn path(info: &[u8]) -> Option<String> {
    let is_wide = u32_at(info, 4)? >= 0x24;
    let kind = u32_at(info, 8)?;
    let text = |base: &[u8], plain: usize, wide_at: Option<usize>| -> Option<String> {
        let wide_at = wide_at.and_then(|at| u32_at(base, at)).filter(|at| *at != 0);
        match wide_at {
            Some(at) => Some(wide(base.get(at as usize..)?)),
            None => narrow(base.get(u32_at(base, plain)? as usize..)?),
        }
    };
    let rest = text(info, 24, is_wide.then_some(32))?;
    if kind & 1 != 0 {
        return Some(text(info, 16, is_wide.then_some(28))? + &rest);
    }
    if kind & 2 == 0 {
        return None;
    }
    let network = info.get(u32_at(info, 20)? as usize..)?;
    let is_wide = u32_at(network, 8)? > 0x14;
    let share = text(network, 8, is_wide.then_some(20))?;
    Some(if rest.is_empty() { share } else { format!("{share}\\{rest}") })
}

fn environment(mut blocks: &[u8]) -> Option<String> {
    loop {
        let size = u32_at(blocks, 0).filter(|size| *size >= 8)? as usize;
        let (block, after) = blocks.split_at_checked(size)?;
        if u32_at(block, 4)? == ENVIRONMENT && size == BLOCK_SIZE {
            return Some(wide(&block[8 + BLOCK_ANSI..]));
        }
        blocks = after;
    }
}

/// Up to a zero.
fn wide(bytes: &[u8]) -> String {
    let units = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
    char::decode_utf16(units.take_while(|unit| *unit != 0))
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

fn narrow(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some(bytes[..end].iter().copied().map(char::from).collect())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
