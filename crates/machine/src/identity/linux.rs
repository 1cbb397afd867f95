//! Users on Linux: found as the system's own programs find them, so that directories count too.
//!
//! A command under an identity is started by `runuser` where the system has it: it opens the PAM
//! session in a process of its own. Opened in the agent, a session's modules would move the agent
//! into the user's session and put the user's limits on it. Without `runuser` the ids are set
//! directly, and there is no session.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::sessions::{self, Session};
use super::{IdentityError, pam};
use crate::account::{Account, find_by, getent};

const RUNUSER: [&str; 3] = ["/usr/sbin/runuser", "/sbin/runuser", "/usr/bin/runuser"];
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
const PATH_OF_ROOT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A user whom commands can be carried out as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    account: Account,
    /// With the account's own group.
    groups: Vec<u32>,
    domain: String,
    display: Option<String>,
}

/// Name and domain of the user this agent runs as.
pub fn own_user() -> (String, String) {
    let uid = geteuid().as_raw();
    let named = find_by(&uid.to_string(), |account| account.uid == uid);
    (named.map_or_else(|| uid.to_string(), |account| account.name), String::new())
}

/// The names of all who are logged on, sorted.
pub fn users_logged_on() -> std::io::Result<Vec<String>> {
    let mut users: Vec<String> = sessions::all()?.into_iter().map(|(_, one)| one.user).collect();
    users.sort_unstable();
    users.dedup();
    Ok(users)
}

pub(super) fn is_system() -> bool {
    geteuid().is_root()
}

pub(super) fn logged_on() -> Result<Identity, IdentityError> {
    let Session { user, display } = sessions::active()
        .map_err(|source| IdentityError::Sessions { source })?
        .ok_or(IdentityError::NobodyLoggedOn)?;
    let mut identity = resolve(&user, "", None)?;
    identity.display = display;
    Ok(identity)
}

pub(super) fn resolve(
    user: &str,
    domain: &str,
    password: Option<&[u8]>,
) -> Result<Identity, IdentityError> {
    // As winbind and sssd name the users of a domain.
    let names = match domain {
        "" => vec![user.to_owned()],
        _ => vec![format!("{user}@{domain}"), format!(r"{domain}\{user}")],
    };
    let found = names.iter().find_map(|name| find_by(name, |account| account.name == *name));
    let account = found.ok_or_else(|| IdentityError::Unknown { user: names[0].clone() })?;
    if let Some(password) = password {
        pam::verify(&account.name, password)?;
    }
    let own = geteuid();
    if !own.is_root() && own.as_raw() != account.uid {
        let (own, _) = own_user();
        return Err(IdentityError::NotPrivileged { own, user: account.name });
    }
    let groups = groups(&account);
    Ok(Identity { account, groups, domain: domain.to_owned(), display: None })
}

impl Identity {
    pub fn user(&self) -> &str {
        &self.account.name
    }

    pub fn uid(&self) -> u32 {
        self.account.uid
    }

    /// Empty for a user of this machine alone.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Where commands run if nothing else is said.
    pub(crate) fn folder(&self) -> PathBuf {
        let home = PathBuf::from(&self.account.home);
        if home.is_dir() { home } else { PathBuf::from("/") }
    }

    /// A log-in's environment; of the agent's own only language and time zone are handed down.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let kept = |name: &str| name == "LANG" || name == "LANGUAGE" || name == "TZ";
        let mut all: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| kept(name) || name.starts_with("LC_"))
            .collect();
        let Account { name, uid, home, shell, .. } = &self.account;
        let path = if *uid == 0 { PATH_OF_ROOT } else { PATH };
        let own = [("HOME", home), ("USER", name), ("LOGNAME", name), ("SHELL", shell)];
        all.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        all.insert("PATH".into(), path.into());
        let runtime = PathBuf::from(format!("/run/user/{uid}"));
        if runtime.is_dir() {
            let bus = runtime.join("bus");
            if bus.exists() {
                all.insert(
                    "DBUS_SESSION_BUS_ADDRESS".into(),
                    format!("unix:path={}", bus.display()),
                );
            }
            all.insert("XDG_RUNTIME_DIR".into(), runtime.display().to_string());
        }
        all.extend(self.display.clone().map(|display| ("DISPLAY".into(), display)));
        all
    }

    /// What a command must become before it is started.
    pub(crate) fn way(&self) -> Way {
        if !geteuid().is_root() {
            return Way::Itself;
        }
        let found = RUNUSER.iter().map(Path::new).find(|path| path.is_file());
        match found {
            Some(runuser) => Way::Through(runuser.to_owned()),
            None => Way::Ids {
                uid: self.account.uid,
                gid: self.account.gid,
                groups: self.groups.clone(),
            },
        }
    }
}

/// How a command comes to run as a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// The agent is that user.
    Itself,
    /// A program that opens a session and sets the ids.
    Through(PathBuf),
    Ids {
        uid: u32,
        gid: u32,
        groups: Vec<u32>,
    },
}

fn groups(account: &Account) -> Vec<u32> {
    let asked = getent("initgroups", &account.name).and_then(|line| parse_initgroups(&line));
    let mut groups = asked.unwrap_or_else(|| {
        let file = fs::read_to_string("/etc/group").unwrap_or_default();
        file.lines().filter_map(|line| parse_group(line, &account.name)).collect()
    });
    groups.push(account.gid);
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// `name  4 24 27`.
fn parse_initgroups(line: &str) -> Option<Vec<u32>> {
    let mut words = line.lines().next()?.split_ascii_whitespace();
    words.next()?;
    words.map(|word| word.parse().ok()).collect()
}

/// The number of a group that the user is in.
fn parse_group(line: &str, user: &str) -> Option<u32> {
    let mut fields = line.split(':').skip(2);
    let (number, members) = (fields.next()?, fields.next()?);
    members.split(',').any(|member| member == user).then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_databases_are_read() {
        assert_eq!(parse_initgroups("bob   4 27 100\n"), Some(vec![4, 27, 100]));
        assert_eq!(parse_initgroups("bob\n"), Some(vec![]));
        assert_eq!(parse_group("sudo:x:27:ann,bob", "bob"), Some(27));
        assert_eq!(parse_group("sudo:x:27:ann,bobby", "bob"), None);
    }

    #[test]
    fn root_is_found_and_names_that_are_none_are_refused() {
        assert_eq!(find_by("root", |account| account.name == "root").unwrap().uid, 0);
        for user in ["", "-x", "a:b", "@nobody", "a/b"] {
            let refused = super::super::resolve(user, "", None);
            assert!(matches!(refused, Err(IdentityError::Name { .. })), "{user}");
        }
        let unknown = super::super::resolve("no-such-user-anywhere", "", None).unwrap_err();
        assert!(matches!(unknown, IdentityError::Unknown { .. }), "{unknown}");
        let unknown = super::super::resolve("bob", "CORP", None).unwrap_err();
        assert!(unknown.to_string().contains("bob@CORP"), "{unknown}");
    }
}
