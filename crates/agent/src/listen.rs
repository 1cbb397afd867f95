//! Letting servers come here (AG-03): for networks in which machines may not dial out.
//!
//! Whoever connects gets a carrier, over which this agent opens a connection as TLS client: the
//! server on the other side has to show the pinned deployment key, as if it had been dialled. Until
//! then it is nobody: few at once, a short time, and nothing is read from it but a handshake.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use model::{Address, Addresses};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use wire::carry::{Side, carry};

use crate::dial::{self, Carrier, Connection, Connector, Dialer};

/// Strangers that may try at once; more wait.
const STRANGERS_MAX: usize = 8;
/// After an error of the listener itself, such as no more descriptors.
const REST: Duration = Duration::from_secs(1);

/// Binds all addresses; an empty host is every interface.
pub(crate) async fn bind(addresses: &Addresses) -> Result<Vec<TcpListener>, (Address, io::Error)> {
    let mut listeners = Vec::new();
    for address in addresses.iter() {
        let bound = match address.host() {
            Some(host) => TcpListener::bind((host, address.port())).await,
            // Both families where the machine has both.
            None => match TcpListener::bind(("::", address.port())).await {
                Ok(listener) => Ok(listener),
                Err(_) => TcpListener::bind(("0.0.0.0", address.port())).await,
            },
        };
        listeners.push(bound.map_err(|error| (address.clone(), error))?);
    }
    Ok(listeners)
}

/// Waits for the first that comes and proves to be a server under `connector`.
pub(crate) async fn first(
    listeners: &[TcpListener],
    connector: &Connector,
) -> (String, Connection) {
    loop {
        let accepting = listeners.iter().map(|listener| Box::pin(listener.accept()));
        let (accepted, _, _) = futures_util::future::select_all(accepting).await;
        let Ok((stream, from)) = accepted else {
            tokio::time::sleep(REST).await;
            continue;
        };
        let carrier = carrier(stream, from.to_string());
        match dial::over(&carrier, connector).await {
            Ok(connection) => return (carrier.from, connection),
            Err(error) => tracing::warn!("somebody came here and was turned away: {error}"),
        }
    }
}

fn carrier(stream: TcpStream, from: String) -> Carrier {
    // Only costs time where it cannot be set.
    let _ = stream.set_nodelay(true);
    let (opener, _) = carry(stream, Side::Agent);
    Carrier { from, opener }
}

/// Takes servers that come to `listeners` for ever.
pub(crate) async fn keep(listeners: Vec<TcpListener>, dialer: Arc<Dialer>) {
    let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
    let tasks = listeners.into_iter().map(|one| accept(one, dialer.clone(), strangers.clone()));
    futures_util::future::join_all(tasks).await;
    // Without any address there is nothing to take, and nothing to end for.
    std::future::pending::<()>().await;
}

async fn accept(listener: TcpListener, dialer: Arc<Dialer>, strangers: Arc<Semaphore>) {
    loop {
        let Ok(permit) = strangers.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, from)) => {
                let dialer = dialer.clone();
                tokio::spawn(async move {
                    meet(&dialer, stream, from.to_string()).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!("no server can come here: {error}");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

async fn meet(dialer: &Dialer, stream: TcpStream, from: String) {
    match dialer.bring(carrier(stream, from.clone())).await {
        Ok(()) => tracing::info!("a server came here from {from}"),
        Err(error) => tracing::warn!("somebody came here and was turned away: {error}"),
    }
}
