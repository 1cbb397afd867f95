//! Keys of hosts that are trusted: a `known_hosts` file of the server's own.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use russh::keys::known_hosts::{known_host_keys_path, learn_known_hosts_path};
use russh::keys::{Algorithm, HashAlg, PublicKey};

/// Why a host is not trusted, or cannot be.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error(
        "DH-S003: the key of {host} is not known ({fingerprint}); compare it with what the host's \
         administrator says, then `deskhand ssh trust {host}`"
    )]
    Unknown { host: String, fingerprint: String },
    #[error(
        "DH-S004: the key of {host} has changed to {fingerprint}: another machine, a machine \
         installed anew, or a man in the middle; if that is so on purpose, `deskhand ssh trust \
         {host} --replace`"
    )]
    Changed { host: String, fingerprint: String },
    #[error("`{0}` is no public key; it looks like `ssh-ed25519 AAAA…`")]
    NoKey(String),
    #[error("{} cannot be read or written: {why}", .path.display())]
    File { path: PathBuf, why: String },
}

/// The file, and who may change it.
#[derive(Debug)]
pub struct Hosts {
    path: PathBuf,
    changing: Mutex<()>,
}

/// `host` or `[host]:port`, as such files write it.
pub fn shown(host: &str, port: u16) -> String {
    if port == 22 { host.to_owned() } else { format!("{host}:{port}") }
}

pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

pub fn parse_key(text: &str) -> Result<PublicKey, HostError> {
    let text = text.trim();
    PublicKey::from_openssh(text).map_err(|_| HostError::NoKey(text.chars().take(60).collect()))
}

impl Hosts {
    pub fn new(path: PathBuf) -> Self {
        Self { path, changing: Mutex::new(()) }
    }

    fn keys(&self, host: &str, port: u16) -> Result<Vec<PublicKey>, HostError> {
        let keys = known_host_keys_path(host, port, &self.path);
        let keys = keys.map_err(|error| self.file(&error.to_string()))?;
        Ok(keys.into_iter().map(|(_, key)| key).collect())
    }

    fn file(&self, why: &str) -> HostError {
        HostError::File { path: self.path.clone(), why: why.to_owned() }
    }

    /// The kinds of keys that are known of a host, so that it is asked for one of them.
    pub fn algorithms(&self, host: &str, port: u16) -> Vec<Algorithm> {
        let keys = self.keys(host, port).unwrap_or_default();
        keys.iter().map(PublicKey::algorithm).collect()
    }

    /// Whether a host that shows this key is the one that is trusted; with `accept_new` the first
    /// key that a host shows is.
    pub fn check(
        &self,
        (host, port): (&str, u16),
        key: &PublicKey,
        accept_new: bool,
    ) -> Result<(), HostError> {
        let known = self.keys(host, port)?;
        let is_same = |known: &PublicKey| known.key_data() == key.key_data();
        if known.iter().any(is_same) {
            return Ok(());
        }
        let (fingerprint, shown) = (fingerprint(key), shown(host, port));
        match known.is_empty() {
            true if accept_new => self.learn(host, port, key),
            true => Err(HostError::Unknown { host: shown, fingerprint }),
            false => Err(HostError::Changed { host: shown, fingerprint }),
        }
    }

    /// Trusts a key. One that is another than before takes its place only with `replace`.
    pub fn trust(
        &self,
        (host, port): (&str, u16),
        key: &PublicKey,
        replace: bool,
    ) -> Result<(), HostError> {
        match self.check((host, port), key, true) {
            Err(HostError::Changed { .. }) if replace => {
                self.forget(host, port)?;
                self.learn(host, port, key)
            }
            checked => checked,
        }
    }

    fn learn(&self, host: &str, port: u16, key: &PublicKey) -> Result<(), HostError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        learn_known_hosts_path(host, port, key, &self.path)
            .map_err(|error| self.file(&error.to_string()))
    }

    /// Drops what is known of a host; says how many keys that were.
    pub fn forget(&self, host: &str, port: u16) -> Result<usize, HostError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known_host_keys_path(host, port, &self.path);
        let known = known.map_err(|error| self.file(&error.to_string()))?;
        if known.is_empty() {
            return Ok(0);
        }
        let text =
            std::fs::read_to_string(&self.path).map_err(|error| self.file(&error.to_string()))?;
        let is_kept = |number: usize| !known.iter().any(|(line, _)| *line == number);
        let kept: Vec<&str> = (1..)
            .zip(text.lines())
            .filter(|(number, _)| is_kept(*number))
            .map(|(_, l)| l)
            .collect();
        let beside = self.path.with_extension("part");
        let written: io::Result<()> = std::fs::write(&beside, kept.join("\n") + "\n")
            .and_then(|()| std::fs::rename(&beside, &self.path));
        written.map_err(|error| self.file(&error.to_string()))?;
        Ok(known.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const TWO: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

    #[test]
    fn keys_are_trusted_changed_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let hosts = Hosts::new(folder.path().join("ssh/known_hosts"));
        let (one, two) = (parse_key(ONE).unwrap(), parse_key(TWO).unwrap());
        let at = ("pc-1", 2222);
        assert!(matches!(hosts.check(at, &one, false), Err(HostError::Unknown { .. })));
        hosts.check(at, &one, true).unwrap();
        hosts.check(at, &one, false).unwrap();
        assert!(matches!(hosts.check(at, &two, true), Err(HostError::Changed { .. })));
        assert!(matches!(hosts.check(("pc-1", 22), &one, false), Err(HostError::Unknown { .. })));
        assert!(hosts.trust(at, &two, false).is_err());
        hosts.trust(("pc-2", 22), &one, false).unwrap();
        hosts.trust(at, &two, true).unwrap();
        hosts.check(at, &two, false).unwrap();
        hosts.check(("pc-2", 22), &one, false).unwrap();
        assert_eq!(hosts.forget("pc-1", 2222).unwrap(), 1);
        assert!(matches!(hosts.check(at, &two, false), Err(HostError::Unknown { .. })));
        assert_eq!(hosts.algorithms("pc-2", 22).len(), 1);
    }

    #[test]
    fn what_is_no_key_is_said_so() {
        for text in ["", "ssh-ed25519", "ssh-ed25519 nonsense", "-----BEGIN"] {
            assert!(matches!(parse_key(text), Err(HostError::NoKey(_))), "{text}");
        }
    }
}
