//! What a machine tells of itself: texts for templates and queries.

#[cfg(target_os = "linux")]
#[path = "facts/linux.rs"]
mod system;
#[cfg(windows)]
#[path = "facts/windows.rs"]
mod system;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::path::Path;

/// `host_name`, `os` (`linux`, `windows`), `os_version`, `ip`, `mac`; the unknown is left out.
pub fn facts() -> BTreeMap<String, String> {
    let ip = own_address();
    let known = [
        ("host_name", system::host_name()),
        ("os", Some(if cfg!(windows) { "windows" } else { "linux" }.to_owned())),
        ("os_version", system::os_version()),
        ("mac", system::mac(ip)),
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
