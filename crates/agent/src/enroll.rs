//! Enrolment: a machine becomes a computer on record (AG-02, SK-04).
//!
//! The token is all there is to begin with: where the server is, what it must prove, and the secret
//! that lets this machine in. Owns the order of things: keys are durable before the server hears of
//! them, and the machine counts as enrolled only when all of it is.

use model::ComputerId;
use trust::{DecodeError, Fingerprint, Refusal, Signed, Token, TrustDocument};
use wire::{Enroll, FromAgent, FromServer, Protocols};

use crate::catch_up::{self, CatchUpError};
use crate::clock::now;
use crate::config::{Config, ConfigError};
use crate::dial::{self, Connection, Connector, DialError};
use crate::link::{self, LinkError};
use crate::listen;
use crate::state::{
    FolderError, Identity, IdentityError, Keys, StateFolder, StoreIdentityError, load_or_make_keys,
};

/// How a machine shall be enrolled.
#[derive(Debug)]
pub struct Enrolment {
    pub token: Token,
    /// Tried before the addresses in the token.
    pub servers: Vec<String>,
    /// The name it would like; its host name otherwise.
    pub name: Option<String>,
    /// How this machine is reached from then on. Where it does not dial, the enrolment itself waits
    /// for the server to come.
    pub config: Config,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    pub computer: ComputerId,
    /// The name that was asked for.
    pub wished: String,
    /// The name that it has got: where another computer has the one that was asked for, that name
    /// with a number.
    pub name: String,
    pub server: String,
    /// The deployment key that is obeyed from now on.
    pub deployment_key: Fingerprint,
    pub agent_key: Fingerprint,
}

#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(
        "this machine is enrolled already (as {name}); to enrol it anew, stop the agent and remove \
         {}", .folder.display()
    )]
    Already { name: String, folder: std::path::PathBuf },
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Store(#[from] StoreIdentityError),
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    CatchUp(#[from] CatchUpError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("this agent cannot listen on {address}: {source}; is another program there?")]
    Listen { address: model::Address, source: std::io::Error },
    #[error("the server refuses the enrolment ({code}): {reason}")]
    Rejected { code: String, reason: String },
    #[error("the server's trust document cannot be read: {0}")]
    Document(#[from] DecodeError),
    #[error("the server's trust document is not to be trusted: {0}")]
    NotTrusted(#[from] Refusal),
}

/// Enrols this machine and keeps what it needs from then on in `folder`.
pub async fn enroll(folder: &StateFolder, wish: &Enrolment) -> Result<Enrolled, EnrollError> {
    if Identity::is_there(folder) {
        let name = Identity::load(folder)?.name;
        return Err(EnrollError::Already { name, folder: folder.path().to_owned() });
    }
    wish.config.check()?;
    folder.create()?;
    let _lock = folder.lock()?;
    let facts = machine::facts();
    let host_name = facts.get("host_name").cloned().unwrap_or_default();
    let name = wish.name.clone().unwrap_or_else(|| host_name.clone());
    let label = if name.trim().is_empty() { "agent" } else { &name };
    let keys = load_or_make_keys(folder, label)?;
    let wished = name.clone();
    let request = Enroll {
        protocols: Protocols::OURS,
        agent_version: crate::VERSION.to_owned(),
        token: wish.token.id,
        secret: *wish.token.secret.as_bytes(),
        sealing_key: *keys.sealing.public().as_bytes(),
        name,
        facts: facts.into_iter().chain(wish.config.told()).collect(),
    };
    let (server, answer) = ask(wish, &keys, request).await?;
    let (computer, name, trust) = match answer {
        FromServer::Enrolled { computer, name, trust } => (computer, name, trust),
        FromServer::Rejected { code, reason } => {
            return Err(EnrollError::Rejected { code, reason });
        }
        FromServer::Welcome { .. }
        | FromServer::Run(_)
        | FromServer::Trust(_)
        | FromServer::Wake { .. }
        | FromServer::Update(_)
        | FromServer::Wanted(_) => {
            return Err(LinkError::Unexpected.into());
        }
    };
    let chain: Vec<Signed> =
        trust.iter().map(|bytes| Signed::decode(bytes)).collect::<Result<_, _>>()?;
    let (trust, signed) = TrustDocument::from_pin(&chain, wish.token.deployment_key, now())?;
    let deployment_key =
        dial::server_pins(&trust).first().copied().unwrap_or(wish.token.deployment_key);
    let agent_key = keys.signing.verifying_key().fingerprint();
    let servers = addresses(wish);
    let identity =
        Identity { computer, name, servers, signing: keys.signing, sealing: keys.sealing, trust };
    identity.store(folder, &signed)?;
    Ok(Enrolled { computer, wished, name: identity.name, server, deployment_key, agent_key })
}

fn addresses(wish: &Enrolment) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for server in wish.servers.iter().chain(&wish.token.servers) {
        if !all.contains(server) {
            all.push(server.clone());
        }
    }
    all
}

async fn ask(
    wish: &Enrolment,
    keys: &Keys,
    request: Enroll,
) -> Result<(String, FromServer), EnrollError> {
    let connector = dial::connector(&[wish.token.deployment_key], &keys.signing)?;
    if !wish.config.dial {
        let listeners = listen::bind(&wish.config.listen)
            .await
            .map_err(|(address, source)| EnrollError::Listen { address, source })?;
        let (server, connection) = listen::first(&listeners, &connector).await;
        return say(server, connection, request).await;
    }
    let mut failed = EnrollError::from(DialError::NoAddress);
    for server in addresses(wish) {
        match reach(&server, &connector, wish.token.deployment_key, keys).await {
            Ok(connection) => return say(server, connection, request).await,
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// A connection to a server that the token's key vouches for: by itself, or through the documents
/// by which it handed over to the key of today.
async fn reach(
    server: &str,
    connector: &Connector,
    pin: Fingerprint,
    keys: &Keys,
) -> Result<Connection, EnrollError> {
    match dial::open(server, connector).await {
        Err(DialError::NotPinned { server }) => {
            let chain = catch_up::ask_all(&server).await?;
            let Ok((trust, _)) = TrustDocument::from_pin(&chain, pin, now()) else {
                return Err(DialError::NotPinned { server }.into());
            };
            let connector = dial::connector(&dial::server_pins(&trust), &keys.signing)?;
            Ok(dial::open(&server, &connector).await?)
        }
        opened => Ok(opened?),
    }
}

async fn say(
    server: String,
    connection: Connection,
    request: Enroll,
) -> Result<(String, FromServer), EnrollError> {
    let mut socket = link::open(connection).await?;
    let answer = link::ask(&mut socket, FromAgent::Enroll(request)).await?;
    Ok((server, answer))
}
