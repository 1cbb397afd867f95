//! The version of a Windows program file: the four numbers of the fixed block in its version
//! resource (REFERENCE 3.4; "PE Format" and `VS_FIXEDFILEINFO` of Microsoft's documentation).
//!
//! Reads a few small parts of the file, never the whole. A file that is no program, or whose parts
//! lead nowhere, has no version; only what cannot be read is an error.

use std::fmt;

/// Resource type of version information.
const VERSION_TYPE: u32 = 16;
const FIXED_SIGNATURE: u32 = 0xFEEF_04BD;
/// Behind length, value length, type and the key `VS_VERSION_INFO` with its end, on 32 bits.
const FIXED_OFFSET: usize = 40;

const RESOURCE_DIRECTORY: usize = 2;
const DIRECTORY_HEADER: usize = 16;
const DIRECTORY_ENTRY: usize = 8;
const SECTION: usize = 40;
const SECTIONS_MAX: u16 = 96;
const ENTRIES_MAX: usize = 4096;
const IS_DIRECTORY: u32 = 1 << 31;

/// `10.0.19041.1`: compared number by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub [u16; 4]);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, build, revision] = self.0;
        write!(f, "{major}.{minor}.{build}.{revision}")
    }
}

/// The file version. `read_part` gives at most so many bytes from an offset, fewer at the file's
/// end.
pub fn version<E>(
    read_part: impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
) -> Result<Option<Version>, E> {
    let mut file = File { read_part };
    match file.version() {
        Ok(version) => Ok(Some(version)),
        Err(Stop::None) => Ok(None),
        Err(Stop::Read(error)) => Err(error),
    }
}

/// Why no version is found.
enum Stop<E> {
    None,
    Read(E),
}

struct File<F> {
    read_part: F,
}

/// Where the resources lie in the file and in memory.
struct Resources {
    offset: u64,
    address: u32,
    size: u32,
}

impl<E, F: FnMut(u64, usize) -> Result<Vec<u8>, E>> File<F> {
    fn version(&mut self) -> Result<Version, Stop<E>> {
        let resources = self.resources()?;
        let data = self.version_data(&resources)?;
        let offset = data.checked_sub(resources.address).filter(|offset| *offset < resources.size);
        let offset = resources.offset + u64::from(offset.ok_or(Stop::None)?);
        let block = self.bytes(offset, FIXED_OFFSET + 16)?;
        if u32_at(&block, FIXED_OFFSET) != Some(FIXED_SIGNATURE) {
            return Err(Stop::None);
        }
        let number = |at| u16_at(&block, FIXED_OFFSET + at).ok_or(Stop::None);
        Ok(Version([number(10)?, number(8)?, number(14)?, number(12)?]))
    }

    /// From the headers to the section that holds the resources.
    fn resources(&mut self) -> Result<Resources, Stop<E>> {
        let dos = self.bytes(0, 64)?;
        let header =
            u64::from(u32_at(&dos, 60).filter(|_| dos.starts_with(b"MZ")).ok_or(Stop::None)?);
        let coff = self.bytes(header, 26)?;
        if !coff.starts_with(b"PE\0\0") {
            return Err(Stop::None);
        }
        let sections = u16_at(&coff, 6).ok_or(Stop::None)?.min(SECTIONS_MAX);
        let optional_size = u16_at(&coff, 20).ok_or(Stop::None)?;
        let directories = match u16_at(&coff, 24) {
            Some(0x10B) => 96,
            Some(0x20B) => 112,
            _ => return Err(Stop::None),
        };
        let optional = header + 24;
        let at = directories + RESOURCE_DIRECTORY * 8;
        if usize::from(optional_size) < at + 8 {
            return Err(Stop::None);
        }
        let entry = self.bytes(optional + at as u64, 8)?;
        let address = u32_at(&entry, 0).filter(|address| *address != 0).ok_or(Stop::None)?;
        let table = optional + u64::from(optional_size);
        let table = self.bytes(table, usize::from(sections) * SECTION)?;
        let section = table.chunks_exact(SECTION).find_map(|section| {
            let size = u32_at(section, 8)?.max(u32_at(section, 16)?);
            let begin = u32_at(section, 12)?;
            let inside = address.checked_sub(begin).filter(|inside| *inside < size)?;
            let offset = u64::from(u32_at(section, 20)?) + u64::from(inside);
            Some(Resources { offset, address, size: size - inside })
        });
        section.ok_or(Stop::None)
    }

    /// Address of the first version resource: type, name, language.
    fn version_data(&mut self, resources: &Resources) -> Result<u32, Stop<E>> {
        let name = self.entry(resources, 0, |id| id == VERSION_TYPE)?;
        let language = self.entry(resources, name.ok_or(Stop::None)?, |_| true)?;
        let leaf = self.entry(resources, language.ok_or(Stop::None)?, |_| true)?;
        let leaf = leaf.filter(|leaf| leaf & IS_DIRECTORY == 0).ok_or(Stop::None)?;
        let data = self.bytes(resources.offset + u64::from(leaf), 4)?;
        u32_at(&data, 0).ok_or(Stop::None)
    }

    /// Where the first entry of a directory leads that is wanted.
    fn entry(
        &mut self,
        resources: &Resources,
        directory: u32,
        wanted: impl Fn(u32) -> bool,
    ) -> Result<Option<u32>, Stop<E>> {
        if directory != 0 && directory & IS_DIRECTORY == 0 {
            return Ok(None);
        }
        let offset = resources.offset + u64::from(directory & !IS_DIRECTORY);
        let header = self.bytes(offset, DIRECTORY_HEADER)?;
        let count = |at| u16_at(&header, at).map(usize::from).ok_or(Stop::None);
        let count = (count(12)? + count(14)?).min(ENTRIES_MAX);
        let entries = self.bytes(offset + DIRECTORY_HEADER as u64, count * DIRECTORY_ENTRY)?;
        let mut entries = entries.chunks_exact(DIRECTORY_ENTRY);
        let found = entries.find(|entry| u32_at(entry, 0).is_some_and(&wanted));
        Ok(found.and_then(|entry| u32_at(entry, 4)))
    }

    /// All of them or none.
    fn bytes(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, Stop<E>> {
        let bytes = (self.read_part)(offset, length).map_err(Stop::Read)?;
        if bytes.len() < length { Err(Stop::None) } else { Ok(bytes) }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests;
