//! Logging in: through jump hosts, with the keys and passwords that are kept.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use api::SshLogin;
use russh::client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::{
    Algorithm, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::hosts::{self, HostError};
use super::way::Allowed;
use crate::core::chain;
use crate::hall::Hall;
use crate::secrets;

/// For a connection, a key exchange, a log-in: each.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a silent host is asked whether it is there, and how often in vain.
const LOOK_AFTER: Duration = Duration::from_secs(15);
const LOOKS_MAX: usize = 3;
/// Questions that a host may ask at a log-in.
const QUESTIONS_MAX: usize = 8;

/// Why a log-in did not come about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("DH-S005: {host} cannot be reached: {why}")]
    Reach { host: String, why: String },
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("DH-S006: {host} does not let {user} in with {with}")]
    Denied { host: String, user: String, with: String },
    #[error("DH-S006: the key for {user}@{host} cannot be used: {why}")]
    Key { host: String, user: String, why: String },
}

/// A log-in that stands, with those that it goes through.
pub struct Connection {
    pub handle: Handle<Checker>,
    /// Ended after it.
    through: Vec<Handle<Checker>>,
    /// For people: `user@host`.
    pub name: String,
}

impl Connection {
    /// Says goodbye to every host on the way, the last one first. What still holds a channel would
    /// keep the connection up otherwise.
    pub async fn close(self) {
        for handle in [self.handle].into_iter().chain(self.through.into_iter().rev()) {
            let saying = handle.disconnect(russh::Disconnect::ByApplication, "", "en");
            // One that is gone has heard enough.
            let _gone = timeout(PATIENCE, saying).await;
        }
    }
}

/// Why a handshake failed.
#[derive(Debug)]
pub enum HandshakeError {
    Protocol(russh::Error),
    Host(HostError),
}

impl From<russh::Error> for HandshakeError {
    fn from(error: russh::Error) -> Self {
        Self::Protocol(error)
    }
}

/// What a host's key is held against.
enum Check {
    Known {
        hall: Arc<Hall>,
        accept_new: bool,
    },
    /// Any; it is looked at and no log-in follows.
    Shown(Arc<std::sync::Mutex<Option<PublicKey>>>),
}

/// Looks at the key of a host.
pub struct Checker {
    host: String,
    port: u16,
    check: Check,
}

impl client::Handler for Checker {
    type Error = HandshakeError;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        match &self.check {
            Check::Known { hall, accept_new } => {
                let at = (self.host.as_str(), self.port);
                let checked = hall.ssh.hosts.check(at, key, *accept_new);
                checked.map(|()| true).map_err(HandshakeError::Host)
            }
            Check::Shown(found) => {
                *found.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
                    Some(key.clone());
                Ok(false)
            }
        }
    }
}

/// Logs in, host by host.
pub async fn connect(hall: &Arc<Hall>, allowed: &Allowed) -> Result<Connection, ConnectError> {
    let mut through: Vec<Handle<Checker>> = Vec::new();
    let accept_new = allowed.policy.known_hosts == "accept-new";
    let hops = allowed.way.jumps.iter().chain([&allowed.way.login]);
    for login in hops {
        let (host, port) = (login.host.clone(), login.port);
        let check = Check::Known { hall: hall.clone(), accept_new };
        let checker = Checker { host, port, check };
        let known = hall.ssh.hosts.algorithms(&login.host, login.port);
        let mut handle = match through.last() {
            None => handshake(login, &known, dial(login).await?, checker).await?,
            Some(jump) => {
                let opened = jump.channel_open_direct_tcpip(
                    login.host.clone(),
                    login.port.into(),
                    "127.0.0.1",
                    0,
                );
                let opened = timeout(PATIENCE, opened).await;
                let opened = opened.map_err(|_| reach(login, "the jump host does not answer"))?;
                let channel = opened.map_err(|error| {
                    reach(login, &format!("the jump host does not lead there: {error}"))
                })?;
                handshake(login, &known, channel.into_stream(), checker).await?
            }
        };
        let logging_in = log_in(hall, login, &mut handle);
        let late = |_| reach(login, "the log-in takes too long");
        timeout(PATIENCE, logging_in).await.map_err(late)??;
        through.push(handle);
    }
    let login = &allowed.way.login;
    let handle = through.pop().ok_or_else(|| reach(login, "there is no way to it"))?;
    Ok(Connection { handle, through, name: format!("{}@{}", login.user, login.host) })
}

/// The key that a host shows, without any log-in.
pub async fn scan(host: &str, port: u16) -> Result<PublicKey, ConnectError> {
    let login = SshLogin {
        user: String::new(),
        host: host.to_owned(),
        port,
        key_file: None,
        key_secret: None,
        passphrase_secret: None,
        password_secret: None,
    };
    let found = Arc::new(std::sync::Mutex::new(None));
    let (host, check) = (host.to_owned(), Check::Shown(found.clone()));
    let shaken = handshake(&login, &[], dial(&login).await?, Checker { host, port, check }).await;
    let key = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    match (key, shaken) {
        (Some(key), _) => Ok(key),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(reach(&login, "it showed no key")),
    }
}

fn reach(login: &SshLogin, why: &str) -> ConnectError {
    let host = hosts::shown(&login.host, login.port);
    ConnectError::Reach { host, why: why.to_owned() }
}

async fn dial(login: &SshLogin) -> Result<TcpStream, ConnectError> {
    let dialling = TcpStream::connect((login.host.as_str(), login.port));
    let dialled = timeout(PATIENCE, dialling).await;
    let dialled = dialled.map_err(|_| reach(login, "nobody answers"))?;
    let stream = dialled.map_err(|error| reach(login, &error.to_string()))?;
    // Only costs time where it cannot be set.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn handshake<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    login: &SshLogin,
    known: &[Algorithm],
    stream: S,
    checker: Checker,
) -> Result<Handle<Checker>, ConnectError> {
    let mut config = client::Config {
        keepalive_interval: Some(LOOK_AFTER),
        keepalive_max: LOOKS_MAX,
        nodelay: true,
        ..client::Config::default()
    };
    if !known.is_empty() {
        // Asked for a key of a kind that is known, a host does not show another that is not.
        let mut kinds: Vec<Algorithm> = config.preferred.key.to_vec();
        kinds.sort_by_key(|kind| !known.iter().any(|known| is_of_kind(known, kind)));
        config.preferred.key = Cow::Owned(kinds);
    }
    let shaking = client::connect_stream(Arc::new(config), stream, checker);
    let shaken = timeout(PATIENCE, shaking).await;
    let shaken = shaken.map_err(|_| reach(login, "it does not speak SSH in time"))?;
    shaken.map_err(|error| match error {
        HandshakeError::Host(error) => ConnectError::Host(error),
        HandshakeError::Protocol(error) => reach(login, &error.to_string()),
    })
}

/// Keys of RSA are the same whichever hash signs with them.
fn is_of_kind(known: &Algorithm, offered: &Algorithm) -> bool {
    let is_rsa = |kind: &Algorithm| matches!(kind, Algorithm::Rsa { .. });
    known == offered || (is_rsa(known) && is_rsa(offered))
}

async fn log_in(
    hall: &Hall,
    login: &SshLogin,
    handle: &mut Handle<Checker>,
) -> Result<(), ConnectError> {
    let mut tried = Vec::new();
    if login.key_file.is_some() || login.key_secret.is_some() {
        let key = key(hall, login).await?;
        tried.push("its key");
        let hash = match key.algorithm() {
            Algorithm::Rsa { .. } => handle.best_supported_rsa_hash().await.ok().flatten(),
            _ => None,
        };
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash.flatten());
        let said = handle.authenticate_publickey(login.user.as_str(), key).await;
        if is_in(login, said)? {
            return Ok(());
        }
    }
    if let Some(name) = &login.password_secret {
        tried.push("its password");
        let password = secret_text(hall, login, name).await?;
        let said = handle.authenticate_password(login.user.as_str(), password.as_str()).await;
        if is_in(login, said)? || answers(login, handle, &password).await? {
            return Ok(());
        }
    }
    let (host, user) = (hosts::shown(&login.host, login.port), login.user.clone());
    Err(ConnectError::Denied { host, user, with: tried.join(" or ") })
}

fn is_in(login: &SshLogin, said: Result<AuthResult, russh::Error>) -> Result<bool, ConnectError> {
    said.map(|said| said.success()).map_err(|error| reach(login, &error.to_string()))
}

/// Hosts that ask for the password in their own words, as PAM does.
async fn answers(
    login: &SshLogin,
    handle: &mut Handle<Checker>,
    password: &str,
) -> Result<bool, ConnectError> {
    let broken = |error: russh::Error| reach(login, &error.to_string());
    let begun = handle.authenticate_keyboard_interactive_start(login.user.as_str(), None).await;
    let mut said = begun.map_err(broken)?;
    for _ in 0..QUESTIONS_MAX {
        match said {
            KeyboardInteractiveAuthResponse::Success => return Ok(true),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                let answers = prompts.iter().map(|_| password.to_owned()).collect();
                let told = handle.authenticate_keyboard_interactive_respond(answers).await;
                said = told.map_err(broken)?;
            }
        }
    }
    Ok(false)
}

async fn secret_text(
    hall: &Hall,
    login: &SshLogin,
    name: &str,
) -> Result<Zeroizing<String>, ConnectError> {
    let secret = secrets::open(hall, name).await.map_err(|error| bad_key(login, chain(&error)))?;
    let text = std::str::from_utf8(&secret).map_err(|error| bad_key(login, error.to_string()))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn bad_key(login: &SshLogin, why: String) -> ConnectError {
    let (host, user) = (hosts::shown(&login.host, login.port), login.user.clone());
    ConnectError::Key { host, user, why }
}

async fn key(hall: &Hall, login: &SshLogin) -> Result<PrivateKey, ConnectError> {
    let text: Zeroizing<String> = match (&login.key_file, &login.key_secret) {
        (_, Some(name)) => {
            let secret = secrets::open(hall, name).await;
            let secret = secret.map_err(|error| bad_key(login, chain(&error)))?;
            Zeroizing::new(String::from_utf8_lossy(&secret).into_owned())
        }
        (Some(path), None) => {
            let read = tokio::fs::read_to_string(path).await;
            Zeroizing::new(read.map_err(|error| bad_key(login, format!("{path}: {error}")))?)
        }
        (None, None) => return Err(bad_key(login, "none is named".to_owned())),
    };
    let passphrase = match &login.passphrase_secret {
        Some(name) => Some(secret_text(hall, login, name).await?),
        None => None,
    };
    let passphrase = passphrase.as_ref().map(|text| text.as_str());
    let decoded = russh::keys::decode_secret_key(&text, passphrase);
    decoded.map_err(|error| {
        let why = match error {
            russh::keys::Error::KeyIsEncrypted => {
                "it is encrypted, and no secret that opens it is named".to_owned()
            }
            other => other.to_string(),
        };
        bad_key(login, why)
    })
}
