//! Opening secured connections to a server: TLS 1.3, both sides proving their keys.
//!
//! Owns the choice of the way and of pinned keys. Whichever way it goes - dialled, or a stream on a
//! carrier that a server brought - this side is the TLS client, and a server that cannot show a
//! pinned deployment key is nobody, whatever its certificate says otherwise.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use trust::{Fingerprint, Role, SigningKey, TrustDocument};
use wire::carry::Opener;
use wire::tls;

use crate::clock::now;

/// Longest wait for a connection, and again for its handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// The way to the server that content takes.
#[derive(Clone)]
pub(crate) enum Way {
    Dialled(Arc<Dialer>),
    /// Over the standard input and output of an agent that a log-in started: nothing is left to
    /// be proved.
    Carried(Opener),
}

impl Way {
    pub(crate) async fn connect(&self) -> Result<Box<dyn Duplex>, DialError> {
        match self {
            Self::Dialled(dialer) => Ok(Box::new(dialer.dial().await?.1)),
            Self::Carried(opener) => {
                let gone = || DialError::Gone { server: "the server".to_owned() };
                let opened = timeout(PATIENCE, opener.open()).await.map_err(|_| gone())?;
                Ok(Box::new(opened.map_err(|_| gone())?))
            }
        }
    }
}

/// A connection over which both keys are proved.
pub(crate) type Connection = TlsStream<Box<dyn Duplex>>;

/// A byte stream in both directions.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// What a server brought that came here by itself.
#[derive(Debug, Clone)]
pub(crate) struct Carrier {
    /// From where it came, for people.
    pub from: String,
    pub opener: Opener,
}

/// Why no server could be reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("no address of a server is known; enrol this machine again")]
    NoAddress,
    #[error("{server} cannot be reached: {source}")]
    Connect { server: String, source: io::Error },
    #[error("no server has come here yet, and this agent dials none")]
    NobodyCame,
    #[error("{server}, which had come here, is gone")]
    Gone { server: String },
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

/// Dials `server` and secures the connection under `connector`.
pub(crate) async fn open(server: &str, connector: &TlsConnector) -> Result<Connection, DialError> {
    let late = || DialError::Late { server: server.to_owned() };
    let stream = timeout(PATIENCE, TcpStream::connect(server))
        .await
        .map_err(|_| late())?
        .map_err(|source| DialError::Connect { server: server.to_owned(), source })?;
    // Only costs time where it cannot be set.
    let _ = stream.set_nodelay(true);
    secure(server, Box::new(stream), connector).await
}

/// Opens a stream of `carrier` and secures it under `connector`.
pub(crate) async fn over(
    carrier: &Carrier,
    connector: &TlsConnector,
) -> Result<Connection, DialError> {
    let gone = || DialError::Gone { server: carrier.from.clone() };
    let opened = timeout(PATIENCE, carrier.opener.open()).await.map_err(|_| gone())?;
    secure(&carrier.from, Box::new(opened.map_err(|_| gone())?), connector).await
}

async fn secure(
    server: &str,
    stream: Box<dyn Duplex>,
    connector: &TlsConnector,
) -> Result<Connection, DialError> {
    let handshake = connector.connect(tls::server_name(), stream);
    let secured = timeout(PATIENCE, handshake).await;
    let secured = secured.map_err(|_| DialError::Late { server: server.to_owned() })?;
    secured.map_err(|source| {
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

/// Opens connections for an enrolled agent, whichever way there is.
pub(crate) struct Dialer {
    servers: Vec<String>,
    key: SigningKey,
    trust: Mutex<TrustDocument>,
    /// Made once for each set of pins.
    made: Mutex<Option<(Vec<Fingerprint>, TlsConnector)>>,
    /// The server that came last and proved itself.
    brought: watch::Sender<Option<Carrier>>,
    /// Whether servers may come here.
    is_open: bool,
}

impl Dialer {
    /// Dials `servers`, and takes what is brought where `is_open`.
    pub(crate) fn new(
        servers: Vec<String>,
        is_open: bool,
        key: SigningKey,
        trust: TrustDocument,
    ) -> Self {
        let brought = watch::Sender::new(None);
        Self { servers, key, trust: Mutex::new(trust), made: Mutex::new(None), brought, is_open }
    }

    pub(crate) fn renew_trust(&self, trust: TrustDocument) {
        *self.trust.lock().unwrap_or_else(PoisonError::into_inner) = trust;
    }

    /// Takes a carrier in place of every way there was, once a server has proved itself over it.
    pub(crate) async fn bring(&self, carrier: Carrier) -> Result<(), DialError> {
        let proof = over(&carrier, &self.connector()?).await?;
        drop(proof);
        self.brought.send_replace(Some(carrier));
        Ok(())
    }

    /// Tells of servers that come from now on.
    pub(crate) fn comings(&self) -> watch::Receiver<Option<Carrier>> {
        let mut comings = self.brought.subscribe();
        comings.mark_unchanged();
        comings
    }

    /// A connection to the server that came here, or to the first that answers; with whose it is.
    pub(crate) async fn dial(&self) -> Result<(String, Connection), DialError> {
        let connector = self.connector()?;
        let mut failed = if self.is_open { DialError::NobodyCame } else { DialError::NoAddress };
        let brought = self.brought.borrow().clone();
        if let Some(carrier) = brought {
            match over(&carrier, &connector).await {
                Ok(connection) => return Ok((carrier.from, connection)),
                Err(error) => failed = error,
            }
            self.leave(&carrier);
        }
        for server in &self.servers {
            match open(server, &connector).await {
                Ok(connection) => return Ok((server.clone(), connection)),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Forgets a carrier that leads nowhere, unless another has come meanwhile.
    fn leave(&self, carrier: &Carrier) {
        self.brought.send_if_modified(|brought| {
            if brought.as_ref().is_some_and(|now| now.opener.is_same(&carrier.opener)) {
                *brought = None;
            }
            // That one is gone is no coming.
            false
        });
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
