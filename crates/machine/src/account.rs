//! Users that a machine knows, logged on or not: who they are and where their home is.
//!
//! Only looked up; acting as one of them is [`crate::identity`]'s.

#[cfg(target_os = "linux")]
#[path = "account/linux.rs"]
mod system;
#[cfg(windows)]
#[path = "account/windows.rs"]
mod system;

use std::io;
use std::path::Path;

#[cfg(target_os = "linux")]
pub(crate) use system::{find_by, getent};

/// A user with a home at this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// By which the system knows them; `DOMAIN\name` where it tells apart.
    pub name: String,
    /// As the machine writes it: without the root that may stand in front of it.
    pub home: String,
    #[cfg(target_os = "linux")]
    pub uid: u32,
    #[cfg(target_os = "linux")]
    pub gid: u32,
    #[cfg(target_os = "linux")]
    pub shell: String,
    /// `S-1-5-…`, the name of the user's part of the registry.
    #[cfg(windows)]
    pub sid: String,
}

#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("this machine knows no user `{name}`")]
    Unknown { name: String },
    #[error("`{name}` has no home here: they have never logged on to this machine")]
    NoHome { name: String },
    #[error("users of this machine cannot be listed")]
    List { source: io::Error },
}

impl Account {
    /// Whether it is the user that this process runs as.
    pub fn is_own(&self) -> bool {
        system::is_own(self)
    }
}

/// By name; of the system below `root` where one is given.
pub fn find(name: &str, root: Option<&Path>) -> Result<Account, AccountError> {
    system::find(name, root)
}

/// The people whose home is here, sorted by name.
pub fn people(root: Option<&Path>) -> Result<Vec<Account>, AccountError> {
    let mut all = system::people(root).map_err(|source| AccountError::List { source })?;
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_this_is_known_with_a_home() {
        let (name, _) = crate::identity::own_user();
        let account = find(&name, None).unwrap();
        assert!(account.is_own(), "{account:?}");
        assert!(Path::new(&account.home).is_absolute(), "{account:?}");
        let error = find("no-such-user-anywhere", None).unwrap_err();
        assert!(error.to_string().contains("no-such-user-anywhere"), "{error}");
    }
}
