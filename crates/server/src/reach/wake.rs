//! Waking machines (AC-11, BX-15): magic packets from here and from neighbours, until the machine
//! shows itself.
//!
//! That a packet was sent says nothing; a link of the machine's agent, or its signed signal, is the
//! proof. Packets are repeated, since the first may be lost while a network card sleeps.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Computer, ComputerId};
use store::ReadError;
use tokio_util::sync::CancellationToken;
use wire::wake::{Mac, ParseMacError};
use workflow::{Event, Report, WakeThrough};

use super::{call, order};
use crate::clock::now;
use crate::effects::{Job, text};
use crate::hall::Hall;

/// How long a machine is waited for, unless told otherwise.
pub const WITHIN: Duration = Duration::from_secs(5 * 60);
/// Between two packets.
const AGAIN: Duration = Duration::from_secs(5);
/// Neighbours that send, of those that could.
const NEIGHBOURS_ASKED: usize = 3;
/// The report comes before the run's own limit cuts the activity off.
const BEFORE_LIMIT: Duration = Duration::from_secs(1);

/// What shall be woken, and how.
#[derive(Debug, Clone)]
pub struct Wish {
    pub computer: ComputerId,
    /// The physical address; that on record where it is not given.
    pub address: Option<String>,
    pub through: WakeThrough,
    pub port: u16,
    pub within: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Woken {
    pub was_awake: bool,
    pub seconds: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum WakeError {
    #[error("there is no such computer")]
    Unknown,
    #[error("the computer could not be looked up")]
    Read(#[from] ReadError),
    #[error(
        "{0} has no physical address on record; its agent tells it when it connects, or \
         `deskhand computer set {0} --fact mac=…`"
    )]
    NoMac(String),
    #[error(transparent)]
    BadMac(#[from] ParseMacError),
    #[error("nobody can send to its network: {0}")]
    NoWay(String),
    #[error(
        "{name} did not show itself within {} s; packets for {mac} went out {sent}",
        .within.as_secs()
    )]
    Late { name: String, mac: Mac, sent: String, within: Duration },
    #[error("it was not waited for any longer")]
    Cancelled,
}

/// Wakes a computer and waits until it shows itself.
pub async fn wake(
    hall: &Arc<Hall>,
    wish: &Wish,
    cancel: &CancellationToken,
) -> Result<Woken, WakeError> {
    let (begin, since) = (Instant::now(), now());
    if hall.links.is_online(wish.computer) {
        return Ok(Woken { was_awake: true, seconds: 0 });
    }
    let row = hall.store.computer(wish.computer).await?.ok_or(WakeError::Unknown)?;
    let computer = row.computer;
    if order::is_listener(&computer) && call(hall, computer.id, None).await.is_ok() {
        return Ok(Woken { was_awake: true, seconds: begin.elapsed().as_secs() });
    }
    let told = wish.address.as_ref().or_else(|| computer.facts.get("mac"));
    let told = told.filter(|text| !text.trim().is_empty());
    let mac: Mac = told.ok_or_else(|| WakeError::NoMac(computer.name.clone()))?.parse()?;
    let arrivals = hall.links.arrivals();
    let shows_itself = async {
        tokio::select! {
            () = hall.links.arrived(computer.id, arrivals) => {}
            () = hall.reach.signals.after(computer.id, since) => {}
        }
    };
    let mut sent = send(hall, wish, &computer, mac).await?;
    let repeat = async {
        loop {
            tokio::time::sleep(AGAIN).await;
            // The first time it could be sent; who could send then may be gone now.
            if let Ok(again) = send(hall, wish, &computer, mac).await {
                sent = again;
            }
        }
    };
    tokio::select! {
        () = shows_itself => {
            return Ok(Woken { was_awake: false, seconds: begin.elapsed().as_secs() });
        }
        () = tokio::time::sleep(wish.within) => {}
        () = cancel.cancelled() => return Err(WakeError::Cancelled),
        () = repeat => {}
    }
    let (name, within) = (computer.name.clone(), wish.within);
    Err(WakeError::Late { name, mac, sent, within })
}

/// Sends one round of packets; says which ways they went.
async fn send(
    hall: &Arc<Hall>,
    wish: &Wish,
    computer: &Computer,
    mac: Mac,
) -> Result<String, WakeError> {
    let mut ways = Vec::new();
    let mut failed = Vec::new();
    if wish.through != WakeThrough::Neighbour {
        match from_here(computer, mac, wish.port) {
            Ok(way) => ways.push(way),
            Err(why) => failed.push(why),
        }
    }
    if wish.through != WakeThrough::Server {
        let neighbours = hall.reach.neighbours_of(computer, |id| hall.links.is_online(id));
        let asked = neighbours.into_iter().take(NEIGHBOURS_ASKED);
        let asked = asked.filter(|id| hall.links.ask_to_wake(*id, mac, wish.port)).count();
        match asked {
            0 => failed.push("no agent in its network is connected".to_owned()),
            1 => ways.push("from one neighbour".to_owned()),
            many => ways.push(format!("from {many} neighbours")),
        }
    }
    if ways.is_empty() {
        return Err(WakeError::NoWay(failed.join("; ")));
    }
    Ok(ways.join(" and "))
}

/// Into the server's own networks, and to the broadcast address of the computer's last one.
fn from_here(computer: &Computer, mac: Mac, port: u16) -> Result<String, String> {
    let packet = mac.packet();
    let around = machine::shout(&packet, port);
    let far = computer.facts.get("network").map(String::as_str).and_then(broadcast);
    let far = far.map(|ip| machine::tell(&packet, SocketAddr::from((ip, port))));
    match (around, far) {
        (Ok(networks), _) => Ok(format!("from the server into {networks} networks")),
        (Err(_), Some(Ok(()))) => Ok("from the server to its last network".to_owned()),
        (Err(error), _) => Err(format!("the server could not send: {error}")),
    }
}

/// The address that all machines of `10.0.0.0/24` hear.
fn broadcast(network: &str) -> Option<Ipv4Addr> {
    let (ip, prefix) = network.split_once('/')?;
    let (ip, prefix) = (ip.parse().ok()?, prefix.parse().ok().filter(|bits| *bits <= 32)?);
    // A route of a single machine or of the whole world is no network to shout into.
    (8..31).contains(&prefix).then(|| machine::Network { ip, prefix }.broadcast())
}

/// Carries out a Wake on LAN of a workflow.
pub async fn carry_out(hall: &Arc<Hall>, job: &Job, wish: &workflow::WakeOnLan) -> Report {
    let address = match wish.address.as_ref().map(|template| text(template, &job.context)) {
        Some(Err(why)) => return Report::error(why),
        Some(Ok(address)) => Some(address),
        None => None,
    };
    let within = job.timeout.map_or(WITHIN, model::Span::as_duration);
    let within = within.saturating_sub(BEFORE_LIMIT).max(within / 2);
    let port = u16::try_from(wish.port).unwrap_or(wire::wake::WAKE_PORT);
    let wish = Wish { computer: job.computer, address, through: wish.through, port, within };
    match wake(hall, &wish, &job.cancel).await {
        Ok(Woken { was_awake, seconds }) => {
            let mut report = Report::of(Event::Ok);
            report.outputs.insert("was_awake".to_owned(), was_awake.to_string());
            report.outputs.insert("seconds".to_owned(), seconds.to_string());
            report
        }
        Err(error) => Report::error(crate::core::chain(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_networks_are_shouted_into() {
        for (network, expect) in [
            ("10.1.2.0/24", Some("10.1.2.255")),
            ("172.16.0.0/12", Some("172.31.255.255")),
            ("0.0.0.0/0", None),
            ("10.1.2.3/32", None),
            ("10.1.2.0/33", None),
            ("nonsense", None),
        ] {
            let expect = expect.map(|ip: &str| ip.parse::<Ipv4Addr>().expect("an address"));
            assert_eq!(broadcast(network), expect, "{network}");
        }
    }
}
