//! The home of a user for whom somebody else acts.
//!
//! Whoever acts with more rights could be led elsewhere by a link that the user makes, also at the
//! last moment. So a folder that is in the home by its path has to be there really, and that is
//! found out of the open folder, not of its path.

use std::io;
use std::path::{Path, PathBuf};

use crate::folder::Folder;
use crate::spot::{Spot, SpotError};

#[derive(Debug, Clone)]
pub(crate) struct Home {
    real: PathBuf,
}

#[derive(Debug, thiserror::Error)]
#[error("a link leads out of the home `{}`; look at who made that link", .home.display())]
struct Outside {
    home: PathBuf,
}

impl Home {
    /// Of a home as the machine writes it, below `root` where one is given.
    pub(crate) fn new(home: &str, root: Option<&Path>) -> Result<Self, SpotError> {
        Ok(Self { real: Spot::absolute(home, root)?.path() })
    }

    /// Opens a folder by its real path, which has neither `.` nor `..`. Links within the home are
    /// followed.
    pub(crate) fn open(home: Option<&Self>, real: &Path) -> io::Result<Folder> {
        let folder = Folder::open(real)?;
        let Some(home) = home.filter(|home| home.has(real)) else { return Ok(folder) };
        if folder.is_within(&Folder::open(&home.real)?)? {
            return Ok(folder);
        }
        Err(io::Error::other(Outside { home: home.real.clone() }))
    }

    /// Whether that is why a folder was not opened.
    pub(crate) fn is_left(error: &io::Error) -> bool {
        error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Outside>)
    }

    fn has(&self, real: &Path) -> bool {
        if cfg!(windows) {
            let folded = |path: &Path| PathBuf::from(path.to_string_lossy().to_uppercase());
            return folded(real).starts_with(folded(&self.real));
        }
        real.starts_with(&self.real)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_may_lead_through_the_home_and_not_out_of_it() {
        let root = tempfile::tempdir().unwrap();
        let real = |name: &str| root.path().join("home/ann").join(name);
        fs::create_dir_all(real("docs/deep")).unwrap();
        fs::create_dir_all(root.path().join("home/ann2/docs")).unwrap();
        symlink(real("docs"), real("within")).unwrap();
        symlink("../ann2/docs", real("outside")).unwrap();
        symlink(root.path(), real("above")).unwrap();
        let home = Home::new("/home/ann", Some(root.path())).unwrap();
        for (name, expect) in [
            ("", true),
            ("docs/deep", true),
            ("within/deep", true),
            ("outside", false),
            ("above", false),
            ("above/home/ann/docs", true),
        ] {
            let opened = Home::open(Some(&home), &real(name));
            assert_eq!(opened.is_ok(), expect, "{name}: {opened:?}");
            if let Err(error) = opened {
                assert!(error.to_string().contains("out of the home"), "{error}");
            }
            assert!(Home::open(None, &real(name)).is_ok());
        }
        let elsewhere = root.path().join("home/ann2/docs");
        assert!(Home::open(Some(&home), &elsewhere).is_ok(), "not the home's by its path");
    }
}
