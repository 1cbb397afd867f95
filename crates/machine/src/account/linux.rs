//! Of the user database, found as the system's own programs find it: directories count too.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Account, AccountError};

/// Numbers of people, where `login.defs` says nothing else.
const UIDS: (u32, u32) = (1000, 60_000);

pub(super) fn is_own(account: &Account) -> bool {
    rustix::process::geteuid().as_raw() == account.uid
}

pub(super) fn find(name: &str, root: Option<&Path>) -> Result<Account, AccountError> {
    let is_it = |account: &Account| account.name == name;
    let found = match root {
        Some(root) => listed(root).into_iter().find(is_it),
        None => find_by(name, is_it),
    };
    found.ok_or_else(|| AccountError::Unknown { name: name.to_owned() })
}

pub(super) fn people(root: Option<&Path>) -> io::Result<Vec<Account>> {
    let root = root.unwrap_or(Path::new("/"));
    let defs = fs::read_to_string(root.join("etc/login.defs")).unwrap_or_default();
    let (min, max) = (defined(&defs, "UID_MIN", UIDS.0), defined(&defs, "UID_MAX", UIDS.1));
    let mut all = listed(root);
    all.retain(|account| {
        let home = root.join(account.home.trim_start_matches('/'));
        (min..=max).contains(&account.uid) && home.is_dir()
    });
    Ok(all)
}

fn defined(defs: &str, name: &str, otherwise: u32) -> u32 {
    let value = |line: &str| line.trim().strip_prefix(name)?.trim().parse().ok();
    defs.lines().find_map(value).unwrap_or(otherwise)
}

fn listed(root: &Path) -> Vec<Account> {
    let file = fs::read_to_string(root.join("etc/passwd")).unwrap_or_default();
    file.lines().filter_map(parse).collect()
}

/// Of the file, else of whatever else the system asks (directories).
pub(crate) fn find_by(named: &str, is_it: impl Fn(&Account) -> bool) -> Option<Account> {
    let in_file = listed(Path::new("/")).into_iter().find(|account| is_it(account));
    in_file.or_else(|| getent("passwd", named)?.lines().find_map(parse))
}

fn parse(line: &str) -> Option<Account> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields[..] else { return None };
    let shell = if shell.is_empty() { "/bin/sh" } else { shell };
    Some(Account {
        name: name.to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        home: home.to_owned(),
        shell: shell.to_owned(),
    })
}

pub(crate) fn getent(database: &str, key: &str) -> Option<String> {
    let mut command = Command::new("getent");
    command.args(["--", database, key]).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_database_are_read() {
        let account = parse("bob:x:1000:100:Bob,,,:/home/bob:/bin/bash").unwrap();
        assert_eq!((account.name.as_str(), account.uid, account.gid), ("bob", 1000, 100));
        assert_eq!(parse("bob:x:1:1:::").unwrap().shell, "/bin/sh");
        assert_eq!(parse("bob:x:one:1::/:"), None);
    }

    #[test]
    fn people_of_another_root_are_those_with_a_home_in_it() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc")).unwrap();
        fs::create_dir_all(root.path().join("home/bob")).unwrap();
        let passwd = "root:x:0:0::/superuser:/bin/sh\nbob:x:1500:1500::/home/bob:/bin/sh\n\
                      ann:x:1501:1501::/home/ann:/bin/sh\nlow:x:1000:1::/home/bob:\n";
        fs::write(root.path().join("etc/passwd"), passwd).unwrap();
        fs::write(root.path().join("etc/login.defs"), "# x\nUID_MIN   1400\n").unwrap();
        let people = super::super::people(Some(root.path())).unwrap();
        let names: Vec<&str> = people.iter().map(|account| account.name.as_str()).collect();
        assert_eq!(names, ["bob"]);
        assert_eq!(find("ann", Some(root.path())).unwrap().home, "/home/ann");
        assert!(find("root-of-elsewhere", Some(root.path())).is_err());
    }
}
