//! Datagrams to all machines around, and from them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use crate::facts::networks;

/// Sends a datagram to every machine of every network that this one is in; says to how many
/// networks it went. An error means that it went to none.
pub fn shout(packet: &[u8], port: u16) -> io::Result<usize> {
    let mut sent = 0;
    let mut failed =
        io::Error::new(io::ErrorKind::NetworkUnreachable, "this machine has no network");
    for network in networks() {
        // From the address in that network, so that it leaves by the right card.
        match send(network.ip, SocketAddr::from((network.broadcast(), port)), packet) {
            Ok(()) => sent += 1,
            Err(error) => failed = error,
        }
    }
    if sent > 0 { Ok(sent) } else { Err(failed) }
}

/// Sends a datagram to one address, which may be that of all machines of a network.
pub fn tell(packet: &[u8], to: SocketAddr) -> io::Result<()> {
    if to.ip() == IpAddr::V4(Ipv4Addr::BROADCAST) {
        return shout(packet, to.port()).map(drop);
    }
    match to {
        SocketAddr::V4(_) => send(Ipv4Addr::UNSPECIFIED, to, packet),
        SocketAddr::V6(_) => {
            UdpSocket::bind("[::]:0")?.send_to(packet, to)?;
            Ok(())
        }
    }
}

fn send(from: Ipv4Addr, to: SocketAddr, packet: &[u8]) -> io::Result<()> {
    let socket = UdpSocket::bind((from, 0))?;
    socket.set_broadcast(true)?;
    socket.send_to(packet, to)?;
    Ok(())
}

/// A socket that hears datagrams at `at`, beside other programs of this machine that do. It never
/// blocks.
pub fn hear(at: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    Ok(socket.into())
}
