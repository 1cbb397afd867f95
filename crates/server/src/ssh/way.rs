//! Connection data of computers and the policy over them, kept as documents.

use std::collections::HashMap;
use std::sync::Arc;

use api::{SshLogin, SshPolicy, SshWay};
use model::ComputerId;
use store::rows::Document;
use store::{CommitError, ReadError, Write};

use crate::clock::now;
use crate::hall::{About, Hall};

/// One document for each computer, named by its id.
const KIND: &str = "ssh";
const POLICY_KIND: &str = "ssh-policy";
const POLICY_NAME: &str = "policy";
/// Jump hosts on one way.
const JUMPS_MAX: usize = 4;

/// Why a computer is not reached over SSH.
#[derive(Debug, thiserror::Error)]
pub enum WayError {
    #[error("DH-S001: the policy of this server forbids SSH; `deskhand ssh policy` shows it")]
    Forbidden,
    #[error(
        "DH-S001: the policy of this server forbids {what} `{name}` over SSH; \
         `deskhand ssh policy` shows it"
    )]
    NotAllowed { what: &'static str, name: String },
    #[error(
        "DH-S002: nothing says how it is reached over SSH; say so with `deskhand computer set \
         NAME --ssh USER@HOST`"
    )]
    Unknown,
    #[error("DH-S002: {0}")]
    Wrong(String),
    #[error("what is kept of the way to it is damaged; set it again: {0}")]
    Damaged(serde_json::Error),
    #[error("the database could not be read")]
    Read(#[from] ReadError),
    #[error("the database could not be written")]
    Commit(#[from] CommitError),
}

/// All ways, with the policy over them.
#[derive(Debug)]
pub struct Ways {
    policy: Arc<SshPolicy>,
    all: HashMap<ComputerId, Vec<u8>>,
}

/// A way that the policy allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    pub way: SshWay,
    pub policy: Arc<SshPolicy>,
}

impl Ways {
    pub async fn read(hall: &Hall) -> Result<Self, WayError> {
        let policy = Arc::new(policy(hall).await?);
        let rows = hall.store.documents(KIND).await?;
        let named = rows.into_iter().filter_map(|row| Some((row.name.parse().ok()?, row.body)));
        Ok(Self { policy, all: named.collect() })
    }

    /// Computers that something is known of.
    pub fn computers(&self) -> impl Iterator<Item = ComputerId> {
        self.all.keys().copied()
    }

    pub fn of(&self, computer: ComputerId) -> Result<Allowed, WayError> {
        let body = self.all.get(&computer).ok_or(WayError::Unknown)?;
        let way: SshWay = serde_json::from_slice(body).map_err(WayError::Damaged)?;
        check_allowed(&way, &self.policy)?;
        Ok(Allowed { way, policy: self.policy.clone() })
    }
}

fn check_allowed(way: &SshWay, policy: &SshPolicy) -> Result<(), WayError> {
    if !policy.allowed {
        return Err(WayError::Forbidden);
    }
    let is_among = |patterns: &[String], name: &str| {
        patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, name))
    };
    for login in way.jumps.iter().chain([&way.login]) {
        if !is_among(&policy.users, &login.user) {
            let name = login.user.clone();
            return Err(WayError::NotAllowed { what: "the user", name });
        }
        if !is_among(&policy.hosts, &login.host) {
            let name = login.host.clone();
            return Err(WayError::NotAllowed { what: "the host", name });
        }
    }
    Ok(())
}

/// Whether a pattern with `*` fits a whole name, in any case of letters.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// What is known of one computer, for people.
pub async fn way(hall: &Hall, computer: ComputerId) -> Result<Option<SshWay>, WayError> {
    let row = hall.store.document(KIND, &computer.to_string()).await?;
    row.map(|row| serde_json::from_slice(&row.body).map_err(WayError::Damaged)).transpose()
}

/// Says how a computer is reached, or that it is not any more.
pub async fn set_way(
    hall: &Hall,
    computer: ComputerId,
    way: Option<&SshWay>,
    by: &str,
) -> Result<(), WayError> {
    let (write, text) = match way {
        Some(way) => {
            check(way)?;
            let login = &way.login;
            let text = format!("is reached as {}@{}:{}", login.user, login.host, login.port);
            (Write::PutDocument(document(KIND, computer.to_string(), way, by)?), text)
        }
        None => {
            let (kind, name) = (KIND.to_owned(), computer.to_string());
            let text = "is not reached over SSH any more".to_owned();
            (Write::RemoveDocument { kind, name }, text)
        }
    };
    let event = hall.event("ssh", About::computer(computer), by, text);
    hall.writer.submit(vec![write, event]).await?;
    Ok(())
}

fn document<T: serde::Serialize>(
    kind: &str,
    name: String,
    value: &T,
    by: &str,
) -> Result<Document, WayError> {
    let body = serde_json::to_vec(value).map_err(WayError::Damaged)?;
    let (kind, updated_by) = (kind.to_owned(), by.to_owned());
    Ok(Document { kind, name, body, updated_by, updated_at: now() })
}

/// Whether connection data make sense by themselves.
fn check(way: &SshWay) -> Result<(), WayError> {
    let wrong = |text: String| Err(WayError::Wrong(text));
    if way.jumps.len() > JUMPS_MAX {
        return wrong(format!("more than {JUMPS_MAX} jump hosts"));
    }
    way.jumps.iter().chain([&way.login]).try_for_each(check_login)?;
    match way.become_with.as_deref() {
        None | Some("sudo" | "doas") => {}
        Some(other) => return wrong(format!("`{other}` is neither `sudo` nor `doas`")),
    }
    if way.become_secret.is_some() && way.become_with.is_none() {
        return wrong(
            "a password for becoming root, and no `sudo` or `doas` that asks for it".into(),
        );
    }
    Ok(())
}

fn check_login(login: &SshLogin) -> Result<(), WayError> {
    let is_word = |text: &str| {
        !text.is_empty()
            && !text.starts_with('-')
            && !text.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    if !is_word(&login.user) || !is_word(&login.host) || login.port == 0 {
        let text = format!("`{}@{}:{}` is no log-in", login.user, login.host, login.port);
        return Err(WayError::Wrong(text));
    }
    if login.key_file.is_none() && login.key_secret.is_none() && login.password_secret.is_none() {
        let text = format!(
            "nothing to log in to {} with: give a key file, a key or a password that is kept as \
             a secret",
            login.host
        );
        return Err(WayError::Wrong(text));
    }
    Ok(())
}

pub async fn policy(hall: &Hall) -> Result<SshPolicy, WayError> {
    let row = hall.store.document(POLICY_KIND, POLICY_NAME).await?;
    row.map_or_else(
        || Ok(SshPolicy::default()),
        |row| serde_json::from_slice(&row.body).map_err(WayError::Damaged),
    )
}

pub async fn set_policy(hall: &Hall, policy: &SshPolicy, by: &str) -> Result<(), WayError> {
    if !["strict", "accept-new"].contains(&policy.known_hosts.as_str()) {
        let text = format!("`{}` is neither `strict` nor `accept-new`", policy.known_hosts);
        return Err(WayError::Wrong(text));
    }
    let row = document(POLICY_KIND, POLICY_NAME.to_owned(), policy, by)?;
    let text = format!(
        "SSH {}, known hosts {}",
        if policy.allowed { "allowed" } else { "forbidden" },
        policy.known_hosts
    );
    let event = hall.event("ssh", About::NOTHING, by, text);
    hall.writer.submit(vec![Write::PutDocument(row), event]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(user: &str, host: &str) -> SshWay {
        let login = SshLogin {
            user: user.into(),
            host: host.into(),
            port: 22,
            key_file: Some("/k".into()),
            key_secret: None,
            passphrase_secret: None,
            password_secret: None,
        };
        let (become_with, become_secret) = (None, None);
        SshWay { login, jumps: vec![], become_with, become_secret, keep: false }
    }

    #[test]
    fn patterns_fit_whole_names() {
        for (pattern, name, expect) in [
            ("*", "anything", true),
            ("web*", "WEB-1.example.com", true),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "a.example.com.evil", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "acb", false),
            ("root", "root", true),
            ("root", "rooty", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, name), expect, "{pattern} {name}");
        }
    }

    #[test]
    fn the_policy_decides_over_every_log_in_of_a_way() {
        let mut way = way("root", "pc-1.example.com");
        let mut policy = SshPolicy::default();
        assert!(check_allowed(&way, &policy).is_ok());
        policy.hosts = vec!["*.example.com".into()];
        way.jumps = vec![SshLogin { host: "elsewhere".into(), ..way.login.clone() }];
        assert!(matches!(check_allowed(&way, &policy), Err(WayError::NotAllowed { .. })));
        way.jumps.clear();
        policy.users = vec!["deploy".into()];
        assert!(matches!(check_allowed(&way, &policy), Err(WayError::NotAllowed { .. })));
        policy.allowed = false;
        assert!(matches!(check_allowed(&way, &policy), Err(WayError::Forbidden)));
    }

    #[test]
    fn a_way_that_makes_no_sense_is_refused() {
        assert!(check(&way("root", "pc-1")).is_ok());
        assert!(check(&way("-oProxyCommand", "pc-1")).is_err());
        assert!(check(&way("root", "pc 1")).is_err());
        let mut nothing = way("root", "pc-1");
        nothing.login.key_file = None;
        assert!(check(&nothing).unwrap_err().to_string().contains("nothing to log in"));
        let mut su = way("bob", "pc-1");
        su.become_with = Some("su".into());
        assert!(check(&su).is_err());
    }
}
