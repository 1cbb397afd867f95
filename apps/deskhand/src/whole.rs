//! Writing a file whole or not at all: whoever reads it meanwhile, or after the power failed, finds
//! what was there or what comes.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Puts `bytes` in the place of what is there, with its permissions; a link stays one.
pub fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let part = beside(&file);
    let done = fill(&part, &file, bytes).and_then(|()| fs::rename(&part, &file));
    // What cannot be removed either is of no harm.
    done.inspect_err(|_| drop(fs::remove_file(&part)))
}

fn beside(file: &Path) -> PathBuf {
    let mut part = OsString::from(file);
    part.push(".part");
    part.into()
}

fn fill(part: &Path, file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut written = File::create(part)?;
    if let Ok(known) = fs::metadata(file) {
        written.set_permissions(known.permissions())?;
    }
    written.write_all(bytes)?;
    written.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_where_a_link_leads_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        write(&path("new"), b"one").unwrap();
        assert_eq!(fs::read(path("new")).unwrap(), b"one");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(path("new"), fs::Permissions::from_mode(0o640)).unwrap();
            std::os::unix::fs::symlink(path("new"), path("link")).unwrap();
            write(&path("link"), b"two").unwrap();
            assert!(fs::symlink_metadata(path("link")).unwrap().is_symlink());
            assert_eq!(fs::read(path("new")).unwrap(), b"two");
            let mode = fs::metadata(path("new")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o640);
            fs::remove_file(path("link")).unwrap();
        }
        fs::create_dir(path("folder")).unwrap();
        assert!(write(&path("folder"), b"three").is_err());
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["folder", "new"]);
    }
}
