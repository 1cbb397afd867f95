//! Opening secured connections to a server: TLS 1.3, both sides proving their keys.
//!
//! Owns the choice of address and of pinned keys. A server that cannot show a pinned deployment key
//! is nobody, whatever its certificate says otherwise.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use trust::{Fingerprint, Role, SigningKey, TrustDocument};
use wire::tls;

use crate::clock::now;

/// Longest wait for a connection, and again for its handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection over which both keys are proved.
pub(crate) type Connection = TlsStream<TcpStream>;

/// Why no server could be reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("no address of a server is known; enrol this machine again")]
    NoAddress,
    #[error("{server} cannot be reached: {source}")]
    Connect { server: String, source: io::Error },
    #[error("{server} does not answer within {} s", PATIENCE.as_secs())]
    Late { server: String },
    #[error(
        "{server}: the server presented a key that is not the pinned deployment key (another \
         server, or a man in the middle); if the deployment's key was changed, enrol this machine \
         with a new token"
    )]
    NotPinned { server: String },
    #[error("{server} does not speak to this agent: {source}")]
    Handshake { server: String, source: io::Error },
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] tls::ConfigError),
}

/// Opens a connection to `server` under `connector`.
pub(crate) async fn open(server: &str, connector: &TlsConnector) -> Result<Connection, DialError> {
    let late = || DialError::Late { server: server.to_owned() };
    let stream = timeout(PATIENCE, TcpStream::connect(server))
        .await
        .map_err(|_| late())?
        .map_err(|source| DialError::Connect { server: server.to_owned(), source })?;
    // Only costs time where it cannot be set.
    let _ = stream.set_nodelay(true);
    let handshake = connector.connect(tls::server_name(), stream);
    timeout(PATIENCE, handshake).await.map_err(|_| late())?.map_err(|source| {
        let cause = source.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        if cause.is_some_and(tls::is_not_pinned) {
            DialError::NotPinned { server: server.to_owned() }
        } else {
            DialError::Handshake { server: server.to_owned(), source }
        }
    })
}

/// A connector that lets only servers of these deployment keys pass.
pub(crate) fn connector(pins: &[Fingerprint], key: &SigningKey) -> Result<TlsConnector, DialError> {
    Ok(TlsConnector::from(Arc::new(tls::agent_config(pins, key)?)))
}

/// Dials the servers of an enrolled agent.
pub(crate) struct Dialer {
    servers: Vec<String>,
    key: SigningKey,
    trust: Mutex<TrustDocument>,
    /// Made once for each set of pins.
    made: Mutex<Option<(Vec<Fingerprint>, TlsConnector)>>,
}

impl Dialer {
    pub(crate) fn new(servers: Vec<String>, key: SigningKey, trust: TrustDocument) -> Self {
        Self { servers, key, trust: Mutex::new(trust), made: Mutex::new(None) }
    }

    pub(crate) fn renew_trust(&self, trust: TrustDocument) {
        *self.trust.lock().unwrap_or_else(PoisonError::into_inner) = trust;
    }

    /// The first server that answers, with its address.
    pub(crate) async fn dial(&self) -> Result<(String, Connection), DialError> {
        let connector = self.connector()?;
        let mut failed = DialError::NoAddress;
        for server in &self.servers {
            match open(server, &connector).await {
                Ok(connection) => return Ok((server.clone(), connection)),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn connector(&self) -> Result<TlsConnector, DialError> {
        let trust = self.trust.lock().unwrap_or_else(PoisonError::into_inner);
        let pins: Vec<Fingerprint> =
            trust.keys(Role::Server, now()).map(|key| key.fingerprint()).collect();
        drop(trust);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        match &*made {
            Some((for_pins, connector)) if *for_pins == pins => Ok(connector.clone()),
            _ => {
                let connector = connector(&pins, &self.key)?;
                *made = Some((pins, connector.clone()));
                Ok(connector)
            }
        }
    }
}
