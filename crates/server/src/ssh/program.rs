//! The agent's program for each platform, as it is copied to computers.
//!
//! Where it lies is the business of [`crate::programs`]; here it is read, hashed and packed once.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

/// A program that is at hand.
#[derive(Debug, Clone)]
pub struct Program {
    pub bytes: Bytes,
    /// The same packed by gzip: less than half.
    pub packed: Bytes,
    /// BLAKE3, in hex.
    pub hash: String,
}

type Kept = (PathBuf, Option<SystemTime>, u64, Arc<Program>);

/// Programs that were read, until their files change.
#[derive(Debug, Default)]
pub struct Programs {
    kept: Mutex<BTreeMap<String, Kept>>,
}

/// There is no program for that platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "DH-S007: there is no agent for {0} here; lay one into the server's data folder, as \
     `agents/{0}`"
)]
pub struct NoProgram(pub String);

impl Programs {
    /// The program for a platform such as `linux-x86_64`; blocks while it is read.
    pub fn get(
        &self,
        held: &crate::programs::Programs,
        platform: &str,
    ) -> Result<Arc<Program>, NoProgram> {
        let none = || NoProgram(platform.to_owned());
        let path = held.of_platform(platform).ok_or_else(none)?;
        let meta = std::fs::metadata(&path).map_err(|_| none())?;
        let (changed, size) = (meta.modified().ok(), meta.len());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, when, length, program)) = kept.get(platform)
            && (at, when, length) == (&path, &changed, &size)
        {
            return Ok(program.clone());
        }
        let bytes = Bytes::from(std::fs::read(&path).map_err(|_| none())?);
        let hash = blake3::hash(&bytes).to_hex().to_string();
        let packed = packed(&bytes).map_err(|_| none())?;
        let program = Arc::new(Program { bytes, packed, hash });
        kept.insert(platform.to_owned(), (path, changed, size, program.clone()));
        Ok(program)
    }
}

fn packed(bytes: &[u8]) -> std::io::Result<Bytes> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes)?;
    Ok(packer.finish()?.into())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_program_that_was_laid_there_is_found_and_read_anew_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (held, programs) =
            (crate::programs::Programs::open(folder.path()).unwrap(), Programs::default());
        let error = programs.get(&held, "windows-x86_64").unwrap_err();
        assert!(error.to_string().contains("agents/windows-x86_64"), "{error}");
        let place = folder.path().join("agents/windows-x86_64.exe");
        std::fs::write(&place, b"abc").unwrap();
        let program = programs.get(&held, "windows-x86_64").unwrap();
        assert_eq!(program.hash, blake3::hash(b"abc").to_hex().to_string());
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&program.packed[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, b"abc");
        std::fs::write(&place, b"abcd").unwrap();
        assert_eq!(programs.get(&held, "windows-x86_64").unwrap().bytes.len(), 4);
    }
}
