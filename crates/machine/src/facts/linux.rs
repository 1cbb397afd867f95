//! Facts from `/etc`, `/proc`, `/sys`.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

pub(super) fn host_name() -> Option<String> {
    Some(rustix::system::uname().nodename().to_string_lossy().into_owned())
}

/// `Debian GNU/Linux 12 (bookworm)`, else the kernel's release.
pub(super) fn os_version() -> Option<String> {
    let release = fs::read_to_string("/etc/os-release")
        .or_else(|_| fs::read_to_string("/usr/lib/os-release"))
        .unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let name = name.map(|name| name.trim_matches(['"', '\'']).to_owned());
    name.or_else(|| Some(rustix::system::uname().release().to_string_lossy().into_owned()))
}

/// Of the interface with the default route, else of the first that is no loop.
pub(super) fn mac(_ip: Option<IpAddr>) -> Option<String> {
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let routed = routes.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let interface = fields.next()?;
        (fields.next()? == "00000000").then(|| interface.to_owned())
    });
    let address = |interface: &str| {
        let text = fs::read_to_string(format!("/sys/class/net/{interface}/address")).ok()?;
        Some(text.trim().to_owned()).filter(|mac| !mac.is_empty() && mac != "00:00:00:00:00:00")
    };
    if let Some(mac) = routed.and_then(|interface| address(&interface)) {
        return Some(mac);
    }
    let mut names: Vec<String> = fs::read_dir("/sys/class/net")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names.iter().find_map(|name| address(name))
}

pub(super) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

pub(super) fn disk_free(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
