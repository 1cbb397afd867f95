//! Opening secured connections to a server: TLS 1.3, both sides proving their keys.
//!
//! Owns the choice of the way and of pinned keys. Whichever way it goes - dialled, or a stream on a
//! carrier that a server brought - this side is the TLS client, and a server that cannot show a
//! pinned deployment key is nobody, whatever its certificate says otherwise: it is asked, by nobody
//! in particular, for the documents by which the key was changed, and left if these prove nothing.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use trust::{Fingerprint, Role, SigningKey, TrustDocument};
use wire::carry::Opener;
use wire::tls;

use crate::catch_up::{self, CatchUpError};
use crate::clock::{now, random};
use crate::driver::Input;

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
        "{server}: the server presented a key that is not the pinned deployment key and cannot prove \
         that the key was changed (another server, or a man in the middle); if it is the right one, \
         enrol this machine with a new token"
    )]
    NotPinned { server: String },
    #[error("{server} does not speak to this agent: {source}")]
    Handshake { server: String, source: io::Error },
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] tls::ConfigError),
}

/// How connections are secured: who is let pass, and whom to ask for.
#[derive(Clone)]
pub(crate) struct Connector {
    tls: TlsConnector,
    name: ServerName<'static>,
}

/// Dials `server` and secures the connection under `connector`.
pub(crate) async fn open(server: &str, connector: &Connector) -> Result<Connection, DialError> {
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
    connector: &Connector,
) -> Result<Connection, DialError> {
    let gone = || DialError::Gone { server: carrier.from.clone() };
    let opened = timeout(PATIENCE, carrier.opener.open()).await.map_err(|_| gone())?;
    secure(&carrier.from, Box::new(opened.map_err(|_| gone())?), connector).await
}

async fn secure(
    server: &str,
    stream: Box<dyn Duplex>,
    connector: &Connector,
) -> Result<Connection, DialError> {
    let handshake = connector.tls.connect(connector.name.clone(), stream);
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

/// A connector that lets only servers of these deployment keys pass; the first is asked for.
pub(crate) fn connector(pins: &[Fingerprint], key: &SigningKey) -> Result<Connector, DialError> {
    let asked = pins.first().map(|pin| tls::server_name_for(pin.key_id()));
    Ok(Connector {
        tls: TlsConnector::from(Arc::new(tls::agent_config(pins, key)?)),
        name: asked.unwrap_or_else(tls::server_name),
    })
}

/// A connector that lets any server pass, for asking what proves itself.
pub(crate) fn stranger(random: &[u8; 32]) -> Result<Connector, DialError> {
    let tls = TlsConnector::from(Arc::new(tls::stranger_config(random)?));
    Ok(Connector { tls, name: tls::server_name() })
}

/// Where a server is to be found.
#[derive(Clone, Copy)]
enum Place<'w> {
    Address(&'w str),
    Carrier(&'w Carrier),
}

impl Place<'_> {
    async fn open(self, connector: &Connector) -> Result<Connection, DialError> {
        match self {
            Self::Address(server) => open(server, connector).await,
            Self::Carrier(carrier) => over(carrier, connector).await,
        }
    }
}

/// Opens connections for an enrolled agent, whichever way there is.
pub(crate) struct Dialer {
    servers: Vec<String>,
    key: SigningKey,
    trust: Mutex<TrustDocument>,
    /// Made once for each set of pins.
    made: Mutex<Option<(Vec<Fingerprint>, Connector)>>,
    renewed: watch::Sender<u64>,
    /// Where documents are judged that a server tells of its keys.
    judge: mpsc::Sender<Input>,
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
        judge: mpsc::Sender<Input>,
    ) -> Self {
        let (brought, renewed) = (watch::Sender::new(None), watch::Sender::new(trust.number()));
        let (trust, made) = (Mutex::new(trust), Mutex::new(None));
        Self { servers, key, trust, made, renewed, judge, brought, is_open }
    }

    fn trust(&self) -> MutexGuard<'_, TrustDocument> {
        self.trust.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn renew_trust(&self, trust: TrustDocument) {
        let number = trust.number();
        *self.trust() = trust;
        self.renewed.send_replace(number);
    }

    /// Takes a carrier in place of every way there was, once a server has proved itself over it.
    pub(crate) async fn bring(&self, carrier: Carrier) -> Result<(), DialError> {
        let proof = self.go(Place::Carrier(&carrier)).await?;
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
        let mut failed = if self.is_open { DialError::NobodyCame } else { DialError::NoAddress };
        let brought = self.brought.borrow().clone();
        if let Some(carrier) = brought {
            match self.go(Place::Carrier(&carrier)).await {
                Ok(connection) => return Ok((carrier.from, connection)),
                Err(error) => failed = error,
            }
            self.leave(&carrier);
        }
        for server in &self.servers {
            match self.go(Place::Address(server)).await {
                Ok(connection) => return Ok((server.clone(), connection)),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// A connection that way. A server that shows no key that is trusted is asked how its keys were
    /// changed, which happened while this machine was away, or not at all.
    async fn go(&self, way: Place<'_>) -> Result<Connection, DialError> {
        match way.open(&self.connector()?).await {
            Err(DialError::NotPinned { server }) => match self.catch_up(way).await {
                Ok(true) => way.open(&self.connector()?).await,
                Ok(false) => Err(DialError::NotPinned { server }),
                Err(why) => {
                    tracing::info!("{server}: {why}");
                    Err(DialError::NotPinned { server })
                }
            },
            opened => opened,
        }
    }

    /// Whether the server that way has led to a newer trust document.
    async fn catch_up(&self, way: Place<'_>) -> Result<bool, CatchUpError> {
        let after = self.trust().number();
        let stranger = stranger(&random()?)?;
        let documents = catch_up::ask(way.open(&stranger).await?, after).await?;
        let (answer, is_renewed) = oneshot::channel();
        let asked = self.judge.send(Input::Trust(documents, Some(answer))).await;
        // An agent that stops learns nothing more.
        Ok(asked.is_ok() && is_renewed.await.unwrap_or(false))
    }

    /// Ready once a newer trust document does not name the key any more by which the server at the
    /// other end of `connection` has proved itself. A key whose time is over was good when it did.
    pub(crate) fn revoked(&self, connection: &Connection) -> impl Future<Output = ()> + use<'_> {
        let chain = connection.get_ref().1.peer_certificates().unwrap_or_default();
        let chain: Vec<_> =
            chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        let mut renewed = self.renewed.subscribe();
        async move {
            while renewed.changed().await.is_ok() {
                let trust = self.trust().clone();
                let named = trust.role(Role::Server).holders().iter();
                let pins: Vec<_> = named.map(|holder| holder.key.fingerprint()).collect();
                if !tls::is_vouched(&chain, &pins) {
                    return;
                }
            }
            std::future::pending::<()>().await;
        }
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

    fn connector(&self) -> Result<Connector, DialError> {
        let pins = server_pins(&self.trust());
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

/// The keys that a server may prove itself by now, those that have no end first.
pub(crate) fn server_pins(trust: &TrustDocument) -> Vec<Fingerprint> {
    let valid: Vec<_> = trust.keys(Role::Server, now()).map(|key| key.fingerprint()).collect();
    let holders = trust.role(Role::Server).holders();
    let lasting = |pin: &Fingerprint| {
        holders.iter().any(|holder| holder.until.is_none() && holder.key.fingerprint() == *pin)
    };
    let (mut pins, ending): (Vec<_>, Vec<_>) = valid.into_iter().partition(lasting);
    pins.extend(ending);
    pins
}
