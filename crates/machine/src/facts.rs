//! What a machine tells of itself: texts for templates and queries.

#[cfg(target_os = "linux")]
#[path = "facts/linux.rs"]
mod system;
#[cfg(windows)]
#[path = "facts/windows.rs"]
mod system;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;

/// An address of this machine, and the network of IPv4 around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub ip: Ipv4Addr,
    /// Bits that all addresses of the network share.
    pub prefix: u8,
}

impl Network {
    /// The address that all machines of the network hear.
    pub fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.ip.to_bits() | !self.mask())
    }

    pub fn contains(self, ip: Ipv4Addr) -> bool {
        (self.ip.to_bits() ^ ip.to_bits()) & self.mask() == 0
    }

    fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0)
    }
}

/// `10.0.0.0/24`: the network, not the address in it.
impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.ip.to_bits() & self.mask()), self.prefix)
    }
}

/// The networks that this machine is in now, without its loop.
pub fn networks() -> Vec<Network> {
    let all = system::networks();
    all.into_iter().filter(|one| !one.ip.is_loopback() && !one.ip.is_unspecified()).collect()
}

/// `host_name`, `os` (`linux`, `windows`), `os_version`, `ip`, `mac`, `network` (`10.0.0.0/24`);
/// the unknown is left out.
pub fn facts() -> BTreeMap<String, String> {
    let networks = networks();
    let ip = own_address().or_else(|| networks.first().map(|one| IpAddr::V4(one.ip)));
    let network = networks.iter().find(|one| ip == Some(IpAddr::V4(one.ip)));
    let known = [
        ("host_name", system::host_name()),
        ("os", Some(if cfg!(windows) { "windows" } else { "linux" }.to_owned())),
        ("os_version", system::os_version()),
        ("mac", system::mac(ip)),
        ("network", network.map(Network::to_string)),
        ("ip", ip.map(|ip| ip.to_string())),
    ];
    let told = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    told.filter(|(_, value)| !value.is_empty()).collect()
}

/// Another text after each boot and the same one in between.
pub fn boot_id() -> io::Result<String> {
    system::boot_id()
}

/// Bytes that may still be written below `path`, which may not exist yet.
pub fn disk_free(path: &Path) -> io::Result<u64> {
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(path);
    system::disk_free(there)
}

/// What the system is called (`Debian GNU/Linux`, `Windows`) and which version of it that is (`12`,
/// `10.0.19045`); of the system below `root`, where that can be read.
pub(crate) fn name_and_version(root: Option<&Path>) -> (Option<String>, Option<String>) {
    system::name_and_version(root)
}

/// Of the whole machine.
pub(crate) fn memory_mb() -> Option<u64> {
    system::memory_mb()
}

/// The address this machine would use to speak to the world. Nothing is sent: connecting a
/// datagram socket only chooses a route. The addresses are those kept for documents.
fn own_address() -> Option<IpAddr> {
    let towards = |from: &str, to: &str| {
        let socket = UdpSocket::bind((from, 0)).ok()?;
        socket.connect((to, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
    };
    towards("0.0.0.0", "192.0.2.1").or_else(|| towards("::", "2001:db8::1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_knows_its_ends() {
        let network = |a, prefix| Network { ip: Ipv4Addr::new(10, 1, 2, a), prefix };
        assert_eq!(network(77, 24).broadcast(), Ipv4Addr::new(10, 1, 2, 255));
        assert_eq!(network(77, 26).broadcast(), Ipv4Addr::new(10, 1, 2, 127));
        assert_eq!(network(77, 26).to_string(), "10.1.2.64/26");
        assert_eq!(network(77, 32).broadcast(), Ipv4Addr::new(10, 1, 2, 77));
        assert_eq!(network(77, 0).to_string(), "0.0.0.0/0");
        assert!(network(77, 26).contains(Ipv4Addr::new(10, 1, 2, 100)));
        assert!(!network(77, 26).contains(Ipv4Addr::new(10, 1, 2, 200)));
    }
}
