//! Saying "I am here", and hearing neighbours say it (AG-02).
//!
//! Signals are sent one way and answered by nobody. Neighbours are kept by the ids they claim,
//! which nothing here could prove: the server takes the list as a hint at who shares a network.
//! What is kept is bounded by the settings, whoever shouts how often.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use model::{Addresses, ComputerId};
use tokio::net::{UdpSocket, lookup_host};
use tokio::sync::watch;
use tokio::time::Instant;
use trust::SigningKey;
use wire::signal::{Heard, SIGNAL_BYTES, Signal};

use crate::clock::now;
use crate::config::Config;

/// A neighbour that was not heard for so many of our own delays is none any more.
const DELAYS_KEPT: u32 = 5;
/// How often the list is looked through, and told where it has changed.
const LOOK: Duration = Duration::from_secs(30);
/// After an error of a socket.
const REST: Duration = Duration::from_secs(1);

/// Whose signals are heard, in order.
pub(crate) type Neighbours = Vec<ComputerId>;

/// Who sends signals.
pub(crate) struct Speaker {
    pub computer: ComputerId,
    pub key: SigningKey,
    /// How often this agent was started.
    pub start: u64,
}

/// Sends signals for ever.
pub(crate) async fn broadcast(config: Config, speaker: Speaker) {
    if config.broadcast.is_empty() {
        return std::future::pending().await;
    }
    let port = config.listen.iter().next().map_or(0, model::Address::port);
    let mut tick = tokio::time::interval(config.broadcast_delay.as_duration());
    for sequence in 1.. {
        tick.tick().await;
        let Speaker { computer, key, start } = &speaker;
        let signal =
            Signal { computer: *computer, key: key.id(), start: *start, sequence, at: now(), port };
        let datagram = signal.sign(key);
        for address in config.broadcast.iter() {
            let (host, port) = (address.host().unwrap_or_default(), address.port());
            let Ok(mut found) = lookup_host((host, port)).await else {
                tracing::debug!("no signal to {address}: its name is not known");
                continue;
            };
            if let Some(to) = found.next()
                && let Err(error) = machine::tell(&datagram, to)
            {
                tracing::debug!("no signal to {address}: {error}");
            }
        }
    }
}

/// Hears neighbours for ever, and tells of them.
pub(crate) async fn collect(config: Config, own: ComputerId, tell: watch::Sender<Neighbours>) {
    let mut sockets = Vec::new();
    for at in places(&config.collection) {
        match machine::hear(at).and_then(UdpSocket::from_std) {
            Ok(socket) => sockets.push(socket),
            Err(error) => tracing::warn!("neighbours are not heard on {at}: {error}"),
        }
    }
    if sockets.is_empty() {
        return std::future::pending().await;
    }
    let kept = config.broadcast_delay.as_duration() * DELAYS_KEPT;
    let mut heard: HashMap<ComputerId, Instant> = HashMap::new();
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            signal = next(&sockets) => {
                let is_known = heard.contains_key(&signal.computer);
                let is_room = heard.len() < config.collection_max;
                if signal.computer != own && (is_known || is_room) {
                    heard.insert(signal.computer, Instant::now());
                    if !is_known {
                        publish(&heard, &tell);
                    }
                }
            }
            _ = look.tick() => {
                heard.retain(|_, at| at.elapsed() < kept);
                publish(&heard, &tell);
            }
        }
    }
}

fn publish(heard: &HashMap<ComputerId, Instant>, tell: &watch::Sender<Neighbours>) {
    let mut list: Vec<ComputerId> = heard.keys().copied().collect();
    list.sort_unstable();
    tell.send_if_modified(|told| {
        let is_news = *told != list;
        if is_news {
            *told = list;
        }
        is_news
    });
}

/// Addresses to hear at; those of other machines are none.
fn places(addresses: &Addresses) -> impl Iterator<Item = SocketAddr> {
    let place = |address: &model::Address| match address.host() {
        None => Some(SocketAddr::from(([0, 0, 0, 0], address.port()))),
        Some(host) => Some(SocketAddr::new(host.parse().ok()?, address.port())),
    };
    addresses.iter().filter_map(place)
}

async fn next(sockets: &[UdpSocket]) -> Signal {
    let one = |socket| Box::pin(next_of(socket));
    futures_util::future::select_all(sockets.iter().map(one)).await.0
}

async fn next_of(socket: &UdpSocket) -> Signal {
    let mut datagram = [0; SIGNAL_BYTES + 1];
    loop {
        match socket.recv_from(&mut datagram).await {
            Ok((bytes, _)) => {
                if let Some(heard) = datagram.get(..bytes).and_then(Heard::read) {
                    return heard.signal;
                }
            }
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}
