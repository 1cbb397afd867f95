//! One call of an agent that listens: address after address, until it has proved itself here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{Address, ComputerId, ParseAddressError};
use store::ReadError;
use tokio::net::TcpStream;
use tokio::time::timeout;
use wire::carry::{Side, carry};

use super::order;
use crate::gateway;
use crate::hall::Hall;

/// Longest wait for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Longest wait for the agent to come in by a connection that stands.
const PROVE_WITHIN: Duration = Duration::from_secs(15);

/// A call that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// The address that answered; none where the agent was connected already.
    pub address: Option<Address>,
}

/// Why nobody could be called.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("the address that is forced for this computer cannot be used: {0}")]
    Forced(#[from] ParseAddressError),
    #[error("neither a host name nor an address of this computer is known")]
    NoAddress,
    #[error("{}", .0.join("; "))]
    Tried(Vec<String>),
    #[error("the computer could not be looked up")]
    Read(#[from] ReadError),
    #[error("there is no such computer")]
    Unknown,
}

/// Calls a computer's agent and waits until it is connected. `forced` is the one address to try.
pub async fn call(
    hall: &Arc<Hall>,
    computer: ComputerId,
    forced: Option<String>,
) -> Result<Called, CallError> {
    if hall.links.is_online(computer) {
        return Ok(Called { address: None });
    }
    let row = hall.store.computer(computer).await?.ok_or(CallError::Unknown)?;
    let addresses = order::addresses(&row.computer, forced)?;
    if addresses.is_empty() {
        return Err(CallError::NoAddress);
    }
    let mut tried = Vec::new();
    for address in addresses {
        match one(hall, &address, Some(computer)).await {
            Ok(()) => return Ok(Called { address: Some(address) }),
            Err(why) => tried.push(format!("{} {why}", address.socket())),
        }
        // It may have dialled meanwhile.
        if hall.links.is_online(computer) {
            return Ok(Called { address: None });
        }
    }
    Err(CallError::Tried(tried))
}

/// Connects to an address and lets whoever is there come in as if it had dialled: an agent, or a
/// machine that waits to be enrolled.
pub async fn call_address(hall: &Arc<Hall>, address: &Address) -> Result<(), CallError> {
    let called = one(hall, address, None).await;
    called.map_err(|why| CallError::Tried(vec![format!("{} {why}", address.socket())]))
}

async fn one(
    hall: &Arc<Hall>,
    address: &Address,
    expected: Option<ComputerId>,
) -> Result<(), String> {
    let connecting = TcpStream::connect((address.host().unwrap_or_default(), address.port()));
    let stream = timeout(CONNECT_WITHIN, connecting)
        .await
        .map_err(|_| format!("does not answer within {} s", CONNECT_WITHIN.as_secs()))?
        .map_err(|error| format!("cannot be reached ({error})"))?;
    let peer: SocketAddr = stream.peer_addr().map_err(|error| error.to_string())?;
    // Only costs time where it cannot be set.
    let _ = stream.set_nodelay(true);
    let arrivals = hall.links.arrivals();
    let (opener, accepted) = carry(stream, Side::Server);
    let stopping = hall.reach.stopping.clone();
    tokio::spawn(gateway::run_carrier(hall.clone(), accepted, peer, stopping));
    let Some(computer) = expected else {
        // Whoever is there has proved itself to the gateway, or is gone.
        return Ok(());
    };
    tokio::select! {
        is_there = timeout(PROVE_WITHIN, hall.links.arrived(computer, arrivals)) => {
            is_there.map_err(|_| {
                "answers, but this computer's agent did not come in: another program or another \
                 machine is there, or its agent does not trust this server"
                    .to_owned()
            })
        }
        () = opener.ended() => {
            Err("answers, but hangs up: no agent is there that trusts this server".to_owned())
        }
    }
}
