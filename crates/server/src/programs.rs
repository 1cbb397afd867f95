//! Programs of agents that this server holds: those of releases by their hash, and those that new
//! machines are given by their platform.
//!
//! ```text
//! agents/<platform>            put there by an administrator, as `agents/linux-x86_64`
//! agents/programs/<blake3>     programs of releases
//! ```
//!
//! Owns these files. What makes a release of programs, and who may have it, is decided elsewhere.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use model::Digest;

/// Larger ones are no agents.
pub const PROGRAM_BYTES_MAX: u64 = 256 << 20;

#[derive(Debug, Clone)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// In `agents` of the data folder.
    pub fn open(data: &Path) -> io::Result<Self> {
        let folder = data.join("agents");
        fs::create_dir_all(folder.join("programs"))?;
        Ok(Self { folder })
    }

    /// Where the program with that hash lies, if it is there.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("programs").join(digest.to_string())
    }

    /// A place for a program that is arriving, beside those that are there.
    pub fn arriving(&self, name: &str) -> PathBuf {
        self.folder.join("programs").join(format!("{name}.part"))
    }

    /// Takes in a program that has arrived; its hash and size.
    pub fn take_in(&self, arrived: &Path) -> io::Result<(Digest, u64)> {
        let mut file = File::open(arrived)?;
        let (digest, size) = digest_of(&mut file)?;
        file.sync_all()?;
        fs::rename(arrived, self.path(&digest))?;
        #[cfg(unix)]
        File::open(self.folder.join("programs"))?.sync_all()?;
        Ok((digest, size))
    }

    /// The agent for a platform as `linux-x86_64`: what an administrator put into the folder, else
    /// the one that lies beside this server's own program.
    pub fn of_platform(&self, platform: &str) -> Option<PathBuf> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if platform.is_empty() || !platform.chars().all(is_name) {
            return None;
        }
        let suffix = if platform.starts_with("windows-") { ".exe" } else { "" };
        let own = std::env::current_exe().ok().and_then(|own| own.parent().map(Path::to_owned));
        let here = format!("linux-{}", std::env::consts::ARCH);
        let beside = own.filter(|_| platform == here || !suffix.is_empty());
        let places = [
            Some(self.folder.join(format!("{platform}{suffix}"))),
            Some(self.folder.join(platform)),
            beside.map(|folder| folder.join(format!("deskhand-agent{suffix}"))),
        ];
        places.into_iter().flatten().find(|path| path.is_file())
    }
}

/// BLAKE3 and size of what is left of a file.
pub fn digest_of(file: &mut impl Read) -> io::Result<(Digest, u64)> {
    let mut hasher = blake3::Hasher::new();
    let size = io::copy(file, &mut hasher)?;
    hasher.flush()?;
    Ok((Digest::from_bytes(*hasher.finalize().as_bytes()), size))
}
